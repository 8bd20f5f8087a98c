//! What an answer means for the key it is about.

use super::reader::Open;
use super::{Rename, Shared};
use crate::connection::{CommandFault, ServerError};
use crate::restore::journal;
use crate::restore::replay::batch::{Command, Expected, What};
use crate::restore::replay::ledger::Stop;
use crate::restore::replay::replies::Reply;

/// The target says that it has the key. One whose time has come meanwhile is there no longer.
pub(super) fn note_restored(open: &mut Open, shared: &Shared, command: &Command, key: &[u8]) {
    if command.expire_ms != 0 && command.expire_ms <= (shared.clock)() {
        open.tally.expired += 1;
        return;
    }
    open.tally.restored(command.database);
    if shared.keeps_names {
        journal::put_record(&mut open.created, command.database, key, command.crc64);
    }
}

/// Notes the reply to a command of a batch; gives a reason to stop, if it is one.
pub(super) fn note(
    open: &mut Open,
    shared: &Shared,
    step_error: &mut Option<String>,
    command: &Command,
    key: &[u8],
    reply: Reply,
) -> Option<Stop> {
    let error = match reply {
        Reply::Error(line) => line,
        reply => {
            match command.what {
                What::Whole => note_restored(open, shared, command, key),
                What::Function { replace } => {
                    open.tally.functions.restored += 1;
                    // What was there before cannot be brought back by taking this one away.
                    if shared.keeps_names && !replace {
                        journal::put_record(&mut open.created, journal::FUNCTIONS, key, 0);
                    }
                }
                What::Step(expected) if !fits(expected, &reply) => {
                    step_error
                        .get_or_insert_with(|| "the target's answer does not fit: somebody else wrote it".to_owned());
                }
                _ => {}
            }
            return None;
        }
    };
    let fault = ServerError::parse(&error).fault(name_of(command.what));
    match command.what {
        What::Whole if fault == CommandFault::BusyKey && shared.skip_existing => {
            open.tally.skipped_existing += 1;
            return None;
        }
        What::Whole => open.tally.failed(command.database, key, error),
        What::Function { .. } if shared.skip_existing && error.contains("already exists") => {
            open.tally.functions.skipped += 1;
            return None;
        }
        What::Function { .. } => open.tally.functions.failed += 1,
        What::Step(_) => {
            step_error.get_or_insert(error);
        }
        _ => {}
    }
    (stops(&fault) || command.what == What::Select).then_some(Stop::Refused(fault))
}

pub(super) fn note_rename(open: &mut Open, shared: &Shared, rename: &Rename, meant: What, reply: &Reply) {
    let database = rename.command.database;
    match (meant, reply) {
        (What::Renamed { .. }, Reply::Error(line)) => open.tally.failed(database, &rename.key, line.clone()),
        (What::Renamed { replace: false }, Reply::Integer(0)) if shared.skip_existing => {
            open.tally.skipped_existing += 1;
        }
        (What::Renamed { replace: false }, Reply::Integer(0)) => {
            open.tally.failed(database, &rename.key, "BUSYKEY Target key name already exists.");
        }
        (What::Renamed { .. }, _) => note_restored(open, shared, &rename.command, &rename.key),
        (What::Cleaned, _) => {
            if let Some(reason) = &rename.failed {
                open.tally.failed(database, &rename.key, reason.clone());
            }
        }
        _ => {}
    }
}

fn fits(expected: Expected, reply: &Reply) -> bool {
    match (expected, reply) {
        (Expected::Anything, _) | (Expected::Ok, Reply::Ok) => true,
        (Expected::Number(number), Reply::Integer(got)) => number == *got,
        (Expected::Elements(n), Reply::Other(got)) => n == *got,
        _ => false,
    }
}

fn name_of(what: What) -> &'static str {
    match what {
        What::Select => "SELECT",
        What::Function { .. } => "FUNCTION LOAD",
        What::Whole => "RESTORE",
        _ => "restore",
    }
}

/// Answers that every further key would get, too.
fn stops(fault: &CommandFault) -> bool {
    match fault {
        CommandFault::Server(error) => {
            matches!(error.code.as_str(), "NOREPLICAS" | "EXECABORT" | "TRYAGAIN")
                || error.text.starts_with("Protocol error")
        }
        CommandFault::BusyKey => false,
        _ => true,
    }
}

pub(super) fn unasked(reply: &Reply) -> String {
    match reply {
        Reply::Error(line) => format!("the target said: {line}"),
        _ => "the target answers what was not asked".to_owned(),
    }
}
