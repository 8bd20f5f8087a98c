//! A connection on which commands are asked, through the `redis` crate.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, Value};
use tokio::task::JoinHandle;

use super::limit::{Counted, DEFAULT_REPLY_LIMIT, Gauge};
use super::reply::{reply, server_error};
use super::{Command, CommandError, CommandFault, ConnectFault, Phase, Phases, ServerError, Stream};
use crate::replies::Reply;

/// What INFO may have, in bytes: it has some tens of KiB, and about as many more as there are commands, errors and users. It is taken
/// apart, which makes up to 25 times as much of it.
pub const INFO_LIMIT: u64 = 4 << 20;

/// A connection to a server, closed when dropped.
#[derive(Debug)]
pub struct Connection {
    inner: MultiplexedConnection,
    driver: JoinHandle<()>,
    phases: Phases,
    loading: bool,
    timeout: Duration,
    gauge: Arc<Gauge>,
    limit: u64,
    /// The other primaries of a cluster that is talked to as one server.
    pub(super) others: Option<Box<Others>>,
}

/// The connections to all primaries of a cluster but the first, and which of all of them serves each slot.
#[derive(Debug)]
pub(super) struct Others {
    pub(super) connections: Vec<Connection>,
    pub(super) owners: Vec<u16>,
}

impl Connection {
    /// A connection over a stream on which the greeting is done.
    pub(super) async fn over(
        stream: Stream,
        phases: Phases,
        loading: bool,
        timeout: Duration,
    ) -> Result<Self, ConnectFault> {
        // The greeting has said it all: with these settings the crate sends nothing of its own. Time limits are kept here.
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let settings = AsyncConnectionConfig::new().set_response_timeout(None);
        let gauge = Gauge::new();
        let counted = Counted { stream, gauge: gauge.clone() };
        let (inner, driver) = MultiplexedConnection::new_with_config(&silent, counted, settings)
            .await
            .map_err(|_| ConnectFault::Disconnected { phase: Phase::Ping })?;
        Ok(Self {
            inner,
            driver: tokio::spawn(driver),
            phases,
            loading,
            timeout,
            gauge,
            limit: DEFAULT_REPLY_LIMIT,
            others: None,
        })
    }

    /// This one and others, for a cluster in parts.
    pub(super) fn with_others(mut self, others: Others) -> Self {
        self.others = Some(Box::new(others));
        self
    }

    /// How long the steps of connecting took.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// Whether the server was reading its data set from disk when we connected.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    /// How long a command or pipeline may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Changes how long a command or pipeline may take, for those that are known to be slow.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
        for other in self.others.iter_mut().flat_map(|others| &mut others.connections) {
            other.timeout = timeout;
        }
    }

    /// Changes how many bytes an answer may have, or the answers to what is asked together: [`DEFAULT_REPLY_LIMIT`], unless it is set.
    /// For INFO it is never more than [`INFO_LIMIT`].
    pub fn set_reply_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Asks one command. Error replies are errors; it is never sent twice.
    ///
    /// # Errors
    /// See [`CommandFault`].
    pub async fn query(&mut self, command: &Command) -> Result<Reply, CommandError> {
        match self.others {
            Some(_) => self.query_parts(command).await,
            None => self.query_own(command).await,
        }
    }

    pub(super) async fn query_own(&mut self, command: &Command) -> Result<Reply, CommandError> {
        let name = command.name();
        tracing::debug!("sent {name}");
        self.gauge.set_limit(if name == "INFO" { self.limit.min(INFO_LIMIT) } else { self.limit });
        let answer = tokio::time::timeout(self.timeout, self.inner.send_packed_command(command.packed())).await;
        match answered(self.timeout, &name, answer, &self.gauge)? {
            Value::ServerError(error) => {
                let fault = server_error(&error).fault(&name);
                Err(CommandError { command: name, fault })
            }
            value => Ok(reply(value)),
        }
    }

    /// Asks several commands in one go. There is one result per command, in their order: an error reply is the result of its own
    /// command, and of no other. No commands: no results.
    ///
    /// # Errors
    /// Only if the answers did not all come ([`CommandFault::Timeout`], [`CommandFault::Disconnected`],
    /// [`CommandFault::Protocol`]): then nobody knows which commands were applied. Names the first command.
    pub async fn pipeline(&mut self, commands: &[Command]) -> Result<Vec<Result<Reply, ServerError>>, CommandError> {
        self.pipeline_of(commands.iter().cloned()).await
    }

    /// As [`Connection::pipeline`], of commands that are made as they are packed: for those who send millions.
    ///
    /// # Errors
    /// As [`Connection::pipeline`].
    pub async fn pipeline_of(
        &mut self,
        commands: impl ExactSizeIterator<Item = Command>,
    ) -> Result<Vec<Result<Reply, ServerError>>, CommandError> {
        match self.others {
            Some(_) => self.pipeline_parts(commands.collect()).await,
            None => self.pipeline_own(commands).await,
        }
    }

    pub(super) async fn pipeline_own(
        &mut self,
        commands: impl ExactSizeIterator<Item = Command>,
    ) -> Result<Vec<Result<Reply, ServerError>>, CommandError> {
        match Packed::of(commands) {
            Some(packed) => {
                self.gauge.set_limit(if packed.name == "INFO" { self.limit.min(INFO_LIMIT) } else { self.limit });
                packed.send(&mut self.inner, self.timeout, &self.gauge).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// As [`Connection::pipeline_of`], and does not wait: the answers come while something else is done. What is sent afterwards is
    /// answered afterwards.
    pub fn pipeline_ahead(
        &self,
        commands: impl ExactSizeIterator<Item = Command>,
    ) -> JoinHandle<Result<Vec<Result<Reply, ServerError>>, CommandError>> {
        let (packed, mut inner, timeout) = (Packed::of(commands), self.inner.clone(), self.timeout);
        let gauge = self.gauge.clone();
        gauge.set_limit(self.limit);
        tokio::spawn(async move {
            match packed {
                Some(packed) => packed.send(&mut inner, timeout, &gauge).await,
                None => Ok(Vec::new()),
            }
        })
    }
}

/// Commands that are ready to be sent in one go; one at least.
struct Packed {
    pipeline: redis::Pipeline,
    count: usize,
    name: String,
}

impl Packed {
    fn of(commands: impl ExactSizeIterator<Item = Command>) -> Option<Self> {
        let count = commands.len();
        let mut pipeline = redis::Pipeline::with_capacity(count);
        let mut name = None;
        for command in commands {
            name.get_or_insert_with(|| command.name());
            pipeline.add_command(command.into_packed());
        }
        Some(Self { pipeline, count, name: name? })
    }

    async fn send(
        self,
        connection: &mut MultiplexedConnection,
        timeout: Duration,
        gauge: &Gauge,
    ) -> Result<Vec<Result<Reply, ServerError>>, CommandError> {
        match self.count {
            1 => tracing::debug!("sent {}", self.name),
            count => tracing::debug!("sent {count} commands in one go, the first {}", self.name),
        }
        let sending = connection.send_packed_commands(&self.pipeline, 0, self.count);
        let answer = tokio::time::timeout(timeout, sending).await;
        let values = answered(timeout, &self.name, answer, gauge)?;
        if values.len() != self.count {
            let reason = format!("{} answers to {} commands", values.len(), self.count);
            return Err(CommandError { command: self.name, fault: CommandFault::Protocol { reason } });
        }
        let each = values.into_iter().map(|value| match value {
            Value::ServerError(error) => Err(server_error(&error)),
            value => Ok(reply(value)),
        });
        Ok(each.collect())
    }
}

fn answered<T>(
    timeout: Duration,
    name: &str,
    answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>,
    gauge: &Gauge,
) -> Result<T, CommandError> {
    let fault = match answer {
        Ok(Ok(value)) => return Ok(value),
        _ if gauge.is_exceeded() => CommandFault::ReplyTooLarge { limit: gauge.limit() },
        Ok(Err(error)) => fault_of(&error, name),
        Err(_) => CommandFault::Timeout { after: timeout },
    };
    Err(CommandError { command: name.to_owned(), fault })
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver ends by itself once the last handle is gone, but an answer that never comes would hold it.
        self.driver.abort();
    }
}

fn fault_of(error: &RedisError, name: &str) -> CommandFault {
    if error.is_timeout() || error.is_io_error() || error.is_connection_dropped() {
        let reason = if error.is_connection_dropped() { "the server closed it".to_owned() } else { error.to_string() };
        return CommandFault::Disconnected { reason };
    }
    match error.code() {
        Some(code) => {
            ServerError { code: code.to_owned(), text: error.detail().unwrap_or_default().to_owned() }.fault(name)
        }
        None => CommandFault::Protocol { reason: error.to_string() },
    }
}
