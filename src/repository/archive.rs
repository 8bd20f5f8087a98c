//! The archive of an instance in the repository: `<instance>/archive/<shard>/<replid>/<from>-<to>.zst`, `…/archiver.json` of who writes it,
//! `…/marks/<name>.json` of points that somebody has named.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::error::Doing;
use super::format::MARKER;
use super::life::lives;
use super::segment::{FOOTER, INDEX_LIMIT, Index, Mark, SegmentName};
use super::timeline::Timeline;
use super::{BegunBy, ProcessMark, Repository, RepositoryError, check_instance};
use crate::connection::replication::Position;
use crate::storage::{Reader, Reason, StorageError};

/// The folder of archives below that of an instance.
const ARCHIVE: &str = "archive";

/// Who writes an archive.
const ARCHIVER: &str = "archiver.json";

/// Small objects of an archive may not be longer, bytes.
const NOTE_LIMIT: u64 = 64 << 10;

/// An archiver that was not heard for so long is not at work any more.
pub(crate) const ARCHIVER_SILENCE: TimeDelta = TimeDelta::seconds(90);

/// Indexes that are read at the same time.
const INDEXES_AT_ONCE: usize = 16;

/// How many of a segment's last bytes are read at first: most indexes fit.
const TAIL: u64 = 32 << 10;

/// Who writes an archive, and when it was last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archiver {
    /// Tells one from another; kept on the machine that it runs on, so that it finds itself again.
    pub token: String,
    /// The machine's name.
    pub host: String,
    /// The process's number.
    pub pid: u32,
    /// When it was last heard, by its own clock.
    #[serde(serialize_with = "crate::times::serialize")]
    pub seen_at: DateTime<Utc>,
    /// Whether it has ended in peace: then anybody may go on.
    #[serde(default)]
    pub ended: bool,
    /// What tells the process from any other; `None` where the system does not say, and from earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<ProcessMark>,
    /// The newest mark that it has seen: where nothing was written since the last segment, no segment holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_mark: Option<LastMark>,
}

/// The newest mark of an archiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMark {
    /// The history that its offset is of.
    pub replid: String,
    /// Offset and clock.
    pub mark: Mark,
}

impl LastMark {
    /// Adds it to the segment that ends there. A segment that ends elsewhere says nothing about its time.
    fn add_to(&self, index: &mut Index) {
        let is_newer = index.marks.last().is_none_or(|last| last.time_us < self.mark.time_us);
        if index.replid == self.replid && index.to == self.mark.offset && is_newer {
            index.marks.push(self.mark);
        }
    }
}

impl Archiver {
    /// This process, at work, and heard at `now`.
    pub fn own(token: &str, now: DateTime<Utc>) -> Self {
        let BegunBy { host, pid } = BegunBy::own();
        Self {
            token: token.to_owned(),
            host,
            pid,
            seen_at: now,
            ended: false,
            process: ProcessMark::own(),
            last_mark: None,
        }
    }

    /// Whether it is at work: it has not ended, its process lives as far as that can be asked from here, and it was heard lately.
    pub fn is_at_work(&self, now: DateTime<Utc>) -> bool {
        let lives = || lives(&BegunBy { host: self.host.clone(), pid: self.pid }, self.process.as_ref());
        !self.ended && now - self.seen_at < ARCHIVER_SILENCE && lives() != Some(false)
    }
}

/// A point that somebody has named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPoint {
    /// What people call it.
    pub name: String,
    /// The history that the offset is of.
    pub replid: String,
    /// The offset that is named.
    pub offset: u64,
    /// The server's clock at that offset.
    #[serde(serialize_with = "crate::times::serialize")]
    pub at: DateTime<Utc>,
}

impl Repository {
    /// The folder of a shard of an archive, with a slash at its end.
    fn archive_folder(instance: &str, shard: u32) -> Result<String, RepositoryError> {
        check_instance(instance)?;
        Ok(format!("{instance}/{ARCHIVE}/{shard}/"))
    }

    /// The segments of a shard, and how their histories hang together.
    ///
    /// # Errors
    /// The place cannot be listed, or an index that joins two histories cannot be read.
    pub async fn timeline(&self, instance: &str, shard: u32) -> Result<Timeline, RepositoryError> {
        let folder = Self::archive_folder(instance, shard)?;
        let listed = self.storage.list(&folder).await.doing("list", &folder)?;
        let names = listed.iter().filter_map(|info| SegmentName::parse(info.key.strip_prefix(&folder)?));
        let timeline = Timeline::new(names, BTreeMap::new());
        let mut parents = BTreeMap::new();
        for first in timeline.firsts() {
            let index = match self.segment_index(instance, shard, first).await {
                Ok(index) => index,
                // Nobody knows where this history comes from; the others are none the worse for it.
                Err(RepositoryError::Segment { .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Some(previous) = index.previous.filter(|previous| previous.replid != first.replid) {
                parents.insert(first.replid.clone(), Position { replid: previous.replid, offset: first.from });
            }
        }
        let names: Vec<SegmentName> = timeline.segments().cloned().collect();
        Ok(Timeline::new(names, parents))
    }

    /// Whether an instance has an archive.
    ///
    /// # Errors
    /// The place cannot be listed.
    pub async fn has_archive(&self, instance: &str) -> Result<bool, RepositoryError> {
        let folder = format!("{instance}/{ARCHIVE}/");
        Ok(!self.storage.list(&folder).await.doing("list", &folder)?.is_empty())
    }

    /// Writes a segment. One of the same name that holds the same is no error: it is this one, sent before.
    ///
    /// # Errors
    /// [`RepositoryError::Locked`] if another one has the name, or what the place says.
    pub async fn create_segment(
        &self,
        instance: &str,
        shard: u32,
        index: &Index,
        body: Bytes,
    ) -> Result<(), RepositoryError> {
        let key = Self::archive_folder(instance, shard)? + &index.name().key();
        self.must_be_mounted().await?;
        match self.storage.create(&key, body).await {
            Err(StorageError::AlreadyExists | StorageError::Taken) => {
                let there = self.segment_index(instance, shard, &index.name()).await?;
                match there.raw_sha256 == index.raw_sha256 {
                    true => Ok(()),
                    false => Err(RepositoryError::Locked(format!("another archiver has written {key}"))),
                }
            }
            done => done.doing("write", &key),
        }
    }

    /// The index at the end of a segment.
    ///
    /// # Errors
    /// The segment is missing or has no index, or what the place says.
    pub async fn segment_index(
        &self,
        instance: &str,
        shard: u32,
        name: &SegmentName,
    ) -> Result<Index, RepositoryError> {
        let key = Self::archive_folder(instance, shard)? + &name.key();
        let wrong = |why: &str| RepositoryError::Segment { key: key.clone(), why: why.to_owned() };
        let length = self.storage.head(&key).await.doing("look at", &key)?.length;
        let mut begin = length.saturating_sub(TAIL);
        loop {
            let tail = self.rest_of(&key, begin, length).await?;
            let at = tail.len().checked_sub(FOOTER).ok_or_else(|| wrong("it is too short"))?;
            let index = Index::length(&tail[at..]).ok_or_else(|| wrong("it does not end with an index"))?;
            if index > INDEX_LIMIT || index + FOOTER as u64 > length {
                return Err(wrong("its index is too long"));
            }
            let needed = index + FOOTER as u64;
            if needed <= tail.len() as u64 {
                let length = usize::try_from(index).unwrap_or(usize::MAX);
                return Index::decode(&tail[at - length..at], name);
            }
            begin = length - needed;
        }
    }

    /// The indexes of several segments, in their order.
    ///
    /// # Errors
    /// As [`Repository::segment_index`].
    pub async fn segment_indexes(
        &self,
        instance: &str,
        shard: u32,
        names: &[SegmentName],
    ) -> Result<Vec<Index>, RepositoryError> {
        let reading = names.iter().map(|name| self.segment_index(instance, shard, name));
        let mut indexes: Vec<Index> =
            futures_util::stream::iter(reading).buffered(INDEXES_AT_ONCE).try_collect().await?;
        if let Some(last) = self.last_mark(instance, shard).await {
            indexes.iter_mut().for_each(|index| last.add_to(index));
        }
        Ok(indexes)
    }

    /// The newest mark of the archiver. A sign that cannot be read costs the times after the last segment, and nothing else.
    async fn last_mark(&self, instance: &str, shard: u32) -> Option<LastMark> {
        self.archiver(instance, shard).await.ok().flatten()?.last_mark
    }

    /// As [`Repository::segment_indexes`], with an answer for each: a damaged one does not hide the others.
    pub async fn each_segment_index(
        &self,
        instance: &str,
        shard: u32,
        names: &[SegmentName],
    ) -> Vec<Result<Index, RepositoryError>> {
        let reading = names.iter().map(|name| self.segment_index(instance, shard, name));
        let mut indexes: Vec<_> = futures_util::stream::iter(reading).buffered(INDEXES_AT_ONCE).collect().await;
        if let Some(last) = self.last_mark(instance, shard).await {
            indexes.iter_mut().flatten().for_each(|index| last.add_to(index));
        }
        indexes
    }

    async fn rest_of(&self, key: &str, begin: u64, length: u64) -> Result<Bytes, RepositoryError> {
        let mut reader = self.storage.open(key, begin).await.doing("read", key)?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = reader.next().await.doing("read", key)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > length - begin {
                return Err(RepositoryError::Segment { key: key.to_owned(), why: "it has grown".to_owned() });
            }
        }
        Ok(bytes.freeze())
    }

    /// The stored bytes of a segment.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    pub async fn open_segment(
        &self,
        instance: &str,
        shard: u32,
        name: &SegmentName,
    ) -> Result<Reader, RepositoryError> {
        let key = Self::archive_folder(instance, shard)? + &name.key();
        self.storage.open(&key, 0).await.doing("read", &key)
    }

    /// Makes the marker of the repository where there is none, before anything is archived.
    ///
    /// # Errors
    /// What the place says.
    pub async fn ready_for_archives(&self, now: DateTime<Utc>) -> Result<(), RepositoryError> {
        self.establish(now).await.map(drop)
    }

    /// A folder without its marker is an empty mount point: what is written there is hidden once the file system is back.
    async fn must_be_mounted(&self) -> Result<(), RepositoryError> {
        if self.storage.keeps_conditions_by_nature().is_none() {
            return Ok(());
        }
        match self.storage.head(MARKER).await {
            Err(StorageError::NotFound | StorageError::NoSuchPlace(_)) => {
                let words = format!("{} has no {MARKER} any more", self.describe());
                let reason = Reason::new(words).hint("is the file system mounted that the repository is on?");
                Err(RepositoryError::Storage { doing: "archive".to_owned(), source: StorageError::unavailable(reason) })
            }
            _ => Ok(()),
        }
    }

    /// Who writes the archive of a shard.
    ///
    /// # Errors
    /// What the place says.
    pub async fn archiver(&self, instance: &str, shard: u32) -> Result<Option<Archiver>, RepositoryError> {
        let key = Self::archive_folder(instance, shard)? + ARCHIVER;
        match self.storage.get(&key, NOTE_LIMIT).await {
            Err(StorageError::NotFound | StorageError::NoSuchPlace(_)) => Ok(None),
            got => Ok(serde_json::from_slice(&got.doing("read", &key)?).ok()),
        }
    }

    /// Removes hidden parts of objects of an archive, which an archiver that was killed has left in a folder.
    ///
    /// # Errors
    /// The name cannot be an instance's.
    pub async fn clear_archive(&self, instance: &str, shard: u32) -> Result<(), RepositoryError> {
        self.clear_parts(&Self::archive_folder(instance, shard)?).await;
        Ok(())
    }

    /// Says who writes the archive of a shard, in place of whoever did before.
    ///
    /// # Errors
    /// What the place says.
    pub async fn write_archiver(&self, instance: &str, shard: u32, archiver: &Archiver) -> Result<(), RepositoryError> {
        let key = Self::archive_folder(instance, shard)? + ARCHIVER;
        self.must_be_mounted().await?;
        let body = serde_json::to_vec(archiver).expect("an archiver is plain data");
        self.storage.replace(&key, body.into()).await.doing("write", &key)
    }

    /// Names a point. A name is given once.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`], a name that cannot be an object's, or what the place says.
    pub async fn name_point(&self, instance: &str, shard: u32, point: &NamedPoint) -> Result<(), RepositoryError> {
        let key = Self::point_key(instance, shard, &point.name)?;
        let body = serde_json::to_vec(point).expect("a point is plain data");
        match self.storage.create(&key, body.into()).await {
            Err(StorageError::AlreadyExists | StorageError::Taken) => {
                Err(RepositoryError::PointExists(point.name.clone()))
            }
            done => done.doing("write", &key),
        }
    }

    /// A point that somebody has named; `None`: nobody has.
    ///
    /// # Errors
    /// A name that cannot be an object's, what lies there is no point, or what the place says.
    pub async fn named_point(
        &self,
        instance: &str,
        shard: u32,
        name: &str,
    ) -> Result<Option<NamedPoint>, RepositoryError> {
        let key = Self::point_key(instance, shard, name)?;
        match self.storage.get(&key, NOTE_LIMIT).await {
            Err(StorageError::NotFound) => Ok(None),
            got => {
                let bytes = got.doing("read", &key)?;
                let point = serde_json::from_slice(&bytes);
                point.map(Some).map_err(|error| RepositoryError::Segment { key, why: error.to_string() })
            }
        }
    }

    fn point_key(instance: &str, shard: u32, name: &str) -> Result<String, RepositoryError> {
        // The same rule as for the name of an instance.
        check_instance(name)?;
        Ok(format!("{}marks/{name}.json", Self::archive_folder(instance, shard)?))
    }
}
