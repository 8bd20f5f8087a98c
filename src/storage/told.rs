//! A place that says what is asked of it: `-v` names each object that is written, read or removed, `-vv` every request.
//!
//! Every place is one of these, so every method of [`Storage`] stands here: one with a default that is not passed on would never reach the
//! place itself. `tests/it/storage/conformance.rs` holds this.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tracing::{debug, info};

use super::Expected;
use super::{LeftUploads, ObjectInfo, Odd, Reader, Shared, Storage, StorageError, Survey, Upload};

/// A place, told of.
#[derive(Debug)]
pub(super) struct Told(pub(super) Shared);

#[async_trait]
impl Storage for Told {
    fn describe(&self) -> String {
        self.0.describe()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        let length = body.len();
        let written = self.0.create(key, body).await;
        match &written {
            Ok(()) => info!("wrote {key}, {length} bytes"),
            Err(error) => info!("could not write {key}: {error}"),
        }
        written
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        debug!("replace {key}, {} bytes", body.len());
        self.0.replace(key, body).await
    }

    fn keeps_conditions_by_nature(&self) -> Option<bool> {
        self.0.keeps_conditions_by_nature()
    }

    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError> {
        debug!("try whether {key} can be written over");
        self.0.keeps_conditions(key, body).await
    }

    async fn try_writing(&self, folder: &str) -> Result<Option<u64>, StorageError> {
        debug!("try to write below {folder} of {}", self.0.describe());
        self.0.try_writing(folder).await
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    async fn in_the_way(&self, key: &str) -> Option<&'static str> {
        self.0.in_the_way(key).await
    }

    async fn hear_clock(&self) {
        self.0.hear_clock().await;
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let got = self.0.get(key, limit).await;
        match &got {
            Ok(body) => debug!("read {key}, {} bytes", body.len()),
            Err(error) => debug!("could not read {key}: {error}"),
        }
        got
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        info!("reading {key} from byte {offset}");
        self.0.open(key, offset).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        debug!("ask for the length of {key}");
        self.0.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        let listed = self.0.list(prefix).await;
        debug!("list {prefix}: {} objects", listed.as_ref().map_or(0, Vec::len));
        listed
    }

    async fn survey(&self, prefix: &str) -> Result<Survey, StorageError> {
        let found = self.0.survey(prefix).await;
        debug!("list {prefix}: {} objects", found.as_ref().map_or(0, |found| found.objects.len()));
        found
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        info!("removing {key}");
        self.0.delete(key).await
    }

    async fn delete_same(&self, key: &str, body: &Bytes) -> Result<bool, StorageError> {
        debug!("remove {key} if it is as it was");
        self.0.delete_same(key, body).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        info!("started writing {key}");
        let upload = self.0.upload(key).await?;
        Ok(Box::new(ToldUpload { upload, key: key.to_owned() }))
    }

    async fn try_upload(&self, key: &str) -> Result<bool, StorageError> {
        debug!("try to begin {key}");
        self.0.try_upload(key).await
    }

    fn hidden(&self) -> u64 {
        self.0.hidden()
    }

    async fn odd(&self, folder: &str) -> Result<Odd, StorageError> {
        self.0.odd(folder).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        debug!("list unfinished uploads below {prefix}");
        self.0.unfinished(prefix).await
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        info!("abort unfinished uploads below {prefix}");
        self.0.abort_unfinished(prefix, before).await
    }
}

/// A large object on its way, told of at its end.
struct ToldUpload {
    upload: Box<dyn Upload>,
    key: String,
}

#[async_trait]
impl Upload for ToldUpload {
    fn expect(&mut self, expected: Expected) {
        self.upload.expect(expected);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.upload.write(bytes).await
    }

    async fn complete(self: Box<Self>) -> Result<u64, StorageError> {
        let Self { upload, key } = *self;
        let length = upload.complete().await?;
        info!("wrote {key}, {length} bytes");
        Ok(length)
    }

    async fn abort(self: Box<Self>) -> Result<(), StorageError> {
        let Self { upload, key } = *self;
        info!("gave up {key}");
        upload.abort().await
    }
}
