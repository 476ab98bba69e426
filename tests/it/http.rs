//! The HTTP side of the server, through a socket.

mod bad_input;
mod cabinet;
mod channels;
mod groups;
mod isolation;
mod limits;
mod linking;
mod messages;
pub mod openapi;
mod sessions;
mod set_up;
mod visits;
