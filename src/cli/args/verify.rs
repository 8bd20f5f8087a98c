//! What may be typed for `verify` and `show`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, Page, Stored, values};
use crate::cli::completion;
use crate::commands::verify::{FailOn, Level, Sample};

/// Options of `verify`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops verify -r s3://backups/redis --backup-id latest
  redis-ops verify -r s3://backups/redis --backup-id latest --level drill
  redis-ops verify -r s3://backups/redis --instance redis-prod
  redis-ops verify --backup-id 2024-01-01-01-00 --against 2024-01-02-01-00
  redis-ops verify --all --level checksum --older-than 7d --sample 10%
  redis-ops verify --backup-id redis-prod/latest --level manifest \\
    --max-age 26h -f nagios
  redis-ops verify --file dump.rdb.gz")]
pub struct Verify {
    /// The same as --backup-id ID.
    #[arg(id = "positional", value_name = "ID", conflicts_with_all = ["backup_id", "file"])]
    #[arg(add = ArgValueCandidates::new(completion::backups))]
    pub id: Option<String>,
    #[command(flatten)]
    pub stored: Stored,
    /// How much to prove [default: structure; with --against or --instance: manifest].
    #[arg(long, value_enum)]
    pub level: Option<Level>,
    /// Show the census of the data: keys and bytes by type and database, expiry, largest keys.
    #[arg(long)]
    pub census: bool,
    /// Compare with another backup: which keys are missing, extra or different there.
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(completion::backups))]
    pub against: Option<String>,
    /// Which differences fail the verification (repeatable).
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', default_value = "any")]
    pub fail_on: Vec<FailOn>,
    /// By how much expiry times may differ [default: 0s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub ttl_tolerance: Option<Duration>,
    /// Compare only keys that match (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Maximum number of differing keys to list.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Memory for the comparison, such as 64MiB [default: 48MiB]; what does not fit goes to a temporary file.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, hide_short_help = true)]
    pub memory: Option<u64>,
    /// Fail if the backup is older than this, such as 26h.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub max_age: Option<Duration>,
    /// Verify every backup of the repository.
    #[arg(long, conflicts_with_all = ["positional", "backup_id", "file", "against"])]
    pub all: bool,
    /// With --all: verify only this number (`10`) or share (`5%`) of the backups, beginning with those verified longest ago.
    #[arg(long, value_name = "N|P%", requires = "all", value_parser = values::sample)]
    pub sample: Option<Sample>,
    /// With --all: verify only backups that were not verified within this time, such as 7d.
    #[arg(long, value_name = "DUR", requires = "all", value_parser = values::duration)]
    pub older_than: Option<Duration>,
    /// For --level drill: server program to load the backup into [default: redis-server or valkey-server on PATH].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub server_binary: Option<PathBuf>,
    #[command(flatten)]
    pub page: Page,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `show`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops show latest -r s3://backups/redis
  redis-ops show redis-prod/2024-01-01-01-00 -r s3://backups/redis --json
  redis-ops show latest -r s3://backups/redis --keys 'user:*' --limit 20
  redis-ops show latest -r s3://backups/redis --key user:1
  redis-ops show --file dump.rdb.gz --format ndjson > keys.ndjson")]
pub struct Show {
    /// Backup to show: an id, the unique beginning of one, `latest`, or INSTANCE/ID.
    #[arg(value_name = "ID", required_unless_present_any = ["file", "chosen"], add = ArgValueCandidates::new(completion::backups))]
    pub backup_id: Option<String>,
    /// The same as ID.
    #[arg(id = "chosen", long = "backup-id", value_name = "ID", conflicts_with_all = ["backup_id", "file"])]
    #[arg(add = ArgValueCandidates::new(completion::backups))]
    pub chosen: Option<String>,
    /// RDB file to show instead of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with = "backup_id", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// List the keys in the backup that match (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Show one key of the backup, with its value.
    #[arg(long, value_name = "NAME", conflicts_with = "keys")]
    pub key: Option<String>,
    /// With --keys or --format ndjson: maximum number of keys.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub page: Page,
    #[command(flatten)]
    pub database: Database,
}
