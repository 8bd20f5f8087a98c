//! `redis-ops lock`: runs a job under a lock on a server, and looks at locks: those, and those of the repository.

mod run;

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};

use super::table::{Table, verdict};
use super::turns;
use super::which::{Place, Server};
use super::{Context, Outcome};
use crate::explain::{Context as _, Failure, Hint, Misuse, Result, Status};
use crate::lock::{self, Found, Released};
use crate::printer::words;
use crate::repository::{LockState, Repository};

/// Complete settings of `lock`.
#[derive(Debug, Clone)]
pub enum Settings {
    /// A job under a lock.
    Run(Job),
    /// Who has the lock of a key.
    Look { server: Box<Server>, key: String },
    /// Removes the lock of a key, if it has this token.
    Release { server: Box<Server>, key: String, token: String },
    /// Who holds instances of a repository; `None`: all of them.
    LookAtInstances { place: Place, instance: Option<String> },
    /// Removes the lock of an instance of a repository that has this token; `None`: of whichever instance.
    ReleaseInstance { place: Place, instance: Option<String>, token: String },
}

/// A job under a lock.
#[derive(Debug, Clone)]
pub struct Job {
    pub server: Box<Server>,
    /// The key of the lock.
    pub key: String,
    /// How long it lives without a renewal.
    pub ttl: Duration,
    /// How long to wait for it; zero: not at all.
    pub wait: Duration,
    /// Whether stdin is a terminal: the command does not get that.
    pub on_terminal: bool,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// Runs the job, or looks, or releases.
///
/// # Errors
/// Another has the lock, or it is not the one that is to be released (`locked`); the server or the repository cannot be asked.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    match settings {
        Settings::Run(job) => run::run(job, context).await,
        Settings::Look { server, key } => context.interruptible(look(server, key, context)).await,
        Settings::Release { server, key, token } => context.interruptible(release(server, key, token, context)).await,
        Settings::LookAtInstances { place, instance } => {
            context.interruptible(look_at_instances(place, instance.as_deref(), context)).await
        }
        Settings::ReleaseInstance { place, instance, token } => {
            context.interruptible(release_instance(place, instance.as_deref(), token, context)).await
        }
    }
}

fn to_json(found: Option<&Found>) -> Value {
    match found {
        Some(found) => json!({
            "token": found.token,
            "holder": found.holder,
            "lapses_in_seconds": found.left.map(|left| left.as_secs_f64()),
        }),
        None => Value::Null,
    }
}

fn in_words(key: &str, found: &Found) -> String {
    let left = match found.left {
        Some(left) => format!("the lock expires in {} unless it is renewed", words::span(left)),
        None => "the lock never expires".to_owned(),
    };
    match (&found.holder, found.left) {
        (Some(holder), _) => format!("{key} is held by {holder}; {left}; token {}", found.token),
        (None, Some(_)) => format!("{key} is held by another program (value `{}`); {left}", found.token),
        (None, None) => format!(
            "{key} holds a value that redis-ops did not write (`{}`), and has no time to live: another program's data or lock",
            found.token
        ),
    }
}

async fn look(server: &Server, key: &str, context: &Context) -> Result<Outcome> {
    let failed = || format!("cannot look at the lock {}", key.escape_debug());
    let mut connection = server.node.connect().await.with_context(failed)?;
    let found = lock::look(&mut connection, key).await.with_context(failed)?;
    let sentence = match &found {
        Some(found) => words::escape(in_words(key, found).as_bytes()),
        None => format!("the lock {} is free", words::escape(key.as_bytes())),
    };
    Ok(Outcome::new(Status::Ok)
        .field("key", key)
        .field("held", found.is_some())
        .field("lock", to_json(found.as_ref()))
        .text(verdict(&context.printer, Status::Ok, &sentence)))
}

async fn release(server: &Server, key: &str, token: &str, context: &Context) -> Result<Outcome> {
    let failed = || format!("cannot release the lock {}", key.escape_debug());
    let mut connection = server.node.connect().await.with_context(failed)?;
    match lock::release(&mut connection, key, token).await.with_context(failed)? {
        Released::Yes => {
            let sentence = format!("{} is released", words::escape(key.as_bytes()));
            let text = verdict(&context.printer, Status::Ok, &sentence);
            Ok(Outcome::new(Status::Ok).field("key", key).field("released", true).text(text))
        }
        Released::Nothing => {
            let text = format!("the lock {} is not held: nothing to release", key.escape_debug());
            Err(Failure::new("not_found", text).into())
        }
        Released::Another => {
            let (token, key) = (token.escape_debug(), key.escape_debug().to_string());
            let text = format!("`{token}` is not the token of the lock {key}: the lock was not released");
            Err(Failure::new("locked", text).hint(Hint::LockStatus(key)).into())
        }
    }
}

async fn look_at_instances(place: &Place, only: Option<&str>, context: &Context) -> Result<Outcome> {
    let repository = place.open().await?;
    let names = match only {
        Some(name) => vec![name.to_owned()],
        None => repository.instances().await?,
    };
    let mut table = Table::new(&["instance", "state", "holder", "token"]);
    let (mut locks, mut held, mut unreadable) = (Vec::new(), 0, 0);
    for instance in names {
        let Some(found) = repository.lock_of(&instance).await? else { continue };
        held += u64::from(found.state == LockState::Held);
        unreadable += u64::from(found.state == LockState::Unreadable);
        let state = match found.state {
            LockState::Held => "held",
            LockState::Unreadable => "unreadable",
            LockState::Lapsed => "lapsed",
            LockState::Dead => "dead",
            LockState::Stays => "stays",
        };
        let token = found.holder.as_ref().map(|holder| holder.token.clone()).unwrap_or_default();
        let holder = words::escape(found.in_words().as_bytes());
        table.row([instance.clone(), state.to_owned(), holder, words::escape(token.as_bytes())]);
        let mut lock = turns::to_json(&found);
        lock["instance"] = instance.into();
        locks.push(lock);
    }
    let held = [(held, "locked"), (unreadable, "with a lock that cannot be read")];
    let held: Vec<String> = held
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, how)| format!("{} {how}", words::counted(n, "instance")))
        .collect();
    let sentence = match (locks.len(), held.len()) {
        (0, _) => format!("no instance in {} is locked", words::escape(repository.describe().as_bytes())),
        (_, 0) => "no instance is locked; the next run replaces the locks that are left".to_owned(),
        _ => held.join(", "),
    };
    let text = match locks.is_empty() {
        true => verdict(&context.printer, Status::Ok, &sentence),
        false => format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, Status::Ok, &sentence)),
    };
    Ok(Outcome::new(Status::Ok).field("locks", locks).text(text))
}

async fn release_instance(place: &Place, instance: Option<&str>, token: &str, context: &Context) -> Result<Outcome> {
    let repository = place.open().await?;
    let instance = match instance {
        Some(name) => name.to_owned(),
        None => with_token(&repository, token).await?,
    };
    let instance = instance.as_str();
    if !repository.break_lock(instance, token).await? {
        return Err(match repository.lock_of(instance).await? {
            Some(found) => {
                let text = format!(
                    "`{}` is not the token of the lock of {instance}: the lock was not released ({})",
                    token.escape_debug(),
                    found.in_words()
                );
                Failure::new("locked", text).into()
            }
            None => Misuse::which_backup(
                "not_found",
                format!("the lock of the instance {instance} is not held: nothing to release"),
            )
            .into(),
        });
    }
    let text = verdict(&context.printer, Status::Ok, &format!("the lock of {instance} is released"));
    Ok(Outcome::new(Status::Ok).field("instance", instance).field("released", true).text(text))
}

/// The instance whose lock has this token.
async fn with_token(repository: &Repository, token: &str) -> Result<String> {
    for instance in repository.instances().await? {
        let found = repository.lock_of(&instance).await?;
        if found.and_then(|found| found.holder).is_some_and(|holder| holder.token == token) {
            return Ok(instance);
        }
    }
    Err(Misuse::which_backup("not_found", "no instance has a lock with this token").into())
}
