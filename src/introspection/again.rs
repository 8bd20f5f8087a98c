//! Looks at a server again and again: for somebody who watches it.
//!
//! A look costs one INFO and what changes from moment to moment. What changes when somebody changes it, or is long, is asked from time to
//! time, and stands in the snapshots between as it was answered last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::asking::{Options, gained, next_id, without_our_commands, without_our_connections};
use super::gate::{Ask, Gate};
use super::host::{self, HostFacts};
use super::ours::Ours;
use super::part::Part;
use super::question::Question;
use super::snapshot::{Earlier, Snapshot};
use crate::explain::Result;
use crate::replies::Info;

/// How old an answer may be that is not asked for at every look.
const SELDOM: Duration = Duration::from_secs(30);
/// Connections from which on CLIENT LIST is long: 350 bytes each, in the server and on the wire.
const MANY_CLIENTS: u64 = 1000;
/// Commands of one look at most: each question once, and INFO.
pub const COMMANDS_OF_A_LOOK: usize = 16;

/// One look after the other at one server.
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<Last>,
    /// When everything was asked.
    all_asked: Option<Instant>,
    /// What was sent since the last INFO, that INFO among it.
    ours: Ours,
}

#[derive(Debug)]
struct Last {
    snapshot: Snapshot,
    at: Instant,
    /// The number of the next entry of the slow log; in the snapshot our own entries are left out.
    next_slow: Option<u64>,
}

impl Looks {
    /// Takes the next snapshot; its counters are compared with those of the last one. Of `options` the questions, the moment and the
    /// path count.
    ///
    /// # Errors
    ///
    /// The connection broke, or the server does not answer INFO.
    pub async fn take(&mut self, asker: &mut dyn Ask, options: &Options) -> Result<Snapshot> {
        let mut gate = Gate::new(asker);
        let info = gate.info().await?;
        let at = Instant::now();
        let mut snapshot = Snapshot::from_info(info, options.now);
        snapshot.path = options.path;
        // A server that was restarted is another one.
        let last = self.last.take().filter(|last| last.snapshot.server.run_id == snapshot.server.run_id);
        let everything = last.is_none() || self.all_asked.is_none_or(|asked| asked.elapsed() >= SELDOM);
        let questions: BTreeSet<Question> =
            Question::ALWAYS.into_iter().chain(options.questions.iter().copied()).collect();
        let asked: Vec<Question> =
            questions.into_iter().filter(|question| everything || is_asked_often(*question, &snapshot.info)).collect();
        if let Some(last) = &last {
            snapshot.answers = last.snapshot.answers.clone();
        }
        gate.answers_into(&mut snapshot.answers, &asked, &snapshot.info).await?;
        if everything {
            self.all_asked = Some(at);
        }
        let next_slow = snapshot.answers.slowlog.got().map(|entries| next_id(entries));
        if let Some(last) = last {
            compare(&mut snapshot, last, at, std::mem::take(&mut self.ours));
        }
        self.ours = gate.ours();
        without_our_connections(&mut snapshot.answers);
        without_our_commands(&mut snapshot.answers);
        if options.path.local {
            snapshot.host = Part::Got(HostFacts::read(host::process_of(&snapshot.info)));
        }
        snapshot.receipt = gate.receipt();
        self.last = Some(Last { snapshot: snapshot.clone(), at, next_slow });
        Ok(snapshot)
    }

    /// Something else was asked of the server in between.
    pub fn note(&mut self, ours: &Ours) {
        self.ours.add(ours);
    }

    /// The last snapshot, if there was one.
    pub fn last(&self) -> Option<&Snapshot> {
        self.last.as_ref().map(|last| &last.snapshot)
    }
}

/// Whether a question is put at every look. The others are about what only an administrator changes, or their answers are long.
fn is_asked_often(question: Question, info: &Info) -> bool {
    match question {
        Question::Clients => info.u64("connected_clients").is_none_or(|clients| clients <= MANY_CLIENTS),
        Question::Slowlog
        | Question::Latency
        | Question::LargeReplies
        | Question::Denied
        | Question::Cluster
        | Question::Nodes
        | Question::Migrations => true,
        Question::Config
        | Question::DefaultUser
        | Question::KeysAtSlots
        | Question::Slots
        | Question::HotKeys
        | Question::Backup => false,
    }
}

fn compare(snapshot: &mut Snapshot, last: Last, at: Instant, ours: Ours) {
    if let (Some(next), Some(now)) = (last.next_slow, snapshot.answers.slowlog.got()) {
        snapshot.slowlog_gained = Part::Got(gained(next, now));
    }
    let (before, seconds) = (last.snapshot, at.duration_since(last.at).as_secs_f64());
    let cluster = before.answers.cluster.got().cloned();
    snapshot.nodes_before = before.answers.nodes;
    snapshot.earlier = Some(Earlier { seconds, info: before.info, cluster, ours });
}

#[cfg(test)]
#[path = "again_tests.rs"]
mod tests;
