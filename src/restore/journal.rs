//! What a restore leaves on this machine while it runs: how far it got, for `--resume`, and the names of the keys it created,
//! so that exactly these can be taken back.
//!
//! Lies in the state folder (`$XDG_STATE_HOME/redis-ops/restores`, else `~/.local/state/redis-ops/restores`), in a folder of its
//! own per backup, target and choice of keys. It is gone once the restore is complete.

mod created;
mod identity;
mod position;

pub use created::{Created, CreatedKey, FUNCTIONS, Records, put_record};
pub use identity::{Decided, Identity};
pub use position::Position;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::restore::facts::Counters;
use crate::restore::options::Method;
use crate::{blocking, private_files};
use identity::OfEarlierVersion;

/// How often progress goes to the disk. What is answered in between is sent again on resuming, which is harmless.
const INTERVAL: Duration = Duration::from_secs(2);

/// Name of the file that says which restore the journal is of.
const IDENTITY: &str = "restore.json";
/// Name of the file that says that all was written, and how that is proven.
const WRITTEN: &str = "written.json";
/// Name of the file that says how far the restore got.
const POSITION: &str = "position.json";

/// That all of a restore was written, as it is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Noted {
    /// As earlier versions noted it: the line that proves the restore.
    Line(String),
    /// The line, and what the target held then.
    Held {
        line: String,
        /// Keys in all databases.
        keys: u64,
        /// Keys that had expired since the target was started.
        expired: u64,
    },
}

impl Noted {
    /// The line, unless the target has lost keys since that did not expire: what was written is not all there any more.
    fn line_for(self, now: Counters) -> Option<String> {
        match self {
            _ if now.keys == 0 => None,
            Self::Line(line) => Some(line),
            Self::Held { line, keys, expired } => {
                (now.keys + now.expired.saturating_sub(expired) >= keys).then_some(line)
            }
        }
    }
}

/// The folder of one restore.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    identity: Identity,
    written: Option<Instant>,
}

impl Journal {
    /// The journal of a restore, made if there is none. `state` is the folder of all of them.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &Path, identity: &Identity) -> io::Result<Self> {
        let folder = state.join(identity.name());
        private_files::folder(state)?;
        private_files::folder(&folder)?;
        Ok(Self { folder, identity: identity.clone(), written: None })
    }

    /// The journal of a restore as an earlier run may have left it: nothing is made.
    pub fn look(state: &Path, identity: &Identity) -> Self {
        Self { folder: state.join(identity.name()), identity: identity.clone(), written: None }
    }

    /// Whether a restore of this backup into this target was begun on this machine and not ended, whatever its choices were.
    pub fn is_begun(state: &Path, backup: &str, target_run_id: &str) -> bool {
        let all = Self::all_in::<Identity>(state);
        all.into_iter().any(|other| other.backup == backup && other.target_run_id == target_run_id)
    }

    /// Whether this machine knows of any restore of this backup that has not ended.
    pub fn knows(state: &Path, backup: &str) -> bool {
        Self::all_in::<serde_json::Value>(state).into_iter().any(|other| other["backup"] == backup)
    }

    /// By how many milliseconds an earlier run of this restore has moved expiries, if it left something and did.
    pub fn shift_before(state: &Path, identity: &Identity) -> Option<i64> {
        Self::before(state, identity)?.shift_ms
    }

    /// What an earlier run of this restore has noted of itself.
    pub fn before(state: &Path, identity: &Identity) -> Option<Identity> {
        let text = std::fs::read(state.join(identity.name()).join(IDENTITY)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Which restore it is of.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What all journals on this machine say of which restore they are.
    fn all<T: DeserializeOwned>(&self) -> impl Iterator<Item = T> {
        self.folder.parent().map(Self::all_in).into_iter().flatten()
    }

    fn all_in<T: DeserializeOwned>(state: &Path) -> impl Iterator<Item = T> + use<T> {
        std::fs::read_dir(state).into_iter().flatten().flatten().filter_map(|folder| {
            let text = std::fs::read(folder.path().join(IDENTITY)).ok()?;
            serde_json::from_slice(&text).ok()
        })
    }

    /// Whether an earlier version has left a journal of this backup and this target, whose choices nobody can compare any more.
    pub fn is_of_an_earlier_version(&self) -> bool {
        self.all::<OfEarlierVersion>().any(|other| other.may_be(&self.identity))
    }

    /// Which options were others in a restore of the same data into the same target that can be gone on with; empty: there is none.
    pub fn other_choices(&self) -> Vec<String> {
        let begun = self.begun().filter(|(folder, _)| folder.join(POSITION).exists());
        let mut differ = begun.map(|(_, other)| other.decided.differences(&self.identity.decided));
        // The one that differs least is the one that is meant.
        let first = differ.next().unwrap_or_default();
        differ.fold(first, |least, next| if next.len() < least.len() { next } else { least })
    }

    /// The method and the rate of such a restore, if no other option differs.
    pub fn other_method(&self) -> Option<(Method, Option<u64>)> {
        let mut begun = self.begun().filter(|(folder, _)| folder.join(POSITION).exists());
        let method = self.identity.decided.method;
        let is_same = |then: &Decided| Decided { method, ..then.clone() } == self.identity.decided;
        let (_, other) = begun.find(|(_, other)| is_same(&other.decided))?;
        Some((other.decided.method, self.identity.rate.or(other.rate)))
    }

    /// The line that proves a restore of the same data into the same target of which all was written; `None`: there is none that ended
    /// before it was proven, or the target holds fewer keys `now` than it did then.
    pub fn unproven(&self, now: Counters) -> Option<String> {
        self.begun().find_map(|(folder, _)| {
            let noted: Noted = serde_json::from_slice(&std::fs::read(folder.join(WRITTEN)).ok()?).ok()?;
            noted.line_for(now)
        })
    }

    /// Other restores of the same data into the same target that have left something: their folders, and what was decided.
    fn begun(&self) -> impl Iterator<Item = (PathBuf, Identity)> {
        let state = self.folder.parent().map(Path::to_owned).unwrap_or_default();
        std::fs::read_dir(state).into_iter().flatten().flatten().filter_map(|folder| {
            let text = std::fs::read(folder.path().join(IDENTITY)).ok()?;
            let other: Identity = serde_json::from_slice(&text).ok()?;
            other.is_of_the_same(&self.identity).then(|| (folder.path(), other))
        })
    }

    /// Notes that all was written, with the line that proves it and what the target held then: this process may not live to do that.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn note_written(&self, line: &str, held: Counters) -> io::Result<()> {
        self.write_identity()?;
        let noted = Noted::Held { line: line.to_owned(), keys: held.keys, expired: held.expired };
        let text = serde_json::to_vec(&noted).map_err(io::Error::other)?;
        io::Write::write_all(&mut private_files::create(&self.folder.join(WRITTEN))?, &text)
    }

    /// What an earlier run has written is no longer all that the target is to hold.
    pub fn forget_written(&self) {
        let _ = std::fs::remove_file(self.folder.join(WRITTEN));
    }

    /// What earlier runs have written into this target is no longer all that it is to hold: another restore writes there now. A journal that
    /// has nothing but the note goes with it. Blocks.
    pub fn forget_written_into(state: &Path, target_run_id: &str) {
        for folder in std::fs::read_dir(state).into_iter().flatten().flatten().map(|folder| folder.path()) {
            let identity = std::fs::read(folder.join(IDENTITY)).ok();
            let identity = identity.and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
            let is_of_it = identity.is_some_and(|identity| identity.target_run_id == target_run_id);
            if is_of_it && std::fs::remove_file(folder.join(WRITTEN)).is_ok() && !folder.join(POSITION).exists() {
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
    }

    /// A restore of this kind was completed: what earlier runs have left is nothing to go on with any more. Going on would bring back the state
    /// of the backup over what clients have written since. One that left out keys by choice (`took_all` is false) supersedes only runs of the same choice. Blocks.
    pub fn supersede(state: &Path, completed: &Identity, took_all: bool) {
        for folder in std::fs::read_dir(state).into_iter().flatten().flatten().map(|folder| folder.path()) {
            let identity = std::fs::read(folder.join(IDENTITY)).ok();
            let identity = identity.and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
            if identity.is_some_and(|identity| completed.supersedes(&identity, took_all)) {
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
    }

    /// Tells a later run what this was, should it not find its own.
    fn write_identity(&self) -> io::Result<()> {
        let identity = serde_json::to_vec(&self.identity).map_err(io::Error::other)?;
        io::Write::write_all(&mut private_files::create(&self.folder.join(IDENTITY))?, &identity)
    }

    /// The run id that the target had in another journal of the same restore: it was started anew since.
    pub fn run_id_of_another_start(&self) -> Option<String> {
        let ours = &self.identity;
        self.all::<Identity>()
            .filter(|other| ours.is_of_another_start(other))
            .map(|other| other.target_run_id)
            .find(|run_id| *run_id != ours.target_run_id)
    }

    /// The journal of the same restore into a target of the same address, from before that was started anew, with where a run goes on: what
    /// the target has kept of what it was sent nobody knows, so every key that may have been sent is looked at.
    pub fn of_another_start(&self) -> Option<(Self, Position)> {
        let (ours, state) = (&self.identity, self.folder.parent()?);
        let identities = std::fs::read_dir(state).into_iter().flatten().flatten().filter_map(|folder| {
            let text = std::fs::read(folder.path().join(IDENTITY)).ok()?;
            Some((folder.path(), serde_json::from_slice::<Identity>(&text).ok()?))
        });
        let mut same = identities.filter(|(_, other)| {
            other.target_run_id != ours.target_run_id
                && other.address.is_some()
                && other.address == ours.address
                && ours.is_of_another_start(other)
        });
        same.find_map(|(folder, identity)| {
            let journal = Self { folder, identity, written: None };
            // What the target had counted is lost as well.
            let position = Position { counted: Default::default(), called: BTreeSet::new(), ..journal.position()? };
            Some((journal, position.trusting_nothing()))
        })
    }

    /// What the names of temporary keys were made of that restores have used of which a journal is left, on this machine.
    pub fn tokens(state: &Path) -> BTreeSet<u64> {
        let Ok(folders) = std::fs::read_dir(state) else { return BTreeSet::new() };
        let positions = folders.flatten().filter_map(|folder| {
            let text = std::fs::read(folder.path().join(POSITION)).ok()?;
            serde_json::from_slice::<Position>(&text).ok()
        });
        positions.map(|position| position.token).filter(|token| *token != 0).collect()
    }

    /// Whether an earlier run left something here, and how far it got. A file that cannot be read counts as none.
    pub fn position(&self) -> Option<Position> {
        let text = std::fs::read(self.folder.join(POSITION)).ok()?;
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
        if self.written.is_none() {
            self.write_identity()?;
        }
        let (new, name) = (self.folder.join("position.new"), self.folder.join(POSITION));
        let mut file = private_files::create(&new)?;
        io::Write::write_all(&mut file, &text)?;
        file.sync_data()?;
        std::fs::rename(&new, &name)?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// Writes how far the restore got, on a thread that may wait; gives the journal back.
    pub async fn written(mut self, position: Position) -> (Self, io::Result<()>) {
        blocking::run(move || {
            let written = self.write(&position);
            (self, written)
        })
        .await
    }

    /// The file for the names of created keys.
    pub fn created_path(&self) -> PathBuf {
        self.folder.join("created")
    }

    /// The restore is complete, or taken back: nothing is left to resume.
    pub fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::debug!("cannot remove the journal: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::Info;
    use crate::restore::counted::Counted;
    use crate::restore::tally::Tally;
    use crate::restore::{Method, Options};

    fn identity(target_run_id: &str) -> Identity {
        Identity {
            backup: "redis-prod/2024-01-01-01-00".into(),
            digest: "ab".into(),
            target_run_id: target_run_id.into(),
            decided: Decided::of(&Options::default(), Method::Restore),
            shift_ms: None,
            address: None,
            rate: None,
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
            failed: [(5, 0)].into(),
            was_empty: true,
            emptying: false,
            token: 77,
            counted: Counted::of(&Info::parse("cmdstat_set:calls=3,usec=1\n")),
            called: ["restore".to_owned()].into(),
            evicted: Some(4),
        };
        journal.write(&position).unwrap();
        assert!(!journal.is_due());
        assert_eq!(Journal::open(state.path(), &identity("1")).unwrap().position(), Some(position));
        assert_eq!(Journal::tokens(state.path()), [77].into());
        // Names of servers and of keys are nobody else's business.
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(&journal.folder)), (0o700, 0o700));
        let files: Vec<_> = std::fs::read_dir(&journal.folder).unwrap().flatten().map(|file| file.path()).collect();
        assert!(files.len() >= 2 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");
        let other = Journal::open(state.path(), &identity("2")).unwrap();
        assert_eq!((other.position(), other.run_id_of_another_start().as_deref()), (None, Some("1")));
        assert_eq!(journal.run_id_of_another_start(), None, "the other has written nothing");

        assert!(!journal.is_of_an_earlier_version());
        let old = |backup: &str, run_id: &str| {
            let text = format!(
                r#"{{"backup":"{backup}","digest":"ab","target_run_id":"{run_id}","choices":"Choices {{ .. }} Restore None","shift_ms":null}}"#
            );
            let folder = state.path().join(format!("{backup} {run_id}").replace('/', "-"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join(IDENTITY), text).unwrap();
        };
        old("redis-prod/2024-01-01-01-00", "3");
        old("redis-prod/2024-01-02-01-00", "1");
        assert!(!journal.is_of_an_earlier_version(), "other targets, and other backups");
        old("redis-prod/2024-01-01-01-00", "1");
        assert!(journal.is_of_an_earlier_version());
        journal.remove();
        assert!(Journal::open(state.path(), &identity("1")).unwrap().position().is_none());
    }
}
