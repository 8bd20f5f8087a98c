//! `redis-ops show`: everything known about one backup, or about an RDB file; and what is in it.

mod inside;
mod lines;
mod since;

use chrono::DateTime;
use serde_json::{Value, json};

use since::Since;

use super::contents;
use super::table::{Table, verdict};
use super::which::Backup;
use super::{Context, Outcome};
use crate::capture::Inspected;
use crate::census::Census;
use crate::dataset::{self, CENSUS_LIMIT, Dataset};
use crate::encryption;
use crate::examination;
use crate::explain::{Context as _, Result, Status};
use crate::finding::Severity;
use crate::printer::words;
use crate::repository::manifest::{Manifest, Shard, StructureFinding, StructureState};
use crate::verify::{self, FileReport};

/// Complete settings of `show`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is shown.
    pub backup: Backup,
    /// Looks inside: globs of which one must match; empty: every key, if a format asks for keys.
    pub keys: Vec<String>,
    /// Looks inside: one key, with its value.
    pub key: Option<Vec<u8>>,
    /// Only this database; `None`: all.
    pub database: Option<u32>,
    /// No more than so many keys; `None`: all.
    pub limit: Option<u64>,
}

pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let data = super::which::open(&settings.backup, context).await?;
    match &data {
        data if inside::is_asked(settings, context) => inside::run(settings, data, context).await,
        Dataset::Backup(backup) => show_stored(backup, context).await,
        data => show_file(data, context).await,
    }
}

async fn show_stored(backup: &dataset::Backup, context: &Context) -> Result<Outcome> {
    let dataset::Backup { repository, manifest, .. } = backup;
    let rest = rest_of_census(backup).await;
    if backup.must_be_openable().is_err() && manifest.census.is_some() {
        context.printer.say(
            "note: the largest keys and the expiries are in the encrypted census: with the key of the backup, `show` has them too",
        );
    } else if let Err(error) = &rest {
        context.printer.say(&format!("the rest of the census cannot be read: {error:#}"));
    }
    let rest = rest.ok().flatten();
    let objects = repository.objects(manifest).await?;
    let since = Since::of(repository, manifest, &objects, context).await;

    let keeps_conditions = repository.keeps_conditions().await?;
    let mut text = stored_text(manifest, rest.as_ref(), &since, context);
    if keeps_conditions == Some(false) {
        text = format!("{}\n{text}", context.printer.folded(super::which::NO_CONDITIONS));
    }
    let objects: Vec<Value> =
        objects.iter().map(|object| json!({"key": object.key, "length": object.length})).collect();
    let mut outcome = Outcome::new(since.status())
        .field("backup", hidden(manifest, context.keys))
        .field("census", manifest.census.as_ref().map(|summary| contents::to_json(summary, rest.as_ref(), context)))
        .field("objects", objects)
        .field("keeps_conditions", keeps_conditions)
        .text(text)
        .headline(verdict_of(manifest, &since).1, Some(repository.describe()));
    if let Some((code, trouble)) = since.code().zip(since.trouble()) {
        outcome = outcome.field("error", json!({ "code": code, "message": trouble, "causes": [], "hint": null }));
    }
    Ok(since.fields().into_iter().fold(outcome, |outcome, (name, value)| outcome.field(name, value)))
}

/// The manifest as JSON, with hashes in place of the keys that its findings name, where keys are to be hidden.
fn hidden(manifest: &Manifest, keys: words::Keys) -> Value {
    let mut manifest = json!(manifest);
    keys.hide(&mut manifest["findings"]);
    manifest
}

/// A backup for people: what its manifest says, what is in it, and the verdict.
fn stored_text(manifest: &Manifest, rest: Option<&Census>, since: &Since, context: &Context) -> String {
    let mut about = Table::pairs();
    about.row(["backup", &format!("{}/{}", manifest.instance, manifest.id)]);
    let taken = manifest.finished_at - manifest.created_at;
    let span = words::span(taken.to_std().unwrap_or_default());
    let ago =
        |time: DateTime<chrono::Utc>| (context.now - time).to_std().map(|age| format!(", {} ago", words::span(age)));
    let age = ago(manifest.created_at);
    let taken_at = manifest.created_at.format("%Y-%m-%d %H:%M:%S UTC");
    about.row(["taken", &format!("{taken_at}{}, in {span}", age.unwrap_or_default())]);
    let from = manifest.data_from();
    if from < manifest.created_at {
        about.row(["data of", &format!("{}{}", from.format("%Y-%m-%d %H:%M:%S UTC"), ago(from).unwrap_or_default())]);
    }
    about.row(["purpose", &manifest.purpose.to_string()]);
    let server = &manifest.server;
    about.row([
        "server",
        &words::escape(format!("{} {} {} {}", server.name, server.version, server.mode, server.role).as_bytes()),
    ]);
    if let Some(to) = manifest.encrypted_to() {
        about.row(["encrypted", &words::escape(encryption::in_words(to).as_bytes())]);
    }
    if manifest.stale {
        about.row(["stale", "read from a replica that had lost its primary: its data may be old"]);
    }
    for what in &manifest.lacks {
        about.row(["lacks", &words::escape(what.as_bytes())]);
    }
    for (name, value) in &manifest.labels {
        about.row([format!("label {}", words::escape(name.as_bytes())), words::escape(value.as_bytes())]);
    }
    if let Some(barrier) = &manifest.barrier {
        let at = crate::times::text(barrier.at);
        about.row([
            "moment",
            &format!("one for all shards, {at}: writes were held for {:.0} ms", barrier.held_seconds * 1000.0),
        ]);
    }
    if let Some(skew) = manifest.skew_seconds {
        about.row(["skew", &format!("the shards are from moments within {skew:.3} s")]);
    }
    if let Some(why) = &manifest.no_barrier {
        about.row(["no barrier", &words::escape(why.as_bytes())]);
    }
    let several = manifest.shards.len() > 1;
    for shard in &manifest.shards {
        if several {
            about.row([format!("shard {}", shard.index), moment(shard)]);
        }
        about.row(["node", &words::escape(shard.node.as_bytes())]);
        if let Some(slots) = &shard.slots {
            let part = if manifest.slots_of_part().is_some() { ": one shard of a cluster only" } else { "" };
            about.row(["slots", &format!("{}{part}", words::escape(slots.as_bytes()))]);
        }
        if let Some(offset) = shard.offset {
            about.row(["replication", &format!("{} offset {offset}", words::escape(shard.replid.as_bytes()))]);
        }
        about.row([
            "rdb",
            &format!(
                "version {}, {} bytes, CRC64 {}",
                shard.rdb_version,
                words::count(shard.raw_bytes),
                shard.crc64.as_deref().unwrap_or("none"),
            ),
        ]);
        about.row([
            "object",
            &format!(
                "{}, {} bytes, {}",
                shard.object,
                words::count(shard.stored_bytes),
                words::counted(shard.frames, "frame")
            ),
        ]);
        about.row(["sha256", &shard.stored_sha256]);
        if let Some(tail) = &shard.tail {
            let (commands, length) =
                (words::counted(tail.commands, "command"), words::counted(tail.stored_bytes, "byte"));
            about.row(["tail", &format!("{}, {length}: {commands}, up to offset {}", tail.object, tail.to)]);
            about.row(["sha256", &tail.stored_sha256]);
        }
    }
    for row in needs(manifest) {
        about.row(["needs", &row]);
    }
    for (module, records) in manifest.module_aux.iter().flatten() {
        about.row(["module aux", &module_records(module, *records)]);
    }
    for finding in &manifest.findings {
        about.row(["finding", &words::escape(finding_line(finding, context.keys).as_bytes())]);
    }
    since.rows(&mut about, context);
    let mut text = vec![about.render(&context.printer)];
    if let Some(summary) = &manifest.census {
        text.push(contents::to_text(summary, rest, context));
    }
    let (status, sentence) = verdict_of(manifest, since);
    text.push(verdict(&context.printer, status, &sentence));
    text.join("\n\n")
}

/// Whether the backup is good, as far as it is known, and what it holds, in a sentence.
fn verdict_of(manifest: &Manifest, since: &Since) -> (Status, String) {
    let sentence = match (&manifest.census, manifest.structure.state) {
        (Some(census), StructureState::Verified | StructureState::Findings) => {
            let digest = if census.digest.is_empty() { String::new() } else { format!(", digest {}", census.digest) };
            let keys = words::counted(census.keys, "key");
            format!("{keys}, {} with an expiry{digest}", words::count(census.expires))
        }
        _ => format!("the structure was understood up to byte {} only", manifest.structure.understood_up_to),
    };
    match since.trouble() {
        Some(trouble) => (Status::Failed, format!("{sentence}; {trouble}")),
        None if manifest.is_sound() && !manifest.lacks.is_empty() => {
            (Status::Warning, format!("{sentence}; it does not hold everything that its source held: see above"))
        }
        None if manifest.is_sound() => (Status::Ok, sentence),
        None => {
            let found = words::counted(manifest.findings.len() as u64, "finding");
            (Status::Warning, format!("{sentence}; its structure has {found}"))
        }
    }
}

/// When the data of a shard were so, and what of them counts.
fn moment(shard: &Shard) -> String {
    let mut parts = Vec::new();
    parts.extend(shard.moment.map(|moment| format!("as of {}", moment.to.format("%Y-%m-%d %H:%M:%S%.3f UTC"))));
    parts.extend(shard.census.as_ref().map(|census| words::counted(census.keys, "key")));
    if shard.keys_outside > 0 {
        parts.push(format!("{} of slots on their way here left out", words::counted(shard.keys_outside, "key")));
    }
    parts.join(", ")
}

/// What a server must have to load it, as far as not every server has it.
/// Data of a module that belong to no key.
pub(super) fn module_records(module: &str, records: u64) -> String {
    format!("{}: {} outside of keys", words::escape(module.as_bytes()), words::counted(records, "record"))
}

fn needs(manifest: &Manifest) -> Vec<String> {
    let Some(needs) = &manifest.needs else { return Vec::new() };
    let mut rows = Vec::new();
    rows.extend(needs.version.as_ref().map(|version| format!("{version} or newer")));
    if needs.databases > 1 {
        rows.push(words::counted(needs.databases, "database"));
    }
    if !needs.modules.is_empty() {
        rows.push(words::escape(format!("modules: {}", needs.modules.join(", ")).as_bytes()));
    }
    rows
}

/// A finding of the manifest in one line.
pub fn finding_line(finding: &StructureFinding, keys: words::Keys) -> String {
    let mut line = format!("{}, {}", finding.title, words::counted(finding.count, "time"));
    if let Some(place) = finding.places.first() {
        match (&place.key, place.database) {
            (Some(key), Some(database)) => {
                line.push_str(&format!(", first in `{}` of database {database}", keys.show(key.as_bytes())));
            }
            (None, Some(database)) => {
                line.push_str(&format!(", first in database {database}, at byte {}", place.offset))
            }
            (_, None) => {}
        }
        if let (Some(announced), Some(found)) = (place.announced, place.found) {
            line.push_str(&format!(" (says {announced}, holds {found})"));
        }
    }
    line
}

/// Buckets, histogram and largest keys; `None` where the backup has none.
async fn rest_of_census(backup: &dataset::Backup) -> Result<Option<Census>> {
    let dataset::Backup { repository, manifest, .. } = backup;
    let Some(object) = manifest.census.as_ref().and_then(|summary| summary.object.as_ref()) else { return Ok(None) };
    let bytes =
        repository.get_object(manifest, object, CENSUS_LIMIT).await.with_context(|| format!("cannot read {object}"))?;
    let bytes = backup.content(bytes).await.with_context(|| format!("cannot read {object}"))?;
    Ok(Some(crate::census::decode(&bytes).with_context(|| format!("cannot read {object}"))?))
}

async fn show_file(data: &Dataset, context: &Context) -> Result<Outcome> {
    let progress = context.bar();
    let moment_ms = context.now.timestamp_millis();
    let found = verify::file(data, true, None, moment_ms, progress.as_ref(), &context.cancel).await;
    progress.finish();
    let mut found = found.with_context(|| format!("cannot read {}", data.name()))?;
    super::verify::hide_keys(&mut found.report.findings, context.keys);
    let mut outcome = Outcome::new(found.report.status).field("file", data.name());
    if let Some(inspected) = &found.inspected {
        outcome = outcome.field("rdb", rdb_json(inspected)).field("needs", examination::needs_shown(&inspected.needs));
    }
    if let Some(census) = &found.report.census {
        outcome = outcome.field("census", contents::to_json(&examination::summarize(census), Some(census), context));
    }
    let text = file_text(&data.name(), &found, context);
    Ok(outcome.field("findings", &found.report.findings).text(text).headline(sentence_of(&found), None))
}

/// A file for people.
fn file_text(name: &str, found: &FileReport, context: &Context) -> String {
    let mut text = Vec::new();
    if let Some(inspected) = &found.inspected {
        text.push(about_file(name, inspected, found.report.census.as_ref()).render(&context.printer));
    }
    if let Some(census) = &found.report.census {
        text.push(contents::to_text(&examination::summarize(census), Some(census), context));
    }
    let mut table = Table::new(&["severity", "finding", "what"]);
    for finding in &found.report.findings {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        table.row([severity, finding.id.clone(), words::escape(finding.title.as_bytes())]);
    }
    if !table.is_empty() {
        text.push(table.render(&context.printer));
    }
    text.push(verdict(&context.printer, found.report.status, &sentence_of(found)));
    text.join("\n\n")
}

/// What is wrong with a file, or that nothing is.
fn sentence_of(found: &FileReport) -> String {
    // Of the worst the first: that is the one which more servers die of.
    match found.report.findings.iter().rev().max_by_key(|finding| finding.severity) {
        Some(finding) if finding.severity > Severity::Info => words::escape(finding.title.as_bytes()),
        _ => format!("{}, complete and sound", words::counted(found.report.checked.keys, "key")),
    }
}

/// What an RDB says of itself, for people.
fn about_file(name: &str, inspected: &Inspected, census: Option<&Census>) -> Table {
    let mut about = Table::pairs();
    about.row(["file", &words::escape(name.as_bytes())]);
    about.row([
        "rdb",
        &format!(
            "{:?} version {}, {} bytes, CRC64 {}",
            inspected.dialect,
            inspected.rdb_version,
            words::count(inspected.raw_bytes),
            inspected.crc64().as_deref().unwrap_or("none"),
        ),
    ]);
    if let Some(census) = census {
        about.row(["digest", &census.digest_hex()]);
    }
    if let Some(needs) = examination::needs_in_words(&inspected.needs) {
        about.row(["needs", &words::escape(needs.as_bytes())]);
    }
    for (name, value) in &inspected.aux {
        about.row([words::escape(name.as_bytes()), readable(name, value)]);
    }
    for (module, records) in &inspected.module_aux {
        about.row(["module aux", &module_records(module, *records)]);
    }
    about
}

/// An aux field in words, where its name says what the number means.
fn readable(name: &str, value: &str) -> String {
    let number: Option<i64> = value.parse().ok();
    let words = match name {
        "ctime" => number
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .map(|time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
        "used-mem" => number.and_then(|bytes| u64::try_from(bytes).ok()).map(words::bytes),
        _ => None,
    };
    words.unwrap_or_else(|| words::escape(value.as_bytes()))
}

/// What an RDB says of itself.
pub(super) fn rdb_json(inspected: &Inspected) -> Value {
    json!({
        "version": inspected.rdb_version,
        "dialect": format!("{:?}", inspected.dialect).to_lowercase(),
        "aux": inspected.aux,
        "raw_bytes": inspected.raw_bytes,
        "trailing_bytes": inspected.trailing_bytes,
        "crc64": inspected.crc64(),
        "keys": inspected.keys,
        "module_aux": inspected.module_aux,
    })
}

#[cfg(test)]
#[path = "show/screen_tests.rs"]
mod tests;
