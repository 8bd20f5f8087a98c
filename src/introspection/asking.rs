//! Takes a snapshot of a live server.
//!
//! Counters are read before anything that would change them, all that can be asked together goes in one write, and a
//! refusal is noted where its answer would have been.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::gate::{Ask, Gate};
use super::host::{self, HostFacts, Processor};
use super::keyspace::{self, Met, Pass};
use super::ours::Ours;
use super::part::Part;
use super::question::{Answers, Question};
use super::snapshot::{Earlier, Path, Snapshot};
use super::wire::Wire;
use crate::blocking;
use crate::explain::Result;
use crate::replies::SlowEntry;

/// Between two PINGs, so that measuring the way to the server is no load on it.
const PING_EVERY: Duration = Duration::from_millis(20);
/// As fine as timers are: this late is in time.
const TIMER_GRAIN: Duration = Duration::from_millis(2);
/// The name that our connections give themselves.
const OWN_NAME: &str = "redis-ops";
/// How long the machine is watched for pauses.
const PAUSES_FOR: Duration = Duration::from_secs(1);

/// How to take a snapshot.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to ask, besides INFO and [`Question::ALWAYS`]; in any order, and each once however often it stands here.
    pub questions: Vec<Question>,
    /// Whether PINGs are sent and timed.
    pub pings: bool,
    /// A busy loop on the server's machine, if that is ours.
    pub pauses: bool,
    /// Between the two readings of the counters; zero reads once.
    pub window: Duration,
    pub now: DateTime<Utc>,
    /// How we are connected.
    pub path: Path,
}

/// Takes a snapshot. `phases` is what connecting took.
///
/// # Errors
///
/// The connection broke, or the server does not answer INFO: then there is nothing to judge.
pub async fn take(asker: &mut dyn Ask, options: &Options, phases: Wire) -> Result<Snapshot> {
    let mut gate = Gate::new(asker);
    let first = gate.info().await?;
    let (ours, connecting) = (gate.ours(), phases.clone());
    let begun = Instant::now();
    let mut snapshot = Snapshot::from_info(first, options.now);
    snapshot.path = options.path;
    let process = host::process_of(&snapshot.info).filter(|_| options.path.local);
    ask_the_rest(&mut gate, options, &mut snapshot).await?;
    if options.pings {
        let mut wire = phases;
        let rest = options.window.saturating_sub(begun.elapsed());
        ping(&mut gate, rest, Processor::of(process), &mut wire).await?;
        snapshot.wire = Part::Got(wire);
    }
    if !options.window.is_zero() {
        tokio::time::sleep(options.window.saturating_sub(begun.elapsed())).await;
        second_reading(&mut gate, begun, &ours, &mut snapshot).await?;
    }
    without_our_commands(&mut snapshot.answers);
    if options.path.local {
        let mut host = HostFacts::read(process);
        if options.pauses {
            host = blocking::run(move || {
                host.measure_pauses(PAUSES_FOR);
                host
            })
            .await;
        }
        snapshot.host = Part::Got(host);
    }
    snapshot.receipt = gate.receipt();
    // A server that stands still accepts connections in the kernel alone: HELLO is the first that waits for it.
    let hello = connecting.auth_us.unwrap_or(0) as f64 / 1e6;
    snapshot.receipt.longest_wait_seconds = snapshot.receipt.longest_wait_seconds.max(hello);
    Ok(snapshot)
}

/// Looks at the keys of a server of which a snapshot was taken. After it, because that adds hits to the statistics that it holds.
pub async fn look_at_keys(asker: &mut dyn Ask, pass: Pass, snapshot: &mut Snapshot, met: Met<'_>) {
    let mut gate = Gate::new(asker);
    let now_ms = u64::try_from(snapshot.taken_at.timestamp_millis()).unwrap_or(0);
    let config = snapshot.answers.config.got();
    let looked = keyspace::profile(&mut gate, pass, &snapshot.info, config, now_ms, met).await;
    snapshot.keyspace = match looked {
        Ok(profile) => Part::Got(profile),
        Err(error) => Part::Denied(format!("{error:#}")),
    };
    snapshot.receipt.add(gate.receipt());
}

/// Asks, in one write, everything that needs no second look.
async fn ask_the_rest(gate: &mut Gate<'_>, options: &Options, snapshot: &mut Snapshot) -> Result<()> {
    let questions: BTreeSet<Question> = Question::ALWAYS.into_iter().chain(options.questions.iter().copied()).collect();
    snapshot.answers = gate.answers(&Vec::from_iter(questions), &snapshot.info).await?;
    without_our_connections(&mut snapshot.answers);
    Ok(())
}

/// Our own connections are not what is wrong with the server. They say their name; where that is refused, what this one is doing right
/// now gives it away, and no further command is spent on it.
pub(super) fn without_our_connections(answers: &mut Answers) {
    if let Part::Got(clients) = &mut answers.clients {
        clients.retain(|client| client.name != OWN_NAME && !matches!(client.cmd.as_str(), "client" | "client|list"));
    }
}

/// The number that the next entry of a slow log gets, or a smaller one where nothing is known of it.
pub(super) fn next_id(entries: &[SlowEntry]) -> u64 {
    entries.iter().map(|entry| entry.id + 1).max().unwrap_or(0)
}

/// What the slow log gained since its next entry was to get this number, without our own commands.
pub(super) fn gained(next: u64, now: &[SlowEntry]) -> u64 {
    let own = now.iter().filter(|entry| entry.id >= next && entry.name == OWN_NAME).count() as u64;
    next_id(now).saturating_sub(next).saturating_sub(own)
}

/// Takes our own commands out of a slow log: a CLIENT LIST of ten thousand takes its time, too, and that is ours.
pub(super) fn without_our_commands(answers: &mut Answers) {
    if let Part::Got(entries) = &mut answers.slowlog {
        entries.retain(|entry| entry.name != OWN_NAME);
    }
}

/// PINGs until the window ends, ten at least.
async fn ping(gate: &mut Gate<'_>, window: Duration, processor: Processor, wire: &mut Wire) -> Result<()> {
    let begun = Instant::now();
    let (mut times, mut undelayed, mut late) = (Vec::new(), Vec::new(), Vec::new());
    while times.len() < 10 || begun.elapsed() + PING_EVERY < window {
        let before = processor.waited();
        let time = gate.ping().await?;
        let woken = processor.waited();
        times.push(time);
        undelayed.push(time.saturating_sub(woken.saturating_sub(before)));
        if window.is_zero() {
            continue;
        }
        let (pause, from) = (PING_EVERY.min(window / 10), Instant::now());
        tokio::time::sleep(pause).await;
        // What we have waited for a processor is taken off the PINGs one by one.
        let waited = processor.waited().saturating_sub(woken);
        late.push(from.elapsed().saturating_sub(pause + TIMER_GRAIN + waited));
    }
    wire.set_pings(&times);
    wire.set_undelayed(&undelayed);
    wire.set_late(&late);
    Ok(())
}

/// `ours`: what had been sent when the counters were read first.
async fn second_reading(gate: &mut Gate<'_>, begun: Instant, ours: &Ours, snapshot: &mut Snapshot) -> Result<()> {
    let info = gate.info().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let before =
        Snapshot::from_info(info, snapshot.taken_at + chrono::Duration::from_std(begun.elapsed()).unwrap_or_default());
    let first = std::mem::replace(&mut snapshot.info, before.info);
    snapshot.server = before.server;
    snapshot.taken_at = before.taken_at;
    // The first INFO is in the counters of the second, and the second in none: as many as were sent in between.
    let ours = gate.ours().since(ours);
    snapshot.earlier = Some(Earlier { seconds, info: first, cluster: snapshot.answers.cluster.got().cloned(), ours });
    if snapshot.answers.nodes.got().is_some() {
        let again = gate.answers(&[Question::Cluster, Question::Nodes], &snapshot.info).await?;
        snapshot.answers.cluster = again.cluster;
        snapshot.nodes_before = std::mem::replace(&mut snapshot.answers.nodes, again.nodes);
    }
    if let Part::Got(entries) = &mut snapshot.answers.slowlog {
        let now = gate.answers(&[Question::Slowlog], &snapshot.info).await?.slowlog.got().cloned().unwrap_or_default();
        snapshot.slowlog_gained = Part::Got(gained(next_id(entries), &now));
        *entries = now;
    }
    Ok(())
}

#[cfg(test)]
#[path = "asking_tests.rs"]
pub(super) mod tests;
