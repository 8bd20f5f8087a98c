//! What may be typed for `lock`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::{Database, values};

/// Options of `lock`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops lock run -i redis-prod --key lock:nightly --ttl 30s -- ./nightly.sh
  redis-ops lock status -i redis-prod --key lock:nightly
  redis-ops lock status -r s3://backups/redis
  redis-ops lock release -r s3://backups/redis -i redis-prod --token 0a1b2c")]
pub struct Lock {
    /// What to do: run a command under a lock, show who has it, or release it.
    #[arg(value_enum, value_name = "ACTION")]
    pub action: Action,
    /// Key of the lock on the server. Without it, `status` and `release` are about the locks of instances in the repository.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Time after which the lock expires if it is not renewed: 1s to 1d [default: 30s]. redis-ops renews the lock three times in this
    /// span; if the renewals fail, redis-ops ends the command before another client can take the lock.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub ttl: Option<Duration>,
    /// How long to wait for the lock [default: 0s].
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub wait_lock: Option<Duration>,
    /// Token of the lock to release, as `status` shows it.
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Command to run, with its arguments, after `--`. redis-ops exits with the exit code of the command. The command can read standard
    /// input from a pipe or a file, but not from a terminal. With `--json` its standard output goes to standard error. If the lock is lost or a signal arrives, the
    /// command and everything in its process group are ended.
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    #[command(flatten)]
    pub database: Database,
}

/// What `lock` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Run a command while the lock is held.
    Run,
    /// Show who has the lock.
    Status,
    /// Remove the lock, if `--token` is its token.
    Release,
}
