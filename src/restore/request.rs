//! A restore into a running server as it was asked for, and who watches over it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::connection::Node;
use crate::dataset::Dataset;
use crate::progress::{Progress, Voice};
use crate::restore::options::Options;
use crate::restore::replica::Advertise;
use crate::restore::replica::guard::Lines;

/// A restore into a running server, as it was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The backup or the file; of one shard.
    pub source: Dataset,
    /// The target server.
    pub node: Node,
    /// Which keys, how they are written, and what becomes of keys that the target holds. A move of expiries knows the age of the backup.
    pub options: Options,
    /// Nothing but a plan is wanted: nobody else is kept away from the target, and the backup is read only if the plan needs that.
    pub only_plan: bool,
    /// The folder of what restores leave on this machine: journals, and records of targets that replicate from us.
    pub state: PathBuf,
    /// Where we listen, for method `replica`; `None`: at our own address on the way to the target, on a free port.
    pub listen: Option<SocketAddr>,
    /// Where the target reaches us; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// The command lines that a guard says if this process dies while the target replicates from it; `None`: it says nothing.
    pub lines: Option<Lines>,
}

/// Who watches over a restore: sees how far it is, hears what it decides, and may stop it.
#[derive(Clone, Copy)]
pub struct Watcher<'a> {
    /// Is told how far the restore is.
    pub progress: &'a Arc<dyn Progress>,
    /// Is told what the restore decides on the way.
    pub voice: &'a dyn Voice,
    /// Stops the restore when a signal came.
    pub cancel: &'a CancellationToken,
}
