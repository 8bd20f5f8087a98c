//! Whether it is time for a backup: none is due yet, or another run is making one.

use std::time::Duration;

use super::super::table::verdict;
use super::super::{Context, Outcome};
use crate::explain::{Explain, Hint, Meaning, Result, Status};
use crate::operations::{Locked, condition};
use crate::printer::words;
use crate::repository::{Begun, ListedStatus, Repository, RepositoryError, Unfinished};
use crate::storage::StorageError;
use crate::times;

/// The answer where the settings have switched backups off: what a cron job runs every hour is no failure every hour.
pub(super) fn disabled(instance: &str, context: &Context) -> Outcome {
    let sentence = format!("no backup of {instance} is taken: the settings say `backup.enabled: false`");
    let text = verdict(&context.printer, Status::Ok, &sentence);
    Outcome::new(Status::Ok).field("due", false).field("enabled", false).field("newest", ()).text(text)
}

/// The answer where no backup is due: the newest one is younger than the last time that the schedule names.
pub(super) async fn not_due(
    schedule: &str,
    instance: &str,
    repository: &Repository,
    context: &Context,
) -> Result<Option<Outcome>> {
    let Some(due) = condition::schedule(schedule)?.last(context.now) else { return Ok(None) };
    let newest = match repository.taken_since(instance, due).await {
        // The first backup makes the folder.
        Err(RepositoryError::Storage { source: StorageError::NoSuchPlace(_), .. }) => None,
        newest => newest?,
    };
    Ok(newest.map(|newest| {
        let sentence =
            format!("not due: the newest backup of {instance} is from {}", newest.format("%Y-%m-%d %H:%M UTC"));
        Outcome::new(Status::Ok)
            .field("due", false)
            .field("enabled", true)
            .field("newest", times::text(newest))
            .text(verdict(&context.printer, Status::Ok, &sentence))
    }))
}

/// The answer of `--if-due` where another run is making the backup that is due.
pub(super) fn being_made(locked: &Locked, context: &Context) -> Outcome {
    let sentence = format!("not due: a backup of {} is being made: {}", locked.instance, locked.holder);
    let text = verdict(&context.printer, Status::Ok, &sentence);
    Outcome::new(Status::Ok).field("due", false).field("enabled", true).field("newest", ()).text(text)
}

/// Warnings about other runs that seem to be making a backup of this instance: both cost the server a snapshot. A place that cannot be
/// listed says so when it is written to.
pub(super) async fn others(repository: &Repository, instance: &str) -> Vec<String> {
    let others = match repository.others(instance).await {
        Ok(others) => others,
        Err(error) => {
            tracing::debug!(%error, "cannot look for other runs");
            return Vec::new();
        }
    };
    let in_words = |other: &Unfinished| {
        let silent = other.silent_for().map(|silent| format!(", last sign of life {} ago", words::span(silent)));
        let silent = silent.unwrap_or_default();
        match &other.begun {
            Some(Begun { id, by, .. }) => format!(
                "another run seems to be making the backup {instance}/{id}: process {} on host {}{silent}",
                by.pid,
                words::escape(by.host.as_bytes())
            ),
            None => format!("an unknown process seems to be making a backup of {instance}{silent}"),
        }
    };
    others.iter().map(in_words).collect()
}

/// Another run is at the same instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another run is making the backup {instance}/{id}: process {pid} on {host}")]
struct AtWork {
    /// Name of the instance.
    instance: String,
    /// Id that the other run has reserved.
    id: String,
    host: String,
    pid: u32,
}

impl Explain for AtWork {
    fn meaning(&self) -> Meaning {
        Meaning::of("locked").hint(Hint::WaitForLock(None))
    }
}

/// How often it is looked whether another run has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until nobody else is making a backup of this instance: no process lives that has begun one, and where that cannot be asked no
/// sign of life is young.
pub(super) async fn wait_for_others(repository: &Repository, instance: &str, longest: Duration) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let mut other = None;
        repository
            .list_each(
                Some(instance),
                |_| {},
                |listed| {
                    if let ListedStatus::Running(running) = listed.status {
                        other = other.take().or(running.begun);
                    }
                },
            )
            .await?;
        let Some(other) = other else { return Ok(()) };
        if begun.elapsed() >= longest {
            return Err(
                AtWork { instance: instance.to_owned(), id: other.id, host: other.by.host, pid: other.by.pid }.into()
            );
        }
        tokio::time::sleep(LOOK_AGAIN.min(longest)).await;
    }
}
