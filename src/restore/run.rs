//! The restore itself, by commands: everything was planned before, and here it is done and counted.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::connection::{Command, CommandError, ConnectError, Connection, Node};
use crate::dataset::{Raw, ReadError, Reopen};
use crate::explain::{Explain, Hint, Meaning};
use crate::progress::{Progress, Unit};
use crate::rdb::Repeated;
use crate::replies::{Info, Reply};
use crate::restore::clock::Clock;
use crate::restore::durable::Durable;
use crate::restore::facts::TargetFacts;
use crate::restore::functions;
use crate::restore::journal::{Identity, Journal, Position};
use crate::restore::leftovers;
use crate::restore::meanwhile::{Looking, MeanwhileError};
use crate::restore::met::Found;
use crate::restore::options::{Existing, Method, Options};
use crate::restore::preflight;
use crate::restore::replay::assemble::{Libraries, Plan as KeyPlan};
use crate::restore::replay::calls::Calls;
use crate::restore::replay::ledger::{Stop, Unanswered};
use crate::restore::replay::{self, Job, Replayed};
use crate::restore::report::{Ended, Report, Since};
use crate::restore::sent::Sent;
use crate::restore::standing::Standing;
use crate::restore::take_back;
use crate::restore::target_format::TargetFormat;

pub use crate::restore::clock::now_ms;

/// A target that answers nothing for so long is taken for lost, however short the time limit of its commands is: one value
/// may keep it busy for a while.
const SILENCE: Duration = Duration::from_secs(60);

/// A restore that was planned and may be done.
pub struct Order {
    /// The target server.
    pub node: Node,
    /// What was learned about it.
    pub target: TargetFacts,
    /// What was asked for.
    pub options: Options,
    /// `Restore` or `Commands`.
    pub method: Method,
    /// Keys of the backup, where that is known beforehand.
    pub in_backup: Option<u64>,
    /// Bytes of the RDB, where that is known beforehand.
    pub raw_bytes: Option<u64>,
    /// The backup was read to its end before: it will not turn out bad.
    pub verified: bool,
    /// Which restore it is, for the journal, and the folder of all journals; `None`: it cannot be resumed.
    pub journal: Option<(Identity, PathBuf)>,
    /// A server was seen to write the backup: see [`crate::restore::Origin`].
    pub trusted: bool,
    /// Values of keys that stand in the backup more than once, where such were looked for.
    pub repeated: Repeated,
    /// Where values begin that cannot be read to their end, as far as is known beforehand.
    pub damaged: BTreeSet<u64>,
    /// Streams do not go into the target as they stand in the backup.
    pub lossy_streams: bool,
    /// Opens the backup again, where that is possible.
    pub reopen: Option<Reopen>,
    /// Set by a signal.
    pub cancel: CancellationToken,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The target gives no answer.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is nothing to go on with.
    #[error(
        "nothing to resume: no interrupted restore of this backup into this target, with these choices, is known here"
    )]
    NothingToResume,
    /// The target was started anew since: what it had said may not be true any more.
    #[error(
        "nothing to resume: the target was started anew since the restore was interrupted (its run id was {then} and is {now}), \
         and may hold less than it had said"
    )]
    Restarted {
        /// Its run id when the restore was interrupted.
        then: String,
        /// Its run id now.
        now: String,
    },
    /// An earlier version has begun it.
    #[error(
        "nothing to resume: the restore that was interrupted was begun by an earlier version of redis-ops, and whether its choices were \
         these cannot be told any more; nothing was written"
    )]
    OfEarlierVersion,
    /// It was interrupted before everything that the target held was removed.
    #[error("nothing to resume: the restore was interrupted before the target was emptied; nothing was written")]
    NotEmptied,
    /// What the interrupted run may have sent cannot be compared.
    #[error("cannot compare what the interrupted restore has sent with the backup; nothing was written")]
    Meanwhile(#[source] MeanwhileError),
    /// The journal cannot be written.
    #[error("cannot write the journal of the restore")]
    Journal(#[source] std::io::Error),
}

impl Explain for RunError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Command(error) => error.meaning(),
            Self::NothingToResume | Self::Restarted { .. } | Self::OfEarlierVersion => {
                Meaning::of("nothing_to_resume").hint(Hint::WithoutResume)
            }
            Self::NotEmptied => Meaning::of("nothing_to_resume"),
            Self::Meanwhile(error) => error.meaning(),
            Self::Journal(error) => Meaning::of(error.meaning().code).hint(Hint::OtherStateFolder),
        }
    }
}

/// Restores. What was done is in the report, whatever happens after the first write.
///
/// # Errors
/// Nothing was written.
pub async fn run(order: Order, raw: Raw, progress: Arc<dyn Progress>) -> Result<Report, RunError> {
    let Order {
        node,
        target,
        options,
        method,
        in_backup,
        raw_bytes,
        verified,
        journal,
        trusted,
        repeated,
        damaged,
        lossy_streams,
        mut reopen,
        cancel,
    } = order;
    let mut connection = node.connect().await?;
    // What goes on with a restore finds what that one has left; what begins anew would leave it.
    let leftovers = match &journal {
        Some((_, state)) if !options.resume && target.keys() > 0 => {
            remove_leftovers(&mut connection, &target, &Journal::tokens(state)).await
        }
        _ => 0,
    };
    let (before, mut info) = preflight::counters(&mut connection).await?;

    let again = reopen.is_some();
    let mut journal = open_journal(journal)?;
    let position = match (&journal, options.resume) {
        (Some(journal), true) => match journal.position() {
            Some(position) => position,
            None => {
                let why = why_nothing(journal);
                journal.remove();
                return Err(why);
            }
        },
        (None, true) => return Err(RunError::NothingToResume),
        (_, false) => Position::default(),
    };
    if position.emptying && target.keys() > 0 {
        return Err(RunError::NotEmptied);
    }
    let was_empty = match options.resume {
        true => position.was_empty,
        false => target.keys() == 0 || options.existing == Existing::ReplaceAll,
    };
    let token = match position.token {
        0 => getrandom::u64().unwrap_or(1).max(1),
        token => token,
    };
    let must_be_emptied = options.existing == Existing::ReplaceAll && !options.resume || position.emptying;
    let position = Position { was_empty, token, ..position };
    let format = TargetFormat::of(&target.server);
    let clock = target.clock.unwrap_or_default();
    let libraries = match options.resume && format.has_functions() {
        true => functions::sources(&mut connection).await?,
        false => Libraries::OfOthers,
    };
    let found = match (options.resume, reopen.as_mut()) {
        (true, Some(reopen)) => {
            let opened = tokio::task::block_in_place(reopen)
                .map_err(|error| RunError::Meanwhile(ReadError::from(error).into()))?;
            let sent = Sent::new(options.choices.clone(), format, clock.now_ms());
            let looking = Looking {
                node: &node,
                format,
                sent,
                position: &position,
                lossy_streams: lossy_streams && method == Method::Commands,
                now_ms: clock.now_ms(),
                cancel: &cancel,
            };
            looking.look(opened, &*progress).await.map_err(RunError::Meanwhile)?
        }
        _ => Found::new(),
    };
    // Only where a bad backup may be found out too late, and where all that is there is ours.
    let created = match &journal {
        Some(journal) if !verified && was_empty && !options.resume => {
            Some(journal.created().map_err(RunError::Journal)?)
        }
        _ => None,
    };
    let mut streams = Vec::new();
    for _ in 0..options.connections.max(1) {
        streams.push(Node { database: 0, ..node.clone() }.open_authenticated().await?);
    }

    if must_be_emptied {
        if let Some(journal) = &mut journal {
            journal.write(&Position { emptying: true, ..position.clone() }).map_err(RunError::Journal)?;
        }
        remove_all(&mut connection, &target).await?;
        // From here on every write that is not ours is somebody else's.
        info = preflight::counters(&mut connection).await?.1;
    }
    progress.phase("loading", Unit::Bytes, raw_bytes);
    let begun = Instant::now();
    let job = Job {
        plan: KeyPlan {
            format,
            choices: options.choices.clone(),
            existing: options.existing,
            by_commands: method == Method::Commands,
            begins_anew: !options.resume,
            target_was_empty: was_empty,
            longest_bulk: target.longest_bulk(),
            clock,
            accept_loss: options.accept_loss,
            trusted,
            repeated: repeated.into(),
            damaged: damaged.into(),
            done: position.prefix,
            sent: position.sent,
            met: found.into(),
            token,
            temporary_ttl: options.temporary_ttl,
            libraries,
        },
        rate: options.rate,
        silence: node.timeout.max(SILENCE),
        journal,
        before: position,
        created,
        cancel,
    };
    let mut done = replay::run(job, streams, raw, reopen, progress).await;
    let seconds = begun.elapsed().as_secs_f64();

    let mut report = Report::new(method, in_backup, before, Ended::Complete);
    report.was_empty = was_empty;
    report.standing = Standing::by(
        Some(&target.server.run_id).filter(|run_id| !run_id.is_empty()).map(String::as_str),
        info.text("master_replid"),
    );
    report.since = Some(Since { info: info.clone(), calls: done.calls.clone() });
    (report.tally, report.seconds) = (std::mem::take(&mut done.tally), seconds);
    report.tally.leftovers += leftovers;
    let trailing_bytes = done.trailing_bytes;
    aftermath(&node, &target, &info, was_empty, done, &mut report).await;
    report.resumable &= again;
    report.trailing_bytes = trailing_bytes;
    Ok(report)
}

/// Why there is no journal of this restore: mostly because the target is not the one that it was.
fn why_nothing(journal: &Journal) -> RunError {
    let now = journal.identity().target_run_id.clone();
    match journal.run_id_of_another_start() {
        Some(then) => RunError::Restarted { then, now },
        None if journal.is_of_an_earlier_version() => RunError::OfEarlierVersion,
        None => RunError::NothingToResume,
    }
}

fn open_journal(journal: Option<(Identity, PathBuf)>) -> Result<Option<Journal>, RunError> {
    let open = |(identity, folder): (Identity, PathBuf)| Journal::open(&folder, &identity).map_err(RunError::Journal);
    journal.map(open).transpose()
}

/// Removes temporary keys that interrupted restores have left. Who may not do that leaves them: they have a TTL.
async fn remove_leftovers(connection: &mut Connection, target: &TargetFacts, tokens: &BTreeSet<u64>) -> u64 {
    if tokens.is_empty() {
        return 0;
    }
    match leftovers::remove(connection, &target.databases, tokens).await {
        Ok(removed) => removed,
        Err(error) => {
            tracing::warn!("temporary keys of an interrupted restore may be left until they expire: {error}");
            0
        }
    }
}

/// Values that failed on the way stand in the target under temporary names: those are no keys of the backup.
async fn remove_temporary(connection: &mut Connection, token: u64, report: &mut Report) {
    let removed = async {
        let info = preflight::counters(connection).await?.1;
        let databases = info.databases().into_iter().map(|(number, keys)| (u64::from(number), keys)).collect();
        leftovers::remove(connection, &databases, &BTreeSet::from([token])).await?;
        preflight::counters(connection).await
    };
    match removed.await {
        Ok((counters, _)) => report.after = Some(counters),
        Err(error) => {
            report.may_hold_temporary = true;
            tracing::warn!("temporary keys of values that failed may be left until they expire: {error}");
        }
    }
}

/// Removes all data and functions: the target becomes the backup.
async fn remove_all(connection: &mut Connection, target: &TargetFacts) -> Result<(), CommandError> {
    let limit = connection.timeout();
    connection.set_timeout(limit.max(SILENCE));
    let mut removed = connection.query(&Command::of(&["FLUSHALL", "ASYNC"])).await;
    let functions = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    if removed.is_ok() && functions && TargetFormat::of(&target.server).has_functions() {
        removed = connection.query(&Command::of(&["FUNCTION", "FLUSH"])).await;
    }
    connection.set_timeout(limit);
    removed.map(|_| ())
}

/// Settles what is open: keys without an answer, keys of a bad backup, counters, the journal.
async fn aftermath(
    node: &Node,
    target: &TargetFacts,
    info: &Info,
    was_empty: bool,
    done: Replayed,
    report: &mut Report,
) {
    let Replayed { bad, stop, interrupted, unanswered, created, journal, position, failed_are_known, calls, .. } = done;
    // A store that breaks off says nothing of the backup: what was written stays, and can be gone on with.
    let is_bad = bad.as_ref().is_some_and(|bad| !bad.is_unreadable());
    let complete = bad.is_none() && stop.is_none() && !interrupted && unanswered.is_empty();
    if let Ok(mut connection) = node.connect().await {
        let asked =
            settle(node, &mut connection, target, (info, &calls), was_empty, is_bad, unanswered, created, report).await;
        if let Err(error) = asked {
            tracing::warn!("after the restore: {error}");
        } else if report.tally.failed > 0 && report.turned.is_none() {
            remove_temporary(&mut connection, position.token, report).await;
        }
    } else {
        report.tally.unknown += unanswered.len() as u64;
    }
    report.ended = match (bad, stop, interrupted) {
        (Some(bad), ..) => Ended::BadBackup(bad),
        (None, Some(stop), _) => Ended::Stopped(stop),
        (None, None, true) => Ended::Interrupted,
        (None, None, false) => Ended::Complete,
    };
    if complete && report.in_backup.is_none() {
        report.in_backup = Some(report.tally.accounted());
    }
    // Keys that failed can be tried again, once what the target has against them is gone.
    let left_to_do = !complete || failed_are_known && !position.failed.is_empty();
    report.resumable = journal.is_some() && left_to_do && report.turned.is_none() && !is_bad;
    if let Some(journal) = journal.filter(|_| !report.resumable) {
        journal.remove();
    }
}

#[expect(clippy::too_many_arguments, reason = "the rest of one story")]
async fn settle(
    node: &Node,
    connection: &mut Connection,
    target: &TargetFacts,
    (info, calls): (&Info, &Calls),
    was_empty: bool,
    bad: bool,
    unanswered: Vec<Unanswered>,
    created: Option<crate::restore::journal::Created>,
    report: &mut Report,
) -> Result<(), CommandError> {
    let n_unanswered = unanswered.len() as u64;
    let (after, info_after) = match preflight::counters(connection).await {
        Ok(after) => after,
        Err(error) => {
            report.tally.unknown += n_unanswered;
            return Err(error);
        }
    };
    report.after(after, &info_after);
    report.durable = Durable::of_commands(&info_after);
    if report.turned.is_some() || !was_empty {
        report.tally.unknown += n_unanswered;
    } else {
        look_for(connection, unanswered, target.clock.unwrap_or_default(), report).await?;
    }
    let others = take_back::others_wrote(connection, info, &info_after, calls).await?;
    report.others_wrote = others;
    if bad && let Some(mut created) = created {
        report.taken_back = Some(take_back::run(node, connection, &mut created, others != Some(false)).await?);
        report.after = Some(preflight::counters(connection).await?.0);
    }
    Ok(())
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

impl Stop {
    /// The stable name for JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(fault) => fault.code(),
            Self::Lost(_) => "disconnected",
            Self::Journal(_) => "journal",
            Self::OnlyOnce(_) => "value_too_large",
        }
    }
}
