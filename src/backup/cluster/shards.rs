//! Reads the shards, each as often as it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::LOOK_AGAIN;
use super::prepared::Prepared;
use super::shot::{SHORT, Shot};
use crate::backup::captured::{Made, capture_node};
use crate::backup::expected::Last;
use crate::backup::options::Options;
use crate::backup::report::{SourceReport, Trouble};
use crate::capture::CaptureError;
use crate::capture::source::{Chosen, SourceError, choose_in};
use crate::capture::spool::Spooling;
use crate::capture::tail::{Following, NoBarrier};
use crate::connection::{Address, Node, Retry};
use crate::introspection::Cluster;
use crate::progress::{Progress, Unit};
use crate::replies::Slots;
use crate::repository::Draft;

/// A shard whose node was lost during the backup is waited for so long: a failover takes `cluster-node-timeout` (15 s) and an election.
const FAILOVER: Duration = Duration::from_secs(60);

pub(in crate::backup) struct Capture<'a> {
    pub(super) options: &'a Options,
    pub(super) prepared: &'a Prepared,
    pub(super) last: Option<Last>,
    pub(super) draft: &'a Draft,
    pub(super) progress: &'a dyn Progress,
    pub(super) gate: Gate,
}

impl Capture<'_> {
    pub(super) fn slots(&self, index: usize) -> &Slots {
        &self.prepared.cluster.shards[index].slots
    }

    /// One shard, as often as it takes; with its number.
    pub(super) async fn shard(&self, index: usize, stop: &CancellationToken) -> (usize, Result<Shot, Trouble>) {
        (index, self.tried(index, 0, stop).await)
    }

    /// One shard; `first`: the number of the first attempt, which no other has.
    pub(super) async fn tried(&self, index: usize, first: u32, stop: &CancellationToken) -> Result<Shot, Trouble> {
        let mut avoid: Vec<Address> = Vec::new();
        let mut other: Option<Chosen> = None;
        let progress = OfShard { progress: self.progress, index };
        for attempt in first.. {
            let chosen = other.as_ref().unwrap_or(&self.prepared.chosen[index]);
            let room = tokio::select! {
                room = self.gate.enter(&chosen.node) => room,
                () = stop.cancelled() => return Err(CaptureError::Interrupted.into()),
            };
            let options = self.options_of(index, attempt);
            let tail = self.followed(index, chosen, stop).await;
            let made = capture_node(&options, chosen, self.last, self.draft, &progress, stop).await;
            drop(room);
            let trouble = match made {
                Ok(made) => {
                    return Ok(Shot::of(self.as_shard(made, index, chosen), tail, self.prepared.settings.tail_limit));
                }
                Err(trouble) => trouble,
            };
            if attempt - first >= self.prepared.settings.retries || stop.is_cancelled() || !may_go_better(&trouble) {
                return Err(trouble);
            }
            self.progress.note(&format!(
                "shard {index} (slots {}) could not be read from {}: {trouble}; trying again, from another node if there is one",
                self.slots(index),
                chosen.node
            ));
            avoid.push(chosen.node.address.clone());
            other = Some(self.another(index, &avoid, stop).await?);
        }
        Err(CaptureError::Interrupted.into())
    }

    /// Follows the node whose RDB is about to be taken, if a barrier is wanted.
    async fn followed(
        &self,
        index: usize,
        chosen: &Chosen,
        stop: &CancellationToken,
    ) -> Option<Result<Following, NoBarrier>> {
        if self.prepared.no_barrier.is_some() {
            return None;
        }
        let shard = &self.prepared.cluster.shards[index];
        let others = std::iter::once(&shard.primary).chain(&shard.replicas);
        let others = others.map(|member| &member.node).filter(|node| node.address != chosen.node.address);
        // One attempt each: a node that is gone must not keep the next one waiting.
        let nodes = std::iter::once(&chosen.node).chain(others);
        let nodes = nodes.map(|node| Node { retry: Retry::never(), ..node.clone() }).collect();
        let most = self.prepared.settings.tail_limit.unwrap_or(chosen.facts.used_memory.max(SHORT));
        tokio::select! {
            following = Following::begin(nodes, self.options.spool.folder.clone(), most) => Some(following),
            () = stop.cancelled() => None,
        }
    }

    fn as_shard(&self, made: Made, index: usize, chosen: &Chosen) -> Made {
        let source = made.source.map(|source| SourceReport {
            shard: u32::try_from(index).ok(),
            why: chosen.note.clone(),
            ..source
        });
        Made { slots: Some(self.slots(index).to_string()), source, ..made }
    }

    /// What is shared by all shards is divided among those that are read at the same time.
    fn options_of(&self, index: usize, attempt: u32) -> Options {
        let at_once = self.gate.at_once.max(1);
        let stem = match attempt {
            0 => format!("shard-{index:04}"),
            // What an attempt has left is never written over.
            again => format!("shard-{index:04}-{}", again + 1),
        };
        let spool = Spooling { limit: self.options.spool.limit / at_once as u64, ..self.options.spool.clone() };
        Options {
            stem,
            threads: (self.options.threads / at_once).max(1),
            rate: self.options.rate.map(|rate| (rate / at_once as u64).max(1)),
            spool,
            ..self.options.clone()
        }
    }

    /// Another node of a shard, once there is one: where a primary was lost, a replica takes its place first.
    async fn another(&self, index: usize, avoid: &[Address], stop: &CancellationToken) -> Result<Chosen, Trouble> {
        let begun = Instant::now();
        loop {
            let why = match self.choose_again(index, avoid).await {
                Ok(chosen) => return Ok(chosen),
                Err(error @ SourceError::Moved) => return Err(error.into()),
                Err(error) => error,
            };
            if begun.elapsed() >= FAILOVER {
                return Err(why.into());
            }
            tokio::select! {
                () = sleep(LOOK_AGAIN) => {}
                () = stop.cancelled() => return Err(CaptureError::Interrupted.into()),
            }
        }
    }

    async fn choose_again(&self, index: usize, avoid: &[Address]) -> Result<Chosen, SourceError> {
        let cluster = self.seen_again().await?;
        let shard = cluster.shards.iter().find(|shard| shard.slots == *self.slots(index)).ok_or(SourceError::Moved)?;
        choose_in(shard, self.prepared.settings.read_from, avoid).await
    }

    /// The cluster as the first node sees it that answers.
    pub(super) async fn seen_again(&self) -> Result<Cluster, SourceError> {
        let mut why = None;
        for member in self.prepared.cluster.members() {
            let node = Node { retry: Retry::never(), ..member.node.clone() };
            let seen = match node.connect().await {
                Ok(mut connection) => Cluster::seen_by(&member.node, &mut connection).await.map_err(SourceError::from),
                Err(error) => Err(error.into()),
            };
            match seen {
                // A node that was cut off from the others may see nobody who serves anything.
                Ok(cluster) if cluster.slots().count() >= self.prepared.cluster.slots().count() => return Ok(cluster),
                Ok(_) => {}
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| SourceError::Refused("no node of the cluster answers any more".to_owned())))
    }

    /// Slots that have moved meanwhile may be in two shards, or in none.
    pub(super) async fn must_be_as_before(&self) -> Result<(), Trouble> {
        if self.prepared.settings.allow_gaps {
            return Ok(());
        }
        let now = self.seen_again().await?;
        if now.partition() != self.prepared.cluster.partition() {
            return Err(SourceError::Moved.into());
        }
        let moving = now.moving().await.slots;
        if moving.count() > 0 { Err(SourceError::Moving { slots: moving }.into()) } else { Ok(()) }
    }
}

/// Whether another attempt may do better: the store and this machine are the same for every node.
pub(super) fn may_go_better(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Capture(error) => {
            matches!(error, CaptureError::Replication(_) | CaptureError::Scan(_) | CaptureError::Rdb(_))
        }
        Trouble::Repository(_) | Trouble::Source(_) | Trouble::File(_) => false,
    }
}

/// Lets in as many shards as may be read at the same time: a snapshot costs the machine of its server memory, so that by default never
/// two are made on one machine.
pub(super) struct Gate {
    all: Semaphore,
    by_host: Option<BTreeMap<String, Semaphore>>,
    /// How many shards get in at the same time.
    at_once: usize,
}

/// A place inside; others get in when it is dropped.
struct Room<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    _of_host: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub(super) fn of(prepared: &Prepared) -> Self {
        let shards = prepared.chosen.len().max(1);
        match prepared.settings.parallel {
            Some(parallel) => {
                let at_once = parallel.clamp(1, shards);
                Self { all: Semaphore::new(at_once), by_host: None, at_once }
            }
            None => {
                let hosts: BTreeMap<String, Semaphore> =
                    prepared.cluster.members().map(|member| (host_of(&member.node), Semaphore::new(1))).collect();
                let at_once = hosts.len().clamp(1, shards);
                Self { all: Semaphore::new(shards), by_host: Some(hosts), at_once }
            }
        }
    }

    async fn enter(&self, node: &Node) -> Room<'_> {
        let host = self.by_host.as_ref().and_then(|hosts| hosts.get(&host_of(node)));
        // Nobody closes a gate.
        let _of_host = match host {
            Some(host) => host.acquire().await.ok(),
            None => None,
        };
        Room { _of_all: self.all.acquire().await.ok(), _of_host }
    }
}

fn host_of(node: &Node) -> String {
    match &node.address {
        Address::Tcp { host, .. } => host.clone(),
        address => address.to_string(),
    }
}

/// The progress of all shards is told as one.
struct OfShard<'a> {
    progress: &'a dyn Progress,
    index: usize,
}

impl Progress for OfShard<'_> {
    fn phase(&self, _name: &str, _unit: Unit, _total: Option<u64>) {}

    fn advance(&self, amount: u64) {
        self.progress.advance(amount);
    }

    fn note(&self, text: &str) {
        self.progress.note(&format!("shard {}: {text}", self.index));
    }

    fn finish(&self) {}
}
