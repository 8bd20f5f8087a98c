//! Keys whose time has passed, or passes before the restore ends.

use std::time::Duration;

use super::{Candidate, Line};
use crate::figures::{count, counted, span};
use crate::restore::choices::Ttl;
use crate::restore::facts::BackupFacts;
use crate::restore::options::{Method, Options};

/// The stable name of the line about keys that would be dead on arrival.
pub(super) const EXPIRED: &str = "expired";
/// The stable name of the line about keys that expire while the restore is at work.
pub(super) const SOON: &str = "expires_soon";

/// Keys that would be dead on arrival.
pub fn expired(backup: &BackupFacts, options: &Options) -> Option<Line> {
    let text = match (&backup.survey, &backup.expiries) {
        (Some(survey), _) if survey.expired == 0 => return None,
        (Some(survey), _) => counted(survey.expired, "key"),
        (None, Some(expiries)) => {
            let known = expiries.keys.map(|keys| keys.until(expiries.now_ms));
            match known {
                Some((0, 0)) if !expiries.fields => return None,
                Some((least, most)) if least == most && least > 0 => counted(least, "key"),
                Some((least, most)) if least > 0 => format!("between {} and {}", count(least), counted(most, "key")),
                _ => {
                    let text = "could not tell how many keys have expired since the backup was taken: only reading all of it tells";
                    return Some(Line::unknown(EXPIRED, text));
                }
            }
        }
        (None, None) => return None,
    };
    let line = Line::warning(EXPIRED, format!("{text} expired since the backup was taken, and are not restored"));
    Some(if options.choices.ttl == Ttl::Keep { line.flag("--ttl shift|strip") } else { line })
}

/// Keys that live now, and expire before a restore by this method has written all.
pub fn soon(backup: &BackupFacts, method: Option<Method>, methods: &[Candidate]) -> Option<Line> {
    let seconds = methods.iter().find(|candidate| Some(candidate.method) == method)?.seconds?;
    // As predicted, and not a second more: what expires later may live until the end.
    let soon = &backup.survey.as_ref()?.soon;
    let keys: u64 = soon.iter().take_while(|(second, _)| (**second + 1) as f64 <= seconds).map(|(_, keys)| keys).sum();
    let span = span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    let (keys, expire) = match keys {
        0 => return None,
        1 => ("1 key".to_owned(), "expires"),
        keys => (counted(keys, "key"), "expire"),
    };
    Some(Line::warning(SOON, format!("{keys} {expire} before the restore ends, which takes about {span}")))
}
