//! `--rate`: so many bytes or keys per second, and no more.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A limit per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Bytes sent to the target per second.
    Bytes(u64),
    /// Keys per second.
    Keys(u64),
}

impl Rate {
    /// Bytes per second, as `--rate` takes it.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Keys(_) => None,
        }
    }
}

/// Keeps a [`Rate`]: says how long to wait before the next piece.
#[derive(Debug)]
pub struct Pace {
    rate: Option<Rate>,
    begun: Option<Instant>,
    done: u64,
}

impl Pace {
    /// `None`: never waits.
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, begun: None, done: 0 }
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// How many bytes to collect before they are sent: a tenth of a second's worth, so that the pace is even.
    pub fn piece(&self, usual: usize) -> usize {
        match self.rate {
            Some(Rate::Bytes(per_second)) => {
                usize::try_from(per_second / 10).unwrap_or(usize::MAX).clamp(1024, usual.max(1024))
            }
            _ => usual,
        }
    }

    /// How many keys to collect before they are sent.
    pub fn keys(&self) -> u64 {
        match self.rate {
            Some(Rate::Keys(per_second)) => (per_second / 10).max(1),
            _ => u64::MAX,
        }
    }

    /// So much is about to be sent at `now`: how long to wait first. What was not used in a pause is not caught up.
    pub fn wait(&mut self, bytes: u64, keys: u64, now: Instant) -> Duration {
        let (amount, per_second) = match self.rate {
            None => return Duration::ZERO,
            Some(Rate::Bytes(per_second)) => (bytes, per_second),
            Some(Rate::Keys(per_second)) => (keys, per_second),
        };
        let begun = *self.begun.get_or_insert(now);
        let due = Duration::from_secs_f64(self.done as f64 / per_second.max(1) as f64);
        let elapsed = now.saturating_duration_since(begun);
        self.done = self.done.saturating_add(amount);
        if elapsed > due + Duration::from_secs(1) {
            (self.begun, self.done) = (Some(now), amount);
        }
        due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_rate_after_the_first_piece() {
        let mut pace = Pace::new(Some(Rate::Bytes(1000)));
        let start = Instant::now();
        assert_eq!(pace.wait(500, 1, start), Duration::ZERO);
        assert_eq!(pace.wait(500, 1, start), Duration::from_millis(500));
        assert_eq!(pace.wait(500, 1, start + Duration::from_millis(500)), Duration::from_millis(500));
        let late = start + Duration::from_secs(60);
        assert_eq!(pace.wait(500, 1, late), Duration::ZERO);
        assert_eq!(pace.wait(500, 1, late), Duration::from_millis(500), "a pause is not caught up");
        assert_eq!(Pace::new(Some(Rate::Keys(50))).keys(), 5);
        assert_eq!(Pace::new(None).wait(u64::MAX, 1, start), Duration::ZERO);
    }
}
