//! `redis-ops verify`: proves a backup good, or an instance equal to a backup.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::backup::threads;
use super::contents;
use super::diagnose::FailOn;
use super::table::{Table, verdict};
use super::which::{Backup, File, Place, Server};
use super::{Context, Outcome};
use crate::census::Census;
use crate::examination;
use crate::hint::Misuse;
use crate::printer::words;
use crate::repository::Repository;
use crate::repository::manifest::{CensusSummary, Manifest};
use crate::status::Status;
use crate::verify::{self, Report};

/// All that a verification needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is verified.
    pub subject: Subject,
    /// How much is proven.
    pub level: Level,
    /// Shows what the data is made of.
    pub census: bool,
    /// From which severity on the answer is no.
    pub fail_on: FailOn,
    /// An older backup is no; `None`: any age will do.
    pub max_age: Option<Duration>,
    /// The server of [`Level::Drill`]; `None`: looked for on `PATH`.
    pub server_binary: Option<PathBuf>,
}

/// What is verified.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// One backup.
    One {
        /// Which.
        backup: Backup,
        /// What it is compared with; `None`: with nothing but its own manifest.
        comparison: Option<Comparison>,
    },
    /// Every backup of a repository.
    All {
        /// The repository.
        place: Place,
        /// Only of this instance; `None`: of all.
        instance: Option<String>,
        /// How many of them; `None`: all.
        sample: Option<Sample>,
        /// Only those that were not verified for this long; `None`: whenever.
        older_than: Option<Duration>,
    },
}

/// What a backup is compared with, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The other side.
    pub with: Other,
    /// By how much two expiry times may differ.
    pub ttl_tolerance: Duration,
    /// Globs of which one must match; empty: every key.
    pub keys: Vec<String>,
    /// How many keys that differ are named.
    pub limit: u64,
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Other {
    /// A live instance.
    Server(Box<Server>),
    /// Another backup of the same repository, as it was typed.
    Backup(String),
}

/// How much is proven. Each level holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Presence and sizes.
    Manifest,
    /// SHA-256 of what is stored and of the raw stream.
    Checksum,
    /// Frames, CRC64, a full walk, key counts.
    #[default]
    Structure,
    /// Loaded into a throwaway server.
    Drill,
}

impl Level {
    /// As it is typed and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::Structure => "structure",
            Self::Drill => "drill",
        }
    }
}

/// How many of all backups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// So many.
    Count(u64),
    /// Such a share, above 0 and at most 100.
    Percent(f64),
}

/// Verifies.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    match &settings.subject {
        Subject::One { backup: Backup::File(file), .. } => verify_file(settings, file, context).await,
        Subject::One { backup: Backup::Stored { place, id, instance }, .. } => {
            let repository = place.open().await?;
            let manifest = super::which::load(&repository, id, instance.as_deref(), context).await?;
            verify_stored(settings, &repository, &manifest, context).await
        }
        Subject::All { .. } => Err(Misuse::not_supported_yet("`--all`").into()),
    }
}

async fn verify_stored(settings: &Settings, repository: &Repository, manifest: &Manifest, context: &Context) -> Result<Outcome> {
    let level = level(settings.level)?;
    let progress = context.bar();
    let what = || format!("verify {}/{}", manifest.instance, manifest.id);
    let report = verify::backup(repository, manifest, level, threads(), progress.as_ref(), &context.cancel).await;
    progress.finish();
    let report = report.with_context(what)?;
    let contents = manifest.census.as_ref().filter(|_| settings.census).map(|summary| (summary.clone(), report.census.as_ref()));
    let mut outcome = answer(&report, level, &format!("{}/{}", manifest.instance, manifest.id), contents, context);
    outcome.fields.shift_insert(0, "backup_id".to_owned(), manifest.id.clone().into());
    outcome.fields.shift_insert(1, "instance".to_owned(), manifest.instance.clone().into());
    Ok(outcome)
}

async fn verify_file(settings: &Settings, file: &File, context: &Context) -> Result<Outcome> {
    let level = level(settings.level)?.max(verify::Level::Structure);
    let progress = context.bar();
    let moment_ms = context.now.timestamp_millis();
    let found =
        verify::file(file.path(), settings.census, moment_ms, threads(), progress.as_ref(), &context.cancel).await;
    progress.finish();
    let found = found.with_context(|| format!("verify {file}"))?;
    let contents = found.report.census.as_ref().map(|census| (examination::summarize(census), Some(census)));
    let mut outcome = answer(&found.report, level, &file.to_string(), contents, context);
    outcome.fields.shift_insert(0, "file".to_owned(), file.to_string().into());
    if let Some(inspected) = &found.inspected {
        outcome = outcome.field("rdb", super::show::rdb_json(inspected));
    }
    Ok(outcome)
}

fn level(level: Level) -> Result<verify::Level> {
    Ok(match level {
        Level::Manifest => verify::Level::Manifest,
        Level::Checksum => verify::Level::Checksum,
        Level::Structure => verify::Level::Structure,
        Level::Drill => return Err(Misuse::not_supported_yet("`--level drill`").into()),
    })
}

/// The findings, what was looked at, and the verdict.
fn answer(
    report: &Report,
    level: verify::Level,
    what: &str,
    contents: Option<(CensusSummary, Option<&Census>)>,
    context: &Context,
) -> Outcome {
    let mut text = Vec::new();
    if let Some((summary, census)) = &contents {
        text.push(contents::to_text(summary, *census, context));
    }
    let mut table = Table::new(&["severity", "finding", "what", "evidence"]);
    for finding in &report.findings {
        let evidence: Vec<String> = finding.evidence.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        table.row([
            format!("{:?}", finding.severity).to_lowercase(),
            finding.id.clone(),
            words::escape(finding.title.as_bytes()),
            words::escape(evidence.join(", ").as_bytes()),
        ]);
    }
    if !table.is_empty() {
        text.push(table.render(&context.printer));
    }
    let sentence = match report.status {
        Status::Ok => format!("{what} is good: {}; {}", level.proves(), level.leaves_open()),
        Status::Warning => format!("{what} is whole, with {}", words::counted(report.findings.len() as u64, "reservation")),
        Status::Failed => format!("{what} is damaged"),
        Status::Unknown => format!("{what}: could not tell: it is newer than this version knows"),
    };
    text.push(verdict(&context.printer, report.status, &sentence));
    let mut outcome = Outcome::new(report.status)
        .field("level", level)
        .field("checked", &report.checked)
        .field("findings", &report.findings)
        .text(text.join("\n\n"));
    if let Some((summary, census)) = contents {
        outcome = outcome.field("census", contents::to_json(&summary, census, context));
    }
    outcome
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
