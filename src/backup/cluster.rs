//! Backs up a cluster: each shard from a node of its own, all under one id and one manifest.
//!
//! The shards are read side by side, each as one moment of its own. Whether their slots are those of before is looked at once all of
//! them are stored; then the manifest is written, or all is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::captured::{Made, capture_node};
use super::expected::Last;
use super::options::Options;
use super::report::{BackupError, Report, SourceReport, Trouble};
use super::{abandon, begin, publish, with_heartbeat};
use crate::capture::CaptureError;
use crate::capture::source::{Chosen, ReadFrom, SourceError, choose_in};
use crate::capture::spool::Spooling;
use crate::connection::{Address, Node};
use crate::figures::{count, counted};
use crate::introspection::{Cluster, Moving};
use crate::progress::{Progress, Unit, Voice};
use crate::replies::Slots;
use crate::repository::{Draft, Repository};

/// How often it is looked whether slots have come to rest, or a shard has a node again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A shard whose node was lost during the backup is waited for so long: a failover takes `cluster-node-timeout` (15 s) and an election.
const FAILOVER: Duration = Duration::from_secs(60);

/// How the shards of a cluster are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Which node of each shard.
    pub read_from: ReadFrom,
    /// Shards that are read at the same time at most; `None`: all, but never two that are read from one machine.
    pub parallel: Option<usize>,
    /// How often a shard is tried again after it has failed.
    pub retries: u32,
    /// How long slots on the move are waited for.
    pub wait: Duration,
    /// Goes on where slots have no node or are on the move, and names them.
    pub allow_gaps: bool,
}

/// A cluster that may be backed up, and the node of each shard that is read.
#[derive(Debug)]
pub struct Prepared {
    pub cluster: Cluster,
    /// One for each shard, in their order.
    pub chosen: Vec<Chosen>,
    pub settings: Settings,
    /// What the backup will not hold, in words.
    pub gaps: Vec<String>,
    /// How many shards the cluster has, read or not.
    pub all: usize,
}

/// Waits until no slot is on the move, and chooses a node of each shard.
///
/// # Errors
/// Slots have no node ([`SourceError::Uncovered`]), or are on the move for longer than [`Settings::wait`] ([`SourceError::Moving`]), unless
/// gaps are allowed; or no node of a shard can be read.
pub async fn prepare(
    seed: &Node,
    mut cluster: Cluster,
    settings: Settings,
    voice: &dyn Voice,
) -> Result<Prepared, SourceError> {
    let begun = Instant::now();
    let mut gaps = Vec::new();
    let mut is_said = false;
    loop {
        let missing = cluster.slots().missing();
        let Moving { slots: moving, hidden } = cluster.moving().await;
        if settings.allow_gaps {
            gaps.extend(in_words(
                &missing,
                ("has", "have"),
                "no node in the cluster: the keys there are not in the backup",
            ));
            gaps.extend(in_words(
                &moving,
                ("was", "were"),
                "being moved between nodes: keys there may be missing from the backup",
            ));
            gaps.extend(
                hidden.map(|error| format!("could not tell whether slots were being moved between nodes: {error}")),
            );
            break;
        }
        if missing.count() > 0 {
            return Err(SourceError::Uncovered { slots: missing });
        }
        if let Some(error) = hidden {
            return Err(SourceError::MayNotAsk(error));
        }
        if moving.count() == 0 {
            break;
        }
        if begun.elapsed() >= settings.wait {
            return Err(SourceError::Moving { slots: moving });
        }
        if !std::mem::replace(&mut is_said, true) {
            let slots = counted(moving.count(), "slot");
            voice.say(&format!("waiting for {slots} to finish moving between nodes ({moving})"));
        }
        sleep(LOOK_AGAIN).await;
        cluster = Cluster::seen_by(seed, &mut seed.connect().await?).await?;
    }
    let all = cluster.shards.len();
    let choosing = cluster.shards.iter().map(|shard| choose_in(shard, settings.read_from, &[]));
    let (mut chosen, mut lost) = (Vec::new(), None);
    for (found, shard) in join_all(choosing).await.into_iter().zip(std::mem::take(&mut cluster.shards)) {
        match found {
            Ok(one) => {
                chosen.push(one);
                cluster.shards.push(shard);
            }
            // Where a replica alone was wanted, the primary may live.
            Err(SourceError::NoNode { slots, tried, of: "node" }) if settings.allow_gaps => {
                gaps.push(format!(
                    "{} ({slots}) have no node that can be read, so their keys are not in the backup ({tried})",
                    counted(slots.count(), "slot")
                ));
                lost = lost.or(Some(SourceError::NoNode { slots, tried, of: "node" }));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = lost.filter(|_| chosen.is_empty()) {
        return Err(error);
    }
    Ok(Prepared { cluster, chosen, settings, gaps, all })
}

impl Prepared {
    /// What is read, in words: `a cluster with 3 shards`, or `2 of the 3 shards of a cluster`.
    pub fn in_words(&self) -> String {
        match self.chosen.len() {
            read if read < self.all => {
                format!("{} of the {} of a cluster", count(read as u64), counted(self.all as u64, "shard"))
            }
            all => format!("a cluster with {}", counted(all as u64, "shard")),
        }
    }
}

fn in_words(slots: &Slots, (one, many): (&str, &str), what: &str) -> Option<String> {
    let n = slots.count();
    let verb = if n == 1 { one } else { many };
    (n > 0).then(|| format!("{} ({slots}) {verb} {what}", counted(n, "slot")))
}

/// Backs up all shards.
///
/// # Errors
/// Anything that keeps one shard from being good, or the cluster from being the same before and after: then there is no backup.
pub async fn run(
    options: &Options,
    prepared: &Prepared,
    repository: &Repository,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    let draft = begin(options, repository, cancel).await?;
    let last = Last::of(options, repository).await.map(|last| last.share(prepared.chosen.len() as u64));
    let capture = Capture { options, prepared, last, draft: &draft, progress, gate: Gate::of(prepared) };
    let captured = with_heartbeat(&draft, capture.all(cancel)).await;
    match captured {
        Ok(made) => publish::publish(options, repository, draft, made, prepared.gaps.clone(), cancel).await,
        Err(error) => Err(abandon(repository, draft, error).await),
    }
}

struct Capture<'a> {
    options: &'a Options,
    prepared: &'a Prepared,
    last: Option<Last>,
    draft: &'a Draft,
    progress: &'a dyn Progress,
    gate: Gate,
}

impl Capture<'_> {
    async fn all(&self, cancel: &CancellationToken) -> Result<Vec<Made>, Trouble> {
        let n = self.prepared.chosen.len();
        self.progress.phase(&format!("reading {}", counted(n as u64, "shard")), Unit::Bytes, None);
        // The first shard that fails for good ends the others.
        let stop = cancel.child_token();
        let mut running: FuturesUnordered<_> = (0..n).map(|index| self.shard(index, &stop)).collect();
        let mut made: BTreeMap<usize, Made> = BTreeMap::new();
        let mut first = None;
        while let Some((index, ended)) = running.next().await {
            match ended {
                Ok(one) => {
                    self.progress.note(&format!("shard {index} of {n} is stored (slots {})", self.slots(index)));
                    made.insert(index, one);
                }
                Err(trouble) => {
                    stop.cancel();
                    first.get_or_insert(trouble);
                }
            }
        }
        drop(running);
        if let Some(trouble) = first {
            return Err(trouble);
        }
        self.must_be_as_before().await?;
        Ok(made.into_values().collect())
    }

    fn slots(&self, index: usize) -> &Slots {
        &self.prepared.cluster.shards[index].slots
    }

    /// One shard, as often as it takes; with its number.
    async fn shard(&self, index: usize, stop: &CancellationToken) -> (usize, Result<Made, Trouble>) {
        (index, self.tried(index, stop).await)
    }

    async fn tried(&self, index: usize, stop: &CancellationToken) -> Result<Made, Trouble> {
        let mut avoid: Vec<Address> = Vec::new();
        let mut other: Option<Chosen> = None;
        let progress = OfShard { progress: self.progress, index };
        for attempt in 0.. {
            let chosen = other.as_ref().unwrap_or(&self.prepared.chosen[index]);
            let room = tokio::select! {
                room = self.gate.enter(&chosen.node) => room,
                () = stop.cancelled() => return Err(CaptureError::Interrupted.into()),
            };
            let options = self.options_of(index, attempt);
            let made = capture_node(&options, chosen, self.last, self.draft, &progress, stop).await;
            drop(room);
            let trouble = match made {
                Ok(made) => return Ok(self.as_shard(made, index, chosen)),
                Err(trouble) => trouble,
            };
            if attempt >= self.prepared.settings.retries || stop.is_cancelled() || !may_go_better(&trouble) {
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
    async fn seen_again(&self) -> Result<Cluster, SourceError> {
        let mut why = None;
        for member in self.prepared.cluster.members() {
            let node = Node { retry: crate::connection::Retry::never(), ..member.node.clone() };
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
    async fn must_be_as_before(&self) -> Result<(), Trouble> {
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
fn may_go_better(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Capture(error) => {
            matches!(error, CaptureError::Replication(_) | CaptureError::Scan(_) | CaptureError::Rdb(_))
        }
        Trouble::Repository(_) | Trouble::Source(_) | Trouble::File(_) => false,
    }
}

/// Lets in as many shards as may be read at the same time: a snapshot costs the machine of its server memory, so that by default never
/// two are made on one machine.
struct Gate {
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
    fn of(prepared: &Prepared) -> Self {
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
