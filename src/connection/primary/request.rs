//! What a replica sends to its primary, parsed with limits: RESP arrays, inline commands, and newlines in between.
//!
//! Replicas of 6.2 and newer send a group of commands before they read the first reply, so several may arrive at once.

use memchr::memchr;

/// The longest command a replica may send, in bytes. The longest real one is `AUTH` with its password.
const REQUEST_LIMIT: usize = 16 * 1024;
/// The most words of one command. `REPLCONF` with all its options has about ten.
const WORDS_LIMIT: usize = 32;

/// A command of a replica, as far as a primary cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Ping,
    /// Its `masterauth`, which we do not look at and do not keep.
    Auth,
    /// `REPLCONF` with options, of which one tells the replica's own port.
    Options {
        listening_port: Option<u16>,
    },
    /// `REPLCONF ACK <offset>`: everything up to this offset is applied.
    Ack(u64),
    /// `PSYNC <replid> <offset>`.
    Psync {
        replid: String,
    },
    /// Any other command, such as `SYNC` or `GET`.
    Other,
}

/// A replica's bytes as requests.
#[derive(Default)]
pub(super) struct Requests {
    buffer: Vec<u8>,
}

impl Requests {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole request; `None` while it is not whole.
    ///
    /// # Errors
    /// What is no command, or is longer than any command of a replica. There is no going on after that.
    pub(super) fn next(&mut self) -> Result<Option<Request>, &'static str> {
        // A target that loads or waits sends bare newlines, so that we know it is alive.
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.buffer.drain(..blank);
        let Some(parsed) = parse(&self.buffer)? else {
            return if self.buffer.len() > REQUEST_LIMIT { Err("a command that is too long") } else { Ok(None) };
        };
        let request = understand(&parsed.words);
        let length = parsed.length;
        self.buffer.drain(..length);
        Ok(Some(request))
    }
}

struct Parsed<'a> {
    words: Vec<&'a [u8]>,
    length: usize,
}

fn parse(buffer: &[u8]) -> Result<Option<Parsed<'_>>, &'static str> {
    let Some((line, mut at)) = line(buffer, 0) else { return Ok(None) };
    let Some(count) = line.strip_prefix(b"*") else {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        return if words.len() > WORDS_LIMIT {
            Err("a command with too many words")
        } else {
            Ok(Some(Parsed { words, length: at }))
        };
    };
    let count = number::<usize>(count).filter(|count| *count <= WORDS_LIMIT).ok_or("a command with too many words")?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let Some((header, start)) = self::line(buffer, at) else { return Ok(None) };
        let length =
            header.strip_prefix(b"$").and_then(number::<usize>).ok_or("a command whose words have no length")?;
        if length > REQUEST_LIMIT {
            return Err("a command that is too long");
        }
        let Some(word) = buffer.get(start..start + length) else { return Ok(None) };
        match buffer.get(start + length..start + length + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err("a word that is longer than it says"),
            None => return Ok(None),
        }
        words.push(word);
        at = start + length + 2;
    }
    Ok(Some(Parsed { words, length: at }))
}

/// The line that begins at `from`, and where the next one does.
fn line(buffer: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = buffer.get(from..)?;
    let end = memchr(b'\n', rest)?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), from + end + 1))
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn understand(words: &[&[u8]]) -> Request {
    let is = |index: usize, name: &str| words.get(index).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    match words.len() {
        1 if is(0, "PING") => Request::Ping,
        2 | 3 if is(0, "AUTH") => Request::Auth,
        3.. if is(0, "REPLCONF") && is(1, "ACK") => number(words[2]).map_or(Request::Other, Request::Ack),
        3.. if is(0, "REPLCONF") => {
            let at = (1..words.len()).step_by(2).find(|at| is(*at, "listening-port"));
            Request::Options { listening_port: at.and_then(|at| number(words.get(at + 1)?)) }
        }
        // With FAILOVER as a fourth word, somebody else means us to give up being a primary.
        3 if is(0, "PSYNC") => match std::str::from_utf8(words[1]) {
            Ok(replid) => Request::Psync { replid: replid.to_owned() },
            Err(_) => Request::Other,
        },
        _ => Request::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All requests in `input`, however it is cut.
    #[track_caller]
    fn check(input: &[u8], expected: &[Request]) {
        for step in [1, 2, 3, 7, input.len()] {
            let (mut requests, mut found) = (Requests::default(), Vec::new());
            for bytes in input.chunks(step) {
                requests.push(bytes);
                while let Some(request) = requests.next().expect("well formed") {
                    found.push(request);
                }
            }
            assert_eq!(found, expected, "in steps of {step}");
        }
    }

    #[track_caller]
    fn check_refused(input: &[u8], reason: &str) {
        let mut requests = Requests::default();
        requests.push(input);
        assert_eq!(requests.next(), Err(reason));
    }

    #[test]
    fn the_group_that_a_replica_of_7_0_sends() {
        check(
            b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$5\r\n17101\r\n\
              *5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n*3\r\n$5\r\nPSYNC\r\n$3\r\nabc\r\n$1\r\n1\r\n",
            &[
                Request::Ping,
                Request::Auth,
                Request::Options { listening_port: Some(17101) },
                Request::Options { listening_port: None },
                Request::Psync { replid: "abc".into() },
            ],
        );
    }

    #[test]
    fn newlines_between_acknowledgements_mean_only_that_it_lives() {
        check(
            b"\n\n*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$4\r\n1074\r\n\n*5\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$1\r\n7\r\n$4\r\nFACK\r\n$1\r\n3\r\n",
            &[Request::Ack(1074), Request::Ack(7)],
        );
    }

    #[test]
    fn what_no_replica_means_is_told_apart() {
        check(b"SYNC\r\n", &[Request::Other]);
        check(b"GET / HTTP/1.1\r\n", &[Request::Other]);
        check(b"PING\n", &[Request::Ping]);
        check(b"*0\r\n", &[Request::Other]);
        check(b"*4\r\n$5\r\nPSYNC\r\n$1\r\na\r\n$1\r\n1\r\n$8\r\nFAILOVER\r\n", &[Request::Other]);
        check(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n-1\r\n", &[Request::Other]);
    }

    #[test]
    fn what_is_too_much_or_not_a_command_is_refused() {
        check_refused(b"*33\r\n", "a command with too many words");
        check_refused(b"*-1\r\n", "a command with too many words");
        check_refused(b"*1\r\n$16385\r\n", "a command that is too long");
        check_refused(b"*1\r\nPING\r\n", "a command whose words have no length");
        check_refused(b"*1\r\n$99999999999999999999\r\n", "a command whose words have no length");
        check_refused(b"*1\r\n$4\r\nPINGPONG\r\n", "a word that is longer than it says");
        check_refused(&[b'x'; REQUEST_LIMIT + 1], "a command that is too long");
    }
}
