//! Screens of a server in trouble, drawn on a terminal that is none. What stands where is written down here by hand.

use chrono::TimeDelta;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::*;
use crate::commands::diagnose::render::tests::{LONG_KEY, keyspace, report};
use crate::commands::top::model::tests::watched;
use crate::explain::Failure;
use crate::introspection::keyspace::Basis;
use crate::printer::words::Keys;
use crate::rules::Topic;

/// What a window of this size shows, in cells.
fn drawn(model: &Model, width: u16, height: u16, ascii: bool) -> (Buffer, usize) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut scrolled = 0;
    terminal.draw(|frame| scrolled = draw(frame, model, ascii)).unwrap();
    (terminal.backend().buffer().clone(), scrolled)
}

/// The same in rows of text.
fn rows(model: &Model, width: u16, height: u16) -> Vec<String> {
    let (buffer, _) = drawn(model, width, height, false);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

fn press(model: &mut Model, code: KeyCode) {
    model.press(KeyEvent::new(code, KeyModifiers::NONE));
}

#[track_caller]
fn has(rows: &[String], words: &str) {
    assert!(rows.iter().any(|row| row.contains(words)), "`{words}` is missing:\n{}", rows.join("\n"));
}

#[test]
fn twenty_four_rows_hold_everything() {
    let rows = rows(&watched(Keys::Shown), 80, 24);
    assert!(rows[0].starts_with("prod  redis 7.0.15  primary  up 4 d 5 h  10.0.0.1:6379"), "{}", rows[0]);
    assert!(rows[0].ends_with(" UTC"), "{}", rows[0]);
    assert!(rows[1].starts_with("critical: 1 critical, 1 warning; worst: memory is nearly full (M01: "), "{}", rows[1]);
    // Two columns of figures.
    for (row, left, right) in [
        (3, "memory    2.8 GiB of 3.0 GiB", "clients   3,120 of 4,064"),
        (4, "limit     93% used, noeviction", "blocked   2"),
        (5, "commands  10,000/s", "net in    0 B/s"),
        (6, "hit ratio 90.0%", "net out   0 B/s"),
        (7, "evicted   0/s", "slow log  4 kept"),
        (9, "resident  3.6 GiB, 1.29 of used", "answer    0.0 ms"),
    ] {
        assert!(rows[row].starts_with(left), "{}", rows[row]);
        assert_eq!(rows[row].chars().skip(41).take(right.len()).collect::<String>(), right, "{}", rows[row]);
    }
    assert_eq!(rows[10].chars().skip(41).take(18).collect::<String>(), "errors    320/s   ");
    // Who is connected, and what is slow.
    let squeezed = |row: &str| row.split_whitespace().collect::<Vec<_>>().join(" ");
    for (row, words) in [
        (12, "CLIENTS FROM N BLOCKED MEMORY SLOW COMMANDS N MAX MS"),
        (13, "10.0.12.7 2,048 0 4.0 MiB KEYS * 2 812.4"),
        (14, "10.0.12.9 1,040 0 19.4 GiB SMEMBERS"),
        (15, "10.0.0.5 31 0 62.0 KiB EVAL"),
    ] {
        assert!(squeezed(&rows[row]).starts_with(words), "{}", rows[row]);
    }
    assert_eq!(rows[17], "FINDINGS  1 critical, 1 warning, 1 note");
    assert!(rows[18].starts_with("> CRITICAL M01  memory is nearly full (+1): used 93.3%"), "{}", rows[18]);
    assert!(rows[19].starts_with("  WARNING  K04  a string is very large: key report:"), "{}", rows[19]);
    assert!(rows[20].starts_with("  note     P10  nothing is written to disk: save"), "{}", rows[20]);
    assert!(rows[23].starts_with("c clients  s slow log  k keys  f fix  q quit  ? help"), "{}", rows[23]);
}

#[test]
fn the_smallest_window_shows_figures_and_findings() {
    let rows = rows(&watched(Keys::Shown), 60, 15);
    assert!(rows[0].starts_with("prod  redis 7.0.15  primary"), "{}", rows[0]);
    assert!(rows[2].starts_with("memory    2.8 GiB of 3.0 GiB"), "{}", rows[2]);
    // Two columns of 29, with a gap of two.
    assert_eq!(rows[2].chars().skip(31).collect::<String>(), "clients   3,120 of 4,064");
    assert_eq!(rows[8], "FINDINGS  1 critical, 1 warning, 1 note");
    assert!(rows[9].starts_with("> CRITICAL M01  memory is nearly full"), "{}", rows[9]);
    assert!(rows[14].starts_with("c clients  s slow log  k keys  f fix  q quit"), "{}", rows[14]);
}

#[test]
fn a_window_that_is_smaller_says_so_in_one_line() {
    for (width, height) in [(59, 15), (60, 14), (20, 5)] {
        let rows = rows(&watched(Keys::Shown), width, height);
        let all = "top needs a window of 60x15; this one has ";
        assert!(all.starts_with(&rows[0]) || rows[0].starts_with(all), "{}", rows[0]);
        assert!(rows[1..].iter().all(String::is_empty), "{rows:?}");
    }
}

#[test]
fn a_large_window_gives_more_room_to_lists_and_findings() {
    let mut model = watched(Keys::Shown);
    let mut many = report(&Topic::ALL);
    for number in 10..40 {
        let finding = crate::finding::Finding::new(crate::finding::Severity::Warning, format!("X{number}"), "another");
        many.judgement.findings.push(finding);
    }
    model.looked(many, model.now);
    let large = rows(&model, 200, 60);
    let shown = |rows: &[String]| rows.iter().filter(|row| row.contains("WARNING")).count();
    assert!(shown(&large) > 25, "{}", shown(&large));
    has(&large, "EVAL");
    let small = rows(&model, 80, 24);
    has(&small, "FINDINGS  1 critical, 31 warnings, 1 note; 1 to 5 of 33");
    // The marked one is in sight.
    press(&mut model, KeyCode::End);
    let small = rows(&model, 80, 24);
    has(&small, "; 29 to 33 of 33");
    assert!(small[22].starts_with("> note     P10"), "{}", small[22]);
}

#[test]
fn sparklines_show_how_a_number_went() {
    let mut model = watched(Keys::Shown);
    for used in ["1000000000", "2000000000", "4000000000"] {
        let mut next = report(&Topic::ALL);
        next.snapshot.info = next.snapshot.info.with(&[("used_memory", Some(used))]);
        model.looked(next, model.now);
    }
    let rows = rows(&model, 80, 24);
    // 3.0 at first, then 1, 2 and 4 thousand million: heights of a scale from 1 to 4.
    assert!(rows[3].contains("▆▁▃█"), "{}", rows[3]);
}

#[test]
fn pages_show_what_diagnose_shows_in_full() {
    let mut model = watched(Keys::Shown);
    press(&mut model, KeyCode::Char('c'));
    let clients = rows(&model, 120, 24);
    has(&clients, "CLIENTS  3,119, those of redis-ops left out");
    has(&clients, "app@10.0.12.7");
    has(&clients, "billing-worker");
    press(&mut model, KeyCode::Char('s'));
    let slow = rows(&model, 80, 24);
    has(&slow, "SLOW LOG  4, those of redis-ops left out");
    has(&slow, "KEYS *");
    has(&slow, "nightly-report");
    press(&mut model, KeyCode::Char('k'));
    has(&rows(&model, 80, 24), "KEYS  drawing keys…");
    model.sampled(keyspace(Basis::Sample));
    let keys = rows(&model, 80, 40);
    has(&keys, "KEYS  802 random keys of 5,000,000, ±");
    has(&keys, "session:");
    has(&keys, "LARGEST KEYS");
    press(&mut model, KeyCode::Esc);
    press(&mut model, KeyCode::Char('f'));
    let fix = rows(&model, 80, 24);
    has(&fix, "FIX  redis-ops never runs a fix");
    has(&fix, "CRITICAL M01 memory is nearly full");
    has(&fix, "causes M18 writes are refused for lack of memory (refused_per_second 189.5,");
    has(&fix, "fix: CONFIG SET maxmemory 4gb");
    press(&mut model, KeyCode::Char('?'));
    has(&rows(&model, 80, 24), "q or Ctrl-C  quit, and print the last verdict");
}

#[test]
fn a_long_page_scrolls_and_stops_at_its_end() {
    let mut model = watched(Keys::Shown);
    model.sampled(keyspace(Basis::Sample));
    press(&mut model, KeyCode::Char('k'));
    let top = rows(&model, 80, 15);
    press(&mut model, KeyCode::End);
    let (_, scrolled) = drawn(&model, 80, 15, false);
    assert!(scrolled > 0 && scrolled < 100, "{scrolled}");
    let end = rows(&model, 80, 15);
    assert_eq!(top[..4], end[..4], "the head stays");
    has(&end, "`redis-ops diagnose keyspace` draws more keys at once");
    model.scrolled = scrolled;
    press(&mut model, KeyCode::Up);
    assert_eq!(drawn(&model, 80, 15, false).1, scrolled - 1);
}

#[test]
fn trouble_with_the_connection_stands_in_the_place_of_the_verdict() {
    let mut model = watched(Keys::Shown);
    let now = model.now;
    let last = clock(now);
    model.failed(&Failure::new("disconnected", "the connection was closed").into(), now + TimeDelta::seconds(2));
    let lost = format!("connection lost, trying again; last answer {last} (the connection was closed)");
    assert_eq!(rows(&model, 100, 24)[1], lost);
    has(&rows(&model, 80, 24), "memory    2.8 GiB");
    press(&mut model, KeyCode::Char('c'));
    assert_eq!(rows(&model, 100, 24)[1], lost, "on every page");
    model.failed(&Failure::new("busy", "BUSY").into(), now + TimeDelta::seconds(3));
    assert!(rows(&model, 100, 24)[1].starts_with("busy: the server runs a script or a function"));
    model.looked(report(&Topic::ALL), now);
    model.now = now + TimeDelta::seconds(9);
    assert_eq!(rows(&model, 100, 24)[1], format!("no answer for 9.0 s; last answer {last}"));
}

#[test]
fn foreign_text_is_escaped() {
    let mut model = watched(Keys::Shown);
    press(&mut model, KeyCode::Char('c'));
    let rows = rows(&model, 200, 24);
    has(&rows, "evil\\x1b[31m\\u{202e}name");
    assert!(!rows.concat().contains(|c: char| c.is_control() || c == '\u{202e}'));
}

#[test]
fn a_plain_terminal_gets_ascii_alone() {
    let mut model = watched(Keys::Shown);
    model.looked(report(&Topic::ALL), model.now);
    model.sampled(keyspace(Basis::Sample));
    for key in ['x', 'c', 's', 'k', 'f', '?'] {
        model.page = Page::Overview;
        press(&mut model, KeyCode::Char(key));
        let (buffer, _) = drawn(&model, 80, 24, true);
        assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()), "{key}");
    }
}

#[test]
fn without_colour_the_screen_says_the_same() {
    let mut model = watched(Keys::Shown);
    let colours = |model: &Model| {
        let (buffer, _) = drawn(model, 80, 24, false);
        buffer.content.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colours(&model), 0);
    let plain = rows(&model, 80, 24);
    let (buffer, _) = drawn(&model, 80, 24, false);
    assert!(buffer[(0, 18)].modifier.contains(Modifier::REVERSED), "the marked finding");
    model.colour = true;
    assert!(colours(&model) > 0);
    assert_eq!(rows(&model, 80, 24), plain);
}

#[test]
fn hidden_keys_are_on_no_page() {
    let mut model = watched(Keys::Hidden);
    model.sampled(keyspace(Basis::Sample));
    press(&mut model, KeyCode::Down);
    for key in ['x', 'c', 's', 'k', 'f'] {
        model.page = Page::Overview;
        press(&mut model, KeyCode::Char(key));
        let shown = rows(&model, 200, 40).join("\n");
        for name in [LONG_KEY, "report:2026", "session:", "queue:mail"] {
            assert!(!shown.contains(name), "{key}: {name}\n{shown}");
        }
    }
    model.page = Page::Overview;
    press(&mut model, KeyCode::Char('k'));
    has(&rows(&model, 120, 40), "sha256:");
}
