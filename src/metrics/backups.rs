//! What is known of the backups of an instance, as metrics: when, how large, and how old.

use chrono::{DateTime, Utc};

use super::text::Text;
use crate::repository::Newest;
use crate::repository::manifest::Manifest;

/// What is known of the backups of an instance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backups {
    /// When the last published one was begun.
    pub last_at: Option<DateTime<Utc>>,
    /// When one was last verified.
    pub last_verified_at: Option<DateTime<Utc>>,
    /// When one was last loaded into a server and found good there.
    pub last_drill_at: Option<DateTime<Utc>>,
    /// Seconds that this took until the server served.
    pub last_drill_rto_seconds: Option<f64>,
    /// Stored bytes of the last.
    pub stored_bytes: Option<u64>,
    /// Bytes of its RDB.
    pub raw_bytes: Option<u64>,
    /// Seconds the last one took.
    pub duration_seconds: Option<f64>,
    /// Keys in it.
    pub keys: Option<u64>,
}

impl From<&Newest> for Backups {
    fn from(newest: &Newest) -> Self {
        let last = newest.backup.as_ref();
        let took =
            |manifest: &Manifest| (manifest.finished_at - manifest.created_at).num_milliseconds() as f64 / 1000.0;
        Self {
            last_at: last.map(Manifest::data_from),
            last_verified_at: newest.verified.as_ref().map(|receipt| receipt.time),
            last_drill_at: newest.drilled.map(|drilled| drilled.at),
            last_drill_rto_seconds: newest.drilled.and_then(|drilled| drilled.rto_seconds),
            stored_bytes: last.map(|manifest| manifest.stored_bytes()),
            raw_bytes: last.map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum()),
            duration_seconds: last.map(took).filter(|seconds| *seconds >= 0.0),
            keys: last.and_then(|manifest| Some(manifest.census.as_ref()?.keys)),
        }
    }
}

/// What ages are reckoned with, and whose they are: Datadog and Nagios cannot subtract.
#[derive(Debug, Clone, Copy)]
pub struct Ages<'a> {
    /// Now, by our own clock.
    pub now: DateTime<Utc>,
    /// Name of the instance in the repository.
    pub instance: &'a str,
    /// Where the repository is, without secrets.
    pub repository: &'a str,
    /// When the next backup is due, or since when one is missing; `None`: nobody has said.
    pub next_due: Option<DateTime<Utc>>,
}

pub(super) fn of_backups(text: &mut Text, backups: &Backups) {
    let seconds = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp() as f64);
    let values = [
        (
            "redis_ops_last_backup_timestamp_seconds",
            "When the last published backup was begun.",
            seconds(backups.last_at),
        ),
        (
            "redis_ops_last_verified_timestamp_seconds",
            "When a backup was last verified.",
            seconds(backups.last_verified_at),
        ),
        (
            "redis_ops_last_backup_stored_bytes",
            "Stored bytes of the last backup.",
            backups.stored_bytes.map(|bytes| bytes as f64),
        ),
        (
            "redis_ops_last_backup_raw_bytes",
            "Bytes of the RDB in the last backup.",
            backups.raw_bytes.map(|bytes| bytes as f64),
        ),
        ("redis_ops_last_backup_duration_seconds", "Seconds the last backup took.", backups.duration_seconds),
        ("redis_ops_last_backup_keys", "Keys in the last backup.", backups.keys.map(|keys| keys as f64)),
    ];
    gauges(text, &[], values);
}

/// Ages, labelled with the instance and the repository: a file of many instances, or one instance in several places, stays clear.
pub(super) fn ages_of(text: &mut Text, backups: &Backups, ages: &Ages<'_>) {
    let labels = [("instance", ages.instance), ("repository", ages.repository)];
    let since = |at: DateTime<Utc>| (ages.now - at).num_milliseconds() as f64 / 1000.0;
    let values = [
        ("redis_ops_backup_age_seconds", "Seconds since the last good backup was begun.", backups.last_at.map(since)),
        (
            "redis_ops_last_verified_age_seconds",
            "Seconds since a backup was last found good.",
            backups.last_verified_at.map(since),
        ),
        (
            "redis_ops_last_drill_age_seconds",
            "Seconds since a backup was last loaded into a server and found good there.",
            backups.last_drill_at.map(since),
        ),
        (
            "redis_ops_last_drill_rto_seconds",
            "Seconds that the last drill took until a server served the backup.",
            backups.last_drill_rto_seconds,
        ),
        (
            "redis_ops_next_due_seconds",
            "Seconds until the next backup is due by the schedule; below zero: since when one is missing.",
            ages.next_due.map(|due| -since(due)),
        ),
    ];
    gauges(text, &labels, values);
}

/// What is not known is left out.
fn gauges<'a>(
    text: &mut Text,
    labels: &[(&str, &str)],
    values: impl IntoIterator<Item = (&'a str, &'a str, Option<f64>)>,
) {
    for (name, help, value) in values {
        if let Some(value) = value {
            text.sample(name, "gauge", help, labels, value);
        }
    }
}
