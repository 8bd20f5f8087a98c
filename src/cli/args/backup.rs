//! What may be typed for `backup`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, values};
use crate::backup::Method;
use crate::backup::cluster::Consistent;
use crate::capture::source::ReadFrom;
use crate::cli::completion;
use crate::codec::Codec;
use crate::commands::backup::Transfer;

/// Options of `backup`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops backup -i redis-prod -r s3://backups/redis
  redis-ops backup -i redis-prod --plan
  redis-ops backup -u rediss://ops@10.0.0.5 -r /backups --compression zstd:3
  redis-ops backup -i redis-prod --encrypt-to-file recipients.txt
  redis-ops backup --from-file dump.rdb --name redis-prod -r s3://backups/redis")]
pub struct Backup {
    /// How to read the data.
    #[arg(long, value_enum, default_value_t)]
    pub source: Method,
    /// Which node to read.
    #[arg(long, value_enum, default_value_t)]
    pub read_from: ReadFrom,
    /// How the server sends the RDB.
    #[arg(long, value_enum, default_value_t)]
    pub transfer: Transfer,
    /// Back up a cluster node that serves only part of the slots. Exits with 1; the manifest lists the slots.
    #[arg(long)]
    pub shard_only: bool,
    /// Read at most this many shards of a cluster at the same time [default: all, but never two that are read from one host].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: Option<u16>,
    /// How often to read a shard of a cluster again if it fails, from another node of the shard first.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub shard_retries: u32,
    /// How long to wait for slots of a cluster that are being moved between nodes.
    #[arg(long, value_name = "DUR", value_parser = values::duration, default_value = "5m")]
    pub wait: Duration,
    /// Whether all shards of a cluster are from one moment: writes are held for 10 to 100 ms to find it. `auto` falls back to a moment
    /// of its own for each shard where the servers do not allow that.
    #[arg(long, value_enum)]
    pub consistent: Option<Consistent>,
    /// Maximum length of the replication stream of a shard between its RDB and the common moment, such as 4GB [default: the length of
    /// the RDB, at least 64MB]. If the stream gets longer, the shard is read once more.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub tail_limit: Option<u64>,
    /// Back up a cluster although slots have no node or are being moved. Exits with 1; the manifest lists the slots.
    #[arg(long)]
    pub allow_gaps: bool,
    /// Back up a replica that has lost its primary, key by key. Exits with 1, because the data may be old; the manifest says `stale`.
    #[arg(long)]
    pub stale: bool,
    /// Compression: gzip, zstd or none; a level may follow, as in zstd:3 [default: gzip].
    #[arg(long, value_name = "CODEC[:LEVEL]", add = ArgValueCandidates::new(completion::codecs))]
    pub compression: Option<Codec>,
    /// Encrypt the backup to this age recipient (age1…), the public key that `age-keygen` prints (repeatable).
    #[arg(long, value_name = "RECIPIENT")]
    pub encrypt_to: Vec<String>,
    /// Encrypt the backup to every recipient in this file, one per line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "encrypt_to")]
    pub encrypt_to_file: Option<PathBuf>,
    /// Name of the instance in the repository [default: its name in the settings, or HOST-PORT].
    #[arg(long)]
    pub name: Option<String>,
    /// Label to keep in the manifest (repeatable).
    #[arg(long = "label", value_name = "K=V", value_parser = values::label)]
    pub labels: Vec<(String, String)>,
    /// Limit reading to this many bytes per second, such as 50MB.
    #[arg(long, value_name = "BYTES", value_parser = values::rate)]
    pub rate: Option<u64>,
    /// Add an existing RDB file to the repository instead of reading an instance: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["source", "read_from", "transfer", "shard_only", "parallel", "shard_retries", "wait", "allow_gaps"])]
    #[arg(conflicts_with_all = ["stale", "if_due", "consistent", "tail_limit"])]
    pub from_file: Option<PathBuf>,
    /// After the backup, remove the backups of this instance that `backup.retention` in the settings does not keep.
    #[arg(long)]
    pub prune: bool,
    /// Back up only if the schedule in the settings says that a backup is due; otherwise exit 0.
    #[arg(long)]
    pub if_due: bool,
    /// Command to run once the backup is published (exit 0 or 1): `sh -c COMMAND`, with the JSON answer on stdin, for at most 60 s.
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub on_success: Option<String>,
    /// Command to run if the backup failed (exit 2 or 3), in the same way as --on-success.
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub on_failure: Option<String>,
    /// URL of a monitor such as healthchecks.io. redis-ops calls it when the backup starts, succeeds or fails. If the URL cannot be
    /// reached, the exit code does not change.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub ping_url: Option<String>,
    /// Wait for a random part of this time first, so that many instances do not begin at once.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub jitter: Option<Duration>,
    #[command(flatten)]
    pub turns: super::Turns,
    /// How long to retry an S3 store that fails or is silent after the transfer has started [default: 5m].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub store_retry: Option<Duration>,
    /// Folder for the spool: it buffers what the server sends while the store is slow or unreachable, and the parts of a very large
    /// backup before their upload [default: the folder for temporary files].
    #[arg(long, value_name = "DIR", alias = "spool-dir", value_hint = ValueHint::DirPath)]
    pub spool: Option<PathBuf>,
    /// Maximum size of the spool, such as 4GB; 0 turns it off [default: 1GB]. When the spool is full, redis-ops slows down the transfer,
    /// and stops it when the server's repl-timeout is reached.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub spool_limit: Option<u64>,
    /// Show the permissions, the size and the time that the backup needs, and do nothing.
    #[arg(long, visible_alias = "dry-run")]
    pub plan: bool,
    #[command(flatten)]
    pub database: Database,
}
