//! `redis-ops list`: the backups of a repository, newest first.

mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use row::{note, row, status_of};

use super::instances::Only;
use super::table::{Table, verdict};
use super::which::Place;
use super::{Context, Outcome};
use crate::explain::{Failure, Result, Status};
use crate::printer::{Printer, words};
use crate::private_files;
use crate::progress::Unit;
use crate::repository::{Chosen, Listed, ListedStatus, Overview, Receipt, RepositoryError};
use crate::storage::ObjectInfo;
use crate::times;
use crate::verify::receipt;

/// What is left out first on a narrow terminal: an id tells when it was taken.
const LEFT_OUT_FIRST: &[usize] = &[1, 7, 5, 6, 2];

/// Complete settings of `list`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub place: Place,
    /// Only of this instance; `None`: of all.
    pub instance: Option<Only>,
    /// Only those that were begun since then; `None`: whenever.
    pub since: Option<Since>,
    /// The newest so many; `None`: all.
    pub limit: Option<u64>,
    /// Only the newest of each instance that is published and no safety backup.
    pub latest: bool,
    /// The file in which the ids are remembered for completions; `None`: they are not.
    pub remembered_in: Option<PathBuf>,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// This very moment.
    At(DateTime<Utc>),
}

/// So many ids are remembered, the newest.
const REMEMBERED: usize = 500;

/// From so many backups on the reading of their manifests takes long enough to be shown.
const WORTH_A_BAR: u64 = 200;

/// Lists. What is kept of each backup is what is shown of it: a repository may hold tens of thousands.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let progress = context.bar();
    let mut listing = Listing::new(context.now);
    let mut objects: Vec<Box<str>> = Vec::new();
    let mut ids = Vec::new();
    let mut n_listed = 0_u64;
    let mut latest = BTreeSet::new();
    // Whether anything of an instance can be taken for a good backup.
    let mut has_good: BTreeMap<String, bool> = BTreeMap::new();
    let only = settings.instance.as_ref();
    let since = settings.since.map(|since| match since {
        Since::Ago(time) => TimeDelta::from_std(time)
            .ok()
            .and_then(|time| context.now.checked_sub_signed(time))
            .unwrap_or(DateTime::<Utc>::MIN_UTC),
        Since::At(moment) => moment,
    });
    // Which of all is the latest is known when all were looked at.
    let chosen = Chosen { since, limit: settings.limit.filter(|_| !settings.latest) };
    let listed = repository.list_chosen(
        only.map(|only| only.name.as_str()),
        chosen,
        |total| {
            if total >= WORTH_A_BAR {
                progress.phase("reading manifests", Unit::Backups, Some(total));
            }
        },
        |listed| {
            progress.advance(1);
            n_listed += 1;
            if let Some(is_good) = is_good(&listed) {
                *has_good.entry(listed.instance.clone()).or_default() |= is_good;
            }
            if settings.latest && !(is_latest(&listed, context.now) && latest.insert(listed.instance.clone())) {
                return;
            }
            if settings.remembered_in.is_some() && ids.len() < REMEMBERED && listed.manifest().is_some() {
                ids.push(format!("{}/{}\n", listed.instance, listed.id));
            }
            if context.wants_json() {
                objects.push(as_json(&listed, context.now).to_string().into_boxed_str());
            }
            listing.count(&listed);
            if !context.format.is_json() {
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
    if let Some(only) = only
        && let Some((_, error)) = overview.unread_instances().find(|(name, _)| *name == only.name)
    {
        let why = RepositoryError::Storage { doing: format!("list {}/", only.name), source: error.clone() };
        return Ok(Outcome::new(Status::Unknown).error(why.into()));
    }
    let uploads = overview.unfinished.as_ref();
    let is_empty = n_listed == 0 && overview.unreadable.is_empty() && uploads.is_none_or(Vec::is_empty);
    if is_empty && repository.marker().await?.is_none() {
        // What tells a new repository from a mistyped prefix, or from any other folder, is its marker.
        let text = format!("no repository at {}", repository.describe());
        let error = Failure::new("not_found", text)
            .hint("correct the name of the repository; `init` and the first `backup` create a repository");
        return Ok(Outcome::new(Status::Unknown).error(error.into()));
    }
    // Where a time was named, there may be older ones.
    if is_empty
        && let Some(only) = only
        && (since.is_none() || !repository.instances().await?.contains(&only.name))
        && let Some(error) = only.missing(&repository).await?
    {
        return Ok(Outcome::new(Status::Unknown).error(error));
    }
    // Where older ones were not looked at, they may be good.
    let is_whole = since.is_none() && overview.left_out == 0;
    let lost: Vec<String> = match is_whole {
        true => has_good.into_iter().filter(|(_, is_good)| !is_good).map(|(instance, _)| instance).collect(),
        false => Vec::new(),
    };
    let mut outcome = Outcome::new(if lost.is_empty() { Status::Ok } else { Status::Warning });
    outcome.list = context.wants_json().then_some(("backups", objects));
    if context.wants_json() {
        outcome = outcome
            .field("unfinished_uploads", uploads.map(Vec::len))
            // A sum without some of them would be a wrong one.
            .field("unfinished_bytes", uploads.filter(|_| overview.unmeasured == 0).map(|uploads| bytes_of(uploads)))
            .field("unreadable_folders", overview.unreadable.iter().map(|(folder, _)| folder).collect::<Vec<_>>())
            .field("left_out", overview.left_out);
    }
    // Where only some were wanted, there may be others.
    let only = only.filter(|_| since.is_none() && settings.limit.is_none() && !settings.latest);
    let place = repository.describe();
    let sentence = listing.sentence(&overview, only, &lost, &place);
    if !context.format.is_json() {
        let text = listing.render(&overview, outcome.status, &sentence, &context.printer);
        outcome = outcome.text(text);
    }
    Ok(outcome.headline(sentence, Some(place)))
}

/// Whether a backup can be taken for a good one; `None`: it is still being made, or is none of ours.
fn is_good(listed: &Listed) -> Option<bool> {
    match &listed.status {
        ListedStatus::Published(_) => Some(!listed.is_damaged()),
        ListedStatus::Unreadable(_) => Some(false),
        ListedStatus::Newer(_) | ListedStatus::Archived(_) | ListedStatus::AccessDenied(_) => Some(true),
        // What was begun and never finished is no backup.
        ListedStatus::Left(left) if !left.is_foreign() => Some(false),
        ListedStatus::Running(_) | ListedStatus::Left(_) => None,
    }
}

/// Whether a backup is what `latest` may mean.
fn is_latest(listed: &Listed, now: DateTime<Utc>) -> bool {
    listed.manifest().is_some_and(|manifest| manifest.purpose.is_of_its_time()) && !listed.id.is_ahead(now)
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
    /// Not published: begun, and perhaps left.
    unfinished: u64,
    /// Published, and the manifest cannot be read.
    unreadable: u64,
    /// Published, with findings in the structure.
    unsound: u64,
    /// Published, and known to be damaged: by the last verification, or since an object is missing.
    damaged: u64,
    /// What ages are reckoned by.
    now: DateTime<Utc>,
}

impl Listing {
    fn new(now: DateTime<Utc>) -> Self {
        let headings = ["backup", "taken (utc)", "age", "status", "keys", "size", "stored", "server", "verified"];
        let table = Table::new(&headings).numbers(&[4, 5, 6]).optional(LEFT_OUT_FIRST);
        Self { table, notes: Vec::new(), published: 0, unfinished: 0, unreadable: 0, unsound: 0, damaged: 0, now }
    }

    fn add(&mut self, listed: &Listed, printer: &Printer) {
        self.table.row(row(listed, self.now));
        self.notes.extend(note(listed).map(|line| printer.folded(&words::escape(line.as_bytes()))));
    }

    fn count(&mut self, listed: &Listed) {
        match listed.manifest() {
            Some(_) => self.published += 1,
            None if listed.unfinished().is_some() => self.unfinished += 1,
            None => self.unreadable += 1,
        }
        self.unsound += u64::from(listed.manifest().is_some_and(|manifest| !manifest.is_sound()));
        self.damaged += u64::from(listed.is_damaged());
    }

    /// The verdict. `lost` names the instances of which nothing good is there.
    fn sentence(&self, overview: &Overview, only: Option<&Only>, lost: &[String], place: &str) -> String {
        let place = words::escape(place.as_bytes());
        let mut sentence = match only {
            Some(only) if self.published + self.unfinished + self.unreadable == 0 => {
                format!("no backups of {} yet in {place}", only.name)
            }
            _ => format!("{} in {place}", words::counted(self.published, "backup")),
        };
        if self.unfinished > 0 {
            sentence.push_str(&format!(", {} unfinished", words::count(self.unfinished)));
        }
        if self.unreadable > 0 {
            sentence.push_str(&format!(", {} with a manifest that cannot be read", words::count(self.unreadable)));
        }
        if self.unsound > 0 {
            sentence.push_str(&format!("; {} with findings in the structure", self.unsound));
        }
        if self.damaged > 0 {
            sentence.push_str(&format!(", {} damaged", self.damaged));
        }
        if overview.left_out > 0 {
            sentence.push_str(&format!("; … {} more (`--limit`)", words::count(overview.left_out)));
        }
        if !lost.is_empty() {
            let verb = if lost.len() == 1 { "has" } else { "have" };
            sentence.push_str(&format!("; {} {verb} no usable backup", words::escape(lost.join(", ").as_bytes())));
        }
        sentence
    }

    fn render(self, overview: &Overview, status: Status, sentence: &str, printer: &Printer) -> String {
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
            text.push(format!("unfinished: {count} {}", size_of(uploads, overview.unmeasured)));
        }
        text.push(verdict(printer, status, sentence));
        text.join("\n")
    }
}

/// How much the uploads hold, as far as the store tells.
fn size_of(uploads: &[ObjectInfo], unmeasured: u64) -> String {
    let bytes = words::bytes(bytes_of(uploads));
    match unmeasured {
        0 => format!("with {bytes}"),
        all if all == uploads.len() as u64 => "of unknown size (the store does not report it)".to_owned(),
        some => format!("with {bytes}, and {} of them of unknown size", words::count(some)),
    }
}

fn as_json(listed: &Listed, now: DateTime<Utc>) -> Value {
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
        "created_at": manifest.map(|manifest| times::text(manifest.created_at)),
        "age_seconds": manifest.and_then(|manifest| (now - manifest.data_from()).to_std().ok()).map(|age| age.as_secs()),
        "of_the_future": listed.id.is_ahead(chrono::Utc::now()),
        "type": manifest.map(|manifest| &manifest.kind),
        "purpose": manifest.map(|manifest| manifest.purpose),
        "status": status,
        "damaged": manifest.map(|_| listed.is_damaged()),
        "reason": reason,
        "structure": manifest.map(|manifest| manifest.structure.state),
        "findings": manifest.map(|manifest| manifest.findings.len()),
        "keys": manifest.and_then(|manifest| manifest.census.as_ref()).map(|census| census.keys),
        "raw_bytes": manifest.map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum::<u64>()),
        "stored_bytes": manifest.map(crate::repository::manifest::Manifest::stored_bytes),
        "encryption": manifest.and_then(|manifest| manifest.encryption.as_ref()),
        "server_version": manifest.map(|manifest| &manifest.server.version),
        "verified_at": good.map(|receipt| times::text(receipt.time)),
        "verified_level": good.and_then(|receipt| receipt.text("level")),
        "proven_at": listed.verified.as_ref().map(receipt::proven_shown),
        "verified_status": listed.verified.as_ref().and_then(|receipt| receipt.text("status")),
        "verified_found": listed.verified.as_ref().map(receipt::found),
        "consistency": manifest.map(|manifest| manifest.consistency),
        "slots": manifest.and_then(|manifest| manifest.slots_of_part()),
        "stale": manifest.map(|manifest| manifest.stale),
        "pins": listed.pins,
        "begun_at": begun.map(|begun| times::text(begun.begun_at)),
        "host": begun.map(|begun| &begun.by.host),
        "pid": begun.map(|begun| begun.by.pid),
        "running_seconds": running,
        "left_seconds": left,
        "unfinished_bytes": unfinished.map(|unfinished| unfinished.bytes),
    })
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
