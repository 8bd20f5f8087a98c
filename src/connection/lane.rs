//! A connection on which long answers are read in pieces as they come. Client libraries hold an answer whole, several times over.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use super::replication::LEAST_RATE;
use super::stream::{is_closed, words};
use super::wire::{Wire, excerpt};
use super::{CommandError, CommandFault, ConnectError, Node, ServerError};

/// The longest piece that is handed out.
const PIECE: usize = 256 << 10;

/// A connection for commands that are answered at length. After an error it is of no use any more.
pub struct Lane {
    wire: Wire,
    silence: Duration,
    /// When the answer that is being read has to be there: later with every byte.
    until: Instant,
}

/// An answer, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A line of text, `+…`.
    Simple(String),
    /// An error reply, `-…`.
    Error(ServerError),
    /// A number, `:…`.
    Integer(i64),
    /// A bulk string of so many bytes: [`Lane::piece`] reads them, and [`Lane::end`] what is behind them.
    Bulk(u64),
    /// An array of so many answers, which follow.
    Array(u64),
    Nil,
}

impl Node {
    /// Connects as [`Node::connect`] does, for answers that are read in pieces. A server that is silent for [`Node::silence`], or sends
    /// less than [`LEAST_RATE`] bytes a second for so long, is given up.
    ///
    /// # Errors
    /// As [`Node::connect`].
    pub async fn connect_for_long_answers(&self) -> Result<Lane, ConnectError> {
        let wire = Wire::new(self.open_authenticated().await?);
        Ok(Lane { wire, silence: self.silence, until: Instant::now() })
    }
}

impl Lane {
    /// Sends commands in one go; the answers come in their order. Names the first in what fails.
    ///
    /// # Errors
    /// `Disconnected`, or `Timeout`.
    pub async fn send(&mut self, commands: &[Vec<&[u8]>]) -> Result<(), CommandError> {
        let name = commands.first().and_then(|command| command.first()).copied().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        self.until = Instant::now() + self.silence;
        let sent = timeout_at(self.until, self.wire.send(commands)).await;
        self.told(sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())), &name)
    }

    /// The next answer, or its beginning. `name`: the command it belongs to, for errors.
    ///
    /// # Errors
    /// `Disconnected`, `Timeout`, or `Protocol`.
    pub async fn head(&mut self, name: &str) -> Result<Head, CommandError> {
        let line = timeout_at(self.until, self.wire.read_line()).await;
        let line = self.told(line.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())), name)?;
        let odd = || {
            let reason = format!("`{}` is no answer", excerpt(&line));
            CommandError { command: name.to_owned(), fault: CommandFault::Protocol { reason } }
        };
        let (kind, rest) = line.split_first().ok_or_else(odd)?;
        let text = String::from_utf8_lossy(rest);
        let number = || text.parse::<i64>().map_err(|_| odd());
        Ok(match kind {
            b'+' => Head::Simple(text.into_owned()),
            b'-' => Head::Error(ServerError::parse(&text)),
            b':' => Head::Integer(number()?),
            b'_' => Head::Nil,
            b'$' | b'*' => match (kind, u64::try_from(number()?)) {
                (_, Err(_)) => Head::Nil,
                (b'$', Ok(length)) => Head::Bulk(length),
                (_, Ok(length)) => Head::Array(length),
            },
            _ => return Err(odd()),
        })
    }

    /// The next bytes of an answer of which `left` are still to come: at least one, at most 256 KiB.
    ///
    /// # Errors
    /// As [`Lane::head`].
    pub async fn piece(&mut self, left: u64, name: &str) -> Result<Bytes, CommandError> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        if self.wire.buffer.is_empty() && most > 0 {
            self.more(most, name).await?;
        }
        let piece = self.wire.buffer.split_to(self.wire.buffer.len().min(most)).freeze();
        self.until += Duration::from_secs_f64(piece.len() as f64 / LEAST_RATE as f64);
        Ok(piece)
    }

    /// The line end behind the bytes of an answer.
    ///
    /// # Errors
    /// As [`Lane::head`].
    pub async fn end(&mut self, name: &str) -> Result<(), CommandError> {
        while self.wire.buffer.len() < 2 {
            self.more(2, name).await?;
        }
        let is_end = self.wire.buffer.starts_with(b"\r\n");
        self.wire.buffer.advance(2);
        if is_end {
            return Ok(());
        }
        let reason = "the reply does not end where its length says".to_owned();
        Err(CommandError { command: name.to_owned(), fault: CommandFault::Protocol { reason } })
    }

    /// A whole answer of text, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Lane::head`]; error replies, too.
    pub async fn text(&mut self, limit: usize, name: &str) -> Result<Vec<u8>, CommandError> {
        let answer = timeout_at(self.until, self.wire.read_text(limit)).await;
        let answer = self.told(answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())), name)?;
        answer.map_err(|error| CommandError { command: name.to_owned(), fault: error.fault(name) })
    }

    async fn more(&mut self, most: usize, name: &str) -> Result<(), CommandError> {
        self.wire.buffer.reserve(most.min(PIECE));
        let until = self.until.min(Instant::now() + self.silence);
        let read = timeout_at(until, self.wire.stream.read_buf(&mut self.wire.buffer)).await;
        let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).and_then(|n| match n {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        });
        self.told(read, name).map(|_| ())
    }

    fn told<T>(&self, result: io::Result<T>, name: &str) -> Result<T, CommandError> {
        result.map_err(|error| {
            let fault = match error.kind() {
                io::ErrorKind::TimedOut => CommandFault::Timeout { after: self.silence },
                io::ErrorKind::InvalidData => CommandFault::Protocol { reason: error.to_string() },
                _ if is_closed(&error) => CommandFault::Disconnected { reason: "the server closed it".to_owned() },
                _ => CommandFault::Disconnected { reason: words(&error) },
            };
            CommandError { command: name.to_owned(), fault }
        })
    }
}
