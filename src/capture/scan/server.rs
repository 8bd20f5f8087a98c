//! What the server is asked: pages of keys, their sizes, their payloads and expiries.

use std::time::Duration;

use super::error::ScanError;
use super::payload::Functions;
use crate::capture::source;
use crate::connection::{Command, CommandError, CommandFault, Connection, Lane, Node, ServerError};
use crate::introspection::{Mode, NodeRole, ServerFacts};
use crate::rdb::dump;
use crate::replies::Reply;

/// What the values of a batch may have together, in bytes: they are estimated beforehand.
const BATCH_LIMIT: u64 = 32 << 20;
/// How often one question may be asked again because the connection broke. Nothing we ask changes anything.
pub(super) const RECONNECTS: u32 = 3;
/// Reading the expiry twice and the value once.
pub(super) const HITS_PER_KEY: u64 = 3;

/// When a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    Never,
    /// Absolute, Unix milliseconds.
    At(i64),
}

/// What became of one key.
pub(super) enum Fetched {
    Gone,
    /// Its expiry changed while we looked: whether the value belongs to the old or the new one, nobody knows.
    Unsettled,
    Key {
        payload: Vec<u8>,
        expiry: Expiry,
    },
}

pub(super) struct Server {
    pub(super) node: Node,
    connection: Connection,
    database: u32,
    /// A connection of its own for values that are read in pieces, and the database it is in.
    pub(super) lane: Option<(Lane, u32)>,
    pub(super) facts: ServerFacts,
    /// The server's clock when we began, Unix seconds.
    pub(super) began_seconds: u64,
    pub(super) commands: u64,
    pub(super) reconnects: u64,
    /// Hits of looks at large values that had to be repeated.
    pub(super) hits_in_vain: u64,
}

impl Server {
    /// Connects. A replica in a cluster would send everybody who asks for a key to its primary: it is told that its own will do.
    pub(super) async fn connect(node: &Node) -> Result<Self, ScanError> {
        let server = Self::connect_as(node).await?;
        let sends_away = server.facts.mode == Mode::Cluster && server.facts.role == NodeRole::Replica;
        if sends_away && !node.reads_replica {
            return Self::connect_as(&Node { reads_replica: true, ..node.clone() }).await;
        }
        Ok(server)
    }

    async fn connect_as(node: &Node) -> Result<Self, ScanError> {
        let mut connection = node.connect().await?;
        // A DUMP of a large key, and the batch around it, may take longer than other commands.
        connection.set_timeout(node.silence);
        connection.set_reply_limit(BATCH_LIMIT);
        let facts = source::facts(&mut connection).await?;
        let database = node.database;
        let mut server = Self {
            node: node.clone(),
            connection,
            database,
            lane: None,
            facts,
            began_seconds: 0,
            commands: 1,
            reconnects: 0,
            hits_in_vain: 0,
        };
        let time = server.one(Command::new("TIME")).await?;
        server.began_seconds = milliseconds(&time).ok_or_else(|| odd("TIME"))?.unsigned_abs() / 1000;
        Ok(server)
    }

    /// How long one answer may take.
    pub(super) fn silence(&self) -> Duration {
        self.node.silence
    }

    /// How many keys there are in the database.
    pub(super) async fn size(&mut self) -> Result<u64, ScanError> {
        match self.one(Command::new("DBSIZE")).await? {
            Reply::Integer(keys) => Ok(keys.unsigned_abs()),
            _ => Err(odd("DBSIZE")),
        }
    }

    /// The databases that hold keys.
    pub(super) async fn databases(&mut self) -> Result<Vec<u32>, ScanError> {
        self.commands += 1;
        Ok(source::info(&mut self.connection).await?.databases().into_keys().collect())
    }

    pub(super) async fn select(&mut self, database: u32) -> Result<(), ScanError> {
        // A server with one database may not know SELECT: then nothing needs it either.
        if database != self.database {
            self.one(Command::new("SELECT").arg(database)).await?;
            self.database = database;
        }
        Ok(())
    }

    /// All libraries; inside, why they cannot be read; `None` before 7.0.
    pub(super) async fn functions(&mut self) -> Result<Result<Option<Functions>, ServerError>, ScanError> {
        if !self.is_7_or_newer() {
            return Ok(Ok(None));
        }
        match self.ask(&[Command::new("FUNCTION").arg("DUMP")]).await?.pop() {
            Some(Ok(Reply::Bytes(bytes))) => Ok(Ok(Some(Functions::parse(bytes)?))),
            Some(Err(error)) => Ok(Err(error)),
            _ => Err(odd("FUNCTION DUMP")),
        }
    }

    /// The version of the format that the server writes, from the payload of any key.
    pub(super) async fn rdb_version(&mut self) -> Result<u16, ScanError> {
        // Redis 5.0 to 6.2; nothing older is read.
        const OLD: u16 = 9;
        if !self.is_7_or_newer() {
            return Ok(OLD);
        }
        for database in self.databases().await? {
            self.select(database).await?;
            let Reply::Bytes(mut key) = self.one(Command::new("RANDOMKEY")).await? else { continue };
            // A large value would be read whole for the last bytes of it; there is hardly a database that holds only such.
            for _ in 0..16 {
                if self.sizes(std::slice::from_ref(&key)).await?.iter().all(|size| *size < super::LARGE) {
                    break;
                }
                if let Reply::Bytes(other) = self.one(Command::new("RANDOMKEY")).await? {
                    key = other;
                }
            }
            if let Reply::Bytes(payload) = self.one(Command::new("DUMP").arg(key)).await? {
                return Ok(dump::check(&payload)?.version);
            }
        }
        // There is no key to be of another version.
        Ok(OLD)
    }

    /// A page of keys, and the cursor of the next (`0`: there is none).
    pub(super) async fn scan(&mut self, cursor: &[u8], count: usize) -> Result<(Vec<u8>, Vec<Vec<u8>>), ScanError> {
        let answer = self.one(Command::new("SCAN").arg(cursor).arg("COUNT").arg(count)).await?;
        let Reply::Array(parts) = answer else { return Err(odd("SCAN")) };
        match <[Reply; 2]>::try_from(parts) {
            Ok([Reply::Bytes(cursor), Reply::Array(keys)]) => {
                let keys = keys.into_iter().map(|key| match key {
                    Reply::Bytes(key) => Ok(key),
                    _ => Err(odd("SCAN")),
                });
                Ok((cursor, keys.collect::<Result<_, _>>()?))
            }
            _ => Err(odd("SCAN")),
        }
    }

    /// What the keys take in the server's memory, estimated; where it does not say, a guess that keeps batches small.
    pub(super) async fn sizes(&mut self, keys: &[Vec<u8>]) -> Result<Vec<u64>, ScanError> {
        const GUESS: u64 = 256 << 10;
        let may_be_asked = self.whose_size_may_be_asked(keys).await?;
        let asked = keys.iter().zip(&may_be_asked).filter(|(_, may)| **may).map(|(key, _)| key);
        let ask: Vec<Command> = asked.map(|key| Command::new("MEMORY").arg("USAGE").arg(key)).collect();
        let answers = if ask.is_empty() { Vec::new() } else { self.ask(&ask).await? };
        let mut sizes = answers.into_iter().map(|answer| match answer {
            Ok(Reply::Integer(bytes)) => bytes.unsigned_abs(),
            // It is gone already.
            Ok(_) => 0,
            Err(_) => GUESS,
        });
        Ok(may_be_asked.into_iter().map(|may| if may { sizes.next().unwrap_or(GUESS) } else { GUESS }).collect())
    }

    /// Whether each key costs a TYPE as well, which is a hit.
    pub(super) fn asks_types(&self) -> bool {
        self.facts.name == "redis" && self.facts.version_numbers() >= (8, 1, 0)
    }

    /// All, but for values of modules from Redis 8.1 on: 8.10.2 crashes when it is asked for the memory of a vector set with an expiry,
    /// and 8.0 does not.
    async fn whose_size_may_be_asked(&mut self, keys: &[Vec<u8>]) -> Result<Vec<bool>, ScanError> {
        const SAFE: [&str; 7] = ["none", "string", "list", "set", "zset", "hash", "stream"];
        if !self.asks_types() || keys.is_empty() {
            return Ok(vec![true; keys.len()]);
        }
        let ask: Vec<Command> = keys.iter().map(|key| Command::new("TYPE").arg(key)).collect();
        let is_of_server = |answer: &Reply| answer.text().is_some_and(|kind| SAFE.contains(&kind.as_str()));
        Ok(self.ask(&ask).await?.iter().map(|answer| answer.as_ref().is_ok_and(is_of_server)).collect())
    }

    /// Payloads and expiries. A key whose expiry is not the same before and after its DUMP is unsettled, unless this is the `last`
    /// time.
    pub(super) async fn fetch(&mut self, keys: &[Vec<u8>], last: bool) -> Result<Vec<Fetched>, ScanError> {
        let exact = self.is_7_or_newer();
        let per_look = if exact { 1 } else { 3 };
        let mut ask = Vec::with_capacity(keys.len() * (2 * per_look + 1));
        for key in keys {
            look(exact, key, &mut ask);
            ask.push(Command::new("DUMP").arg(key));
            look(exact, key, &mut ask);
        }
        let mut answers = self.ask(&ask).await?.into_iter();
        let mut fetched = Vec::with_capacity(keys.len());
        for _ in keys {
            let before = seen(exact, &mut answers)?;
            let dump = next(&mut answers, "DUMP")?;
            let after = seen(exact, &mut answers)?;
            fetched.push(match (dump, before, after) {
                (Reply::Nil, ..) | (_, Seen::Gone, _) | (_, _, Seen::Gone) => Fetched::Gone,
                (Reply::Bytes(payload), before, Seen::Exactly(expiry)) if before == Seen::Exactly(expiry) || last => {
                    Fetched::Key { payload, expiry }
                }
                (Reply::Bytes(payload), _, Seen::About(expiry)) if last => Fetched::Key { payload, expiry },
                (Reply::Bytes(_), ..) => Fetched::Unsettled,
                _ => return Err(odd("DUMP")),
            });
        }
        Ok(fetched)
    }

    async fn one(&mut self, command: Command) -> Result<Reply, ScanError> {
        let name = command.name();
        match self.ask(&[command]).await?.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(CommandError { fault: error.fault(&name), command: name }.into()),
            None => Err(odd(&name)),
        }
    }

    /// Asks; a connection that breaks is opened again, to the same server only.
    async fn ask(&mut self, commands: &[Command]) -> Result<Vec<Result<Reply, ServerError>>, ScanError> {
        let mut attempts = 0;
        loop {
            self.commands += commands.len() as u64;
            match self.connection.pipeline(commands).await {
                Ok(answers) => return Ok(answers),
                Err(CommandError { fault: CommandFault::Disconnected { .. }, .. }) if attempts < RECONNECTS => {
                    attempts += 1;
                    self.reconnect().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), ScanError> {
        let node = Node { database: self.database, ..self.node.clone() };
        let mut connection = node.connect().await?;
        connection.set_timeout(self.connection.timeout());
        connection.set_reply_limit(BATCH_LIMIT);
        let facts = source::facts(&mut connection).await?;
        if facts.run_id != self.facts.run_id {
            return Err(ScanError::OtherServer);
        }
        self.connection = connection;
        self.reconnects += 1;
        Ok(())
    }

    /// Whether an error says that more came than is taken; then there is a new connection.
    pub(super) async fn is_too_large(&mut self, error: &ScanError) -> Result<bool, ScanError> {
        let fault = match error {
            ScanError::Command(CommandError { fault, .. }) => fault,
            _ => return Ok(false),
        };
        let too_large = matches!(fault, CommandFault::ReplyTooLarge { .. });
        if too_large {
            self.reconnect().await?;
        }
        Ok(too_large)
    }

    /// Lets the next answers be as long as they are: for values that cannot be read in pieces.
    pub(super) fn take_all(&mut self) {
        self.connection.set_reply_limit(u64::MAX);
    }

    pub(super) fn database(&self) -> u32 {
        self.database
    }

    pub(super) fn is_7_or_newer(&self) -> bool {
        self.facts.version_numbers() >= (7, 0, 0)
    }
}

/// What one look at an expiry has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Gone,
    Exactly(Expiry),
    /// Off by a millisecond or more.
    About(Expiry),
}

/// `PEXPIRETIME` came with 7.0. Before, the time left is asked between two looks at the server's clock: if they show the same
/// millisecond, the sum is exact.
fn look(exact: bool, key: &[u8], ask: &mut Vec<Command>) {
    if exact {
        ask.push(Command::new("PEXPIRETIME").arg(key));
    } else {
        ask.push(Command::new("TIME"));
        ask.push(Command::new("PTTL").arg(key));
        ask.push(Command::new("TIME"));
    }
}

fn seen(exact: bool, answers: &mut impl Iterator<Item = Result<Reply, ServerError>>) -> Result<Seen, ScanError> {
    if exact {
        return match next(answers, "PEXPIRETIME")? {
            Reply::Integer(-2) => Ok(Seen::Gone),
            Reply::Integer(-1) => Ok(Seen::Exactly(Expiry::Never)),
            Reply::Integer(at) => Ok(Seen::Exactly(Expiry::At(at))),
            _ => Err(odd("PEXPIRETIME")),
        };
    }
    let from = next(answers, "TIME")?;
    let left = next(answers, "PTTL")?;
    let to = next(answers, "TIME")?;
    match (milliseconds(&from), left, milliseconds(&to)) {
        (_, Reply::Integer(-2), _) => Ok(Seen::Gone),
        (_, Reply::Integer(-1), _) => Ok(Seen::Exactly(Expiry::Never)),
        (Some(from), Reply::Integer(left), Some(to)) if from == to => {
            Ok(Seen::Exactly(Expiry::At(from.saturating_add(left))))
        }
        (Some(from), Reply::Integer(left), Some(_)) => Ok(Seen::About(Expiry::At(from.saturating_add(left)))),
        _ => Err(odd("PTTL")),
    }
}

fn next(answers: &mut impl Iterator<Item = Result<Reply, ServerError>>, name: &str) -> Result<Reply, ScanError> {
    match answers.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(CommandError { command: name.to_owned(), fault: error.fault(name) }.into()),
        None => Err(odd(name)),
    }
}

/// `TIME`: seconds and microseconds, both as text.
pub(super) fn milliseconds(time: &Reply) -> Option<i64> {
    let Reply::Array(parts) = time else { return None };
    let [Reply::Bytes(seconds), Reply::Bytes(micros)] = parts.as_slice() else { return None };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    number(seconds)?.checked_mul(1000)?.checked_add(number(micros)? / 1000)
}

pub(super) fn odd(command: &str) -> ScanError {
    let fault = CommandFault::Protocol { reason: "it is not a reply to this command".to_owned() };
    CommandError { command: command.to_owned(), fault }.into()
}
