//! A bucket in S3, or in something that speaks like it.
//!
//! What stores really do differs: some ignore `If-None-Match` without a word, some do not know the newer checksums, some cannot
//! list unfinished uploads. What we have found out of this one is remembered for as long as it is open.

mod client;
mod clock;
mod errors;
mod read;
mod spool;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime as SdkTime};
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
use base64::Engine;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Crc;
use tokio::time::sleep;

use super::{Location, ObjectInfo, PartSizes, Reader, Storage, StorageError, Upload, key};
use errors::of_sdk;

/// A store may answer "another write is under way" (409): how often and how long apart we try again.
const CONFLICTS: u32 = 5;
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// A key of one's own.
#[derive(Clone)]
pub struct S3Credentials {
    /// The access key's id, which is no secret.
    pub key_id: String,
    /// The secret; no `Debug` shows it.
    pub secret: String,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// What is known of the store beyond its bucket.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// `None`: the standard chain (environment, profiles, web identity, container, instance metadata).
    pub credentials: Option<S3Credentials>,
    /// A store of one's own; `None`: what the AWS variables and profiles say, or AWS.
    pub endpoint: Option<String>,
    /// `None`: what the AWS variables and profiles say, or `us-east-1`.
    pub region: Option<String>,
    /// The bucket in the path instead of the host's name; `None`: with an endpoint of one's own.
    pub path_style: Option<bool>,
    /// Certificates to trust besides the system's, PEM; `None`: those in `AWS_CA_BUNDLE`, if it is set.
    pub ca: Option<PathBuf>,
    /// Encryption by the store: `AES256`, `aws:kms`, ….
    pub sse: Option<String>,
    /// Id of the key for `aws:kms`.
    pub kms_key: Option<String>,
    /// Storage class of large objects. Small ones stay in the standard class: they are read often, and rare classes bill each as
    /// a large one.
    pub storage_class: Option<String>,
    /// Where parts lie that are too long for memory; `None`: the system's folder for temporary files.
    pub spool_dir: Option<PathBuf>,
    /// How long the parts of an upload are.
    pub part_sizes: PartSizes,
}

/// A bucket, or a prefix in one.
#[derive(Clone)]
pub struct S3 {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    sse: Option<ServerSideEncryption>,
    kms_key: Option<String>,
    storage_class: Option<StorageClass>,
    spool_dir: PathBuf,
    part_sizes: PartSizes,
    clock: clock::Clock,
    /// The store does not know the header at all.
    refuses_conditions: AtomicBool,
    /// The store does not know checksums, or we are told not to send them.
    no_checksums: AtomicBool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client knows credentials.
        f.debug_struct("S3")
            .field("bucket", &self.inner.bucket)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// The bucket `bucket`, below `prefix`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// If the CA file cannot be read or holds no certificate.
    pub async fn connect(bucket: &str, prefix: &str, options: &S3Options) -> Result<Self, StorageError> {
        let clock = clock::Clock::default();
        let (client, no_checksums) = client::connect(options, &clock).await?;
        let inner = Inner {
            client,
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            sse: options.sse.as_deref().map(ServerSideEncryption::from),
            kms_key: options.kms_key.clone(),
            storage_class: options.storage_class.as_deref().map(StorageClass::from),
            spool_dir: options.spool_dir.clone().unwrap_or_else(std::env::temp_dir),
            part_sizes: options.part_sizes.clone(),
            clock,
            refuses_conditions: AtomicBool::new(false),
            no_checksums: AtomicBool::new(no_checksums),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes an object in one request, only if there is none: [`StorageError::AlreadyExists`] otherwise, where the store keeps
    /// conditions.
    async fn put(&self, full_key: &str, body: Bytes, class: Option<StorageClass>) -> Result<(), StorageError> {
        match self.put_once(full_key, body, class, true).await {
            // A store may refuse and hang up while the body is still on its way: then its answer is never seen.
            Err(error @ StorageError::Unavailable(_)) => {
                let exists = self.keeps_any_condition() && self.inner.head(full_key).await.is_ok();
                Err(if exists { StorageError::AlreadyExists } else { error })
            }
            put => put,
        }
    }

    fn keeps_any_condition(&self) -> bool {
        !self.inner.refuses_conditions.load(Ordering::Relaxed)
    }

    /// The same; `AlreadyExists` only where the store says so. `only_new`: if there is none of that name.
    async fn put_once(
        &self,
        full_key: &str,
        body: Bytes,
        class: Option<StorageClass>,
        only_new: bool,
    ) -> Result<(), StorageError> {
        let mut conflicts = 0;
        loop {
            let with_checksum = self.inner.sends_checksums();
            let conditional = only_new && self.keeps_any_condition();
            let request = self
                .inner
                .client
                .put_object()
                .bucket(&self.inner.bucket)
                .key(full_key)
                .set_if_none_match(conditional.then(|| "*".to_owned()))
                .set_checksum_crc32(with_checksum.then(|| crc32(&body)))
                .set_server_side_encryption(self.inner.sse.clone())
                .set_ssekms_key_id(self.inner.kms_key.clone())
                .set_storage_class(class.clone())
                .body(ByteStream::from(body.clone()));
            let Err(error) = request.send().await else { return Ok(()) };
            if errors::is_conflict(&error) {
                conflicts += 1;
                if conflicts > CONFLICTS {
                    return Err(StorageError::AlreadyExists);
                }
                sleep(CONFLICT_PAUSE).await;
            } else if conditional && errors::is_not_implemented(&error) {
                self.inner.refuses_conditions.store(true, Ordering::Relaxed);
            } else if !(with_checksum && self.inner.gives_up_checksums(&error)) {
                return Err(of_sdk(error, &self.inner.bucket));
            }
        }
    }

    async fn remove(&self, full_key: &str) -> Result<(), StorageError> {
        let request = self.inner.client.delete_object().bucket(&self.inner.bucket).key(full_key);
        match request.send().await.map_err(|error| of_sdk(error, &self.inner.bucket)) {
            Ok(_) | Err(StorageError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    fn full_key(&self, key: &str) -> Result<String, StorageError> {
        key::check(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    fn full_prefix(&self, prefix: &str) -> Result<String, StorageError> {
        key::check_prefix(prefix)?;
        Ok(format!("{}{prefix}", self.prefix))
    }

    /// The key as our callers know it; `None` for what is not theirs to see.
    fn own_key(&self, full_key: &str) -> Option<String> {
        full_key.strip_prefix(&self.prefix).filter(|key| key::is_shown(key)).map(str::to_owned)
    }

    fn sends_checksums(&self) -> bool {
        !self.no_checksums.load(Ordering::Relaxed)
    }

    /// Whether the store refused a request for its checksum, so that it is worth trying without; remembered, and said.
    fn gives_up_checksums<E>(&self, error: &errors::SdkFailure<E>) -> bool
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata,
    {
        let refused = errors::may_be_about_checksums(error);
        if refused && !self.no_checksums.swap(true, Ordering::Relaxed) {
            tracing::warn!("the store refuses checksums of requests: they are left out from here on");
        }
        refused
    }
}

#[async_trait]
impl Storage for S3 {
    fn describe(&self) -> String {
        let prefix = self.inner.prefix.trim_end_matches('/').to_owned();
        Location::S3 { bucket: self.inner.bucket.clone(), prefix }.to_string()
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.put(&self.inner.full_key(key)?, body, None).await
    }

    async fn replace(&self, key: &str, body: Bytes) -> Result<(), StorageError> {
        self.put_once(&self.inner.full_key(key)?, body, None, false).await
    }

    async fn keeps_conditions(&self, key: &str, body: Bytes) -> Result<bool, StorageError> {
        match self.put_once(&self.inner.full_key(key)?, body, None, true).await {
            Ok(()) => Ok(false),
            Err(StorageError::AlreadyExists) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        read::whole(&self.inner, self.inner.full_key(key)?, limit).await
    }

    async fn open(&self, key: &str, offset: u64) -> Result<Reader, StorageError> {
        let chunks = read::ObjectChunks::open(Arc::clone(&self.inner), self.inner.full_key(key)?, offset).await?;
        Ok(Box::new(chunks))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let (length, modified) = self.inner.head(&self.inner.full_key(key)?).await?;
        Ok(ObjectInfo { key: key.to_owned(), length, modified })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        let prefix = self.inner.full_prefix(prefix)?;
        let mut pages =
            self.inner.client.list_objects_v2().bucket(&self.inner.bucket).prefix(&prefix).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| of_sdk(error, &self.inner.bucket))?.contents.unwrap_or_default() {
                let full_key = object.key.unwrap_or_default();
                // Not every store keeps to a prefix that ends within a name.
                if let (true, Some(key)) = (full_key.starts_with(&prefix), self.inner.own_key(&full_key)) {
                    let length = u64::try_from(object.size.unwrap_or_default()).unwrap_or_default();
                    found.push(ObjectInfo { key, length, modified: object.last_modified.and_then(time) });
                }
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = self.inner.full_prefix(prefix)?;
        let request = self.inner.client.list_objects_v2().bucket(&self.inner.bucket).prefix(&prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for folder in page.map_err(|error| of_sdk(error, &self.inner.bucket))?.common_prefixes.unwrap_or_default() {
                let folder = folder.prefix.unwrap_or_default();
                let name = folder.strip_prefix(&prefix).and_then(|name| name.strip_suffix('/'));
                found.extend(name.filter(|name| key::is_shown(name) && !name.contains('/')).map(str::to_owned));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.remove(&self.inner.full_key(key)?).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        Ok(Box::new(upload::PartUpload::new(self.clone(), self.inner.full_key(key)?)))
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<Vec<ObjectInfo>>, StorageError> {
        let Some(uploads) = self.uploads(prefix).await? else { return Ok(None) };
        let mut found = Vec::with_capacity(uploads.len());
        for (number, (mut object, upload_id)) in uploads.into_iter().enumerate() {
            if number < UPLOADS_MEASURED {
                object.length = self.sent_so_far(&object.key, &upload_id).await.unwrap_or_default();
            }
            found.push(object);
        }
        Ok(Some(found))
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        let Some(uploads) = self.uploads(prefix).await? else { return Ok(None) };
        let old = |object: &ObjectInfo| object.modified.is_some_and(|begun| begun < before);
        let mut aborted = 0;
        for (object, upload_id) in uploads.into_iter().filter(|(object, _)| old(object)) {
            upload::abort(self, &self.inner.full_key(&object.key)?, &upload_id).await?;
            aborted += 1;
        }
        Ok(Some(aborted))
    }
}

/// Of so many unfinished uploads it is asked how long their parts are.
const UPLOADS_MEASURED: usize = 64;

impl S3 {
    /// Bytes in the parts of an unfinished upload.
    async fn sent_so_far(&self, key: &str, upload_id: &str) -> Result<u64, StorageError> {
        let request = self.inner.client.list_parts().bucket(&self.inner.bucket).key(self.inner.full_key(key)?);
        let mut pages = request.upload_id(upload_id).into_paginator().send();
        let mut length = 0;
        while let Some(page) = pages.next().await {
            let parts = page.map_err(|error| of_sdk(error, &self.inner.bucket))?.parts.unwrap_or_default();
            let lengths = parts.iter().map(|part| u64::try_from(part.size.unwrap_or_default()).unwrap_or_default());
            length += lengths.sum::<u64>();
        }
        Ok(length)
    }

    /// Uploads that go on or were left, with their ids, sorted by key; `None` where the store cannot list them.
    async fn uploads(&self, prefix: &str) -> Result<Option<Vec<(ObjectInfo, String)>>, StorageError> {
        let prefix = self.inner.full_prefix(prefix)?;
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self
                .inner
                .client
                .list_multipart_uploads()
                .bucket(&self.inner.bucket)
                .prefix(&prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker);
            let page = match request.send().await {
                Err(error) if errors::is_not_implemented(&error) => return Ok(None),
                page => page.map_err(|error| of_sdk(error, &self.inner.bucket))?,
            };
            for upload in page.uploads.unwrap_or_default() {
                let key = upload.key.and_then(|full_key| self.inner.own_key(&full_key));
                if let (Some(key), Some(id)) = (key, upload.upload_id) {
                    found.push((ObjectInfo { key, length: 0, modified: upload.initiated.and_then(time) }, id));
                }
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
            if page.is_truncated != Some(true) || key_marker.is_none() {
                break;
            }
        }
        found.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        Ok(Some(found))
    }
}

impl Inner {
    async fn head(&self, full_key: &str) -> Result<(u64, Option<DateTime<Utc>>), StorageError> {
        let request = self.client.head_object().bucket(&self.bucket).key(full_key);
        let head = request.send().await.map_err(|error| of_sdk(error, &self.bucket))?;
        let length = u64::try_from(head.content_length.unwrap_or_default()).unwrap_or_default();
        Ok((length, head.last_modified.and_then(time)))
    }
}

fn time(time: SdkTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

/// As S3 wants it: big endian, base64.
fn crc32(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc32_text(&crc)
}

fn crc32_text(crc: &Crc) -> String {
    base64::engine::general_purpose::STANDARD.encode(crc.sum().to_be_bytes())
}
