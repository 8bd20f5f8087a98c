//! The numbers that stand where a type byte may stand.

/// Which family wrote the file; the numbers 22, 23, 242 and 243 mean other things in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `REDIS` and four digits: Redis, Valkey up to 8.1, and most others.
    Redis,
    /// `VALKEY` and three digits: Valkey 9 and newer.
    Valkey,
}

/// The type byte of a value, understood only together with its [`Dialect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueType(pub u8);
