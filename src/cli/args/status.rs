//! What may be typed for `status`.

use std::time::Duration;

use clap::Args;

use super::{Database, Page, values};

/// Options of `status`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops status -r s3://backups/redis
  redis-ops status -c redis-ops.yaml --max-age 26h --max-unverified 8d -f nagios
  redis-ops status -r s3://backups/redis --html status.html")]
pub struct Status {
    /// Fail (exit 2) if the last good backup of an instance is older than this, such as 26h, or if there is none.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub max_age: Option<Duration>,
    /// Warn (exit 1) if no backup of an instance was verified within this time, such as 8d.
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    pub max_unverified: Option<Duration>,
    #[command(flatten)]
    pub page: Page,
    #[command(flatten)]
    pub database: Database,
}
