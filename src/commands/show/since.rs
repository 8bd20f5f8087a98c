//! What became of a backup since it was published: what was verified, where it was restored to, and whether its objects are still there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::pin::pin_json;
use crate::commands::table::Table;
use crate::explain::Status;
use crate::printer::words;
use crate::repository::manifest::Manifest;
use crate::repository::{Pin, Receipt, Repository, RepositoryError};
use crate::storage::ObjectInfo;
use crate::times;
use crate::verify::receipt::{self, RESTORE, VERIFY};

/// Receipts of each kind that are shown, the newest.
const SHOWN: usize = 10;

/// What became of a backup.
#[derive(Debug, Default)]
pub struct Since {
    /// Verifications, newest first.
    verified: Vec<Receipt>,
    /// Restores, newest first.
    restored: Vec<Receipt>,
    /// Pins, by name; `None` in place of one that cannot be read.
    pins: Vec<(String, Option<Pin>)>,
    /// Objects that the manifest names, and that are not there.
    missing: Vec<String>,
    /// Objects of another length than the manifest says: name, length there, length here.
    changed: Vec<(String, u64, u64)>,
}

impl Since {
    /// Holds the objects that are there against the manifest, and reads the receipts. Receipts that may not be read are passed over, with
    /// a word.
    pub async fn of(repository: &Repository, manifest: &Manifest, objects: &[ObjectInfo], context: &Context) -> Self {
        let read = |kind| repository.receipts_among(&manifest.instance, manifest.id, objects, kind, SHOWN);
        let told = |receipts: Result<Vec<Receipt>, RepositoryError>| match receipts {
            Ok(receipts) => receipts,
            Err(error) => {
                context.printer.say(&format!("the receipts of the backup cannot be read: {error:#}"));
                Vec::new()
            }
        };
        let mut since =
            Self { verified: told(read(VERIFY).await), restored: told(read(RESTORE).await), ..Self::default() };
        let prefix = format!("{}/{}/pins/", manifest.instance, manifest.id);
        if objects.iter().any(|object| object.key.starts_with(&prefix)) {
            since.pins = repository.pins(&manifest.instance, manifest.id).await.unwrap_or_else(|error| {
                context.printer.say(&format!("the pins of the backup cannot be read: {error:#}"));
                Vec::new()
            });
        }
        let length_of = |name: &str| {
            let key = format!("{}/{}/{name}", manifest.instance, manifest.id);
            objects.iter().find(|object| object.key == key).map(|object| object.length)
        };
        for shard in &manifest.shards {
            match length_of(&shard.object) {
                None => since.missing.push(shard.object.clone()),
                Some(length) if length != shard.stored_bytes => {
                    since.changed.push((shard.object.clone(), shard.stored_bytes, length));
                }
                Some(_) => {}
            }
        }
        let census = manifest.census.as_ref().and_then(|census| census.object.as_deref());
        since.missing.extend(census.filter(|name| length_of(name).is_none()).map(str::to_owned));
        since
    }

    /// Why the backup is not good, in words; `None`: nothing is known against it.
    pub fn trouble(&self) -> Option<String> {
        if let Some(name) = self.missing.first() {
            let others = self.missing.len() as u64 - 1;
            let others = if others > 0 { format!(" and {}", words::counted(others, "other")) } else { String::new() };
            return Some(format!(
                "it is not complete: the object {}{others} is missing",
                words::escape(name.as_bytes())
            ));
        }
        if let Some((name, expected, found)) = self.changed.first() {
            let (name, expected, found) =
                (words::escape(name.as_bytes()), words::count(*expected), words::count(*found));
            return Some(format!(
                "it is damaged: the object {name} has {found} bytes, and the manifest says {expected}"
            ));
        }
        let last = self.verified.first().filter(|receipt| receipt.text("status") == Some("failed"))?;
        let found = receipt::found(last).join("; ");
        let found = if found.is_empty() { "damage".to_owned() } else { words::escape(found.as_bytes()) };
        Some(format!("the last verification ({} UTC) found: {found}", last.time.format("%Y-%m-%d %H:%M")))
    }

    /// The code of [`Since::trouble`].
    pub fn code(&self) -> Option<&'static str> {
        self.trouble().map(|_| if self.missing.is_empty() { "corrupt" } else { "not_found" })
    }

    pub fn status(&self) -> Status {
        if self.trouble().is_some() { Status::Failed } else { Status::Ok }
    }

    /// The rows for people.
    pub fn rows(&self, about: &mut Table, context: &Context) {
        let now = context.now;
        for (name, pin) in &self.pins {
            about.row(["pinned", &words::escape(pinned(name, pin.as_ref()).as_bytes())]);
        }
        for object in &self.missing {
            about.row(["missing", &words::escape(object.as_bytes())]);
        }
        for receipt in &self.verified {
            about.row(["verified", &format!("{}: {}", when(receipt, now), verified(receipt))]);
        }
        for receipt in &self.restored {
            about.row(["restored", &format!("{}: {}", when(receipt, now), restored(receipt))]);
        }
    }

    /// `receipts`, `pins`, `missing_objects` and `changed_objects` of the JSON answer.
    pub fn fields(&self) -> [(&'static str, Value); 4] {
        let field = |receipt: &Receipt, name: &str| receipt.content.get(name).cloned().unwrap_or_default();
        let verified = self.verified.iter().map(|receipt| {
            json!({
                "kind": VERIFY, "at": times::text(receipt.time), "status": field(receipt, "status"),
                "level": field(receipt, "level"), "found": receipt::found(receipt),
            })
        });
        let restored = self.restored.iter().map(|receipt| {
            json!({
                "kind": RESTORE, "at": times::text(receipt.time), "instance": receipt.content["target"]["instance"],
                "method": field(receipt, "method"), "restored": field(receipt, "restored"), "proven": field(receipt, "proven"),
            })
        });
        let changed = self
            .changed
            .iter()
            .map(|(name, expected, found)| json!({ "key": name, "expected_length": expected, "length": found }));
        [
            ("receipts", verified.chain(restored).collect()),
            ("pins", self.pins.iter().map(|(name, pin)| pin_json(name, pin.as_ref())).collect()),
            ("missing_objects", json!(self.missing)),
            ("changed_objects", changed.collect()),
        ]
    }
}

/// `audit, since 2026-11-28 by ops-1: quarter's end`.
fn pinned(name: &str, pin: Option<&Pin>) -> String {
    let Some(pin) = pin else { return format!("{name}: the pin cannot be read, but still protects the backup") };
    let reason = pin.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{name}, since {} by {}{reason}", pin.pinned_at.format("%Y-%m-%d %H:%M UTC"), pin.host)
}

fn when(receipt: &Receipt, now: DateTime<Utc>) -> String {
    let ago = (now - receipt.time).to_std().unwrap_or(Duration::ZERO);
    format!("{} UTC, {} ago", receipt.time.format("%Y-%m-%d %H:%M"), words::span(ago))
}

fn verified(receipt: &Receipt) -> String {
    let word = |field| words::escape(receipt.text(field).unwrap_or("?").as_bytes());
    let level = word("level");
    let found = words::escape(receipt::found(receipt).join("; ").as_bytes());
    match word("status").as_str() {
        "ok" => format!("good at level {level}"),
        "warning" => format!("complete at level {level}, with warnings: {found}"),
        "failed" => format!("damaged, at level {level}: {found}"),
        "unknown" => format!("could not tell at level {level}: {found}"),
        other => format!("{other} at level {level}"),
    }
}

fn restored(receipt: &Receipt) -> String {
    let target = receipt.content["target"]["instance"].as_str().unwrap_or("?");
    let keys = receipt.content["restored"].as_u64().map(|keys| words::counted(keys, "key")).unwrap_or_default();
    let number = |field: &str| receipt.content[field].as_u64().filter(|number| *number > 0);
    let kept = number("kept").map(|kept| format!(", {} kept", words::count(kept))).unwrap_or_default();
    let differ = number("differ").map(|keys| {
        format!("; proof: {} {}", words::counted(keys, "key"), if keys == 1 { "differs" } else { "differ" })
    });
    let proven = match differ {
        Some(differ) => differ,
        None if receipt.content["proven"] == true => ", proven equal".to_owned(),
        None => ", not proven".to_owned(),
    };
    let lost = [("lost", "key"), ("functions_lost", "function library")];
    let lost =
        lost.into_iter().filter_map(|(field, noun)| Some(format!("; {} lost", words::counted(number(field)?, noun))));
    format!("{keys} into {}{kept}{proven}{}", words::escape(target.as_bytes()), lost.collect::<String>())
}
