//! (to be written)
pub mod manifest;
