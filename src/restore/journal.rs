//! What a restore leaves on this machine while it runs: how far it got, for `--resume`, and the names of the keys it created,
//! so that exactly these can be taken back.
//!
//! Lies in the state folder (`$XDG_STATE_HOME/redis-ops/restores`, else `~/.local/state/redis-ops/restores`), in a folder of its
//! own per backup, target and choice of keys. It is gone once the restore is complete.

mod created;
mod position;

pub use created::{Created, CreatedKey, Records, put_record};
pub use position::{Identity, Position};

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often progress goes to the disk. What is answered in between is sent again on resuming, which is harmless.
const INTERVAL: Duration = Duration::from_secs(2);

/// The folder of one restore.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    written: Option<Instant>,
}

impl Journal {
    /// The journal of a restore, made if there is none. `state` is the folder of all of them.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &Path, identity: &Identity) -> io::Result<Self> {
        let folder = state.join(identity.name());
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, written: None })
    }

    /// Whether an earlier run left something here, and how far it got. A file that cannot be read counts as none.
    pub fn position(&self) -> Option<Position> {
        let text = std::fs::read(self.folder.join("position.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether it is time to write again.
    pub fn is_due(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= INTERVAL)
    }

    /// Writes how far it got: to another name first, so that the old position stays until the new one is on the disk.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(&mut self, position: &Position) -> io::Result<()> {
        let text = serde_json::to_vec(position).map_err(io::Error::other)?;
        let (new, name) = (self.folder.join("position.new"), self.folder.join("position.json"));
        let mut file = std::fs::File::create(&new)?;
        io::Write::write_all(&mut file, &text)?;
        file.sync_data()?;
        std::fs::rename(&new, &name)?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// The file for the names of created keys; empty.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn created(&self) -> io::Result<Created> {
        Created::create(&self.folder.join("created"))
    }

    /// The restore is complete, or taken back: nothing is left to resume.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::debug!("remove the journal: {error}");
        }
    }
}

/// The folder of all journals: `XDG_STATE_HOME` and `HOME` as given.
pub fn state_folder(xdg_state_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    let state = xdg_state_home.filter(|path| path.is_absolute());
    let state = state.or_else(|| home.map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("redis-ops").join("restores")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::tally::Tally;

    fn identity(target_run_id: &str) -> Identity {
        Identity {
            backup: "redis-prod/2024-01-01-01-00".into(),
            digest: "ab".into(),
            target_run_id: target_run_id.into(),
            choices: "all".into(),
        }
    }

    #[test]
    fn a_position_is_found_again_by_the_same_restore_only() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path(), &identity("1")).unwrap();
        assert!(journal.position().is_none() && journal.is_due());
        let position = Position {
            prefix: 7,
            sent: 9,
            tally: Tally { restored: 7, ..Tally::default() },
            deferred: [(3, 1 << 25)].into(),
        };
        journal.write(&position).unwrap();
        assert!(!journal.is_due());
        assert_eq!(Journal::open(state.path(), &identity("1")).unwrap().position(), Some(position));
        assert_eq!(Journal::open(state.path(), &identity("2")).unwrap().position(), None);
        journal.remove();
        assert!(Journal::open(state.path(), &identity("1")).unwrap().position().is_none());
    }

    #[test]
    fn the_state_folder_follows_the_environment() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(state_folder(path("/x"), path("/h")), PathBuf::from("/x/redis-ops/restores"));
        assert_eq!(state_folder(path("relative"), path("/h")), PathBuf::from("/h/.local/state/redis-ops/restores"));
    }
}
