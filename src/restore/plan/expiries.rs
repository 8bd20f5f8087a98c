//! Keys and fields of hashes whose time has passed, or passes before the restore ends.

use std::collections::BTreeMap;
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

/// Keys, and fields of hashes, that would be dead on arrival.
pub fn expired(backup: &BackupFacts, options: &Options) -> Option<Line> {
    let (text, is_one) = match (&backup.survey, &backup.expiries) {
        (Some(survey), _) => keys_and_fields(survey.expired, survey.expired_fields)?,
        (None, Some(expiries)) => {
            let known = expiries.keys.map(|keys| keys.until(expiries.now_ms));
            // How many fields of hashes there are only reading all of it tells.
            let fields = if expiries.fields { ", and perhaps fields of hashes," } else { "" };
            match known {
                Some((0, 0)) if !expiries.fields => return None,
                Some((least, most)) if least == most && least > 0 => {
                    (format!("{}{fields}", counted(least, "key")), least == 1 && !expiries.fields)
                }
                Some((least, most)) if least > 0 => {
                    (format!("between {} and {}{fields}", count(least), counted(most, "key")), false)
                }
                _ => {
                    let what = if known == Some((0, 0)) { "fields of hashes" } else { "keys" };
                    let text = format!(
                        "could not tell how many {what} have expired since the backup was taken: only reading all of it tells"
                    );
                    return Some(Line::unknown(EXPIRED, text));
                }
            }
        }
        (None, None) => return None,
    };
    let are = if is_one { "is" } else { "are" };
    let line = Line::warning(EXPIRED, format!("{text} expired since the backup was taken, and {are} not restored"));
    Some(if options.choices.ttl == Ttl::Keep { line.flag("--ttl shift|strip") } else { line })
}

/// Both numbers in words, and whether they are one thing only; `None`: there are none.
fn keys_and_fields(keys: u64, fields: u64) -> Option<(String, bool)> {
    let parts = [(keys, "key"), (fields, "hash field")];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| counted(number, noun)).collect();
    (!parts.is_empty()).then(|| (parts.join(" and "), keys + fields == 1))
}

/// Keys and fields of hashes that live now, and expire before a restore by this method has written all.
pub fn soon(backup: &BackupFacts, method: Option<Method>, methods: &[Candidate]) -> Option<Line> {
    let seconds = methods.iter().find(|candidate| Some(candidate.method) == method)?.seconds?;
    let survey = backup.survey.as_ref()?;
    // As predicted, and not a second more: what expires later may live until the end.
    let within = |soon: &BTreeMap<u64, u64>| -> u64 {
        soon.iter().take_while(|(second, _)| (**second + 1) as f64 <= seconds).map(|(_, number)| number).sum()
    };
    let (text, is_one) = keys_and_fields(within(&survey.soon), within(&survey.soon_fields))?;
    let expire = if is_one { "expires" } else { "expire" };
    let span = span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    Some(Line::warning(SOON, format!("{text} {expire} before the restore ends, which takes about {span}")))
}
