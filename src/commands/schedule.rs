//! `redis-ops schedule`: prints what makes cron, systemd or Kubernetes take the backups that the settings ask for.

mod forms;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::table::verdict;
use super::{Context, Outcome};
use crate::blocking;
use crate::explain::{Context as _, Misuse, Result, Status};
use crate::operations::condition;
use crate::printer::words;
use crate::times;

/// So many of the next times are named.
const NEXT: usize = 5;

/// Complete settings of `schedule`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The instance, an entry of the settings.
    pub instance: String,
    /// Whether the settings want scheduled backups.
    pub enabled: bool,
    /// Whether the settings want the instance followed as well (`backup.type: aof`).
    pub archives: bool,
    /// The cron line of the settings.
    pub schedule: Option<String>,
    pub form: Form,
    /// Over how long the beginning is spread.
    pub jitter: Duration,
    /// Whether the settings say which backups are kept: then each backup prunes.
    pub prune: bool,
    /// Environment variables that a run needs: those of the settings, and the keys of the store if they stand there.
    pub variables: Vec<String>,
    /// The path of this program.
    pub program: PathBuf,
    /// The settings file.
    pub config: PathBuf,
    /// The container image.
    pub image: String,
    /// Where the files go to; `None`: stdout.
    pub to_dir: Option<PathBuf>,
}

/// Whose form the schedule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A file for /etc/cron.d.
    Cron,
    /// A service and its timer.
    Systemd,
    /// A CronJob of Kubernetes.
    Kubernetes,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Systemd => "systemd",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// A file of the schedule.
struct Unit {
    name: String,
    text: String,
}

/// Prints the schedule, or writes its files.
///
/// # Errors
/// The settings have no schedule, or a wrong one; the files cannot be written.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let outcome = Outcome::new(Status::Ok)
        .field("as", settings.form.name())
        .field("instance", &settings.instance)
        .field("enabled", settings.enabled)
        .field("time_zone", "UTC")
        .field("archives", settings.archives)
        .field("jitter_seconds", settings.jitter.as_secs());
    if !settings.enabled {
        let sentence = format!(
            "no schedule for {}: the settings say `backup.enabled: false`",
            words::escape(settings.instance.as_bytes())
        );
        context.printer.say(&sentence);
        return Ok(outcome.field("schedule", &settings.schedule).field("next", json!([])).field("files", json!([])));
    }
    let line = settings.schedule.as_deref().ok_or_else(|| {
        Misuse::settings("the settings have no schedule")
            .hint("`backup.schedule: \"0 1 * * *\"` means every night at 01:00 UTC")
    })?;
    let schedule = condition::schedule(line)?;
    let next = schedule.following(context.now, NEXT);
    let units = match settings.form {
        Form::Cron => forms::cron(settings, &schedule, context.now),
        Form::Systemd => forms::systemd(settings, &schedule),
        Form::Kubernetes => forms::kubernetes(settings, &schedule),
    };
    let times: Vec<String> = next.iter().map(|time| time.format("%a %Y-%m-%d %H:%M").to_string()).collect();
    context.printer.say(&format!("{}: `{}` in UTC; next: {}", settings.instance, schedule.line(), times.join(", ")));
    let outcome = outcome
        .field("schedule", schedule.line())
        .field("next", next.into_iter().map(times::text).collect::<Vec<_>>())
        .field("files", units.iter().map(|unit| json!({ "name": unit.name, "text": unit.text })).collect::<Vec<_>>());
    match &settings.to_dir {
        None => Ok(outcome.text(units.iter().map(|unit| unit.text.as_str()).collect::<Vec<_>>().join("\n"))),
        Some(folder) => {
            let written = write(folder, units).await?;
            Ok(outcome.text(verdict(&context.printer, Status::Ok, &format!("written: {}", written.join(", ")))))
        }
    }
}

async fn write(folder: &Path, units: Vec<Unit>) -> Result<Vec<String>> {
    let folder = folder.to_owned();
    blocking::run(move || {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut written = Vec::new();
        for unit in units {
            let path = folder.join(unit.name);
            std::fs::write(&path, unit.text).with_context(|| format!("cannot write {}", path.display()))?;
            written.push(path.display().to_string());
        }
        Ok(written)
    })
    .await
}
