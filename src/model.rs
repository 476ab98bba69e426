//! Words and rules without input or output: everything here can be read and tested without a database or a socket.

pub mod address;
pub mod application;
pub mod change;
pub mod clock;
pub mod errand;
pub mod eta;
pub mod file;
pub mod group;
pub mod id;
pub mod message;
pub mod moment;
pub mod origin;
pub mod pace;
pub mod pattern;
pub mod php_form;
pub mod place;
pub mod render;
pub mod result;
pub mod shape;
pub mod status;
pub mod template;
pub mod vendor;
pub mod window;
