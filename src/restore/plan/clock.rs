//! The clocks of the two servers: by which keys expire.

use std::time::Duration;

use super::Line;
use crate::figures::{counted, span};
use crate::restore::choices::Ttl;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::Options;

/// Whether keys may expire whose time has not come by our clock, or stay whose time has passed.
pub fn clock(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<Line> {
    let expires = backup.expires();
    if options.choices.ttl == Ttl::Strip || expires == Some(0) {
        return Vec::new();
    }
    let by_target = match target.clock {
        None => {
            let text = "could not tell what time it is for the target: its clock decides which keys have expired";
            Some(Line::unknown("clock", text))
        }
        Some(clock) => clock.is_off().map(|(off, is_ahead)| of_target(backup, off, is_ahead)),
    };
    let by_source = backup.clock.is_off().map(|(off, is_ahead)| {
        let (how, then) = if is_ahead { ("ahead of", "later") } else { ("behind", "earlier") };
        let text = format!(
            "the clock of the server that the backup is of was at least {} {how} ours: its keys expire so much {then} than they would have there",
            span(off)
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
            format!("the target's clock is {off} behind ours: keys live so much longer there"),
        );
    }
    let ahead = format!("the target's clock is {off} ahead of ours");
    match backup.survey.as_ref().map(|survey| survey.expired_by_clock) {
        Some(0) => Line::warning("clock", format!("{ahead}: keys live so much shorter there")),
        Some(keys) => {
            let text = format!("{ahead}: {} dead on arrival, and not restored", counted(keys, "key"));
            Line::warning("clock", text).flag("--ttl shift|strip")
        }
        None => Line::warning("clock", format!("{ahead}: keys that have expired by it are not restored")),
    }
}
