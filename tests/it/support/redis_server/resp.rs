//! A small blocking client, so that tests need no `redis-cli` and do not trust our own code.

use std::fmt;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reply in RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl fmt::Display for Reply {
    /// As `redis-cli` prints it to a pipe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) | Self::Error(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Bulk(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Nil => Ok(()),
            Self::Array(replies) => {
                let lines: Vec<_> = replies.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// A blocking connection.
pub struct Client {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
}

impl Client {
    pub fn unix(path: &Path) -> Result<Self> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(Box::new(socket.try_clone()?)), writer: Box::new(socket) })
    }

    pub fn tcp(port: u16) -> Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(Box::new(socket.try_clone()?)), writer: Box::new(socket) })
    }

    /// Sends one command and reads its reply.
    pub fn ask(&mut self, command: &[&[u8]]) -> Result<Reply> {
        self.writer.write_all(&packed(command))?;
        self.reply()
    }

    /// Sends one command, and reads no reply.
    pub fn send(&mut self, command: &[&[u8]]) -> Result<()> {
        self.writer.write_all(&packed(command))
    }

    /// Sends commands, a thousand at a time, and reads their replies.
    ///
    /// # Errors
    /// Also if a reply is an error.
    pub fn pipe<'a>(&mut self, commands: impl IntoIterator<Item = Vec<&'a [u8]>>) -> Result<()> {
        let mut commands = commands.into_iter();
        loop {
            let some: Vec<_> = commands.by_ref().take(1000).collect();
            if some.is_empty() {
                return Ok(());
            }
            // A server with a full socket towards us stops reading: small replies only.
            for command in &some {
                self.writer.write_all(&packed(command))?;
            }
            for _ in &some {
                if let Reply::Error(text) = self.reply()? {
                    return Err(Error::other(text));
                }
            }
        }
    }

    /// The next reply, for instance of a subscription.
    pub fn reply(&mut self) -> Result<Reply> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        let (kind, text) = line.split_first().ok_or(ErrorKind::InvalidData)?;
        let text = String::from_utf8_lossy(text).into_owned();
        let number = || text.parse::<i64>().map_err(|_| Error::new(ErrorKind::InvalidData, text.clone()));
        Ok(match kind {
            b'+' => Reply::Simple(text),
            b'-' => Reply::Error(text),
            b':' => Reply::Int(number()?),
            b'$' => match usize::try_from(number()?) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.reader.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Reply::Bulk(bytes)
                }
                Err(_) => Reply::Nil,
            },
            b'*' => match usize::try_from(number()?) {
                Ok(n_replies) => Reply::Array((0..n_replies).map(|_| self.reply()).collect::<Result<_>>()?),
                Err(_) => Reply::Nil,
            },
            _ => return Err(Error::new(ErrorKind::InvalidData, text)),
        })
    }
}

fn packed(command: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
