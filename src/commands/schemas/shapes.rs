//! What the fields of the answers are: a file for the answers of each group of commands, and here what several of them hold.

mod archive;
mod backup;
mod diagnose;
mod jobs;
mod manifest;
mod restore;
mod retention;
mod show;
mod state;
mod verify;

use serde_json::Value;

use super::{Fields, anything, count, described, list, map, maybe, number, object, one_of, text, time, truth};
use crate::explain::Status;
use crate::finding::Severity;
use crate::repository::LockState;

pub(in crate::commands) use archive::archive;
pub(in crate::commands) use backup::{backup, listing};
pub(in crate::commands) use diagnose::{diagnose, explain, health};
pub(in crate::commands) use jobs::{locks, schedule};
pub(in crate::commands) use restore::restore;
pub(in crate::commands) use retention::{copy, delete, init, pin, prune};
pub(in crate::commands) use show::show;
pub(in crate::commands) use state::state;
pub(in crate::commands) use verify::verify;

/// The answer of `metrics`.
pub(in crate::commands) fn metrics() -> Fields {
    (vec![("instance", text()), ("metrics", map(number()))], vec![vec!["instance", "metrics"]])
}

/// Of a command that is for people alone: there is no answer in JSON.
pub(in crate::commands) fn nothing() -> Fields {
    (Vec::new(), Vec::new())
}

/// A shape that several answers hold, by its name.
pub(super) fn named(name: &str) -> Option<Value> {
    Some(match name {
        "manifest" => manifest::manifest(),
        "census" => manifest::census(true),
        "finding" => finding(),
        "structure_finding" => manifest::structure_finding(),
        "rdb" => rdb(),
        "needs" => object(&needs()),
        "needs_of_servers" => {
            let mut needs = needs();
            needs.push(("servers", described(list(text()), "those that are known to load it")));
            object(&needs)
        }
        "comparison" => verify::comparison(),
        "key_with_reason" => {
            let mut key = named_key();
            key.push(("reason", text()));
            key.push(("in_part?", truth()));
            object(&key)
        }
        "moment" => archive::moment(),
        "restored" => restore::restored(),
        "written" => restore::written(),
        "server" => diagnose::server(),
        _ => return None,
    })
}

fn finding() -> Value {
    object(&[
        ("id", text()),
        ("severity", one_of([Severity::Info, Severity::Warning, Severity::Critical])),
        ("title", text()),
        ("evidence", map(anything())),
        ("threshold?", text()),
        ("why?", text()),
        ("fix?", list(text())),
        ("remedies?", remedies()),
        ("source?", text()),
        ("caused_by?", text()),
    ])
}

/// What each fix does, may cost, and how it is undone.
fn remedies() -> Value {
    list(object(&[("command", text()), ("does", text()), ("costs", text()), ("undo", text())]))
}

/// A lock of an instance in the repository.
fn lock() -> Value {
    object(&lock_fields())
}

fn lock_fields() -> Vec<(&'static str, Value)> {
    vec![
        (
            "state",
            described(
                one_of([LockState::Held, LockState::Unreadable, LockState::Lapsed, LockState::Dead, LockState::Stays]),
                "held; unreadable: damaged or of a newer version, and held for all that is known; lapsed or dead: the next run takes it; stays: the store does not remove it, and no run takes one",
            ),
        ),
        ("host", maybe(text())),
        ("pid", maybe(count())),
        ("command", maybe(text())),
        ("since", maybe(time())),
        ("token", maybe(text())),
        ("lapses_at", described(maybe(time()), "unless it is renewed; by the clock of the store")),
        ("stays_because", maybe(text())),
    ]
}

/// The name of a key.
fn named_key() -> Vec<(&'static str, Value)> {
    vec![
        ("database", count()),
        ("key", described(text(), "what is not UTF-8 is replaced; a hash with --hide-keys")),
        ("key_b64?", described(text(), "the exact name in base64, where it is not UTF-8")),
    ]
}

fn needs() -> Vec<(&'static str, Value)> {
    vec![("databases", count()), ("modules", list(text())), ("version", maybe(text())), ("functions", count())]
}

fn status() -> Value {
    one_of([Status::Ok, Status::Warning, Status::Failed, Status::Unknown])
}

/// What an RDB file says of itself.
fn rdb() -> Value {
    object(&[
        ("version", count()),
        ("dialect", text()),
        ("aux", map(text())),
        ("raw_bytes", count()),
        ("trailing_bytes", count()),
        ("crc64", maybe(text())),
        ("keys", count()),
        ("module_aux", described(map(count()), "records of module data outside of keys, by type")),
    ])
}
