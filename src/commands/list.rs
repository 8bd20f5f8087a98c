//! `redis-ops list`: the backups of a repository, newest first.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::table::{Table, verdict};
use super::which::Place;
use super::{Context, Format, Outcome};
use crate::explain::{Failure, Result, Status};
use crate::printer::{Printer, words};
use crate::private_files;
use crate::progress::Unit;
use crate::repository::manifest::{Manifest, Purpose};
use crate::repository::{Listed, ListedStatus, Overview, Receipt, Unfinished};
use crate::storage::{Location, ObjectInfo};
use crate::verify::receipt;

/// What is left out first on a narrow terminal: an id tells when it was taken.
const LEFT_OUT_FIRST: &[usize] = &[1, 6, 4, 5];

/// Complete settings of `list`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub place: Place,
    /// Only of this instance; `None`: of all.
    pub instance: Option<String>,
    /// The file in which the ids are remembered for completions; `None`: they are not.
    pub remembered_in: Option<PathBuf>,
}

/// So many ids are remembered, the newest.
const REMEMBERED: usize = 500;

/// From so many backups on the reading of their manifests takes long enough to be shown.
const WORTH_A_BAR: u64 = 200;

/// Lists. What is kept of each backup is what is shown of it: a repository may hold tens of thousands.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let progress = context.bar();
    let mut listing = Listing::default();
    let mut objects: Vec<Box<str>> = Vec::new();
    let mut ids = Vec::new();
    let mut n_listed = 0_u64;
    let listed = repository.list_each(
        settings.instance.as_deref(),
        |total| {
            if total >= WORTH_A_BAR {
                progress.phase("reading manifests", Unit::Backups, Some(total));
            }
        },
        |listed| {
            progress.advance(1);
            n_listed += 1;
            if settings.remembered_in.is_some() && ids.len() < REMEMBERED && listed.manifest().is_some() {
                ids.push(format!("{}/{}\n", listed.instance, listed.id));
            }
            if context.format.is_json() {
                objects.push(as_json(&listed).to_string().into_boxed_str());
            } else {
                listing.add(&listed, &context.printer);
            }
        },
    );
    let overview = context.interruptible(async { Ok(listed.await?) }).await;
    progress.finish();
    let overview = overview?;
    if let Some(file) = settings.remembered_in.clone() {
        // Nobody misses them but the next Tab.
        let _ = tokio::task::spawn_blocking(move || remember(&file, &ids.concat())).await;
    }
    let uploads = overview.unfinished.as_ref();
    let is_empty = n_listed == 0 && overview.unreadable.is_empty() && uploads.is_none_or(Vec::is_empty);
    if is_empty && matches!(settings.place.location, Location::S3 { .. }) && repository.marker().await?.is_none() {
        // A bucket has no folders: what tells a new repository from a mistyped prefix is its marker.
        let text = format!("there is no repository at {}: neither a marker nor a backup", repository.describe());
        let error =
            Failure::new("not_found", text).hint("is the prefix the right one? The first `backup` makes a repository");
        return Ok(Outcome::new(Status::Unknown).error(error.into()));
    }
    let mut outcome = Outcome::new(Status::Ok);
    outcome.list = context.format.is_json().then_some(("backups", objects));
    Ok(match context.format {
        Format::Ndjson => outcome,
        Format::Json => outcome
            .field("unfinished_uploads", uploads.map(Vec::len))
            .field("unfinished_bytes", uploads.map(|uploads| bytes_of(uploads)))
            .field("unreadable_folders", overview.unreadable.iter().map(|(folder, _)| folder).collect::<Vec<_>>()),
        _ => outcome.text(listing.render(&overview, &repository.describe(), &context.printer)),
    })
}

fn remember(file: &Path, ids: &str) -> io::Result<()> {
    private_files::folder(file.parent().unwrap_or(file))?;
    private_files::create(file)?.write_all(ids.as_bytes())
}

fn bytes_of(uploads: &[ObjectInfo]) -> u64 {
    uploads.iter().map(|upload| upload.length).sum()
}

/// What is shown of the backups of a repository.
struct Listing {
    table: Table,
    /// What is too long for a cell, in lines of their own.
    notes: Vec<String>,
    published: u64,
    others: u64,
    /// Published, with findings in the structure.
    unsound: u64,
}

impl Default for Listing {
    fn default() -> Self {
        let table = Table::new(&["backup", "taken", "status", "keys", "size", "stored", "server", "verified"])
            .numbers(&[3, 4, 5])
            .optional(LEFT_OUT_FIRST);
        Self { table, notes: Vec::new(), published: 0, others: 0, unsound: 0 }
    }
}

impl Listing {
    fn add(&mut self, listed: &Listed, printer: &Printer) {
        self.table.row(row(listed));
        self.notes.extend(note(listed).map(|line| printer.folded(&words::escape(line.as_bytes()))));
        if listed.manifest().is_some() {
            self.published += 1;
        } else {
            self.others += 1;
        }
        self.unsound += u64::from(listed.manifest().is_some_and(|manifest| !manifest.is_sound()));
    }

    fn render(self, overview: &Overview, place: &str, printer: &Printer) -> String {
        let mut sentence =
            format!("{} in {}", words::counted(self.published, "backup"), words::escape(place.as_bytes()));
        if self.others > 0 {
            sentence.push_str(&format!(", {} more that cannot be restored", self.others));
        }
        if self.unsound > 0 {
            sentence.push_str(&format!("; {} with findings in the structure", self.unsound));
        }
        let mut text = Vec::new();
        if !self.table.is_empty() {
            text.push(self.table.render(printer));
        }
        text.extend(self.notes);
        for (folder, error) in &overview.unreadable {
            text.push(printer.folded(&words::escape(format!("unreadable: {folder}: {error}").as_bytes())));
        }
        if let Some(uploads) = overview.unfinished.as_ref().filter(|uploads| !uploads.is_empty()) {
            let count = words::counted(uploads.len() as u64, "upload");
            text.push(format!("unfinished: {count} with {}", words::bytes(bytes_of(uploads))));
        }
        text.push(verdict(printer, Status::Ok, &sentence));
        text.join("\n")
    }
}

fn row(listed: &Listed) -> [String; 8] {
    let name = format!("{}/{}", words::escape(listed.instance.as_bytes()), listed.id);
    let nothing = String::new;
    let Some(manifest) = listed.manifest() else {
        let status = status_of(listed).0.replace('_', " ");
        return [name, nothing(), status, nothing(), nothing(), nothing(), nothing(), nothing()];
    };
    [
        name,
        manifest.created_at.format("%Y-%m-%d %H:%M").to_string(),
        published_as(manifest),
        manifest.census.as_ref().map_or_else(|| "?".to_owned(), |census| words::count(census.keys)),
        words::bytes(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
        words::bytes(manifest.shards.iter().map(|shard| shard.stored_bytes).sum()),
        words::escape(format!("{} {}", manifest.server.name, manifest.server.version).as_bytes()),
        listed.verified.as_ref().map_or_else(|| "never".to_owned(), verified),
    ]
}

/// A published backup in a word or two: what it is for, and what keeps it from being all that it could be.
fn published_as(manifest: &Manifest) -> String {
    let mut words = vec![if manifest.purpose == Purpose::Safety { "safety" } else { "published" }];
    if manifest.slots_of_part().is_some() {
        words.push("one shard");
    }
    if manifest.stale {
        words.push("stale");
    }
    if !manifest.is_sound() {
        words.push("findings");
    }
    if manifest.id.is_ahead(chrono::Utc::now()) {
        words.push("of the future");
    }
    words.join(", ")
}

/// The status in the words of the JSON, and why a backup cannot be used.
fn status_of(listed: &Listed) -> (&'static str, Option<&String>) {
    match &listed.status {
        ListedStatus::Published(_) => ("published", None),
        ListedStatus::Unreadable(reason) => ("unreadable", Some(reason)),
        ListedStatus::Archived(reason) => ("archived", Some(reason)),
        ListedStatus::AccessDenied(reason) => ("access_denied", Some(reason)),
        ListedStatus::Running(_) => ("running", None),
        ListedStatus::Left(_) => ("left", None),
    }
}

/// Why a backup cannot be used, or who is at work on it, or has left it: too long for a cell.
fn note(listed: &Listed) -> Option<String> {
    let (status, reason) = status_of(listed);
    let text = match (&listed.status, reason) {
        (ListedStatus::Running(running), _) => {
            let age = running.age().map(|age| format!(", for {}", words::span(age))).unwrap_or_default();
            format!("{}{age}", who("on", running))
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
        None => format!("{word} an unknown process"),
    }
}

fn verified(receipt: &Receipt) -> String {
    let word = |field| words::escape(receipt.text(field).unwrap_or("?").as_bytes());
    let day = receipt.time.format("%Y-%m-%d");
    let mut text = match word("status").as_str() {
        "ok" => format!("{day} {}", word("level")),
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

fn as_json(listed: &Listed) -> Value {
    let manifest = listed.manifest();
    let (status, reason) = status_of(listed);
    let unfinished = listed.unfinished();
    let begun = unfinished.and_then(|unfinished| unfinished.begun.as_ref());
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
    let (running, left) = match &listed.status {
        ListedStatus::Running(running) => (seconds(running.age()), None),
        ListedStatus::Left(left) => (None, seconds(left.silent_for())),
        _ => (None, None),
    };
    // A verification that found damage has verified nothing; `verified_status` says so.
    let is_good = |receipt: &&Receipt| matches!(receipt.text("status"), Some("ok" | "warning"));
    let good = listed.verified.as_ref().filter(is_good);
    json!({
        "id": listed.id.to_string(),
        "instance": listed.instance,
        "created_at": manifest.map(|manifest| manifest.created_at),
        "of_the_future": listed.id.is_ahead(chrono::Utc::now()),
        "type": manifest.map(|manifest| &manifest.kind),
        "purpose": manifest.map(|manifest| manifest.purpose),
        "status": status,
        "reason": reason,
        "structure": manifest.map(|manifest| manifest.structure.state),
        "findings": manifest.map(|manifest| manifest.findings.len()),
        "keys": manifest.and_then(|manifest| manifest.census.as_ref()).map(|census| census.keys),
        "raw_bytes": manifest.map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum::<u64>()),
        "stored_bytes": manifest.map(|manifest| manifest.shards.iter().map(|shard| shard.stored_bytes).sum::<u64>()),
        "server_version": manifest.map(|manifest| &manifest.server.version),
        "verified_at": good.map(|receipt| receipt.time),
        "verified_level": good.and_then(|receipt| receipt.text("level")),
        "proven_at": listed.verified.as_ref().and_then(|receipt| receipt.content.get("proven_at")),
        "verified_status": listed.verified.as_ref().and_then(|receipt| receipt.text("status")),
        "slots": manifest.and_then(|manifest| manifest.slots_of_part()),
        "stale": manifest.map(|manifest| manifest.stale),
        "pins": listed.pins,
        "begun_at": begun.map(|begun| begun.begun_at),
        "host": begun.map(|begun| &begun.by.host),
        "pid": begun.map(|begun| begun.by.pid),
        "running_seconds": running,
        "left_seconds": left,
        "unfinished_bytes": unfinished.map(|unfinished| unfinished.bytes),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::screens;
    use super::*;
    use crate::storage::StorageError;

    fn listed(instance: &str, id: &str, keys: u64, verified: Option<&str>) -> Listed {
        let manifest: Manifest = serde_json::from_value(json!({
            "format_version": 1, "id": id, "instance": instance,
            "created_at": format!("{}T{}:05Z", &id[..10], id[11..16].replace('-', ":")), "finished_at": "2026-11-23T01:01:00Z",
            "type": "rdb", "purpose": if id.ends_with("-2") { "safety" } else { "scheduled" }, "consistency": "point_in_time",
            "tool_version": "0.1.0", "labels": {}, "server": {"name": "valkey", "version": "8.1.1"}, "compression": "gzip",
            "encryption": null,
            "shards": [{
                "index": 0, "slots": null, "node": "127.0.0.1:6379", "replid": "", "offset": null, "rdb_version": 80, "aux": {},
                "object": "dump.rdb.gz", "raw_bytes": keys * 480, "stored_bytes": keys * 204, "raw_sha256": "",
                "stored_sha256": "", "crc64": null, "frames": 1
            }],
            "census": {"keys": keys, "expires": 0, "by_database": {}, "by_type": {}, "bytes_by_type": {}, "functions": 0,
                       "digest": "", "digest_version": 1, "object": null, "sha256": null},
            "structure": {"state": "verified", "understood_up_to": 9}
        }))
        .unwrap();
        let verified = verified.map(|status| Receipt {
            time: "2026-11-23T04:00:00Z".parse().unwrap(),
            content: json!({"level": "structure", "status": status}),
        });
        Listed {
            instance: instance.to_owned(),
            id: id.parse().unwrap(),
            status: ListedStatus::Published(Box::new(manifest)),
            objects: Vec::new(),
            verified,
            pins: Vec::new(),
        }
    }

    #[test]
    fn the_screen_of_a_repository_with_long_names_and_accidents() {
        let usual = listed("redis-prod", "2026-11-23-01-00", 1_994_658, Some("ok"));
        let reason = "the manifest is not JSON: EOF while parsing an object at line 2 column 0";
        let backups = [
            usual.clone(),
            listed("customer-facing-sessions-eu-west-1", "2026-11-22-13-45-2", 12, None),
            listed("redis-prod", "2026-11-22-01-00", 1_990_001, Some("failed")),
            Listed { status: ListedStatus::Unreadable(reason.to_owned()), verified: None, ..usual.clone() },
            Listed {
                status: ListedStatus::Archived("InvalidObjectState (403)".to_owned()),
                verified: None,
                ..usual.clone()
            },
            Listed {
                status: ListedStatus::AccessDenied("AccessDenied (403)".to_owned()),
                verified: None,
                ..usual.clone()
            },
            Listed { status: ListedStatus::Running(Box::new(unfinished(200, 3_000))), verified: None, ..usual.clone() },
            Listed { status: ListedStatus::Left(Box::new(unfinished(172_800, 1 << 30))), verified: None, ..usual },
        ];
        let uploads = vec![ObjectInfo { key: "redis-prod/x".into(), length: 120 << 20, modified: None }];
        let denied = StorageError::AccessDenied("Permission denied".into());
        let overview = Overview { unfinished: Some(uploads), unreadable: vec![("staging/".to_owned(), denied)] };
        let render = |printer: &Printer| {
            let mut listing = Listing::default();
            backups.iter().for_each(|listed| listing.add(listed, printer));
            listing.render(&overview, "s3://backups/redis", printer)
        };
        screens::check("list", render);
    }

    fn unfinished(seconds: i64, bytes: u64) -> Unfinished {
        let begun = serde_json::from_value(json!({
            "id": "2026-11-23-01-00", "instance": "redis-prod", "begun_at": "2026-11-23T01:00:00Z", "host": "backup-7", "pid": 4711,
            "token": "t"
        }));
        let now: chrono::DateTime<chrono::Utc> = "2026-11-25T01:00:00Z".parse().unwrap();
        let since = now - chrono::TimeDelta::seconds(seconds);
        Unfinished { begun: begun.ok(), since: Some(since), last_sign: Some(since), now, bytes, uploads: 1 }
    }
}
