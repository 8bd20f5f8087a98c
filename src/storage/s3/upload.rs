//! Writing a large object: parts, several in flight, and one moment in which it becomes visible.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::errors::{is_conflict, is_not_implemented, is_unreadable, of_sdk};
use super::spool::Spool;
use super::{CONFLICT_PAUSE, CONFLICTS, S3, StorageError, crc32};
use crate::storage::{PartSizes, Upload};

/// Up to here a buffer grows as it needs to, bytes; beyond, it gets room for a whole part at once.
const SMALL: usize = 512 << 10;

/// How long an abort waits for parts in flight.
const SETTLING: Duration = Duration::from_secs(5);

/// A large object on its way. What is shorter than one part is written in one request.
pub(super) struct PartUpload {
    s3: S3,
    full_key: String,
    /// Once the first part is full.
    upload_id: Option<String>,
    part: Part,
    /// Number of the part that is being filled, from 1.
    number: usize,
    length: u64,
    spooled: bool,
    sent: u64,
    sending: JoinSet<Result<CompletedPart, StorageError>>,
    done: Vec<CompletedPart>,
    failed: bool,
}

enum Part {
    Memory(BytesMut),
    Spool(Spool),
}

impl PartUpload {
    pub(super) fn new(s3: S3, full_key: String) -> Self {
        let (length, spooled) = s3.inner.part_sizes.part(1).unwrap_or((8 << 20, false));
        Self {
            s3,
            full_key,
            upload_id: None,
            part: Part::Memory(BytesMut::new()),
            number: 1,
            length,
            spooled,
            sent: 0,
            sending: JoinSet::new(),
            done: Vec::new(),
            failed: false,
        }
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.length - self.part.len()).unwrap_or(usize::MAX);
            let now = bytes.split_to(room.min(bytes.len()));
            self.sent += now.len() as u64;
            self.fill(now).await?;
            // A full part is kept until more comes: the last one may be short, but a store may refuse an empty one.
            if self.part.len() == self.length && !bytes.is_empty() {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn fill(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match &mut self.part {
            Part::Memory(buffer) if buffer.is_empty() && self.spooled => {
                let mut spool = Spool::create(&self.s3.inner.spool_dir).await?;
                spool.write(bytes).await?;
                self.part = Part::Spool(spool);
            }
            Part::Memory(buffer) => {
                // A small object shall not cost the memory of a part; what outgrows this is most likely to fill one.
                if buffer.len() + bytes.len() > SMALL {
                    let length = usize::try_from(self.length).unwrap_or_default();
                    buffer.reserve(length.saturating_sub(buffer.len()));
                }
                buffer.extend_from_slice(&bytes);
            }
            Part::Spool(spool) => spool.write(bytes).await?,
        }
        Ok(())
    }

    /// Sends the part that is being filled, and begins the next.
    async fn send_part(&mut self) -> Result<(), StorageError> {
        let upload_id = match &self.upload_id {
            Some(upload_id) => upload_id.clone(),
            None => self.upload_id.insert(self.create().await?).clone(),
        };
        while self.sending.len() >= PartSizes::in_flight(self.length, self.spooled) {
            self.wait().await?;
        }
        let part = mem::replace(&mut self.part, Part::Memory(BytesMut::new()));
        let number = i32::try_from(self.number).unwrap_or(i32::MAX);
        self.sending.spawn(send(self.s3.clone(), self.full_key.clone(), upload_id, number, part));
        self.number += 1;
        let next = self.s3.inner.part_sizes.part(self.number);
        (self.length, self.spooled) =
            next.ok_or_else(|| StorageError::Full("the object is longer than S3 allows".into()))?;
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), StorageError> {
        match self.sending.join_next().await {
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(error)) => return Err(StorageError::other(error.to_string())),
            None => {}
        }
        Ok(())
    }

    async fn create(&self) -> Result<String, StorageError> {
        let inner = &self.s3.inner;
        loop {
            let with_checksum = inner.sends_checksums();
            let request = inner
                .client
                .create_multipart_upload()
                .bucket(&inner.bucket)
                .key(&self.full_key)
                .set_checksum_algorithm(with_checksum.then_some(ChecksumAlgorithm::Crc32))
                .set_checksum_type(with_checksum.then_some(ChecksumType::Composite))
                .set_server_side_encryption(inner.sse.clone())
                .set_ssekms_key_id(inner.kms_key.clone())
                .set_storage_class(inner.storage_class.clone());
            match request.send().await {
                Ok(created) => {
                    let nameless = || StorageError::other("the store gives an upload no id".to_owned());
                    return created.upload_id.ok_or_else(nameless);
                }
                Err(error) if with_checksum && inner.gives_up_checksums(&error) => {}
                Err(error) => return Err(of_sdk(error, &inner.bucket)),
            }
        }
    }

    async fn finish(&mut self) -> Result<u64, StorageError> {
        if self.upload_id.is_none() && !matches!(self.part, Part::Spool(_)) {
            let Part::Memory(body) = mem::replace(&mut self.part, Part::Memory(BytesMut::new())) else {
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
            self.done.sort_by_key(|part| part.part_number);
            self.join_parts().await?;
        }
        self.look_back().await
    }

    async fn join_parts(&mut self) -> Result<(), StorageError> {
        let inner = &self.s3.inner;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone())).build();
        let mut conditional = !inner.refuses_conditions.load(Ordering::Relaxed);
        let mut conflicts = 0;
        loop {
            let request = inner
                .client
                .complete_multipart_upload()
                .bucket(&inner.bucket)
                .key(&self.full_key)
                .set_upload_id(self.upload_id.clone())
                .set_if_none_match(conditional.then(|| "*".to_owned()))
                .multipart_upload(parts.clone());
            let Err(error) = request.send().await else { break };
            if is_conflict(&error) && conflicts < CONFLICTS {
                conflicts += 1;
                sleep(CONFLICT_PAUSE).await;
            } else if conditional && is_not_implemented(&error) {
                conditional = false;
            } else {
                let unreadable = is_unreadable(&error);
                let error = of_sdk(error, &inner.bucket);
                // The answer to a first try may have got lost: then the upload is no more. Or the store answers "done" in a form
                // that is not S3's, as moto does. In both cases what it holds decides.
                let unclear = unreadable || matches!(error, StorageError::NotFound);
                if unclear && inner.head(&self.full_key).await.is_ok_and(|head| head.0 == self.sent) {
                    break;
                }
                return Err(error);
            }
        }
        self.upload_id = None;
        Ok(())
    }

    /// Believes the store only when it shows what it has: some answer "done" to what is not.
    async fn look_back(&mut self) -> Result<u64, StorageError> {
        let (length, _) = self.s3.inner.head(&self.full_key).await?;
        if length == self.sent {
            return Ok(length);
        }
        if let Err(error) = self.s3.remove(&self.full_key).await {
            tracing::warn!(%error, key = self.full_key, "cannot remove an object that has the wrong length");
        }
        Err(StorageError::other(format!("the store holds {length} bytes of the {} that were sent", self.sent)))
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
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::other("the upload has failed before".to_owned()));
        }
        let taken = self.take(bytes).await;
        self.failed = taken.is_err();
        taken
    }

    async fn complete(mut self: Box<Self>) -> Result<u64, StorageError> {
        if self.failed {
            self.give_up().await?;
            return Err(StorageError::other("the upload has failed before".to_owned()));
        }
        let finished = self.finish().await;
        if finished.is_err()
            && let Err(error) = self.give_up().await
        {
            tracing::warn!(%error, key = self.full_key, "cannot abort an upload");
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
                tracing::warn!(%error, key = full_key, "cannot abort an upload");
            }
        });
    }
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(buffer) => buffer.len() as u64,
            Self::Spool(spool) => spool.len(),
        }
    }
}

/// Waits for the parts in flight: a store that is still writing one when the upload is aborted may keep it for ever. But not for
/// long: whoever gives up has a reason.
async fn settle(sending: &mut JoinSet<Result<CompletedPart, StorageError>>) {
    let all = async { while sending.join_next().await.is_some() {} };
    if timeout(SETTLING, all).await.is_err() {
        sending.shutdown().await;
    }
}

pub(super) async fn abort(s3: &S3, full_key: &str, upload_id: &str) -> Result<(), StorageError> {
    let request = s3.inner.client.abort_multipart_upload().bucket(&s3.inner.bucket).key(full_key).upload_id(upload_id);
    match request.send().await.map_err(|error| of_sdk(error, &s3.inner.bucket)) {
        // It is no more.
        Ok(_) | Err(StorageError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sends one part. It owns the part's bytes, or its file, until it is sent.
async fn send(
    s3: S3,
    full_key: String,
    upload_id: String,
    number: i32,
    part: Part,
) -> Result<CompletedPart, StorageError> {
    let inner = &s3.inner;
    let (memory, spool) = match part {
        Part::Memory(buffer) => (buffer.freeze(), None),
        Part::Spool(spool) => (Bytes::new(), Some(spool)),
    };
    let checksum = match &spool {
        Some(spool) => spool.crc32(),
        None => crc32(&memory),
    };
    loop {
        let with_checksum = inner.sends_checksums();
        let body = match &spool {
            Some(spool) => spool.body().await?,
            None => ByteStream::from(memory.clone()),
        };
        let request = inner
            .client
            .upload_part()
            .bucket(&inner.bucket)
            .key(&full_key)
            .upload_id(&upload_id)
            .part_number(number)
            .set_checksum_crc32(with_checksum.then(|| checksum.clone()))
            .body(body);
        match request.send().await {
            Ok(sent) => {
                let completed = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
                // Named only if the store has taken note of it: one that has not may refuse to hear of it.
                return Ok(completed.set_checksum_crc32(sent.checksum_crc32).build());
            }
            Err(error) if with_checksum && inner.gives_up_checksums(&error) => {}
            Err(error) => return Err(of_sdk(error, &inner.bucket)),
        }
    }
}
