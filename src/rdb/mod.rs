//! (to be written)
pub mod crc64;
pub mod opcode;
pub mod visit;
