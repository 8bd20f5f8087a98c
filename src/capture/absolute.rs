//! Expiries in streams of servers before 7.0: those stream `EXPIRE` and `SET … EX` with the time that is left, and replayed later a key would
//! live longer by the delay. The moment of each such command is known from the marks, to a second, and behind it the same key is given the
//! absolute time.

use crate::repository::manifest::Server;
use crate::repository::segment::Mark;
use crate::stream::{Command, WORD_KEPT};

/// Whether a server streams expiries relatively.
pub fn is_relative(server: &Server) -> bool {
    let major = server.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    server.name == "redis" && major.is_some_and(|major| major < 7)
}

/// What has to follow a command that sets an expiry relatively: the same expiry as a moment. `None`: it sets none, or no mark is near, or
/// its key is longer than what is kept of a word.
pub fn behind(command: &Command<'_>, marks: &[Mark]) -> Option<Vec<u8>> {
    let left_ms = left_ms(command)?;
    let key = command.word(1).filter(|_| command.length_of(1).is_some_and(|length| length <= WORD_KEPT as u64))?;
    // The first mark behind it: at most a second later than it was.
    let mark = marks.iter().find(|mark| mark.offset >= command.end).or(marks.last())?;
    let at = (mark.time_us / 1000).checked_add(left_ms)?.to_string();
    let mut bytes = format!("*3\r\n$9\r\nPEXPIREAT\r\n${}\r\n", key.len()).into_bytes();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(format!("\r\n${}\r\n{at}\r\n", at.len()).as_bytes());
    Some(bytes)
}

/// The time that a command gives to its key, milliseconds.
fn left_ms(command: &Command<'_>) -> Option<i64> {
    let number = |at: usize| std::str::from_utf8(command.word(at)?).ok()?.parse::<i64>().ok();
    let seconds = |at: usize| number(at)?.checked_mul(1000);
    match command.n_words {
        3.. if command.is("EXPIRE") => seconds(2),
        3.. if command.is("PEXPIRE") => number(2),
        4 if command.is("SETEX") => seconds(2),
        4 if command.is("PSETEX") => number(2),
        4.. if command.is("SET") || command.is("GETEX") => {
            let first = if command.is("SET") { 3 } else { 2 };
            (first..7).find_map(|at| match () {
                () if command.word_is(at, "EX") => seconds(at + 1),
                () if command.word_is(at, "PX") => number(at + 1),
                () => None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Scanner;

    #[track_caller]
    fn check(words: &[&str], at: Option<&str>) {
        let mut bytes = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
        let marks = [Mark { offset: 1, time_us: 1_000_000 }, Mark { offset: 10_000, time_us: 5_000_000 }];
        let mut found = None;
        Scanner::at(1, 0).push(bytes.as_bytes(), |command| found = behind(command, &marks)).expect("a command");
        let expected = at.map(|at| format!("*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nk\r\n${}\r\n{at}\r\n", at.len()));
        assert_eq!(found.map(|bytes| String::from_utf8(bytes).expect("text")), expected, "{words:?}");
    }

    #[test]
    fn the_six_forms_are_made_absolute_and_no_others() {
        check(&["EXPIRE", "k", "10"], Some("15000"));
        check(&["PEXPIRE", "k", "10"], Some("5010"));
        check(&["SETEX", "k", "10", "v"], Some("15000"));
        check(&["psetex", "k", "10", "v"], Some("5010"));
        check(&["SET", "k", "v", "EX", "10"], Some("15000"));
        check(&["SET", "k", "EX", "NX", "px", "10"], Some("5010"));
        for words in [
            &["SET", "k", "v"][..],
            &["SET", "k", "v", "PXAT", "10"],
            &["PEXPIREAT", "k", "10"],
            &["DEL", "k"],
            &["SET", "k", "v", "KEEPTTL"],
        ] {
            check(words, None);
        }
    }
}
