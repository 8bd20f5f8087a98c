//! `redis-ops metrics`: what is known about an instance, for Prometheus.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::which::Server;
use super::{Context, Format, Outcome};
use crate::diagnose::{self, Report};
use crate::metrics::{Metrics, render};
use crate::rules::{RuleSettings, Topic};
use crate::status::Status;

/// All that it needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which server is asked.
    pub server: Server,
    /// Written in place of stdout, at once and whole, for the textfile collector of node_exporter; `None`: stdout.
    pub textfile: Option<PathBuf>,
}

/// Asks, and answers. A server that cannot be reached is `redis_up 0` and exit 2.
///
/// # Errors
/// The file cannot be written.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let (text, error) = collect(settings, context).await;
    if let Some(path) = &settings.textfile {
        write_whole(path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    let mut outcome = Outcome::new(Status::Ok).field("instance", &settings.server.instance);
    if context.format == Format::Json {
        outcome = outcome.field("metrics", samples(&text));
    } else if settings.textfile.is_none() {
        outcome = outcome.text(text);
    }
    Ok(match error {
        Some(error) => outcome.error(error),
        None => outcome,
    })
}

/// The text, and what went wrong.
async fn collect(settings: &Settings, context: &Context) -> (String, Option<anyhow::Error>) {
    let options = diagnose::Options {
        // O(1) topics that add no hits: metrics are collected again and again, and Prometheus makes its own deltas.
        topics: vec![Topic::Memory, Topic::Connections, Topic::Persistence, Topic::Replication, Topic::Security],
        window: Duration::ZERO,
        full: false,
        rules: RuleSettings::default(),
        now: context.now,
    };
    match diagnose::alone(&settings.server.node, &options).await {
        Ok(report) => (of_report(&report), None),
        Err(error) => (render(&Metrics::default()), Some(error)),
    }
}

fn of_report(report: &Report) -> String {
    let snapshot = &report.snapshot;
    let ping = snapshot.wire.got().and_then(|wire| wire.percentile(50.0));
    render(&Metrics {
        info: Some(&snapshot.info),
        findings: &report.judgement.findings,
        receipt: snapshot.receipt,
        ping_seconds: ping.map(|micros| micros as f64 / 1e6),
        backups: None,
    })
}

/// Writes beside the file and renames: the collector never sees half of it.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut name = path.file_name().context("this names no file")?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file = std::fs::File::create(&new)?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // What is left of a full disk is not left lying about.
        let _ = std::fs::remove_file(&new);
    }
    Ok(written?)
}

/// The samples as pairs, for JSON.
fn samples(text: &str) -> serde_json::Map<String, serde_json::Value> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse::<f64>().ok()?.into()))
    };
    lines.filter_map(pair).collect()
}
