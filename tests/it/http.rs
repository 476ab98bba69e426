//! The HTTP side of the server, through a socket.

mod applications;
mod bad_input;
mod cabinet;
mod changes;
mod channels;
mod groups;
mod health;
mod isolation;
mod limits;
mod lines;
mod linking;
mod live;
mod messages;
pub mod openapi;
mod post_office;
mod posts;
mod sessions;
mod set_up;
mod visits;
mod vk_sign_in;
