//! The HTTP side of the server, through a socket.

mod applications;
mod bad_input;
mod cabinet;
mod channels;
mod isolation;
mod limits;
mod linking;
mod messages;
pub mod openapi;
mod sessions;
mod set_up;
