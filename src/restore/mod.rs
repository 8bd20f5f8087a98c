//! (to be written)

pub mod file;
pub mod replica;
mod source;

pub use source::{RdbSource, SourceError};
