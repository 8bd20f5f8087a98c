//! A place for objects in memory that fails on demand: lost requests, lost answers, answers that are somebody else's, and delays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use redis_ops::storage::{LeftUploads, Memory, ObjectInfo, Odd, Reader, Shared, Storage, StorageError, Upload};

/// What is asked of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Create,
    Replace,
    Complete,
    Get,
    Delete,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Act {
    /// It is done, and the answer is this error.
    DoneBut(StorageError),
    /// It is not done.
    NotDone(StorageError),
    /// Reading gives these bytes, whatever is there.
    Gives(&'static [u8]),
    /// It takes so long.
    Takes(Duration),
}

#[derive(Debug)]
struct Rule {
    asked: Asked,
    part: &'static str,
    times: usize,
    act: Act,
}

/// The place. Clones share objects and rules.
#[derive(Debug, Clone)]
pub struct Faulty {
    pub inner: Memory,
    rules: Arc<Mutex<Vec<Rule>>>,
    pub gets: Arc<Mutex<Vec<String>>>,
}

impl Faulty {
    pub fn over(inner: Memory) -> Self {
        Self { inner, rules: Arc::default(), gets: Arc::default() }
    }

    /// The next `times` requests of a kind whose key holds `part` go wrong.
    pub fn inject(&self, asked: Asked, part: &'static str, times: usize, act: Act) {
        self.rules.lock().unwrap().push(Rule { asked, part, times, act });
    }

    pub fn shared(&self) -> Shared {
        Arc::new(self.clone())
    }

    fn meet(&self, asked: Asked, key: &str) -> Option<Act> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && rule.asked == asked && key.contains(rule.part))?;
        rule.times -= 1;
        Some(rule.act.clone())
    }

    async fn act<T>(
        &self,
        asked: Asked,
        key: &str,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match self.meet(asked, key) {
            Some(Act::NotDone(error)) => Err(error),
            Some(Act::DoneBut(error)) => {
                work.await?;
                Err(error)
            }
            Some(Act::Takes(time)) => {
                tokio::time::sleep(time).await;
                work.await
            }
            Some(Act::Gives(_)) | None => work.await,
        }
    }
}

#[async_trait]
impl Storage for Faulty {
    fn describe(&self) -> String {
        "a faulty place".to_owned()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.act(Asked::Create, key, self.inner.create(key, body)).await
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.act(Asked::Replace, key, self.inner.replace(key, body)).await
    }

    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError> {
        self.inner.keeps_conditions(key, body).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        self.gets.lock().unwrap().push(key.to_owned());
        match self.meet(Asked::Get, key) {
            Some(Act::Gives(bytes)) => Ok(Bytes::from_static(bytes)),
            Some(Act::NotDone(error) | Act::DoneBut(error)) => Err(error),
            _ => self.inner.get(key, limit).await,
        }
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        self.inner.open(key, offset).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.act(Asked::Delete, key, self.inner.delete(key)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        let inner = self.inner.upload(key).await?;
        Ok(Box::new(FaultyUpload { inner, place: self.clone(), key: key.to_owned() }))
    }

    async fn odd(&self, folder: &str) -> Result<Odd, StorageError> {
        self.inner.odd(folder).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        self.inner.unfinished(prefix).await
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        self.inner.abort_unfinished(prefix, before).await
    }
}

struct FaultyUpload {
    inner: Box<dyn Upload>,
    place: Faulty,
    key: String,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.inner.write(bytes).await
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let Self { inner, place, key } = *self;
        place.act(Asked::Complete, &key, inner.complete()).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        self.inner.abort().await
    }
}
