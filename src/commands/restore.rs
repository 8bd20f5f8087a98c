//! `redis-ops restore`: puts a backup into an instance, a file or a folder.

pub mod moment;
mod proof;
mod server;
mod show;
mod sides;
mod tails;
mod to_disk;
pub mod undo;

use std::path::PathBuf;

use super::which::{Backup, Server};
use super::{Context, Outcome};
use crate::explain::Result;
use crate::operations::{SafetyBackup, ScratchOptions, Turns};
use crate::restore::{Local, Options};

pub use moment::MomentWanted;

/// All that a restore needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is restored.
    pub backup: Backup,
    /// A moment between two backups in its place; `None`: the backup itself.
    pub moment: Option<MomentWanted>,
    /// What becomes of the streams that lead the shards of a cluster to one moment.
    pub tails: Tails,
    /// Where it goes to.
    pub target: Target,
    /// Which keys, how, and what becomes of those that are there.
    pub options: Options,
    /// Shows what would happen, and does nothing.
    pub plan: bool,
}

/// What becomes of the streams that lead the shards of a cluster to one moment.
#[derive(Debug, Clone)]
pub enum Tails {
    /// They are applied, by way of a throwaway server.
    Applied(ScratchOptions),
    /// They are left out: each shard is of a moment of its own.
    LeftOut,
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
    /// How that backup gets along with other runs on the same instance.
    pub turns: Turns,
    /// What belongs to this machine.
    pub local: Local,
}

/// Restores into a server, a file or a folder.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    if let Some(wanted) = &settings.moment {
        return moment::run(settings, wanted, context).await;
    }
    match tails::of(&settings.backup, context).await {
        Ok(Some(led)) => tails::run(settings, &led, context).await,
        // Why a backup cannot be read is told by what reads it.
        Ok(None) | Err(_) => as_it_lies(settings, context).await,
    }
}

/// Restores the RDBs of a backup.
async fn as_it_lies(settings: &Settings, context: &Context) -> Result<Outcome> {
    match &settings.target {
        Target::Server(instance) => server::run(settings, instance, context).await,
        Target::File(_) | Target::Folder(_) | Target::Stdout => to_disk::run(settings, context).await,
    }
}
