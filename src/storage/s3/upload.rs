//! Writing a large object: parts, several in flight, and one moment in which it becomes visible.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xxhash_rust::xxh3::Xxh3;

use super::errors::{Op, is_conflict, is_not_implemented, is_unreadable};
use super::kept;
use super::pace::{Purpose, Trouble};
use super::part::{Part, Sent};
use super::read::ObjectChunks;
use super::whose::{self, Whose, Written};
use super::{CONFLICT_PAUSE, CONFLICTS, Head, S3, StorageError, list};
use crate::storage::{Chunks as _, Expected, PartSizes, Upload};

/// How long an abort waits for parts in flight.
const SETTLING: Duration = Duration::from_secs(5);

/// A large object on its way. What is shorter than one part is written in one request.
pub(super) struct PartUpload {
    s3: S3,
    full_key: String,
    sizes: PartSizes,
    /// Once the first part is full.
    upload_id: Option<String>,
    /// Says whose the object is; see `whose`.
    word: Option<String>,
    part: Part,
    /// Number of the part that is being filled, from 1.
    number: usize,
    length: u64,
    spooled: bool,
    sent: u64,
    sending: JoinSet<Result<Sent, StorageError>>,
    done: Vec<CompletedPart>,
    /// The ETag of some part is not the MD5 of its bytes.
    has_doubted: bool,
    /// Of all bytes that were to be sent.
    digest: Xxh3,
    failed: bool,
}

impl PartUpload {
    pub(super) fn new(s3: S3, full_key: String) -> Self {
        let sizes = s3.inner.part_sizes.clone().unwrap_or_default();
        let (length, spooled) = sizes.first();
        Self {
            s3,
            full_key,
            sizes,
            upload_id: None,
            word: None,
            part: Part::default(),
            number: 1,
            length,
            spooled,
            sent: 0,
            sending: JoinSet::new(),
            done: Vec::new(),
            has_doubted: false,
            digest: Xxh3::new(),
            failed: false,
        }
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        self.s3.inner.pace.begin_transfer();
        while !bytes.is_empty() {
            let room = usize::try_from(self.length - self.part.len()).unwrap_or(usize::MAX);
            let now = bytes.split_to(room.min(bytes.len()));
            self.sent += now.len() as u64;
            self.digest.update(&now);
            self.fill(now).await?;
            // A full part is kept until more comes: the last one may be short, but a store may refuse an empty one.
            if self.part.len() == self.length && !bytes.is_empty() {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn fill(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let spooled = self.spooled.then_some(self.s3.inner.spool_dir.as_path());
        self.part.push(bytes, self.length, spooled).await
    }

    /// Sends the part that is being filled, and begins the next.
    async fn send_part(&mut self) -> Result<(), StorageError> {
        if self.upload_id.is_none() {
            self.begin().await?;
        }
        let upload_id = self.upload_id.clone().unwrap_or_default();
        while self.sending.len() >= self.s3.inner.pace.lanes(PartSizes::in_flight(self.length, self.spooled)) {
            self.wait().await?;
        }
        let part = mem::take(&mut self.part);
        let number = i32::try_from(self.number).unwrap_or(i32::MAX);
        self.sending.spawn(part.send(self.s3.clone(), self.full_key.clone(), upload_id, number));
        self.number += 1;
        let next = self.sizes.part(self.number);
        let next = next.ok_or_else(|| StorageError::Full("the object is longer than S3 allows".into()))?;
        if next.0 > self.length {
            tracing::warn!(
                "the backup is larger than expected, so the remaining parts are larger: a store that requires parts of equal length will refuse them"
            );
        }
        (self.length, self.spooled) = next;
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), StorageError> {
        match self.sending.join_next().await {
            Some(Ok(sent)) => {
                let Sent { part, is_doubted } = sent?;
                self.done.push(part);
                self.has_doubted |= is_doubted;
            }
            Some(Err(error)) => return Err(StorageError::other(error.to_string())),
            None => {}
        }
        Ok(())
    }

    /// Begins the upload before its first part is full. False: an encryption was asked for, and the store's answer does not say that it
    /// will be done; it may say so of the object.
    pub(super) async fn begin(&mut self) -> Result<bool, StorageError> {
        let mut trouble = Trouble::default();
        let created = self.create(&mut trouble).await;
        if trouble.may_be_done() {
            // A try that was taken for failed may have left an upload that nobody would know of. The key is this upload's alone.
            let ours = created.as_ref().ok().map(|(upload_id, _)| upload_id.as_str());
            self.abort_others(ours).await;
        }
        let (upload_id, is_encrypted) = created?;
        self.upload_id = Some(upload_id);
        Ok(is_encrypted)
    }

    /// Aborts the uploads of this key but for one; what cannot be aborted is named.
    async fn abort_others(&self, but: Option<&str>) {
        let found = match list::uploads(&self.s3.inner, self.full_key.clone()).await {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => return self.may_be_left(&error),
        };
        for upload_id in found.iter().filter(|(object, id)| {
            self.s3.inner.full_key(&object.key).is_ok_and(|key| key == self.full_key) && Some(id.as_str()) != but
        }) {
            if let Err(error) = abort(&self.s3, &self.full_key, &upload_id.1).await {
                self.may_be_left(&error);
            }
        }
    }

    fn may_be_left(&self, error: &StorageError) {
        tracing::warn!(
            "a request to begin an upload of {} failed, and an upload without parts may be left in the store: {error}",
            self.full_key
        );
    }

    async fn create(&mut self, trouble: &mut Trouble) -> Result<(String, bool), StorageError> {
        self.word = whose::word();
        let inner = &self.s3.inner;
        let send = |with_checksum: bool| {
            inner
                .client
                .create_multipart_upload()
                .bucket(&inner.site.bucket)
                .key(&self.full_key)
                .set_checksum_algorithm(with_checksum.then_some(ChecksumAlgorithm::Crc32))
                .set_checksum_type(with_checksum.then_some(ChecksumType::Composite))
                .set_server_side_encryption(inner.sse.clone())
                .set_ssekms_key_id(inner.kms_key.clone())
                .set_storage_class(inner.storage_class.clone())
                .set_metadata(self.word.as_ref().map(|word| [(whose::UPLOAD.to_owned(), word.clone())].into()))
                .send()
        };
        let created = inner.ask_with_checksum(trouble, send).await;
        let created = created.map_err(|error| inner.explain(Op::CreateUpload, &self.full_key, error))?;
        let is_encrypted = inner.examine_encryption(created.server_side_encryption.as_ref()).is_ok();
        let upload_id = created.upload_id.ok_or_else(|| StorageError::other("the store returned no upload id"))?;
        Ok((upload_id, is_encrypted))
    }

    async fn finish(&mut self) -> Result<u64, StorageError> {
        if self.sent == 0 {
            // There is no part: an upload that was begun early is of no use.
            self.give_up().await?;
        }
        if self.upload_id.is_none() && !matches!(self.part, Part::Spool(_)) {
            let Part::Memory(body) = mem::take(&mut self.part) else {
                return Ok(0);
            };
            self.s3.put(&self.full_key, body.freeze(), self.s3.inner.storage_class.clone()).await?;
        } else {
            if self.part.len() > 0 {
                self.send_part().await?;
            }
            while !self.sending.is_empty() {
                self.wait().await?;
            }
            // Another part has told since that this store makes the ETags of parts of their bytes.
            if self.has_doubted && self.s3.inner.part_e_tags.are_of_bytes() {
                return Err(kept::damaged(&self.full_key));
            }
            self.done.sort_by_key(|part| part.part_number);
            self.join_parts().await?;
        }
        let length = self.look_back().await?;
        if self.has_doubted {
            self.read_back().await?;
        }
        Ok(length)
    }

    /// Reads the whole object where no ETag of its parts was the MD5 of their bytes: either this store makes them otherwise, or each part
    /// was damaged on its way. What is not as it was sent is removed.
    async fn read_back(&self) -> Result<(), StorageError> {
        tracing::info!("the store does not say what it keeps of {}: it is read back", self.full_key);
        let inner = std::sync::Arc::clone(&self.s3.inner);
        let mut chunks = match ObjectChunks::open(inner, self.full_key.clone(), 0).await {
            // Who may write and not read learns nothing here.
            Err(StorageError::AccessDenied(_)) => return Ok(()),
            opened => opened?,
        };
        let mut digest = Xxh3::new();
        while let Some(chunk) = chunks.next().await? {
            digest.update(&chunk);
        }
        if digest.digest128() == self.digest.digest128() {
            return Ok(());
        }
        if let Err(error) = self.s3.remove(&self.full_key).await {
            tracing::warn!("{} is damaged in the store, and cannot be removed: {error}", self.full_key);
        }
        Err(kept::damaged(&self.full_key))
    }

    async fn join_parts(&mut self) -> Result<(), StorageError> {
        let inner = &self.s3.inner;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone())).build();
        let mut conditional = !inner.refuses_conditions.load(Ordering::Relaxed);
        let (mut conflicts, mut trouble) = (0, Trouble::default());
        loop {
            let send = || {
                inner
                    .client
                    .complete_multipart_upload()
                    .bucket(&inner.site.bucket)
                    .key(&self.full_key)
                    .set_upload_id(self.upload_id.clone())
                    .set_if_none_match(conditional.then(|| "*".to_owned()))
                    .multipart_upload(parts.clone())
                    .send()
            };
            let Err(error) = inner.ask(Purpose::Work, &mut trouble, send).await else { break };
            if is_conflict(&error) && conflicts < CONFLICTS {
                conflicts += 1;
                sleep(CONFLICT_PAUSE).await;
            } else if conditional && is_not_implemented(&error) {
                conditional = false;
            } else {
                // The answer to a try of ours may have got lost: then the upload is no more, or its name is taken, by us. Or the
                // store answers "done" in a form that is not S3's, as moto does. A proxy may have sent it twice. What is there decides.
                let unreadable = is_unreadable(&error);
                let unclear = unreadable || trouble.came();
                let error = inner.explain(Op::CompleteUpload, &self.full_key, error);
                if !unclear && !error.is_taken() {
                    return Err(error);
                }
                let head = match inner.head(&self.full_key).await {
                    Ok(head) => head,
                    // It was said to be done, and may not be looked at.
                    Err(denied @ StorageError::AccessDenied(_)) if unreadable => return Err(denied),
                    Err(_) => return Err(error),
                };
                match self.written().whose(&head) {
                    Whose::Ours => break,
                    Whose::Unproven if unclear => {
                        self.say_unproven();
                        break;
                    }
                    Whose::Others if head.length == self.sent || error.is_taken() => return Err(StorageError::Taken),
                    Whose::Others | Whose::Unproven => return Err(error),
                }
            }
        }
        self.upload_id = None;
        Ok(())
    }

    /// What an object of ours would be.
    fn written(&self) -> Written {
        Written { length: self.sent, word: self.word.clone(), e_tag: whose::e_tag(&self.done) }
    }

    fn say_unproven(&self) {
        tracing::warn!(
            "no reply arrived when the upload of {} was completed: redis-ops recognises the object by its name and length alone, because \
             the store keeps neither metadata nor ETags as S3 does",
            self.full_key
        );
    }

    /// Believes the store only when it shows what it has: some answer "done" to what is not.
    async fn look_back(&mut self) -> Result<u64, StorageError> {
        let head = self.s3.inner.head(&self.full_key).await?;
        if is_replaced(self.word.as_ref(), &head) {
            return Err(StorageError::Taken);
        }
        let wrong = match self.s3.inner.examine_encryption(head.sse.as_ref()) {
            Ok(()) if head.length == self.sent => return Ok(head.length),
            Ok(()) => {
                StorageError::other(format!("the store has {} of the {} bytes that were sent", head.length, self.sent))
            }
            Err(error) => error,
        };
        if let Err(error) = self.s3.remove(&self.full_key).await {
            tracing::warn!("{} was stored wrongly, and cannot be removed: {error}", self.full_key);
        }
        Err(wrong)
    }

    /// Removes what was sent.
    async fn give_up(&mut self) -> Result<(), StorageError> {
        settle(&mut self.sending).await;
        let Some(upload_id) = self.upload_id.take() else { return Ok(()) };
        abort(&self.s3, &self.full_key, &upload_id).await
    }
}

#[async_trait]
impl Upload for PartUpload {
    fn expect(&mut self, expected: Expected) {
        if self.sent == 0 && self.s3.inner.part_sizes.is_none() {
            self.sizes = PartSizes::for_expected(expected);
            if let Some(rate) = expected.bytes_per_second {
                self.s3.inner.pace.told(rate);
            }
            (self.length, self.spooled) = self.sizes.first();
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::other("the upload has already failed".to_owned()));
        }
        let taken = self.take(bytes).await;
        self.failed = taken.is_err();
        taken
    }

    async fn complete(mut self: Box<Self>) -> Result<u64, StorageError> {
        if self.failed {
            self.give_up().await?;
            return Err(StorageError::other("the upload has already failed".to_owned()));
        }
        let finished = self.finish().await;
        if finished.is_err()
            && let Err(error) = self.give_up().await
        {
            tracing::warn!("cannot abort the upload of {}: {error}", self.full_key);
        }
        finished
    }

    async fn abort(mut self: Box<Self>) -> Result<(), StorageError> {
        self.give_up().await
    }
}

impl Drop for PartUpload {
    fn drop(&mut self) {
        // Neither completed nor aborted: the best that can be done without waiting.
        let Some(upload_id) = self.upload_id.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (s3, full_key, mut sending) =
            (self.s3.clone(), mem::take(&mut self.full_key), mem::take(&mut self.sending));
        runtime.spawn(async move {
            settle(&mut sending).await;
            if let Err(error) = abort(&s3, &full_key, &upload_id).await {
                tracing::warn!("cannot abort the upload of {full_key}: {error}");
            }
        });
    }
}

/// Whether the upload that made the object is known, and another than ours: it is not ours to remove.
fn is_replaced(word: Option<&String>, head: &Head) -> bool {
    word.zip(head.upload.as_ref()).is_some_and(|(ours, found)| ours != found)
}

/// Waits for the parts in flight: a store that is still writing one when the upload is aborted may keep it for ever. But not for
/// long: an upload is given up for a reason.
async fn settle(sending: &mut JoinSet<Result<Sent, StorageError>>) {
    let all = async { while sending.join_next().await.is_some() {} };
    if timeout(SETTLING, all).await.is_err() {
        sending.shutdown().await;
    }
}

pub(super) async fn abort(s3: &S3, full_key: &str, upload_id: &str) -> Result<(), StorageError> {
    let inner = &s3.inner;
    let send = || {
        let request = inner.client.abort_multipart_upload().bucket(&inner.site.bucket);
        request.key(full_key).upload_id(upload_id).send()
    };
    let aborted = inner.ask(Purpose::Cleaning, &mut Trouble::default(), send).await;
    match aborted.map_err(|error| inner.explain(Op::AbortUpload, full_key, error)) {
        // It is no more.
        Ok(_) | Err(StorageError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}
