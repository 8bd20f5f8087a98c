//! `redis-ops backup`: takes a backup of an instance.

mod answer;
mod copies;
mod plan;
mod pruning;
mod rights;
mod source;
mod turn;
mod way;

use std::collections::BTreeMap;
use std::time::Duration;

use super::telling::Telling;
use super::turns;
use super::which::{File, Place, Server};
use super::{Context, Outcome};
use crate::backup::cluster::Consistent;
use crate::backup::{self, Method, Report};
use crate::capture::source::{ReadFrom, Wanted};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::dataset::Dataset;
use crate::explain::{Context as _, Explain as _, Hint, Misuse, Result};
use crate::operations::{Locked, Turns};
use crate::printer::words;
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, Repository};

use answer::{Failed, show};
pub use pruning::Retention;
use source::Source;

/// Complete settings of `backup`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data comes from.
    pub origin: Origin,
    /// Where the backup goes to.
    pub place: Place,
    /// Where copies of it go to.
    pub copies: Vec<Place>,
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
        /// It has a name that was chosen, and not made of an address.
        is_named: bool,
        /// How it is read.
        method: Method,
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
    /// Whether all are to be of one moment.
    pub consistent: Consistent,
    /// Bytes of the stream that leads there from the RDB of a shard; `None`: as many as the RDB has.
    pub tail_limit: Option<u64>,
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

/// Takes the backup, and its copies. Where the first of several repositories fails, the next one takes its place.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let places: Vec<&Place> = std::iter::once(&settings.place).chain(&settings.copies).collect();
    let mut failed = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let taken = run_into(settings, place, index == 0, context).await;
        let is_last = index + 1 == places.len();
        match copies::fault_of_store(&taken).filter(|_| !is_last && !context.cancel.is_cancelled()) {
            Some(fault) => {
                context.printer.say(&format!("warning: {fault}; using {} instead", places[index + 1].location));
                failed.push((place.location.to_string(), fault));
            }
            None if settings.copies.is_empty() => return taken,
            None => return copies::after(taken, place, &places[index + 1..], failed, settings, context).await,
        }
    }
    unreachable!("there is a place, and the last one answers")
}

/// Takes the backup into this repository. `is_first`: nobody has heard of this run yet.
async fn run_into(settings: &Settings, place: &Place, is_first: bool, context: &Context) -> Result<Outcome> {
    let repository = place.open().await?;
    match &settings.origin {
        Origin::Server { server, is_named, method, read_from, transfer, shard_only, shards, stale, if_due } => {
            match if_due {
                Some(IfDue::Disabled) => return Ok(turn::disabled(&server.instance, context)),
                Some(IfDue::Schedule(schedule)) => {
                    if let Some(outcome) = turn::not_due(schedule, &server.instance, &repository, context).await? {
                        return Ok(outcome);
                    }
                }
                None => {}
            }
            jitter(settings, context).await?;
            let wanted = Wanted { read_from: *read_from, stale: *stale, shard_only: *shard_only };
            let finding = source::find(
                &server.node,
                wanted,
                *shards,
                *method,
                (settings.place.encryption.to.is_some(), settings.plan),
                &context.printer,
            );
            let finding = async { Ok(finding.await?) };
            let source =
                context.interruptible(finding).await.with_context(|| format!("cannot back up {}", server.node))?;
            source.say(&context.printer);
            // Whichever node was asked: the next one would be another instance.
            if matches!(source, Source::Cluster(_)) && !is_named {
                let words = "a cluster given by URL needs a name in the repository: it has several addresses";
                return Err(Misuse::usage(words).hint(Hint::NameCluster).into());
            }
            if settings.plan {
                let retention = settings.retention.as_ref();
                // A timer's run that meets another one ends in peace.
                let turns = if if_due.is_some() { None } else { Some(settings.turns) };
                let asked = plan::Asked { instance: &server.instance, method: *method, retention, turns };
                return plan::plan(&asked, &source, &repository, context).await;
            }
            if is_first {
                settings.telling.begin(&context.printer);
            }
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
            let asked = Asked { server, method: *method, transfer: *transfer, stale: *stale, if_due: if_due.as_ref() };
            let outcome = backed_up(settings, &asked, &source, &repository, context).await;
            turn.end(&context.printer).await;
            outcome
        }
        Origin::File { file, instance } => {
            jitter(settings, context).await?;
            let data =
                Dataset::by_path(file.path(), &context.cancel).await.with_context(|| format!("cannot open {file}"))?;
            if is_first {
                settings.telling.begin(&context.printer);
            }
            let names = [instance.clone()];
            let turn = turns::take(&repository, &names, "backup", settings.turns, context).await?;
            let options = options(settings, instance, Purpose::Adopted, Transfer::Auto, context);
            let progress = context.bar();
            let report = backup::adopt(&options, &data, &repository, progress.as_ref(), &context.cancel).await;
            progress.finish();
            let what = format!("add {file} to the repository");
            let outcome = shown_and_pruned(
                report.map_err(Failed::from),
                &what,
                Vec::new(),
                settings,
                instance,
                &repository,
                context,
            )
            .await;
            turn.end(&context.printer).await;
            outcome
        }
    }
}

/// Waits for a part of the time over which beginnings are spread. What is not due does not wait.
async fn jitter(settings: &Settings, context: &Context) -> Result<()> {
    if settings.jitter.is_zero() || settings.plan {
        return Ok(());
    }
    let wait = settings.jitter.mul_f64(some_part());
    tracing::info!("waiting {} first", words::span(wait));
    let waiting = async {
        tokio::time::sleep(wait).await;
        Ok(())
    };
    context.interruptible(waiting).await
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
    method: Method,
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
    let Asked { server, method, transfer, stale, if_due } = *asked;
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
    let mut options = backup::Options { method, ..options(settings, &server.instance, purpose, transfer, context) };
    options.replication.silence = server.node.silence;
    options.stale = stale;
    let progress = context.bar();
    let (bar, cancel) = (progress.as_ref(), &context.cancel);
    let report = match source {
        Source::One(chosen, _) => backup::run(&options, chosen, repository, bar, cancel).await,
        Source::Cluster(prepared) => {
            let taken = backup::cluster::run(&options, prepared, repository, bar, cancel).await;
            taken.map(|report| Report { of_cluster: (prepared.all > 1).then(|| prepared.in_words()), ..report })
        }
    };
    progress.finish();
    let report = match (report, source) {
        (Err(error), Source::One(chosen, _)) if error.meaning().code == "permission_denied" => {
            Err(Failed { error, because: way::missing(chosen, method).await })
        }
        (report, _) => report.map_err(Failed::from),
    };
    let what = format!("back up {}", server.node);
    shown_and_pruned(report, &what, others, settings, &server.instance, repository, context).await
}

/// Shows what came of a backup, and prunes behind one that was published.
async fn shown_and_pruned(
    report: Result<Report, Failed>,
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
        moment: None,
        now: context.now,
        by: BegunBy::own(),
    }
}
