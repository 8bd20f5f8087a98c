//! Once a second on a connection of its own: the server's clock with its offset, whether it is to shut down, and whether it hands its role
//! over. All in one transaction, so that clock and offset belong together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::connection::{Command, CommandError, CommandFault, Connection, Node, Retry, ServerError};
use crate::replies::{Info, Reply};
use crate::repository::segment::Mark;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks that wait to be taken.
const AHEAD: usize = 4;

/// What one look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The server's clock, and its offset then.
    pub mark: Mark,
    /// The history that it writes.
    pub replid: String,
    /// It waits for its replicas before it shuts down.
    pub shuts_down: bool,
    /// It is handing its role over.
    pub fails_over: bool,
    /// Its `min-replicas-to-write` is in force, which counts us by the time of our acknowledgements alone.
    pub counts_replicas: bool,
}

/// The questions of a look.
fn questions() -> [Command; 5] {
    [
        Command::new("MULTI"),
        Command::new("TIME"),
        Command::of(&["INFO", "replication"]),
        Command::of(&["INFO", "server"]),
        Command::new("EXEC"),
    ]
}

/// Looks once.
///
/// # Errors
/// The server does not answer, or not all of it.
pub async fn look(connection: &mut Connection) -> Result<Pulse, CommandError> {
    let questions = questions();
    let answers = connection.pipeline(&questions).await?;
    // EXEC tells only that a command before it was refused, and not which.
    let refused = |(question, answer): (&Command, &Result<Reply, ServerError>)| {
        let name = question.name();
        Some((answer.as_ref().err()?.fault(&name), name))
    };
    if let Some(error) = all_refused(questions.iter().zip(&answers).filter_map(refused)) {
        return Err(error);
    }
    let wrong = |fault| CommandError { command: "EXEC".to_owned(), fault };
    let reply = match answers.into_iter().next_back() {
        Some(Ok(reply)) => reply,
        Some(Err(error)) => return Err(wrong(error.fault("EXEC"))),
        None => return Err(wrong(CommandFault::Protocol { reason: "it does not answer".to_owned() })),
    };
    pulse(&reply).ok_or_else(|| {
        wrong(CommandFault::Protocol { reason: "its clock and its offset are not in the answer".to_owned() })
    })
}

/// What was refused: the first error; of several that want a permission, all of those in one.
fn all_refused(refused: impl Iterator<Item = (CommandFault, String)>) -> Option<CommandError> {
    // That EXEC is aborted follows from the others.
    let mut refused = refused.filter(|(_, name)| name != "EXEC");
    let (fault, command) = refused.next()?;
    let CommandFault::NoPermission { rule: first, text } = fault else { return Some(CommandError { command, fault }) };
    let mut rules = vec![first];
    for (fault, _) in refused {
        if let CommandFault::NoPermission { rule, .. } = fault
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }
    Some(CommandError { command, fault: CommandFault::NoPermission { rule: rules.join(" "), text } })
}

fn pulse(reply: &Reply) -> Option<Pulse> {
    let [time, replication, server] = reply.items() else { return None };
    let [seconds, micros] = time.items() else { return None };
    let time_us = seconds.integer()?.checked_mul(1_000_000)?.checked_add(micros.integer()?)?;
    let (replication, server) = (Info::from_bytes(replication.bytes()?), Info::from_bytes(server.bytes()?));
    Some(Pulse {
        mark: Mark { offset: replication.u64("master_repl_offset")?, time_us },
        replid: replication.get("master_replid")?.to_owned(),
        shuts_down: server.get("shutdown_in_milliseconds").is_some(),
        fails_over: replication.get("master_failover_state").is_some_and(|state| state != "no-failover"),
        // A replica has no writes of clients that it could accept or refuse.
        counts_replicas: replication.get("min_slaves_good_slaves").is_some()
            && replication.get("role") != Some("slave"),
    })
}

/// The place and the time at which a server is now.
///
/// # Errors
/// The server cannot be reached, or does not answer.
pub async fn point(node: &Node) -> crate::explain::Result<(String, Mark)> {
    let pulse = look(&mut node.connect().await?).await?;
    Ok((pulse.replid, pulse.mark))
}

/// A task that looks once a second. Ends when dropped.
pub struct Pulses {
    looks: mpsc::Receiver<Pulse>,
    now: Arc<Notify>,
    task: AbortHandle,
}

impl Pulses {
    /// Begins to look at a server. What cannot be seen is told to nobody: the link itself says what has become of the server.
    pub fn of(node: &Node) -> Self {
        let node = Node { retry: Retry::never(), ..node.clone() };
        let (sender, looks) = mpsc::channel(AHEAD);
        let now = Arc::new(Notify::new());
        let wake = now.clone();
        let task = tokio::spawn(async move {
            let mut connection = None;
            loop {
                if connection.is_none() {
                    match node.connect_even_while_loading().await {
                        Ok(opened) => connection = Some(opened),
                        Err(error) => tracing::debug!("cannot look at {node}: {error}"),
                    }
                }
                if let Some(open) = &mut connection {
                    match look(open).await {
                        // Who is behind with reading needs no old looks.
                        Ok(pulse) => drop(sender.try_send(pulse)),
                        Err(error) => {
                            tracing::debug!("cannot look at {node}: {error}");
                            connection = None;
                        }
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(PERIOD) => {}
                    () = wake.notified() => {}
                }
            }
        });
        Self { looks, now, task: task.abort_handle() }
    }

    /// The next look.
    pub async fn next(&mut self) -> Pulse {
        match self.looks.recv().await {
            Some(pulse) => pulse,
            None => std::future::pending().await,
        }
    }

    /// Looks now: the server wants an acknowledgement, and may be about to shut down.
    pub fn hurry(&self) {
        self.now.notify_one();
    }
}

impl Drop for Pulses {
    fn drop(&mut self) {
        self.task.abort();
    }
}
