//! What may be typed for `archive`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Database, values};
use crate::capture::source::ReadFrom;

/// Options of `archive`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops archive -i redis-prod -r s3://backups/redis
  redis-ops archive -i redis-prod --for 55m
  redis-ops archive status -i redis-prod
  redis-ops archive log -i redis-prod
  redis-ops archive mark before-migration -i redis-prod")]
pub struct Archive {
    /// What to do instead of following the instance.
    #[arg(value_enum, value_name = "ACTION")]
    pub action: Option<Action>,
    /// For mark: the name of the mark.
    #[arg(value_name = "POINT", requires = "action")]
    pub point: Option<String>,
    /// Name of the instance in the repository [default: its name in the settings, or HOST-PORT].
    #[arg(long)]
    pub name: Option<String>,
    /// Which node to follow.
    #[arg(long, value_enum, default_value_t)]
    pub read_from: ReadFrom,
    /// Stop after this time, such as 55m [default: follow until SIGINT or SIGTERM].
    #[arg(long = "for", value_name = "DUR", value_parser = values::duration)]
    pub stop_after: Option<Duration>,
    /// Store the archived stream at least this often: at most this much is lost with this machine [default: 10s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub rpo: Option<Duration>,
    /// Store a segment when it has this many bytes [default: 16MiB].
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub segment_size: Option<u64>,
    /// Maximum size of the spool on this machine, which holds data that waits to be stored [default: 1GB].
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub spool_limit: Option<u64>,
    #[command(flatten)]
    pub database: Database,
}

/// What to do with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Show what can be restored, and the gaps.
    Status,
    /// List FLUSHALL, FLUSHDB, SWAPDB and bursts of deletions, with time and offset.
    Log,
    /// Name the present moment.
    Mark,
}
