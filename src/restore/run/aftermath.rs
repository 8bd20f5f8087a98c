//! What is settled after the last answer: keys without one, keys of a bad backup, temporary keys, counters, the journal.

use std::collections::BTreeSet;

use crate::blocking;
use crate::connection::{Command, CommandError, Connection, Node};
use crate::replies::{Info, Reply};
use crate::restore::clock::Clock;
use crate::restore::durable::Durable;
use crate::restore::facts::{Counters, TargetFacts};
use crate::restore::journal::Created;
use crate::restore::leftovers;
use crate::restore::preflight;
use crate::restore::replay::Replayed;
use crate::restore::replay::calls::Calls;
use crate::restore::replay::ledger::{Stop, Unanswered};
use crate::restore::report::{Ended, Report};
use crate::restore::take_back;

/// Settles what is open: keys without an answer, keys of a bad backup, counters, the journal. `info`: the target's INFO when the run
/// began; `earlier`: commands that others had called by then since the run that it goes on with, `None`: nobody can tell.
pub(super) async fn aftermath(
    node: &Node,
    target: &TargetFacts,
    (info, earlier): (&Info, Option<&[String]>),
    was_empty: bool,
    done: Replayed,
    report: &mut Report,
) {
    let Replayed { bad, stop, interrupted, unanswered, created, journal, position, failed_are_known, calls, .. } = done;
    // A store that breaks off says nothing of the backup: what was written stays, and can be gone on with.
    let is_bad = bad.as_ref().is_some_and(|bad| !bad.is_unreadable());
    // Names are kept for a bad backup alone. The last handle of a file gives its room on the disk back, which takes a while.
    let created = match created {
        Some(created) if is_bad => Some(created),
        unused => {
            blocking::run(move || drop(unused)).await;
            None
        }
    };
    // What was not sent any more is counted as ours: somebody else's writes would hide behind it.
    let is_cut_off = matches!(stop, Some(Stop::Refused(_)));
    let complete = bad.is_none() && stop.is_none() && !interrupted && unanswered.is_empty();
    if let Ok(mut connection) = node.connect().await {
        let seen = (info, &calls, earlier);
        let asked = settle(node, &mut connection, target, seen, was_empty, unanswered, created, report).await;
        if let Err(error) = asked {
            tracing::warn!("after the restore: {error}");
        } else if report.tally.failed > 0 && report.turned.is_none() {
            remove_temporary(node, &mut connection, position.token, report).await;
        }
    } else {
        report.tally.unknown += unanswered.len() as u64;
    }
    if is_cut_off && report.others_wrote == Some(false) {
        report.others_wrote = None;
    }
    report.ended = match (bad, stop, interrupted) {
        (Some(bad), ..) => Ended::BadBackup(bad),
        (None, Some(stop), _) => Ended::Stopped(stop),
        (None, None, true) => Ended::Interrupted,
        (None, None, false) => Ended::Complete,
    };
    // A file says nowhere how many keys it holds. Read to its end and answered to the end, it holds those that were counted.
    if complete && report.in_backup.is_none() {
        report.in_backup = Some(report.tally.accounted());
    }
    // Keys that failed can be tried again, once what the target has against them is gone.
    let left_to_do = !complete || failed_are_known && !position.failed.is_empty();
    report.resumable = journal.is_some() && left_to_do && report.turned.is_none() && !is_bad;
    if let Some(journal) = journal.filter(|_| !report.resumable) {
        blocking::run(move || journal.remove()).await;
    }
}

#[expect(clippy::too_many_arguments, reason = "the rest of one story")]
async fn settle(
    node: &Node,
    connection: &mut Connection,
    target: &TargetFacts,
    (info, calls, earlier): (&Info, &Calls, Option<&[String]>),
    was_empty: bool,
    unanswered: Vec<Unanswered>,
    created: Option<Created>,
    report: &mut Report,
) -> Result<(), CommandError> {
    let n_unanswered = unanswered.len() as u64;
    let (after, info_after) = match counters(node, connection).await {
        Ok(after) => after,
        Err(error) => {
            report.tally.unknown += n_unanswered;
            return Err(error);
        }
    };
    report.after(after, &info_after);
    report.durable = Durable::of_commands(&info_after);
    // Elsewhere a key of that name says nothing: it may have been there before, or have come with the data of another primary.
    if report.turned.is_some() || !was_empty {
        report.tally.unknown += n_unanswered;
    } else {
        look_for(connection, unanswered, target.clock.unwrap_or_default(), report).await?;
    }
    let mut others = take_back::others_wrote(connection, info, &info_after, calls).await?;
    report.others_wrote_now = others;
    // Before this run began, and since the one that it goes on with.
    others = match earlier {
        None => take_back::or(others, None),
        Some(earlier) if take_back::any_writes(connection, earlier).await? == Some(true) => Some(true),
        Some(_) => others,
    };
    report.others_wrote = others;
    // Where others have written, or nobody can tell, a key is removed only if it still holds what was sent.
    if let Some(created) = created {
        let taken = take_back::run(node, connection, created, others != Some(false)).await?;
        report.tally.taken_back(&taken.by_database);
        report.taken_back = Some(taken);
        report.after = Some(preflight::counters(connection).await?.0);
    }
    Ok(())
}

/// What the target counts; asked once more over a new connection where it did not answer: a server that stood still for a moment has all that
/// it was sent.
async fn counters(node: &Node, connection: &mut Connection) -> Result<(Counters, Info), CommandError> {
    let first = match preflight::counters(connection).await {
        Err(error) => error,
        counted => return counted,
    };
    tracing::info!("the target did not answer, and is asked once more: {first}");
    *connection = node.connect().await.map_err(|_| first)?;
    preflight::counters(connection).await
}

/// Keys whose answer never came, in a target that was empty: those that are there are ours, since RESTORE and RENAME do all
/// or nothing.
async fn look_for(
    connection: &mut Connection,
    keys: Vec<Unanswered>,
    clock: Clock,
    report: &mut Report,
) -> Result<(), CommandError> {
    for (at, key) in keys.iter().enumerate() {
        let looked = async {
            connection.query(&Command::new("SELECT").arg(key.database)).await?;
            connection.query(&Command::new("EXISTS").arg(&key.key)).await
        };
        match looked.await {
            Ok(Reply::Integer(1)) => report.tally.restored(key.database),
            // Not there: it was not applied, and so it was not reached.
            Ok(_) if key.expire_ms != 0 && key.expire_ms <= clock.now_ms() => report.tally.expired += 1,
            Ok(_) => {}
            Err(error) => {
                report.tally.unknown += (keys.len() - at) as u64;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Values that failed on the way stand in the target under temporary names: those are no keys of the backup.
async fn remove_temporary(node: &Node, connection: &mut Connection, token: u64, report: &mut Report) {
    let removed = async {
        let info = preflight::counters(connection).await?.1;
        let databases = info.databases().into_iter().map(|(number, keys)| (u64::from(number), keys)).collect();
        leftovers::remove(node, connection, &databases, &BTreeSet::from([token])).await?;
        preflight::counters(connection).await
    };
    match removed.await {
        Ok((counters, _)) => report.after = Some(counters),
        Err(error) => {
            report.may_hold_temporary = true;
            tracing::warn!("temporary keys of failed values may remain until they expire: {error}");
        }
    }
}
