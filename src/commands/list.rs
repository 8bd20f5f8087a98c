//! `redis-ops list`: the backups of a repository, newest first.

use anyhow::Result;
use serde_json::{Value, json};

use super::table::{Table, verdict};
use super::which::Place;
use super::{Context, Outcome};
use crate::printer::{Printer, words};
use crate::repository::manifest::{Manifest, Purpose};
use crate::repository::{Listed, ListedStatus, Receipt};
use crate::status::Status;
use crate::verify::receipt;

/// What is left out first on a narrow terminal: an id tells when it was taken.
const LEFT_OUT_FIRST: &[usize] = &[1, 6, 4, 5];

/// All that a listing needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The repository.
    pub place: Place,
    /// Only of this instance; `None`: of all.
    pub instance: Option<String>,
}

/// Lists.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let backups = repository.list(settings.instance.as_deref()).await?;
    let lines: Vec<Value> = backups.iter().map(as_json).collect();
    let text = render(&backups, &repository.describe(), &context.printer);
    Ok(Outcome::new(Status::Ok).field("backups", &lines).lines(lines).text(text))
}

fn render(backups: &[Listed], place: &str, printer: &Printer) -> String {
    let mut table = Table::new(&["backup", "taken", "status", "keys", "size", "stored", "server", "verified"])
        .numbers(&[3, 4, 5])
        .optional(LEFT_OUT_FIRST);
    for listed in backups {
        table.row(row(listed));
    }
    let published = backups.iter().filter(|listed| listed.manifest().is_some()).count() as u64;
    let others = backups.len() as u64 - published;
    let mut sentence = format!("{} in {}", words::counted(published, "backup"), words::escape(place.as_bytes()));
    if others > 0 {
        sentence.push_str(&format!(", {others} more that cannot be restored"));
    }
    let mut text = Vec::new();
    if !table.is_empty() {
        text.push(table.render(printer));
    }
    text.extend(backups.iter().filter_map(|listed| unreadable(listed, printer)));
    text.push(verdict(printer, Status::Ok, &sentence));
    text.join("\n")
}

fn row(listed: &Listed) -> [String; 8] {
    let name = format!("{}/{}", words::escape(listed.instance.as_bytes()), listed.id);
    let nothing = String::new;
    let Some(manifest) = listed.manifest() else {
        let status = if matches!(listed.status, ListedStatus::Unreadable(_)) { "unreadable" } else { "incomplete" };
        return [name, nothing(), status.to_owned(), nothing(), nothing(), nothing(), nothing(), nothing()];
    };
    [
        name,
        manifest.created_at.format("%Y-%m-%d %H:%M").to_string(),
        status_of(manifest),
        manifest.census.as_ref().map_or_else(|| "?".to_owned(), |census| words::count(census.keys)),
        words::bytes(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
        words::bytes(manifest.shards.iter().map(|shard| shard.stored_bytes).sum()),
        words::escape(format!("{} {}", manifest.server.name, manifest.server.version).as_bytes()),
        listed.verified.as_ref().map_or_else(|| "never".to_owned(), verified),
    ]
}

/// A published backup in a word or two: what it is for, and what keeps it from being all that it could be.
fn status_of(manifest: &Manifest) -> String {
    let mut words = vec![if manifest.purpose == Purpose::Safety { "safety" } else { "published" }];
    if slots_of_part(manifest).is_some() {
        words.push("one shard");
    }
    if manifest.stale {
        words.push("stale");
    }
    words.join(", ")
}

/// The slots of a backup that holds a part of a cluster only.
pub(super) fn slots_of_part(manifest: &Manifest) -> Option<&str> {
    let [shard] = manifest.shards.as_slice() else { return None };
    shard.slots.as_deref().filter(|slots| *slots != "0-16383")
}

/// Why a backup cannot be used, in a line of its own: it is too long for a cell.
fn unreadable(listed: &Listed, printer: &Printer) -> Option<String> {
    let ListedStatus::Unreadable(reason) = &listed.status else { return None };
    let line = format!("unreadable: {}/{}: {reason}", listed.instance, listed.id);
    Some(printer.folded(&words::escape(line.as_bytes())))
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
    let (status, reason) = match &listed.status {
        ListedStatus::Published(_) => ("published", None),
        ListedStatus::Unreadable(reason) => ("unreadable", Some(reason)),
        ListedStatus::Incomplete(_) => ("incomplete", None),
    };
    // A verification that found damage has verified nothing; `verified_status` says so.
    let is_good = |receipt: &&Receipt| matches!(receipt.text("status"), Some("ok" | "warning"));
    let good = listed.verified.as_ref().filter(is_good);
    json!({
        "id": listed.id.to_string(),
        "instance": listed.instance,
        "created_at": manifest.map(|manifest| manifest.created_at),
        "type": manifest.map(|manifest| &manifest.kind),
        "purpose": manifest.map(|manifest| manifest.purpose),
        "status": status,
        "reason": reason,
        "keys": manifest.and_then(|manifest| manifest.census.as_ref()).map(|census| census.keys),
        "raw_bytes": manifest.map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum::<u64>()),
        "stored_bytes": manifest.map(|manifest| manifest.shards.iter().map(|shard| shard.stored_bytes).sum::<u64>()),
        "server_version": manifest.map(|manifest| &manifest.server.version),
        "verified_at": good.map(|receipt| receipt.time),
        "verified_level": good.and_then(|receipt| receipt.text("level")),
        "proven_at": listed.verified.as_ref().and_then(|receipt| receipt.content.get("proven_at")),
        "verified_status": listed.verified.as_ref().and_then(|receipt| receipt.text("status")),
        "slots": manifest.and_then(slots_of_part),
        "stale": manifest.map(|manifest| manifest.stale),
        "pins": listed.pins,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::screens;
    use super::*;

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
            Listed { status: ListedStatus::Incomplete(None), verified: None, ..usual },
        ];
        screens::check("list", |printer| render(&backups, "s3://backups/redis", printer));
    }
}
