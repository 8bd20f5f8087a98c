//! `redis-ops backup`: takes a backup of an instance.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::which::{File, Place, Server};
use super::{Context, Outcome};
use crate::codec::Codec;
use crate::hint::Misuse;

/// All that a backup needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the data comes from.
    pub origin: Origin,
    /// Where the backup goes to.
    pub place: Place,
    /// How it is compressed.
    pub codec: Codec,
    /// Kept in the manifest.
    pub labels: BTreeMap<String, String>,
    /// Bytes a second that are read at most; `None`: as fast as it goes.
    pub rate: Option<u64>,
    /// How long to wait for another run on the same instance; zero: not at all.
    pub wait_lock: Duration,
    /// Shows what would happen, and does nothing.
    pub plan: bool,
}

/// Where the data of a backup comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A server.
    Server {
        /// Which.
        server: Box<Server>,
        /// How it is read.
        capture: Capture,
        /// Which node is read.
        read_from: ReadFrom,
        /// How the server makes the RDB.
        transfer: Transfer,
        /// `--if-due`: the cron line of the settings; `None`: now, whatever the schedule says.
        if_due: Option<String>,
    },
    /// An RDB file that is adopted.
    File {
        /// Which.
        file: File,
        /// The name of the instance in the repository.
        instance: String,
    },
}

/// How the data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Capture {
    /// Replication, or SCAN where that is not allowed.
    #[default]
    Auto,
    /// A full resync.
    Replication,
    /// Key by key.
    Scan,
}

/// Which node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// A fresh replica, else the primary.
    #[default]
    Auto,
    /// A replica, or nothing.
    Replica,
    /// The primary.
    Primary,
}

/// How the server makes the RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// By what INFO and CONFIG say.
    #[default]
    Auto,
    /// Through its dump file.
    Disk,
    /// Straight into the socket.
    Diskless,
}

/// Takes the backup.
pub async fn run(_settings: &Settings, _context: &Context) -> Result<Outcome> {
    Err(Misuse::not_supported_yet("`backup`").into())
}
