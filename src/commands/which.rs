//! Which data a command is about: a repository, a backup in it, a file in place of one, a server.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Context;
use crate::connection::Node;
use crate::repository::Repository;
use crate::repository::manifest::Manifest;
use crate::storage::{self, Location};

/// Where backups are.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The bucket and prefix, or the folder.
    pub location: Location,
    /// How S3 is spoken to; says nothing for a folder.
    pub s3: S3Options,
}

impl Place {
    /// The repository in this place. Nothing is asked of the store yet.
    pub async fn open(&self) -> Result<Repository> {
        match &self.location {
            Location::Local(path) => Ok(Repository::new(std::sync::Arc::new(storage::Local::new(path)))),
            Location::S3 { .. } => Err(crate::hint::Misuse::not_supported_yet("S3").into()),
        }
    }
}

/// Finds and loads the backup that is meant, and says which where that is not plain.
pub async fn load(repository: &Repository, id: &str, target: Option<&str>, context: &Context) -> Result<Manifest> {
    let found = repository.resolve(id, target).await?;
    if found.chosen_by_target {
        context.printer.say(&format!("several instances have a backup {id}: {}/{} is meant", found.instance, found.id));
    }
    Ok(repository.load(&found.instance, found.id).await?)
}

/// PROVISIONAL until storage has its own.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub struct S3Options {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: bool,
    pub ca: Option<PathBuf>,
    pub sse: Option<String>,
    pub storage_class: Option<String>,
}

/// A file that somebody has lying about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// `-`.
    Stdin,
    /// Anything else.
    Path(PathBuf),
}

impl File {
    /// Its path; `-` for standard input.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::Path(path) => path,
        }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A backup, or a file in its place.
#[derive(Debug, Clone, PartialEq)]
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
