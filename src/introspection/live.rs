//! Questions over a real connection.

use async_trait::async_trait;

use super::gate::{Ask, Coming};
use super::question::ReadOnly;
use super::wire::Wire;
use crate::connection::{Connection, Phases, ServerError};
use crate::explain::{Context as _, Result};
use crate::replies::Reply;

#[async_trait]
impl Ask for Connection {
    async fn ask(&mut self, questions: &[ReadOnly]) -> Result<Vec<Reply>> {
        Ok(replies(self.pipeline_of(questions.iter().map(|question| question.command().clone())).await?))
    }

    async fn send(&mut self, questions: &[ReadOnly]) -> Result<Coming> {
        let coming = self.pipeline_ahead(questions.iter().map(|question| question.command().clone()));
        Ok(Box::pin(async move { Ok(replies(coming.await.context("cannot read the server's replies")??)) }))
    }
}

fn replies(answers: Vec<Result<Reply, ServerError>>) -> Vec<Reply> {
    // The error line as the server wrote it.
    answers.into_iter().map(|answer| answer.unwrap_or_else(|error| Reply::Error(error.to_string()))).collect()
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
        undelayed_us: Vec::new(),
        late_us: Vec::new(),
        lost: 0,
    }
}
