//! Questions over a real connection.

use anyhow::{Context, Result};
use async_trait::async_trait;
use redis::{Cmd, Value};

use super::asking::ask_info;
use super::gate::{Ask, Coming, Gate, Question};
use super::topology::ServerFacts;
use super::wire::Wire;
use crate::connection::{Connection, Phases, ServerError};
use crate::replies::{Info, Reply};

#[async_trait]
impl Ask for Connection {
    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Reply>> {
        Ok(replies(self.pipeline_of(questions.iter().map(command)).await?))
    }

    async fn send(&mut self, questions: &[Question]) -> Result<Coming> {
        let coming = self.pipeline_ahead(questions.iter().map(command));
        Ok(Box::pin(async move { Ok(replies(coming.await.context("wait for answers")??)) }))
    }
}

fn command(question: &Question) -> Cmd {
    let words = question.words();
    let mut command = Cmd::with_capacity(words.len(), question.size());
    for word in words {
        command.arg(word);
    }
    command
}

fn replies(answers: Vec<Result<Value, ServerError>>) -> Vec<Reply> {
    answers.into_iter().map(|answer| answer.map_or_else(|error| refusal(&error), reply)).collect()
}

/// The error line as the server wrote it.
fn refusal(error: &ServerError) -> Reply {
    Reply::Error(format!("{} {}", error.code, error.text).trim().to_owned())
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Int(number) => Reply::Integer(number),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::SimpleString(text) => Reply::Bytes(text.into_bytes()),
        Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::Array(items) | Value::Set(items) => Reply::Array(items.into_iter().map(reply).collect()),
        Value::Map(pairs) => Reply::Map(pairs.into_iter().map(|(name, value)| (reply(name), reply(value))).collect()),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(truth) => Reply::Integer(i64::from(truth)),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => {
            Reply::Error(format!("{} {}", error.code(), error.details().unwrap_or_default()).trim().to_owned())
        }
        _ => Reply::Nil,
    }
}

/// Asks a server what it is: one INFO. Works while it is loading, too.
///
/// # Errors
///
/// The connection broke, or INFO is refused.
pub async fn server_facts(connection: &mut Connection) -> Result<ServerFacts> {
    let mut gate = Gate::new(connection);
    let info = ask_info(&mut gate).await.context("ask the server what it is")?;
    Ok(ServerFacts::from_info(&info))
}

/// All of INFO.
///
/// # Errors
///
/// The connection broke, or INFO is refused.
pub async fn server_info(connection: &mut Connection) -> Result<Info> {
    ask_info(&mut Gate::new(connection)).await
}

/// What connecting took, as far as it is part of the way to the server.
pub fn wire_of(phases: Phases) -> Wire {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Wire {
        dns_us: phases.dns.map(micros),
        tcp_us: Some(micros(phases.tcp)),
        tls_us: phases.tls.map(micros),
        auth_us: Some(micros(phases.auth)),
        pings_us: Vec::new(),
        lost: 0,
    }
}
