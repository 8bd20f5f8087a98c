//! Hands over to `cli`.
fn main() {}
