//! How a target was left: what it is now, what it holds, and what is left to do by hand.

use std::collections::BTreeMap;
use std::fmt;

use super::changes::Changed;
use crate::figures::{count, counted};
use crate::replies::{Database, Info};

/// How the target was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What the target holds, as far as we could see.
    pub holds: Holds,
    /// Keys by database before we began.
    pub before: BTreeMap<u32, Database>,
    /// Whether the target is a primary; `None`: it does not answer.
    pub primary: Option<bool>,
    /// Replication offset of the target when we left it; the offset grows when somebody writes, and when the target removes what has
    /// expired or is evicted.
    pub offset: Option<u64>,
    /// What the target had removed by itself when we left it, see [`removed_by_itself`].
    pub removed: u64,
    /// Run id of the target, which changes with a restart.
    pub run_id: Option<String>,
    /// Changes when it becomes a replica, and when it becomes a primary again.
    pub replid: Option<String>,
    /// What is in the way of its being a primary, or why it does not answer.
    pub problem: Option<String>,
    /// Settings of ours that the target still has.
    pub not_put_back: Vec<Changed>,
}

/// What the target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Nothing was asked of it: it is as it was.
    Untouched,
    /// Keys by database, as its INFO counts them now.
    Keys(BTreeMap<u32, Database>),
    /// It does not say.
    Unknown,
}

impl Left {
    pub(super) fn new(before: &Info, recovery: Recovery, not_put_back: Vec<Changed>) -> Self {
        let now = recovery.info;
        let databases = |info: &Info| info.databases();
        Self {
            holds: now.as_ref().map_or(Holds::Unknown, |now| Holds::Keys(databases(now))),
            before: databases(before),
            primary: now.as_ref().map(|now| now.get("role") == Some("master")),
            offset: now.as_ref().and_then(|now| now.u64("master_repl_offset")),
            removed: now.as_ref().map_or(0, removed_by_itself),
            run_id: now.as_ref().and_then(|now| now.get("run_id")).map(str::to_owned),
            replid: now.as_ref().and_then(|now| now.text("master_replid")).map(str::to_owned),
            problem: recovery.problem,
            not_put_back,
        }
    }

    pub(super) fn untouched() -> Self {
        Self {
            holds: Holds::Untouched,
            before: BTreeMap::new(),
            primary: None,
            offset: None,
            removed: 0,
            run_id: None,
            replid: None,
            problem: None,
            not_put_back: Vec::new(),
        }
    }

    pub(super) fn is_primary(&self) -> bool {
        self.primary == Some(true)
    }

    /// Whether a restore may begin anew in the target: it is a primary, or nothing was changed on it.
    pub fn leaves_it_free(&self) -> bool {
        self.is_primary() || self.holds == Holds::Untouched
    }

    /// Nothing is left to do.
    pub(super) fn is_as_it_was(&self) -> bool {
        self.is_primary() && self.not_put_back.is_empty()
    }
}

/// Keys and fields that a server has removed by itself since it started: each removal goes into its replication stream.
pub fn removed_by_itself(info: &Info) -> u64 {
    // Redis counts fields of hashes as subkeys, Valkey as fields.
    ["expired_keys", "expired_subkeys", "expired_fields", "evicted_keys"].iter().filter_map(|name| info.u64(name)).sum()
}

impl fmt::Display for Left {
    /// One sentence: what the target is now, what it holds, what is left to do by hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |databases: &BTreeMap<u32, Database>| databases.values().map(|database| database.keys).sum::<u64>();
        match self.primary {
            Some(true) => write!(f, "the target is a primary")?,
            Some(false) => write!(f, "the target is still a replica")?,
            None if self.holds == Holds::Untouched => return write!(f, "nothing was changed on the target"),
            None => write!(f, "the target does not answer")?,
        }
        match &self.holds {
            Holds::Keys(now) => {
                write!(f, " and holds {} ({} before)", counted(sum(now), "key"), count(sum(&self.before)))?
            }
            _ => write!(f, " and held {} before", counted(sum(&self.before), "key"))?,
        }
        if let Some(problem) = &self.problem {
            write!(f, "; {problem}")?;
        }
        for changed in &self.not_put_back {
            write!(f, "; left to do: `CONFIG SET {} {}`", changed.name, changed.before)?;
        }
        Ok(())
    }
}

/// What became of the target when it was to be a primary again.
pub(super) struct Recovery {
    /// Its INFO, if it answers.
    pub(super) info: Option<Info>,
    /// What is in the way.
    pub(super) problem: Option<String>,
    /// Somebody else has changed its role since: that is not undone.
    pub(super) overruled: bool,
}

impl Recovery {
    pub(super) fn of(info: Option<Info>, problem: Option<String>) -> Self {
        Self { info, problem, overruled: false }
    }

    /// It answers, and is a replica of somebody else now.
    pub(super) fn is_somebody_elses(&self) -> bool {
        self.overruled
    }
}
