//! (to be written)
pub mod opcode;
pub mod visit;
