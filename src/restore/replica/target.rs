//! What the target is asked and told: its role, its settings, and whom it replicates from.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::connection::{Command, CommandError, CommandFault, Connection, Node};
use crate::progress::Progress;
use crate::replies::{Info, Reply};

use super::changes::{Changed, LOADING_SETTING};
use super::left::Recovery;
use super::{AsPlanned, Load, ReplicaFault};
use crate::introspection::{Change, Primary};
use crate::restore::{preflight, unsaved};

/// How long a single command may take: a target that drops its old data answers nothing for a while.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// How often a target that loads is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);

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

    /// Our address as the target's host sees it, and its own as we do; `None` over a unix socket.
    pub(super) async fn addresses(&self) -> Result<Option<(IpAddr, IpAddr)>, ReplicaFault> {
        let stream = self.node.open().await?;
        let ends = stream.local_addr().zip(stream.peer_addr());
        Ok(ends.map(|(ours, its)| (ours.ip(), its.ip())))
    }

    /// The addresses that it may come from: the one at which we reach it, and one that its settings name. `ours`: where we listen,
    /// which is its own host as well where we reach it over the loopback.
    pub(super) async fn comes_from(&mut self, its: IpAddr, ours: IpAddr) -> Vec<IpAddr> {
        let mut addresses = vec![its];
        if its.is_loopback() {
            addresses.push(ours);
        }
        // `bind-source-addr` since 7.0; before, the first address of `bind`.
        for name in ["bind-source-addr", "bind"] {
            let named = self.setting(name).await.unwrap_or_default();
            let first = named.split_whitespace().next().map(|address| address.trim_start_matches('-'));
            addresses
                .extend(first.and_then(|address| address.parse::<IpAddr>().ok()).filter(|ip| !ip.is_unspecified()));
        }
        addresses
    }

    /// The ports that it may call its own as a replica (`replica-announce-port`, `tls-port`, `port`); `None` where it does not say.
    pub(super) async fn listening_ports(&mut self) -> Option<Vec<u16>> {
        let mut ports = Vec::new();
        for name in ["replica-announce-port", "tls-port", "port"] {
            let value = self.setting(name).await;
            // A build without TLS has no such port; a user that may not read the settings learns no port.
            if value.is_none() && name != "tls-port" {
                return None;
            }
            ports.extend(value.and_then(|value| value.parse::<u16>().ok()));
        }
        Some(ports)
    }

    async fn ask(&mut self, command: &Command) -> Result<Reply, CommandError> {
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
        let answer = self.ask(&Command::new("INFO")).await?;
        match answer.bytes().map(Info::from_bytes).filter(|info| info.get("role").is_some() || is_sentinel(info)) {
            Some(info) => Ok(info),
            None => Err(CommandError {
                command: "INFO".to_owned(),
                fault: CommandFault::Protocol { reason: "it does not say what role the server has".to_owned() },
            }),
        }
    }

    /// Checks that it is the server of the plan, and has nothing to lose where the plan lets nothing be replaced. All of it goes when the
    /// target loads a file. Gives what it has counted at that moment, where what others have written since is told: see
    /// [`AsPlanned::saved`].
    pub(super) async fn must_be_as_planned(&mut self, planned: &AsPlanned) -> Result<Option<Info>, ReplicaFault> {
        let info = self.info().await.map_err(ReplicaFault::Target)?;
        if !planned.run_id.is_empty() && info.get("run_id").is_some_and(|now| now != planned.run_id) {
            return Err(ReplicaFault::OtherServer);
        }
        if info.get("role") != Some("master") {
            return Err(ReplicaFault::NotAPrimary);
        }
        let counted = match &planned.saved {
            Some(saved) => Some(self.nothing_unsaved(saved).await?),
            None => None,
        };
        if !planned.must_be_empty {
            return Ok(counted);
        }
        let keys = info.databases().values().map(|database| database.keys).sum();
        // Who has no such command has no functions; a plan that may not ask for them refuses this method.
        let functions = self.ask(&Command::of(&["FUNCTION", "LIST"])).await.map_or(0, |list| list.items().len() as u64);
        match (keys, functions) {
            (0, 0) => Ok(counted),
            (keys, functions) => Err(ReplicaFault::NotEmpty { keys, functions }),
        }
    }

    /// Checks that nobody has written to it since its safety backup began.
    async fn nothing_unsaved(&mut self, saved: &Info) -> Result<Info, ReplicaFault> {
        let connection = self.connection().await?;
        let (_, now) = preflight::counters(connection).await.map_err(ReplicaFault::Target)?;
        match unsaved::others_wrote(connection, saved, &now).await.map_err(ReplicaFault::Target)? {
            true => Err(ReplicaFault::Unsaved),
            false => Ok(now),
        }
    }

    /// Write commands that others have called since a look; 0 where that cannot be told.
    pub(super) async fn writes_of_others_since(&mut self, looked: &Info) -> u64 {
        let Ok(connection) = self.connection().await else { return 0 };
        let Ok((_, now)) = preflight::counters(connection).await else { return 0 };
        unsaved::writes_of_others(connection, looked, &now).await.unwrap_or(0)
    }

    /// `None` where the setting does not exist, or we may not ask.
    pub(super) async fn setting(&mut self, name: &str) -> Option<String> {
        self.ask(&Command::of(&["CONFIG", "GET", name])).await.ok()?.field(name)?.text()
    }

    pub(super) async fn replicates_by_tls(&mut self) -> bool {
        self.setting("tls-replication").await.as_deref() == Some("yes")
    }

    /// What has to be changed so that it takes the RDB in as wanted; `earlier`: what a restore has left that did not end.
    pub(super) async fn planned_change(&mut self, load: Load, earlier: Option<&Change>) -> Option<Change> {
        let now = self.setting(LOADING_SETTING).await?;
        // What a restore has left is not what the setting was.
        let left = earlier.filter(|earlier| earlier.name == LOADING_SETTING && earlier.meanwhile == now);
        let before = left.map_or_else(|| now.clone(), |earlier| earlier.before.clone());
        let meanwhile = load.setting().to_owned();
        (now != meanwhile || before != meanwhile).then(|| Change {
            name: LOADING_SETTING.to_owned(),
            before,
            meanwhile,
        })
    }

    /// Changes it. A target that does not let us goes its own way, which is slower at worst: then there is nothing to put back.
    pub(super) async fn change_loading(&mut self, change: Option<&Change>, progress: &dyn Progress) -> Vec<Changed> {
        let Some(Change { before, meanwhile, .. }) = change else { return Vec::new() };
        match self.set(meanwhile).await {
            Ok(()) => vec![Changed { name: LOADING_SETTING, before: before.clone() }],
            Err(error) => {
                progress.note(&format!("`{LOADING_SETTING}` of the target stays `{before}`: {error}"));
                Vec::new()
            }
        }
    }

    /// Sets how it takes an RDB in.
    pub(super) async fn set(&mut self, value: &str) -> Result<(), CommandError> {
        self.ask(&Command::of(&["CONFIG", "SET", LOADING_SETTING, value])).await.map(|_| ())
    }

    /// Puts settings back; returns those that could not be.
    pub(super) async fn put_back(&mut self, changed: Vec<Changed>) -> Vec<Changed> {
        let mut failed = Vec::new();
        for setting in changed {
            let command = Command::of(&["CONFIG", "SET", setting.name, &setting.before]);
            // The connection may have broken since the last question, and this question may be asked twice.
            let mut answer = self.ask(&command).await;
            if self.connection.is_none() {
                answer = self.ask(&command).await;
            }
            if let Err(error) = answer {
                let Changed { name, before } = &setting;
                tracing::error!("`{name}` of the target was not put back to `{before}`: {error}");
                failed.push(setting);
            }
        }
        failed
    }

    /// `REPLICAOF us`. Returns its `master_replid` of that very moment, by which its connection is recognised: both in one round
    /// trip, because an idle server changes it now and then.
    pub(super) async fn replicate_from(&mut self, us: &Primary) -> Result<String, CommandError> {
        let info = Command::of(&["INFO", "replication"]);
        let replicaof = Command::new("REPLICAOF").arg(&us.host).arg(us.port);
        let connection = self.connection().await.map_err(|fault| gone(&replicaof, &fault))?;
        let mut answers = connection.pipeline(&[info, replicaof]).await?.into_iter();
        let refused = |error: crate::connection::ServerError| CommandError {
            command: "REPLICAOF".to_owned(),
            fault: error.fault("REPLICAOF"),
        };
        let replid = answers.next().and_then(Result::ok).and_then(|answer| {
            let info = Info::from_bytes(answer.bytes()?);
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
            return Err(ReplicaFault::TakenOver("its replication link to redis-ops is down".to_owned()));
        }
        Ok(())
    }

    /// `REPLICAOF NO ONE`, as soon as it takes that: not while it loads. Never undoes what somebody else told it.
    pub(super) async fn become_primary_again(&mut self, us: &Primary, patience: Duration) -> Recovery {
        let mut last_change = (Instant::now(), None);
        loop {
            let problem = match self.info().await {
                Ok(info) if info.get("role") == Some("master") => return Recovery::of(Some(info), None),
                Ok(info) if !follows(&info, us) => {
                    let problem = Some(format!("its role was changed from outside: {}", role_in_words(&info)));
                    return Recovery { overruled: true, ..Recovery::of(Some(info), problem) };
                }
                Ok(info) => match self.ask(&Command::of(&["REPLICAOF", "NO", "ONE"])).await {
                    Ok(_) => continue,
                    Err(CommandError { fault: CommandFault::Loading, .. }) => {
                        let loaded = info.u64("loading_loaded_bytes");
                        if loaded != last_change.1 {
                            last_change = (Instant::now(), loaded);
                        }
                        "it is still loading".to_owned()
                    }
                    Err(error) if self.connection.is_none() => error.to_string(),
                    Err(error) => return Recovery::of(Some(info), Some(error.to_string())),
                },
                Err(error) if self.has_exited().await => {
                    let problem = format!("the target has probably exited ({}): its log says why", error.fault);
                    return Recovery::of(None, Some(problem));
                }
                Err(error) => error.to_string(),
            };
            if last_change.0.elapsed() > patience {
                let info = self.info().await.ok();
                return Recovery::of(info, Some(format!("{problem}: left to do: `REPLICAOF NO ONE`")));
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

/// A Sentinel has no role.
fn is_sentinel(info: &Info) -> bool {
    info.get("sentinel_masters").is_some()
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

fn gone(command: &Command, fault: &ReplicaFault) -> CommandError {
    CommandError { command: command.name(), fault: CommandFault::Disconnected { reason: fault.to_string() } }
}
