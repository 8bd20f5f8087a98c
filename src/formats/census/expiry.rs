//! When keys expire: a histogram over the time left.

/// Upper bounds of the slots in milliseconds left, ascending. The first slot is what had expired already (expiry before the
/// moment), the last what has more time left than the last bound.
pub const BOUNDS_MS: [i64; 9] = [
    60_000,
    600_000,
    3_600_000,
    6 * 3_600_000,
    86_400_000,
    7 * 86_400_000,
    30 * 86_400_000,
    90 * 86_400_000,
    365 * 86_400_000,
];

/// Expired, one slot per bound, and longer.
pub const SLOTS: usize = BOUNDS_MS.len() + 2;

/// What the slots mean, in order.
pub const SLOT_NAMES: [&str; SLOTS] = ["expired", "1m", "10m", "1h", "6h", "1d", "7d", "30d", "90d", "365d", "longer"];

/// Keys with an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Unix milliseconds from which time left is reckoned.
    pub moment_ms: i64,
    /// Keys by time left, see [`SLOT_NAMES`]: the first had expired at the moment, the next have up to a minute left, ….
    pub slots: [u64; SLOTS],
    /// The first expiry of all, Unix milliseconds.
    pub earliest_ms: Option<i64>,
    /// The last expiry of all, Unix milliseconds.
    pub latest_ms: Option<i64>,
}

impl Expiry {
    /// Nothing yet; time left is reckoned from this moment.
    pub fn new(moment_ms: i64) -> Self {
        Self { moment_ms, slots: [0; SLOTS], earliest_ms: None, latest_ms: None }
    }

    /// Counts a key that expires at this Unix millisecond.
    #[inline]
    pub fn add(&mut self, expire_ms: i64) {
        let left = expire_ms.saturating_sub(self.moment_ms);
        let slot = if left < 0 { 0 } else { 1 + BOUNDS_MS.iter().filter(|bound| left > **bound).count() };
        self.slots[slot] += 1;
        self.earliest_ms = Some(self.earliest_ms.map_or(expire_ms, |earliest| earliest.min(expire_ms)));
        self.latest_ms = Some(self.latest_ms.map_or(expire_ms, |latest| latest.max(expire_ms)));
    }

    /// How many keys expire until this moment (Unix milliseconds), it included: not fewer, and not more.
    pub fn until(&self, moment_ms: i64) -> (u64, u64) {
        let (Some(earliest), Some(latest)) = (self.earliest_ms, self.latest_ms) else { return (0, 0) };
        let bound = |slot: usize| match slot.checked_sub(1) {
            None => self.moment_ms.saturating_sub(1),
            Some(at) => BOUNDS_MS.get(at).map_or(i64::MAX, |left| self.moment_ms.saturating_add(*left)),
        };
        let (mut sure, mut perhaps) = (0_u64, 0_u64);
        for (slot, keys) in self.slots.iter().enumerate() {
            let first = slot.checked_sub(1).map_or(i64::MIN, |before| bound(before).saturating_add(1)).max(earliest);
            sure += if bound(slot).min(latest) <= moment_ms { *keys } else { 0 };
            perhaps += if first <= moment_ms { *keys } else { 0 };
        }
        (sure.max(u64::from(earliest <= moment_ms)), perhaps)
    }

    /// Of two parts of one data set. Each was reckoned from its own moment; the earlier one is told.
    pub fn merged(&self, other: &Self) -> Self {
        let mut slots = self.slots;
        slots.iter_mut().zip(other.slots).for_each(|(slot, more)| *slot = slot.saturating_add(more));
        Self {
            moment_ms: self.moment_ms.min(other.moment_ms),
            slots,
            earliest_ms: [self.earliest_ms, other.earliest_ms].into_iter().flatten().min(),
            latest_ms: self.latest_ms.max(other.latest_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_expired_by_a_moment_is_counted_as_far_as_the_slots_tell() {
        let mut expiry = Expiry::new(1_000_000);
        assert_eq!(expiry.until(i64::MAX), (0, 0));
        for at in [999_000, 1_006_000, 1_006_000, 1_020_000, 1_300_000, 9_000_000_000_000] {
            expiry.add(at);
        }
        for (moment, expected) in [
            (998_999, (0, 0)),
            (999_000, (1, 1)),
            (1_000_000, (1, 4)),
            (1_010_000, (1, 4)),
            (1_060_000, (4, 4)),
            (1_060_001, (4, 5)),
            (1_600_000, (5, 5)),
            (9_000_000_000_000, (6, 6)),
        ] {
            assert_eq!(expiry.until(moment), expected, "{moment}");
        }
        let mut one = Expiry::new(1_000_000);
        one.add(1_006_000);
        assert_eq!(one.until(1_006_000), (1, 1), "no key is later than the last");
    }
}
