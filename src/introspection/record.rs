//! What is written down before anything is changed on a target that is to be fed: enough to make it a primary again and to put its
//! settings back when nobody is left who knows. A file of the state folder, gone once all is as it was.
//!
//! It holds no secret: the target's run id and address, the port that it was told, and settings of it that are none.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{blocking, private_files};

/// Where the target finds us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primary {
    /// A name or an IP address, as the target was told.
    pub host: String,
    /// The port that it was told.
    pub port: u16,
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A setting that is changed for the time of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The name of the setting.
    pub name: String,
    /// Its value before.
    pub before: String,
    /// Its value meanwhile.
    pub meanwhile: String,
}

/// What has to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `run_id` of the target.
    pub run_id: String,
    /// Where the target is, for people.
    pub target: String,
    /// Whom it was told to replicate from.
    pub us: Primary,
    /// What was changed.
    pub changes: Vec<Change>,
    /// The process that restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A restore by replication that is at work on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process that restores; `None`: an earlier version wrote the record.
    pub pid: Option<u32>,
    /// The process is stopped (Ctrl-Z): the target waits for it.
    pub is_stopped: bool,
}

impl Running {
    /// What has to be done, as a command or in words.
    pub fn way_on(&self) -> String {
        match (self.is_stopped, self.pid) {
            (true, Some(pid)) => {
                format!(
                    "kill -CONT {pid} (continues it; `kill -KILL {pid}` ends it, and its guard makes the server a primary again)"
                )
            }
            _ => "wait until the restore has ended".to_owned(),
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let state = if self.is_stopped { "is stopped" } else { "is running on this machine" };
        write!(f, "a restore by redis-ops into this server{pid} {state}")
    }
}

/// A record in its file, which is locked for as long as this lives: others see that a restore is at work.
#[derive(Debug)]
pub struct Recorded {
    path: PathBuf,
    _locked: File,
}

impl Record {
    fn path(state: &Path, run_id: &str) -> PathBuf {
        let plain: String = run_id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        state.join(format!("replica-{plain}.json"))
    }

    /// Whether any restore has left one.
    pub async fn is_any(state: &Path) -> bool {
        let is_record = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("replica-");
        let state = state.to_owned();
        blocking::run(move || {
            std::fs::read_dir(state).is_ok_and(|files| files.flatten().any(|file| is_record(&file.file_name())))
        })
        .await
    }

    /// What an earlier restore has left of this start of a server.
    pub async fn find(state: &Path, run_id: &str) -> Option<Self> {
        let path = Self::path(state, run_id);
        let text = blocking::run(move || std::fs::read(path)).await.ok()?;
        serde_json::from_slice::<Self>(&text).ok().filter(|record| record.run_id == run_id)
    }

    /// Whether a restore that has written such a record is at work on this machine.
    pub async fn is_in_use(state: &Path, run_id: &str) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let path = Self::path(state, run_id);
        let Ok(file) = blocking::run(move || File::open(path)).await else { return false };
        flock(&file, FlockOperation::NonBlockingLockShared).is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK)
    }

    /// The restore that has written such a record and is at work on this machine.
    pub async fn running(state: &Path, run_id: &str) -> Option<Running> {
        if !Self::is_in_use(state, run_id).await {
            return None;
        }
        let pid = Self::find(state, run_id).await.and_then(|record| record.pid);
        let is_stopped = blocking::run(move || pid.is_some_and(is_stopped)).await;
        Some(Running { pid, is_stopped })
    }

    /// Writes it, in place of an older one; it is on the disk when this returns.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn write(&self, state: &Path) -> io::Result<Recorded> {
        let (record, state) = (self.clone(), state.to_owned());
        blocking::run(move || record.write_to_disk(&state)).await
    }

    fn write_to_disk(&self, state: &Path) -> io::Result<Recorded> {
        use rustix::fs::{FlockOperation, flock};
        private_files::folder(state)?;
        let path = Self::path(state, &self.run_id);
        let new = path.with_extension("new");
        let mut file = private_files::create(&new)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(self).map_err(io::Error::other)?)?;
        file.sync_all()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        std::fs::rename(&new, &path)?;
        // The name as well as the bytes.
        File::open(state)?.sync_all()?;
        Ok(Recorded { path, _locked: file })
    }

    /// All is as it was.
    pub async fn remove(state: &Path, run_id: &str) {
        remove(Self::path(state, run_id)).await;
    }
}

impl Recorded {
    /// The file that holds the record.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All is as it was.
    pub async fn remove(self) {
        // Locked until its file is gone: nobody takes it for one that was left.
        let Self { path, _locked } = self;
        remove(path).await;
    }
}

/// Whether a process is stopped, as the system says it: `PID (name) T …`.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// Removes the file of a record.
pub async fn remove(path: PathBuf) {
    let (path, removed) = blocking::run(move || {
        let removed = std::fs::remove_file(&path);
        (path, removed)
    })
    .await;
    if let Err(error) = removed {
        tracing::debug!("remove {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_record_is_for_its_owner_only_and_known_to_be_in_use_while_somebody_works() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("restores");
        let change =
            Change { name: "repl-diskless-load".into(), before: "disabled".into(), meanwhile: "swapdb".into() };
        let record = Record {
            run_id: "ab12".into(),
            target: "127.0.0.1:6379".into(),
            us: Primary { host: "127.0.0.1".into(), port: 4000 },
            changes: vec![change],
            pid: Some(std::process::id()),
        };
        let recorded = record.write(&folder).await.unwrap();
        assert_eq!(std::fs::metadata(recorded.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(Record::find(&folder, "ab12").await, Some(record.clone()));
        assert_eq!(Record::find(&folder, "ab13").await, None);
        let running = Running { pid: Some(std::process::id()), is_stopped: false };
        assert_eq!(Record::running(&folder, "ab12").await, Some(running));
        assert!(Record::is_in_use(&folder, "ab12").await && !Record::is_in_use(&folder, "ab13").await);
        drop(recorded);
        assert!(Record::is_any(&folder).await && !Record::is_any(state.path()).await);
        assert!(!Record::is_in_use(&folder, "ab12").await);
        assert_eq!(Record::find(&folder, "ab12").await, Some(record.clone()), "what was left is found");
        record.write(&folder).await.unwrap().remove().await;
        assert_eq!(Record::find(&folder, "ab12").await, None);
    }
}
