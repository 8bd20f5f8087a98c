//! Which methods can be used, how long they take, and which one is chosen.

use serde::Serialize;

use super::Line;
use crate::introspection::Mode;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Asked, Method, Options};

/// A method, and what stands against it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Which.
    pub method: Method,
    /// Predicted seconds, without verifying and proof.
    pub seconds: Option<f64>,
    /// Why it is not to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

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
    replica: bool,
) -> (Vec<Candidate>, Result<(Method, String), Line>) {
    let candidates: Vec<Candidate> = [Method::Replica, Method::Restore, Method::Commands]
        .into_iter()
        .map(|method| Candidate {
            method,
            seconds: seconds(backup, options, method),
            against: against(method, target, options, replica),
        })
        .collect();
    let chosen = match options.method {
        Asked::Only(method) => match candidates.iter().find(|candidate| candidate.method == method) {
            Some(Candidate { against: Some(reason), .. }) => {
                Err(Line::refused("method", format!("method `{}` cannot be used: {reason}", method.name())))
            }
            _ => Ok((method, "it was asked for".to_owned())),
        },
        Asked::Auto => match candidates.iter().find(|candidate| candidate.against.is_none()) {
            Some(first) => Ok((first.method, why(first, &candidates))),
            None => Err(Line::refused("method", "no method can be used")),
        },
    };
    (candidates, chosen)
}

fn why(chosen: &Candidate, all: &[Candidate]) -> String {
    let faster = all.iter().take_while(|other| other.method != chosen.method).last();
    match faster.and_then(|other| Some((other.method, other.against.as_ref()?))) {
        Some((method, against)) => format!("the fastest that is possible; not `{}`: {against}", method.name()),
        None => "the fastest".to_owned(),
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
        Some(super::super::rate::Rate::Bytes(rate)) => bytes as f64 / rate.max(1) as f64,
        Some(super::super::rate::Rate::Keys(rate)) => keys as f64 / rate.max(1) as f64,
        None => 0.0,
    };
    Some((free.max(held_back) * 10.0).round() / 10.0)
}

/// What stands against a method; nothing: it can be used.
fn against(method: Method, target: &TargetFacts, options: &Options, replica: bool) -> Option<String> {
    let may_not = |name: &str| target.forbidden.as_ref().is_some_and(|names| names.iter().any(|other| other == name));
    let reason = match method {
        Method::Replica if !replica => "it is not available here",
        Method::Replica if target.server.mode == Mode::Cluster => "a node of a cluster cannot be made a replica",
        Method::Replica if !options.choices.is_everything() => "only some keys are wanted, or changed ones",
        Method::Replica if options.rate.is_some() => "it knows no `--rate`",
        Method::Replica if options.resume => "an interrupted restore by commands is resumed",
        Method::Replica if target.watched == Some(true) => {
            "a Sentinel watches the target, and would take it for a replica"
        }
        Method::Replica if target.keys() > 0 && !options.replace_all => "the target holds keys that are to stay",
        Method::Replica if !target.server.replicas.is_empty() && !options.allow_replica_resync => {
            "the target's replicas would be wiped (`--allow-replica-resync`)"
        }
        Method::Replica if may_not("replicaof") => "our user may not use REPLICAOF",
        Method::Restore if may_not("restore") => "our user may not use RESTORE",
        _ => return None,
    };
    Some(reason.to_owned())
}
