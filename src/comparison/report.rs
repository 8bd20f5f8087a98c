//! What two data sets have in common and what not.

/// In what a key differs. Where several hold, the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// Only the left side has it.
    Missing,
    /// Only the right side has it.
    Extra,
    /// The types differ.
    Type,
    /// The values differ (expiries of hash fields are part of the value).
    Value,
    /// Only the expiries differ, by more than the tolerance.
    Expiry,
}

impl Difference {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Extra, Self::Type, Self::Value, Self::Expiry];

    /// `missing`, `extra`, `type`, `value`, `expiry`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Type => "type",
            Self::Value => "value",
            Self::Expiry => "expiry",
        }
    }
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// In what it differs.
    pub difference: Difference,
    /// Its identity, see [`crate::census`].
    pub identity: u128,
    /// Database and name, the name cut to 64 KiB.
    pub key: (u64, Vec<u8>),
}

/// The answer. Every key of both sides is in exactly one of the counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// Keys that are equal on both sides.
    pub equal: u64,
    /// Only on the left side.
    pub missing: u64,
    /// Only on the right side.
    pub extra: u64,
    /// On both sides, of different types.
    pub different_type: u64,
    /// On both sides, with different values.
    pub different_value: u64,
    /// On both sides, differing in their expiry alone.
    pub different_expiry: u64,
    /// Only on one side, but their time had passed: no difference.
    pub expired: u64,
    /// Of those: on the left side.
    pub left_expired: u64,
    /// Records of the left side for a key that came again later (the last one counts).
    pub left_duplicates: u64,
    /// Records of the right side for a key that came again later (the last one counts).
    pub right_duplicates: u64,
    /// Up to so many of each kind as the options say, by kind and then in the order of their hashes.
    pub examples: Vec<Example>,
}

impl Differences {
    /// Keys that are on both sides and not the same.
    pub fn different(&self) -> u64 {
        self.different_type + self.different_value + self.different_expiry
    }

    /// True if nothing is missing, extra or different.
    pub fn is_equal(&self) -> bool {
        self.missing + self.extra + self.different() == 0
    }

    /// Equal keys among all that have not expired; 1 for none at all.
    pub fn ratio(&self) -> f64 {
        let all = self.equal + self.missing + self.extra + self.different();
        if all == 0 { 1.0 } else { self.equal as f64 / all as f64 }
    }

    /// How many of one kind.
    pub fn count(&self, difference: Difference) -> u64 {
        match difference {
            Difference::Missing => self.missing,
            Difference::Extra => self.extra,
            Difference::Type => self.different_type,
            Difference::Value => self.different_value,
            Difference::Expiry => self.different_expiry,
        }
    }

    pub(super) fn count_mut(&mut self, difference: Difference) -> &mut u64 {
        match difference {
            Difference::Missing => &mut self.missing,
            Difference::Extra => &mut self.extra,
            Difference::Type => &mut self.different_type,
            Difference::Value => &mut self.different_value,
            Difference::Expiry => &mut self.different_expiry,
        }
    }
}
