//! Which data a command is about: a repository, a backup in it, a file in place of one, a server.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Context;
use crate::connection::{Address, Node};
use crate::dataset::Dataset;
use crate::explain::{Context as _, Result};
use crate::printer::words;
use crate::repository::Repository;
use crate::repository::manifest::Manifest;

pub use crate::repository::Place;

/// The warning about a store that replaces objects which it should refuse to replace.
pub const NO_CONDITIONS: &str = "note: the store does not support conditional writes (`If-None-Match`): object names contain a token, and two \
                                 backups that begin at the same moment are told apart by reading the store";

/// The warning about a backup that is dated in the future.
pub const OF_THE_FUTURE: &str =
    "it is dated in the future: the clock of the machine that took it was ahead, so its age is unknown";

/// Finds and loads the backup that is meant, and says which where that is not plain.
pub async fn load(repository: &Repository, id: &str, target: Option<&str>, context: &Context) -> Result<Manifest> {
    let found = repository.resolve(id, target).await?;
    if found.chosen_by_target {
        context.printer.say(&format!("several instances have a backup {id}: using {}/{}", found.instance, found.id));
    }
    let manifest = repository.load(&found.instance, found.id).await?;
    if found.id.is_ahead(context.now) {
        context.printer.say(&format!("warning: {}/{}: {OF_THE_FUTURE}", found.instance, found.id));
    }
    if !manifest.is_sound() {
        let kinds = words::counted(manifest.findings.len() as u64, "finding");
        context.printer.say(&format!(
            "warning: the structure of {}/{} has {kinds}: `redis-ops verify -r {} --backup-id {}/{}` names them",
            found.instance,
            found.id,
            repository.describe(),
            found.instance,
            found.id
        ));
    }
    Ok(manifest)
}

/// Finds what is meant. A file is opened once, so that what is no RDB is told at once; a pipe gives its first bytes.
pub async fn open(backup: &Backup, context: &Context) -> Result<Dataset> {
    match backup {
        Backup::File(file) => {
            Ok(Dataset::by_path(file.path(), &context.cancel).await.with_context(|| format!("cannot open {file}"))?)
        }
        Backup::Stored { place, id, instance } => {
            let repository = place.open().await?;
            let manifest = load(&repository, id, instance.as_deref(), context).await?;
            Ok(Dataset::backup(&repository, manifest))
        }
    }
}

/// Says of a backup whose streams lead on from its RDBs that only these are looked into.
pub fn only_the_rdbs(data: &Dataset, context: &Context) {
    if let Some(bytes) = data.manifest().and_then(Manifest::tail_bytes) {
        context.printer.say(&format!(
            "note: only the RDBs of {} are read: {} of later writes, which lead all shards to one moment, are not included",
            data.name(),
            words::bytes(bytes)
        ));
    }
}

/// A file that somebody has lying about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// Standard input, typed as `-`.
    Stdin,
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
#[derive(Debug, Clone)]
pub enum Backup {
    /// A backup in a repository.
    Stored {
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

impl Server {
    /// `redis-cli` as it has to be typed to reach the server; its password is asked for by REDISCLI_AUTH.
    pub fn redis_cli(&self) -> String {
        let tls = if self.node.tls.is_some() { " --tls" } else { "" };
        match &self.node.address {
            Address::Tcp { host, port } => format!("redis-cli -h {host} -p {port}{tls}"),
            Address::Unix { path } => format!("redis-cli -s {}", path.display()),
            Address::Sentinel { .. } => "redis-cli -h <the primary> -p <its port>".to_owned(),
        }
    }

    /// What names it on a command line: its name in the settings, or its URL with the user that was typed in it; without secrets.
    pub fn as_typed(&self) -> String {
        let Node { name, address, tls, .. } = &self.node;
        if *name != address.to_string() {
            return name.clone();
        }
        let user = self.node.credentials.username.as_deref().map(|name| format!("{}@", url_encoded(name)));
        let user = user.unwrap_or_default();
        match address {
            Address::Tcp { .. } => format!("{}://{user}{address}", if tls.is_some() { "rediss" } else { "redis" }),
            Address::Unix { path } => format!("unix://{user}{}", path.display()),
            Address::Sentinel { hosts, service } => {
                let hosts: Vec<String> =
                    hosts.iter().map(|(host, port)| Address::tcp(host, *port).to_string()).collect();
                format!("redis+sentinel://{user}{}/{service}", hosts.join(","))
            }
        }
    }
}

/// As a URL holds it.
fn url_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
