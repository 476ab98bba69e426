//! The doors.

pub mod hook;
