//! `redis-ops restore`: puts a backup into an instance, a file or a folder.

mod again;
mod carry_out;
mod proof;
mod safety;
mod sent;
mod server;
mod settings_of;
mod show;
mod source;
mod to_disk;
pub mod undo;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::which::{Backup, Place, Server};
use super::{Context, Outcome};
use crate::explain::{Result, Status};
use crate::restore::replica::{Advertise, guard};

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
    /// The options that say how server and store are reached, word by word as they were typed: for the lines that lead on. No secrets.
    pub reaching: Vec<String>,
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
    /// Where we listen, for [`Method::Replica`]; `None`: at our own address on the way to the target, on a free port.
    pub listen: Option<SocketAddr>,
    /// Where the target reaches us; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// The folder of what is needed to go on with a restore, and to take one back.
    pub state: PathBuf,
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
        Target::Server(instance) => server::run(settings, instance, context).await,
        Target::File(_) | Target::Folder(_) | Target::Stdout => to_disk::run(settings, context).await,
    }
}

/// Whether this process is the guard of a restore, and not typed by anybody.
pub fn is_guard(arguments: &[OsString]) -> bool {
    matches!(arguments, [_, word] if word == guard::SUBCOMMAND)
}

/// The whole life of a guard.
pub fn guard() -> ExitCode {
    match guard::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {}: {error}", guard::SUBCOMMAND);
            ExitCode::from(Status::Unknown.exit_code())
        }
    }
}
