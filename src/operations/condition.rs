//! How it stands with the backups of each instance: the last good one, what was proven when, what is due, and what is missing.

mod holes;
mod judge;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::explain::Result;
use crate::repository::{BackupId, Listed, ListedStatus, Receipt, Repository, State};
use crate::retention::Policy;
use crate::schedule::Schedule;
use crate::verify::Level;
use crate::verify::receipt;

pub use judge::schedule;

/// What is expected of the backups of an instance, as far as somebody has said.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// When backups are taken; `None`: nobody has said, or none are.
    pub schedule: Option<Schedule>,
    /// Which backups are kept.
    pub policy: Option<Policy>,
}

/// How it stands with the backups of an instance.
#[derive(Debug, Clone)]
pub struct Condition {
    pub instance: String,
    /// Published backups that can be read, safety backups among them.
    pub backups: u64,
    /// Published backups whose manifest cannot be read.
    pub unreadable: u64,
    /// Those of them whose manifest is damaged, or is that of another backup. The others cannot be read just now, or by this version.
    pub broken: u64,
    /// Bytes of all its objects, what failed backups have left among them.
    pub stored_bytes: u64,
    /// The newest backup that is no safety backup, not dated in the future, and is [`State::Sound`].
    pub last_good: Option<Taken>,
    /// The newest of those that are newer and not known to be good.
    pub doubtful: Option<Taken>,
    /// It has backups, and all of them are known to be damaged, or their manifests are.
    pub all_damaged: bool,
    /// Why its folder cannot be read, so that nobody knows what is in it.
    pub denied: Option<String>,
    /// The last time that a verification has found one of its backups good.
    pub last_verified: Option<Proof>,
    /// The last time that one was loaded into a server and found good there.
    pub last_drill: Option<Proof>,
    /// When the next backup is due.
    pub next_due: Option<DateTime<Utc>>,
    /// When the backup was due that is missing.
    pub missed: Option<DateTime<Utc>>,
    /// By how much the data has grown, and since when.
    pub growth: Option<Growth>,
    /// Which hours, days, weeks or months the schedule and the policy name and no backup is of, the newest first.
    pub holes: Vec<String>,
    /// Who makes a backup of it just now.
    pub running: Vec<Running>,
    /// Backups that were begun and left.
    pub left: u64,
    /// Backups that somebody has pinned.
    pub pinned: u64,
    /// It has backups, and all of them are safety backups: nobody backs it up.
    pub only_safety: bool,
}

/// A backup as far as it is judged here.
#[derive(Debug, Clone)]
pub struct Taken {
    pub id: BackupId,
    pub at: DateTime<Utc>,
    /// From when its data is: an adopted file may be older than its backup.
    pub from: DateTime<Utc>,
    pub keys: Option<u64>,
    pub raw_bytes: u64,
    pub stored_bytes: u64,
    /// What its newest receipt says was proven.
    proof: Option<Proof>,
    drill: Option<Proof>,
    safety: bool,
    state: State,
}

/// That a backup was found good.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    pub id: BackupId,
    pub at: DateTime<Utc>,
    /// The name of the highest level that was reached at that time.
    pub level: String,
    /// Of a drill: seconds from the first byte to a server that serves.
    pub rto_seconds: Option<f64>,
}

/// By how much the data of an instance has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// When the backup was taken that is compared with.
    pub since: DateTime<Utc>,
    /// Bytes of the RDB now, less those then.
    pub raw_bytes: i64,
}

/// A backup that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub id: BackupId,
    /// Machine and process that make it, as far as its `begun.json` says.
    pub host: Option<String>,
    pub pid: Option<u32>,
}

/// What is gathered of an instance while the list is read.
#[derive(Debug, Default)]
struct Gathered {
    /// Published and readable, the newest first.
    taken: Vec<Taken>,
    unreadable: u64,
    broken: u64,
    stored_bytes: u64,
    running: Vec<Running>,
    left: u64,
    pinned: u64,
    denied: Option<String>,
}

/// Looks at the backups of one instance, or of all that the repository has and of those that are named. `expected` says what is expected
/// of each.
///
/// # Errors
/// The repository cannot be listed or asked.
pub async fn look(
    repository: &Repository,
    only: Option<&str>,
    named: &[String],
    expected: &(dyn Fn(&str) -> Expected + Sync),
) -> Result<Vec<Condition>> {
    let mut gathered: BTreeMap<String, Gathered> =
        named.iter().map(|name| (name.clone(), Gathered::default())).collect();
    let each = |listed: Listed| gathered.entry(listed.instance.clone()).or_default().add(&listed);
    let overview = repository.list_each(only, |_| {}, each).await?;
    for (instance, error) in overview.unread_instances() {
        gathered.entry(instance.to_owned()).or_default().denied = Some(error.to_string());
    }
    // The clock of the place, which has answered by now: a machine whose own clock is wrong must not call old backups young.
    let now = repository.now();
    let mut conditions = Vec::with_capacity(gathered.len());
    for (instance, gathered) in gathered {
        let mut condition = judge::judge(&instance, gathered, &expected(&instance), now);
        if let Some(drill) = &mut condition.last_drill {
            drill.rto_seconds = receipt::rto_seconds(repository, &instance, drill.id, drill.at).await?;
        }
        conditions.push(condition);
    }
    Ok(conditions)
}

impl Taken {
    /// Why it is not known to be good, in a few words.
    pub fn doubt(&self) -> &'static str {
        self.state.doubt().unwrap_or_default()
    }
}

impl Gathered {
    fn add(&mut self, listed: &Listed) {
        self.stored_bytes += listed.objects.iter().map(|object| object.length).sum::<u64>();
        self.pinned += u64::from(!listed.pins.is_empty());
        match &listed.status {
            ListedStatus::Published(manifest) => {
                let (proof, drill) =
                    listed.verified.as_ref().map(|receipt| proofs(listed.id, receipt)).unwrap_or_default();
                self.taken.push(Taken {
                    id: listed.id,
                    at: manifest.created_at,
                    from: manifest.data_from(),
                    keys: manifest.census.as_ref().map(|census| census.keys),
                    raw_bytes: manifest.shards.iter().map(|shard| shard.raw_bytes).sum(),
                    stored_bytes: manifest.stored_bytes(),
                    proof,
                    drill,
                    safety: !manifest.purpose.is_of_its_time(),
                    state: listed.state(),
                });
            }
            ListedStatus::Unreadable(_)
            | ListedStatus::Newer(_)
            | ListedStatus::Archived(_)
            | ListedStatus::AccessDenied(_) => {
                self.unreadable += 1;
                self.broken += u64::from(matches!(listed.status, ListedStatus::Unreadable(_)));
            }
            ListedStatus::Running(running) => {
                let by = running.begun.as_ref().map(|begun| &begun.by);
                let (host, pid) = (by.map(|by| by.host.clone()), by.map(|by| by.pid));
                self.running.push(Running { id: listed.id, host, pid });
            }
            ListedStatus::Left(left) => self.left += u64::from(!left.is_foreign()),
        }
    }
}

/// The last time that a backup was found good, and the last time that a drill has found it so, by its newest receipt.
fn proofs(id: BackupId, newest: &Receipt) -> (Option<Proof>, Option<Proof>) {
    let proof = |level: Level, at| Proof { id, at, level: level.name().to_owned(), rto_seconds: None };
    let proven = |level| receipt::proven_at(newest, level).map(|at| proof(level, at));
    // The latest of all, and of those of one moment the highest level.
    let last = Level::ALL.into_iter().filter_map(proven).max_by_key(|proof| proof.at);
    let of_old = || {
        // Names and lengths alone prove nothing.
        let has_read = newest.text("level") != Some(Level::Manifest.name());
        let is_good = has_read && matches!(newest.text("status"), Some("ok" | "warning"));
        let level = newest.text("level").unwrap_or_default().to_owned();
        is_good.then_some(Proof { id, at: newest.time, level, rto_seconds: None })
    };
    (last.or_else(of_old), proven(Level::Drill))
}

#[cfg(test)]
mod tests;
