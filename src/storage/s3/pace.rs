//! How long a store may be silent, how long one that fails is asked again, and how fast it takes what it is sent.
//!
//! - Before the first byte of a transfer, and where there is none (list, show, `--plan`), all that is lost by asking again is at most
//!   [`ASKING`], or one reply's time-out where a longer one was asked for. A port at which nobody listens ends a question sooner: its
//!   number is more likely wrong than its store restarting, and somebody waits for the answer. Who works on does not mind.
//! - From the first byte on, a request is asked again until the retry time is over: an hour's work must not die of a store that
//!   restarts.
//! - Cleaning up is bounded on its own: at most [`CLEANING`] are lost by it.
//!
//! A part is given up only when nothing of it moves, or when it is sent and its answer does not come: how long that may take
//! follows the rate that was measured, so that slow links get through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::figures::span;

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

/// How long nothing of a part may move on a fast link. On a slow one it is longer: a kernel tells of room only after a good deal of its
/// buffer was sent.
const STALL: Duration = Duration::from_secs(30);
/// What may still lie in the buffers of the way when the last byte of a part was handed over, bytes: our kernel's, and a proxy's.
const UNDER_WAY: u64 = 8 << 20;
/// Bytes a second of the slowest link whose first part gets through at the first try, where nothing is known of the link: 5 MiB in two
/// and a half minutes.
const SLOWEST: f64 = 35_000.0;
/// A part that was never given up before is given up after this share of the retry time, so that some is left for another try: the
/// connection may have died without a word.
const FIRST_TRY: f64 = 0.6;
/// How often the patience with parts doubles.
const MOST_SLACK: u32 = 4;

/// Below so many bytes a second there is one part in flight only: several would share the link and all be slow.
const SLOW: f64 = 1e6;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The work itself.
    Work,
    /// Removing what is not wanted.
    Cleaning,
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
    link: Link,
    slack: u32,
    away_since: Option<Instant>,
}

/// What is known of the way to the store: bytes a second of one connection that sends a part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Link {
    #[default]
    Unknown,
    /// The last backup got at least so many through.
    Told(f64),
    Measured(f64),
}

impl Link {
    fn rate(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Told(rate) | Self::Measured(rate) => Some(rate.max(1.0)),
        }
    }
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
}

impl Trouble {
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
        let buffered = length.min(UNDER_WAY);
        let between = match state.link.rate() {
            Some(rate) => seconds(buffered, rate),
            // A kernel tells of room when a third of its buffer is free.
            None => seconds(buffered, SLOWEST) / 2,
        };
        self.patience(STALL.max(between), state.slack).max(self.timeout.unwrap_or(REPLY))
    }

    /// How long the answer to a part may take once its last byte was handed over, which took `sending`.
    pub(super) fn answer_to_part(&self, length: u64, sending: Duration) -> Duration {
        let timeout = self.timeout.unwrap_or(REPLY);
        let state = self.state();
        let buffered = length.min(UNDER_WAY);
        let drain = match state.link.rate() {
            Some(rate) => seconds(buffered, rate) * 4,
            None => seconds(buffered, SLOWEST),
        };
        self.patience(timeout + drain.max(sending), state.slack).max(timeout)
    }

    /// Within the retry time, and at first within a share of it.
    fn patience(&self, time: Duration, slack: u32) -> Duration {
        let most = if slack == 0 { self.retry.mul_f64(FIRST_TRY) } else { self.retry };
        (time * 2_u32.pow(slack)).min(most)
    }

    /// What the last backup has learned of the link: at least so many bytes a second. What was measured since counts more.
    pub(super) fn told(&self, bytes_per_second: u64) {
        let mut state = self.state();
        if state.link == Link::Unknown {
            #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
            let rate = bytes_per_second as f64;
            state.link = Link::Told(rate);
        }
    }

    /// A part of `length` bytes was taken in this time.
    pub(super) fn part_took(&self, length: u64, time: Duration) {
        let mut state = self.state();
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let rate = length as f64 / time.as_secs_f64().max(1e-3);
        state.link = match state.link {
            Link::Measured(before) => Link::Measured((before + rate) / 2.0),
            Link::Unknown | Link::Told(_) => Link::Measured(rate),
        };
        state.slack = 0;
    }

    /// A part was given up because nothing came: the next try may take longer.
    pub(super) fn part_was_given_up(&self) {
        let mut state = self.state();
        state.slack = (state.slack + 1).min(MOST_SLACK);
    }

    /// How many of `most` parts may be in flight beside the one that is being filled.
    pub(super) fn lanes(&self, most: usize) -> usize {
        match self.state().link.rate() {
            Some(rate) if rate >= SLOW => most,
            _ => 1,
        }
    }

    /// A request was answered.
    pub(super) fn answered(&self, trouble: &Trouble) {
        if trouble.since.is_none() {
            return;
        }
        let away = self.state().away_since.take();
        if let Some(since) = away {
            tracing::warn!("the store answers again, after {}", span(since.elapsed()));
        }
    }

    /// A request that began at `begun` has failed in a way that may pass. Waits, and says whether it is to be sent again.
    pub(super) async fn again(&self, purpose: Purpose, trouble: &mut Trouble, begun: Instant, why: &Passing) -> bool {
        let Some(pause) = self.pause(purpose, trouble, begun, Instant::now(), why) else { return false };
        tracing::info!(attempt = trouble.attempts, "asking the store again: {}", why.words);
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
            Purpose::Work if !transferring => {
                state.asking.add(begun, now + pause);
                let somebody_listens = !why.nobody_listens || self.awaits_listener;
                state.asking.time < ASKING && (somebody_listens || trouble.attempts < REFUSED_ATTEMPTS)
            }
            Purpose::Work => {
                let goes_on = now.duration_since(since) + pause < self.retry;
                if goes_on && state.away_since.is_none() {
                    state.away_since = Some(since);
                    tracing::warn!("{}; asking the store again for up to {}", why.words, span(self.retry));
                }
                goes_on
            }
        };
        goes_on.then_some(pause)
    }
}

/// How long so many bytes take.
fn seconds(bytes: u64, rate: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "a time need not be exact")]
    Duration::from_secs_f64(bytes as f64 / rate)
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
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long it takes until a store that is silent is no longer asked, for so many requests one after the other.
    fn silence(pace: &Pace, purpose: Purpose, requests: usize) -> Duration {
        let begun = Instant::now();
        let mut now = begun;
        for _ in 0..requests {
            let mut trouble = Trouble::default();
            loop {
                let sent = now;
                now += if purpose == Purpose::Cleaning { pace.cleaning_reply() } else { pace.reply() };
                let why = Passing::of("silence");
                let Some(pause) = pace.pause(purpose, &mut trouble, sent, now, &why) else { break };
                now += pause;
            }
        }
        now - begun
    }

    #[test]
    fn before_a_transfer_a_silent_store_costs_ten_seconds() {
        for (timeout, longest) in
            [(Some(2 * SECOND), 11 * SECOND), (None, 11 * SECOND), (Some(20 * SECOND), 21 * SECOND)]
        {
            let lost = silence(&Pace::new(timeout, Some(300 * SECOND)), Purpose::Work, 1);
            assert!(lost <= longest, "{timeout:?}: {lost:?}");
        }
        // What comes after it is tried, and costs next to nothing.
        let lost = silence(&Pace::new(Some(2 * SECOND), Some(300 * SECOND)), Purpose::Work, 4);
        assert!(lost <= 13 * SECOND, "{lost:?}");
    }

    /// When a request that fails at once is given up, and how often it was sent.
    fn failing(pace: &Pace, why: &Passing) -> (Duration, u32) {
        let begun = Instant::now();
        let (mut now, mut trouble) = (begun, Trouble::default());
        while let Some(pause) = pace.pause(Purpose::Work, &mut trouble, now, now, why) {
            now += pause;
        }
        (now - begun, trouble.attempts)
    }

    #[test]
    fn before_a_transfer_a_store_may_be_away_for_eight_seconds() {
        let refused = Passing { nobody_listens: true, ..Passing::of("nobody listens") };
        for timeout in [Some(2 * SECOND), None, Some(20 * SECOND)] {
            let asking = || Pace::new(timeout, None);
            for (pace, why) in [
                (asking(), Passing::answered("the store answers 503")),
                (asking().awaiting_listener(true), refused.clone()),
            ] {
                let (lost, tries) = failing(&pace, &why);
                assert!((8 * SECOND..=10 * SECOND).contains(&lost), "{timeout:?}: {lost:?}");
                assert!(tries <= if why.answered { 6 } else { 30 }, "{tries}");
                // What comes after it is not waited for once more.
                assert!(failing(&pace, &why).0 < SECOND);
            }
            // Who asks at a port where nobody listens hears so at once.
            assert!(failing(&asking(), &refused).0 < 2 * SECOND);
        }
    }

    #[test]
    fn during_a_transfer_it_is_asked_until_the_time_is_over() {
        let pace = Pace::new(Some(2 * SECOND), Some(60 * SECOND));
        pace.begin_transfer();
        let lost = silence(&pace, Purpose::Work, 1);
        assert!((50 * SECOND..63 * SECOND).contains(&lost), "{lost:?}");
        let lost = silence(&pace, Purpose::Cleaning, 4);
        assert!(lost < 12 * SECOND, "{lost:?}");
    }

    #[test]
    fn failures_at_the_same_time_are_lost_once() {
        let (mut lost, begun) = (Lost::default(), Instant::now());
        lost.add(begun, begun + 2 * SECOND);
        lost.add(begun + SECOND, begun + 2 * SECOND);
        lost.add(begun + SECOND, begun + 3 * SECOND);
        assert_eq!(lost.time, 3 * SECOND);
    }

    #[test]
    fn forty_kilobytes_a_second_have_the_time_they_need() {
        let pace = Pace::new(Some(5 * SECOND), None);
        // The buffers of the way may hold 4 MiB, which take 105 s.
        assert!(pace.answer_to_part(8 << 20, 100 * SECOND) >= 105 * SECOND);
        pace.part_took(8 << 20, 210 * SECOND);
        assert!(pace.answer_to_part(8 << 20, SECOND) >= 105 * SECOND);
        assert_eq!(pace.lanes(4), 1);
        for _ in 0..9 {
            pace.part_took(8 << 20, SECOND / 10);
        }
        assert_eq!(pace.lanes(4), 4);
        assert_eq!(pace.stall(8 << 20), STALL);
        // Nothing was learned of the link, and a try was in vain: the next ones have twice and four times as long.
        let pace = Pace::new(Some(5 * SECOND), None);
        pace.part_was_given_up();
        assert!(pace.answer_to_part(8 << 20, SECOND) >= 130 * SECOND);
    }

    /// The way as a kernel shows it: it takes bytes at once until its buffers are full, and tells of room when a third of them is free.
    /// How long nothing moves at most, how long handing over takes, and how long the answer takes after that.
    fn way(length: f64, buffers: f64, rate: f64) -> (Duration, Duration, Duration) {
        let time = |bytes: f64| Duration::from_secs_f64(bytes.max(0.0) / rate);
        let sending = time(length - buffers);
        let gap = if length > buffers { time(buffers / 3.0) } else { Duration::ZERO };
        (gap, sending, time(length.min(buffers)))
    }

    #[test]
    fn no_part_of_a_slow_link_is_sent_twice() {
        const PART: u64 = 5 << 20;
        for rate in [40_000.0, 100_000.0, 1e6, 1e8] {
            for buffers in [64e3, 1e6, 4.2e6, 16e6] {
                for timeout in [None, Some(2 * SECOND), Some(20 * SECOND)] {
                    let told = |rate: f64| {
                        let pace = Pace::new(timeout, None);
                        pace.told(rate as u64);
                        pace
                    };
                    let measured = told(1e9);
                    let (gap, sending, answer) = way(PART as f64, buffers, rate);
                    measured.part_took(PART, sending + answer);
                    // The very first backup, the next one, and every part after the first.
                    for pace in [Pace::new(timeout, None), told(rate), measured] {
                        let case = format!("{rate} B/s, {buffers} B in buffers, {timeout:?}: {pace:?}");
                        assert!(pace.stall(PART) > gap, "{gap:?} of silence, {case}");
                        assert!(pace.answer_to_part(PART, sending) > answer, "{answer:?} for the answer, {case}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_connection_that_died_without_a_word_leaves_time_for_another_try() {
        for link in [None, Some(40_000), Some(5_000), Some(1_000_000_000)] {
            let pace = Pace::new(None, None);
            pace.begin_transfer();
            link.into_iter().for_each(|rate| pace.told(rate));
            for given_up in [pace.stall(8 << 20), pace.answer_to_part(8 << 20, SECOND)] {
                let (begun, mut trouble) = (Instant::now(), Trouble::default());
                let again = pace.pause(Purpose::Work, &mut trouble, begun, begun + given_up, &Passing::of("no answer"));
                assert!(again.is_some(), "{link:?}: {given_up:?}");
            }
        }
    }
}
