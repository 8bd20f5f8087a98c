//! What may be typed for `verify` and `show`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, Stored, values};
use crate::cli::completion;
use crate::commands::verify::{FailOn, Level, Sample};

/// Options of `verify`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops verify -r s3://backups/redis --backup-id latest
  redis-ops verify -r s3://backups/redis --backup-id 2024-01-01-01-00 --level checksum
  redis-ops verify -r s3://backups/redis --instance redis-prod
  redis-ops verify -r s3://backups/redis --backup-id 2024-01-01-01-00 --against 2024-01-02-01-00
  redis-ops verify -r s3://backups/redis --backup-id latest --level drill
  redis-ops verify -r s3://backups/redis --all --level checksum --older-than 7d --sample 10%
  redis-ops verify -r s3://backups/redis --backup-id redis-prod/latest --level manifest --max-age 26h -f nagios
  redis-ops verify --file dump.rdb.gz")]
pub struct Verify {
    #[command(flatten)]
    pub stored: Stored,
    /// How much is proven [default: structure; of a backup that is compared: manifest].
    #[arg(long, value_enum)]
    pub level: Option<Level>,
    /// Shows what the data is made of.
    #[arg(long)]
    pub census: bool,
    /// Compares with another backup: what it lacks, has besides, and has differently.
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(completion::backups))]
    pub against: Option<String>,
    /// Which differences are a no; may be given several times.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', default_value = "any")]
    pub fail_on: Vec<FailOn>,
    /// By how much two expiry times may differ [default: 0s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub ttl_tolerance: Option<Duration>,
    /// Compares only keys that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Names no more than this many keys that differ.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Bytes of memory for comparing, such as 64MiB; what needs more goes to a file without a name in the folder for temporary files.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, hide_short_help = true)]
    pub memory: Option<u64>,
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
  redis-ops show latest -r s3://backups/redis --keys 'user:*' --limit 20
  redis-ops show latest -r s3://backups/redis --key user:1
  redis-ops show --file dump.rdb.gz --format ndjson > keys.ndjson")]
pub struct Show {
    /// An exact id, a unique beginning, `latest`, or INSTANCE/ID.
    #[arg(value_name = "ID", required_unless_present = "file", add = ArgValueCandidates::new(completion::backups))]
    pub backup_id: Option<String>,
    /// An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with = "backup_id", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Looks inside: the keys that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Looks inside: one key, with its value.
    #[arg(long, value_name = "NAME", conflicts_with = "keys")]
    pub key: Option<String>,
    /// With --keys or --format ndjson: no more than this many keys.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub database: Database,
}
