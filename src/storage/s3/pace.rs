//! How long a store may be silent, how long one that fails is asked again, and how fast it takes what it is sent.
//!
//! - Before the first byte of a transfer, and where there is none (list, show, `--plan`), all that is lost by asking again is at most
//!   [`ASKING`], or one reply's time-out where a longer one was asked for. A port at which nobody listens ends a question sooner: its
//!   number is more likely wrong than its store restarting, and somebody waits for the answer. Who works on does not mind.
//! - From the first byte on, a request is asked again until the retry time is over: an hour's work must not die of a store that
//!   restarts.
//! - Cleaning up is bounded on its own: at most [`CLEANING`] are lost by it, and at most [`ASKING`] by looking for what may be cleaned up.
//!
//! A part is given up only when nothing of it moves, or when it is sent and its answer does not come: how long that may take
//! follows the rate that was measured, so that slow links get through.

mod link;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::figures::span;
use link::Link;

/// Lost at most before the first byte of a transfer.
pub(super) const ASKING: Duration = Duration::from_secs(10);
/// Lost at most by cleaning up.
const CLEANING: Duration = Duration::from_secs(8);
/// Tries of a request that only asks, at a port where nobody listens.
const REFUSED_ATTEMPTS: u32 = 4;
/// Tries of a request that cleans up.
const CLEANING_ATTEMPTS: u32 = 4;

/// How long one reply may take where nobody says.
const REPLY: Duration = Duration::from_secs(30);
/// How long a store that fails during a transfer is asked again where nobody says.
pub(super) const RETRY: Duration = Duration::from_secs(300);

/// Pauses double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest before the first byte of a transfer.
const ASKING_PAUSE: Duration = Duration::from_secs(1);
/// The first and the longest pause before the first byte where the store answers that it cannot: six requests in all, since more would
/// only add to its load.
const ANSWERED_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));

/// A part that was never given up before is given up after this share of the retry time, so that some is left for another try: the
/// connection may have died without a word.
const FIRST_TRY: f64 = 0.6;
/// How often the patience with parts doubles.
const MOST_SLACK: u32 = 4;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The work itself.
    Work,
    /// Removing what is not wanted.
    Cleaning,
    /// Looking for what nobody wants any more: the work goes on without an answer.
    Garbage,
}

/// How patient we are with a store: the module's documentation has the rules.
#[derive(Debug)]
pub(super) struct Pace {
    timeout: Option<Duration>,
    retry: Duration,
    /// Whether a port at which nobody listens may be that of a store that restarts.
    awaits_listener: bool,
    transferring: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asking: Lost,
    cleaning: Lost,
    garbage: Lost,
    link: Link,
    slack: u32,
    away_since: Option<Instant>,
}

/// Time that failures have taken; failures at the same time are counted once.
#[derive(Debug, Default)]
struct Lost {
    time: Duration,
    until: Option<Instant>,
}

impl Lost {
    fn add(&mut self, from: Instant, until: Instant) {
        let from = self.until.map_or(from, |before| before.max(from));
        self.time += until.saturating_duration_since(from);
        self.until = Some(self.until.map_or(until, |before| before.max(until)));
    }
}

/// Why a failure may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passing {
    /// Why the request failed, in a few words.
    pub(super) words: String,
    pub(super) nobody_listens: bool,
    /// The store answered, and cannot do what was asked.
    pub(super) answered: bool,
}

impl Passing {
    pub(super) fn of(words: impl Into<String>) -> Self {
        Self { words: words.into(), nobody_listens: false, answered: false }
    }

    /// A status that says so.
    pub(super) fn answered(words: impl Into<String>) -> Self {
        Self { answered: true, ..Self::of(words) }
    }
}

/// What one request has met so far.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    since: Option<Instant>,
    attempts: u32,
    may_be_done: bool,
}

impl Trouble {
    /// A try has failed: was it sent?
    pub(super) fn note(&mut self, why: &Passing) {
        self.may_be_done |= !why.nobody_listens;
    }

    /// Whether some try was sent and may have been done: its answer was not heard, or says that the store cannot, which some say after
    /// they have.
    pub(super) fn may_be_done(&self) -> bool {
        self.may_be_done
    }

    /// Whether an earlier try may have been done, though its answer was not heard.
    pub(super) fn came(&self) -> bool {
        self.attempts > 0
    }
}

impl Pace {
    pub(super) fn new(timeout: Option<Duration>, retry: Option<Duration>) -> Self {
        Self {
            timeout,
            retry: retry.unwrap_or(RETRY),
            awaits_listener: false,
            transferring: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Sets whether a store where nobody listens yet is waited for: work waits, a question does not.
    pub(super) fn awaiting_listener(self, awaits_listener: bool) -> Self {
        Self { awaits_listener, ..self }
    }

    /// The first byte of a transfer moves: from here on patience is long.
    pub(super) fn begin_transfer(&self) {
        self.transferring.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_transferring(&self) -> bool {
        self.transferring.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long one reply may take.
    pub(super) fn reply(&self) -> Duration {
        let timeout = self.timeout.unwrap_or(REPLY);
        if self.is_transferring() {
            return timeout;
        }
        timeout.min(self.asking_at_most().saturating_sub(self.state().asking.time)).max(Duration::from_millis(500))
    }

    /// How long to wait for a reply while cleaning up.
    pub(super) fn cleaning_reply(&self) -> Duration {
        let left = CLEANING.saturating_sub(self.state().cleaning.time);
        self.timeout.unwrap_or(REPLY).min(left).max(Duration::from_millis(500))
    }

    /// How long connecting may take.
    pub(super) fn connecting(timeout: Option<Duration>) -> Duration {
        timeout.map_or(Duration::from_secs(5), |timeout| timeout.min(ASKING))
    }

    fn asking_at_most(&self) -> Duration {
        ASKING.max(self.timeout.unwrap_or_default())
    }

    /// How long a read that breaks off is begun again.
    pub(super) fn window(&self) -> Duration {
        if self.is_transferring() { self.retry } else { self.asking_at_most() }
    }

    /// How long nothing of a part of `length` bytes may move while it is sent.
    pub(super) fn stall(&self, length: u64) -> Duration {
        let state = self.state();
        self.patience(state.link.stall(length), state.slack).max(self.timeout.unwrap_or(REPLY))
    }

    /// How long the answer to a part may take once its last byte was handed over, which took `sending`.
    pub(super) fn answer_to_part(&self, length: u64, sending: Duration) -> Duration {
        let timeout = self.timeout.unwrap_or(REPLY);
        let state = self.state();
        self.patience(timeout + state.link.drain(length).max(sending), state.slack).max(timeout)
    }

    /// Within the retry time, and at first within a share of it.
    fn patience(&self, time: Duration, slack: u32) -> Duration {
        let most = if slack == 0 { self.retry.mul_f64(FIRST_TRY) } else { self.retry };
        (time * 2_u32.pow(slack)).min(most)
    }

    /// What the last backup has learned of the link: at least so many bytes a second. What was measured since counts more.
    pub(super) fn told(&self, bytes_per_second: u64) {
        self.state().link.told(bytes_per_second);
    }

    /// A part of `length` bytes was taken in this time.
    pub(super) fn part_took(&self, length: u64, time: Duration) {
        let mut state = self.state();
        state.link.took(length, time);
        state.slack = 0;
    }

    /// A part was given up because nothing came: the next try may take longer.
    pub(super) fn part_was_given_up(&self) {
        let mut state = self.state();
        state.slack = (state.slack + 1).min(MOST_SLACK);
    }

    /// How many of `most` parts may be in flight beside the one that is being filled.
    pub(super) fn lanes(&self, most: usize) -> usize {
        if self.state().link.is_fast() { most } else { 1 }
    }

    /// A request was answered.
    pub(super) fn answered(&self, trouble: &Trouble) {
        if trouble.since.is_none() {
            return;
        }
        let away = self.state().away_since.take();
        if let Some(since) = away {
            tracing::warn!("the store is answering again, after {}", span(since.elapsed()));
        }
    }

    /// A request that began at `begun` has failed in a way that may pass. Waits, and says whether it is to be sent again.
    pub(super) async fn again(&self, purpose: Purpose, trouble: &mut Trouble, begun: Instant, why: &Passing) -> bool {
        let Some(pause) = self.pause(purpose, trouble, begun, Instant::now(), why) else { return false };
        tracing::info!(attempt = trouble.attempts, "retrying: {}", why.words);
        sleep(pause).await;
        true
    }

    /// How long to wait before the request is sent again; `None`: it is not.
    fn pause(
        &self,
        purpose: Purpose,
        trouble: &mut Trouble,
        begun: Instant,
        now: Instant,
        why: &Passing,
    ) -> Option<Duration> {
        let since = *trouble.since.get_or_insert(begun);
        trouble.attempts += 1;
        let transferring = self.is_transferring();
        let asking = purpose == Purpose::Work && !transferring;
        let (first, longest, least) = match asking {
            true if why.answered => (ANSWERED_PAUSES.0, ANSWERED_PAUSES.1, 0.85),
            true => (FIRST_PAUSE, ASKING_PAUSE, 0.5),
            false => (FIRST_PAUSE, LONGEST_PAUSE, 0.5),
        };
        let pause = (first * 2_u32.pow((trouble.attempts - 1).min(8))).min(longest).mul_f64(jitter(least));
        let mut state = self.state();
        let goes_on = match purpose {
            Purpose::Cleaning => {
                state.cleaning.add(begun, now + pause);
                state.cleaning.time < CLEANING && trouble.attempts < CLEANING_ATTEMPTS
            }
            Purpose::Garbage => {
                state.garbage.add(begun, now + pause);
                state.garbage.time < ASKING && trouble.attempts < CLEANING_ATTEMPTS
            }
            Purpose::Work if !transferring => {
                state.asking.add(begun, now + pause);
                let somebody_listens = !why.nobody_listens || self.awaits_listener;
                state.asking.time < ASKING && (somebody_listens || trouble.attempts < REFUSED_ATTEMPTS)
            }
            Purpose::Work => {
                let goes_on = now.duration_since(since) + pause < self.retry;
                if goes_on && state.away_since.is_none() {
                    state.away_since = Some(since);
                    tracing::warn!("{}; retrying for up to {}", why.words, span(self.retry));
                }
                goes_on
            }
        };
        goes_on.then_some(pause)
    }
}

/// Between `least` and one: those that failed together do not all come back together.
fn jitter(least: f64) -> f64 {
    let mut random = [0; 1];
    // Without randomness the pause is the whole one.
    if getrandom::fill(&mut random).is_err() {
        return 1.0;
    }
    least + (1.0 - least) * f64::from(random[0]) / 255.0
}

#[cfg(test)]
mod tests;
