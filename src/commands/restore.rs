//! `redis-ops restore`: puts a backup into an instance, a file or a folder.

mod proof;
mod settings_of;
mod show;
mod source;
mod to_disk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::backup::threads;
use super::question::confirm;
use super::which::{Backup, Place, Server};
use super::{Context, Outcome};
use crate::backup;
use crate::capture::source::{ReadFrom, choose};
use crate::codec::Codec;
use crate::connection::{Connection, replication};
use crate::hint::{Interrupted, Misuse};
use crate::progress::{Progress, Unit};
use crate::repository::BegunBy;
use crate::repository::manifest::Purpose;
use crate::restore::journal::{self, Identity};
use crate::restore::options::{Method as How, Options};
use crate::restore::plan::{self, Refused};
use crate::restore::survey::{Survey, Surveyor};
use crate::restore::target_format::TargetFormat;
use crate::restore::{BackupFacts, Order, Phases, TargetFacts, conflicts, preflight, reading, run as replay};
use crate::status::Status;
use source::Source;

/// All that a restore needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is restored.
    pub backup: Backup,
    /// Where it goes to.
    pub target: Target,
    /// What is left out, and what goes elsewhere.
    pub selection: Selection,
    /// What becomes of expiry times.
    pub ttl: Ttl,
    /// Whether the backup is checked before the first write.
    pub verify: bool,
    /// Goes on although the plan names what the target cannot hold.
    pub accept_loss: bool,
    /// Shows what would happen, and does nothing.
    pub plan: bool,
}

/// Where a restore goes to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A running server.
    Server(Box<Instance>),
    /// An RDB file.
    File(PathBuf),
    /// Stdout, as an RDB file.
    Stdout,
    /// A folder, as a server that is not running loads it at its start.
    Folder(PathBuf),
}

/// A running server to restore into, and what may be done to it.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Which.
    pub server: Server,
    /// How the data is written.
    pub method: Method,
    /// What happens to keys that are there already.
    pub existing: Existing,
    /// Goes on although the target's replicas will have to resync.
    pub allow_replica_resync: bool,
    /// Bytes a second that are written at most; `None`: as fast as it goes.
    pub rate: Option<u64>,
    /// Goes on with a restore that was interrupted.
    pub resume: bool,
    /// Whether the target is compared with the backup at the end.
    pub proof: bool,
    /// Where we listen, for [`Method::Replica`]; port 0: a free one.
    pub listen: SocketAddr,
    /// At which host, or host:port, the target reaches us; `None`: the address that our connection to it comes from.
    pub advertise: Option<String>,
}

/// What happens to what the target holds already.
#[derive(Debug, Clone)]
pub enum Existing {
    /// `--on-conflict`: keys of the target that are not in the backup stay. `None`: nothing was typed, and a target that holds keys
    /// is refused.
    Keep(Option<OnConflict>, SafetyBackup),
    /// `--replace-all`: the target is emptied first.
    RemoveAll(SafetyBackup),
}

/// The backup of the target before keys are overwritten or removed.
#[derive(Debug, Clone)]
pub enum SafetyBackup {
    /// Taken, into this repository.
    Into(Place),
    /// Not needed: nothing is overwritten.
    NotNeeded,
    /// `--no-safety-backup`.
    Declined,
}

/// What happens to a key that the target holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Nothing is written at all.
    #[default]
    Fail,
    /// The target's key stays.
    Skip,
    /// The target's key is overwritten.
    Replace,
}

/// How the data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The fastest that the plan allows.
    #[default]
    Auto,
    /// Pipelined RESTORE.
    Restore,
    /// The target loads the file as our replica.
    Replica,
    /// Typed commands.
    Commands,
}

/// What becomes of expiry times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ttl {
    /// The moment stays.
    #[default]
    Keep,
    /// Later by the age of the backup.
    Shift,
    /// Never.
    Strip,
}

/// Which keys are restored, and where to. Empty lists select everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Globs of which one must match.
    pub keys: Vec<String>,
    /// Globs of which none may match.
    pub exclude: Vec<String>,
    /// Databases, and where they go.
    pub databases: Vec<DatabaseMap>,
    /// Type names: `string`, `list`, ….
    pub types: Vec<String>,
}

/// A database of the backup, and the one of the target that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseMap {
    /// In the backup.
    pub from: u32,
    /// In the target.
    pub to: u32,
}

/// Restores.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    match &settings.target {
        Target::Server(instance) => to_server(settings, instance, context).await,
        Target::Stdout => Err(Misuse::not_supported_yet("`--to-file -`").hint("name a file").into()),
        Target::File(_) | Target::Folder(_) => to_disk::run(settings, context).await,
    }
}

/// A restore into a running server: looks at both sides, plans, asks, and only then writes.
async fn to_server(settings: &Settings, instance: &Instance, context: &Context) -> Result<Outcome> {
    let source = Source::open(&settings.backup, context).await?;
    let options = settings_of::options(settings, instance, source.created_ms(), context.now)?;
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let node = &instance.server.node;
    let mut connection = node.connect().await?;
    let more: &[&str] = if options.replace_all { &["flushall"] } else { &[] };

    let first = preflight::ask(node, &mut connection, 0, more).await?;
    let format = TargetFormat::of(&first.server);
    let mut facts = source.facts();
    let mut phases = Phases::default();
    // A target with data is not touched before the whole backup was read; an empty one is written to in the same pass.
    let verify = settings.verify && first.keys() > 0 && !options.resume;
    if facts.keys.is_none() || plan::needs_survey(&facts, format, &options) || (verify && !settings.plan) {
        let begun = Instant::now();
        let survey = survey(&source, &options, format, &progress, context).await?;
        phases.verify = begun.elapsed().as_secs_f64();
        facts = facts.surveyed(survey);
    }
    let highest = plan::highest_database(&facts, &options).unwrap_or(0);
    let target = preflight::ask(node, &mut connection, highest, more).await?;
    let plan = plan::make(&facts, &target, &options, false);
    let table = show::plan(&plan, &facts, &target, context);

    let outcome = |status| Outcome::new(status).field("backup_id", source.id()).field("plan", &plan);
    let refused = plan.refusal().map(Refused::from);
    if settings.plan {
        let status = if refused.is_some() { Status::Failed } else { Status::Ok };
        let outcome = outcome(status).text(table);
        return Ok(match refused {
            Some(refused) => outcome.error(refused.into()),
            None => outcome,
        });
    }
    let Some(method) = plan.method.filter(|_| refused.is_none()) else {
        let refused = refused.unwrap_or_else(|| Refused::of("method", plan.why.clone()));
        return Ok(outcome(Status::Failed).field("result", ()).error(refused.into()));
    };
    if let Some(refused) = names_taken(&source, &options, &target, &mut connection, &progress, context).await? {
        return Ok(outcome(Status::Failed).field("result", ()).error(refused.into()));
    }
    drop(connection);
    if plan.warns() {
        context.printer.say(&table);
    }
    before_write(instance, &options, &target, context).await?;

    let order = order(&source, instance, options.clone(), target.clone(), method, &facts, context);
    let report = replay(order, source.raw().await?, progress.clone()).await;
    let report = report.with_context(|| format!("restore {} into {node}", facts.name));
    let report = report.inspect_err(|_| progress.finish())?;
    let mut text = show::report(&report, instance.proof, context);
    let failure = show::failure(&report, settings, instance);
    let begun = Instant::now();
    let proof = match (&failure, instance.proof) {
        (None, true) => {
            let proven = proof::prove(&source, instance, &options, &target, &report, &*progress, context).await;
            Some(proven.inspect_err(|_| progress.finish())?)
        }
        _ => None,
    };
    progress.finish();
    phases.proof = begun.elapsed().as_secs_f64();
    if failure.is_none() {
        proof::leave_receipt(&source, instance, &target, &report, proof.as_ref(), context).await;
    }
    let mut status = report.status();
    if let Some(proof) = &proof {
        status = status.and(proof.status);
        text.push_str(&format!("\n{}", proof.text));
    }
    let outcome =
        outcome(status).field("result", report.json(phases)).field("proof", proof.map(|proof| proof.json)).text(text);
    Ok(match failure {
        Some(error) => outcome.error(error),
        None => outcome,
    })
}

/// Reads the whole backup: what only that tells, and whether it is sound.
async fn survey(
    source: &Source,
    options: &Options,
    format: TargetFormat,
    progress: &Arc<dyn Progress>,
    context: &Context,
) -> Result<Survey> {
    if !source.can_be_read_again() {
        return Err(Misuse::usage("standard input can be read only once, and the backup has to be looked at first")
            .hint("save it to a file, and name that")
            .into());
    }
    let mut raw = source.raw().await?;
    progress.phase("verifying", Unit::Bytes, source.raw_bytes());
    let (choices, progress, cancel) = (options.choices.clone(), progress.clone(), context.cancel.clone());
    let by_commands = options.method == crate::restore::Asked::Only(How::Commands);
    let read = tokio::task::spawn_blocking(move || {
        let mut surveyor = Surveyor::new(&choices, format, by_commands, replay_now());
        reading::through(&mut raw, &mut surveyor, &*progress, &cancel).map(|bytes| surveyor.finish(bytes))
    });
    let survey = read.await?.with_context(|| format!("read {}: nothing was written", source.name()))?;
    if context.cancel.is_cancelled() { Err(Interrupted.into()) } else { Ok(survey) }
}

fn replay_now() -> i64 {
    crate::restore::run::now_ms()
}

/// `--on-conflict fail`: names of the backup that the target has.
async fn names_taken(
    source: &Source,
    options: &Options,
    target: &TargetFacts,
    connection: &mut Connection,
    progress: &Arc<dyn Progress>,
    context: &Context,
) -> Result<Option<Refused>> {
    let asked = options.on_conflict == Some(crate::restore::OnConflict::Fail);
    if !asked || options.resume || target.keys() == 0 {
        return Ok(None);
    }
    progress.phase("comparing names", Unit::Bytes, source.raw_bytes());
    let raw = source.raw().await?;
    let found =
        conflicts::find(raw, &options.choices, replay_now(), connection, progress.clone(), &context.cancel).await;
    let found = match found {
        Err(conflicts::ConflictsError::Interrupted) => return Err(Interrupted.into()),
        found => found.context("look for the backup's keys in the target: nothing was written")?,
    };
    Ok((found.keys > 0).then(|| {
        let names: Vec<String> =
            found.names.iter().take(3).map(|key| format!("`{}`", key.key.escape_debug())).collect();
        let text = format!("the target has {} of the backup's keys: {}", found.keys, names.join(", "));
        Refused::of("key_exists", text).flag("--on-conflict skip|replace")
    }))
}

/// The last moment before anything is overwritten or removed: asks, and takes the safety backup.
async fn before_write(instance: &Instance, options: &Options, target: &TargetFacts, context: &Context) -> Result<()> {
    let overwrites = options.replace_all || options.on_conflict == Some(crate::restore::OnConflict::Replace);
    let keys = target.keys();
    if !overwrites || keys == 0 || options.resume {
        return Ok(());
    }
    let what =
        if options.replace_all { "All of them are removed." } else { "Those of the backup's names are overwritten." };
    confirm(context, &format!("{} holds {keys} keys. {what}", target.address)).await?;
    let (Existing::Keep(_, safety) | Existing::RemoveAll(safety)) = &instance.existing;
    let SafetyBackup::Into(place) = safety else { return Ok(()) };
    let repository = place.open().await?;
    let chosen = choose(&instance.server.node, ReadFrom::Primary).await?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let options = backup::Options {
        method: backup::Method::Auto,
        instance: instance.server.instance.clone(),
        purpose: Purpose::Safety,
        labels: Default::default(),
        codec: Codec::GZIP,
        threads: threads(),
        rate: None,
        replication: replication::Options { transfer: replication::Transfer::Diskless, ..Default::default() },
        now: context.now,
        by: BegunBy { host, pid: std::process::id() },
    };
    let progress = context.bar();
    let taken = backup::run(&options, &chosen, &repository, progress.as_ref(), &context.cancel).await;
    progress.finish();
    let taken = taken
        .map_err(|failed| anyhow::Error::new(failed.error).context("take the safety backup: nothing was written"))?;
    let id = format!("{}/{}", taken.manifest.instance, taken.manifest.id);
    context.printer.say(&format!(
        "safety backup {id} is taken; this goes back: redis-ops restore --backup-id {id} --target-instance {} --replace-all",
        instance.server.instance
    ));
    Ok(())
}

/// Everything is said: this is to be done.
fn order(
    source: &Source,
    instance: &Instance,
    options: Options,
    target: TargetFacts,
    method: How,
    facts: &BackupFacts,
    context: &Context,
) -> Order {
    // Where the journal lies is the one thing that the environment decides here.
    let state = journal::state_folder(
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from),
        std::env::var_os("HOME").map(PathBuf::from),
    );
    let identity = Identity {
        backup: facts.name.clone(),
        digest: source.digest(),
        target_run_id: target.server.run_id.clone(),
        choices: format!("{:?} {method:?} {:?}", options.choices, options.on_conflict),
    };
    Order {
        node: instance.server.node.clone(),
        target,
        method,
        in_backup: facts.keys,
        raw_bytes: facts.raw_bytes,
        verified: facts.survey.is_some(),
        journal: source.can_be_read_again().then_some((identity, state)),
        reopen: source.reopen(),
        cancel: context.cancel.clone(),
        options,
    }
}
