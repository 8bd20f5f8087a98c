//! The terminal: its size, its colours, and that it is given back.

use rustix::process::Signal;

use super::{USUAL, UTF_8, top_of};
use crate::support::pty::Terminal;
use crate::support::redis_server::RedisServer;

/// No row is longer than the screen, and the last one holds the keys.
#[track_caller]
fn fits(screen: &str, rows: usize, columns: usize) {
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), rows, "{screen}");
    assert!(lines.iter().all(|line| line.chars().count() <= columns), "{screen}");
    assert!(lines[rows - 1].starts_with("c clients"), "{screen}");
}

#[test]
fn every_size_from_60x15_has_its_screen_and_a_new_size_is_drawn_at_once() {
    let Some(server) = RedisServer::start() else { return };
    // The next look is a minute away: what is drawn meanwhile is drawn for the new size.
    let url = server.url();
    let Some(mut terminal) = Terminal::controlling(USUAL, &["top", "-i", &url, "--every", "60s"], UTF_8) else {
        return;
    };
    let is_whole = |screen: &str, rows: usize| {
        screen.lines().count() == rows && screen.contains("FINDINGS") && screen.contains("q quit")
    };
    fits(&terminal.wait_until("24 rows", |screen| is_whole(screen, 24)), 24, 80);
    terminal.resize((15, 60));
    fits(&terminal.wait_until("15 rows", |screen| is_whole(screen, 15)), 15, 60);
    terminal.resize((10, 40));
    terminal.wait_for_screen("top needs a window of 60x15; this one ha");
    terminal.resize((50, 200));
    fits(&terminal.wait_until("50 rows", |screen| is_whole(screen, 50)), 50, 200);
    assert!(terminal.is_taken());
    terminal.press("q");
    assert_eq!(terminal.end().0, 0);
}

/// A way to leave.
type Leave = fn(&mut Terminal);

#[test]
fn q_ctrl_c_and_sigterm_end_alike_and_give_the_terminal_back() {
    let Some(server) = RedisServer::start() else { return };
    let leave: [(&str, Leave); 3] = [
        ("q", |terminal| terminal.press("q")),
        ("Ctrl-C", |terminal| terminal.press("\u{3}")),
        ("SIGTERM", |terminal| terminal.signal(Signal::TERM)),
    ];
    for (how, leave) in leave {
        let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
        terminal.wait_for_screen("FINDINGS");
        assert!(terminal.is_taken() && !terminal.is_cooked(), "{how}");
        leave(&mut terminal);
        terminal.wait_until("the screen of before", |screen| !screen.contains("FINDINGS"));
        terminal.wait_for("\u{1b}[?1049l");
        while !terminal.has_ended() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!terminal.is_taken() && terminal.is_cooked(), "{how}");
        let (code, shown) = terminal.end();
        assert_eq!(code, 0, "{how}: {shown:?}");
        assert!(shown.rsplit("\u{1b}[?1049l").next().is_some_and(|end| end.contains("no warnings: ")), "{shown:?}");
    }
}

#[test]
fn the_exit_code_is_that_of_the_last_verdict() {
    // Less than the server needs for itself.
    let Some(server) = RedisServer::builder().arg("maxmemory", "100kb").start() else { return };
    let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
    let screen = terminal.wait_for_screen("FINDINGS");
    assert!(screen.contains("critical: "), "{screen}");
    terminal.press("q");
    let (code, shown) = terminal.end();
    assert_eq!(code, 2, "{shown:?}");
    let end = shown.rsplit("\u{1b}[?1049l").next().unwrap_or_default();
    assert!(end.contains("critical:") && end.contains("memory"), "{end:?}");
}

#[test]
fn no_color_and_a_locale_without_utf_8_are_kept() {
    let Some(server) = RedisServer::builder().arg("maxmemory", "100kb").start() else { return };
    let url = server.url();
    let arguments = ["top", "-i", &url, "--every", "1s"];
    // Colours of a foreground: `ESC [ 3 N m` and `ESC [ 38 ; … m`, but not 39, which is none.
    let colours = |shown: &str| {
        let begins = shown.match_indices("\u{1b}[3").map(|(at, _)| shown[at + 3..].chars().next());
        begins.filter(|next| next.is_some_and(|next| next.is_ascii_digit() && next != '9')).count()
    };
    let Some(mut coloured) = Terminal::controlling(USUAL, &arguments, UTF_8) else { return };
    coloured.wait_until("bars", |screen| screen.contains('█'));
    coloured.press("q");
    assert!(colours(&coloured.end().1) > 0);
    let Some(mut plain) = Terminal::controlling(USUAL, &arguments, &[("NO_COLOR", "1")]) else { return };
    plain.wait_until("bars", |screen| screen.contains('#'));
    plain.press("q");
    let (_, shown) = plain.end();
    let screens = shown.rsplit_once("\u{1b}[?1049l").map_or("", |(before, _)| before);
    assert_eq!(colours(&shown), 0, "{shown:?}");
    assert!(screens.is_ascii(), "{screens:?}");
}
