//! Talking to a server: where it is, who we are, TLS, time limits, retries of connecting, and errors that say what happened.
//!
//! Commands go through the `redis` crate over a stream that is opened here ([`Node::connect`]); no type of that crate is known elsewhere:
//! what is asked is a [`Command`], what is answered a [`Reply`](crate::replies::Reply). What that crate cannot do, such
//! as an RDB of any length, is spoken by hand over a [`Stream`] ([`replication`]). What replies mean is left to others.

pub mod primary;
pub mod replication;

mod address;
mod command;
mod connected;
mod credentials;
mod door;
mod error;
mod greeting;
mod lane;
mod limit;
mod nat;
mod parts;
mod probe;
mod reply;
mod retry;
mod sentinel;
mod stream;
mod tls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use address::DEFAULT_PORT;
pub use address::{Address, InstanceUrl};
pub use command::Command;
pub(crate) use connected::Connection;
pub(crate) use credentials::read_password_file;
pub use credentials::{Credentials, Secret};
pub use error::{AuthenticationFault, CommandFault, ConnectFault, Phase};
pub(crate) use error::{CommandError, ConnectError, ServerError, WAIT_UNTIL_LOADED};
pub(crate) use lane::{Head, Lane};
pub use nat::{NatEntry, NatMap};
pub use parts::Part;
pub use retry::Retry;
pub(crate) use stream::Phases;
pub use stream::Stream;
pub use tls::{Tls, TlsFault};

use door::Door;
use greeting::Greeting;

/// How long a connection attempt, and each command, may take unless the settings say otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may be silent that makes or sends its data set, or a large value of it, unless something else was typed: its
/// `repl-timeout` and `repl-diskless-sync-delay` together, at their default values.
pub const DEFAULT_SILENCE: Duration = Duration::from_secs(65);

/// An attempt to connect that failed, and what is known of the connection if there was one.
struct Failed {
    fault: ConnectFault,
    door: Option<Door>,
}

impl Failed {
    /// The fault, or a better one that a look at the port tells.
    async fn explained(self) -> ConnectFault {
        match self.door {
            Some(door) => door.explain(self.fault).await,
            None => self.fault,
        }
    }
}

impl From<ConnectFault> for Failed {
    fn from(fault: ConnectFault) -> Self {
        Self { fault, door: None }
    }
}

/// A server and all it takes to talk to it. `Display` is for people, and neither it nor `Debug` shows a password.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name of the instance for people: from the settings, or the address.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// User name and password for the server.
    pub credentials: Credentials,
    /// Who we are to the Sentinels of [`Address::Sentinel`]. `None`: the same as to the server, and nobody where they want no password.
    pub sentinel: Option<Box<Credentials>>,
    /// How TLS is spoken; `None`: not at all. Of no use over a unix socket.
    pub tls: Option<Tls>,
    /// The database to begin in.
    pub database: u32,
    /// How long one attempt to connect may take as a whole, and each command or pipeline afterwards.
    pub timeout: Duration,
    /// How long it may be silent while it makes or sends its data set, or a large value of it.
    pub silence: Duration,
    /// How often connecting is tried.
    pub retry: Retry,
    /// What our connections call themselves (`CLIENT SETNAME`); `None`: `redis-ops`.
    pub client_name: Option<String>,
    /// Whether keys are read from the very node although it is a replica in a cluster (`READONLY`): else the server sends us to its primary.
    pub reads_replica: bool,
    /// Which addresses stand for those that servers announce, where they announce some that cannot be reached from here.
    pub nat: NatMap,
    /// The primaries of a cluster that is talked to as one server; empty: this is one server.
    pub parts: Arc<[Part]>,
}

impl Node {
    /// The user of our connections; `None`: the server takes it from our certificate, or may do so.
    pub fn user(&self) -> Option<&str> {
        let has_certificate = self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some());
        let unnamed = (!has_certificate || self.credentials.password.is_some()).then_some("default");
        self.credentials.username.as_deref().or(unnamed)
    }

    /// A server at an address, named after it: no credentials, no TLS, database 0, 5 seconds, three attempts.
    pub fn new(address: Address) -> Self {
        Self {
            name: address.to_string(),
            address,
            credentials: Credentials::default(),
            sentinel: None,
            tls: None,
            database: 0,
            timeout: DEFAULT_TIMEOUT,
            silence: DEFAULT_SILENCE,
            retry: Retry::default(),
            client_name: None,
            reads_replica: false,
            nat: NatMap::default(),
            parts: [].into(),
        }
    }

    /// What a URL says, the rest as in [`Node::new`]. `rediss` speaks TLS with the system's authorities.
    pub fn from_url(url: InstanceUrl) -> Self {
        Self {
            credentials: url.credentials,
            tls: url.tls.then(Tls::default),
            database: url.database.unwrap_or(0),
            ..Self::new(url.address)
        }
    }

    /// Another server of the same deployment, under the address that it announces: reached as this one is, named after its address.
    /// Where [`Node::nat`] knows the address, it is reached at the one that stands for it.
    #[must_use]
    pub fn beside(&self, host: &str, port: u16) -> Self {
        let address = self.nat.translated(host, port);
        Self { name: address.to_string(), address, parts: [].into(), ..self.clone() }
    }

    /// A Sentinel that is asked where this server is: reached as the server is, and asked once.
    #[must_use]
    pub fn sentinel_at(&self, host: &str, port: u16) -> Self {
        let address = Address::tcp(host, port);
        let credentials = self.sentinel.as_deref().unwrap_or(&self.credentials).clone();
        let (name, retry) = (address.to_string(), Retry::never());
        Self { name, address, credentials, database: 0, retry, ..self.clone() }
    }

    /// Connects: authenticates, selects the database, calls itself by its name, asks `CLIENT NO-EVICT` and `NO-TOUCH` (what an old
    /// server or the ACL refuses of the latter three is left), and waits for a `PING`.
    ///
    /// # Errors
    /// [`ConnectFault::Loading`] while the server reads its data; see [`ConnectFault`] for the others. Those that may pass are
    /// tried again as [`Retry`] says.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        if !self.parts.is_empty() {
            return self.connect_to_parts().await;
        }
        let connection = self.connect_even_while_loading().await?;
        if connection.is_loading() {
            return Err(self.error(1, ConnectFault::Loading));
        }
        Ok(connection)
    }

    /// Like [`Node::connect`], but a server that is loading is good enough: it answers `INFO`, and little else.
    ///
    /// # Errors
    /// As [`Node::connect`], without `Loading`.
    pub async fn connect_even_while_loading(&self) -> Result<Connection, ConnectError> {
        let (stream, phases, greeting) = self.greeted().await?;
        Connection::over(stream, phases, greeting.loading, self.timeout).await.map_err(|fault| self.error(1, fault))
    }

    /// Asks on a connection of its own, which is closed then, in one round trip for everything: who we are and the questions. For
    /// probes: it is called `redis-ops`, and none of the other courtesies of [`Node::connect`] is paid. The time of the round trip is
    /// [`Phases::ping`]. An answer is text of at most `limit` bytes; an error reply is the answer to its own question.
    ///
    /// # Errors
    /// As [`Node::connect`], without `Loading`.
    pub async fn ask_at_once(
        &self,
        questions: &[&[&str]],
        limit: usize,
    ) -> Result<(Vec<Result<Vec<u8>, ServerError>>, Phases), ConnectError> {
        self.with_retry(|| async {
            let deadline = Instant::now() + self.timeout;
            let (stream, mut phases) = self.open_once(deadline).await?;
            let (begun, door) = (Instant::now(), Door::of(&stream));
            let answers = tokio::time::timeout_at(deadline, greeting::ask_at_once(stream, self, questions, limit))
                .await
                .map_err(|_| ConnectFault::Timeout { phase: Phase::Ping, after: self.timeout })?;
            phases.ping = begun.elapsed();
            answers.map(|answers| (answers, phases)).map_err(|fault| Failed { fault, door: Some(door) })
        })
        .await
    }

    /// A stream of bytes to the server, for a protocol of our own; nothing was sent on it. Tries as [`Retry`] says.
    ///
    /// # Errors
    /// See [`ConnectFault`].
    pub async fn open(&self) -> Result<Stream, ConnectError> {
        let opened = self.with_retry(|| async { Ok(self.open_once(Instant::now() + self.timeout).await?) }).await?;
        let (stream, _) = opened;
        Ok(stream)
    }

    /// A stream on which everything that [`Node::connect`] sends was sent and answered: the next bytes are the caller's.
    ///
    /// # Errors
    /// As [`Node::connect`].
    pub async fn open_authenticated(&self) -> Result<Stream, ConnectError> {
        let (stream, _, greeting) = self.greeted().await?;
        if greeting.loading { Err(self.error(1, ConnectFault::Loading)) } else { Ok(stream) }
    }

    async fn greeted(&self) -> Result<(Stream, Phases, Greeting), ConnectError> {
        self.with_retry(|| async {
            let deadline = Instant::now() + self.timeout;
            let (stream, mut phases) = self.open_once(deadline).await?;
            let door = Door::of(&stream);
            let greeted = greeting::greet(stream, self, deadline, &mut phases).await;
            let failed = |fault| Failed { fault, door: Some(door) };
            greeted.map(|(stream, greeting)| (stream, phases, greeting)).map_err(failed)
        })
        .await
    }

    async fn open_once(&self, deadline: Instant) -> Result<(Stream, Phases), ConnectFault> {
        let address = match &self.address {
            Address::Sentinel { hosts, service } => sentinel::primary_of(hosts, service, self).await?,
            address => address.clone(),
        };
        stream::open(&address, self.tls.as_ref(), deadline, self.timeout).await
    }

    async fn with_retry<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ConnectError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut n_attempts = 1;
        loop {
            match attempt().await {
                Ok(value) => {
                    tracing::info!("connected to {self}");
                    return Ok(value);
                }
                Err(failed) if n_attempts >= self.retry.max_attempts || !failed.fault.may_pass() => {
                    return Err(self.error(n_attempts, failed.explained().await));
                }
                Err(failed) => tracing::info!("attempt {n_attempts} to connect to {self}: {}", failed.fault),
            }
            // Without random numbers the pause is merely the same for everybody.
            let chance = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
            tokio::time::sleep(self.retry.pause(n_attempts, chance)).await;
            n_attempts += 1;
        }
    }

    fn error(&self, attempts: u32, fault: ConnectFault) -> ConnectError {
        ConnectError { target: self.to_string(), attempts, fault }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.to_string();
        if self.name == address { f.write_str(&address) } else { write!(f, "{} ({address})", self.name) }
    }
}
