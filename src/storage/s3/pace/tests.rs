//! How long a store that is silent, fails or is slow is waited for.

use super::link::STALL;
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
    for (timeout, longest) in [(Some(2 * SECOND), 11 * SECOND), (None, 11 * SECOND), (Some(20 * SECOND), 21 * SECOND)] {
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
fn looking_for_garbage_costs_ten_seconds_also_during_a_transfer() {
    let pace = Pace::new(Some(SECOND), Some(300 * SECOND));
    pace.begin_transfer();
    let begun = Instant::now();
    let mut now = begun;
    for _ in 0..20 {
        let mut trouble = Trouble::default();
        while let Some(pause) = pace.pause(Purpose::Garbage, &mut trouble, now, now, &Passing::answered("500")) {
            now += pause;
        }
    }
    assert!(now - begun <= ASKING, "{:?}", now - begun);
    // It has cost the work and the cleaning nothing.
    assert_eq!(pace.cleaning_reply(), SECOND);
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
