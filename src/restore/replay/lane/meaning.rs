//! What an answer means for the key it is about.

use super::open::Open;
use super::{Rename, Shared};
use crate::connection::{CommandFault, ServerError};
use crate::restore::journal;
use crate::restore::replay::batch::{Chunk, Command, Expected, Grow, What};
use crate::restore::replay::ledger::{Gone, Stop};
use crate::restore::replay::replies::Reply;

/// What is said of a key that was not there, and that the target has when it is to be written.
const WRITTEN_MEANWHILE: &str = "another client wrote this key during the restore: it was kept";

/// What is said of a key whose transaction was answered with something else than what its commands answer.
const UNEXPECTED: &str = "unexpected reply of the target to a transaction";

/// Why the steps of a key did not go as they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The server's words, or ours.
    pub(super) reason: String,
    /// Its temporary key is gone, or was begun anew by a later step: it expired, or was evicted.
    pub(super) gone: bool,
    /// Somebody else has written a key of this name meanwhile, which is as they wrote it.
    pub(super) is_theirs: bool,
}

impl Failure {
    fn of(line: String) -> Self {
        let gone = says_gone(&line);
        Self { reason: line, gone, is_theirs: false }
    }

    fn gone() -> Self {
        Self { reason: "the temporary key had disappeared".to_owned(), gone: true, is_theirs: false }
    }

    /// What is wrong with an answer that is no error, and not the one that was expected.
    fn of_answer(expected: Expected) -> Self {
        let (reason, is_theirs) = match expected {
            Expected::Never(reason) => (reason, false),
            Expected::New => ("the target has a key of this name: another client wrote it during the restore", true),
            Expected::Anything | Expected::Elements(_) => {
                ("unexpected reply of the target: another client wrote this key", false)
            }
        };
        Self { reason: reason.to_owned(), gone: false, is_theirs }
    }
}

/// Whether a key of the backup's name that somebody else has written stays as it is and is no failure: there was none when the restore
/// began, or it was to stay. Counts it then.
fn leaves(open: &mut Open, shared: &Shared, command: &Command, key: &[u8]) -> bool {
    if shared.met_is_theirs {
        open.tally.left_to_others(command.database, key, WRITTEN_MEANWHILE);
    } else if shared.skip_existing {
        open.tally.skipped_existing += 1;
    }
    shared.met_is_theirs || shared.skip_existing
}

/// The steps of a key that was written under its own name did not go as they should.
pub(super) fn note_failed(open: &mut Open, shared: &Shared, command: &Command, key: &[u8], failure: Failure) {
    if !(failure.is_theirs && leaves(open, shared, command, key)) {
        open.failed(command, key, failure.reason);
    }
}

/// What commands answer that need a key and find none.
fn says_gone(line: &str) -> bool {
    line.starts_with("NOGROUP") || line.contains("no such key") || line.contains("requires the key to exist")
}

/// The target says that it has the key. One whose time has come meanwhile is there no longer.
pub(super) fn note_restored(open: &mut Open, shared: &Shared, command: &Command, key: &[u8]) {
    if open.restored(command, shared.clock.now_ms()) && shared.keeps_names {
        journal::put_record(&mut open.created, command.database, key, command.crc64);
    }
}

/// Notes the reply to a command of a batch; gives a reason to stop, if it is one.
pub(super) fn note(
    open: &mut Open,
    shared: &Shared,
    step_error: &mut Option<Failure>,
    card: &mut i64,
    command: &Command,
    key: &[u8],
    reply: Reply,
) -> Option<Stop> {
    let error = match reply {
        Reply::Error(line) => cause_of(line),
        reply => {
            match command.what {
                What::Published { .. } => match step_error.take() {
                    Some(failure) => open.failed(command, key, failure.reason),
                    None => note_published(open, shared, command, key, &reply),
                },
                What::Whole => note_restored(open, shared, command, key),
                What::Function { replace, again } => {
                    open.tally.functions.restored += u64::from(!again);
                    // What was there before cannot be brought back by taking this one away.
                    if shared.keeps_names && !replace && !again {
                        journal::put_record(&mut open.created, journal::FUNCTIONS, key, 0);
                    }
                }
                What::Step(expected) if !fits(expected, &reply) => {
                    step_error.get_or_insert_with(|| Failure::of_answer(expected));
                }
                What::Chunk(chunk) => note_chunk(open, step_error, card, chunk, &reply),
                _ => {}
            }
            return None;
        }
    };
    let fault = ServerError::parse(&error).fault(name_of(command.what));
    match command.what {
        What::Whole if fault == CommandFault::BusyKey && leaves(open, shared, command, key) => return None,
        What::Whole => open.failed(command, key, error),
        // FUNCTION LOAD has no code of its own for a name that is taken.
        What::Function { again, .. } if shared.skip_existing && error.contains("already exists") => {
            if !again {
                open.tally.library_differs(key);
            }
            return None;
        }
        What::Function { again, .. } if shared.accept_loss => open.tally.functions.lost += u64::from(!again),
        What::Function { .. } => open.tally.functions.failed += 1,
        // A command of the transaction was refused, which has said why.
        What::Published { .. } => match step_error.take() {
            Some(refused) => {
                open.failed(command, key, refused.reason);
                return None;
            }
            None => note_not_published(open, shared, command, key, error),
        },
        What::Chunk(_) if step_error.is_some() => return None,
        What::Step(_) | What::Chunk(_) | What::Queued => {
            step_error.get_or_insert(Failure::of(error));
        }
        _ => {}
    }
    // After a SELECT that was refused every further key would go to the wrong database.
    (stops(&fault) || command.what == What::Select).then_some(Stop::Refused(fault))
}

/// Whether a transaction has found the temporary key as the one before had left it, and has added what it should.
fn note_chunk(open: &mut Open, step_error: &mut Option<Failure>, card: &mut i64, chunk: Chunk, reply: &Reply) {
    let Reply::Numbers(numbers) = reply else {
        step_error.get_or_insert(Failure { reason: UNEXPECTED.to_owned(), gone: false, is_theirs: false });
        return;
    };
    let (before, [now, is_there]) = (numbers.first().copied().unwrap_or(0), last_two(numbers));
    // The first transaction begins with UNLINK: what it has removed was left by an interrupted run. The others begin with EXISTS.
    if chunk.first {
        open.tally.leftovers += before.max(0).unsigned_abs();
        *card = 0;
    }
    // More than was added means that somebody else wrote to the temporary key, less that it was gone and begun anew.
    let grown = now - std::mem::replace(card, now);
    let as_it_should = match chunk.grow {
        Grow::By(elements) => grown == elements,
        Grow::ByReply => numbers.get(1) == Some(&grown),
        Grow::Unknown => true,
    };
    if is_there != 1 || !as_it_should || !chunk.first && before == 0 {
        step_error.get_or_insert_with(Failure::gone);
    }
}

/// A value was written under a temporary name, and has got its own unless that was taken.
fn note_published(open: &mut Open, shared: &Shared, command: &Command, key: &[u8], reply: &Reply) {
    let What::Published { replace, elements } = command.what else { return };
    let Reply::Numbers(numbers) = reply else { return open.failed(command, key, UNEXPECTED) };
    // What was written, the expiry, the renaming unless it has answered OK, the removal.
    if !replace && last_two(numbers)[0] != 1 {
        return note_taken(open, shared, command, key);
    }
    let found = numbers.first().copied().unwrap_or(0);
    match elements {
        Some(elements) if elements != found => {
            let reason =
                format!("{found} of its {elements} elements were new to the temporary key: another client wrote to it");
            open.failed(command, key, reason);
        }
        _ => note_restored(open, shared, command, key),
    }
}

/// The transaction that gives a temporary key its name was refused, or the temporary key was not there.
fn note_not_published(open: &mut Open, shared: &Shared, command: &Command, key: &[u8], line: String) {
    // PEXPIREAT with a moment that has passed removes the temporary key, and RENAME finds none: the key's time has come.
    if says_gone(&line) && command.expire_ms != 0 && command.expire_ms <= shared.clock.now_ms() {
        open.tally.expired += 1;
    } else if says_gone(&line) {
        note_gone(open, command, key);
    } else {
        open.failed(command, key, line);
    }
}

/// The name that a temporary key was to get belongs to a key of somebody else.
fn note_taken(open: &mut Open, shared: &Shared, command: &Command, key: &[u8]) {
    if !leaves(open, shared, command, key) {
        open.failed(command, key, "BUSYKEY Target key name already exists.");
    }
}

fn note_gone(open: &mut Open, command: &Command, key: &[u8]) {
    open.gone.push(Gone { ordinal: command.ordinal, database: command.database, key: key.to_vec() });
}

/// What a transaction was refused for, where the server says it.
fn cause_of(line: String) -> String {
    match line.strip_prefix("EXECABORT Transaction discarded because of: ") {
        Some(cause) => cause.to_owned(),
        None => line,
    }
}

fn last_two(numbers: &[i64]) -> [i64; 2] {
    match numbers {
        [.., one, two] => [*one, *two],
        _ => [0, 0],
    }
}

pub(super) fn note_rename(open: &mut Open, shared: &Shared, rename: &mut Rename, meant: What, reply: Reply) {
    let Rename { command, key, failed, elements, .. } = rename;
    match (meant, reply) {
        // The answer to the whole transaction will be an error, too, and says less.
        (What::Queued, Reply::Error(line)) => {
            failed.get_or_insert(Failure { reason: line, gone: false, is_theirs: false });
        }
        (What::Renamed { .. }, Reply::Error(line)) => match failed.take() {
            Some(refused) => open.failed(command, key, refused.reason),
            None => note_not_published(open, shared, command, key, line),
        },
        // The counting, the expiry, the renaming unless it has answered OK, the removal.
        (What::Renamed { replace }, Reply::Numbers(numbers)) => {
            let is_renamed = replace || numbers.get(2) == Some(&1);
            let found = numbers.first().copied().unwrap_or(0);
            match elements {
                _ if !is_renamed => note_taken(open, shared, command, key),
                Some(elements) if *elements != found => {
                    let reason = format!("the key has {found} elements, not {elements}: another client wrote to it");
                    open.failed(command, key, reason);
                }
                _ => note_restored(open, shared, command, key),
            }
        }
        (What::Renamed { .. }, _) => open.failed(command, key, UNEXPECTED),
        (What::Cleaned, _) => match failed.take() {
            Some(Failure { gone: true, .. }) => note_gone(open, command, key),
            Some(Failure { reason, .. }) => open.failed(command, key, reason),
            None => {}
        },
        _ => {}
    }
}

fn fits(expected: Expected, reply: &Reply) -> bool {
    match (expected, reply) {
        (Expected::Anything, _) | (Expected::New, Reply::Ok) => true,
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
            // Too few replicas, a transaction that was given up, slots that move away: none of it is about this key.
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
        _ => "the target sent an unexpected reply".to_owned(),
    }
}
