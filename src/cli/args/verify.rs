//! What may be typed for `verify` and `show`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{Database, Stored, values};
use crate::commands::diagnose::FailOn;
use crate::commands::verify::{Level, Sample};

/// Options of `verify`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops verify -r s3://backups/redis --backup-id latest
  redis-ops verify -r s3://backups/redis --backup-id 2024-01-01-01-00 --level checksum
  redis-ops verify -r s3://backups/redis --backup-id latest --instance redis-prod
  redis-ops verify --file dump.rdb.gz")]
pub struct Verify {
    #[command(flatten)]
    pub stored: Stored,
    /// How much is proven.
    #[arg(long, value_enum, default_value_t)]
    pub level: Level,
    /// Shows what the data is made of.
    #[arg(long)]
    pub census: bool,
    /// Compares with another backup.
    #[arg(long, value_name = "ID")]
    pub against: Option<String>,
    /// From which severity on the answer is no.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub fail_on: FailOn,
    /// By how much two expiry times may differ [default: 0s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub ttl_tolerance: Option<Duration>,
    /// Compares only keys that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Names no more than this many keys that differ.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// The answer is no if the backup is older than this, such as 26h.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub max_age: Option<Duration>,
    /// Verifies every backup of the repository.
    #[arg(long, conflicts_with_all = ["backup_id", "file", "against"])]
    pub all: bool,
    /// With --all: only so many, `10`, or such a share, `5%`, those first that were verified longest ago.
    #[arg(long, value_name = "N|P%", requires = "all", value_parser = values::sample)]
    pub sample: Option<Sample>,
    /// With --all: only backups that were not verified for this long.
    #[arg(long, value_name = "DUR", requires = "all", value_parser = values::duration)]
    pub older_than: Option<Duration>,
    /// For --level drill: the server to load into [default: redis-server or valkey-server on PATH].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub server_binary: Option<PathBuf>,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `show`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops show latest -r s3://backups/redis
  redis-ops show redis-prod/2024-01-01-01-00 -r s3://backups/redis --json
  redis-ops show --file dump.rdb.gz")]
pub struct Show {
    /// An exact id, a unique beginning, `latest`, or INSTANCE/ID.
    #[arg(value_name = "ID", required_unless_present = "file")]
    pub backup_id: Option<String>,
    /// An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with = "backup_id", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub database: Database,
}
