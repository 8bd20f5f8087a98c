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

    #[inline]
    pub(super) fn add(&mut self, expire_ms: i64) {
        let left = expire_ms.saturating_sub(self.moment_ms);
        let slot = if left < 0 { 0 } else { 1 + BOUNDS_MS.iter().filter(|bound| left > **bound).count() };
        self.slots[slot] += 1;
        self.earliest_ms = Some(self.earliest_ms.map_or(expire_ms, |earliest| earliest.min(expire_ms)));
        self.latest_ms = Some(self.latest_ms.map_or(expire_ms, |latest| latest.max(expire_ms)));
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
