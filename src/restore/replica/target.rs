//! What the target is asked and told: its role, its settings, and whom it replicates from.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::connection::{CommandError, CommandFault, Connection, Node};
use crate::progress::Progress;
use crate::replies::Info;

use super::{Load, ReplicaFault};

/// How long a single command may take: a target that drops its old data answers nothing for a while.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// How often a target that loads is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);
const LOADING_SETTING: &str = "repl-diskless-load";

/// Where the target finds us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Primary {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A setting that was changed for the time of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: &'static str,
    /// Its value before.
    pub before: String,
}

/// What became of the target when it was to be a primary again.
pub(super) struct Recovery {
    /// Its INFO, if it answers.
    pub(super) info: Option<Info>,
    /// What is in the way.
    pub(super) problem: Option<String>,
}

pub(super) struct Target<'a> {
    node: &'a Node,
    /// `None` after it broke; the next question opens another.
    connection: Option<Connection>,
    limit: Duration,
}

impl<'a> Target<'a> {
    pub(super) async fn connect(node: &'a Node, patience: Duration) -> Result<Self, ReplicaFault> {
        let mut target = Self { node, connection: None, limit: COMMAND_LIMIT.min(patience).max(node.timeout) };
        target.connection().await?;
        Ok(target)
    }

    async fn connection(&mut self) -> Result<&mut Connection, ReplicaFault> {
        if self.connection.is_none() {
            let mut connection = self.node.connect_even_while_loading().await?;
            connection.set_timeout(self.limit);
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was opened just now"))
    }

    /// Our address as the target's host sees it; `None` over a unix socket.
    pub(super) async fn our_address(&self) -> Result<Option<IpAddr>, ReplicaFault> {
        Ok(self.node.open().await?.local_addr().map(|address| address.ip()))
    }

    async fn ask(&mut self, command: &Cmd) -> Result<Value, CommandError> {
        let connection = self.connection().await.map_err(|fault| gone(command, &fault))?;
        let answer = connection.query(command).await;
        if let Err(CommandError { fault: CommandFault::Disconnected { .. } | CommandFault::Timeout { .. }, .. }) =
            &answer
        {
            self.connection = None;
        }
        answer
    }

    pub(super) async fn info(&mut self) -> Result<Info, CommandError> {
        let answer = self.ask(&redis::cmd("INFO")).await?;
        match bytes_of(&answer).map(Info::from_bytes).filter(|info| info.get("role").is_some()) {
            Some(info) => Ok(info),
            None => Err(CommandError {
                command: "INFO".to_owned(),
                fault: CommandFault::Protocol { reason: "it does not say what role the server has".to_owned() },
            }),
        }
    }

    /// `None` where the setting does not exist, or we may not ask.
    async fn setting(&mut self, name: &str) -> Option<String> {
        let answer = self.ask(redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
        let (Value::Array(pair) | Value::Set(pair)) = answer else { return None };
        Some(String::from_utf8_lossy(bytes_of(pair.get(1)?)?).into_owned())
    }

    pub(super) async fn replicates_by_tls(&mut self) -> bool {
        self.setting("tls-replication").await.as_deref() == Some("yes")
    }

    /// Makes it take the RDB in as wanted. A target that does not let us goes its own way, which is slower at worst: then there is
    /// nothing to put back.
    pub(super) async fn change_loading(&mut self, load: Load, progress: &dyn Progress) -> Vec<Changed> {
        let Some(before) = self.setting(LOADING_SETTING).await else { return Vec::new() };
        if before == load.setting() {
            return Vec::new();
        }
        match self.ask(redis::cmd("CONFIG").arg("SET").arg(LOADING_SETTING).arg(load.setting())).await {
            Ok(_) => vec![Changed { name: LOADING_SETTING, before }],
            Err(error) => {
                progress.note(&format!("`{LOADING_SETTING}` of the target stays `{before}`: {error}"));
                Vec::new()
            }
        }
    }

    /// Puts settings back; returns those that could not be.
    pub(super) async fn put_back(&mut self, changed: Vec<Changed>) -> Vec<Changed> {
        let mut failed = Vec::new();
        for setting in changed {
            let command = redis::cmd("CONFIG").arg("SET").arg(setting.name).arg(&setting.before).clone();
            // The connection may have broken since the last question, and this question may be asked twice.
            let mut answer = self.ask(&command).await;
            if self.connection.is_none() {
                answer = self.ask(&command).await;
            }
            if let Err(error) = answer {
                tracing::error!(setting = setting.name, before = setting.before, %error, "a setting of the target was not put back");
                failed.push(setting);
            }
        }
        failed
    }

    /// `REPLICAOF us`. Returns its `master_replid` of that very moment, by which its connection is recognised: both in one round
    /// trip, because an idle server changes it now and then.
    pub(super) async fn replicate_from(&mut self, us: &Primary) -> Result<String, CommandError> {
        let info = redis::cmd("INFO").arg("replication").clone();
        let replicaof = redis::cmd("REPLICAOF").arg(&us.host).arg(us.port).clone();
        let connection = self.connection().await.map_err(|fault| gone(&replicaof, &fault))?;
        let mut answers = connection.pipeline(&[info, replicaof]).await?.into_iter();
        let refused = |error: crate::connection::ServerError| CommandError {
            command: "REPLICAOF".to_owned(),
            fault: error.fault("REPLICAOF"),
        };
        let replid = answers.next().and_then(Result::ok).and_then(|answer| {
            let info = Info::from_bytes(bytes_of(&answer)?);
            info.text("master_replid").map(str::to_owned)
        });
        answers.next().transpose().map_err(refused)?;
        replid.ok_or_else(|| CommandError {
            command: "INFO".to_owned(),
            fault: CommandFault::Protocol { reason: "it names no replication id".to_owned() },
        })
    }

    /// Checks that the target that has acknowledged is still ours, and has nothing left to load.
    pub(super) async fn must_follow(&mut self, us: &Primary) -> Result<(), ReplicaFault> {
        let info = self.info().await.map_err(ReplicaFault::Target)?;
        let flag = |name| info.flag(name).unwrap_or(false);
        if !follows(&info, us) {
            return Err(ReplicaFault::TakenOver(role_in_words(&info)));
        }
        if info.get("master_link_status") != Some("up")
            || flag("master_sync_in_progress")
            || flag("loading")
            || flag("async_loading")
        {
            return Err(ReplicaFault::TakenOver("its link to us is not up".to_owned()));
        }
        Ok(())
    }

    /// `REPLICAOF NO ONE`, as soon as it takes that: not while it loads. Never undoes what somebody else told it.
    pub(super) async fn become_primary_again(&mut self, us: &Primary, patience: Duration) -> Recovery {
        let mut last_change = (Instant::now(), None);
        loop {
            let problem = match self.info().await {
                Ok(info) if info.get("role") == Some("master") => return Recovery { info: Some(info), problem: None },
                Ok(info) if !follows(&info, us) => {
                    let problem = Some(format!("somebody else changed its role: {}", role_in_words(&info)));
                    return Recovery { info: Some(info), problem };
                }
                Ok(info) => match self.ask(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await {
                    Ok(_) => continue,
                    Err(CommandError { fault: CommandFault::Loading, .. }) => {
                        let loaded = info.u64("loading_loaded_bytes");
                        if loaded != last_change.1 {
                            last_change = (Instant::now(), loaded);
                        }
                        "it is still loading".to_owned()
                    }
                    Err(error) if self.connection.is_none() => error.to_string(),
                    Err(error) => return Recovery { info: Some(info), problem: Some(error.to_string()) },
                },
                Err(error) if self.has_exited().await => {
                    let problem = format!("it has probably exited ({}): its log says why", error.fault);
                    return Recovery { info: None, problem: Some(problem) };
                }
                Err(error) => error.to_string(),
            };
            if last_change.0.elapsed() > patience {
                let info = self.info().await.ok();
                return Recovery { info, problem: Some(format!("{problem}: left to do: `REPLICAOF NO ONE`")) };
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether nobody listens at its port any more: waiting does not help then. [`Node`] has tried a few times.
    async fn has_exited(&mut self) -> bool {
        use crate::connection::ConnectFault;
        match self.connection().await {
            Err(ReplicaFault::Connect(error)) => matches!(error.fault, ConnectFault::Refused),
            _ => false,
        }
    }
}

fn follows(info: &Info, us: &Primary) -> bool {
    info.get("role") == Some("slave")
        && info.get("master_host") == Some(us.host.as_str())
        && info.u64("master_port") == Some(us.port.into())
}

fn role_in_words(info: &Info) -> String {
    match info.get("role") {
        Some("slave") => format!(
            "it replicates from {}:{}",
            info.get("master_host").unwrap_or("?"),
            info.get("master_port").unwrap_or("?")
        ),
        Some("master") => "it is a primary".to_owned(),
        role => format!("its role is {}", role.unwrap_or("not known")),
    }
}

fn gone(command: &Cmd, fault: &ReplicaFault) -> CommandError {
    let name = match command.args_iter().next() {
        Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    CommandError { command: name, fault: CommandFault::Disconnected { reason: fault.to_string() } }
}

fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        Value::VerbatimString { text, .. } => Some(text.as_bytes()),
        _ => None,
    }
}
