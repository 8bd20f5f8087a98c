//! Reading objects: a read that breaks off goes on where it stopped, of the same object or not at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::sleep;

use super::errors::{causes, is_beyond_the_end, of_sdk};
use super::{Inner, StorageError};
use crate::storage::Chunks;

/// A read that breaks is begun again so often before a single byte has come; and the pause before, which doubles.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// An object from an offset on.
pub(super) struct ObjectChunks {
    inner: Arc<Inner>,
    full_key: String,
    /// The object as it was when the read began: its bytes must not become another one's.
    etag: Option<String>,
    position: u64,
    length: u64,
    body: Option<ByteStream>,
    /// Since the last byte.
    failures: u32,
}

impl ObjectChunks {
    pub(super) async fn open(inner: Arc<Inner>, full_key: String, offset: u64) -> Result<Self, StorageError> {
        let mut chunks = Self { inner, full_key, etag: None, position: offset, length: 0, body: None, failures: 0 };
        chunks.request().await?;
        Ok(chunks)
    }

    /// Asks for the rest of the object.
    async fn request(&mut self) -> Result<(), StorageError> {
        // A range from 0 on is an error for an empty object.
        let range = (self.position > 0).then(|| format!("bytes={}-", self.position));
        let ranged = range.is_some();
        let request = self
            .inner
            .client
            .get_object()
            .bucket(&self.inner.bucket)
            .key(&self.full_key)
            .set_range(range)
            .set_if_match(self.etag.clone());
        let got = match request.send().await {
            Ok(got) => got,
            Err(error) if ranged && self.etag.is_none() && is_beyond_the_end(&error) => return Ok(()),
            Err(error) => {
                return Err(match of_sdk(error, &self.inner.bucket) {
                    // The only condition is that it is still the same.
                    StorageError::AlreadyExists => changed(),
                    error => error,
                });
            }
        };
        if self.etag.is_some() && got.e_tag != self.etag {
            return Err(changed());
        }
        // A store that ignores ranges begins at 0: its bytes would be taken for others.
        let begins = got
            .content_range
            .as_deref()
            .and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
        if ranged && begins != Some(self.position) {
            return Err(StorageError::other("the store does not answer with the range that was asked for".to_owned()));
        }
        self.etag = got.e_tag;
        self.length = self.position + u64::try_from(got.content_length.unwrap_or_default()).unwrap_or_default();
        self.body = Some(got.body);
        Ok(())
    }

    /// Waits, and asks again; an error if that was tried too often.
    async fn resume(&mut self, why: String) -> Result<(), StorageError> {
        let mut why = why;
        loop {
            self.failures += 1;
            if self.failures >= ATTEMPTS {
                let at = self.position;
                return Err(StorageError::unavailable(format!(
                    "reading breaks off at byte {at}, {ATTEMPTS} times: {why}"
                )));
            }
            tracing::debug!(key = self.full_key, position = self.position, why, "reading broke off and is resumed");
            sleep(PAUSE * 2_u32.pow(self.failures - 1)).await;
            match self.request().await {
                Err(StorageError::Unavailable(reason)) => why = reason.to_string(),
                resumed => return resumed,
            }
        }
    }
}

#[async_trait]
impl Chunks for ObjectChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        while self.position < self.length {
            let next = match &mut self.body {
                Some(body) => body.next().await,
                None => None,
            };
            match next {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    self.failures = 0;
                    self.position += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Some(Err(error)) => {
                    self.body = None;
                    self.resume(causes(&error)).await?;
                }
                None => {
                    self.body = None;
                    self.resume("the store ends the answer too early".to_owned()).await?;
                }
            }
        }
        Ok(None)
    }
}

/// A small object.
pub(super) async fn whole(inner: &Arc<Inner>, full_key: String, limit: u64) -> Result<Bytes, StorageError> {
    let mut chunks = ObjectChunks::open(Arc::clone(inner), full_key, 0).await?;
    if chunks.length > limit {
        return Err(StorageError::TooLarge { length: chunks.length, limit });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = chunks.next().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn changed() -> StorageError {
    StorageError::other("the object became another one while it was read".to_owned())
}
