//! How often connecting is tried, and how long we wait in between. Commands are never tried twice: one may have been applied.

use std::time::Duration;

/// The longest pause between two attempts, whatever the settings multiply it to.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often connecting is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// All attempts, the first one included. Zero counts as one.
    pub max_attempts: u32,
    /// The pause after the first attempt, before jitter.
    pub initial: Duration,
    /// By how much each pause is longer than the one before. At least 1.
    pub multiplier: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, initial: Duration::from_millis(100), multiplier: 2.0 }
    }
}

impl Retry {
    /// A single attempt, never repeated.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// The pause after the `attempt`-th attempt (from 1): half of it fixed, half by `chance` (0 to 1), so that many clients do
    /// not come back all at once. At most 30 seconds.
    pub fn pause(&self, attempt: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = self.initial.as_secs_f64() * self.multiplier.max(1.0).powi(exponent);
        let full = if full.is_finite() { full.min(LONGEST_PAUSE.as_secs_f64()) } else { LONGEST_PAUSE.as_secs_f64() };
        Duration::from_secs_f64(full * (0.5 + 0.5 * chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_chance_takes_at_most_half() {
        let retry = Retry::default();
        let pauses = |chance| [1, 2, 3].map(|attempt| retry.pause(attempt, chance).as_millis());
        assert_eq!(pauses(1.0), [100, 200, 400]);
        assert_eq!(pauses(0.0), [50, 100, 200]);
    }

    #[test]
    fn no_settings_make_a_pause_longer_than_half_a_minute() {
        for multiplier in [f64::INFINITY, f64::MAX, 1e9, 2.0] {
            let retry = Retry { multiplier, ..Retry::default() };
            assert_eq!(retry.pause(u32::MAX, 1.0), Duration::from_secs(30), "{multiplier}");
        }
        let shrinking = Retry { multiplier: f64::NAN, ..Retry::default() };
        assert_eq!(shrinking.pause(5, 1.0), Duration::from_millis(100));
    }
}
