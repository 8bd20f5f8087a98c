//! `redis-ops backup`: takes a backup of an instance.

mod plan;
mod pruning;
mod turn;
mod way;

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::{Table, verdict};
use super::telling::Telling;
use super::turns;
use super::which::{File, Place, Server};
use super::{Context, Outcome};
use crate::backup::cluster::Prepared;
use crate::backup::{self, BackupError, Impact, Report, SourceReport};
use crate::capture::source::{self, Chosen, Found, SourceError, Wanted};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::{Node, replication};
use crate::dataset::Dataset;
use crate::explain::{Context as _, Fault, Result};
use crate::introspection::Topology;
use crate::operations::{Locked, Turns};
use crate::printer::{Printer, words};
use crate::progress::Voice;
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, Repository};

pub use pruning::Retention;

/// Complete settings of `backup`.
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
    /// Who is told that it begins and ends.
    pub telling: Telling,
    /// Of this time a random part is waited for first.
    pub jitter: Duration,
    /// How it gets along with other runs on the same instance.
    pub turns: Turns,
    /// What `--prune` keeps; `None`: nothing is removed.
    pub retention: Option<Retention>,
    /// Shows what would happen, and does nothing.
    pub plan: bool,
}

/// Where the data of a backup comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    Server {
        server: Box<Server>,
        /// How it is read.
        capture: Capture,
        /// Which node is read.
        read_from: ReadFrom,
        /// How the server makes the RDB.
        transfer: Transfer,
        /// Whether one node of a cluster will do.
        shard_only: bool,
        /// How the shards of a cluster are read.
        shards: Shards,
        /// A replica that has lost its primary will do.
        stale: bool,
        /// `--if-due`; `None`: now, whatever the schedule says.
        if_due: Option<IfDue>,
    },
    /// An RDB file that is adopted.
    File {
        file: File,
        /// The name of the instance in the repository.
        instance: String,
    },
}

/// Only if it is time for a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfDue {
    /// By this cron line of the settings.
    Schedule(String),
    /// Never: the settings have switched backups off.
    Disabled,
}

/// How the shards of a cluster are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards {
    /// How many at the same time; `None`: all, but never two of one machine.
    pub parallel: Option<usize>,
    /// How often one that failed is tried again.
    pub retries: u32,
    /// How long slots on the move are waited for.
    pub wait: Duration,
    /// Slots without a node, or on the move, are no reason against a backup.
    pub allow_gaps: bool,
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
    if !settings.jitter.is_zero() && !settings.plan {
        let wait = settings.jitter.mul_f64(some_part());
        tracing::info!("waiting {} first", words::span(wait));
        let waiting = async {
            tokio::time::sleep(wait).await;
            Ok(())
        };
        context.interruptible(waiting).await?;
    }
    let repository = settings.place.open().await?;
    match &settings.origin {
        Origin::Server { server, capture, read_from, transfer, shard_only, shards, stale, if_due } => {
            match if_due {
                Some(IfDue::Disabled) => return Ok(turn::disabled(&server.instance, context)),
                Some(IfDue::Schedule(schedule)) => {
                    if let Some(outcome) = turn::not_due(schedule, &server.instance, &repository, context).await? {
                        return Ok(outcome);
                    }
                }
                None => {}
            }
            let wanted = Wanted { read_from: node_wanted(*read_from), stale: *stale, shard_only: *shard_only };
            let finding = find(&server.node, wanted, *shards, settings.plan, &context.printer);
            let finding = async { Ok(finding.await?) };
            let source =
                context.interruptible(finding).await.with_context(|| format!("cannot back up {}", server.node))?;
            source.say(&context.printer);
            if settings.plan {
                let retention = settings.retention.as_ref();
                return plan::plan(&server.instance, &source, *capture, retention, &repository, context).await;
            }
            settings.telling.begin(&context.printer);
            let names = [server.instance.clone()];
            let turn = match turns::take(&repository, &names, "backup", settings.turns, context).await {
                Ok(turn) => turn,
                // What a timer runs every minute is no failure every minute.
                Err(error) if if_due.is_some() => match error.downcast_ref::<Locked>() {
                    Some(locked) if locked.command == "backup" => return Ok(turn::being_made(locked, context)),
                    _ => return Err(error),
                },
                Err(error) => return Err(error),
            };
            let asked =
                Asked { server, capture: *capture, transfer: *transfer, stale: *stale, if_due: if_due.as_ref() };
            let outcome = backed_up(settings, &asked, &source, &repository, context).await;
            turn.end(&context.printer).await;
            outcome
        }
        Origin::File { file, instance } => {
            let data =
                Dataset::by_path(file.path(), &context.cancel).await.with_context(|| format!("cannot open {file}"))?;
            settings.telling.begin(&context.printer);
            let names = [instance.clone()];
            let turn = turns::take(&repository, &names, "backup", settings.turns, context).await?;
            let options = options(settings, instance, Purpose::Adopted, Transfer::Auto, context);
            let progress = context.bar();
            let report = backup::adopt(&options, &data, &repository, progress.as_ref(), &context.cancel).await;
            progress.finish();
            let what = format!("adopt {file}");
            let outcome = shown_and_pruned(report, &what, Vec::new(), settings, instance, &repository, context).await;
            turn.end(&context.printer).await;
            outcome
        }
    }
}
/// A random number from 0 to 1.
fn some_part() -> f64 {
    let mut random = [0; 4];
    // Without chance nobody waits.
    let _ = getrandom::fill(&mut random);
    f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX)
}

/// How a server is to be backed up.
struct Asked<'a> {
    server: &'a Server,
    capture: Capture,
    transfer: Transfer,
    stale: bool,
    if_due: Option<&'a IfDue>,
}

/// Takes the backup that was chosen, once it is this run's turn.
async fn backed_up(
    settings: &Settings,
    asked: &Asked<'_>,
    source: &Source,
    repository: &Repository,
    context: &Context,
) -> Result<Outcome> {
    let Asked { server, capture, transfer, stale, if_due } = *asked;
    if !settings.turns.wait.is_zero() {
        // Runs without a lock, and those of older versions, are seen by what they have begun.
        context.interruptible(turn::wait_for_others(repository, &server.instance, settings.turns.wait)).await?;
    }
    // Whoever was waited for may have made the backup that was due.
    if let Some(IfDue::Schedule(schedule)) = if_due
        && let Some(outcome) = turn::not_due(schedule, &server.instance, repository, context).await?
    {
        return Ok(outcome);
    }
    let others = turn::others(repository, &server.instance).await;
    others.iter().for_each(|other| context.printer.say(&format!("warning: {other}")));
    let purpose = if if_due.is_some() { Purpose::Scheduled } else { Purpose::Manual };
    let method = match capture {
        Capture::Auto => backup::Method::Auto,
        Capture::Replication => backup::Method::Replication,
        Capture::Scan => backup::Method::Scan,
    };
    let mut options = backup::Options { method, ..options(settings, &server.instance, purpose, transfer, context) };
    options.replication.silence = server.node.silence;
    options.stale = stale;
    let progress = context.bar();
    let (bar, cancel) = (progress.as_ref(), &context.cancel);
    let report = match source {
        Source::One(chosen, _) => backup::run(&options, chosen, repository, bar, cancel).await,
        Source::Cluster(prepared) => backup::cluster::run(&options, prepared, repository, bar, cancel).await,
    };
    progress.finish();
    let what = format!("back up {}", server.node);
    shown_and_pruned(report, &what, others, settings, &server.instance, repository, context).await
}

/// What is read: one node, or a node of each shard of a cluster.
enum Source {
    One(Box<Chosen>, Topology),
    Cluster(Box<Prepared>),
}

/// Finds out what is to be read, and waits for slots that are on the move, unless only a plan is wanted.
async fn find(
    node: &Node,
    wanted: Wanted,
    shards: Shards,
    only_plan: bool,
    voice: &dyn Voice,
) -> Result<Source, SourceError> {
    let cluster = match source::find(node, wanted).await? {
        Found::One(chosen, topology) => return Ok(Source::One(chosen, topology)),
        Found::Cluster(cluster) => cluster,
    };
    let settings = backup::cluster::Settings {
        read_from: wanted.read_from,
        parallel: shards.parallel,
        retries: shards.retries,
        wait: if only_plan { Duration::ZERO } else { shards.wait },
        allow_gaps: shards.allow_gaps,
    };
    Ok(Source::Cluster(Box::new(backup::cluster::prepare(node, cluster, settings, voice).await?)))
}

impl Source {
    /// What stands behind the address: `standalone`, `replication`, `sentinel` or `cluster`.
    fn topology(&self) -> &'static str {
        match self {
            Self::One(_, topology) => topology.as_str(),
            Self::Cluster(_) => "cluster",
        }
    }

    /// Every node that is read; those of a cluster with the words for their shard.
    fn nodes(&self) -> Box<dyn Iterator<Item = (Option<String>, &Chosen)> + '_> {
        match self {
            Self::One(chosen, _) => Box::new(std::iter::once((None, &**chosen))),
            Self::Cluster(_) => {
                let named = |(index, (slots, chosen))| (Some(format!("shard {index} (slots {slots})")), chosen);
                Box::new(self.shards().into_iter().enumerate().map(named))
            }
        }
    }

    /// The shards of a cluster, with the node of each that is read; none of a single server.
    fn shards(&self) -> Vec<(String, &Chosen)> {
        match self {
            Self::One(..) => Vec::new(),
            Self::Cluster(prepared) => {
                let slots = prepared.cluster.shards.iter().map(|shard| shard.slots.to_string());
                slots.zip(&prepared.chosen).collect()
            }
        }
    }

    /// Says which nodes are read, where that is worth a sentence.
    fn say(&self, printer: &Printer) {
        match self {
            Self::One(chosen, _) => {
                let facts = &chosen.facts;
                let role = facts.role.as_str();
                tracing::info!("reading from {}: {} {} as {role}", chosen.node, facts.name, facts.version);
                if let Some(note) = &chosen.note {
                    printer.say(note);
                }
            }
            Self::Cluster(prepared) => {
                printer.say(&format!("a cluster with {}", words::counted(prepared.chosen.len() as u64, "shard")));
                for (index, (shard, chosen)) in prepared.cluster.shards.iter().zip(&prepared.chosen).enumerate() {
                    let why = chosen.note.as_deref().unwrap_or_default();
                    tracing::info!("shard {index} (slots {}): reading {}: {why}", shard.slots, chosen.node);
                }
            }
        }
    }
}

/// Shows what came of a backup, and prunes behind one that was published.
async fn shown_and_pruned(
    report: Result<Report, BackupError>,
    what: &str,
    others: Vec<String>,
    settings: &Settings,
    instance: &str,
    repository: &Repository,
    context: &Context,
) -> Result<Outcome> {
    let taken = report.as_ref().ok().map(|report| report.manifest.clone());
    let outcome = show(report, what, others, context)?;
    Ok(match &settings.retention {
        Some(retention) => pruning::after(outcome, retention, instance, taken.as_ref(), repository, context).await,
        None => outcome,
    })
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
        stem: backup::WHOLE.to_owned(),
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
        by: BegunBy::own(),
    }
}

fn node_wanted(read_from: ReadFrom) -> source::ReadFrom {
    match read_from {
        ReadFrom::Auto => source::ReadFrom::Auto,
        ReadFrom::Replica => source::ReadFrom::Replica,
        ReadFrom::Primary => source::ReadFrom::Primary,
    }
}

/// `others`: warnings that say nothing of the backup itself; it is as good as any.
fn show(report: Result<Report, BackupError>, what: &str, others: Vec<String>, context: &Context) -> Result<Outcome> {
    let report = match report {
        Ok(report) => report,
        Err(failed) => {
            for object in &failed.leftovers {
                context.printer.say(&format!(
                    "{}: {} ({})",
                    if failed.may_be_published {
                        "was not removed"
                    } else {
                        "could not be removed, and is not part of any backup"
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
    let node = match manifest.shards.as_slice() {
        [one] => one.node.clone(),
        several => format!("a cluster with {}", words::counted(several.len() as u64, "shard")),
    };
    table.row(["from", &format!("{} {} ({node})", manifest.server.name, manifest.server.version)]);
    match &manifest.census {
        Some(census) => {
            table.row([
                "keys",
                &format!("{}, {} with an expiry", words::count(census.keys), words::count(census.expires)),
            ]);
        }
        None => table.row(["keys", "unknown: the RDB could not be read to its end"]),
    }
    table.row([
        "size",
        &format!("{} as RDB, {} stored ({})", words::bytes(raw), words::bytes(stored), manifest.compression),
    ]);
    cost(&report.sources, &mut table);
    if let Some(skew) = manifest.skew_seconds {
        table.row(["moment", &format!("of each shard its own, at most {skew:.1} s apart")]);
    }
    let sentence = match (&report.warnings[..], &report.reservations[..]) {
        ([], []) => format!("{} is published and sound", manifest.id),
        // As a verification says it.
        ([], reservations) => format!(
            "{} is published and complete, with {}: {}",
            manifest.id,
            words::counted(reservations.len() as u64, "warning"),
            reservations.join("; ")
        ),
        (warnings, _) => format!("{} is published, but {}", manifest.id, warnings.join("; ")),
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, report.status, &sentence));
    let outcome = Outcome::new(report.status).field("backup", manifest).field("source", whole(&report.sources));
    let outcome = match report.sources.as_slice() {
        several @ [_, _, ..] => outcome.field("sources", several),
        _ => outcome,
    };
    Ok(outcome.field("warnings", [report.warnings.as_slice(), &others].concat()).text(text))
}

/// The sources of all shards as one; `None` for a file.
fn whole(sources: &[SourceReport]) -> Option<SourceReport> {
    let first = sources.first()?;
    if sources.len() == 1 {
        return Some(first.clone());
    }
    let sum =
        |of: fn(&SourceReport) -> Option<u64>| sources.iter().map(of).try_fold(0_u64, |sum, one| Some(sum + one?));
    let most = |of: fn(&SourceReport) -> Option<u64>| sources.iter().filter_map(of).max();
    let is_scan = |source: &&SourceReport| source.method == "scan";
    let method = sources.iter().find(is_scan).unwrap_or(first);
    Some(SourceReport {
        node: sources.iter().map(|source| source.node.as_str()).collect::<Vec<_>>().join(","),
        shard: None,
        why: None,
        method: method.method,
        transfer: method.transfer,
        seconds: sources.iter().map(|source| source.seconds).sum(),
        bytes_per_second: sources.iter().map(|source| source.bytes_per_second).sum(),
        keyspace_hits_added: sources.iter().map(|source| source.keyspace_hits_added).sum(),
        impact: Impact {
            fork_usec: most(|source| source.impact.fork_usec),
            cow_bytes: sum(|source| source.impact.cow_bytes),
        },
        ..first.clone()
    })
}

/// What the reading cost: rows of one source; of a cluster one row for each shard.
fn cost(sources: &[SourceReport], table: &mut Table) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate need not be exact")]
    let speed = |source: &SourceReport| {
        let rate = words::bytes(source.bytes_per_second as u64);
        let time = words::span(Duration::from_secs_f64(source.seconds));
        format!("{time}, {rate}/s, {}", source.transfer.unwrap_or("key by key"))
    };
    if sources.len() > 1 {
        for source in sources {
            let name = format!("shard {}", source.shard.unwrap_or_default());
            table.row([&name, &format!("{} ({}): {}", source.node, source.role, speed(source))]);
        }
        return;
    }
    for source in sources {
        table.row(["time", &speed(source)]);
        if let (Some(fork), Some(copied)) = (source.impact.fork_usec, source.impact.cow_bytes) {
            #[allow(clippy::cast_precision_loss, reason = "a time need not be exact")]
            let fork = fork as f64 / 1000.0;
            table.row([
                "cost",
                &format!("the fork blocked the server for {fork:.1} ms; {} copied on write", words::bytes(copied)),
            ]);
        }
    }
}
