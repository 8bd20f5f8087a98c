//! `--undo`: leads a server back that an interrupted restore left as a replica, when nobody else did.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::changes::LOADING_SETTING;
use super::target::Target;
use super::{Load, ReplicaFault};
use crate::connection::{CommandError, Node};
use crate::explain::{Explain, Meaning};
use crate::figures::counted;
use crate::introspection::{
    Change, InterruptedRestore, LeftBehind, NodeRole, Primary, Record, Running, SentinelMet, ServerFacts, answers,
};

/// Looks whether a server was left behind. Needs neither a secret nor the record.
///
/// # Errors
/// The server does not answer.
pub async fn left_behind(node: &Node, state: &Path) -> Result<Option<LeftBehind>, ReplicaFault> {
    let mut target = Target::connect(node, node.timeout).await?;
    let info = target.info().await.map_err(ReplicaFault::Target)?;
    let server = ServerFacts::from_info(&info);
    if let Some(met) = SentinelMet::of(node, &server) {
        return Err(met.into());
    }
    Ok(LeftBehind::recognise(&server, Some(state)).await)
}

/// Puts back what an interrupted restore has left of the settings of a server that is a primary again, where that is written down on
/// this machine. `None`: there was nothing to do, or it could not be done.
pub async fn settle(node: &Node, state: &Path) -> Option<Undone> {
    if !Record::is_any(state).await {
        return None;
    }
    let mut target = Target::connect(node, node.timeout).await.ok()?;
    let info = target.info().await.ok().filter(|info| info.get("role") == Some("master"))?;
    let run_id = info.get("run_id")?;
    let record = Record::find(state, run_id).await?;
    if Record::is_in_use(state, run_id).await {
        return None;
    }
    let mut undone = Undone::default();
    if let Some(error) = put_back(&mut target, &record, &mut undone).await {
        tracing::warn!("a setting that an interrupted restore had left could not be put back: {error}");
        return None;
    }
    Record::remove(state, run_id).await;
    (!undone.put_back.is_empty()).then_some(undone)
}

/// What was done, for JSON too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Undone {
    /// The primary that the server followed; `None`: the server was a primary already.
    pub was_replica_of: Option<String>,
    /// Settings that were put back: name and value.
    pub put_back: Vec<String>,
    /// Settings that could not be put back, or of which nobody knows what they were: what is to be typed.
    pub left_to_do: Vec<String>,
    /// What is known of the settings, in words.
    pub settings: String,
    /// Keys that it holds now.
    pub keys: Option<u64>,
}

impl Undone {
    /// What the server was and is, and what is left to do by hand; `name`: as people know the server.
    pub fn sentence(&self, name: &str) -> String {
        let keys = self.keys.map(|keys| format!(" and holds {}", counted(keys, "key"))).unwrap_or_default();
        let mut text = match &self.was_replica_of {
            Some(primary) => format!("{name} was a replica of {primary}, is a primary again{keys}"),
            None if self.put_back.is_empty() => format!("nothing to undo: {name} is a primary{keys}"),
            None => format!("{name} is a primary{keys}"),
        };
        if !self.settings.is_empty() {
            text.push_str(&format!("; {}", self.settings));
        }
        for command in &self.left_to_do {
            text.push_str(&format!("; left to do: `{command}`"));
        }
        text
    }
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// No connection, or no answer.
    #[error(transparent)]
    Target(#[from] ReplicaFault),
    /// It is a replica as others are.
    #[error(
        "{target} is a replica of {primary}, and an interrupted restore does not seem to be the reason ({why}): nothing was changed"
    )]
    NotOurs {
        /// Name of the server, without secrets.
        target: String,
        /// Whom it follows.
        primary: String,
        /// What says so.
        why: &'static str,
    },
    /// It may have been left by a restore, and may as well be a replica of somebody who is away.
    #[error(
        "{target} is a replica of {primary} and has never reached that primary. Either an interrupted restore left it so, or it is an ordinary replica whose primary is down: redis-ops cannot tell"
    )]
    NotSure {
        /// Name of the server, without secrets.
        target: String,
        /// Whom it follows.
        primary: String,
    },
    /// A restore is at work.
    #[error("{target}: {running}; there is nothing to undo")]
    Running {
        /// Name of the server, without secrets.
        target: String,
        /// The restore that is at work, and whether its process is stopped.
        running: Running,
    },
    /// It is still a replica.
    #[error("{target} is still a replica of {primary}: {problem}")]
    StillReplica {
        /// Name of the server, without secrets.
        target: String,
        /// Whom it follows.
        primary: String,
        /// What is in the way.
        problem: String,
    },
}

impl Explain for UndoError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Target(error) => error.meaning(),
            Self::NotOurs { .. } | Self::NotSure { .. } => {
                Meaning::of("not_interrupted").hint("`REPLICAOF NO ONE` makes the server a primary anyway")
            }
            Self::Running { running, .. } => Meaning::of("locked").hint(running.way_on()),
            Self::StillReplica { .. } => Meaning::of("role_changed").hint(
                "the server's log says what it is doing; `REPLICAOF NO ONE` makes it a primary as soon as it accepts the command",
            ),
        }
    }
}

/// Makes the server a primary again, and puts back what is known of its settings. `patience`: how long it may load without getting on;
/// `agreed`: also where nothing but a primary that was never reached speaks for a restore.
///
/// # Errors
/// See [`UndoError`].
pub async fn undo(node: &Node, state: &Path, patience: Duration, agreed: bool) -> Result<Undone, UndoError> {
    let name = node.to_string();
    let mut target = Target::connect(node, patience).await?;
    let info = target.info().await.map_err(ReplicaFault::Target)?;
    let server = ServerFacts::from_info(&info);
    if let Some(met) = SentinelMet::of(node, &server) {
        return Err(ReplicaFault::from(met).into());
    }
    if let Some(running) = Record::running(state, &server.run_id).await {
        return Err(UndoError::Running { target: name, running });
    }
    let record = Record::find(state, &server.run_id).await;
    let mut undone = Undone { keys: Some(server.keys), ..Undone::default() };
    if let Some(link) = server.primary.as_ref().filter(|_| server.role == NodeRole::Replica) {
        let us = Primary { host: link.host.clone(), port: link.port };
        let is_ours = record.as_ref().is_some_and(|record| record.us == us);
        let marks = InterruptedRestore::of(&server);
        if !is_ours && marks.as_ref().is_none_or(|found| !found.certain) {
            let refuse = |why| Err(UndoError::NotOurs { target: name.clone(), primary: us.to_string(), why });
            if link.up {
                return refuse("the link to the primary is up");
            }
            if answers(&link.host, link.port).await {
                return refuse("a program answers at the address of that primary");
            }
            // A replica whose primary is away for an hour has known it; one that came up meanwhile has not.
            if link.down_seconds.is_some() {
                return refuse("the server was linked to that primary before");
            }
            // A primary that is firewalled or not up yet is never reached either, at whatever port; a restore sets this besides.
            let is_set = target.setting(LOADING_SETTING).await.is_some_and(|now| now != Load::Disk.setting());
            if !(agreed || marks.is_some() && is_set) {
                return Err(UndoError::NotSure { target: name, primary: us.to_string() });
            }
        }
        let recovery = target.become_primary_again(&us, patience).await;
        let is_primary = recovery.info.as_ref().is_some_and(|info| info.get("role") == Some("master"));
        if !is_primary {
            let problem = recovery.problem.unwrap_or_else(|| "the server does not say why".to_owned());
            return Err(UndoError::StillReplica { target: name, primary: us.to_string(), problem });
        }
        let sum = |info: &crate::replies::Info| info.databases().values().map(|database| database.keys).sum();
        undone.keys = recovery.info.as_ref().map(sum);
        undone.was_replica_of = Some(us.to_string());
    }
    let error = match &record {
        Some(record) => put_back(&mut target, record, &mut undone).await,
        None if undone.was_replica_of.is_some() => without_record(&mut target, &mut undone).await,
        None => None,
    };
    // A replica that was restarted, or whose settings somebody wrote down meanwhile, has its primary in its file.
    if let Some(primary) = undone.was_replica_of.clone()
        && info.get("config_file").is_some_and(|file| !file.is_empty())
    {
        undone.settings.push_str(&format!(
            "; if the server was restarted or `CONFIG REWRITE` was run while it was a replica, its configuration file still names {primary}: \
             `CONFIG REWRITE` writes it anew"
        ));
    }
    if let Some(error) = error {
        undone.settings = format!("{}: {error}", undone.settings);
    } else if record.is_some() {
        Record::remove(state, &server.run_id).await;
    }
    Ok(undone)
}

/// Each setting that still has the value that the restore gave it, gets the one that it had.
async fn put_back(target: &mut Target<'_>, record: &Record, undone: &mut Undone) -> Option<CommandError> {
    undone.settings = "its settings are as they were before the restore".to_owned();
    for Change { name, before, meanwhile } in &record.changes {
        if name != LOADING_SETTING || target.setting(name).await.as_ref() != Some(meanwhile) {
            continue;
        }
        if let Err(error) = target.set(before).await {
            undone.left_to_do.push(format!("CONFIG SET {name} {before}"));
            undone.settings = "a setting could not be put back".to_owned();
            return Some(error);
        }
        undone.put_back.push(format!("{name} {before}"));
    }
    None
}

/// Nobody knows what the setting was. What a restore sets is never taken for what it was before.
async fn without_record(target: &mut Target<'_>, undone: &mut Undone) -> Option<CommandError> {
    let Some(now) = target.setting(LOADING_SETTING).await else {
        undone.left_to_do.push(format!("CONFIG SET {LOADING_SETTING} disabled"));
        undone.settings = format!("`{LOADING_SETTING}` cannot be read, and its value before the restore is unknown");
        return None;
    };
    let default = Load::Disk.setting();
    if now == default {
        undone.settings =
            format!("`{LOADING_SETTING}` is `{default}`, the default; its value before the restore is unknown");
        return None;
    }
    undone.settings = format!(
        "the value of `{LOADING_SETTING}` before the restore is unknown: it was `{now}`, which a restore sets, and is now `{default}`, the \
         default; if `{now}` was your own value, `CONFIG SET {LOADING_SETTING} {now}` sets it again"
    );
    match target.set(default).await {
        Ok(()) => {
            undone.put_back.push(format!("{LOADING_SETTING} {default}"));
            None
        }
        Err(error) => {
            undone.left_to_do.push(format!("CONFIG SET {LOADING_SETTING} {default}"));
            undone.settings = format!("`{LOADING_SETTING}` is `{now}`, which a restore sets, and could not be changed");
            Some(error)
        }
    }
}
