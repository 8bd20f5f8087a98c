//! What the elements of lists, sets, hashes and sorted sets consist of, where they stand one by one.

/// What an element consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    List,
    Set,
    /// Member, score as text behind a byte of length.
    ZsetText,
    /// Member, score of eight bytes.
    ZsetBinary,
    Hash,
    /// Type 24: the earliest expiry before the count; then expiry relative to it plus one (0 = none), field, value.
    HashExpiryRelative,
    /// Redis' type 22: expiry (0 = none), field, value.
    HashExpiryAbsolute,
    /// Valkey's type 22: field, value, expiry (-1 = none).
    HashExpiryBehind,
}

/// One part of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    String,
    ScoreText,
    ScoreBinary,
    ExpiryRelative,
    ExpiryAbsolute,
    ExpiryBehind,
}

impl Shape {
    pub(super) const fn parts(self) -> &'static [Part] {
        match self {
            Self::List | Self::Set => &[Part::String],
            Self::ZsetText => &[Part::String, Part::ScoreText],
            Self::ZsetBinary => &[Part::String, Part::ScoreBinary],
            Self::Hash => &[Part::String, Part::String],
            Self::HashExpiryRelative => &[Part::ExpiryRelative, Part::String, Part::String],
            Self::HashExpiryAbsolute => &[Part::ExpiryAbsolute, Part::String, Part::String],
            Self::HashExpiryBehind => &[Part::String, Part::String, Part::ExpiryBehind],
        }
    }

    /// Which part is the name that may stand there only once.
    pub(super) fn names(self) -> Option<usize> {
        match self {
            Self::List => None,
            Self::Set | Self::ZsetText | Self::ZsetBinary | Self::Hash | Self::HashExpiryBehind => Some(0),
            Self::HashExpiryRelative | Self::HashExpiryAbsolute => Some(1),
        }
    }
}
