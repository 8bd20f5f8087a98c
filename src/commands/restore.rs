//! `redis-ops restore`: puts a backup into an instance, a file or a folder.

mod proof;
mod server;
mod show;
mod sides;
mod to_disk;
pub mod undo;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::which::{Backup, Place, Server};
use super::{Context, Outcome};
use crate::explain::Result;
use crate::restore::replica::Advertise;
use crate::restore::{CommandLine, Options};

/// All that a restore needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is restored.
    pub backup: Backup,
    /// Where it goes to.
    pub target: Target,
    /// Which keys, how, and what becomes of those that are there.
    pub options: Options,
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
    /// The server, and the name of its instance.
    pub server: Server,
    /// The backup of the target before keys are overwritten or removed.
    pub safety: SafetyBackup,
    /// Whether the target is compared with the backup at the end.
    pub proof: bool,
    /// Where we listen, for method `replica`; `None`: at our own address on the way to the target, on a free port.
    pub listen: Option<SocketAddr>,
    /// Where the target reaches us; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// The folder of what is needed to go on with a restore, and to take one back.
    pub state: PathBuf,
    /// Types the commands that lead on from this restore.
    pub lines: Arc<dyn CommandLine>,
}

/// The backup of the target before keys are overwritten or removed.
#[derive(Debug, Clone)]
pub enum SafetyBackup {
    /// Taken, into this repository.
    Into(Place),
    /// Not needed: nothing is overwritten.
    NotNeeded,
    /// Not wanted (`--no-safety-backup`).
    Declined,
}

/// Restores into a server, a file or a folder.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    match &settings.target {
        Target::Server(instance) => server::run(settings, instance, context).await,
        Target::File(_) | Target::Folder(_) | Target::Stdout => to_disk::run(settings, context).await,
    }
}
