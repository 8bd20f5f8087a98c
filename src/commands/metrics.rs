//! `redis-ops metrics`: what is known about an instance and its backups, for Prometheus.

mod listen;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::diagnose::{Rules, age_of};
use super::which::{Place, Server};
use super::{Context, Format, Outcome, whole_file};
use crate::blocking;
use crate::diagnose::{self, Report};
use crate::explain::{Context as _, Fault, Result, Status};
use crate::metrics::{Ages, Backups, Metrics, render};
use crate::operations::condition::schedule;
use crate::repository::Newest;
use crate::rules::{RuleSettings, Topic};

pub use listen::Listen;

/// The code of TLS files that cannot be used.
const TLS_SETTINGS: &str = "tls_settings";

/// Complete settings of `metrics`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which server is asked.
    pub server: Server,
    /// Where its backups are; `None`: nobody has said.
    pub repository: Option<Place>,
    /// What the settings file says about rules.
    pub rules: Rules,
    /// When backups are taken, a cron line; `None`: nobody has said, or they are switched off.
    pub schedule: Option<String>,
    /// Where the text goes.
    pub to: To,
}

/// Where the text goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Prints the metrics once, to stdout.
    Stdout,
    /// Writes a file, at once and whole, for the textfile collector of node_exporter.
    File(PathBuf),
    /// Serves the metrics over HTTP, until a signal comes.
    Listen(Listen),
}

/// Asks, and answers. A server that cannot be reached is `redis_up 0` and exit 0: that is the answer, which a timer hands on to a collector
/// of text files. A repository that cannot be reached is exit 1.
///
/// # Errors
/// The settings name a rule that does not exist, or TLS files that cannot be used; the file cannot be written; the address cannot be listened on.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let rules = settings.rules.to_rules()?;
    settings.schedule.as_deref().map(schedule).transpose()?;
    if let To::Listen(address) = &settings.to {
        return listen::run(address, settings, rules, context).await;
    }
    context.interruptible(once(settings, &rules, context)).await
}

async fn once(settings: &Settings, rules: &RuleSettings, context: &Context) -> Result<Outcome> {
    let repository = Repository::ask(settings).await;
    let Collected { text, error } = collect(settings, rules, &repository, context.now).await;
    // Nothing was asked: a server that is called down for our own files would wake somebody for nothing.
    if let Some(error) = error {
        if error.code() == TLS_SETTINGS {
            return Err(error);
        }
        return answered(settings, context, &repository, text, Some(error)).await;
    }
    answered(settings, context, &repository, text, None).await
}

async fn answered(
    settings: &Settings,
    context: &Context,
    repository: &Repository,
    text: String,
    error: Option<Fault>,
) -> Result<Outcome> {
    if let To::File(path) = &settings.to {
        let (file, text) = (path.clone(), text.clone());
        blocking::run(move || whole_file::write(&file, &text))
            .await
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut status = Status::Ok;
    if let Some(note) = repository.of_other_names(&settings.server.instance) {
        context.printer.say(&note);
    }
    if let Repository::Unreachable { error, .. } = repository {
        context.printer.say(&format!("warning: cannot read the backups: {error}"));
        status = Status::Warning;
    }
    let mut outcome = Outcome::new(status).field("instance", &settings.server.instance);
    if context.format == Format::Json {
        outcome = outcome.field("metrics", samples(&text));
    } else if settings.to == To::Stdout {
        outcome = outcome.text(text);
    }
    Ok(match error {
        Some(error) => outcome.telling(error),
        None => outcome,
    })
}

/// The text, and what went wrong.
struct Collected {
    text: String,
    error: Option<Fault>,
}

/// What the repository says.
#[derive(Debug, Clone)]
enum Repository {
    /// No repository was named.
    None,
    /// How it stands with the backups; where there are none of this name, the names of which there are some.
    Known(Newest, Vec<String>),
    /// The repository cannot be read: what was read before, and why not now.
    Unreachable { before: Option<Newest>, error: String },
}

impl Repository {
    async fn ask(settings: &Settings) -> Self {
        let Some(place) = &settings.repository else { return Self::None };
        match place.newest(&settings.server.instance, settings.server.node.timeout).await {
            Ok(newest) if newest.backup.is_none() && newest.verified.is_none() => {
                let names = place.instances(settings.server.node.timeout).await.unwrap_or_default();
                Self::Known(newest, names)
            }
            Ok(newest) => Self::Known(newest, Vec::new()),
            Err(error) => Self::Unreachable { before: None, error: format!("{error:#}") },
        }
    }

    fn newest(&self) -> Option<&Newest> {
        match self {
            Self::None => None,
            Self::Known(newest, _) => Some(newest),
            Self::Unreachable { before, .. } => before.as_ref(),
        }
    }

    /// Why there are no series about backups, where the repository has backups of other names only.
    fn of_other_names(&self, instance: &str) -> Option<String> {
        let Self::Known(newest, names) = self else { return None };
        if newest.backup.is_some() || names.is_empty() || names.iter().any(|name| name == instance) {
            return None;
        }
        Some(format!(
            "note: no backup metrics: the repository has no backups of `{instance}`, only of {}; to choose one of them, name this server \
             so under `instances` in the settings, and use `-i NAME`",
            names.join(", ")
        ))
    }

    fn is_up(&self) -> Option<bool> {
        match self {
            Self::None => None,
            Self::Known(..) => Some(true),
            Self::Unreachable { .. } => Some(false),
        }
    }
}

async fn collect(settings: &Settings, rules: &RuleSettings, repository: &Repository, now: DateTime<Utc>) -> Collected {
    let options = diagnose::Options {
        // O(1) topics that add no hits: metrics are collected again and again, and Prometheus makes its own deltas.
        topics: vec![Topic::Memory, Topic::Connections, Topic::Persistence, Topic::Replication, Topic::Security],
        window: Duration::ZERO,
        full: false,
        rules: rules.clone(),
        now,
        restores: None,
    };
    let age = async { age_of(repository.newest(), now) };
    let asked = diagnose::alone(&settings.server.node, &options, age).await;
    let text = text(asked.as_ref().map_err(|error| error.code()), repository, settings, now);
    Collected { text, error: asked.err() }
}

/// The text about a report, or about why there is none: a stable code.
fn text(
    asked: Result<&Report, &'static str>,
    repository: &Repository,
    settings: &Settings,
    now: DateTime<Utc>,
) -> String {
    let place = settings.repository.as_ref().map(|place| place.location.to_string());
    let metrics = Metrics {
        ages: place.as_deref().map(|place| Ages {
            now,
            instance: &settings.server.instance,
            repository: place,
            next_due: next_due(settings, repository.newest(), now),
        }),
        backups: repository.newest().map(Backups::from),
        repository_up: repository.is_up(),
        ..Metrics::default()
    };
    let report = match asked {
        Ok(report) => report,
        Err(error) => return render(&Metrics { error, ..metrics }),
    };
    let snapshot = &report.snapshot;
    let ping = snapshot.wire.got().and_then(|wire| wire.percentile(50.0));
    render(&Metrics {
        info: Some(&snapshot.info),
        cluster: snapshot.answers.cluster.got(),
        slow: snapshot.answers.slowlog.got().map(Vec::as_slice),
        started_at: snapshot.info.u64("uptime_in_seconds").map(|up| snapshot.server_seconds().saturating_sub(up)),
        findings: &report.judgement.findings,
        receipt: snapshot.receipt,
        ping_seconds: ping.map(|micros| micros as f64 / 1e6),
        ..metrics
    })
}

/// When the next backup is due; if the one before has not come, when that was due.
fn next_due(settings: &Settings, newest: Option<&Newest>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = schedule(settings.schedule.as_deref()?).ok()?;
    let last = newest.and_then(|newest| newest.taken);
    let before = cron.last(now);
    match before.filter(|due| last.is_none_or(|last| last < *due)) {
        Some(missed) => Some(missed),
        None => cron.next(now),
    }
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
