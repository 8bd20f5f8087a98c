//! `redis-ops backup`: takes a backup of an instance.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::table::{Table, verdict};
use super::which::{File, Place, Server};
use super::{Context, Outcome};
use crate::backup::{self, BackupError, Report};
use crate::capture::source::{self, Chosen, Wanted};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication::{self, ReplicationError, ReplicationFault};
use crate::connection::{Command, ServerError};
use crate::dataset::Dataset;
use crate::explain::{Context as _, Explain, Fault, Hint, Meaning, Misuse, Result, Status};
use crate::printer::words;
use crate::replies::Reply;
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, ListedStatus, Repository, RepositoryError, Room};
use crate::storage::StorageError;

/// All that a backup needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data comes from.
    pub origin: Origin,
    /// Where the backup goes to.
    pub place: Place,
    /// How it is compressed.
    pub codec: Codec,
    /// Kept in the manifest.
    pub labels: BTreeMap<String, String>,
    /// Bytes a second that are read at most; `None`: as fast as it goes.
    pub rate: Option<u64>,
    /// What may wait while the store is away.
    pub spool: Spooling,
    /// How long to wait for another run on the same instance; zero: it is not looked for.
    pub wait_lock: Duration,
    /// Shows what would happen, and does nothing.
    pub plan: bool,
}

/// Where the data of a backup comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A server.
    Server {
        /// Which.
        server: Box<Server>,
        /// How it is read.
        capture: Capture,
        /// Which node is read.
        read_from: ReadFrom,
        /// How the server makes the RDB.
        transfer: Transfer,
        /// One node of a cluster will do.
        shard_only: bool,
        /// A replica that has lost its primary will do.
        stale: bool,
        /// `--if-due`: the cron line of the settings; `None`: now, whatever the schedule says.
        if_due: Option<String>,
    },
    /// An RDB file that is adopted.
    File {
        /// Which.
        file: File,
        /// The name of the instance in the repository.
        instance: String,
    },
}

/// How the data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Capture {
    /// Replication, or SCAN where that is not allowed.
    #[default]
    Auto,
    /// A full resync.
    Replication,
    /// Key by key.
    Scan,
}

/// Which node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// A fresh replica, else the primary.
    #[default]
    Auto,
    /// A replica, or nothing.
    Replica,
    /// The primary.
    Primary,
}

/// How the server makes the RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// By what INFO and CONFIG say.
    #[default]
    Auto,
    /// Through its dump file.
    Disk,
    /// Straight into the socket.
    Diskless,
}

/// Takes the backup.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    match &settings.origin {
        Origin::Server { server, capture, read_from, transfer, shard_only, stale, if_due } => {
            if let Some(schedule) = if_due
                && let Some(outcome) = not_due(schedule, &server.instance, &repository, context).await?
            {
                return Ok(outcome);
            }
            let wanted = Wanted { read_from: node_wanted(*read_from), stale: *stale, shard_only: *shard_only };
            let choosing = async { Ok(source::choose(&server.node, wanted).await?) };
            let chosen =
                context.interruptible(choosing).await.with_context(|| format!("choose a node of {}", server.node))?;
            if let Some(note) = &chosen.note {
                context.printer.say(note);
            }
            if settings.plan {
                return plan(&server.instance, &chosen, *capture, &repository, context).await;
            }
            if !settings.wait_lock.is_zero() {
                context.interruptible(wait_for_others(&repository, &server.instance, settings.wait_lock)).await?;
            }
            let purpose = if if_due.is_some() { Purpose::Scheduled } else { Purpose::Manual };
            let method = match capture {
                Capture::Auto => backup::Method::Auto,
                Capture::Replication => backup::Method::Replication,
                Capture::Scan => backup::Method::Scan,
            };
            let mut options =
                backup::Options { method, ..options(settings, &server.instance, purpose, *transfer, context) };
            options.replication.silence = chosen.node.silence;
            options.stale = *stale;
            let progress = context.bar();
            let report = backup::run(&options, &chosen, &repository, progress.as_ref(), &context.cancel).await;
            progress.finish();
            show(report, &format!("back up {}", server.node), context)
        }
        Origin::File { file, instance } => {
            let data = Dataset::by_path(file.path(), &context.cancel).await.with_context(|| format!("open {file}"))?;
            let options = options(settings, instance, Purpose::Adopted, Transfer::Auto, context);
            let progress = context.bar();
            let report = backup::adopt(&options, &data, &repository, progress.as_ref(), &context.cancel).await;
            progress.finish();
            show(report, &format!("adopt {file}"), context)
        }
    }
}

/// Another run is at the same instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another run is making the backup {instance}/{id}: process {pid} on {host}")]
struct Locked {
    /// Name of the instance.
    instance: String,
    /// Id that the other run has reserved.
    id: String,
    /// Its machine.
    host: String,
    /// Its process.
    pid: u32,
}

impl Explain for Locked {
    fn meaning(&self) -> Meaning {
        Meaning::of("locked").hint(Hint::WaitForLock)
    }
}

/// How often it is looked whether another run has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until nobody else is making a backup of this instance: no process lives that has begun one, and where that cannot be asked no
/// sign of life is young.
async fn wait_for_others(repository: &Repository, instance: &str, longest: Duration) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let mut other = None;
        repository
            .list_each(
                Some(instance),
                |_| {},
                |listed| {
                    if let ListedStatus::Running(running) = listed.status {
                        other = other.take().or(running.begun);
                    }
                },
            )
            .await?;
        let Some(other) = other else { return Ok(()) };
        if begun.elapsed() >= longest {
            return Err(
                Locked { instance: instance.to_owned(), id: other.id, host: other.by.host, pid: other.by.pid }.into()
            );
        }
        tokio::time::sleep(LOOK_AGAIN.min(longest)).await;
    }
}

fn options(
    settings: &Settings,
    instance: &str,
    purpose: Purpose,
    transfer: Transfer,
    context: &Context,
) -> backup::Options {
    backup::Options {
        instance: instance.to_owned(),
        purpose,
        labels: settings.labels.clone(),
        codec: settings.codec,
        threads: codec::cores(),
        rate: settings.rate,
        spool: settings.spool.clone(),
        method: backup::Method::Auto,
        stale: false,
        replication: replication::Options {
            transfer: match transfer {
                // Straight into the socket where the server does so: a save to its disk would replace its own dump file.
                Transfer::Auto | Transfer::Diskless => replication::Transfer::Diskless,
                Transfer::Disk => replication::Transfer::Disk,
            },
            ..replication::Options::default()
        },
        now: context.now,
        by: begun_by(),
    }
}

fn begun_by() -> BegunBy {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    BegunBy { host, pid: std::process::id() }
}

fn node_wanted(read_from: ReadFrom) -> source::ReadFrom {
    match read_from {
        ReadFrom::Auto => source::ReadFrom::Auto,
        ReadFrom::Replica => source::ReadFrom::Replica,
        ReadFrom::Primary => source::ReadFrom::Primary,
    }
}

fn show(report: Result<Report, BackupError>, what: &str, context: &Context) -> Result<Outcome> {
    let report = match report {
        Ok(report) => report,
        Err(failed) => {
            for object in &failed.leftovers {
                context.printer.say(&format!(
                    "{}: {} ({})",
                    if failed.may_be_published {
                        "was not removed"
                    } else {
                        "could not be removed, and belongs to no backup"
                    },
                    object.key,
                    object.error
                ));
            }
            return Err(Fault::from(failed.error).context(match failed.backup_id {
                Some(id) if failed.may_be_published => {
                    format!("{what} as {id}: it is unknown whether the backup was published; nothing was removed")
                }
                Some(id) => format!("{what} as {id}: nothing was published"),
                None => what.to_owned(),
            }));
        }
    };
    let manifest = &report.manifest;
    let raw: u64 = manifest.shards.iter().map(|shard| shard.raw_bytes).sum();
    let stored: u64 = manifest.shards.iter().map(|shard| shard.stored_bytes).sum();
    let mut table = Table::pairs();
    table.row(["backup", &format!("{}/{}", manifest.instance, manifest.id)]);
    table.row(["from", &format!("{} {} ({})", manifest.server.name, manifest.server.version, manifest.shards[0].node)]);
    match &manifest.census {
        Some(census) => {
            table.row([
                "keys",
                &format!("{}, {} with an expiry", words::count(census.keys), words::count(census.expires)),
            ]);
        }
        None => table.row(["keys", "unknown: the RDB was not understood to its end"]),
    }
    table.row([
        "size",
        &format!("{} as RDB, {} stored ({})", words::bytes(raw), words::bytes(stored), manifest.compression),
    ]);
    if let Some(source) = &report.source {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate need not be exact")]
        let rate = words::bytes(source.bytes_per_second as u64);
        let time = words::span(Duration::from_secs_f64(source.seconds));
        table.row(["time", &format!("{time}, {rate}/s, {}", source.transfer.unwrap_or("key by key"))]);
        if let (Some(fork), Some(copied)) = (source.impact.fork_usec, source.impact.cow_bytes) {
            #[allow(clippy::cast_precision_loss, reason = "a time need not be exact")]
            let fork = fork as f64 / 1000.0;
            table.row([
                "cost",
                &format!("the fork stopped the server for {fork:.1} ms; {} copied on write", words::bytes(copied)),
            ]);
        }
    }
    let sentence = if report.warnings.is_empty() {
        format!("{} is published and sound", manifest.id)
    } else {
        format!("{} is published: {}", manifest.id, report.warnings.join("; "))
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, report.status, &sentence));
    Ok(Outcome::new(report.status)
        .field("backup", manifest)
        .field("source", &report.source)
        .field("warnings", &report.warnings)
        .text(text))
}

/// The answer where no backup is due: the newest one is younger than the last time that the schedule names.
async fn not_due(
    schedule: &str,
    instance: &str,
    repository: &Repository,
    context: &Context,
) -> Result<Option<Outcome>> {
    let cron = schedule
        .parse::<croner::Cron>()
        .map_err(|error| Misuse::settings(format!("`backup.schedule`: {schedule}: {error}")))?;
    let due = cron
        .find_previous_occurrence(&context.now, true)
        .map_err(|error| Misuse::settings(format!("`backup.schedule`: {schedule}: {error}")))?;
    let newest = repository.taken_since(instance, due).await?;
    Ok(newest.map(|newest| {
        let sentence =
            format!("not due: the newest backup of {instance} is from {}", newest.format("%Y-%m-%d %H:%M UTC"));
        Outcome::new(Status::Ok).field("due", false).field("newest", newest).text(verdict(
            &context.printer,
            Status::Ok,
            &sentence,
        ))
    }))
}

/// What would happen; nothing is done.
async fn plan(
    instance: &str,
    chosen: &Chosen,
    capture: Capture,
    repository: &Repository,
    context: &Context,
) -> Result<Outcome> {
    let mut lines: Vec<(Status, String)> = Vec::new();
    let mut why = None;
    let facts = &chosen.facts;
    lines.push((Status::Ok, format!("{} {} as {}: {}", facts.name, facts.version, facts.role.as_str(), chosen.node)));
    if let Some(part) = chosen.part() {
        lines.push((Status::Warning, format!("the backup would hold {part}")));
    }
    if chosen.is_stale {
        lines.push((Status::Warning, "the replica has lost its primary: its data may be old".to_owned()));
    }
    let (method, status, line) = match method(chosen, capture).await? {
        Way::Open { method, status, line } => (method, status, line),
        Way::Barred(fault) => {
            let line = fault.to_string();
            why = Some(Fault::from(ReplicationError { target: chosen.node.to_string(), fault }));
            ("replication", Status::Failed, line)
        }
    };
    lines.push((status, line));
    // A folder that is missing will be made.
    let newest = match repository.newest(instance).await {
        Err(RepositoryError::Storage { source: StorageError::NoSuchPlace(_), .. }) => None,
        newest => newest?.backup,
    };
    let raw = newest.as_ref().map(|manifest| manifest.shards.iter().map(|shard| shard.raw_bytes).sum::<u64>());
    // An RDB takes 0.4 to 0.7 of the memory that the data uses; 0.6 with what the standard data set shows.
    let estimate = raw.unwrap_or(facts.used_memory / 10 * 6);
    let basis = if raw.is_some() { "as the newest backup" } else { "reckoned from used_memory" };
    lines.push((
        Status::Ok,
        format!("{} keys, about {} as RDB ({basis})", words::count(facts.keys), words::bytes(estimate)),
    ));
    // One core of a server writes 60 to 75 MB of RDB a second.
    let seconds = Duration::from_secs(estimate / 65_000_000 + 1);
    lines.push((Status::Ok, format!("about {} at the speed of one core of the server", words::span(seconds))));
    let stored = newest.as_ref().map(|manifest| manifest.shards.iter().map(|shard| shard.stored_bytes).sum());
    let room = match writing(repository, stored.unwrap_or(estimate), context, &mut lines).await {
        Ok(room) => Some(room),
        Err(error) => {
            lines.push((Status::Failed, format!("{error:#}")));
            why = why.or(Some(error));
            None
        }
    };

    let status = lines.iter().map(|(status, _)| *status).fold(Status::Ok, Status::and);
    let mut table = Table::pairs();
    for (status, line) in &lines {
        let word = match status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            _ => "refused",
        };
        table.row([word, line]);
    }
    let sentence = match status {
        Status::Ok => "the backup would go through; nothing was done",
        Status::Warning => "the backup would go through with warnings; nothing was done",
        _ => "the backup would fail; nothing was done",
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, status, sentence));
    let outcome = Outcome::new(status)
        .field("plan", json!({
            "instance": instance, "method": method, "node": chosen.node.address.to_string(), "role": facts.role.as_str(), "keys": facts.keys,
            "estimated_raw_bytes": estimate, "estimated_seconds": seconds.as_secs(),
            "free_bytes": room.and_then(|room| room.free), "keeps_conditions": room.and_then(|room| room.keeps_conditions),
            "lines": lines.iter().map(|(status, line)| json!({"status": status, "text": line})).collect::<Vec<_>>(),
        }))
        .text(text);
    Ok(match why {
        Some(error) => outcome.error(error.context(format!("plan a backup of {instance}"))),
        None => outcome,
    })
}

/// Finds out whether the repository can be written to, and has room.
///
/// # Errors
/// Why not.
async fn writing(
    repository: &Repository,
    needed: u64,
    context: &Context,
    lines: &mut Vec<(Status, String)>,
) -> Result<Room> {
    let place = repository.describe();
    let room = repository
        .try_writing(context.now)
        .await
        .with_context(|| format!("the repository {place} cannot be written to"))?;
    if let Some(free) = room.free.filter(|free| *free < needed) {
        let words = format!("{place} has {} free, and about {} are needed", words::bytes(free), words::bytes(needed));
        return Err(StorageError::Full(words.into()).into());
    }
    lines.push((
        Status::Ok,
        match room.free {
            Some(free) => format!("{place} can be written to, and has {} free", words::bytes(free)),
            None => format!("the repository {place} can be written to"),
        },
    ));
    if room.keeps_conditions == Some(false) {
        lines.push((
            Status::Ok,
            "the store does not support conditional writes (`If-None-Match`): names of objects carry a token"
                .to_owned(),
        ));
    }
    Ok(room)
}

/// How the data would be read.
enum Way {
    Open {
        method: &'static str,
        status: Status,
        line: String,
    },
    /// Not as it was asked for.
    Barred(ReplicationFault),
}

/// How the data would be read, and whether the server lets us: what a run finds out with the first `PSYNC`, without one.
async fn method(chosen: &Chosen, capture: Capture) -> Result<Way> {
    let by_key = |why: &str| Way::Open {
        method: "scan",
        status: Status::Warning,
        line: format!("{why}the server would be read key by key, which is not one moment of its data"),
    };
    match capture {
        Capture::Scan => return Ok(by_key("")),
        Capture::Auto if chosen.is_stale => {
            return Ok(by_key("a replica that has lost its primary does not replicate: "));
        }
        Capture::Replication if chosen.is_stale => {
            let text = "a replica that has lost its primary does not replicate".to_owned();
            return Ok(Way::Barred(ReplicationFault::NoPrimaryLink { text }));
        }
        Capture::Auto | Capture::Replication => {}
    }
    let who = chosen.node.credentials.username.as_deref().unwrap_or("default");
    let by_replication = |line| Way::Open { method: "replication", status: Status::Ok, line };
    Ok(match (refused(chosen, who).await?, capture) {
        (Asked::Yes, _) => by_replication(format!("the user {who} may ask for a full resynchronization")),
        (Asked::NotFoundOut, _) => {
            by_replication(format!("whether the user {who} has the right to `PSYNC` was not found out"))
        }
        (Asked::No(fault), Capture::Auto) => by_key(&format!("{fault}: ")),
        (Asked::No(fault), _) => Way::Barred(fault),
    })
}

/// Whether we may replicate.
enum Asked {
    Yes,
    No(ReplicationFault),
    NotFoundOut,
}

/// Asks with what cannot begin anything: `PSYNC` without its arguments is refused for their number by a server that has it, and in
/// other words by one that has not; `REPLCONF` without any does nothing.
async fn refused(chosen: &Chosen, who: &str) -> Result<Asked> {
    let mut connection = chosen.node.connect().await?;
    let questions = [
        Command::new("REPLCONF"),
        Command::new("PSYNC"),
        Command::of(&["COMMAND", "INFO", "SYNC"]),
        Command::of(&["ACL", "DRYRUN", who, "PSYNC", "?", "-1"]),
        Command::of(&["ACL", "DRYRUN", who, "REPLCONF", "capa", "eof"]),
    ];
    let answers = connection.pipeline(&questions).await?;
    let [replconf, psync, sync, may_psync, may_replconf] = answers.as_slice() else { return Ok(Asked::NotFoundOut) };
    if let Err(error) = replconf
        && let fault @ ReplicationFault::NoPermission { .. } = replication::refusal("REPLCONF", error)
    {
        return Ok(Asked::No(fault));
    }
    let has_sync = sync.as_ref().is_ok_and(|found| matches!(found.items().first(), Some(Reply::Array(_))));
    match psync {
        Err(error) if error.text.contains("wrong number of arguments") => {}
        Err(error) => match replication::refusal("PSYNC", error) {
            ReplicationFault::Unsupported { .. } if has_sync => {}
            fault @ (ReplicationFault::Unsupported { .. } | ReplicationFault::NoPermission { .. }) => {
                return Ok(Asked::No(fault));
            }
            _ => return Ok(Asked::NotFoundOut),
        },
        Ok(_) => return Ok(Asked::NotFoundOut),
    }
    // `OK`, or in words what is missing. Before 7.0 there is no such question, and few users may ask it.
    for (name, answer) in [("REPLCONF", may_replconf), ("PSYNC", may_psync)] {
        match answer {
            Ok(Reply::Bytes(words)) if words == b"OK" => {}
            Ok(Reply::Bytes(words)) => {
                let text = String::from_utf8_lossy(words).into_owned();
                let error = ServerError { code: "NOPERM".to_owned(), text };
                return Ok(Asked::No(replication::refusal(name, &error)));
            }
            _ => return Ok(Asked::NotFoundOut),
        }
    }
    Ok(Asked::Yes)
}
