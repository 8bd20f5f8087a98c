//! Replies of a pipeline, read as they arrive: only as much of each as a restore needs to know.

use crate::explain::{Explain, Meaning};

/// A line of a reply longer than this is no reply of Redis.
const LONGEST_LINE: usize = 64 * 1024;
/// Arrays within arrays; the deepest that our commands get is two.
const DEEPEST: usize = 8;

/// One whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK` and other simple strings.
    Ok,
    /// An error line without its `-`.
    Error(String),
    /// A number, such as how many keys were removed.
    Integer(i64),
    /// A null: what was asked for is not there.
    Nil,
    /// A string or an array, and how many elements the latter has. The first error in it counts as [`Reply::Error`].
    Other(usize),
    /// An array with numbers among its elements, as `EXEC` answers: these, in their order.
    Numbers(Vec<i64>),
}

/// The bytes are no RESP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reply violates the protocol: {0}")]
pub struct NotAReply(pub &'static str);

impl Explain for NotAReply {
    fn meaning(&self) -> Meaning {
        Meaning::of("protocol_error")
    }
}

/// Takes bytes as they come, gives whole replies.
#[derive(Debug, Default)]
pub struct Replies {
    line: Vec<u8>,
    /// Bytes of a bulk string (with its line end) that are still to come.
    skip: u64,
    /// Elements that each open array still waits for, outermost first.
    open: Vec<usize>,
    /// What the outermost array will be told as.
    whole: Option<Reply>,
    /// Numbers that are elements of the outermost array.
    numbers: Vec<i64>,
}

impl Replies {
    /// Reads on; tells each reply that is complete.
    ///
    /// # Errors
    /// What no server sends.
    pub fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Reply)) -> Result<(), NotAReply> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                self.skip -= n as u64;
                bytes = &bytes[n..];
                if self.skip == 0
                    && let Some(reply) = self.element(Reply::Other(0))
                {
                    tell(reply);
                }
                continue;
            }
            // The one reply there are millions of.
            if self.line.is_empty() && self.open.is_empty() && bytes.starts_with(b"+OK\r\n") {
                bytes = &bytes[5..];
                tell(Reply::Ok);
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                if self.line.len() > LONGEST_LINE {
                    return Err(NotAReply("a line without an end"));
                }
                return Ok(());
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            let reply = self.line(&line)?;
            line.clear();
            self.line = line;
            if let Some(reply) = reply.and_then(|reply| self.element(reply)) {
                tell(reply);
            }
        }
        Ok(())
    }

    /// A line: a reply or the head of one (then `None`).
    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, NotAReply> {
        let (kind, rest) = line.split_first().ok_or(NotAReply("an empty line"))?;
        let number = || {
            let text = std::str::from_utf8(rest).map_err(|_| NotAReply("a number that is none"))?;
            text.parse::<i64>().map_err(|_| NotAReply("a number that is none"))
        };
        Ok(match kind {
            b'+' => Some(Reply::Ok),
            b'-' => Some(Reply::Error(String::from_utf8_lossy(rest).into_owned())),
            b':' => Some(Reply::Integer(number()?)),
            b'_' => Some(Reply::Nil),
            b'$' | b'*' if number()? < 0 => Some(Reply::Nil),
            b'$' => {
                // Never allocated, only counted.
                self.skip = number()?.unsigned_abs().saturating_add(2);
                None
            }
            b'*' if number()? == 0 => Some(Reply::Other(0)),
            b'*' => {
                if self.open.len() >= DEEPEST {
                    return Err(NotAReply("arrays nested too deep"));
                }
                let n = usize::try_from(number()?).map_err(|_| NotAReply("a number that is none"))?;
                if self.open.is_empty() {
                    self.whole = Some(Reply::Other(n));
                }
                self.open.push(n);
                None
            }
            _ => return Err(NotAReply("an unknown kind of reply")),
        })
    }

    /// An element is complete: the whole reply if nothing is open, or if it was the last one that was waited for.
    fn element(&mut self, reply: Reply) -> Option<Reply> {
        if self.open.is_empty() {
            return Some(reply);
        }
        if let (Reply::Integer(number), 1) = (&reply, self.open.len()) {
            self.numbers.push(*number);
        }
        if matches!(reply, Reply::Error(_)) && !matches!(self.whole, Some(Reply::Error(_))) {
            self.whole = Some(reply);
        }
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return None;
            }
            self.open.pop();
        }
        let numbers = std::mem::take(&mut self.numbers);
        match self.whole.take() {
            Some(Reply::Other(_)) if !numbers.is_empty() => Some(Reply::Numbers(numbers)),
            whole => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Reply>, NotAReply> {
        let mut replies = Replies::default();
        let mut told = Vec::new();
        for part in bytes.chunks(step) {
            replies.push(part, |reply| told.push(reply))?;
        }
        Ok(told)
    }

    #[test]
    fn replies_are_the_same_however_they_are_cut() {
        let bytes = b"+OK\r\n:3\r\n-BUSYKEY Target key\r\n$5\r\n12\r\n5\r\n$-1\r\n*2\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n+PONG\r\n*-1\r\n\
            *0\r\n*2\r\n+OK\r\n-ERR in it\r\n$0\r\n\r\n+OK\r\n*4\r\n:0\r\n+OK\r\n*1\r\n:7\r\n:5\r\n*1\r\n+OK\r\n";
        let expected = vec![
            Reply::Ok,
            Reply::Integer(3),
            Reply::Error("BUSYKEY Target key".into()),
            Reply::Other(0),
            Reply::Nil,
            Reply::Other(2),
            Reply::Ok,
            Reply::Nil,
            Reply::Other(0),
            Reply::Error("ERR in it".into()),
            Reply::Other(0),
            Reply::Ok,
            Reply::Numbers(vec![0, 5]),
            Reply::Other(1),
        ];
        for step in 1..bytes.len() {
            assert_eq!(read(bytes, step).unwrap(), expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bytes in [&b"HTTP/1.1 400\r\n"[..], b"\r\n", b":x\r\n", b"$x\r\n", &b"*1\r\n".repeat(9)] {
            assert!(read(bytes, 3).is_err(), "{bytes:?}");
        }
        assert!(read(&vec![b'+'; LONGEST_LINE + 2], 4096).is_err());
    }
}
