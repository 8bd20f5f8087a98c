//! The gate: only commands of the list of those that only read go through, and what is sent is counted.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ours::Ours;
use super::part::Part;
use super::question::{Answers, Question, ReadOnly};
use super::topology::ServerFacts;
use crate::connection::{CommandError, ServerError};
use crate::explain::{Context as _, Failure, Fault, Result};
use crate::replies::{Info, Reply};

/// A way to put questions to a server: a connection, or a fake in tests. An error reply is an answer ([`Reply::Error`]);
/// `Err` means that the connection is of no more use.
#[async_trait]
pub trait Ask: Send {
    /// Sends all in one write and reads as many answers.
    ///
    /// # Errors
    ///
    /// The connection broke or timed out.
    async fn ask(&mut self, questions: &[ReadOnly]) -> Result<Vec<Reply>>;

    /// Sends all and goes on; what is sent afterwards is answered afterwards. An implementation that cannot do that waits here.
    ///
    /// # Errors
    ///
    /// As [`Ask::ask`], now or when the answers are waited for.
    async fn send(&mut self, questions: &[ReadOnly]) -> Result<Coming> {
        let replies = self.ask(questions).await?;
        Ok(Box::pin(std::future::ready(Ok(replies))))
    }
}

/// Answers that are on their way.
pub type Coming = Pin<Box<dyn Future<Output = Result<Vec<Reply>>> + Send>>;

/// What a diagnosis cost the server.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// Commands sent, PINGs not counted.
    pub commands: u64,
    pub pings: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Keyspace hits added to the server's statistics.
    pub keyspace_hits_added: u64,
    /// The longest that an answer took, in seconds.
    #[serde(default)]
    pub longest_wait_seconds: f64,
}

impl Receipt {
    /// Adds what was asked over another connection, or later.
    pub fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.pings += other.pings;
        self.seconds += other.seconds;
        self.keyspace_hits_added += other.keyspace_hits_added;
        self.longest_wait_seconds = self.longest_wait_seconds.max(other.longest_wait_seconds);
    }
}

/// Puts questions and keeps the receipt.
pub struct Gate<'a> {
    asker: &'a mut dyn Ask,
    receipt: Receipt,
    errors: BTreeMap<String, u64>,
    begun: Instant,
}

impl<'a> Gate<'a> {
    /// A gate before one connection.
    pub fn new(asker: &'a mut dyn Ask) -> Self {
        Self { asker, receipt: Receipt::default(), errors: BTreeMap::new(), begun: Instant::now() }
    }

    /// Sends the questions in one write.
    ///
    /// # Errors
    ///
    /// The connection broke, or sent fewer answers than there were questions.
    pub async fn ask(&mut self, questions: &[ReadOnly]) -> Result<Vec<Reply>> {
        self.count(questions);
        let asked = Instant::now();
        let replies = complete(self.asker.ask(questions).await?, questions.len())?;
        self.receipt.longest_wait_seconds = self.receipt.longest_wait_seconds.max(asked.elapsed().as_secs_f64());
        for reply in &replies {
            if let Reply::Error(message) = reply {
                // As the server counts them (`errorstat_…`): by the first word.
                let code = message.split(' ').next().unwrap_or_default().to_owned();
                *self.errors.entry(code).or_default() += 1;
            }
        }
        Ok(replies)
    }

    /// Sends the questions in one write, and goes on before they are answered.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn send(&mut self, questions: &[ReadOnly]) -> Result<Coming> {
        self.count(questions);
        let (coming, count) = (self.asker.send(questions).await?, questions.len());
        Ok(Box::pin(async move { complete(coming.await?, count) }))
    }

    fn count(&mut self, questions: &[ReadOnly]) {
        for question in questions {
            if question.command().name() == "PING" {
                self.receipt.pings += 1;
            } else {
                self.receipt.commands += 1;
            }
            self.receipt.keyspace_hits_added += question.hits();
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn one(&mut self, question: ReadOnly) -> Result<Reply> {
        Ok(self.ask(&[question]).await?.pop().expect("one answer to one question"))
    }

    /// INFO, all of it.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`]; and the server refuses INFO: then there is nothing to judge.
    pub async fn info(&mut self) -> Result<Info> {
        match self.one(ReadOnly::new(&["INFO", "everything"])?).await.context("cannot read INFO")? {
            Reply::Bytes(bytes) => {
                let info = Info::from_bytes(&bytes);
                if info.is_empty() { Err(no_info()) } else { Ok(info) }
            }
            Reply::Error(message) => {
                let fault = ServerError::parse(&message).fault("INFO");
                Err(Fault::from(CommandError { command: "INFO".to_owned(), fault }).context("the server refused INFO"))
            }
            _ => Err(no_info()),
        }
    }

    /// Asks these questions in one write, as far as the server knows them. `info` is what it says of itself.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn answers(&mut self, questions: &[Question], info: &Info) -> Result<Answers> {
        let mut answers = Answers::default();
        self.answers_into(&mut answers, questions, info).await?;
        Ok(answers)
    }

    /// As [`Gate::answers`], into answers that are there already: those to other questions stay.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn answers_into(&mut self, answers: &mut Answers, questions: &[Question], info: &Info) -> Result<()> {
        let server = ServerFacts::from_info(info);
        let (mut asked, mut commands) = (Vec::new(), Vec::new());
        for question in questions {
            match question.words(info, &server) {
                Ok(words) => {
                    asked.push(*question);
                    commands.push(ReadOnly::new(&words)?);
                }
                Err(why_not) => question.answered(why_not, answers),
            }
        }
        for (question, reply) in asked.into_iter().zip(self.ask(&commands).await?) {
            question.answered(Part::answered(reply), answers);
        }
        Ok(())
    }

    /// The time of one PING.
    ///
    /// # Errors
    ///
    /// As [`Gate::ask`].
    pub async fn ping(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.one(ReadOnly::new(&["PING"]).expect("PING is on the list")).await?;
        Ok(begun.elapsed())
    }

    /// What was added to the server's counters so far.
    pub fn ours(&self) -> Ours {
        Ours { commands: self.receipt.commands + self.receipt.pings, errors: self.errors.clone() }
    }

    /// What it cost so far.
    pub fn receipt(&self) -> Receipt {
        Receipt { seconds: self.begun.elapsed().as_secs_f64(), ..self.receipt }
    }
}

fn no_info() -> Fault {
    Failure::new("protocol_error", "unexpected reply of the server to INFO").into()
}

fn complete(replies: Vec<Reply>, count: usize) -> Result<Vec<Reply>> {
    match replies.len() {
        answers if answers == count => Ok(replies),
        answers => Err(Failure::new("protocol_error", format!("{answers} answers to {count} commands")).into()),
    }
}
