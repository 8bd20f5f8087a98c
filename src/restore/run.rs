//! The restore itself, by commands: everything was planned before, and here it is done and counted.

mod aftermath;
mod error;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::connection::{Command, CommandError, Connection, Node};
use crate::dataset::{Raw, ReadError, Reopen};
use crate::progress::{Progress, Unit};
use crate::rdb::Repeated;
use crate::replies::Info;
use crate::repository::manifest::CensusSummary;
use crate::restore::counted::Counted;
use crate::restore::facts::{Counters, TargetFacts};
use crate::restore::functions;
use crate::restore::journal::{Created, Identity, Journal, Position};
use crate::restore::leftovers;
use crate::restore::meanwhile::Looking;
use crate::restore::met::Found;
use crate::restore::options::{Existing, Method, Options};
use crate::restore::preflight;
use crate::restore::replay::assemble::{Libraries, Plan as KeyPlan};
use crate::restore::replay::outbox::Routes;
use crate::restore::replay::{self, Job};
use crate::restore::report::{Ended, Report, Since};
use crate::restore::sent::Sent;
use crate::restore::standing::Standing;
use crate::restore::target_format::TargetFormat;
use crate::restore::unsaved::{self, Unsaved};
use aftermath::aftermath;
pub use error::RunError;

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
    /// What the manifest says of the keys, where there is one.
    pub census: Option<CensusSummary>,
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
    /// The INFO of the target when its safety backup began; `None`: none was taken.
    pub saved: Option<Info>,
    /// Set by a signal.
    pub cancel: CancellationToken,
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
        census,
        in_backup,
        raw_bytes,
        verified,
        journal,
        trusted,
        repeated,
        damaged,
        lossy_streams,
        mut reopen,
        saved,
        cancel,
    } = order;
    let mut connection = node.connect().await?;
    // What goes on with a restore finds what that one has left; what begins anew would leave it.
    let leftovers = match &journal {
        // Where everything is removed they go as well, and a removal of ours would be taken for a write of others.
        Some((_, state)) if !options.resume && target.keys() > 0 && options.existing != Existing::ReplaceAll => {
            let state = state.clone();
            let tokens = blocking::run(move || Journal::tokens(&state)).await;
            remove_leftovers(&node, &mut connection, &target, &tokens).await
        }
        _ => 0,
    };
    let (before, mut info) = preflight::counters(&mut connection).await?;

    // What came through a pipe cannot be read from its start again, so no run can go on with it, whatever the journal says.
    let again = reopen.is_some();
    let (resume, now) = (options.resume, before);
    let (mut journal, position) = blocking::run(move || open_journal(journal, resume, now)).await?;
    // What the target has kept of what it was sent nobody knows where it has evicted keys, or begun to count anew.
    let is_known = position.counted.by_others(&info, &position.called, method == Method::Commands).is_some();
    let position = if position.may_lack(before.evicted) || !is_known { position.trusting_nothing() } else { position };
    // The run that was interrupted was about to empty the target. Whether these keys are what it was to remove, or were written since,
    // cannot be told.
    if position.emptying && target.keys() > 0 {
        return Err(RunError::NotEmptied);
    }
    let was_empty = match options.resume {
        true => position.was_empty,
        false => target.keys() == 0 || options.existing == Existing::ReplaceAll,
    };
    // Names of temporary keys are made of it: a run that goes on meets those that the interrupted one has left under the same names, and
    // removes them.
    let token = match position.token {
        0 => getrandom::u64().unwrap_or(1).max(1),
        token => token,
    };
    let must_be_emptied = options.existing == Existing::ReplaceAll && !options.resume || position.emptying;
    let mut position = Position { was_empty, token, evicted: Some(before.evicted), ..position };
    let format = TargetFormat::of(&target.server);
    let clock = target.clock.unwrap_or_default();
    // The interrupted run may have loaded some of the backup's libraries: they are told from those of others by their sources.
    let has_libraries = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    let libraries = match (options.resume, options.existing) {
        _ if !format.has_functions() => Libraries::OfOthers,
        (true, _) => functions::sources(&mut connection).await?,
        // One that is the same is no difference.
        (false, Existing::Skip) if has_libraries => match functions::sources(&mut connection).await? {
            Libraries::Are(sources) => Libraries::Stay(sources),
            unknown => unknown,
        },
        (false, _) => Libraries::OfOthers,
    };
    let found = match reopen.take() {
        Some(mut open) if options.resume => {
            let (opened, open) = blocking::run(move || (open(), open)).await;
            let opened = opened.map_err(|error| RunError::Meanwhile(ReadError::from(error).into()))?;
            reopen = Some(open);
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
        unused => {
            reopen = unused;
            Found::new()
        }
    };
    // Only where a bad backup may be found out too late, and where all that is there is ours.
    let created = match &journal {
        Some(journal) if !verified && was_empty && !options.resume => {
            let path = journal.created_path();
            Some(blocking::run(move || Created::create(&path)).await.map_err(RunError::Journal)?)
        }
        _ => None,
    };
    // All connections stand before anything is removed: a target that does not take so many keeps what it holds. They are in database 0,
    // for that is where the commands for them begin.
    let mut streams = Vec::new();
    let primaries = node.each();
    for primary in &primaries {
        for _ in 0..options.connections.max(1) {
            streams.push(Node { database: 0, ..primary.clone() }.open_authenticated().await?);
        }
    }

    let mut lost = None;
    if must_be_emptied {
        // Once before anything is written down, so that what an interrupted run has left stays as it is.
        if let Some(saved) = &saved
            && let Err(error) = nothing_unsaved(&mut connection, saved).await
        {
            if let Some(journal) = journal {
                blocking::run(move || {
                    if journal.position().is_none() {
                        journal.remove();
                    }
                })
                .await;
            }
            return Err(error);
        }
        // A target that is half emptied can be led back only by somebody who knows that it was to be emptied.
        if let Some(open) = journal.take() {
            let position = Position { emptying: true, ..position.clone() };
            let (open, written) = open.written(position).await;
            written.map_err(RunError::Journal)?;
            journal = Some(open);
        }
        let looked = match &saved {
            Some(saved) => match nothing_unsaved(&mut connection, saved).await {
                Ok(looked) => Some(looked),
                Err(error) => {
                    // Nothing was removed: a run that goes on is not to find that this one was about to.
                    if let Some(journal) = journal {
                        blocking::run(move || journal.remove()).await;
                    }
                    return Err(error);
                }
            },
            None => None,
        };
        remove_all(&mut connection, &target).await?;
        // From here on every write that is not ours is somebody else's.
        info = preflight::counters(&mut connection).await?.1;
        if let Some(looked) = looked {
            let writes = unsaved::writes_of_others(&mut connection, &looked, &info).await.unwrap_or(0);
            lost = (writes > 0).then_some(Unsaved::Removed(writes));
        }
    } else if let Some(saved) = &saved
        // Else a removal of ours would be taken for a write of others.
        && leftovers == 0
        && unsaved::others_wrote(&mut connection, saved, &info).await?
    {
        lost = Some(Unsaved::Overwritten);
    }
    // What others have called since the run that this one goes on with.
    let earlier = position.counted.by_others(&info, &position.called, method == Method::Commands);
    // The counters of a target that was started anew have begun anew as well.
    if !resume || must_be_emptied || position.counted == Counted::default() {
        position.counted = Counted::of(&info);
    }
    progress.phase("loading", Unit::Bytes, raw_bytes);
    let begun = Instant::now();
    let job = Job {
        plan: KeyPlan {
            format,
            choices: options.choices.clone(),
            existing: options.existing,
            by_commands: method == Method::Commands,
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
        routes: Routes { n_primaries: primaries.len(), owners: node.owners() },
        rate: options.rate,
        silence: node.timeout.max(SILENCE),
        journal,
        before: position,
        created,
        census,
        raw_bytes,
        cancel,
    };
    let mut done = replay::run(job, streams, raw, reopen, progress).await;
    let seconds = begun.elapsed().as_secs_f64();

    let mut report = Report::new(method, in_backup, before, Ended::Complete);
    report.was_empty = was_empty;
    // The run id is that of the plan: a target that was started anew between the plan and the first key is noticed as well.
    report.standing = Standing::by(
        Some(&target.server.run_id).filter(|run_id| !run_id.is_empty()).map(String::as_str),
        info.text("master_replid"),
    );
    report.since = Some(Since { info: info.clone(), calls: done.calls.clone() });
    (report.tally, report.seconds) = (std::mem::take(&mut done.tally), seconds);
    report.tally.leftovers += leftovers;
    let trailing_bytes = done.trailing_bytes;
    let earlier = if resume && !must_be_emptied { earlier } else { Some(Vec::new()) };
    aftermath(&node, &target, (&info, earlier.as_deref()), was_empty, done, &mut report).await;
    // What was written before the safety backup of this run is in it.
    let overwrites = saved.is_some() && !must_be_emptied && report.others_wrote_now == Some(true);
    report.unsaved = lost.or(overwrites.then_some(Unsaved::Overwritten));
    report.resumable &= again;
    report.trailing_bytes = trailing_bytes;
    Ok(report)
}

/// Why a restore into a target that holds this `now` has nothing to go on with; `None`: it has. Blocks, and makes nothing.
pub(super) fn why_not_resumed(state: &Path, identity: &Identity, now: Counters) -> Option<RunError> {
    let journal = Journal::look(state, identity);
    match journal.position() {
        Some(position) if position.emptying && now.keys > 0 => Some(RunError::NotEmptied),
        Some(_) => None,
        None => match of_another_start(&journal, now.keys) {
            Some(_) => None,
            None => Some(why_nothing(&journal, now)),
        },
    }
}

/// The journal from before the target was started anew. A target that was empty, and holds more keys now than it was sent, has got others:
/// from a file of its own, say.
fn of_another_start(journal: &Journal, keys: u64) -> Option<(Journal, Position)> {
    let is_ours = |position: &Position| !position.was_empty || !position.emptying && keys <= position.sent;
    journal.of_another_start().filter(|(_, position)| is_ours(position))
}

/// Why there is no journal of this restore into a target that holds this `now`: mostly because the target is not the one that it was.
fn why_nothing(journal: &Journal, now: Counters) -> RunError {
    if let Some(line) = journal.unproven(now) {
        return RunError::AllWritten { line };
    }
    match journal.run_id_of_another_start() {
        Some(then) => RunError::Restarted { then, now: journal.identity().target_run_id.clone() },
        None if journal.is_of_an_earlier_version() => RunError::OfEarlierVersion,
        None => match journal.other_choices() {
            differ if differ.is_empty() => RunError::NothingToResume,
            differ => RunError::OtherChoices { differ, method: journal.other_method() },
        },
    }
}

/// The journal of this restore, and how far an interrupted run got, where this one is to go on from there. Blocks.
fn open_journal(
    journal: Option<(Identity, PathBuf)>,
    resume: bool,
    now: Counters,
) -> Result<(Option<Journal>, Position), RunError> {
    let Some((identity, folder)) = journal else {
        return if resume { Err(RunError::NothingToResume) } else { Ok((None, Position::default())) };
    };
    let journal = Journal::open(&folder, &identity).map_err(RunError::Journal)?;
    if !resume {
        journal.forget_written();
        return Ok((Some(journal), Position::default()));
    }
    match journal.position() {
        Some(position) => Ok((Some(journal), position)),
        None => match of_another_start(&journal, now.keys) {
            Some((before, position)) => {
                let mut journal = journal;
                journal.write(&position).map_err(RunError::Journal)?;
                before.remove();
                Ok((Some(journal), position))
            }
            None => {
                let why = why_nothing(&journal, now);
                // The folder was made just now, and holds nothing.
                journal.remove();
                Err(why)
            }
        },
    }
}

/// Removes temporary keys that interrupted restores have left. Who may not do that leaves them: they have a TTL.
async fn remove_leftovers(
    node: &Node,
    connection: &mut Connection,
    target: &TargetFacts,
    tokens: &BTreeSet<u64>,
) -> u64 {
    if tokens.is_empty() {
        return 0;
    }
    match leftovers::remove(node, connection, &target.databases, tokens).await {
        Ok(removed) => removed,
        Err(error) => {
            tracing::warn!("temporary keys of an interrupted restore may remain until they expire: {error}");
            0
        }
    }
}

/// Checks that nobody has written to the target since its safety backup began, directly before all that it holds is removed.
///
/// # Errors
/// Somebody has, or the target gives no answer.
async fn nothing_unsaved(connection: &mut Connection, saved: &Info) -> Result<Info, RunError> {
    let now = preflight::counters(connection).await?.1;
    match unsaved::others_wrote(connection, saved, &now).await? {
        true => Err(RunError::Unsaved),
        false => Ok(now),
    }
}

/// Removes all data and functions: the target becomes the backup.
async fn remove_all(connection: &mut Connection, target: &TargetFacts) -> Result<(), CommandError> {
    // A large target may take longer for these than for an answer of the usual kind.
    let limit = connection.timeout();
    connection.set_timeout(limit.max(SILENCE));
    let functions = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    let mut removed = Ok(());
    // The keys go last: where this is refused they are still there.
    if functions && TargetFormat::of(&target.server).has_functions() {
        removed = connection.query(&Command::of(&["FUNCTION", "FLUSH"])).await.map(|_| ());
    }
    if removed.is_ok() {
        removed = connection.query(&Command::of(&["FLUSHALL", "ASYNC"])).await.map(|_| ());
    }
    connection.set_timeout(limit);
    removed
}
