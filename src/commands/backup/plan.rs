//! `backup --plan`: what a backup would do, without doing it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::table::{Table, verdict};
use super::super::turns;
use super::super::{Context, Outcome};
use super::pruning::{self, Retention};
use super::source::Source;
use super::turn::others;
use super::way::{self, Way};
use crate::backup::Method;
use crate::capture::source::Chosen;
use crate::encryption::Recipients;
use crate::explain::{Context as _, Result, Status};
use crate::operations::turn::of_others;
use crate::operations::{Locked, Turns};
use crate::printer::words;
use crate::repository::manifest::Consistency;
use crate::repository::{Repository, RepositoryError, Room};
use crate::storage::StorageError;

/// What is asked about.
pub(super) struct Asked<'a> {
    pub(super) instance: &'a str,
    pub(super) method: Method,
    pub(super) retention: Option<&'a Retention>,
    /// How a run would get along with another one; `None`: it would leave the instance to that one.
    pub(super) turns: Option<Turns>,
}

/// What would happen; nothing is done.
pub(super) async fn plan(
    asked: &Asked<'_>,
    source: &Source,
    repository: &Repository,
    context: &Context,
) -> Result<Outcome> {
    let Asked { instance, method: wanted, retention, turns } = *asked;
    let mut lines: Vec<(Status, String)> = Vec::new();
    let mut why = None;
    let mut method = "replication";
    for (shard, chosen) in source.nodes() {
        if let Some(shard) = shard {
            let why = chosen.note.as_deref().unwrap_or_default();
            lines.push((Status::Ok, format!("{shard}: {}: {why}", chosen.node)));
        } else {
            let facts = &chosen.facts;
            let role = facts.role.as_str();
            lines.push((Status::Ok, format!("{} {} as {role}: {}", facts.name, facts.version, chosen.node)));
        }
        if let Some(part) = chosen.part() {
            lines.push((Status::Warning, format!("the backup would hold {part}")));
        }
        if chosen.is_stale {
            lines.push((Status::Warning, "the replica has lost its primary: its data may be old".to_owned()));
        }
        let (way, status, line) = match way::method(chosen, wanted).await? {
            Way::Open { method, status, line } => (method, status, line),
            Way::Barred { line, error } => {
                why = Some(error);
                ("replication", Status::Failed, line)
            }
        };
        if way == "scan" {
            method = way;
        }
        lines.push((status, line));
    }
    if let Source::Cluster(prepared) = source {
        lines.extend(prepared.gaps.iter().map(|gap| (Status::Warning, gap.clone())));
        let text = match &prepared.no_barrier {
            None if method == "scan" => "each shard is read while others write, not at one moment".to_owned(),
            None => {
                "all shards are from one moment: writes are held for 10 to 100 ms when the last RDB is done".to_owned()
            }
            Some(why) => format!("each shard is from a moment of its own, while others write: {why}"),
        };
        lines.push((Status::Ok, text));
    }
    let (keys, used_memory) = source
        .nodes()
        .fold((0, 0), |(keys, memory), (_, chosen)| (keys + chosen.facts.keys, memory + chosen.facts.used_memory));
    // A folder that is missing will be made.
    let newest = match repository.newest(instance).await {
        Err(RepositoryError::Storage { source: StorageError::NoSuchPlace(_), .. }) => None,
        newest => newest?.backup,
    };
    let raw = newest.as_ref().map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum::<u64>());
    // An RDB takes 0.4 to 0.7 of the memory that the data uses; 0.6 with what the standard data set shows.
    let estimate = raw.unwrap_or(used_memory / 10 * 6);
    let basis = if raw.is_some() { "size of the newest backup" } else { "estimated from used_memory" };
    lines.push((Status::Ok, format!("{} keys, about {} as RDB ({basis})", words::count(keys), words::bytes(estimate))));
    // One core of a server writes 60 to 75 MB of RDB a second.
    let seconds = Duration::from_secs(estimate / 65_000_000 + 1);
    let takes = match method {
        "scan" => format!("takes longer than a full resync would ({}): key by key", words::span(seconds)),
        _ => format!("takes about {} (limited by one core of the server)", words::span(seconds)),
    };
    lines.push((Status::Ok, takes));
    let stored = newest.as_ref().map(|manifest| manifest.shards.iter().map(|shard| shard.stored_bytes).sum());
    let room = match writing(repository, instance, stored.unwrap_or(estimate), context, &mut lines).await {
        Ok(room) => Some(room),
        Err(error) => {
            lines.push((Status::Failed, format!("{error:#}")));
            why = why.or(Some(error));
            None
        }
    };

    let encrypted = repository.encryption().to.as_ref();
    lines.extend(encrypted.map(|to| (Status::Ok, format!("the backup would be encrypted {to}"))));
    if let Some(retention) = retention {
        lines.push(pruning::planned(retention, instance, method == "scan", repository, context).await);
    }

    let lock = of_others(repository, instance).await;
    let refusing = lock.as_ref().filter(|(found, _)| turns.is_some_and(|turns| turns.is_refused_by(found)));
    if let Some((found, words)) = refusing {
        lines.push((Status::Failed, words.clone()));
        why = why.or_else(|| Some(Locked::by(repository, instance, found).into()));
    }
    let is_refused = refusing.is_some();
    let status = lines.iter().map(|(status, _)| *status).fold(Status::Ok, Status::and);
    // The backup would be none the worse for these: no part of the status.
    lines.extend(lock.iter().filter(|_| !is_refused).map(|(_, words)| (Status::Warning, words.clone())));
    lines.extend(others(repository, instance).await.into_iter().map(|other| (Status::Warning, other)));
    let mut table = Table::pairs();
    for (status, line) in &lines {
        let word = match status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Unknown => "unknown",
            Status::Failed => "refused",
        };
        table.row([word, line]);
    }
    let sentence = match status {
        Status::Ok => "the backup would succeed; nothing was done",
        Status::Warning => "the backup would succeed with warnings; nothing was done",
        Status::Unknown => "whether the backup would succeed is unknown; nothing was done",
        Status::Failed => "the backup would fail; nothing was done",
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, status, sentence));
    let of_all = |of: fn(&Chosen) -> String| source.nodes().map(|(_, chosen)| of(chosen)).collect::<Vec<_>>().join(",");
    let shards: Vec<Value> = source
        .shards()
        .into_iter()
        .map(|(slots, chosen)| {
            json!({
                "slots": slots, "node": chosen.node.address.to_string(), "role": chosen.facts.role.as_str(),
                "keys": chosen.facts.keys, "why": chosen.note,
            })
        })
        .collect();
    let outcome = Outcome::new(status)
        .field("plan", json!({
            "instance": instance, "topology": source.topology(), "method": method, "node": of_all(|chosen| chosen.node.address.to_string()),
            "role": of_all(|chosen| chosen.facts.role.as_str().to_owned()), "keys": keys, "shards": shards, "consistency": consistency(source, method),
            "estimated_raw_bytes": estimate, "estimated_seconds": seconds.as_secs(),
            "free_bytes": room.and_then(|room| room.free), "keeps_conditions": room.and_then(|room| room.keeps_conditions),
            "recipients": encrypted.map(Recipients::names),
            "lock": lock.as_ref().map(|(found, _)| turns::to_json(found)),
            "lines": lines.iter().map(|(status, line)| json!({"status": status, "text": line})).collect::<Vec<_>>(),
        }))
        .text(text);
    Ok(match why {
        Some(error) => outcome.error(error.context(format!("cannot plan a backup of {instance}"))),
        None => outcome,
    })
}

/// What the manifest would say of the moments of its data.
fn consistency(source: &Source, method: &str) -> Consistency {
    match source {
        _ if method == "scan" => Consistency::Fuzzy,
        Source::One(..) => Consistency::PointInTime,
        Source::Cluster(prepared) if prepared.no_barrier.is_none() => Consistency::Barrier,
        Source::Cluster(_) => Consistency::PointInTimePerShard,
    }
}

/// Finds out whether the repository can be written to, and has room.
///
/// # Errors
/// Why not.
async fn writing(
    repository: &Repository,
    instance: &str,
    needed: u64,
    context: &Context,
    lines: &mut Vec<(Status, String)>,
) -> Result<Room> {
    let place = repository.describe();
    let room = repository
        .try_writing(instance, context.now)
        .await
        .with_context(|| format!("cannot write to the repository {place}"))?;
    if let Some(free) = room.free.filter(|free| *free < needed) {
        let words = format!("{place} has {} free, but about {} are needed", words::bytes(free), words::bytes(needed));
        return Err(StorageError::Full(words.into()).into());
    }
    lines.push((
        Status::Ok,
        match room.free {
            Some(free) => format!("{place} can be written to, and has {} free", words::bytes(free)),
            None => format!("the repository {place} can be written to"),
        },
    ));
    if room.keeps_conditions == Some(false) {
        lines.push((
            Status::Ok,
            "the store does not support conditional writes (`If-None-Match`): object names contain a token".to_owned(),
        ));
    }
    Ok(room)
}
