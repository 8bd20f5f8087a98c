//! What may be typed for `prune`, `copy`, `delete` and `pin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, values};
use crate::cli::completion;
use crate::retention::Span;

/// Options of `prune`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops prune -i redis-prod --dry-run
  redis-ops prune -r s3://backups/redis -i redis-prod --keep-daily 7 \\
    --keep-weekly 4 --keep-monthly 12
  redis-ops prune -c redis-ops.yaml --yes --json")]
pub struct Prune {
    /// Keep the newest N backups (for every --keep option, N is a number or `unlimited`).
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_last: Option<u64>,
    /// Keep the newest backup of each of the last N hours that have one.
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_hourly: Option<u64>,
    /// Keep the newest backup of each of the last N days that have one (UTC).
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_daily: Option<u64>,
    /// Keep the newest backup of each of the last N weeks that have one, Monday to Sunday.
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_weekly: Option<u64>,
    /// Keep the newest backup of each of the last N months that have one.
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_monthly: Option<u64>,
    /// Keep the newest backup of each of the last N years that have one.
    #[arg(long, value_name = "N", value_parser = values::keep)]
    pub keep_yearly: Option<u64>,
    /// Keep all backups taken within this time before the newest one, such as 2d or 1y6m (m: months).
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    pub keep_within: Option<Span>,
    /// Keep safety backups for this long; no other rule applies to them [default: 7d].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub keep_safety: Option<Duration>,
    /// Show what would be removed, with the reason for each backup, and remove nothing.
    #[arg(long, alias = "plan")]
    pub dry_run: bool,
    #[command(flatten)]
    pub turns: super::Turns,
    #[command(flatten)]
    pub database: Database,
}

/// The backup that is meant, named in one of two ways.
#[derive(Args)]
pub struct OneBackup {
    /// The backup: an id, the unique beginning of one, `latest`, or INSTANCE/ID.
    #[arg(value_name = "ID", required_unless_present = "chosen", add = ArgValueCandidates::new(completion::backups))]
    backup_id: Option<String>,
    /// The same as ID.
    #[arg(id = "chosen", long = "backup-id", value_name = "ID", conflicts_with = "backup_id")]
    #[arg(add = ArgValueCandidates::new(completion::backups))]
    chosen: Option<String>,
}

impl OneBackup {
    /// As it was typed; clap requires one of the two.
    pub fn id(&self) -> String {
        self.backup_id.clone().or_else(|| self.chosen.clone()).unwrap_or_default()
    }
}

/// Options of `copy`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops copy redis-prod/latest -r /backups --to s3://backups/redis
  redis-ops copy --all -i redis-prod -r /backups --to s3://backups/redis
  redis-ops copy --all -r s3://backups/redis --to-config far.yaml --dry-run")]
pub struct Copy {
    /// Backups to copy: ids, the unique beginnings of ids, `latest`, or INSTANCE/ID.
    #[arg(value_name = "ID", required_unless_present = "all", add = ArgValueCandidates::new(completion::backups))]
    pub ids: Vec<String>,
    /// Copy every backup that the other repository lacks; with -i, those of one instance.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Repository to copy to: s3://bucket/prefix, file:///path or a path. S3 options and credentials are those of --repository.
    #[arg(long, value_name = "URL", required_unless_present = "to_config", value_hint = ValueHint::DirPath)]
    pub to: Option<String>,
    /// Settings file of the repository to copy to, for a store with another endpoint, region or encryption: its `s3` block, and its
    /// `backup.destination` unless --to names the repository.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub to_config: Option<PathBuf>,
    /// Show what would be copied, and copy nothing.
    #[arg(long, alias = "plan")]
    pub dry_run: bool,
    #[command(flatten)]
    pub turns: super::Turns,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `delete`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops delete redis-prod/2024-01-01-01-00 -r s3://backups/redis")]
pub struct Delete {
    #[command(flatten)]
    pub backup: OneBackup,
    /// Remove the backup even if it is the only backup of its instance, its newest verified backup, or its newest sound backup.
    #[arg(long, action = ArgAction::SetTrue)]
    pub last: bool,
    #[command(flatten)]
    pub turns: super::Turns,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `pin`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops pin redis-prod/2024-01-01-01-00 --name audit --reason 'case 4711'
  redis-ops pin redis-prod/2024-01-01-01-00 --name audit --lift")]
pub struct Pin {
    #[command(flatten)]
    pub backup: OneBackup,
    /// Name of the pin; a backup may have several [default: pinned; with --lift: the only one].
    #[arg(long)]
    pub name: Option<String>,
    /// Why the backup is pinned; `show` prints the reason.
    #[arg(long, value_name = "TEXT", conflicts_with = "lift")]
    pub reason: Option<String>,
    /// Lift the pin instead of setting it.
    #[arg(long)]
    pub lift: bool,
    #[command(flatten)]
    pub database: Database,
}
