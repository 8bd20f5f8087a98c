//! A restore into a running server as it was asked for, and who watches over it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::connection::Node;
use crate::dataset::Dataset;
use crate::progress::{Progress, Voice};
use crate::restore::lines::{CommandLine, Next, Over};
use crate::restore::options::{Asked, Existing, Options};
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
    /// What belongs to this machine, and not to the backup or the target.
    pub local: Local,
}

/// What a restore needs of the machine that it runs on.
#[derive(Debug, Clone)]
pub struct Local {
    /// The folder of what restores leave on this machine: journals, and records of targets that replicate from us.
    pub state: PathBuf,
    /// Where we listen, for method `replica`; `None`: at our own address on the way to the target, on a free port.
    pub listen: Option<SocketAddr>,
    /// Where the target reaches us; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// Types the commands that lead on, for what is said at the end; and for a guard, which says them if this process dies while the
    /// target replicates from it.
    pub lines: Arc<dyn CommandLine>,
}

impl Request {
    /// The line that leads on.
    pub fn line(&self, next: Next<'_>) -> String {
        self.local.lines.typed(next, &self.source.name())
    }

    /// The line that begins anew by the method that was asked for; whether the target `holds` keys.
    pub fn anew(&self, holds: bool) -> String {
        self.anew_by(self.options.method, holds)
    }

    /// The line that begins anew by another method.
    pub(super) fn anew_by(&self, method: Asked, holds: bool) -> String {
        let over = match (holds, self.options.existing) {
            (false, _) => Over::Nothing,
            (true, Existing::ReplaceAll) => Over::Everything,
            (true, _) => Over::Names,
        };
        self.line(Next::Anew(method, over))
    }

    /// What a line that begins anew does, with the line: with what it overwrites or deletes, where the target `holds` keys.
    pub(super) fn begins_anew(&self, line: &str, holds: bool) -> String {
        match (holds, self.options.existing) {
            (false, _) => format!("`{line}` restores again from the start"),
            (true, Existing::ReplaceAll) => {
                format!("`{line}` deletes all keys of the target and restores again from the start")
            }
            (true, Existing::Skip) => {
                format!("`{line}` restores again from the start and keeps the keys of the target")
            }
            (true, _) => {
                format!("`{line}` restores again from the start and overwrites keys that are also in the backup")
            }
        }
    }

    /// The line that begins anew over keys that may be somebody's own: it asks, and saves first what is overwritten. `None`: no place to save
    /// it to is known.
    pub fn anew_asking(&self) -> Option<String> {
        let is_stored = matches!(self.source, Dataset::Backup(_));
        is_stored.then(|| self.line(Next::Anew(self.options.method, Over::Asking)))
    }

    /// The line that overwrites what others have written meanwhile, with all else that it overwrites.
    pub(super) fn over_others(&self) -> String {
        match self.anew_asking() {
            Some(line) => format!("`{line}` overwrites every key that is also in the backup, and asks first"),
            None => self.begins_anew(&self.anew(true), true),
        }
    }

    /// What a guard may have to say in our place.
    pub(super) fn lines_of_guard(&self) -> Lines {
        Lines { empty: self.anew(false), holding: self.anew(true), undo: self.line(Next::Undo) }
    }
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
