//! The forms of a schedule. Each runs `backup --if-due`, so that a run that comes twice, or late, takes one backup.

mod cron;
mod kubernetes;
mod systemd;

pub(super) use cron::cron;
pub(super) use kubernetes::kubernetes;
pub(super) use systemd::systemd;

use super::Settings;
use crate::codec::Sha256Digest;

/// Letters of the hash that tells two names apart which would be one.
const HASH: usize = 8;

/// What a schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Backup,
    /// Follows the instance, as a service does, or for a time.
    Archive(Option<&'static str>),
}

/// The words behind the program.
fn arguments(settings: &Settings, config: &str, job: Job) -> Vec<String> {
    let name = match job {
        Job::Backup => "backup",
        Job::Archive(_) => "archive",
    };
    let mut line = [name, "-c", config].map(str::to_owned).to_vec();
    line.extend(["-i".to_owned(), settings.instance.clone()]);
    match job {
        Job::Backup => {
            line.extend(["--if-due", "--progress", "none"].map(str::to_owned));
            if settings.prune {
                line.extend(["--prune", "--yes"].map(str::to_owned));
            }
        }
        Job::Archive(time) => {
            line.extend(["--progress", "none"].map(str::to_owned));
            line.extend(time.into_iter().flat_map(|time| ["--for".to_owned(), time.to_owned()]));
        }
    }
    line
}

/// The name of a unit: `redis-ops-INSTANCE`, with a hyphen for what may not be in it. Then a part of a hash tells it from the names of
/// other instances that would become the same.
fn unit_name(instance: &str, longest: usize, good: fn(char) -> Option<char>) -> String {
    let plain = format!("redis-ops-{instance}");
    let name: String = plain.chars().map(|c| good(c).unwrap_or('-')).collect();
    if name == plain && name.len() <= longest {
        return name;
    }
    let hash = Sha256Digest::of(instance.as_bytes());
    let kept: String = name.chars().take(longest - HASH - 1).collect();
    format!("{}-{}", kept.trim_end_matches('-'), &hash[..HASH])
}

fn config(settings: &Settings) -> String {
    settings.config.display().to_string()
}
