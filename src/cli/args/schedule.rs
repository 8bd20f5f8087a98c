//! What may be typed for `schedule`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{Database, values};
use crate::commands::schedule::Form;

/// Options of `schedule`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops schedule --as cron -i redis-prod > /etc/cron.d/redis-ops
  redis-ops schedule --as systemd -i redis-prod --to-dir /etc/systemd/system
  redis-ops schedule --as kubernetes -i redis-prod | kubectl apply -f -")]
pub struct Schedule {
    /// What to print: a line for /etc/cron.d, a systemd service and timer, or a Kubernetes CronJob.
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Form,
    /// Delay the start of each backup by a random time of up to this, so that many instances do not start at once.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub jitter: Option<Duration>,
    /// Write the files into this folder instead of printing them. Files that are there are replaced.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub to_dir: Option<PathBuf>,
    /// Container image, for --as kubernetes [default: redis-ops:VERSION].
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    #[command(flatten)]
    pub database: Database,
}
