//! What was read and is not in the repository yet: one file for each segment to come, and beside it the marks that belong to it. Blocks.
//!
//! ```text
//! <state>/archive/<instance>/<shard>-<place>/lock              held while an archiver is at work
//!                                    token                     tells this archiver from others
//!                                    head.json                 what is in the repository already
//!                                    <from>-<db>-<replid>.raw  bytes of the stream behind <from>
//!                                    <from>-<db>-<replid>.marks
//!                                    <from>-<db>-<replid>.joins   what the file is joined to, if that is not the one before it
//! ```
//!
//! `<place>` is made from where the repository lies: two repositories that archive an instance by one name share nothing. Older versions
//! named the folder `<shard>`; it is taken over by the repository that its content belongs to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::connection::replication::Position;
use crate::private_files;
use crate::repository::segment::{Gap, Mark, Previous, is_replid};
use crate::stream::Scanner;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// What is in the repository already, and so what the next segment is joined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The history that it is part of.
    pub replid: String,
    /// The last offset.
    pub offset: u64,
    /// The database in force behind it.
    pub database: u32,
    /// The last segment; `None`: there is none of this history, nor one that leads to it.
    pub previous: Option<Previous>,
    /// What is lost before the next segment.
    pub gap: Option<Gap>,
}

impl Head {
    /// A history that is joined to nothing.
    pub fn anew(at: &Position, gap: Option<Gap>) -> Self {
        Self { replid: at.replid.clone(), offset: at.offset, database: 0, previous: None, gap }
    }
}

/// A file of the spool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spooled {
    /// The offset of the last byte before it.
    pub from: u64,
    /// The database in force there.
    pub database: u32,
    /// The history that it is part of.
    pub replid: String,
}

impl Spooled {
    fn name(&self, extension: &str) -> String {
        format!("{:020}-{}-{}.{extension}", self.from, self.database, self.replid)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".raw")?.splitn(3, '-');
        let (from, database, replid) = (parts.next()?, parts.next()?, parts.next()?);
        let (from, database) = (from.parse().ok()?, database.parse().ok()?);
        is_replid(replid).then(|| Self { from, database, replid: replid.to_owned() })
    }

    /// Where its bytes are.
    pub fn raw(&self, folder: &Path) -> PathBuf {
        folder.join(self.name("raw"))
    }

    pub(super) fn marks(&self, folder: &Path) -> PathBuf {
        folder.join(self.name("marks"))
    }

    pub(super) fn joins(&self, folder: &Path) -> PathBuf {
        folder.join(self.name("joins"))
    }
}

/// The folder of a spool, held for one archiver.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Lets go of the lock when dropped.
    _lock: File,
    /// Tells this archiver from others.
    pub token: String,
}

impl Spool {
    /// Opens the folder, and makes it where there is none. `None`: another archiver of this machine holds it.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Option<Self>> {
        private_files::folder(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let file = folder.join("token");
        let token = match fs::read_to_string(&file) {
            Ok(token) if token.len() == 32 => token,
            _ => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
                let token = hex::encode(bytes);
                private_files::create(&file)?.write_all(token.as_bytes())?;
                token
            }
        };
        Ok(Some(Self { folder: folder.to_owned(), _lock: lock, token }))
    }

    /// Opens the folder of a shard for the repository at a place. `is_of_place` says whether the folder that an older version has left
    /// belongs to that repository, from what is in it: then it is renamed. `None`: another archiver of this machine holds it.
    ///
    /// # Errors
    /// The folder cannot be made, read or renamed.
    pub fn open_for(
        folders: &Path,
        shard: u32,
        place: &str,
        is_of_place: impl FnOnce(Option<&Head>, &str) -> bool,
    ) -> io::Result<Option<Self>> {
        let (older, folder) = (folders.join(shard.to_string()), folder_for(folders, shard, place));
        let token = fs::read_to_string(older.join("token")).unwrap_or_default();
        if !folder.exists() && !token.is_empty() && is_of_place(head(&older)?.as_ref(), &token) {
            let Some(spool) = Self::open(&older)? else { return Ok(None) };
            fs::rename(&older, &folder)?;
            return Ok(Some(Self { folder, ..spool }));
        }
        Self::open(&folder)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that wait, in the order in which they were written.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<Spooled>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(spooled) = entry.file_name().to_str().and_then(Spooled::parse) {
                found.push((entry.metadata()?.modified()?, spooled));
            }
        }
        // One history after the other, and within one by offset: a history's files are not written between those of another.
        found.sort();
        let mut order: Vec<String> = Vec::new();
        for (_, spooled) in &found {
            if !order.contains(&spooled.replid) {
                order.push(spooled.replid.clone());
            }
        }
        let mut files: Vec<Spooled> = found.into_iter().map(|(_, spooled)| spooled).collect();
        files.sort_by_key(|spooled| (order.iter().position(|replid| *replid == spooled.replid), spooled.from));
        Ok(files)
    }
}

/// The folder of the spool of a shard for the repository at a place.
pub fn folder_for(folders: &Path, shard: u32, place: &str) -> PathBuf {
    let digest = hex::encode(Sha256::digest(place.as_bytes()));
    folders.join(format!("{shard}-{}", &digest[..12]))
}

/// What is in the repository, as far as this machine knows.
///
/// # Errors
/// The file is there and cannot be read.
pub fn head(folder: &Path) -> io::Result<Option<Head>> {
    match fs::read(folder.join("head.json")) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes down what is in the repository: whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_head(folder: &Path, head: &Head) -> io::Result<()> {
    let new = folder.join("head.new");
    let mut file = private_files::create(&new)?;
    file.write_all(&serde_json::to_vec(head).map_err(io::Error::other)?)?;
    file.sync_data()?;
    fs::rename(&new, folder.join("head.json"))
}

/// Removes a file of the spool that is in the repository.
///
/// # Errors
/// It cannot be removed.
pub fn remove(folder: &Path, spooled: &Spooled) -> io::Result<()> {
    for beside in [spooled.marks(folder), spooled.joins(folder)] {
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(spooled.raw(folder))
}

/// What a file is joined to, if that is not the one before it.
///
/// # Errors
/// The file is there and cannot be read: then nobody knows, and nothing may be claimed.
pub fn joins(folder: &Path, spooled: &Spooled) -> io::Result<Option<Head>> {
    match fs::read(spooled.joins(folder)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The marks of a file. A line that was cut off by a sudden end is passed over.
///
/// # Errors
/// The file is there and cannot be read.
pub fn marks(folder: &Path, spooled: &Spooled) -> io::Result<Vec<Mark>> {
    let text = match fs::read_to_string(spooled.marks(folder)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mark = |line: &str| {
        let (offset, time) = line.split_once(' ')?;
        Some(Mark { offset: offset.parse().ok()?, time_us: time.parse().ok()? })
    };
    Ok(whole.lines().filter_map(mark).collect())
}

/// Reads the bytes of a file of the spool.
///
/// # Errors
/// The file cannot be read, or what takes the bytes fails.
pub fn read<E: From<io::Error>>(path: &Path, mut give: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let (mut file, mut buffer) = (File::open(path)?, vec![0; CHUNK]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => give(&buffer[..length])?,
        }
    }
}

/// Cuts a file behind its last whole transaction, and gives that offset and the database in force there. What was in flight when an
/// archiver ended is asked for once more.
///
/// # Errors
/// The file cannot be read or cut.
pub fn cut(folder: &Path, spooled: &Spooled) -> io::Result<(u64, u32)> {
    let mut scanner = Scanner::at(spooled.from, spooled.database);
    let (mut safe, mut database) = (spooled.from, spooled.database);
    let path = spooled.raw(folder);
    // What does not scan is cut off as well: a machine that lost its power may have left zeros.
    let _ = read(&path, |bytes| {
        let result = scanner.push(bytes, |command| {
            if command.is_safe() {
                (safe, database) = (command.end, command.database);
            }
        });
        result.map_err(|error| io::Error::other(error.to_string()))
    });
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(safe - spooled.from)?;
    file.sync_data()?;
    Ok((safe, database))
}

/// A file that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// Where it lies, and what its bytes are of.
    pub spooled: Spooled,
    /// Bytes in it.
    pub bytes: u64,
}
