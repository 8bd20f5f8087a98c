//! Which methods can be used, how long they take, and which one is chosen.

use serde::Serialize;

use super::{Line, capacity, contents, rights};
use crate::figures::counted;
use crate::restore::facts::{BackupFacts, Origin, TargetFacts};
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::rate::Rate;
use crate::restore::replica::{self, Content, Wish};
use crate::restore::survey::{Amount, REPLACE};

/// A method, and what stands against it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The method that this is about.
    pub method: Method,
    /// Predicted seconds, without verifying and proof.
    pub seconds: Option<f64>,
    /// Predicted seconds of reading the backup before, where this method never goes without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_seconds: Option<f64>,
    /// Why it is not to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The flag that overrides that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<&'static str>,
}

/// The flag that lets another method than the one that was asked for do it.
pub const ANY_METHOD: &str = "--method auto";

/// The same where no other method restores everything.
pub const ANY_METHOD_WITH_LOSS: &str = "--method auto --accept-loss";

/// Bytes of an RDB that are read and checked per second, at least. A prediction, no promise.
const READING: f64 = 200e6;

/// What a server of today takes per second on one core: bytes of the RDB, and keys. RESTORE costs it 2.2 times as much as
/// loading by itself. A prediction, no promise.
const fn speed(method: Method) -> (f64, f64) {
    match method {
        Method::Replica => (250e6, 700e3),
        Method::Restore => (120e6, 300e3),
        Method::Commands => (60e6, 200e3),
    }
}

/// All methods; and the one that is used with the reason, or what refuses it.
pub fn choose(
    backup: &BackupFacts,
    target: &TargetFacts,
    options: &Options,
) -> (Vec<Candidate>, Result<(Method, String), Line>) {
    let candidates: Vec<Candidate> = [Method::Replica, Method::Restore, Method::Commands]
        .into_iter()
        .map(|method| {
            let (against, flag) = against(method, backup, target, options).unzip();
            let reads = backup.raw_bytes.filter(|_| method == Method::Replica && backup.survey.is_none());
            let verify_seconds = reads.map(|bytes| rounded(bytes as f64 / READING));
            Candidate {
                method,
                seconds: seconds(backup, options, method),
                verify_seconds,
                against,
                flag: flag.flatten(),
            }
        })
        .collect();
    let chosen = match options.method {
        Asked::Only(method) => match candidates.iter().find(|candidate| candidate.method == method) {
            Some(Candidate { against: Some(reason), flag, .. }) => {
                let line = Line::refused("method", format!("method `{}` cannot be used: {reason}", method.name()));
                // By another method it may go, if only with a loss that is agreed to.
                let goes = |other: &Candidate| other.against.is_none();
                let may_go = |other: &Candidate| other.flag == Some("--accept-loss");
                let other = match method == Method::Replica && !backup.only_once {
                    true if candidates.iter().any(goes) => Some(ANY_METHOD),
                    true if candidates.iter().any(may_go) => Some(ANY_METHOD_WITH_LOSS),
                    _ => None,
                };
                let rules = rules_to_be_fed(backup, target, options).filter(|_| method == Method::Replica);
                Err(match rules {
                    // What deletes the target is no way out where a right is one.
                    Some(rules) => rights::granted(Line { flag: other, ..line }, target, &rules),
                    None => Line { flag: flag.or(other), ..line },
                })
            }
            _ => Ok((method, "requested with `--method`".to_owned())),
        },
        Asked::Auto => match candidates.iter().find(|candidate| candidate.against.is_none()) {
            Some(first) => Ok((first.method, why(first, &candidates))),
            None => {
                let reasons =
                    candidates.iter().filter_map(|other| Some((other.method.name(), other.against.as_ref()?)));
                let reasons: Vec<String> = reasons.map(|(name, against)| format!("not `{name}`: {against}")).collect();
                Err(Line::refused("method", format!("no method can be used; {}", reasons.join("; "))))
            }
        },
    };
    (candidates, chosen)
}

fn why(chosen: &Candidate, all: &[Candidate]) -> String {
    let faster = all.iter().take_while(|other| other.method != chosen.method).last();
    match faster.and_then(|other| Some((other.method, other.against.as_ref()?))) {
        Some((method, against)) => {
            format!("the fastest possible method (`{}` is not possible: {against})", method.name())
        }
        None => "the fastest: the target loads the file itself".to_owned(),
    }
}

fn seconds(backup: &BackupFacts, options: &Options, method: Method) -> Option<f64> {
    let (bytes, keys) = match &backup.survey {
        Some(survey) => (survey.wanted_bytes, survey.wanted),
        None => (backup.raw_bytes?, backup.keys?),
    };
    let (bytes_per_second, keys_per_second) = speed(method);
    let free = bytes as f64 / bytes_per_second + keys as f64 / keys_per_second;
    let held_back = match options.rate {
        Some(Rate::Bytes(rate)) => sent(backup, options, method, (bytes, keys)) as f64 / rate.max(1) as f64,
        Some(Rate::Keys(rate)) => keys as f64 / rate.max(1) as f64,
        None => 0.0,
    };
    Some(rounded(free.max(held_back)))
}

/// Bytes that a method sends: of small keys several times as many as the RDB has.
fn sent(backup: &BackupFacts, options: &Options, method: Method, (bytes, keys): (u64, u64)) -> u64 {
    let amount = match &backup.survey {
        Some(survey) => survey.sent,
        None => {
            let strings = backup.by_type.get("string").copied().unwrap_or(0);
            Amount::estimated(bytes, keys, backup.expires().unwrap_or(0), strings)
        }
    };
    match method {
        Method::Replica => bytes,
        Method::Restore if options.existing == Existing::Replace => amount.restore + keys * REPLACE,
        Method::Restore => amount.restore,
        Method::Commands => amount.commands,
    }
}

/// How long the slowest method takes, in milliseconds.
pub(super) fn longest_ms(backup: &BackupFacts, options: &Options) -> i64 {
    let seconds = seconds(backup, options, Method::Commands).unwrap_or(0.0);
    (seconds * 1000.0) as i64
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// What stands against a method, and the flag that overrides it; nothing: it can be used.
fn against(
    method: Method,
    backup: &BackupFacts,
    target: &TargetFacts,
    options: &Options,
) -> Option<(String, Option<&'static str>)> {
    if method == Method::Replica
        && let Some(found) = against_feeding(backup, target, options)
    {
        return Some(found);
    }
    if let Some(reason) = rights::against(method, backup, target, options) {
        return Some((reason, None));
    }
    if method == Method::Replica {
        return None;
    }
    let too_long = capacity::too_long(backup, target).map(|reason| (reason, None));
    too_long.or_else(|| lossy(backup, options).map(|reason| (reason, Some("--accept-loss"))))
}

/// What going key by key would lose and nobody has agreed to, in words.
fn lossy(backup: &BackupFacts, options: &Options) -> Option<String> {
    if options.accept_loss {
        return None;
    }
    let keys: u64 = backup.survey.as_ref()?.losses.values().sum();
    if keys > 0 {
        return Some(format!("part of {} would be lost", counted(keys, "key")));
    }
    let records = contents::module_records(backup, options);
    (records > 0).then(|| format!("{} that modules keep beside the keys would be lost", counted(records, "record")))
}

/// What stands against the target's loading the file itself.
fn against_feeding(
    backup: &BackupFacts,
    target: &TargetFacts,
    options: &Options,
) -> Option<(String, Option<&'static str>)> {
    let plain = |reason: &str| Some((reason.to_owned(), None));
    if backup.shards > 1 {
        return plain("the backup has several shards, and a server loads one file");
    }
    if options.resume {
        return plain("an interrupted restore can be resumed only by method `restore` or `commands`");
    }
    if options.rate.is_some() {
        return plain("the target serves no clients while it loads, and `--rate` would prolong that");
    }
    if backup.only_once {
        return plain(
            "standard input can be read only once, and the whole backup is verified before the target sees it",
        );
    }
    let mut found = refusals_to_feed(backup, target, options);
    if backup.survey.is_none() && backup.origin == Origin::Foreign && !found.is_empty() {
        // That nobody has looked for duplicates is said only where nothing else is.
        found.retain(|refusal| refusal.code != "duplicate_keys");
    }
    found.into_iter().next().map(|refusal| (refusal.reason, refusal.overridden_by))
}

fn refusals_to_feed(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<replica::Refusal> {
    replica::refusals(&replica::Facts::of(target), &Content::of(backup, target), Wish::of(options))
}

/// The ACL rules for want of which the target cannot load the file itself; `None`: nothing is wrong with those, or something else comes
/// first.
fn rules_to_be_fed(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Option<String> {
    let (reason, _) = against_feeding(backup, target, options)?;
    let refusals = refusals_to_feed(backup, target, options);
    if !refusals.iter().any(|refusal| refusal.reason == reason && refusal.lacks.is_some()) {
        return None;
    }
    // A command that was renamed is granted by no rule.
    let is_of_rights = |rule: &&str| {
        let name = rule.trim_start_matches('+');
        target.lacks(&[name.split('|').next().unwrap_or(name)]).is_none()
    };
    let rules: Vec<&str> = refusals.iter().filter_map(|refusal| refusal.lacks).filter(is_of_rights).collect();
    (!rules.is_empty()).then(|| rules.join(" "))
}

/// Whether the target may load the file itself, as far as is known before the backup was read.
pub fn may_be_fed(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> bool {
    let wanted = matches!(options.method, Asked::Auto | Asked::Only(Method::Replica));
    let captured = BackupFacts { origin: Origin::Captured, ..backup.clone() };
    wanted && against_feeding(&captured, target, options).is_none()
}
