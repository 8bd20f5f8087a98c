//! (to be written)

pub mod replica;
