//! The little of RESP that a greeting takes: commands out, replies of one line in. Everything else is read by the `redis` crate.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ServerError, Stream};

/// The longest line that is taken from a server, in bytes. Redis' own limit for a line is 64 KiB.
const LINE_LIMIT: usize = 64 * 1024;

/// A stream with the bytes that were read from it and not used yet.
pub(super) struct Wire {
    pub(super) stream: Stream,
    pub(super) buffer: BytesMut,
}

/// A reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A line of text, `+…`.
    Simple(String),
    /// An error reply, `-…`.
    Error(ServerError),
    /// Anything else: a protocol that is not Redis', or a reply that a greeting does not expect.
    Other(String),
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Sends commands in one go.
    pub(super) async fn send(&mut self, commands: &[Vec<&[u8]>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for command in commands {
            pack(command, &mut bytes);
        }
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// The next line without its end: up to `\n`, and a `\r` before it left out. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other side closed; `InvalidData` if the line is too long.
    pub(super) async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[searched..]).map(|at| at + searched) {
                let mut line = self.buffer.split_to(end).to_vec();
                self.buffer.advance(1);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched > LINE_LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next reply of one line.
    ///
    /// # Errors
    /// As [`Wire::read_line`].
    pub(super) async fn read_reply(&mut self) -> io::Result<Reply> {
        let line = self.read_line().await?;
        Ok(match line.split_first() {
            Some((b'+', text)) => Reply::Simple(String::from_utf8_lossy(text).into_owned()),
            Some((b'-', text)) => Reply::Error(ServerError::parse(&String::from_utf8_lossy(text))),
            _ => Reply::Other(excerpt(&line)),
        })
    }
}

impl Wire {
    /// The next reply that is text: a line, a number, or a bulk string of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Wire::read_line`]; `InvalidData` also if it is longer, or something else.
    pub(super) async fn read_text(&mut self, limit: usize) -> io::Result<Result<Vec<u8>, ServerError>> {
        let line = self.read_line().await?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, excerpt(&line));
        let rest = line.get(1..).unwrap_or_default();
        match line.first() {
            Some(b'+' | b':') => Ok(Ok(rest.to_vec())),
            Some(b'-') => Ok(Err(ServerError::parse(&String::from_utf8_lossy(rest)))),
            Some(b'$') => {
                let length = std::str::from_utf8(rest).ok().and_then(|text| text.parse::<usize>().ok());
                let length = length.filter(|length| *length <= limit).ok_or_else(wrong)?;
                while self.buffer.len() < length + 2 {
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                let text = self.buffer.split_to(length).to_vec();
                self.buffer.advance(2);
                Ok(Ok(text))
            }
            _ => Err(wrong()),
        }
    }
}

/// The beginning of something unexpected, escaped, for a message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = bytes[..bytes.len().min(LONGEST)].escape_ascii().to_string();
    if bytes.len() > LONGEST { format!("{shown}…") } else { shown }
}

/// A command as a RESP array of bulk strings.
fn pack(command: &[&[u8]], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for argument in command {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
}
