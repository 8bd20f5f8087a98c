//! The gate: one list of read-only commands. What is not on it cannot be sent, and what is sent is counted.

use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::connection::Command;
use crate::replies::{Info, Reply};

/// Commands that may be sent: the first word, the second where it matters, and how many keyspace hits one adds.
///
/// Observed on 7.0.15: TYPE, PTTL, OBJECT and the length commands count as hits, MEMORY USAGE, RANDOMKEY and SCAN do not.
const ALLOWED: &[(&str, &str, u64)] = &[
    ("ACL", "GETUSER", 0),
    ("ACL", "LOG", 0),
    ("CLIENT", "LIST", 0),
    ("CLIENT", "NO-TOUCH", 0),
    ("CLUSTER", "INFO", 0),
    ("CLUSTER", "NODES", 0),
    ("CLUSTER", "SLOT-STATS", 0),
    ("COMMANDLOG", "GET", 0),
    ("CONFIG", "GET", 0),
    ("HLEN", "", 1),
    ("HOTKEYS", "GET", 0),
    ("INFO", "", 0),
    ("LLEN", "", 1),
    ("MEMORY", "STATS", 0),
    ("MEMORY", "USAGE", 0),
    ("OBJECT", "ENCODING", 1),
    ("OBJECT", "FREQ", 1),
    ("OBJECT", "IDLETIME", 1),
    ("PING", "", 0),
    ("PTTL", "", 1),
    ("RANDOMKEY", "", 0),
    ("SCAN", "", 0),
    ("SCARD", "", 1),
    ("SELECT", "", 0),
    ("SENTINEL", "CKQUORUM", 0),
    ("SLOWLOG", "GET", 0),
    ("STRLEN", "", 1),
    ("TYPE", "", 1),
    ("XINFO", "GROUPS", 1),
    ("XLEN", "", 1),
    ("ZCARD", "", 1),
];

/// A command that may be sent. There is no other way to make one than [`Question::new`].
#[derive(Debug, Clone)]
pub struct Question {
    command: Command,
    hits: u64,
}

impl Question {
    /// A command of the list.
    ///
    /// # Errors
    ///
    /// The command's name, if it is not on the list.
    pub fn new<W: AsRef<[u8]>>(words: &[W]) -> Result<Self, NotAllowed> {
        let is = |at: usize, name: &str| {
            words.get(at).is_some_and(|word| word.as_ref().eq_ignore_ascii_case(name.as_bytes()))
        };
        let allowed = ALLOWED
            .iter()
            .find(|(command, subcommand, _)| is(0, command) && (subcommand.is_empty() || is(1, subcommand)));
        let refused = || {
            let first = words.first().map(|word| String::from_utf8_lossy(word.as_ref()).to_ascii_uppercase());
            NotAllowed(first.unwrap_or_default())
        };
        let (_, _, hits) = allowed.ok_or_else(refused)?;
        Ok(Self { command: Command::of(words), hits: *hits })
    }

    /// What is sent.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The words to send.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.command.words()
    }
}

/// A command that is not on the list of read-only commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the command {0} is not on the list of commands that a diagnosis may send")]
pub struct NotAllowed(pub String);

/// Whoever can put questions to a server. An error reply is an answer ([`Reply::Error`]); `Err` means that the
/// connection is of no more use.
#[async_trait]
pub trait Ask: Send {
    /// Sends all in one write and reads as many answers.
    ///
    /// # Errors
    ///
    /// The connection broke or timed out.
    async fn ask(&mut self, questions: &[Question]) -> anyhow::Result<Vec<Reply>>;

    /// Sends all and goes on; what is sent afterwards is answered afterwards. Whoever cannot do that waits here.
    ///
    /// # Errors
    ///
    /// As [`Ask::ask`], now or when the answers are waited for.
    async fn send(&mut self, questions: &[Question]) -> anyhow::Result<Coming> {
        let replies = self.ask(questions).await?;
        Ok(Box::pin(std::future::ready(Ok(replies))))
    }
}

/// Answers that are on their way.
pub type Coming = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Reply>>> + Send>>;

/// What a diagnosis cost the server.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// Commands sent, PINGs not counted.
    pub commands: u64,
    /// PINGs sent.
    pub pings: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Keyspace hits added to the server's statistics.
    pub keyspace_hits_added: u64,
}

impl Receipt {
    /// Adds what was asked over another connection, or later.
    pub fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.pings += other.pings;
        self.seconds += other.seconds;
        self.keyspace_hits_added += other.keyspace_hits_added;
    }
}

/// Puts questions and keeps the receipt.
pub struct Gate<'a> {
    asker: &'a mut dyn Ask,
    receipt: Receipt,
    begun: Instant,
}

impl<'a> Gate<'a> {
    /// A gate before one connection.
    pub fn new(asker: &'a mut dyn Ask) -> Self {
        Self { asker, receipt: Receipt::default(), begun: Instant::now() }
    }

    /// Sends the questions in one write.
    ///
    /// # Errors
    ///
    /// The connection broke, or sent fewer answers than there were questions.
    pub async fn ask(&mut self, questions: &[Question]) -> anyhow::Result<Vec<Reply>> {
        self.count(questions);
        complete(self.asker.ask(questions).await?, questions.len())
    }

    /// Sends the questions in one write, and goes on before they are answered.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn send(&mut self, questions: &[Question]) -> anyhow::Result<Coming> {
        self.count(questions);
        let (coming, count) = (self.asker.send(questions).await?, questions.len());
        Ok(Box::pin(async move { complete(coming.await?, count) }))
    }

    fn count(&mut self, questions: &[Question]) {
        for question in questions {
            if question.words().next() == Some(b"PING") {
                self.receipt.pings += 1;
            } else {
                self.receipt.commands += 1;
            }
            self.receipt.keyspace_hits_added += question.hits;
        }
    }

    /// One question.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn one(&mut self, question: Question) -> anyhow::Result<Reply> {
        Ok(self.ask(&[question]).await?.pop().expect("one answer to one question"))
    }

    /// INFO, all of it.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`]; and the server refuses INFO: then there is nothing to judge.
    pub async fn info(&mut self) -> anyhow::Result<Info> {
        match self.one(Question::new(&["INFO", "everything"])?).await.context("ask for INFO")? {
            Reply::Bytes(bytes) => {
                let info = Info::from_bytes(&bytes);
                anyhow::ensure!(!info.is_empty(), "the server answered INFO with something else");
                Ok(info)
            }
            Reply::Error(message) => bail!("the server refused INFO: {message}"),
            _ => bail!("the server answered INFO with something else"),
        }
    }

    /// The time of one PING.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn ping(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.one(Question::new(&["PING"]).expect("PING is on the list")).await?;
        Ok(begun.elapsed())
    }

    /// What it cost so far.
    pub fn receipt(&self) -> Receipt {
        Receipt { seconds: self.begun.elapsed().as_secs_f64(), ..self.receipt }
    }
}

fn complete(replies: Vec<Reply>, count: usize) -> anyhow::Result<Vec<Reply>> {
    anyhow::ensure!(replies.len() == count, "{} answers to {count} commands", replies.len());
    Ok(replies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_of_the_list_can_be_made() {
        for words in
            [&["INFO", "everything"] as &[&str], &["info"], &["CONFIG", "GET", "*"], &["object", "encoding", "k"]]
        {
            assert!(Question::new(words).is_ok(), "{words:?}");
        }
        for words in [
            &["SET", "a", "b"] as &[&str],
            &["CONFIG", "SET", "maxmemory", "0"],
            &["CONFIG"],
            &["CONFIG", "RESETSTAT"],
            &["CLIENT", "KILL", "ID", "1"],
            &["CLUSTER", "FORGET", "x"],
            &["HOTKEYS", "START"],
            &["OBJECT", "HELP"],
            &["SENTINEL", "FAILOVER", "x"],
            &["SLOWLOG", "RESET"],
            &["MEMORY", "PURGE"],
            &["ACL", "SETUSER", "x"],
            &["KEYS", "*"],
            &["MONITOR"],
            &["EVAL", "return 1", "0"],
            &["DEBUG", "SLEEP", "1"],
            &["FLUSHALL"],
            &["SHUTDOWN"],
            &[],
        ] {
            assert!(Question::new(words).is_err(), "{words:?}");
        }
    }
}
