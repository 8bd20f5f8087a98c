//! `redis-ops list`: the backups of a repository, newest first.

use anyhow::Result;
use serde_json::{Value, json};

use super::table::{Table, verdict};
use super::which::Place;
use super::{Context, Outcome};
use crate::printer::words;
use crate::repository::{Listed, ListedStatus, Receipt};
use crate::status::Status;
use crate::verify::receipt;

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
    let mut table =
        Table::new(&["backup", "taken", "status", "keys", "size", "stored", "server", "verified"]).numbers(&[3, 4, 5]);
    for listed in &backups {
        table.row(row(listed));
    }
    let lines: Vec<Value> = backups.iter().map(as_json).collect();
    let published = backups.iter().filter(|listed| listed.manifest().is_some()).count() as u64;
    let others = backups.len() as u64 - published;
    let mut sentence = format!("{} in {}", words::counted(published, "backup"), repository.describe());
    if others > 0 {
        sentence.push_str(&format!(", {others} more that cannot be restored"));
    }
    let mut text = Vec::new();
    if !table.is_empty() {
        text.push(table.render(&context.printer));
    }
    text.push(verdict(&context.printer, Status::Ok, &sentence));
    Ok(Outcome::new(Status::Ok).field("backups", &lines).lines(lines).text(text.join("\n")))
}

fn row(listed: &Listed) -> [String; 8] {
    let name = format!("{}/{}", words::escape(listed.instance.as_bytes()), listed.id);
    let nothing = String::new;
    let Some(manifest) = listed.manifest() else {
        let status = match &listed.status {
            ListedStatus::Unreadable(reason) => format!("unreadable: {}", words::escape(reason.as_bytes())),
            _ => "incomplete".to_owned(),
        };
        return [name, nothing(), status, nothing(), nothing(), nothing(), nothing(), nothing()];
    };
    [
        name,
        manifest.created_at.format("%Y-%m-%d %H:%M").to_string(),
        if manifest.purpose == crate::repository::manifest::Purpose::Safety { "safety" } else { "published" }
            .to_owned(),
        manifest.census.as_ref().map_or_else(|| "?".to_owned(), |census| words::count(census.keys)),
        words::bytes(manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
        words::bytes(manifest.shards.iter().map(|shard| shard.stored_bytes).sum()),
        words::escape(format!("{} {}", manifest.server.name, manifest.server.version).as_bytes()),
        listed.verified.as_ref().map_or_else(|| "never".to_owned(), verified),
    ]
}

fn verified(receipt: &Receipt) -> String {
    let word = |field| words::escape(receipt.text(field).unwrap_or("?").as_bytes());
    let time = receipt.time.format("%Y-%m-%d %H:%M");
    let mut text = format!("{time} {}", word("level"));
    match word("status").as_str() {
        "ok" => {}
        status => text.push_str(&format!(": {status}")),
    }
    // A quick look of today does not hide the drill of last week.
    match receipt::highest(receipt) {
        Some((level, at)) if at != receipt.time => {
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
        "pins": listed.pins,
    })
}
