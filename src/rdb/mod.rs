//! (to be written)

mod crc64;
mod cursor;
pub mod dump;
mod duplicates;
mod error;
mod lzf;
pub mod module;
pub mod opcode;
mod scanner;
mod tail;
mod text;
mod value;
pub mod visit;

pub use crc64::{Crc64, crc64};
pub use duplicates::{DuplicateKey, DuplicateKeys};
pub use error::{ErrorKind, RdbError};
pub use opcode::{Dialect, Kind, ValueType};
pub use scanner::{HintMismatch, Scanner, Summary};
pub use tail::Tail;
