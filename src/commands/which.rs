//! Which data a command is about: a repository, a backup in it, a file in place of one, a server.

use std::path::PathBuf;

use crate::connection::Node;
use crate::storage::{Location, S3Options};

/// Where backups are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The bucket and prefix, or the folder.
    pub location: Location,
    /// How S3 is spoken to; says nothing for a folder.
    pub s3: Box<S3Options>,
}

/// A file that somebody has lying about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// `-`.
    Stdin,
    /// Anything else.
    Path(PathBuf),
}

/// A backup, or a file in its place.
#[derive(Debug, Clone)]
pub enum Backup {
    /// A backup in a repository.
    Stored {
        /// The repository.
        place: Place,
        /// An exact id, a unique beginning, `latest`, or `INSTANCE/ID`, as it was typed.
        id: String,
        /// The instance that is meant if a bare id or `latest` exists for several.
        instance: Option<String>,
    },
    /// An RDB file: plain, gzip or zstd.
    File(File),
}

/// A server and the name of its instance in the repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name in the settings, `--name`, or `host-port`.
    pub instance: String,
    /// How to reach it.
    pub node: Node,
}
