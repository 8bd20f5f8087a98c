//! What may be typed for `backup`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, values};
use crate::cli::completion;
use crate::codec::Codec;
use crate::commands::backup::{Capture, ReadFrom, Transfer};

/// Options of `backup`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops backup -i redis-prod -r s3://backups/redis
  redis-ops backup -i rediss://ops@10.0.0.5:6380 --password-file /run/secrets/redis -r file:///backups --compression zstd:3
  redis-ops backup -i redis-prod --plan
  redis-ops backup --from-file dump.rdb --name redis-prod -r s3://backups/redis --label reason=adopted")]
pub struct Backup {
    /// How the data is read.
    #[arg(long, value_enum, default_value_t)]
    pub source: Capture,
    /// Which node is read.
    #[arg(long, value_enum, default_value_t)]
    pub read_from: ReadFrom,
    /// How the server makes the RDB.
    #[arg(long, value_enum, default_value_t)]
    pub transfer: Transfer,
    /// Backs up one node of a cluster that serves a part of the slots: exit 1, with the slots in the manifest.
    #[arg(long)]
    pub shard_only: bool,
    /// Backs up a replica that has lost its primary, key by key; its data may be old: exit 1, and `stale` in the manifest.
    #[arg(long)]
    pub stale: bool,
    /// How the backup is compressed: gzip, zstd or none, and a level such as zstd:3 [default: gzip].
    #[arg(long, value_name = "CODEC[:LEVEL]", add = ArgValueCandidates::new(completion::codecs))]
    pub compression: Option<Codec>,
    /// The name of the instance in the repository, in place of the one in the settings or of host-port.
    #[arg(long)]
    pub name: Option<String>,
    /// A label that is kept in the manifest; may be given several times.
    #[arg(long = "label", value_name = "K=V", value_parser = values::label)]
    pub labels: Vec<(String, String)>,
    /// Reads no more than this many bytes a second, such as 50MB.
    #[arg(long, value_name = "BYTES", value_parser = values::rate)]
    pub rate: Option<u64>,
    /// Takes an RDB file that is there already into the repository: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["source", "read_from", "transfer", "shard_only", "stale", "if_due"])]
    pub from_file: Option<PathBuf>,
    /// Takes a backup only if the schedule in the settings says that one is due; else exit 0.
    #[arg(long)]
    pub if_due: bool,
    /// How long to wait for another run on the same instance to end.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub wait_lock: Option<Duration>,
    /// How long to retry an S3 store that fails or is silent once the transfer has begun [default: 5m].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub store_retry: Option<Duration>,
    /// Folder where data waits while the store is away or slow, so that the server need not wait, and where parts of a very large
    /// backup wait for their upload [default: the folder for temporary files].
    #[arg(long, value_name = "DIR", alias = "spool-dir", value_hint = ValueHint::DirPath)]
    pub spool: Option<PathBuf>,
    /// How much compressed data may wait in the spool, such as 4GB; 0: none. When the spool is full, the server is read only as fast as
    /// its repl-timeout demands, and then not at all [default: 1GB].
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub spool_limit: Option<u64>,
    /// Shows rights, size and time, and does nothing.
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub database: Database,
}
