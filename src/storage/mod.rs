//! A place for objects: an S3 bucket, a local folder, or memory in tests.
//!
//! An object is visible only once it is complete: [`Upload::complete`] is the one moment, and whatever happens before it
//! leaves nothing that [`Storage::list`] would show. What objects mean is the business of `repository`.

mod error;
mod key;
mod local;
mod location;
mod memory;
mod part_size;
mod s3;
mod told;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

pub(crate) use error::Reason;
pub use error::StorageError;
pub use local::Local;
pub(crate) use location::InvalidLocation;
pub use location::Location;
pub use memory::Memory;
pub use part_size::{Expected, PartSizes, Step};
pub use s3::{S3, S3Credentials, S3Options};

/// A place for objects. Keys are relative to its location: `redis-prod/2024-01-01-01-00/manifest.json`.
///
/// A key has names between slashes; a name is not empty and does not begin with a dot. Any other key is refused, and
/// whatever else lies in the place is not shown.
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Where it is, for people; never with a secret.
    fn describe(&self) -> String;

    /// Writes a small object if there is none of that name; [`StorageError::AlreadyExists`] otherwise, or [`StorageError::Taken`] where
    /// an answer got lost and the place was asked what lies there. What was written by this very call is no error.
    ///
    /// Some S3-compatible stores ignore the condition silently: [`Storage::keeps_conditions`] tells.
    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError>;

    /// Writes a small object, in place of the one that has the name. Only for what is proven to be the caller's own.
    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError>;

    /// Whether "only if it is not there" is kept by this place, if that is known without asking.
    fn keeps_conditions_by_nature(&self) -> Option<bool> {
        None
    }

    /// Whether "only if it is not there" is kept by this place: tries to write `body` under a key that has an object already. Where it
    /// is not kept, the object holds `body` then.
    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError>;

    /// Tries whether this place can be written to below `folder`, as far as that leaves nothing behind, and returns how many bytes are
    /// free; `None`: that cannot be tried, or there is no such number.
    async fn try_writing(&self, _folder: &str) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    /// The clock of the place, by which it says when an object was written; ours, where it has not been heard yet or is the same.
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Asks the place for its time, where it does not tell with every answer: [`Storage::now`] goes by it from then on. A folder that may
    /// not be written to does not say, which is no error.
    async fn hear_clock(&self) {}

    /// What lies under a key and is no object, in words: a folder, or a link that leads nowhere. `None`: nothing that is known of.
    async fn in_the_way(&self, _key: &str) -> Option<&'static str> {
        None
    }

    /// A small object, whole; one longer than `limit` bytes is [`StorageError::TooLarge`].
    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError>;

    /// An object as a stream of chunks from `offset` on; none from its end on. A read that breaks is resumed where it stopped,
    /// and ends in an error if the object has become another one meanwhile.
    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError>;

    /// Length and time of one object.
    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError>;

    /// All objects whose key begins with `prefix`, sorted by key.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError>;

    /// Lists as [`Storage::list`] does, but a folder that cannot be read does not end the listing: it is named.
    async fn survey(&self, prefix: &str) -> Result<Survey, StorageError> {
        Ok(Survey { objects: self.list(prefix).await?, unreadable: Vec::new() })
    }

    /// Removes an object; one that is not there is no error.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;

    /// Removes an object if it still is what was read, byte by byte; false if it is gone, or another by now. Where the place compares and
    /// removes in one step, nobody comes in between; elsewhere two steps follow on each other. An object that the store holds for a time is
    /// [`StorageError::Locked`], also where a removal would only hide it.
    async fn delete_same(&self, key: &str, body: &Bytes) -> Result<bool, StorageError> {
        match self.get(key, body.len() as u64).await {
            Ok(found) if found == *body => self.delete(key).await.map(|()| true),
            Ok(_) | Err(StorageError::NotFound | StorageError::TooLarge { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins a large object as [`Storage::upload`] does, and gives it up at once: whether the place would take one of that name, in the
    /// storage class that was asked for. False: an encryption was asked for, and the answer says nothing of it.
    async fn try_upload(&self, _key: &str) -> Result<bool, StorageError> {
        Ok(true)
    }

    /// What is in this folder, or on the way to it, and no listing shows.
    // Without a default: a wrapper that forgot to pass the question on would say no, and what is behind a link would be removed.
    async fn odd(&self, folder: &str) -> Result<Odd, StorageError>;

    /// How many of the objects that were removed so far the place has only hidden: older versions of them stay, and take room.
    fn hidden(&self) -> u64 {
        0
    }

    /// Begins a large object of unknown length.
    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError>;

    /// Uploads below `prefix` that were begun and neither completed nor aborted; `None` where the place cannot tell.
    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError>;

    /// Aborts the uploads below `prefix` that were begun before this moment and neither completed nor aborted, by any process,
    /// and returns how many there were; `None` where the place cannot tell. A store bills what they hold and shows it nowhere: a backup
    /// that is
    /// removed takes it along.
    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError>;
}

/// A large object on its way. It must be completed or aborted; dropping it aborts as well as it can.
#[async_trait]
pub trait Upload: Send {
    /// Says before the first byte what is known, so that parts get a length that lasts and suits the link.
    fn expect(&mut self, _expected: Expected) {}
    /// Takes the next bytes, of any length. Waits while as many parts are in flight as the place allows. After an error the only
    /// thing to do is to abort.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError>;
    /// Makes the object visible, and returns its length as the place reports it. [`StorageError::AlreadyExists`] if there is one
    /// of that name (where conditions are kept), [`StorageError::Taken`] if an answer got lost and what lies there is proven to be
    /// another's. If it fails, what was sent is removed.
    async fn complete(self: Box<Self>) -> Result<u64, StorageError>;
    /// Removes what was sent so far. It may be called whatever failed before.
    async fn abort(self: Box<Self>) -> Result<(), StorageError>;
}

/// An object's bytes, chunk by chunk.
#[async_trait]
pub trait Chunks: Send {
    /// The next chunk, never empty; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError>;
    /// Goes back: the next chunk begins at this offset of the object, and is read from the place once more.
    async fn back_to(&mut self, offset: u64) -> Result<(), StorageError>;
}

/// The bytes of an object as they come: see [`Storage::open`].
pub type Reader = Box<dyn Chunks>;

/// A storage that several owners share.
pub type Shared = Arc<dyn Storage>;

/// The place at this location. A folder is not touched; of a bucket nothing is asked yet but the credentials' whereabouts.
///
/// # Errors
/// If the options for S3 cannot be used (a CA file that is none).
pub async fn open(location: &Location, options: &S3Options) -> Result<Shared, StorageError> {
    let place: Shared = match location {
        Location::Local(path) => Arc::new(Local::new(path)),
        Location::S3 { bucket, prefix } => Arc::new(S3::connect(bucket, prefix, options).await?),
    };
    Ok(Arc::new(told::Told(place)))
}

/// What [`Storage::survey`] found.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Objects, sorted by key.
    pub objects: Vec<ObjectInfo>,
    /// Folders that cannot be read, with a slash at the end, and why.
    pub unreadable: Vec<(String, StorageError)>,
}

/// What [`Storage::odd`] found: what only a folder of a file system can hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Odd {
    /// The first symbolic link on the way to the folder below the root, or else one in it or below it, by its key: what is behind the
    /// link belongs to another place as well.
    pub link: Option<String>,
    /// Files that are no objects, by their keys as far as these are text: hidden ones that are none of ours, pipes, names that no key can
    /// be.
    pub unlisted: Vec<String>,
}

/// Uploads that were begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftUploads {
    /// The objects that they were to become, with the bytes of their parts.
    pub uploads: Vec<ObjectInfo>,
    /// So many of them are of a size that the place does not tell: their length is 0 here.
    pub unmeasured: u64,
}

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key, relative to the storage's location.
    pub key: String,
    /// Length in bytes.
    pub length: u64,
    /// When it was written; `None` where the place does not say.
    pub modified: Option<DateTime<Utc>>,
    /// It lies in an archive class of the store, and must be restored there before it can be read.
    pub is_archived: bool,
}
