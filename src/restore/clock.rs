//! What time it is for a target: its clock decides which keys have expired, whatever ours says.

use std::time::Duration;

/// Clocks that differ by less than this are not worth a word.
pub const TOLERANCE: Duration = Duration::from_secs(2);

/// "Now" in Unix milliseconds, by our own clock.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// The clock of a server, against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Milliseconds by which the server's clock is ahead of ours; negative: behind.
    ahead_ms: i64,
}

impl Clock {
    /// A clock that showed this while ours went from the one to the other, all in Unix milliseconds.
    pub fn read(theirs: i64, from: i64, to: i64) -> Self {
        // What the question took is no difference; ours may have been set back meanwhile.
        Self { ahead_ms: theirs.saturating_sub(theirs.clamp(from, to.max(from))) }
    }

    /// Milliseconds by which the server's clock is ahead of ours; negative: behind.
    pub fn ahead_ms(self) -> i64 {
        self.ahead_ms
    }

    /// What the server's clock shows when ours shows this.
    pub fn at(self, ours: i64) -> i64 {
        ours.saturating_add(self.ahead_ms)
    }

    /// What the server's clock shows now, in Unix milliseconds.
    pub fn now_ms(self) -> i64 {
        self.at(now_ms())
    }

    /// How far the server's clock is off, and whether it is ahead; `None`: not worth a word.
    pub fn is_off(self) -> Option<(Duration, bool)> {
        let off = Duration::from_millis(self.ahead_ms.unsigned_abs());
        (off > TOLERANCE).then_some((off, self.ahead_ms > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_the_question_does_not_explain() {
        for (theirs, ahead) in [(1_000, 0), (1_050, 0), (1_100, 0), (1_101, 1), (999, -1), (9_100, 8_000)] {
            assert_eq!(Clock::read(theirs, 1_000, 1_100).ahead_ms(), ahead, "{theirs}");
        }
        assert_eq!(Clock::read(1_000, 1_000, 900).ahead_ms(), 0);
        let clock = Clock::read(9_100, 1_000, 1_100);
        assert_eq!((clock.at(5), clock.is_off()), (8_005, Some((Duration::from_secs(8), true))));
        assert_eq!(Clock::read(0, 5_000, 5_000).is_off(), Some((Duration::from_secs(5), false)));
        assert_eq!(Clock::read(2_000, 0, 0).is_off(), None);
    }
}
