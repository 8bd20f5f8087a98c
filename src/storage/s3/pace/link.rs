//! What is known of the way to the store, and how long a part may take on it.

use std::time::Duration;

/// How long nothing of a part may move on a fast link. On a slow one it is longer: a kernel tells of room only after a good deal of its
/// buffer was sent.
pub(super) const STALL: Duration = Duration::from_secs(30);
/// What may still lie in the buffers of the way when the last byte of a part was handed over, bytes: our kernel's, and a proxy's.
const UNDER_WAY: u64 = 8 << 20;
/// Bytes a second of the slowest link whose first part gets through at the first try, where nothing is known of the link: 5 MiB in two
/// and a half minutes.
const SLOWEST: f64 = 35_000.0;
/// Below so many bytes a second there is one part in flight only: several would share the link and all be slow.
const SLOW: f64 = 1e6;

/// What is known of the way to the store: bytes a second of one connection that sends a part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Link {
    #[default]
    Unknown,
    /// The last backup got at least so many through.
    Told(f64),
    Measured(f64),
}

impl Link {
    fn rate(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Told(rate) | Self::Measured(rate) => Some(rate.max(1.0)),
        }
    }

    /// Whether several parts in flight do not slow each other down.
    pub(super) fn is_fast(self) -> bool {
        self.rate().is_some_and(|rate| rate >= SLOW)
    }

    /// Takes note of what the last backup has learned; what was measured since counts more.
    pub(super) fn told(&mut self, bytes_per_second: u64) {
        if *self == Self::Unknown {
            #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
            let rate = bytes_per_second as f64;
            *self = Self::Told(rate);
        }
    }

    /// Takes note of a part of `length` bytes that was sent in this time.
    pub(super) fn took(&mut self, length: u64, time: Duration) {
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let rate = length as f64 / time.as_secs_f64().max(1e-3);
        *self = match *self {
            Self::Measured(before) => Self::Measured((before + rate) / 2.0),
            Self::Unknown | Self::Told(_) => Self::Measured(rate),
        };
    }

    /// How long nothing of a part may move while it is sent.
    pub(super) fn stall(self, length: u64) -> Duration {
        let buffered = length.min(UNDER_WAY);
        STALL.max(match self.rate() {
            Some(rate) => seconds(buffered, rate),
            // A kernel tells of room when a third of its buffer is free.
            None => seconds(buffered, SLOWEST) / 2,
        })
    }

    /// How long the buffers of the way may take to drain once the last byte of a part was handed over.
    pub(super) fn drain(self, length: u64) -> Duration {
        let buffered = length.min(UNDER_WAY);
        match self.rate() {
            Some(rate) => seconds(buffered, rate) * 4,
            None => seconds(buffered, SLOWEST),
        }
    }
}

/// How long so many bytes take.
fn seconds(bytes: u64, rate: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "a time need not be exact")]
    Duration::from_secs_f64(bytes as f64 / rate)
}
