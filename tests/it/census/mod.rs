//! The census and the comparison: the same data are the same, and every change is seen.

mod comparison;
mod digest;
mod file;
mod fixtures;
mod model;
mod parts;
pub mod reference;
mod servers;
mod totals;
