//! Restores into real servers.

mod faults;
mod round_trip;
mod support;
