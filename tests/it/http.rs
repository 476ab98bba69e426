//! The HTTP side of the server, through a socket.

mod bad_input;
mod channels;
mod isolation;
mod limits;
mod linking;
mod messages;
mod sessions;
