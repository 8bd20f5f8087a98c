//! A bucket in S3, or in something that speaks like it.
//!
//! What stores really do differs: some ignore `If-None-Match` without a word, some do not know the newer checksums, some cannot
//! list unfinished uploads. What we have found out of this one is remembered for as long as it is open.

mod asking;
mod client;
mod clock;
mod credentials;
mod errors;
mod kept;
mod list;
mod own_certificate;
mod pace;
mod part;
mod put;
mod read;
mod same;
mod seen;
mod site;
mod spool;
mod upload;
mod watch;
mod whole;
mod whose;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::DateTime as SdkTime;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ServerSideEncryption, StorageClass};
use base64::Engine;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Crc;

use super::{LeftUploads, Location, ObjectInfo, Odd, PartSizes, Reader, Reason, Storage, StorageError, Upload, key};
use errors::Op;
use pace::{Pace, Purpose, Trouble};
use site::Site;

/// A store may answer "another write is under way" (409): how often and how long apart we try again.
const CONFLICTS: u32 = 5;
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// Of so many unfinished uploads it is asked how long their parts are.
const UPLOADS_MEASURED: usize = 64;

/// A key of one's own.
#[derive(Clone)]
pub struct S3Credentials {
    /// The access key's id, which is no secret.
    pub key_id: String,
    /// The secret; no `Debug` shows it.
    pub secret: String,
    /// The token of a session; a secret as well.
    pub token: Option<String>,
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
    /// The AWS profile; `None`: what `AWS_PROFILE` says, or `default`.
    pub profile: Option<String>,
    /// A store of one's own; `None`: what the AWS variables and profiles say, or AWS.
    pub endpoint: Option<String>,
    /// What named the endpoint, for messages: `--s3-endpoint`, a variable, the settings.
    pub endpoint_from: Option<String>,
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
    /// How long the parts of an upload are; `None`: by how long it is expected to be.
    pub part_sizes: Option<PartSizes>,
    /// How long one reply may take; `None`: 30 s, and 10 s before the first byte of a transfer.
    pub timeout: Option<Duration>,
    /// How long a store that fails during a transfer is asked again; `None`: 5 minutes.
    pub retry: Option<Duration>,
    /// Before a transfer, a port at which nobody listens is asked for ten seconds as well: the store may be restarting. Else two
    /// seconds are enough.
    pub awaits_listener: bool,
}

/// A bucket, or a prefix in one.
#[derive(Clone)]
pub struct S3 {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    site: Site,
    pace: Arc<Pace>,
    sse: Option<ServerSideEncryption>,
    kms_key: Option<String>,
    storage_class: Option<StorageClass>,
    spool_dir: PathBuf,
    part_sizes: Option<PartSizes>,
    clock: clock::Clock,
    /// The store does not know the header at all.
    refuses_conditions: AtomicBool,
    /// True where the store does not know checksums, or the settings forbid to send them.
    no_checksums: AtomicBool,
    e_tags: kept::ETags,
    /// A store may make those of parts otherwise.
    part_e_tags: kept::ETags,
    /// Objects that a removal has only hidden.
    hidden: AtomicU64,
}

/// What is known of an object.
struct Head {
    length: u64,
    modified: Option<DateTime<Utc>>,
    sse: Option<ServerSideEncryption>,
    e_tag: Option<String>,
    /// The word of the upload that made it: see `whose`.
    upload: Option<String>,
    /// The store holds it for a time, or until somebody lifts a hold.
    is_held: bool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client knows credentials.
        f.debug_struct("S3")
            .field("bucket", &self.inner.site.bucket)
            .field("prefix", &self.inner.site.prefix)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// The bucket `bucket`, below `prefix`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// If the CA file cannot be read or holds no certificate.
    pub async fn connect(bucket: &str, prefix: &str, options: &S3Options) -> Result<Self, StorageError> {
        let pace = Arc::new(Pace::new(options.timeout, options.retry).awaiting_listener(options.awaits_listener));
        let clock = clock::Clock::default();
        let connected = client::connect(bucket, prefix, options, &pace, &clock).await?;
        let client::Connected { client, no_checksums, site } = connected;
        let compares = site.is_aws() && !no_checksums;
        let inner = Inner {
            client,
            site,
            pace,
            sse: options.sse.as_deref().map(ServerSideEncryption::from),
            kms_key: options.kms_key.clone(),
            storage_class: options.storage_class.as_deref().map(StorageClass::from),
            spool_dir: options.spool_dir.clone().unwrap_or_else(std::env::temp_dir),
            part_sizes: options.part_sizes.clone(),
            clock,
            refuses_conditions: AtomicBool::new(false),
            no_checksums: AtomicBool::new(no_checksums),
            e_tags: kept::ETags::new(compares),
            part_e_tags: kept::ETags::new(compares),
            hidden: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn remove(&self, full_key: &str) -> Result<(), StorageError> {
        let inner = &self.inner;
        let send = || inner.client.delete_object().bucket(&inner.site.bucket).key(full_key).send();
        let removed = inner.ask(Purpose::Cleaning, &mut Trouble::default(), send).await;
        match removed.map_err(|error| inner.explain(Op::Delete, full_key, error)) {
            Ok(removed) => {
                // A bucket with versions only says that the object is gone.
                if removed.delete_marker == Some(true) {
                    inner.hidden.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(StorageError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    fn full_key(&self, key: &str) -> Result<String, StorageError> {
        key::check(key)?;
        Ok(format!("{}{key}", self.site.prefix))
    }

    fn full_prefix(&self, prefix: &str) -> Result<String, StorageError> {
        key::check_prefix(prefix)?;
        Ok(format!("{}{prefix}", self.site.prefix))
    }

    /// The key as our callers know it; `None` for what is not theirs to see.
    fn own_key(&self, full_key: &str) -> Option<String> {
        full_key.strip_prefix(&self.site.prefix).filter(|key| key::is_shown(key)).map(str::to_owned)
    }

    /// A failed request in our words.
    fn explain<E>(&self, op: Op, key: &str, error: errors::SdkFailure<E>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        errors::of_sdk(error, errors::Asked { op, key, site: &self.site })
    }

    /// Fails where an encryption was asked for and the answer does not say that it was done.
    fn examine_encryption(&self, answered: Option<&ServerSideEncryption>) -> Result<(), StorageError> {
        let Some(asked) = &self.sse else { return Ok(()) };
        if answered == Some(asked) {
            return Ok(());
        }
        let answered = answered.map_or("nothing", |answered| answered.as_str());
        let words = format!("the encryption `{}` was requested, but the store used {answered}", asked.as_str());
        Err(StorageError::NotEncrypted(
            Reason::new(words).hint("remove `s3.sse`, or use a store that encrypts: this one does not"),
        ))
    }
}

#[async_trait]
impl Storage for S3 {
    fn describe(&self) -> String {
        let prefix = self.inner.site.prefix.trim_end_matches('/').to_owned();
        Location::S3 { bucket: self.inner.site.bucket.clone(), prefix }.to_string()
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
            Err(error) if error.is_taken() => Ok(true),
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
        let head = self.inner.head(&self.inner.full_key(key)?).await?;
        Ok(ObjectInfo { key: key.to_owned(), length: head.length, modified: head.modified, is_archived: false })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        list::objects(&self.inner, self.inner.full_prefix(prefix)?).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.remove(&self.inner.full_key(key)?).await
    }

    async fn delete_same(&self, key: &str, body: &Bytes) -> Result<bool, StorageError> {
        self.remove_same(&self.inner.full_key(key)?, body).await
    }

    fn hidden(&self) -> u64 {
        self.inner.hidden.load(Ordering::Relaxed)
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StorageError> {
        let mut upload = upload::PartUpload::new(self.clone(), self.inner.full_key(key)?);
        if self.inner.storage_class.is_some() {
            // A store that does not know the class is met now, and not after an hour.
            upload.begin().await?;
        }
        Ok(Box::new(upload))
    }

    async fn try_upload(&self, key: &str) -> Result<bool, StorageError> {
        let mut upload = upload::PartUpload::new(self.clone(), self.inner.full_key(key)?);
        let is_encrypted = upload.begin().await?;
        if let Err(error) = Box::new(upload).abort().await {
            tracing::warn!("an upload of {key} without parts is left in the store: it cannot be aborted: {error}");
        }
        Ok(is_encrypted)
    }

    /// A bucket has no links.
    async fn odd(&self, _folder: &str) -> Result<Odd, StorageError> {
        Ok(Odd::default())
    }

    async fn unfinished(&self, prefix: &str) -> Result<Option<LeftUploads>, StorageError> {
        let uploads = list::uploads(&self.inner, self.inner.full_prefix(prefix)?).await?;
        let Some(uploads) = uploads else { return Ok(None) };
        let mut found = LeftUploads::default();
        for (number, (mut object, upload_id)) in uploads.into_iter().enumerate() {
            let full_key = self.inner.full_key(&object.key)?;
            let length = match number < UPLOADS_MEASURED {
                // That it cannot be told is worth no error.
                true => list::sent_so_far(&self.inner, &full_key, &upload_id).await.ok(),
                false => None,
            };
            found.unmeasured += u64::from(length.is_none());
            object.length = length.unwrap_or_default();
            found.uploads.push(object);
        }
        Ok(Some(found))
    }

    async fn abort_unfinished(&self, prefix: &str, before: DateTime<Utc>) -> Result<Option<u64>, StorageError> {
        let found = list::uploads(&self.inner, self.inner.full_prefix(prefix)?).await?;
        let Some(uploads) = found else { return Ok(None) };
        let old = |object: &ObjectInfo| object.modified.is_some_and(|begun| begun < before);
        let mut aborted = 0;
        for (object, upload_id) in uploads.into_iter().filter(|(object, _)| old(object)) {
            upload::abort(self, &self.inner.full_key(&object.key)?, &upload_id).await?;
            aborted += 1;
        }
        Ok(Some(aborted))
    }
}

impl Inner {
    async fn head(&self, full_key: &str) -> Result<Head, StorageError> {
        let send = || self.client.head_object().bucket(&self.site.bucket).key(full_key).send();
        let asked = self.ask(Purpose::Work, &mut Trouble::default(), send).await;
        let head = asked.map_err(|error| self.explain(Op::Head, full_key, error))?;
        if head.e_tag.is_none() && head.last_modified.is_none() {
            return Err(errors::no_store(&self.site, "its reply about an object has neither ETag nor time"));
        }
        Ok(Head {
            length: u64::try_from(head.content_length.unwrap_or_default()).unwrap_or_default(),
            modified: head.last_modified.and_then(time),
            sse: head.server_side_encryption,
            e_tag: head.e_tag,
            is_held: head.object_lock_mode.is_some()
                || head.object_lock_legal_hold_status == Some(ObjectLockLegalHoldStatus::On),
            upload: head.metadata.and_then(|mut metadata| metadata.remove(whose::UPLOAD)),
        })
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
