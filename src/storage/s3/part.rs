//! One part of a large object: filled in memory or in a file, then sent.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};

use super::errors::{Op, SdkFailure};
use super::kept::{self, Said};
use super::pace::Trouble;
use super::put::ALGORITHM;
use super::spool::Spool;
use super::{S3, StorageError, crc32};
use crate::blocking;

/// Up to here a buffer grows as it needs to, bytes; beyond, it gets room for a whole part at once.
const SMALL: usize = 512 << 10;

/// A part that the store has taken.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) part: CompletedPart,
    /// Its ETag is another MD5 than that of its bytes, and the store may make those of parts otherwise.
    pub(super) is_doubted: bool,
}

/// Where the bytes of a part wait until it is full.
pub(super) enum Part {
    Memory(BytesMut),
    Spool(Spool),
}

impl Default for Part {
    fn default() -> Self {
        Self::Memory(BytesMut::new())
    }
}

impl Part {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(buffer) => buffer.len() as u64,
            Self::Spool(spool) => spool.len(),
        }
    }

    /// Adds bytes to a part that is to be of this `length`; with a folder it goes into a file there.
    pub(super) async fn push(&mut self, bytes: Bytes, length: u64, spooled: Option<&Path>) -> Result<(), StorageError> {
        match (&mut *self, spooled) {
            (Self::Memory(buffer), Some(folder)) if buffer.is_empty() => {
                let mut spool = Spool::create(folder).await?;
                spool.write(bytes).await?;
                *self = Self::Spool(spool);
            }
            (Self::Memory(buffer), _) => {
                // A small object shall not cost the memory of a part; what outgrows this is most likely to fill one.
                if buffer.len() + bytes.len() > SMALL {
                    let length = usize::try_from(length).unwrap_or_default();
                    buffer.reserve(length.saturating_sub(buffer.len()));
                }
                buffer.extend_from_slice(&bytes);
            }
            (Self::Spool(spool), _) => spool.write(bytes).await?,
        }
        Ok(())
    }

    /// Sends the part. Its bytes, or its file, are kept until it is sent.
    pub(super) async fn send(
        self,
        s3: S3,
        full_key: String,
        upload_id: String,
        number: i32,
    ) -> Result<Sent, StorageError> {
        let inner = &s3.inner;
        let (memory, spool) = match self {
            Self::Memory(buffer) => (buffer.freeze(), None),
            Self::Spool(spool) => (Bytes::new(), Some(spool)),
        };
        let (checksum, digest) = match &spool {
            Some(spool) => (spool.crc32(), spool.md5()),
            None => {
                let (bytes, with_digest) = (memory.clone(), inner.part_e_tags.may_tell());
                blocking::run(move || (crc32(&bytes), with_digest.then(|| kept::digest(&bytes)))).await
            }
        };
        let send = async |with_checksum: bool| {
            let body = match &spool {
                Some(spool) => {
                    spool.body().await.map_err(|error| SdkFailure::construction_failure(error.to_string()))?
                }
                None => ByteStream::from(memory.clone()),
            };
            let request = inner
                .client
                .upload_part()
                .bucket(&inner.site.bucket)
                .key(&full_key)
                .upload_id(&upload_id)
                .part_number(number)
                .set_checksum_crc32(with_checksum.then(|| checksum.clone()))
                .body(body)
                .customize();
            match with_checksum {
                true => request.mutate_request(|request| drop(request.headers_mut().insert(ALGORITHM.0, ALGORITHM.1))),
                false => request,
            }
            .send()
            .await
        };
        for attempt in 0..kept::TRIES {
            let sent = inner.ask_with_checksum(&mut Trouble::default(), send).await;
            let sent = sent.map_err(|error| inner.explain(Op::UploadPart, &full_key, error))?;
            let said = digest.map_or(Said::Nothing, |digest| {
                inner.part_e_tags.say(&digest, sent.e_tag(), sent.server_side_encryption())
            });
            match said {
                Said::Other => {
                    tracing::warn!(
                        "part {number} of {full_key} was damaged on the way to the store, and is sent again"
                    );
                    continue;
                }
                // A store may have ETags of its own for parts. If it is the MD5 next time, the part was damaged.
                Said::Unclear if attempt == 0 && inner.part_e_tags.are_unknown() => continue,
                Said::Unclear => inner.part_e_tags.doubt(),
                Said::Same | Said::Nothing => {}
            }
            let is_doubted = said == Said::Unclear;
            // The checksum is named only if the store has taken note of it: one that has not may refuse to hear of it.
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build();
            return Ok(Sent { part, is_doubted });
        }
        Err(kept::damaged(&full_key))
    }
}
