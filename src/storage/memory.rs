//! Objects in memory. No command writes there: the tests of backups and repositories do, and `tests/it/storage/conformance.rs` holds
//! it to the same promises as every other place, so that what those tests find holds for the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};

use super::{Chunks, LeftUploads, ObjectInfo, Odd, Reader, Storage, StorageError, Upload, key};

/// A reader gives so many bytes at a time.
const CHUNK: usize = 256 << 10;

/// Objects in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    objects: Arc<Mutex<Objects>>,
    ignores_conditions: bool,
}

type Objects = BTreeMap<String, (Bytes, DateTime<Utc>)>;

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that replaces an object silently where it should refuse, as some S3-compatible stores do.
    pub fn ignoring_conditions() -> Self {
        Self { ignores_conditions: true, ..Self::default() }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        // A map is whole after every call, even one that panicked.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        key::check(key)?;
        let mut objects = self.objects();
        if !self.ignores_conditions && objects.contains_key(key) {
            return Err(StorageError::AlreadyExists);
        }
        objects.insert(key.to_owned(), (body, Utc::now()));
        Ok(())
    }

    fn find(&self, key: &str) -> Result<(Bytes, DateTime<Utc>), StorageError> {
        key::check(key)?;
        self.objects().get(key).cloned().ok_or(StorageError::NotFound)
    }
}

#[async_trait]
impl Storage for Memory {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.put(key, body)
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        key::check(key)?;
        self.objects().insert(key.to_owned(), (body, Utc::now()));
        Ok(())
    }

    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError> {
        match self.put(key, body) {
            Ok(()) => Ok(false),
            Err(StorageError::AlreadyExists) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let (body, _) = self.find(key)?;
        match body.len() as u64 {
            length if length > limit => Err(StorageError::TooLarge { length, limit }),
            _ => Ok(body),
        }
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        let (body, _) = self.find(key)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
        Ok(Box::new(Rest { body, position: offset }))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let (body, modified) = self.find(key)?;
        Ok(ObjectInfo { key: key.to_owned(), length: body.len() as u64, modified: Some(modified), is_archived: false })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        key::check_prefix(prefix)?;
        let objects = self.objects();
        let info = |(key, (body, modified)): (&String, &(Bytes, DateTime<Utc>))| ObjectInfo {
            key: key.clone(),
            length: body.len() as u64,
            modified: Some(*modified),
            is_archived: false,
        };
        Ok(objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(info).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        key::check(key)?;
        self.objects().remove(key);
        Ok(())
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        key::check(key)?;
        Ok(Box::new(Gathered { memory: self.clone(), key: key.to_owned(), body: BytesMut::new() }))
    }

    /// A map has no links.
    async fn odd(&self, _folder: &str) -> Result<Odd, StorageError> {
        Ok(Odd::default())
    }

    async fn unfinished(&self, _prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        // What an upload gathers goes away with it.
        Ok(Some(LeftUploads::default()))
    }

    async fn abort_unfinished(&self, _prefix: &str, _before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        Ok(Some(0))
    }
}

struct Rest {
    body: Bytes,
    position: usize,
}

#[async_trait]
impl Chunks for Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let end = self.body.len().min(self.position + CHUNK);
        let chunk = self.body.slice(self.position..end);
        self.position = end;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    async fn back_to(&mut self, offset: u64) -> Result<(), StorageError> {
        self.position = usize::try_from(offset).unwrap_or(usize::MAX).min(self.body.len());
        Ok(())
    }
}

struct Gathered {
    memory: Memory,
    key: String,
    body: BytesMut,
}

#[async_trait]
impl Upload for Gathered {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.body.extend_from_slice(&bytes);
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let length = self.body.len() as u64;
        self.memory.put(&self.key, self.body.freeze())?;
        Ok(length)
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }
}
