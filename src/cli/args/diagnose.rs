//! What may be typed for `diagnose`, `top`, `health` and `metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{Database, Page, Stored, values};
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
  redis-ops diagnose all --from info.txt
  redis-ops diagnose all -i redis-prod --html ticket.html")]
pub struct Diagnose {
    /// What to diagnose.
    #[arg(value_enum)]
    pub topic: Topic,
    /// How long to measure rates [default: 1s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub window: Option<Duration>,
    /// Compare the counters with a saved run that is at least this old, instead of measuring for --window.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub since: Option<Duration>,
    /// Repeat the diagnosis with this pause until interrupted, such as 5s.
    #[arg(long, value_name = "DUR", value_parser = values::duration, conflicts_with = "html")]
    pub watch: Option<Duration>,
    /// Look at every key instead of a sample.
    #[arg(long)]
    pub full: bool,
    /// How to read keys: by commands, or by replication (every key, no keyspace hits, one fork).
    #[arg(long, value_enum, value_name = "HOW", default_value_t, conflicts_with_all = ["backup_id", "file", "from"])]
    pub via: Via,
    /// What the server is used for: auto (guess), cache, store, queue or session. This decides which rules apply [default: auto].
    #[arg(long, add = ArgValueCandidates::new(completion::profiles))]
    pub profile: Option<String>,
    /// Memory limit of the server's container, such as 2GiB (INFO shows the machine's memory).
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub memory_limit: Option<u64>,
    /// Maximum number of entries in each list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: u64,
    /// How to sort lists.
    #[arg(long, value_enum, value_name = "FIELD")]
    pub sort: Option<Sort>,
    /// Minimum severity for a non-zero exit code.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    pub fail_on: FailOn,
    /// Files to read instead of a server, in whatever form they were pasted: INFO, CLIENT LIST, CLUSTER NODES, server logs and others; - for stdin.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["backup_id", "file"], value_hint = ValueHint::FilePath)]
    pub from: Vec<PathBuf>,
    #[command(flatten)]
    pub stored: Stored,
    #[command(flatten)]
    pub page: Page,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `top`.
#[derive(Args)]
#[command(
    after_help = "Keys: c clients, s slow log, k keys, f fix of the selected finding, arrows or Tab select, Esc back, ? help, q quit.

Examples:
  redis-ops top -i redis-prod
  redis-ops top -H 10.0.0.5 -p 6380 --every 5s"
)]
pub struct Top {
    /// Pause between two looks at the server, at least 1s. redis-ops sends at most 20 commands a second, and only commands that read.
    #[arg(long, value_name = "DUR", value_parser = values::duration, default_value = "2s")]
    pub every: Duration,
    /// What the server is used for: auto (guess), cache, store, queue or session. This decides which rules apply [default: auto].
    #[arg(long, add = ArgValueCandidates::new(completion::profiles))]
    pub profile: Option<String>,
    /// Memory limit of the server's container, such as 2GiB (INFO shows the machine's memory).
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub memory_limit: Option<u64>,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `health`.
#[derive(Args)]
pub struct Health {
    /// What the instance must be able to do.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t)]
    pub require: Level,
    #[command(flatten)]
    pub database: Database,
}

/// Options of `metrics`.
#[derive(Args)]
pub struct Metrics {
    /// Write the metrics to this file atomically, for the textfile collector of node_exporter.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub textfile: Option<PathBuf>,
    /// Serve /metrics and /healthz over HTTP until interrupted: a port on the loopback address, or an address such as 0.0.0.0:9121.
    #[arg(long, value_name = "ADDR", conflicts_with = "textfile")]
    pub listen: Option<Listen>,
    #[command(flatten)]
    pub database: Database,
}
