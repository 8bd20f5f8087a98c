//! What may be typed for `diagnose`, `health` and `metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, Stored, values};
use crate::cli::completion;
use crate::commands::diagnose::{FailOn, Sort, Topic, Via};
use crate::commands::metrics::Listen;
use crate::health::Level;

/// Options of `diagnose`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops diagnose all -i redis-prod
  redis-ops diagnose memory -i redis-prod --window 10s --json
  redis-ops diagnose keyspace -i redis-prod --via replication
  redis-ops diagnose patterns --backup-id latest -r s3://backups/redis
  redis-ops diagnose keyspace --file dump.rdb.gz --top 20
  redis-ops diagnose all --from info.txt")]
pub struct Diagnose {
    /// What to look at.
    #[arg(value_enum)]
    pub topic: Topic,
    /// How long rates are measured; 1s if nothing is said.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub window: Option<Duration>,
    /// Counts from the last run that is so old on, in place of the window.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub since: Option<Duration>,
    /// Looks again and again, with this pause, until interrupted.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub watch: Option<Duration>,
    /// Looks at every key rather than at a sample.
    #[arg(long)]
    pub full: bool,
    /// How keys are read: by commands, or as a replica gets them (every key, no keyspace hits, one fork).
    #[arg(long, value_enum, value_name = "HOW", default_value_t, conflicts_with_all = ["backup_id", "file", "from"])]
    pub via: Via,
    /// What the server is for: cache, store, queue or session; the rules differ. auto guesses.
    #[arg(long, add = ArgValueCandidates::new(completion::profiles))]
    pub profile: Option<String>,
    /// Memory of the server's container, such as 2GiB: INFO shows the machine's.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub memory_limit: Option<u64>,
    /// How many entries lists have.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: u64,
    /// What lists are sorted by.
    #[arg(long, value_enum, value_name = "FIELD")]
    pub sort: Option<Sort>,
    /// From which severity on the answer is no.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub fail_on: FailOn,
    /// A file with what servers answered or logged, in place of a server: INFO, CLIENT LIST, CLUSTER NODES, in whatever form it was copied; - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["backup_id", "file"], value_hint = ValueHint::FilePath)]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub stored: Stored,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `health`.
#[derive(Args)]
pub struct Health {
    /// What the instance must be able to do: answer, serve, or take writes.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t)]
    pub require: Level,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `metrics`.
#[derive(Args)]
pub struct Metrics {
    /// Writes to this file, at once and whole, in place of stdout: for the textfile collector of node_exporter.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub textfile: Option<PathBuf>,
    /// Serves /metrics and /healthz over HTTP until interrupted: a port of the loopback address, or an address such as 0.0.0.0:9121.
    #[arg(long, value_name = "ADDR", conflicts_with = "textfile")]
    pub listen: Option<Listen>,
    #[command(flatten)]
    pub database: Database,
}
