//! Reading objects: a read that breaks off goes on where it stopped, of the same object or not at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep};

use super::errors::{Op, causes, is_beyond_the_end, no_store};
use super::pace::{Purpose, Trouble};
use super::{Inner, StorageError};
use crate::storage::{Chunks, Reason};

/// The pause before a read that broke off is begun again; it doubles up to the longest while not a single byte comes.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An object from an offset on.
pub(super) struct ObjectChunks {
    inner: Arc<Inner>,
    full_key: String,
    /// The object as it was when the read began: its bytes must not become another one's.
    etag: Option<String>,
    position: u64,
    length: u64,
    body: Option<ByteStream>,
    /// Whether it is what a transfer reads, for which patience is long.
    is_transfer: bool,
    /// When the read broke off, and how often since the last byte.
    broken: Option<(Instant, u32)>,
}

impl ObjectChunks {
    pub(super) async fn open(inner: Arc<Inner>, full_key: String, offset: u64) -> Result<Self, StorageError> {
        Self::begin(inner, full_key, offset, true).await
    }

    async fn begin(inner: Arc<Inner>, full_key: String, offset: u64, is_transfer: bool) -> Result<Self, StorageError> {
        let mut chunks =
            Self { inner, full_key, etag: None, position: offset, length: 0, body: None, is_transfer, broken: None };
        chunks.request().await?;
        Ok(chunks)
    }

    /// Asks for the rest of the object.
    async fn request(&mut self) -> Result<(), StorageError> {
        // A range from 0 on is an error for an empty object.
        let range = (self.position > 0).then(|| format!("bytes={}-", self.position));
        let ranged = range.is_some();
        let inner = &self.inner;
        let send = || {
            let request = inner.client.get_object().bucket(&inner.site.bucket).key(&self.full_key);
            request.set_range(range.clone()).set_if_match(self.etag.clone()).send()
        };
        let got = match inner.ask(Purpose::Work, &mut Trouble::default(), send).await {
            Ok(got) => got,
            Err(error) if ranged && self.etag.is_none() && is_beyond_the_end(&error) => return Ok(()),
            Err(error) => {
                return Err(match inner.explain(Op::Get, &self.full_key, error) {
                    // The only condition is that it is still the same.
                    StorageError::AlreadyExists => changed(),
                    error => error,
                });
            }
        };
        if got.content_length.is_none() || (got.e_tag.is_none() && got.last_modified.is_none()) {
            return Err(no_store(&inner.site, "it returns an object without a length, or without ETag and time"));
        }
        if self.etag.is_some() && got.e_tag != self.etag {
            return Err(changed());
        }
        // A store that ignores ranges begins at 0: its bytes would be taken for others.
        let begins = got
            .content_range
            .as_deref()
            .and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
        if ranged && begins != Some(self.position) {
            return Err(StorageError::other("the store did not return the requested range"));
        }
        self.etag = got.e_tag;
        self.length = self.position + u64::try_from(got.content_length.unwrap_or_default()).unwrap_or_default();
        self.body = Some(got.body);
        Ok(())
    }

    /// Waits, and asks again; an error if not a byte came for too long.
    async fn resume(&mut self, why: String) -> Result<(), StorageError> {
        self.body = None;
        let (since, failures) = self.broken.map_or((Instant::now(), 1), |(since, failures)| (since, failures + 1));
        self.broken = Some((since, failures));
        let window = self.inner.pace.window();
        let pause = (PAUSE * 2_u32.pow((failures - 1).min(8))).min(LONGEST_PAUSE);
        if since.elapsed() + pause > window {
            let words = format!(
                "{} ended the download of {} at byte {} {failures} times: {why}",
                self.inner.site.named(),
                self.full_key,
                self.position
            );
            return Err(StorageError::unavailable(
                Reason::new(words).hint("the object itself may be intact: check the log of the store, then try again"),
            ));
        }
        tracing::info!(position = self.position, "reading {} was interrupted and continues: {why}", self.full_key);
        sleep(pause).await;
        self.request().await
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
                    self.broken = None;
                    if self.is_transfer {
                        self.inner.pace.begin_transfer();
                    }
                    self.position += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Some(Err(error)) => self.resume(causes(&error)).await?,
                None => self.resume("the store ended the reply too early".to_owned()).await?,
            }
        }
        Ok(None)
    }

    async fn back_to(&mut self, offset: u64) -> Result<(), StorageError> {
        (self.body, self.broken, self.position) = (None, None, offset);
        self.request().await
    }
}

/// A small object.
pub(super) async fn whole(inner: &Arc<Inner>, full_key: String, limit: u64) -> Result<Bytes, StorageError> {
    let mut chunks = ObjectChunks::begin(Arc::clone(inner), full_key, 0, false).await?;
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
    StorageError::other("the object changed while it was read")
}
