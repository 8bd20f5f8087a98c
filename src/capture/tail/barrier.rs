//! The moment itself: the writes of all primaries are held for some milliseconds, and where each stands meanwhile is one state of the
//! cluster.
//!
//! `CLIENT PAUSE n WRITE` and the question for the offset go to all primaries at once. A pause that was sent at a time lasts at least until
//! n milliseconds later; an answer that has come says that a pause has begun. So if all answers are here before the first pause can have
//! ended, there was a moment at which all primaries held writes, and no write that was acknowledged by then is missing at any of them.
//!
//! The pause ends by itself. `CLIENT UNPAUSE` is never sent: it would also lift a pause of somebody else, and on 6.2 the one of a
//! failover. A pause of ours never shortens another one: the server keeps the later end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::NoBarrier;
use crate::capture::pulse;
use crate::connection::replication::Position;
use crate::connection::{Command, CommandError, Connection, Node, Retry, ServerError};
use crate::introspection::held_writes;
use crate::replies::{Info, Reply};

/// A primary has to answer so fast: writes are held for as long as the slowest takes, four times over.
pub const FAST: Duration = Duration::from_millis(20);

/// Round trips to a primary before a barrier.
const ROUND_TRIPS: usize = 5;

/// Writes are held for so many times the slowest round trip, but no less and no more than the next two.
const ROUNDS_HELD: u32 = 4;
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_millis(100);

/// A server counts in whole milliseconds, and its clock may be set a little.
const MARGIN: Duration = Duration::from_millis(2);

/// How often it is tried.
const TRIES: u32 = 3;

/// What all primaries stood at when their writes were held.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// When that was, by the clock of this machine: not before and not after these.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// For how long each primary held its writes.
    pub held: Duration,
    /// One for each primary, in their order.
    pub places: Vec<Position>,
}

/// A primary and a connection to it.
struct Primary {
    node: Node,
    connection: Connection,
    /// The slowest of some round trips.
    slowest: Duration,
}

/// Finds out whether a barrier can be had, without holding any write.
///
/// # Errors
/// Why it cannot.
pub async fn look(primaries: &[Node]) -> Result<(), NoBarrier> {
    let mut ready = ready(primaries).await?;
    // A timeout that is no number is refused for itself by a server that lets us pause; the rights are looked at before.
    for Primary { node, connection, .. } in &mut ready {
        let question = Command::of(&["CLIENT", "PAUSE", "no-number", "WRITE"]);
        let answer =
            connection.pipeline(std::slice::from_ref(&question)).await.map_err(|error| refused(node, error))?;
        if let Some(Err(error)) = answer.into_iter().next()
            && !error.text.contains("not an integer")
        {
            return Err(refused(node, of(&error)));
        }
        // Without these questions nobody can follow the stream without harm.
        pulse::look(connection).await.map_err(|error| refused(node, error))?;
    }
    Ok(())
}

/// Holds the writes of all primaries for a moment, and reads where they stand.
///
/// # Errors
/// Why there is no such moment. What was held by then goes on by itself.
pub async fn hold(primaries: &[Node]) -> Result<Cut, NoBarrier> {
    let mut last = LEAST;
    for _ in 0..TRIES {
        let mut ready = ready(primaries).await?;
        let slowest = ready.iter().map(|primary| primary.slowest).max().unwrap_or_default();
        // An attempt that came too late says more than the round trips before it.
        last = (slowest * ROUNDS_HELD).max(last).clamp(LEAST, MOST);
        match once(&mut ready, last).await? {
            Some(cut) => return Ok(cut),
            None => {
                last *= 2;
                // Nothing is held any more when it is tried again.
                sleep(MOST).await;
            }
        }
    }
    Err(NoBarrier::TooLate { held: last.min(MOST), tries: TRIES })
}

/// One attempt; `None`: the answers came too late.
async fn once(primaries: &mut [Primary], held: Duration) -> Result<Option<Cut>, NoBarrier> {
    let milliseconds = held.as_millis().to_string();
    let questions = [Command::of(&["CLIENT", "PAUSE", &milliseconds, "WRITE"]), Command::of(&["INFO", "replication"])];
    let (from, begun) = (Utc::now(), Instant::now());
    let asked = primaries.iter_mut().map(|primary| {
        let questions = &questions;
        async move {
            let answers = primary.connection.pipeline(questions).await;
            (answers, primary.node.to_string())
        }
    });
    let answers = join_all(asked).await;
    let (took, to) = (begun.elapsed(), Utc::now());
    let mut places = Vec::new();
    for ((answers, _), primary) in answers.into_iter().zip(primaries.iter()) {
        let node = &primary.node;
        let mut answers = answers.map_err(|error| refused(node, error))?.into_iter();
        if let Some(Err(error)) = answers.next() {
            return Err(refused(node, of(&error)));
        }
        let info = match answers.next() {
            Some(Ok(reply)) => Info::from_bytes(reply.bytes().unwrap_or_default()),
            Some(Err(error)) => return Err(refused(node, of(&error))),
            None => Info::parse(""),
        };
        must_be_calm(node, &info)?;
        let (Some(replid), Some(offset)) = (info.get("master_replid"), info.u64("master_repl_offset")) else {
            return Err(not_now(node, "it does not say its replication offset"));
        };
        places.push(Position { replid: replid.to_owned(), offset });
    }
    Ok((took + MARGIN < held).then_some(Cut { from, to, held, places }))
}

/// Connects to all primaries, and looks whether they are fast and nothing is under way on them.
async fn ready(primaries: &[Node]) -> Result<Vec<Primary>, NoBarrier> {
    join_all(primaries.iter().map(one_ready)).await.into_iter().collect()
}

async fn one_ready(node: &Node) -> Result<Primary, NoBarrier> {
    let node = Node { retry: Retry::never(), ..node.clone() };
    let mut connection = node.connect().await?;
    let questions = [Command::of(&["INFO", "replication"]), Command::of(&["INFO", "clients"])];
    let answers = connection.pipeline(&questions).await.map_err(|error| refused(&node, error))?;
    let mut infos = Vec::new();
    for answer in answers {
        let reply: Reply = answer.map_err(|error| refused(&node, of(&error)))?;
        infos.push(Info::from_bytes(reply.bytes().unwrap_or_default()));
    }
    let [replication, clients] = infos.as_slice() else { return Err(not_now(&node, "it does not answer INFO")) };
    must_be_calm(&node, replication)?;
    if replication.get("min_slaves_good_slaves").is_some() {
        return Err(not_now(
            &node,
            "`min-replicas-to-write` is in force, and the server would count a follower as a replica",
        ));
    }
    let is_paused = clients.get("paused_actions").is_some_and(|actions| actions != "none");
    if is_paused || held_writes(&node, clients).await > 0 {
        return Err(not_now(&node, "writes are paused already (`CLIENT PAUSE`)"));
    }
    let (mut fastest, mut slowest) = (Duration::MAX, Duration::ZERO);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        connection.query(&Command::new("PING")).await.map_err(|error| refused(&node, error))?;
        (fastest, slowest) = (fastest.min(begun.elapsed()), slowest.max(begun.elapsed()));
    }
    match fastest > FAST {
        true => Err(NoBarrier::Slow { node: node.to_string(), took: fastest, limit: FAST }),
        false => Ok(Primary { node, connection, slowest }),
    }
}

/// A primary, and no failover under way.
fn must_be_calm(node: &Node, replication: &Info) -> Result<(), NoBarrier> {
    if replication.get("role") == Some("slave") {
        return Err(not_now(node, "it is not a primary any more"));
    }
    match replication.get("master_failover_state") {
        Some(state) if state != "no-failover" => Err(not_now(node, &format!("a failover is under way ({state})"))),
        _ => Ok(()),
    }
}

fn not_now(node: &Node, why: &str) -> NoBarrier {
    NoBarrier::NotNow { node: node.to_string(), why: why.to_owned() }
}

fn refused(node: &Node, error: CommandError) -> NoBarrier {
    NoBarrier::Command { node: node.to_string(), error }
}

/// The error of `CLIENT PAUSE`, or of INFO.
fn of(error: &ServerError) -> CommandError {
    CommandError { command: "CLIENT PAUSE".to_owned(), fault: error.fault("CLIENT PAUSE") }
}
