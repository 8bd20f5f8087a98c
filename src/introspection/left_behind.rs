//! A server that a restore left behind as a replica of nobody: known by what the restore has written down, or by what the server says.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::interrupted::InterruptedRestore;
use super::record::Record;
use super::topology::{NodeRole, ServerFacts};
use crate::explain::{Explain, Meaning};

/// How long somebody may take to answer at the port of the primary that is thought to be gone.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// What a restore changes on every target.
const LOADING_SETTING: &str = "repl-diskless-load";

/// A server that an interrupted restore left behind, or one that looks like that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{words}")]
pub struct LeftBehind {
    /// Host of the primary that is gone.
    pub host: String,
    /// The port of that primary.
    pub port: u16,
    /// What happened, in words.
    pub words: String,
    /// What the restore has written down, if it lies on this machine.
    pub record: Option<Record>,
}

impl Explain for LeftBehind {
    fn meaning(&self) -> Meaning {
        Meaning::of("interrupted_restore").hint(format!("by hand: {}", self.by_hand()))
    }
}

impl LeftBehind {
    /// Looks whether a server was left behind. Needs no secret. What a restore has written down in `state` decides, whoever listens at
    /// the port by now and whether the server is loading or linked; else what the server says of itself.
    pub async fn recognise(server: &ServerFacts, state: Option<&Path>) -> Option<Self> {
        let link = server.primary.as_ref().filter(|_| server.role == NodeRole::Replica)?;
        let (host, port) = (link.host.clone(), link.port);
        if let Some(state) = state {
            let written = Record::find(state, &server.run_id).await;
            match written.filter(|record| record.us.host == host && record.us.port == port) {
                Some(_) if Record::is_in_use(state, &server.run_id).await => return None,
                Some(record) => {
                    let words = format!("an interrupted restore left this server a replica of {}", record.us);
                    return Some(Self { host, port, words, record: Some(record) });
                }
                None => {}
            }
        }
        let found = InterruptedRestore::of(server)?;
        // Somebody listens there: a restore that runs, or the guard of one that is about to put things right.
        if !found.certain && answers(&host, port).await {
            return None;
        }
        Some(Self { host, port, words: found.words(), record: None })
    }

    /// The commands that are to be typed by hand in place of `--undo`.
    pub fn commands(&self) -> Vec<String> {
        let mut commands = vec!["REPLICAOF NO ONE".to_owned()];
        match &self.record {
            Some(record) => commands
                .extend(record.changes.iter().map(|change| format!("CONFIG SET {} {}", change.name, change.before))),
            None => commands.push(format!("CONFIG SET {LOADING_SETTING} disabled")),
        }
        commands
    }

    /// The same, as it stands in a sentence.
    pub fn by_hand(&self) -> String {
        format!("`{}`", self.commands().join("`, `"))
    }

    /// What ends it, in words; `target`: the server as it is typed.
    pub fn way_back(&self, target: &str) -> String {
        let unless = if self.record.is_some() { "" } else { " (the default, unless you had set another value)" };
        format!(
            "`redis-ops restore --undo --target-instance {target}` makes the server a primary again; by hand: {}{unless}",
            self.by_hand()
        )
    }
}

/// Whether somebody takes connections there.
pub async fn answers(host: &str, port: u16) -> bool {
    matches!(tokio::time::timeout(ANSWER_LIMIT, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}
