//! Files: uploaded, linked to, fetched from vendors, passed on, forgotten.

mod arrivals;
mod bucket;
mod memory;
mod outlets;
mod server;
mod uploads;
