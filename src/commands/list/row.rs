//! One backup in a list: its row, and the line below the table for what is too long for a cell.

use chrono::{DateTime, Utc};

use crate::printer::words;
use crate::repository::manifest::{Manifest, Purpose};
use crate::repository::{Listed, ListedStatus, Receipt, Unfinished};
use crate::verify::receipt;

pub(super) fn row(listed: &Listed, now: DateTime<Utc>) -> [String; 9] {
    let name = format!("{}/{}", words::escape(listed.instance.as_bytes()), listed.id);
    let nothing = String::new;
    let Some(manifest) = listed.manifest() else {
        let status = status_of(listed).0.replace('_', " ") + pinned(listed);
        // An id is the minute that its backup began in.
        let begun = listed.unfinished().map(|_| listed.id.minute());
        let taken = begun.map(|begun| begun.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
        let age = begun.map_or_else(nothing, |begun| age(now, begun));
        return [name, taken, age, status, nothing(), nothing(), nothing(), nothing(), nothing()];
    };
    [
        name,
        manifest.created_at.format("%Y-%m-%d %H:%M").to_string(),
        age(now, manifest.data_from()),
        published_as(manifest, listed) + if listed.lies_archived() { ", archived" } else { "" } + pinned(listed),
        manifest.census.as_ref().map_or_else(|| "?".to_owned(), |census| words::count(census.keys)),
        words::bytes(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
        words::bytes(manifest.stored_bytes()),
        words::escape(format!("{} {}", manifest.server.name, manifest.server.version).as_bytes()),
        listed.verified.as_ref().map_or_else(|| "never".to_owned(), verified),
    ]
}

fn age(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    (now - then).to_std().map_or_else(|_| "?".to_owned(), words::age)
}

/// The mark of a backup that a pin holds.
fn pinned(listed: &Listed) -> &'static str {
    if listed.pins.is_empty() { "" } else { ", pinned" }
}

/// A published backup in a word or two: what it is for, and what keeps it from being all that it could be.
fn published_as(manifest: &Manifest, listed: &Listed) -> String {
    let mut words = vec![match manifest.purpose {
        Purpose::Safety => "safety",
        Purpose::PointInTime => "moment",
        _ => "published",
    }];
    if listed.is_damaged() {
        words.push("damaged");
    }
    if manifest.barrier.is_some() && manifest.purpose != Purpose::PointInTime {
        words.push("one moment");
    }
    if manifest.slots_of_part().is_some() {
        words.push("one shard");
    }
    if !manifest.lacks.is_empty() {
        words.push("incomplete");
    }
    if manifest.stale {
        words.push("stale");
    }
    if !manifest.is_sound() {
        words.push("findings");
    }
    if manifest.id.is_ahead(chrono::Utc::now()) {
        words.push("dated in the future");
    }
    words.join(", ")
}

/// The status in the words of the JSON, and why a backup cannot be used.
pub(super) fn status_of(listed: &Listed) -> (&'static str, Option<&String>) {
    match &listed.status {
        ListedStatus::Published(_) if listed.lies_archived() => ("archived", None),
        ListedStatus::Published(_) => ("published", None),
        ListedStatus::Unreadable(reason) | ListedStatus::Newer(reason) => ("unreadable", Some(reason)),
        ListedStatus::Archived(reason) => ("archived", Some(reason)),
        ListedStatus::AccessDenied(reason) => ("access_denied", Some(reason)),
        ListedStatus::Running(_) => ("running", None),
        ListedStatus::Left(_) => ("left", None),
    }
}

/// Why a backup cannot be used, or who is at work on it, or has left it; what a verification found: too long for a cell.
pub(super) fn note(listed: &Listed) -> Option<String> {
    let (status, reason) = status_of(listed);
    // What is missing now says more than what was found when it was there.
    if let Some(lacks) = listed.lacks_data() {
        return Some(format!("damaged: {}/{}: {lacks}", listed.instance, listed.id));
    }
    if let (Some(receipt), "published") = (&listed.verified, status) {
        let found = receipt::found(receipt);
        let word = match receipt.text("status") {
            Some("failed") => "damaged",
            Some("warning") => "verified with warnings",
            Some("unknown") => "could not be verified",
            Some("unreadable") => "not known to be good",
            _ => return None,
        };
        return (!found.is_empty()).then(|| format!("{word}: {}/{}: {}", listed.instance, listed.id, found.join("; ")));
    }
    let text = match (&listed.status, reason) {
        (ListedStatus::Running(running), _) => {
            let age = running.age().map(|age| format!(", for {}", words::span(age))).unwrap_or_default();
            format!("{}{age}", who("on", running))
        }
        (ListedStatus::Left(left), _) if left.is_foreign() => {
            format!("not of redis-ops: no begun.json and no object of a backup, {}", words::bytes(left.bytes))
        }
        (ListedStatus::Left(left), _) => {
            let ago = left.silent_for().map(|ago| format!(", {} ago", words::span(ago))).unwrap_or_default();
            format!("{}{ago}, {}", who("by", left), words::bytes(left.bytes))
        }
        (_, reason) => reason?.clone(),
    };
    Some(format!("{}: {}/{}: {text}", status.replace('_', " "), listed.instance, listed.id))
}

fn who(word: &str, unfinished: &Unfinished) -> String {
    match &unfinished.begun {
        Some(begun) => format!("{word} host {}, pid {}", begun.by.host, begun.by.pid),
        None => "by an unknown process".to_owned(),
    }
}

fn verified(receipt: &Receipt) -> String {
    let word = |field| words::escape(receipt.text(field).unwrap_or("?").as_bytes());
    let day = receipt.time.format("%Y-%m-%d");
    let mut text = match word("status").as_str() {
        "ok" => format!("{day} {}", word("level")),
        "warning" => format!("{day} {}, with warnings", word("level")),
        "failed" => format!("damaged {day}"),
        "unknown" => format!("could not tell {day}"),
        "unreadable" => "receipt unreadable".to_owned(),
        status => format!("{status} {day}"),
    };
    // A quick look of today does not hide the drill of last week.
    match receipt::highest(receipt) {
        Some((level, at)) if level.name() != word("level") || word("status") != "ok" => {
            text.push_str(&format!("; {} {}", at.format("%Y-%m-%d"), level.name()))
        }
        _ => {}
    }
    text
}
