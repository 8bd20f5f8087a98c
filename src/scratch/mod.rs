//! A throwaway server: found, started in a private folder, asked, killed. Backups are loaded into it to be proven, and streams are fed to it
//! to reach a moment.
//!
//! It listens on a unix socket in its folder and nowhere else, writes nothing but what it is sent to load, and is the first that the kernel
//! ends when memory runs out.

mod server;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::explain::{Explain, Hint, Meaning};
use crate::figures::bytes;

pub use server::{Binary, Ended, Throwaway};

/// The RDB in the folder.
pub const RDB: &str = "dump.rdb";

/// Why there is no throwaway server.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No server is there.
    #[error("no `redis-server` or `valkey-server` was found to load the backup into")]
    NoServer,
    /// What was named is no server.
    #[error("{} is not a Redis or Valkey server: {reason}", .path.display())]
    NotAServer {
        /// The file that was named as the server.
        path: PathBuf,
        /// What it said, or the system.
        reason: String,
    },
    /// The machine has too little memory free.
    #[error("the drill needs about {} of memory; {} are available", bytes(*needed), bytes(*available))]
    TooLittleMemory {
        /// Bytes that the drill needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The folder has too little room.
    #[error("the drill needs {needed} bytes in {}; {available} are free", .folder.display())]
    TooLittleRoom {
        /// The folder that the server would work in.
        folder: PathBuf,
        /// Bytes that the drill needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The server did not come up, for a reason that is not the backup's.
    #[error("the throwaway server does not answer: {0}")]
    Silent(String),
}

// What could not be tried is no answer.
impl Explain for ScratchError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::NoServer => Meaning::of("no_server").hint(Hint::InstallServer),
            Self::NotAServer { .. } => Meaning::of("no_server").hint(Hint::NameServer),
            Self::TooLittleMemory { .. } => {
                Meaning::of("too_little_memory").hint("run the drill on a machine with more free memory")
            }
            Self::TooLittleRoom { .. } => Meaning::of("no_space").hint("set TMPDIR to a folder with more space"),
            Self::Silent(_) => Meaning::of("no_answer").hint(Hint::OtherServer),
        }
        .unknown()
    }
}

/// A private folder, removed when dropped. Waits for the disk: see [`crate::blocking`].
///
/// # Errors
/// It cannot be made.
pub fn folder(place: &Path) -> io::Result<TempDir> {
    // A short name: the path of a unix socket has at most 107 bytes.
    let mut named = tempfile::Builder::new();
    named.prefix("redis-ops-").permissions(Permissions::from_mode(0o700));
    named.tempdir_in(place)
}

/// Bytes that are free for us in a folder; `None` where the system does not say.
pub fn room_available(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes of memory that can be used without swapping; the limit of a container counts. `None` where nobody says.
pub fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let machine = kib.saturating_mul(1024);
    Some(container_available(Path::new("/sys/fs/cgroup")).map_or(machine, |limit| limit.min(machine)))
}

/// What the control group (version 2) leaves; its page cache can be given back.
fn container_available(folder: &Path) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}
