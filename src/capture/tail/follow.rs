//! Follows the stream of one shard into a file, in the background, from before its RDB is taken to the moment of the barrier.
//!
//! What the server notices of us is what it notices of an archive: see [`Follower`] for the acknowledgements. A link that breaks is taken
//! up again where it broke, from any node of the shard: after a failover the new primary goes on with the same stream.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NoBarrier;
use super::spooled::Spooled;
use crate::blocking;
use crate::capture::pulse::{Pulse, Pulses};
use crate::connection::Node;
use crate::connection::replication::{Beginning, Follower, Position, ReplicationError};

/// How often the server hears from us. The first acknowledgement may come before the server is ready for it, and is lost: it is repeated.
const TICK: Duration = Duration::from_secs(1);

/// The pause before a server that is gone is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// A stream that broke is looked for on the nodes of its shard for so long: a failover takes `cluster-node-timeout` (15 s) and an election.
const GIVE_UP: Duration = Duration::from_secs(60);

/// How a stream was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It has become longer than allowed.
    TooLong,
    /// The link broke, for this reason.
    Broken(String),
}

/// How far the follower is.
#[derive(Debug, Clone)]
struct Stand {
    replid: String,
    from: u64,
    safe: u64,
    lost: Option<Lost>,
}

/// A stream that is being followed. Ends when dropped.
#[derive(Debug)]
pub struct Following {
    stand: watch::Receiver<Stand>,
    /// The last offset that it may reach.
    limit: Arc<AtomicU64>,
    stop: CancellationToken,
    task: Option<JoinHandle<Option<Spooled>>>,
}

impl Following {
    /// Attaches to the first of these nodes, and follows it; where the link breaks the others are asked as well. `most`: bytes of the
    /// stream that are kept until [`Following::begins_at`] says more.
    ///
    /// # Errors
    /// The first node cannot be followed, or must not be.
    pub async fn begin(nodes: Vec<Node>, folder: PathBuf, most: u64) -> Result<Self, NoBarrier> {
        let Some(first) = nodes.first() else {
            return Err(NoBarrier::Spool("the shard has no node".to_owned()));
        };
        let attached = Attached::to(first, None).await?;
        let at = attached.at.clone();
        let spooled = blocking::run(move || Spooled::begin(&folder, at.offset)).await;
        let spooled = spooled.map_err(|error| NoBarrier::Spool(error.to_string()))?;
        let (replid, offset) = (attached.at.replid.clone(), attached.at.offset);
        let (sender, stand) = watch::channel(Stand { replid, from: offset, safe: offset, lost: None });
        let limit = Arc::new(AtomicU64::new(offset.saturating_add(most)));
        let stop = CancellationToken::new();
        let follow = Follow { nodes, stand: sender, limit: limit.clone(), stop: stop.clone() };
        let task = tokio::spawn(follow.run(attached, spooled));
        Ok(Self { stand, limit, stop, task: Some(task) })
    }

    /// The RDB is of this offset: so many bytes of the stream are kept behind it. False if the stream begins later.
    pub fn begins_at(&self, offset: u64, most: u64) -> bool {
        self.limit.store(offset.saturating_add(most), Ordering::Relaxed);
        self.stand.borrow().from <= offset
    }

    /// How the stream was lost, if it was.
    pub fn lost(&self) -> Option<Lost> {
        self.stand.borrow().lost.clone()
    }

    /// Waits until the stream was read up to a place.
    ///
    /// # Errors
    /// The stream was lost; `None`: it has not come so far in time, or goes on in another history.
    pub async fn reached(&mut self, place: &Position, patience: Duration) -> Result<(), Option<Lost>> {
        let there =
            |stand: &Stand| stand.lost.is_some() || (stand.safe >= place.offset && stand.replid == place.replid);
        match tokio::time::timeout(patience, self.stand.wait_for(there)).await {
            Ok(Ok(stand)) => stand.lost.clone().map_or(Ok(()), |lost| Err(Some(lost))),
            Ok(Err(_)) => Err(Some(Lost::Broken("the follower has ended".to_owned()))),
            Err(_) => Err(None),
        }
    }

    /// Ends the link, and gives what was read; `None`: the stream was lost.
    pub async fn end(mut self) -> Option<Spooled> {
        self.stop.cancel();
        self.task.take()?.await.ok()?
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A link to a server that may be followed without harm.
struct Attached {
    follower: Follower,
    pulses: Pulses,
    first: Pulse,
    /// Where the stream begins.
    at: Position,
}

impl Attached {
    /// Attaches behind `from`, or wherever the server is now. A stream that does not go on behind `from` is an error.
    async fn to(node: &Node, from: Option<&Position>) -> Result<Self, NoBarrier> {
        let mut pulses = Pulses::of(node);
        let silent = || NoBarrier::NotNow {
            node: node.to_string(),
            why: "it does not say its clock and its offset (TIME, INFO, MULTI)".to_owned(),
        };
        let first = tokio::time::timeout(node.timeout.saturating_mul(2), pulses.next()).await.map_err(|_| silent())?;
        if let Some(why) = harm(&first) {
            return Err(NoBarrier::NotNow { node: node.to_string(), why: why.to_owned() });
        }
        let wanted = match from {
            Some(from) => from.clone(),
            None => Position { replid: first.replid.clone(), offset: first.mark.offset },
        };
        let (mut follower, mut beginning) = Follower::attach(node, Some(&wanted), node.silence).await?;
        let mut asked = wanted;
        if let (Beginning::Anew(place), None) = (&beginning, from) {
            asked = place.clone();
            match follower.is_filtered() {
                true => while follower.next_of_rdb().await?.is_some() {},
                // 6.2 would send all of it. It has a backlog now, and goes on from there without a snapshot.
                false => {
                    drop(follower);
                    (follower, beginning) = Follower::attach(node, Some(&asked), node.silence).await?;
                    if matches!(beginning, Beginning::Anew(_)) {
                        return Err(gone(node, &asked));
                    }
                }
            }
        }
        let at = match beginning {
            Beginning::Continued { replid } => Position { replid, offset: asked.offset },
            Beginning::Anew(_) if from.is_some() => return Err(gone(node, &asked)),
            Beginning::Anew(place) => place,
        };
        Ok(Self { follower, pulses, first, at })
    }
}

fn gone(node: &Node, from: &Position) -> NoBarrier {
    let why = format!("the server no longer has the replication stream after offset {}", from.offset);
    NoBarrier::NotNow { node: node.to_string(), why }
}

/// Why a server must not be followed now.
fn harm(pulse: &Pulse) -> Option<&'static str> {
    match pulse {
        pulse if pulse.fails_over => Some("a failover is under way, and a follower would take part in it"),
        pulse if pulse.counts_replicas => {
            Some("`min-replicas-to-write` is in force, and the server would count a follower as a replica")
        }
        _ => None,
    }
}

/// Why a link has ended.
enum Ended {
    /// It is to stop.
    Stopped,
    /// It may go on.
    Broken(String),
    /// It may not.
    Lost(Lost),
}

impl From<ReplicationError> for Ended {
    fn from(error: ReplicationError) -> Self {
        Self::Broken(error.to_string())
    }
}

struct Follow {
    nodes: Vec<Node>,
    stand: watch::Sender<Stand>,
    limit: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Follow {
    /// Follows until it is to stop, and gives what was read.
    async fn run(self, mut attached: Attached, mut spooled: Spooled) -> Option<Spooled> {
        loop {
            let (ended, read) = self.read(attached, spooled).await;
            spooled = read?;
            let why = match ended {
                Ended::Stopped => return Some(spooled),
                Ended::Lost(lost) => return self.lose(lost),
                Ended::Broken(why) => why,
            };
            tracing::info!("the replication stream of a shard broke: {why}");
            let (rewound, back) = blocking::run(move || (spooled.rewind(), spooled)).await;
            if let Err(error) = rewound {
                return self.lose(Lost::Broken(error.to_string()));
            }
            spooled = back;
            attached = match self.again(spooled.safe(), why).await {
                Ok(attached) => attached,
                Err(Ended::Stopped) => return Some(spooled),
                Err(Ended::Lost(lost)) => return self.lose(lost),
                Err(Ended::Broken(why)) => return self.lose(Lost::Broken(why)),
            };
            self.stand.send_modify(|stand| stand.replid.clone_from(&attached.at.replid));
        }
    }

    fn lose(&self, lost: Lost) -> Option<Spooled> {
        self.stand.send_modify(|stand| stand.lost = Some(lost));
        None
    }

    /// Takes the stream up again, from any node of the shard.
    async fn again(&self, offset: u64, why: String) -> Result<Attached, Ended> {
        let from = Position { replid: self.stand.borrow().replid.clone(), offset };
        let begun = Instant::now();
        let mut why = why;
        loop {
            for node in &self.nodes {
                tokio::select! {
                    () = self.stop.cancelled() => return Err(Ended::Stopped),
                    attached = Attached::to(node, Some(&from)) => match attached {
                        Ok(attached) => return Ok(attached),
                        Err(error) => why = error.to_string(),
                    }
                }
            }
            if begun.elapsed() >= GIVE_UP {
                return Err(Ended::Broken(why));
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(Ended::Stopped),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Reads one link to its end.
    async fn read(&self, attached: Attached, mut spooled: Spooled) -> (Ended, Option<Spooled>) {
        let Attached { mut follower, mut pulses, first, .. } = attached;
        let (mut offset, mut is_leaving) = (first.mark.offset, false);
        spooled.mark(first.mark);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return (Ended::Stopped, Some(spooled)),
                chunk = follower.next() => {
                    let chunk = match chunk {
                        Ok(chunk) => chunk,
                        Err(error) => return (error.into(), Some(spooled)),
                    };
                    let (pushed, back) = blocking::run(move || (spooled.push(&chunk), spooled)).await;
                    spooled = back;
                    match pushed {
                        Ok(is_asked) if is_asked => pulses.hurry(),
                        Ok(_) => {}
                        Err(error) => return (Ended::Lost(Lost::Broken(error.to_string())), Some(spooled)),
                    }
                    if spooled.read() > self.limit.load(Ordering::Relaxed) {
                        return (Ended::Lost(Lost::TooLong), Some(spooled));
                    }
                    let safe = spooled.safe();
                    self.stand.send_modify(|stand| stand.safe = safe);
                }
                pulse = pulses.next() => {
                    offset = offset.max(pulse.mark.offset);
                    spooled.mark(pulse.mark);
                    if let Some(why) = harm(&pulse) {
                        return (Ended::Broken(why.to_owned()), Some(spooled));
                    }
                    if pulse.shuts_down {
                        is_leaving = true;
                        // The server waits for its replicas: the true offset lets it go.
                        if let Err(error) = follower.acknowledge(spooled.read()).await {
                            return (error.into(), Some(spooled));
                        }
                    }
                }
                _ = tick.tick() => {
                    // At offset 0 an acknowledgement of 0 is a true one: a failover might choose us.
                    if offset > 0 && !is_leaving && let Err(error) = follower.acknowledge(0).await {
                        return (error.into(), Some(spooled));
                    }
                }
            }
        }
    }
}
