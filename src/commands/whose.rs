//! Whose rights an error is about. A server that refuses a key does not say to whom, and before 7.0 none does for a command: the line that
//! grants the right names the user of the connection.

use super::restore::Target;
use super::verify::{Other, Subject};
use super::{Command, Outcome, backup, diagnose, lock};
use crate::connection::Node;
use crate::explain::{Fault, Result};

/// Names the user in the hint of what went wrong.
pub(super) fn named(ended: Result<Outcome>, command: &Command) -> Result<Outcome> {
    let Some(user) = server_of(command).and_then(Node::user) else { return ended };
    let named = |fault: Fault| match fault.meaning().hint {
        Some(hint) => {
            let named = hint.clone().of_user(user);
            if named == hint { fault } else { fault.hint(named) }
        }
        None => fault,
    };
    match ended {
        Ok(outcome) => Ok(Outcome { error: outcome.error.map(named), ..outcome }),
        Err(fault) => Err(named(fault)),
    }
}

/// The server that a command talks to; `None`: to none.
fn server_of(command: &Command) -> Option<&Node> {
    let server = match command {
        Command::Archive(settings) => return settings.node(),
        Command::Backup(settings) => match &settings.origin {
            backup::Origin::Server { server, .. } => server,
            backup::Origin::File { .. } => return None,
        },
        Command::Restore(settings) => match &settings.target {
            Target::Server(instance) => &instance.server,
            Target::File(_) | Target::Stdout | Target::Folder(_) => return None,
        },
        Command::Undo(settings) => &settings.server,
        Command::Verify(settings) => match &settings.subject {
            Subject::One { comparison: Some(comparison), .. } => match &comparison.with {
                Other::Server { server, .. } => server,
                Other::Backup { .. } => return None,
            },
            Subject::One { .. } | Subject::All { .. } => return None,
        },
        Command::Lock(settings) => match settings {
            lock::Settings::Run(job) => &job.server,
            lock::Settings::Look { server, .. } | lock::Settings::Release { server, .. } => server,
            lock::Settings::LookAtInstances { .. } | lock::Settings::ReleaseInstance { .. } => return None,
        },
        Command::Diagnose(settings) => match &settings.origin {
            diagnose::Origin::Server(server) => server,
            diagnose::Origin::Text(_) | diagnose::Origin::Backup(_) => return None,
        },
        Command::Health(settings) => &settings.server,
        Command::Top(settings) => &settings.server,
        Command::Metrics(settings) => &settings.server,
        Command::Copy(_)
        | Command::List(_)
        | Command::Show(_)
        | Command::Status(_)
        | Command::Prune(_)
        | Command::Delete(_)
        | Command::Pin(_)
        | Command::Init(_)
        | Command::Schedule(_)
        | Command::Explain(_) => return None,
    };
    Some(&server.node)
}
