//! The clocks of the two servers: by which keys expire, and which says how old a backup is.

use std::time::Duration;

use super::Line;
use crate::figures::{counted, span};
use crate::restore::choices::Ttl;
use crate::restore::clock::TOLERANCE;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::Options;

/// The stable name of the line about expiries that `--ttl shift` does not move.
pub(super) const NOT_SHIFTED: &str = "not_shifted";

/// `--ttl shift` moves expiries by the age of the backup, and one that is dated in the future has none. `now_ms`: by the clock that decides.
pub fn not_shifted(backup: &BackupFacts, options: &Options, now_ms: i64) -> Option<Line> {
    let is_moved = options.choices.ttl == Ttl::Shift && backup.expires() != Some(0);
    let ahead = backup.taken_ms()?.checked_sub(now_ms)?;
    let ahead = Duration::from_millis(u64::try_from(ahead).ok()?);
    (is_moved && ahead > TOLERANCE).then(|| {
        let text =
            format!("the RDB is dated {} in the future, so its age is unknown: expiries are not shifted", span(ahead));
        Line::warning(NOT_SHIFTED, text)
    })
}

/// Whether keys may expire whose time has not come by our clock, or stay whose time has passed.
pub fn clock(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<Line> {
    let expires = backup.expires();
    if options.choices.ttl == Ttl::Strip || expires == Some(0) {
        return Vec::new();
    }
    let by_target = match target.clock {
        None => {
            let text = "could not read the clock of the target, which decides which keys have expired";
            Some(Line::unknown("clock", text))
        }
        Some(clock) => clock.is_off().map(|(off, is_ahead)| of_target(backup, off, is_ahead)),
    };
    let by_source = backup.clock.is_off().map(|(off, is_ahead)| {
        let (how, then) = if is_ahead { ("ahead of", "later") } else { ("behind", "earlier") };
        let off = span(off);
        let text = format!(
            "the clock of the backed-up server was at least {off} {how} this machine's: keys expire {off} {then} on the target"
        );
        Line::warning("clock_of_source", text)
    });
    by_target.into_iter().chain(by_source).collect()
}

fn of_target(backup: &BackupFacts, off: Duration, is_ahead: bool) -> Line {
    let off = span(off);
    if !is_ahead {
        return Line::warning(
            "clock",
            format!("the target's clock is {off} behind this machine's: keys live {off} longer there"),
        );
    }
    let ahead = format!("the target's clock is {off} ahead of this machine's");
    match backup.survey.as_ref().map(|survey| survey.expired_by_clock) {
        Some(0) => Line::warning("clock", format!("{ahead}: keys live {off} shorter there")),
        Some(keys) => {
            let (has, is) = if keys == 1 { ("has", "is") } else { ("have", "are") };
            let keys = counted(keys, "key");
            let text = format!("{ahead}: {keys} {has} already expired by that clock and {is} not restored");
            Line::warning("clock", text).flag("--ttl shift|strip")
        }
        None => {
            Line::warning("clock", format!("{ahead}: keys that have already expired by that clock are not restored"))
        }
    }
}
