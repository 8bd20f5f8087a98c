//! `redis-ops archive`: follows an instance into the repository, and says what the archive holds.

mod times;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use self::times::Times;
use super::table::{Table, verdict};
use super::which::Place;
use super::{Context, Outcome};
use crate::archive::{self, Options, Report};
use crate::capture::source::Wanted;
use crate::connection::Node;
use crate::explain::{Context as _, Hint, Misuse, Result, Status};
use crate::moment::{self, MomentError, Window};
use crate::operations;
use crate::printer::words;
use crate::repository::segment::{Event, time_of as time_of_command};
use crate::repository::{Archiver, NamedPoint};

/// Complete settings of `archive`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The instance's name in the repository.
    pub instance: String,
    /// Where the archive is.
    pub place: Place,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done with an archive.
#[derive(Debug, Clone)]
pub enum Action {
    /// Follows the instance.
    Follow(Box<Follow>),
    /// Says what can be restored.
    Status,
    /// Lists what people go back before.
    Log,
    /// Names the moment that is now on this server.
    Mark { name: String, node: Box<Node> },
}

impl Settings {
    /// The server that is talked to; `None`: the repository alone is read.
    pub fn node(&self) -> Option<&Node> {
        match &self.action {
            Action::Follow(follow) => Some(&follow.node),
            Action::Mark { node, .. } => Some(node),
            Action::Status | Action::Log => None,
        }
    }
}

/// How an instance is followed.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The server, or one that knows it.
    pub node: Node,
    /// Which node is followed.
    pub wanted: Wanted,
    /// For how long; `None`: until a signal comes.
    pub stop_after: Option<Duration>,
    /// The folder of spools on this machine.
    pub state: PathBuf,
    /// Raw bytes at which a segment ends.
    pub segment_size: u64,
    /// After how long a segment with writes in it ends.
    pub rpo: Duration,
    /// Bytes that may wait in the spool.
    pub spool_limit: u64,
}

/// The number of the shard of an instance that has one.
const SHARD: u32 = 0;

/// Events that a table shows.
const SHOWN: usize = 100;

/// Does what was asked for.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    match &settings.action {
        Action::Follow(follow) => run_archiver(settings, follow, context).await,
        Action::Status => context.interruptible(status(settings, context)).await,
        Action::Log => context.interruptible(log(settings, context)).await,
        Action::Mark { name, node } => context.interruptible(mark(settings, (name, node), context)).await,
    }
}

async fn run_archiver(settings: &Settings, follow: &Follow, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let options = Options {
        instance: settings.instance.clone(),
        node: follow.node.clone(),
        wanted: follow.wanted,
        stop_after: follow.stop_after,
        state: follow.state.clone(),
        segment_size: follow.segment_size,
        rpo: follow.rpo,
        idle: archive::IDLE,
        spool_limit: follow.spool_limit,
    };
    context.printer.say(&format!("following {} into {}", follow.node, repository.describe()));
    let followed = operations::follow(&options, &repository, &context.printer, &context.cancel).await;
    let (report, bases) = followed.with_context(|| format!("cannot follow {}", follow.node))?;
    // What is archived leads nowhere without a backup before it: that is said by what the repository holds, and not by what was done.
    let latest = moment::choose(&repository, &settings.instance, &moment::Wanted::Latest).await;
    let leads_nowhere = match latest {
        Err(error @ MomentError::NothingAfter { .. }) => Some(error),
        _ => None,
    };
    let lacks_backup = matches!(leads_nowhere, Some(MomentError::NothingAfter { newest: None, .. }));
    let status = if report.gaps.is_empty() && !lacks_backup { Status::Ok } else { Status::Warning };
    Ok(Outcome::new(status)
        .field("instance", &settings.instance)
        .field("archive", &report)
        .field("bases", bases)
        .text(text_of(&report, leads_nowhere.as_ref(), status, context)))
}

fn text_of(report: &Report, leads_nowhere: Option<&MomentError>, status: Status, context: &Context) -> String {
    let mut table = Table::pairs();
    let stored = words::bytes(report.stored_bytes);
    table.row(["segments", &words::count(report.segments)]);
    table.row(["stream", &format!("{}, {stored} stored", words::bytes(report.raw_bytes))]);
    if let (Some(from), Some(to)) = (report.from, report.to) {
        table.row(["offsets", &format!("{from} to {to} of {}", report.replid)]);
    }
    if report.resumed > 0 {
        table.row(["resumed", &words::counted(report.resumed, "time")]);
    }
    if report.spooled_bytes > 0 {
        table.row(["spool", &format!("{} wait for the next run", words::bytes(report.spooled_bytes))]);
    }
    for gap in &report.gaps {
        table.row(["gap", &format!("after offset {}; the archive goes on at offset {}", gap.after, gap.new_offset)]);
    }
    let sentence = match (report.recoverable_to, report.gaps.len()) {
        (_, gaps @ 1..) => format!("the archive has {}", words::counted(gaps as u64, "new gap")),
        (Some(_), 0) if leads_nowhere.is_some() => {
            let reached = report.to.map_or_else(String::new, |to| format!("archived up to offset {to}; "));
            format!("{reached}{}", leads_nowhere.map(ToString::to_string).unwrap_or_default())
        }
        (Some(time), 0) => format!("recoverable up to {}", crate::times::text(time)),
        (None, 0) => "nothing was archived".to_owned(),
    };
    format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, status, &sentence))
}

/// Names the moment that is now.
async fn mark(settings: &Settings, (name, node): (&str, &Node), context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let instance = &settings.instance;
    let (replid, mark) = archive::point(node).await?;
    let at = DateTime::from_timestamp_micros(mark.time_us).unwrap_or(context.now);
    let point = NamedPoint { name: name.to_owned(), replid, offset: mark.offset, at };
    // A mark is set before something that may go wrong: that nobody archives must be heard now, and not when it has.
    let archiver = repository.archiver(instance, SHARD).await?;
    if archiver.is_none() && repository.timeline(instance, SHARD).await?.is_empty() {
        let text = format!("there is no archive of {instance} in {}", repository.describe());
        return Err(Misuse::which_backup("not_found", text).hint(Hint::MakeArchive).into());
    }
    repository.name_point(instance, SHARD, &point).await?;
    let named = format!("`{name}` names offset {} of {instance}", point.offset);
    let is_at_work = archiver.as_ref().is_some_and(|archiver| archiver.is_at_work(repository.now()));
    let last =
        archiver.as_ref().map_or_else(|| "nothing says when it was".to_owned(), |one| heard(one, repository.now()));
    let (status, sentence) = match is_at_work {
        true => {
            (Status::Ok, format!("{named}; `restore --to-mark {name}` goes back to it once the archive has reached it"))
        }
        false => (
            Status::Warning,
            format!(
                "{named}, but the archiver is not running ({}): `restore --to-mark {name}` works only if `redis-ops archive` is started \
                 again while the server's replication backlog still holds that offset",
                last
            ),
        ),
    };
    Ok(Outcome::new(status).field("instance", instance).field("point", &point).text(verdict(
        &context.printer,
        status,
        &sentence,
    )))
}

/// When an archiver was last heard: `ended 3 min ago`, `last seen 25 s ago`.
fn heard(archiver: &Archiver, now: DateTime<Utc>) -> String {
    let ago = (now - archiver.seen_at).to_std().unwrap_or_default();
    format!("{} {} ago", if archiver.ended { "ended" } else { "last seen" }, words::span(ago))
}

fn time_of(time_us: Option<i64>) -> Option<String> {
    time_us.and_then(DateTime::from_timestamp_micros).map(crate::times::text)
}

/// Says what can be restored.
async fn status(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let instance = &settings.instance;
    let archiver = repository.archiver(instance, SHARD).await?;
    let at_work = archiver.as_ref().filter(|one| one.is_at_work(repository.now()));
    let held = match (moment::held(&repository, instance).await, at_work) {
        // Somebody follows it, and the first segment is on its way.
        (Err(MomentError::NoArchive(_)), Some(one)) => {
            let text = format!(
                "the archive of {instance} is empty so far: the archiver (process {} on {}) is running, and has stored nothing yet",
                one.pid, one.host
            );
            let hint = "wait until the archiver has stored the first segment (after 10 s, or its `--rpo`)";
            return Err(Misuse::which_backup("not_found", text).hint(hint).into());
        }
        (held, _) => held?,
    };
    let mut table = Table::pairs();
    let (mut in_json, mut spans) = (Vec::new(), Vec::new());
    let mut before: Option<&Window> = None;
    for window in &held.windows {
        let begins = time_of(window.from.marks.first().map(|mark| mark.time_us));
        let ends = time_of(window.to.marks.last().map(|mark| mark.time_us));
        // No mark lies there: the archiver was down when it was written.
        let or_at = |time: &Option<String>, offset: u64| {
            time.clone().unwrap_or_else(|| format!("offset {offset} (time unknown)"))
        };
        if let Some(before) = before {
            let ended = time_of(before.to.marks.last().map(|mark| mark.time_us));
            let is_same = before.to.replid == window.from.replid;
            let goes_on = if is_same { "goes on" } else { "the server has a new replication id and goes on" };
            table.row([
                "gap",
                &format!(
                    "{} (offset {}) to {}: {goes_on} at offset {}",
                    or_at(&ended, before.to.to),
                    before.to.to,
                    or_at(&begins, window.from.from),
                    window.from.from
                ),
            ]);
        }
        table.row([
            "stream",
            &format!(
                "{} to {}: offsets {} to {}, {} in {}",
                or_at(&begins, window.from.from),
                or_at(&ends, window.to.to),
                window.from.from,
                window.to.to,
                words::bytes(window.raw_bytes),
                words::counted(window.segments, "segment")
            ),
        ]);
        match &window.base {
            Some(base) => {
                let span = format!("{} to {}", crate::times::text(base.at), or_at(&ends, window.to.to));
                table.row(["recoverable", &format!("{span}, from the backup {} on", base.name)]);
                let times = Times::of(window);
                for (name, row) in times.iter().flat_map(Times::rows) {
                    table.row([name, &row]);
                }
                spans.push(span + &times.map(|times| times.exception()).unwrap_or_default());
            }
            None => {
                table.row(["recoverable", "none of it: no backup lies between these offsets"]);
            }
        }
        in_json.push(json!({
            "from": begins,
            "to": ends,
            "replid": window.to.replid,
            "from_offset": window.from.from,
            "to_offset": window.to.to,
            "raw_bytes": window.raw_bytes,
            "segments": window.segments,
            "recoverable_from": window.base.as_ref().map(|base| crate::times::text(base.at)),
            "recoverable_from_offset": window.base.as_ref().map(|base| base.offset),
            "first_base": window.base.as_ref().map(|base| &base.name),
            "times": Times::of(window).map(|times| times.json()).unwrap_or_default(),
            "offsets_only": window.silences.iter().map(|silence| silence.shown()).collect::<Vec<_>>(),
        }));
        before = Some(window);
    }
    for (key, why) in &held.damaged {
        table.row(["damaged", &format!("{key}: {why}")]);
    }
    let mut silent = String::new();
    if let Some(archiver) = &archiver {
        let is_at_work = archiver.is_at_work(repository.now());
        let state = if is_at_work || archiver.ended { "" } else { "not running, " };
        let heard = heard(archiver, repository.now());
        table.row([
            "archiver",
            &format!(
                "process {} on {}, {state}{heard} ({})",
                archiver.pid,
                archiver.host,
                crate::times::text(archiver.seen_at)
            ),
        ]);
        if !is_at_work {
            silent = format!("; the archiver is not running ({heard})");
        }
    }
    let gaps = held.windows.len().saturating_sub(1) as u64;
    let latest = moment::choose(&repository, instance, &moment::Wanted::Latest).await;
    let base = latest.as_ref().ok().map(|moment| moment.shown().base);
    let is_whole = gaps == 0 && held.damaged.is_empty();
    let (status, sentence) = match (spans.as_slice(), latest) {
        ([], Ok(_)) => (Status::Failed, "nothing of the archive can be restored".to_owned()),
        ([], Err(error)) => (Status::Failed, error.to_string()),
        (spans, _) => {
            let is_gone = archiver.as_ref().is_some_and(|one| !one.ended && !one.is_at_work(repository.now()));
            let status = if is_whole && !is_gone { Status::Ok } else { Status::Warning };
            let gaps = match gaps {
                0 => String::new(),
                gaps => format!("; {}", words::counted(gaps, "gap")),
            };
            (status, format!("recoverable: {}{gaps}{silent}", spans.join(", and ")))
        }
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, status, &sentence));
    let damaged: Vec<_> = held.damaged.iter().map(|(key, why)| json!({ "segment": key, "why": why })).collect();
    Ok(Outcome::new(status)
        .field("instance", instance)
        .field("windows", in_json)
        .field("gaps", gaps)
        .field("damaged", damaged)
        .field("base", base)
        .field("archiver", archiver.as_ref().map(|archiver| in_json_of(archiver, repository.now())))
        .text(text))
}

fn in_json_of(archiver: &Archiver, now: DateTime<Utc>) -> Value {
    json!({
        "token": archiver.token,
        "host": archiver.host,
        "pid": archiver.pid,
        "seen_at": crate::times::text(archiver.seen_at),
        "ended": archiver.ended,
        "at_work": archiver.is_at_work(now),
    })
}

/// Lists what people go back before.
async fn log(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let held = moment::held(&repository, &settings.instance).await?;
    for (key, why) in &held.damaged {
        context.printer.say(&format!("warning: what {key} holds is not listed: {why}"));
    }
    let indexes = held.indexes;
    let mut events = Vec::new();
    // After a restart of the server its offsets begin anew.
    let several = indexes.windows(2).any(|pair| pair[0].replid != pair[1].replid);
    let mut table = Table::new(&["time", "command", "database", "restore to just before it with"]);
    for (index, event) in indexes.iter().flat_map(|index| index.events.iter().map(move |event| (index, event))) {
        let time = time_of(time_of_command(indexes.iter(), &index.replid, event.before, event.end));
        if events.len() < SHOWN {
            table.row([
                time.clone().unwrap_or_else(|| "unknown".to_owned()),
                in_words(event),
                event.database.to_string(),
                match several {
                    true => {
                        format!("--to-offset {} --timeline {}", event.before, index.replid.get(..8).unwrap_or_default())
                    }
                    false => format!("--to-offset {}", event.before),
                },
            ]);
        }
        events.push(json!({
            "time": time,
            "command": event.command,
            "database": event.database,
            "keys": event.keys,
            "offset": event.before,
            "end": event.end,
            "replid": index.replid,
        }));
    }
    let left_out: u64 = indexes.iter().map(|index| index.events_left_out).sum();
    let count = words::counted(events.len() as u64 + left_out, "event");
    let status = if held.damaged.is_empty() { Status::Ok } else { Status::Warning };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, status, &count));
    Ok(Outcome::new(status)
        .field("instance", &settings.instance)
        .field("events", events)
        .field("events_left_out", left_out)
        .text(text))
}

fn in_words(event: &Event) -> String {
    match event.keys {
        Some(keys) => format!("{} of {}", event.command, words::counted(keys, "key")),
        None => event.command.clone(),
    }
}
