//! Up, degraded or down: one connection, one round trip, and reasons.

use std::time::Duration;

use serde::Serialize;

use crate::connection::{Address, AuthenticationFault, ConnectError, ConnectFault, Node, Retry, ServerError};
use crate::explain::Status;
use crate::figures::{self, count};
use crate::introspection::{InterruptedRestore, Mode, NodeRole, ServerFacts};
use crate::replies::Info;

/// A reply to INFO is no longer than this many bytes.
const INFO_LIMIT: usize = 8 << 20;
/// How long the primary of a replica may take to answer that seems to be none.
const PRIMARY_LIMIT: Duration = Duration::from_secs(1);

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
    /// The server takes writes: a primary with room and with the replicas it insists on.
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
    /// `primary`, `replica` or `sentinel`.
    pub role: Option<&'static str>,
    /// Seconds since its start.
    pub uptime_seconds: Option<u64>,
    /// One round trip, from the question to the end of the answer, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Why it is not up; empty if it is.
    pub reasons: Vec<Reason>,
}

/// Asks a server. Never fails: that there is no answer is the answer.
pub async fn check(node: &Node, level: Level) -> Health {
    // A probe that waits and tries again reports what was, not what is.
    let node = Node { retry: Retry::never(), ..node.clone() };
    // A server that refuses writes, or a replica that may not serve old data, says so in answer to a PING.
    let (answers, rtt) = match node.ask_at_once(&[&["PING"], &["INFO"]], INFO_LIMIT).await {
        Ok((answers, phases)) => (answers, phases.ping),
        Err(error) => return unreachable(&error, level),
    };
    let mut answers = answers.into_iter();
    let (ping, info) = (answers.next(), answers.next());
    let info = match info {
        Some(Ok(text)) => Info::from_bytes(&text),
        Some(Err(error)) => return down("no_info", error.to_string(), Some(rtt)),
        None => Info::default(),
    };
    if info.is_empty() {
        return down("no_info", "the server answered INFO with something else".to_owned(), Some(rtt));
    }
    let mut health = judge(&info, level, rtt);
    if let Some(left) = InterruptedRestore::of(&ServerFacts::from_info(&info))
        && (left.certain || !listens(&left.host, left.port, node.timeout).await)
    {
        let way_back = InterruptedRestore::way_back(&typed(&node));
        health.reasons.push(Reason { code: "interrupted_restore", text: format!("{}: {way_back}", left.words()) });
    }
    if let Some(Err(refused)) = ping {
        health.refuses(&refused, level);
    }
    health
}

/// Whether somebody listens where a server seeks its primary: then a restore is running, or its guard is.
async fn listens(host: &str, port: u16, limit: Duration) -> bool {
    let connected = tokio::time::timeout(limit.min(PRIMARY_LIMIT), tokio::net::TcpStream::connect((host, port)));
    matches!(connected.await, Ok(Ok(_)))
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

fn down(code: &'static str, text: String, rtt: Option<Duration>) -> Health {
    Health {
        health: State::Down,
        redis_version: None,
        server_name: None,
        server_version: None,
        connected_clients: None,
        used_memory_human: None,
        used_memory: None,
        role: None,
        uptime_seconds: None,
        rtt_ms: rtt.map(milliseconds),
        reasons: vec![Reason { code, text }],
    }
}

fn span(seconds: u64) -> String {
    figures::span(Duration::from_secs(seconds))
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
    let mut health = down(code, error.to_string(), None);
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

/// A Sentinel holds no data: which groups it watches, and where their primaries are (`master0:name=mymaster,status=ok,address=…`).
fn sentinel(info: &Info) -> String {
    let groups = info.with_prefix("master").filter(|(index, _)| index.parse::<u32>().is_ok()).map(|(_, group)| {
        let field = |name: &str| {
            group.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("?").to_owned()
        };
        format!("{} at {} ({})", field("name"), field("address"), field("status"))
    });
    let groups: Vec<String> = groups.take(GROUPS_SHOWN).collect();
    let watched = if groups.is_empty() { "nothing".to_owned() } else { groups.join(", ") };
    format!(
        "the server is a Sentinel, which holds no data; it watches {watched}; \
         `redis+sentinel://host,host/service` names the primary, `--require live` asks the Sentinel itself"
    )
}

/// Groups of a Sentinel that are named.
const GROUPS_SHOWN: usize = 3;

/// Judges an INFO.
pub fn judge(info: &Info, level: Level, rtt: Duration) -> Health {
    let facts = ServerFacts::from_info(info);
    let mut reasons: Vec<(Level, Reason)> = Vec::new();
    let mut because = |level, code, text: String| reasons.push((level, Reason { code, text }));
    if facts.loading {
        let eta = info.u64("loading_eta_seconds").map(|eta| format!(", about {} to go", span(eta))).unwrap_or_default();
        because(Level::Ready, "loading", format!("it is loading its data{eta}"));
    }
    if let Some(primary) = facts.primary.as_ref().filter(|primary| !primary.up) {
        let since =
            primary.down_seconds.map_or("it never was up".to_owned(), |seconds| format!("for {}", span(seconds)));
        because(
            Level::Ready,
            "master_down",
            format!("the link to its primary {}:{} is down, {since}", primary.host, primary.port),
        );
    }
    if info.get("aof_enabled") == Some("1") && info.get("aof_last_write_status") == Some("err") {
        because(Level::Ready, "misconf", "the append-only file cannot be written: writes are refused".to_owned());
    }
    if info.get("rdb_last_bgsave_status") == Some("err") {
        // Whether that stops writes is a setting; where it does, PING says so before we get here.
        because(Level::Writable, "save_failed", "the last save failed".to_owned());
    }
    if facts.mode == Mode::Sentinel && level > Level::Live {
        because(Level::Ready, "sentinel", sentinel(info));
    }
    if facts.role == NodeRole::Replica && level == Level::Writable {
        because(Level::Writable, "read_only", "it is a replica".to_owned());
    }
    let full = facts.maxmemory > 0 && facts.used_memory >= facts.maxmemory;
    if full && facts.maxmemory_policy == "noeviction" {
        because(
            Level::Writable,
            "out_of_memory",
            "memory is full, and nothing is evicted: writes are refused".to_owned(),
        );
    }
    let clients = info.u64("connected_clients");
    let limit = info.u64("maxclients");
    if let (Some(clients), Some(limit)) = (clients, limit)
        && clients.saturating_mul(20) >= limit.saturating_mul(19)
    {
        // Nobody is turned away yet: this never takes it down.
        reasons.push((
            Level::Writable,
            Reason {
                code: "too_many_clients",
                text: format!("{} of {} connections are taken", count(clients), count(limit)),
            },
        ));
    }
    let fails = |(needs, reason): &(Level, Reason)| {
        *needs <= level && reason.code != "too_many_clients" && reason.code != "save_failed"
    };
    let state = match reasons.iter().any(fails) {
        true => State::Down,
        false if reasons.is_empty() => State::Up,
        false => State::Degraded,
    };
    Health {
        health: state,
        redis_version: info.text("redis_version").map(str::to_owned),
        server_name: Some(facts.name.clone()),
        server_version: Some(facts.version.clone()).filter(|version| !version.is_empty()),
        connected_clients: clients,
        used_memory_human: info.text("used_memory_human").map(str::to_owned),
        used_memory: info.u64("used_memory"),
        role: Some(if facts.mode == Mode::Sentinel { "sentinel" } else { facts.role.as_str() }),
        uptime_seconds: info.u64("uptime_in_seconds"),
        rtt_ms: Some(milliseconds(rtt)),
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(changes: &str, expected: [(Level, State); 3], code: &str) {
        let base =
            "redis_version:7.0.15\nrole:master\nconnected_clients:1\nmaxclients:100\nmaxmemory:0\nused_memory:50\n";
        // The last of two fields with one name does not count: changes go first.
        let info = Info::parse(&format!("{changes}\n{base}"));
        for (level, state) in expected {
            let health = judge(&info, level, Duration::from_micros(123));
            assert_eq!(health.health, state, "{changes} at {level:?}: {:?}", health.reasons);
            assert_eq!(health.rtt_ms, Some(0.123));
            let codes: Vec<_> = health.reasons.iter().map(|reason| reason.code).collect();
            assert!(codes.contains(&code) || code.is_empty() || state == State::Up, "{codes:?}");
        }
    }

    #[test]
    fn what_is_required_decides() {
        use Level::{Live, Ready, Writable};
        use State::{Degraded, Down, Up};
        check("", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check("loading:1", [(Live, Degraded), (Ready, Down), (Writable, Down)], "loading");
        check(
            "role:slave\nmaster_link_status:down",
            [(Live, Degraded), (Ready, Down), (Writable, Down)],
            "master_down",
        );
        check("role:slave\nmaster_link_status:up", [(Live, Up), (Ready, Up), (Writable, Down)], "read_only");
        check(
            "maxmemory:50\nmaxmemory_policy:noeviction",
            [(Live, Degraded), (Ready, Degraded), (Writable, Down)],
            "out_of_memory",
        );
        check("maxmemory:50\nmaxmemory_policy:allkeys-lru", [(Live, Up), (Ready, Up), (Writable, Up)], "");
        check("connected_clients:95", [(Live, Degraded), (Ready, Degraded), (Writable, Degraded)], "too_many_clients");
        check("rdb_last_bgsave_status:err", [(Live, Degraded), (Ready, Degraded), (Writable, Degraded)], "save_failed");
        check(
            "aof_enabled:1\naof_last_write_status:err",
            [(Live, Degraded), (Ready, Down), (Writable, Down)],
            "misconf",
        );
    }
}
