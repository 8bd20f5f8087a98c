//! The settings of `lock`.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::Resolver;
use crate::cli::args::lock::{Action, Lock as Typed};
use crate::commands::lock::{Job, Settings};
use crate::commands::which::Server;
use crate::explain::Misuse;

/// How long a lock lives where nothing is said.
const TTL: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(86_400);

impl Resolver<'_> {
    pub(super) fn lock(&self, typed: &Typed) -> Result<Settings, Misuse> {
        must_fit(typed)?;
        match (typed.action, &typed.key) {
            // A variable that is not set would make all jobs share one lock.
            (_, Some(key)) if key.is_empty() => {
                Err(Misuse::usage("`--key` is empty").hint("name the lock: `--key lock:nightly`"))
            }
            (Action::Run, Some(key)) => {
                let ttl = typed.ttl.unwrap_or(TTL);
                if !(SHORTEST..=LONGEST).contains(&ttl) {
                    return Err(Misuse::usage(format!(
                        "invalid value `{}` for `--ttl`: use 1s to 1d",
                        humantime::format_duration(ttl)
                    )));
                }
                Ok(Settings::Run(Job {
                    server: Box::new(self.named_by_hand(typed)?),
                    key: key.clone(),
                    ttl,
                    wait: typed.wait_lock.unwrap_or_default(),
                    on_terminal: std::io::stdin().is_terminal(),
                    command: typed.command.clone(),
                }))
            }
            (Action::Run, None) => {
                Err(Misuse::usage("`lock run` needs a key").hint("name the lock: `--key lock:nightly`"))
            }
            (Action::Status, Some(key)) => {
                Ok(Settings::Look { server: Box::new(self.server(typed.database.number)?), key: key.clone() })
            }
            (Action::Status, None) => {
                self.no_database("lock status", typed.database.number)?;
                Ok(Settings::LookAtInstances { place: self.place()?, instance: self.typed_instance_name()? })
            }
            (Action::Release, key) => {
                let token = typed.token.clone().ok_or_else(|| {
                    Misuse::usage("`lock release` needs the token of the lock")
                        .hint("`redis-ops lock status` shows the token; then add `--token TOKEN`")
                })?;
                match key {
                    Some(key) => {
                        let server = Box::new(self.named_by_hand(typed)?);
                        Ok(Settings::Release { server, key: key.clone(), token })
                    }
                    None => {
                        self.no_database("lock release", typed.database.number)?;
                        let instance = self.typed_instance_name()?;
                        Ok(Settings::ReleaseInstance { place: self.place()?, instance, token })
                    }
                }
            }
        }
    }

    /// A lock is written only to a server that was typed: neither the default nor the environment is enough.
    fn named_by_hand(&self, typed: &Typed) -> Result<Server, Misuse> {
        self.typed_server(typed.database.number)?.ok_or_else(|| {
            Misuse::usage("`lock` writes only to a server that is named on the command line").hint("add `-i NAME|URL`")
        })
    }
}

/// Refuses what has no effect on an action.
fn must_fit(typed: &Typed) -> Result<(), Misuse> {
    let run = typed.action == Action::Run;
    if run && typed.command.is_empty() {
        return Err(
            Misuse::usage("`lock run` needs a command").hint("`redis-ops lock run --key lock:nightly -- COMMAND`")
        );
    }
    let given = [
        ("--ttl", typed.ttl.is_some() && !run),
        ("--wait-lock", typed.wait_lock.is_some() && !run),
        ("--token", typed.token.is_some() && typed.action != Action::Release),
        ("-- COMMAND", !typed.command.is_empty() && !run),
    ];
    match given.into_iter().find(|(_, wrong)| *wrong) {
        Some((name, _)) => Err(Misuse::usage(format!("`{name}` has no effect on this action of `lock`"))),
        None => Ok(()),
    }
}
