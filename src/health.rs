//! Up, degraded or down, with reasons: one connection and one round trip. A node of a cluster is asked on one more how the cluster is,
//! whoever requires that a server takes writes has it asked on one more whether it would ([`writes`]), and where clients are blocked they are
//! looked at on one more ([`held_writes`]).

mod cluster;
mod judge;
mod writes;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

pub(crate) use judge::{SLOW, judge};

use crate::connection::{
    Address, AuthenticationFault, CommandFault, ConnectError, ConnectFault, Node, Phase, Retry, ServerError,
};
use crate::explain::Status;
use crate::figures::counted;
use crate::introspection::{LeftBehind, Mode, NodeRole, Record, SentinelMet, ServerFacts, held_writes};
use crate::replies::Info;

/// A reply to INFO is no longer than this many bytes.
const INFO_LIMIT: usize = 8 << 20;

/// What a server must be able to do to be called up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The server answers PING.
    Live,
    /// The server serves reads and, if it is a primary, persists: not loading, no failed save that stops writes, a replica has its
    /// primary.
    #[default]
    Ready,
    /// The server takes writes: a primary with room and with the replicas it insists on. It is asked whether it would take one: a
    /// `SET` is put into a `MULTI` and discarded.
    Writable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Up,
    /// The server does what is required, and something is wrong.
    Degraded,
    /// The server does not do what is required.
    Down,
}

impl State {
    /// As a command's status: down is failed.
    pub fn status(self) -> Status {
        match self {
            Self::Up => Status::Ok,
            Self::Degraded => Status::Warning,
            Self::Down => Status::Failed,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Why a server is not up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Stable, snake_case: `loading`, `authentication_failed`, `misconf`, `master_down`, …
    pub code: &'static str,
    /// In a sentence.
    pub text: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Up, degraded or down.
    pub health: State,
    /// `redis_version`; of Valkey the compatibility it claims.
    pub redis_version: Option<String>,
    /// `redis` or `valkey`.
    pub server_name: Option<String>,
    /// The server's own version.
    pub server_version: Option<String>,
    /// Connections, ours included.
    pub connected_clients: Option<u64>,
    /// As the server writes it, `1.20M`.
    pub used_memory_human: Option<String>,
    /// The used memory in bytes.
    pub used_memory: Option<u64>,
    /// Its limit in bytes; 0: none.
    pub maxmemory: Option<u64>,
    /// Connections that it takes at most.
    pub maxclients: Option<u64>,
    /// `primary`, `replica` or `sentinel`.
    pub role: Option<&'static str>,
    /// Seconds since its start.
    pub uptime_seconds: Option<u64>,
    /// One round trip, from the question to the end of the answer, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Why it is not up; empty if it is.
    pub reasons: Vec<Reason>,
}

/// Asks a server. That there is no answer is the answer. `restores`: where restores write down what they change on a target.
///
/// # Errors
/// The settings of ours cannot be used: nothing is known of the server then.
pub async fn check(node: &Node, level: Level, restores: Option<&Path>) -> Result<Health, ConnectError> {
    // A probe that waits and tries again reports what was, not what is.
    let node = Node { retry: Retry::never(), ..node.clone() };
    // A server that refuses writes, or a replica that may not serve old data, says so in answer to a PING.
    let (answers, rtt) = match node.ask_at_once(&[&["PING"], &["INFO"]], INFO_LIMIT).await {
        Ok((answers, phases)) => (answers, phases.ping),
        Err(error) if error.is_of_settings() => return Err(error),
        Err(error) => return Ok(unreachable(&error, level)),
    };
    let mut answers = answers.into_iter();
    let (ping, info) = (answers.next(), answers.next());
    let info = match info {
        Some(Ok(text)) => Info::from_bytes(&text),
        Some(Err(error)) => return Ok(without_info(&error, &node, level, rtt)),
        None => Info::default(),
    };
    if info.is_empty() {
        return Ok(down("no_info", "unexpected reply of the server to INFO".to_owned(), Some(rtt)));
    }
    let facts = ServerFacts::from_info(&info);
    let mut health = judge(&info, level, rtt);
    if let Some(met) = SentinelMet::of(&node, &facts).filter(|_| level > Level::Live) {
        let text = format!("{met}; `{}` names the primary, `--require live` asks the Sentinel itself", met.url());
        health.add(Some(Level::Ready), level, Reason { code: "sentinel", text });
    }
    let running = match restores {
        Some(state) => Record::running(state, &facts.run_id).await,
        None => None,
    };
    if let Some(running) = running {
        let text = format!("{running}: {}", running.way_on());
        health.add(None, level, Reason { code: "restore_running", text });
    } else if let Some(left) = LeftBehind::recognise(&facts, restores).await {
        let text = format!("{}: {}", left.words, left.way_back(&typed(&node)));
        health.add(None, level, Reason { code: "interrupted_restore", text });
    }
    if let Some(Err(refused)) = ping {
        health.refuses(&refused, level);
    }
    let held = if level > Level::Live { held_writes(&node, &info).await } else { 0 };
    if held > 0 {
        let text = format!("{} waiting: writes are paused (`CLIENT PAUSE`, a failover)", counted(held, "write"));
        health.add(Some(Level::Writable), level, Reason { code: "paused", text });
    }
    let seen = match facts.mode {
        Mode::Cluster => cluster::look(&node).await,
        _ => cluster::Seen::default(),
    };
    if let Some(text) = seen.trouble {
        health.add(Some(Level::Ready), level, Reason { code: "cluster_down", text });
    }
    if level == Level::Writable && health.health != State::Down && facts.role == NodeRole::Primary {
        let reason = match facts.mode {
            Mode::Cluster if seen.slots.as_ref().is_some_and(Vec::is_empty) => Some(cluster::without_slots()),
            _ => writes::refused(&node, seen.slots.as_deref()).await,
        };
        if let Some(reason) = reason {
            health.add(Some(Level::Writable), level, reason);
        }
    }
    Ok(health)
}

/// A server as it is named on a command line; without secrets.
fn typed(node: &Node) -> String {
    let address = node.address.to_string();
    match &node.address {
        _ if node.name != address => node.name.clone(),
        Address::Tcp { .. } => format!("{}://{address}", if node.tls.is_some() { "rediss" } else { "redis" }),
        Address::Unix { path } => format!("unix://{}", path.display()),
        Address::Sentinel { .. } => "NAME|URL".to_owned(),
    }
}

impl Health {
    /// Nothing is known of it, and nothing against it.
    fn up() -> Self {
        Self {
            health: State::Up,
            redis_version: None,
            server_name: None,
            server_version: None,
            connected_clients: None,
            used_memory_human: None,
            used_memory: None,
            maxmemory: None,
            maxclients: None,
            role: None,
            uptime_seconds: None,
            rtt_ms: None,
            reasons: Vec::new(),
        }
    }

    /// One more thing is wrong. `needs`: the lowest level that is not reached with it, `None` for none.
    fn add(&mut self, needs: Option<Level>, level: Level, reason: Reason) {
        // What is none of the required level's business is left out, unless it is worth a word all the same.
        if reason.code == "read_only" && level < Level::Writable {
            return;
        }
        if self.reasons.iter().any(|known| known.code == reason.code) {
            return;
        }
        let state = if needs.is_some_and(|needs| needs <= level) { State::Down } else { State::Degraded };
        self.health = self.health.max(state);
        self.reasons.push(reason);
    }

    /// The server answers a PING with an error: it lives, and is not ready.
    fn refuses(&mut self, error: &ServerError, level: Level) {
        let code = match error.code.as_str() {
            "MISCONF" => "misconf",
            "MASTERDOWN" => "master_down",
            // Whoever may not PING may be served all the same, and what else there is INFO has told.
            _ => return,
        };
        // What INFO has told of the same is the cause, in other words.
        self.reasons.retain(|reason| reason.code != "save_failed" || code != "misconf");
        if !self.reasons.iter().any(|reason| reason.code == code) {
            self.reasons.insert(0, Reason { code, text: error.to_string() });
        }
        self.health = if level == Level::Live { State::Degraded } else { State::Down };
    }
}

/// Health of a server that answers and does not say how it is. Who lacks the right to ask is told how it is granted.
fn without_info(error: &ServerError, node: &Node, level: Level, rtt: Duration) -> Health {
    let fault = error.fault("INFO");
    let CommandFault::NoPermission { rule, .. } = &fault else { return down("no_info", error.to_string(), Some(rtt)) };
    let grant =
        node.user().map(|user| format!("; `ACL SETUSER {user} {rule}`, run by an admin user, grants the permission"));
    let text = format!("`INFO` failed: {fault}{}", grant.unwrap_or_default());
    let mut health = down("no_info", text, Some(rtt));
    // It answers a PING.
    if level == Level::Live {
        health.health = State::Degraded;
    }
    health
}

fn down(code: &'static str, text: String, rtt: Option<Duration>) -> Health {
    Health { health: State::Down, rtt_ms: rtt.map(milliseconds), reasons: vec![Reason { code, text }], ..Health::up() }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Health of a server that cannot be used as it is asked to. A server that answers with an error is alive all the same.
fn unreachable(error: &ConnectError, level: Level) -> Health {
    let code = match &error.fault {
        ConnectFault::Authentication { fault: AuthenticationFault::PasswordRequired, .. } => "password_required",
        ConnectFault::Server { error, .. } => match error.code.as_str() {
            "MISCONF" => "misconf",
            "MASTERDOWN" => "master_down",
            _ => "server_error",
        },
        other => other.code(),
    };
    let stalled =
        matches!(&error.fault, ConnectFault::Timeout { phase: Phase::Handshake | Phase::Auth | Phase::Ping, .. });
    let why =
        if stalled { " (it accepts connections: a long command, `CLIENT PAUSE`, or a stalled process)" } else { "" };
    // What rejects a password runs: whoever is on call looks at the password, and not for a server that is gone.
    let text = match &error.fault {
        fault @ ConnectFault::Authentication { .. } => format!(
            "{} is running, but the login failed: {fault}; check the user name and the password (a password in the environment overrides \
             the settings)",
            error.target
        ),
        _ => format!("{error}{why}"),
    };
    let mut health = down(code, text, None);
    let answers = matches!(
        error.fault,
        ConnectFault::Authentication { .. }
            | ConnectFault::NoPermission { .. }
            | ConnectFault::Loading
            | ConnectFault::MaxClients
            | ConnectFault::Busy { .. }
            | ConnectFault::Server { .. }
    );
    if level == Level::Live && answers {
        health.health = State::Degraded;
    }
    health
}
