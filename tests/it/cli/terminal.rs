//! What stands on a real terminal in the end, and what moved there meanwhile.

use std::process::{Command, Stdio};

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A run on a terminal of 80 columns.
struct Shown {
    code: i32,
    /// Everything that was written to the terminal.
    raw: String,
    /// What it shows in the end.
    screen: Vec<String>,
}

/// Runs on a terminal that `script` makes; `None` where there is no `script`.
fn on_a_terminal(arguments: &[&str]) -> Option<Shown> {
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!("stty cols 80 rows 24; exec '{}' {}", env!("CARGO_BIN_EXE_redis-ops"), quoted.join(" "));
    let home = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env_clear().env("TERM", "xterm").env("HOME", home.path());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let Ok(output) = command.stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        crate::support::skip("script");
        return None;
    };
    let raw = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(Shown { code: output.status.code().unwrap_or(-1), screen: screen_of(&raw), raw })
}

/// The lines of a terminal of 80 columns after these characters.
fn screen_of(text: &str) -> Vec<String> {
    const COLUMNS: usize = 80;
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                // `ESC [ number letter`
                let mut number = String::new();
                let end = characters.by_ref().skip(1).find(|character| {
                    number.push(*character);
                    character.is_ascii_alphabetic()
                });
                let count = number.trim_end_matches(char::is_alphabetic).parse::<usize>().ok();
                match end {
                    Some('A') => row = row.saturating_sub(count.unwrap_or(1)),
                    Some('B') => row += count.unwrap_or(1),
                    Some('K') if count == Some(2) => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    _ => {}
                }
            }
            character if character.is_control() => {}
            character => {
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let text = |line: Vec<char>| line.into_iter().collect::<String>().trim_end().to_owned();
    let mut lines: Vec<String> = lines.into_iter().map(text).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The lines that were drawn and taken away again.
fn bars(shown: &Shown) -> Vec<&str> {
    shown.raw.split(['\r', '\n']).filter(|line| line.contains("/s")).collect()
}

#[test]
fn the_terminal_of_these_tests_is_one() {
    assert_eq!(
        screen_of("abc\r\nbar 1\r\u{1b}[2Kdone\r\n\u{1b}[1mbold\u{1b}[0m\u{1b}[1A\rD\r\n"),
        ["abc", "Done", "bold"]
    );
    assert_eq!(screen_of(&"x".repeat(81)), ["x".repeat(80), "x".to_owned()]);
}

#[test]
fn a_bar_moves_and_nothing_of_it_is_left() {
    let (Some(server), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    server.fill(20_000, 100);
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().display().to_string();
    let place = ["-r", &repository, "--name", "prod"];
    let url = server.url();
    let backup = [&["backup", "-i", &url, "--rate", "1MB", "--compression", "none"], &place[..]].concat();
    let Some(shown) = on_a_terminal(&backup) else { return };
    assert_eq!(shown.code, 0, "{}", shown.raw);
    let drawn = bars(&shown);
    assert!(drawn.len() > 3, "it moves: {:?}", shown.raw);
    assert!(!shown.raw.contains("0/0"), "no bar of nothing: {:?}", shown.raw);
    assert!(shown.screen.iter().all(|line| !line.contains("/s ") || line.starts_with("time ")), "{:#?}", shown.screen);
    assert!(shown.screen.last().is_some_and(|line| line.starts_with("ok: ")), "{:#?}", shown.screen);

    let target_url = target.url();
    let restore = ["restore", "--backup-id", "prod/latest", "--target-instance", &target_url, "-r", &repository];
    let Some(shown) = on_a_terminal(&restore) else { return };
    assert_eq!(shown.code, 0, "{}", shown.raw);
    assert!(!bars(&shown).is_empty(), "{:?}", shown.raw);
    let left: Vec<_> = shown.screen.iter().filter(|line| line.contains("/s") || line.contains('[')).collect();
    assert!(left.is_empty(), "a note must not leave the bar standing above it: {:#?}", shown.screen);

    let Some(shown) = on_a_terminal(&["verify", "--backup-id", "prod/latest", "-r", &repository]) else { return };
    assert_eq!(shown.code, 0, "{}", shown.raw);
    assert!(shown.screen.iter().all(|line| !line.contains("/s")), "{:#?}", shown.screen);
}

#[test]
fn a_pipe_gets_neither_bars_nor_colours() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let run = RedisOps::new().args(["backup", "-i", &server.url(), "-r", &folder.path().display().to_string()]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.everything().contains(['\u{1b}', '\r']), "{:?}", run.everything());
}
