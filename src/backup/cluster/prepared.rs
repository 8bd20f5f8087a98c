//! Which node of each shard is read, whether anything stands against a backup, and whether the shards can be held at one moment.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::LOOK_AGAIN;
use crate::capture::source::{Chosen, ReadFrom, SourceError, choose_in};
use crate::capture::tail::{NoBarrier, barrier::look};
use crate::connection::Node;
use crate::figures::{count, counted};
use crate::introspection::{Cluster, Moving};
use crate::progress::Voice;
use crate::replies::Slots;

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
    /// Whether all shards are to be of one moment.
    pub consistent: Consistent,
    /// Bytes of the stream behind the RDB of a shard; `None`: as long as the RDB, and no less than [`barrier::SHORT`].
    pub tail_limit: Option<u64>,
    /// The nodes are read key by key.
    pub by_key: bool,
    /// The backup is encrypted, which the replication streams behind its RDBs are not yet.
    pub encrypted: bool,
}

/// Whether all shards of a cluster are to be of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistent {
    /// Where the servers let us.
    #[default]
    Auto,
    /// Or there is no backup.
    Barrier,
    /// Each shard is of a moment of its own.
    None,
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
    /// Why the shards will not be of one moment; `None`: they will, as far as can be seen.
    pub no_barrier: Option<NoBarrier>,
}

/// Waits until no slot is on the move, and chooses a node of each shard.
///
/// # Errors
/// Slots have no node ([`SourceError::Uncovered`]), or are on the move for longer than [`Settings::wait`] ([`SourceError::Moving`]), unless
/// gaps are allowed; or no node of a shard can be read. [`SourceError::Barrier`]: a barrier was asked for, and cannot be had.
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
    let no_barrier = no_barrier(&cluster, &chosen, settings).await?;
    Ok(Prepared { cluster, chosen, settings, gaps, all, no_barrier })
}

/// Whether the servers let us hold their writes for a moment, unless nobody wants that.
async fn no_barrier(
    cluster: &Cluster,
    chosen: &[Chosen],
    settings: Settings,
) -> Result<Option<NoBarrier>, SourceError> {
    let found = match (settings.consistent, chosen.first()) {
        (Consistent::None, _) => Err(NoBarrier::NotWanted),
        (_, Some(first)) if settings.by_key => Err(NoBarrier::ByKey(first.node.to_string())),
        _ if settings.encrypted => Err(NoBarrier::Encrypted),
        _ => look(&cluster.primaries()).await,
    };
    match (found, settings.consistent) {
        (Err(why), Consistent::Barrier) => Err(why.into()),
        (found, _) => Ok(found.err()),
    }
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
