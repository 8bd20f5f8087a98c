//! Writing an object in one request, only if there is none.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass;
use bytes::Bytes;
use tokio::time::sleep;

use super::errors::{self, Op};
use super::kept::{self, Said};
use super::pace::Trouble;
use super::{CONFLICT_PAUSE, CONFLICTS, S3, StorageError, crc32, read};

/// Says which checksum comes along: stores with object lock want to be told.
pub(super) const ALGORITHM: (&str, &str) = ("x-amz-sdk-checksum-algorithm", "CRC32");

impl S3 {
    /// [`StorageError::AlreadyExists`] if there is an object of that name, where the store keeps conditions. One whose writing was answered
    /// and not heard is read back: if each of its bytes is ours, it is done, and otherwise [`StorageError::Taken`].
    pub(super) async fn put(
        &self,
        full_key: &str,
        body: Bytes,
        class: Option<StorageClass>,
    ) -> Result<(), StorageError> {
        match self.put_once(full_key, body.clone(), class, true).await {
            // A store may refuse and hang up while the body is still on its way: then its answer is never seen.
            Err(error @ StorageError::Unavailable(_)) => self.ours_or(full_key, &body, error).await,
            put => put,
        }
    }

    /// Puts an object without looking up a lost answer: `AlreadyExists` only where the store says so. `only_new`: if there is none of that
    /// name.
    pub(super) async fn put_once(
        &self,
        full_key: &str,
        body: Bytes,
        class: Option<StorageClass>,
        only_new: bool,
    ) -> Result<(), StorageError> {
        let inner = &self.inner;
        let (mut conflicts, mut trouble, mut sent) = (0, Trouble::default(), 0);
        loop {
            // What lies there damaged is ours.
            let conditional = only_new && sent == 0 && !inner.refuses_conditions.load(Ordering::Relaxed);
            let send = |with_checksum: bool| {
                let request = inner
                    .client
                    .put_object()
                    .bucket(&inner.site.bucket)
                    .key(full_key)
                    .set_if_none_match(conditional.then(|| "*".to_owned()))
                    .set_checksum_crc32(with_checksum.then(|| crc32(&body)))
                    .set_server_side_encryption(inner.sse.clone())
                    .set_ssekms_key_id(inner.kms_key.clone())
                    .set_storage_class(class.clone())
                    .body(ByteStream::from(body.clone()));
                async move {
                    let request = request.customize();
                    match with_checksum {
                        true => request
                            .mutate_request(|request| drop(request.headers_mut().insert(ALGORITHM.0, ALGORITHM.1))),
                        false => request,
                    }
                    .send()
                    .await
                }
            };
            let error = match inner.ask_with_checksum(&mut trouble, send).await {
                Ok(put) if self.is_damaged(full_key, &body, &put).await? => {
                    sent += 1;
                    if sent < kept::TRIES {
                        tracing::warn!("{full_key} was damaged on the way to the store, and is sent again");
                        continue;
                    }
                    if only_new && let Err(error) = self.remove(full_key).await {
                        tracing::warn!("{full_key} is damaged in the store, and cannot be removed: {error}");
                    }
                    return Err(kept::damaged(full_key));
                }
                Ok(put) => return self.examine(full_key, &body, &put, only_new).await,
                Err(error) => error,
            };
            if errors::is_conflict(&error) {
                conflicts += 1;
                if conflicts > CONFLICTS {
                    return self.ours_or(full_key, &body, StorageError::AlreadyExists).await;
                }
                sleep(CONFLICT_PAUSE).await;
            } else if conditional && errors::is_not_implemented(&error) {
                inner.refuses_conditions.store(true, Ordering::Relaxed);
            } else {
                let error = inner.explain(Op::Put, full_key, error);
                // The answer to an earlier try of ours may have got lost.
                if trouble.came() && only_new && !matches!(error, StorageError::Unavailable(_)) {
                    return self.ours_or(full_key, &body, error).await;
                }
                return Err(error);
            }
        }
    }

    /// Whether the store holds something else than it was sent. A store whose ETags nobody knows yet is asked for the object once.
    async fn is_damaged(&self, full_key: &str, body: &Bytes, put: &PutObjectOutput) -> Result<bool, StorageError> {
        let e_tags = &self.inner.e_tags;
        let said = e_tags.say(&kept::digest(body), put.e_tag(), put.server_side_encryption());
        if said != Said::Unclear {
            return Ok(said == Said::Other);
        }
        match self.is_kept(full_key, body).await {
            Ok(true) => e_tags.say_nothing(),
            Ok(false) => return Ok(true),
            // Who may write and not read learns nothing here.
            Err(error) => tracing::debug!("{full_key} could not be read back: {error}"),
        }
        Ok(false)
    }

    /// Whether what lies there is what we have written: then the answer to a try of ours got lost.
    async fn ours_or(&self, full_key: &str, body: &Bytes, error: StorageError) -> Result<(), StorageError> {
        match read::whole(&self.inner, full_key.to_owned(), body.len() as u64).await {
            Ok(found) if found == *body => Ok(()),
            Ok(_) | Err(StorageError::TooLarge { .. }) => Err(StorageError::Taken),
            Err(_) => Err(error),
        }
    }

    /// Believes an answer that is one of a store, and says that the encryption was done.
    /// An object that is new, and lies there without, is removed.
    async fn examine(
        &self,
        full_key: &str,
        body: &Bytes,
        put: &PutObjectOutput,
        is_new: bool,
    ) -> Result<(), StorageError> {
        let inner = &self.inner;
        let has_encryption = inner.examine_encryption(put.server_side_encryption.as_ref());
        if put.e_tag.is_some() && has_encryption.is_ok() {
            return Ok(());
        }
        // Every store that is known names the new object's ETag. Some name the encryption only when they are asked for the object.
        let head = inner.head(full_key).await?;
        if head.length != body.len() as u64 {
            return Err(errors::no_store(&inner.site, "what was written is not there"));
        }
        let has_encryption = inner.examine_encryption(head.sse.as_ref());
        if has_encryption.is_err()
            && is_new
            && let Err(error) = self.remove(full_key).await
        {
            tracing::warn!("{full_key} is in the store without encryption, and cannot be removed: {error}");
        }
        has_encryption
    }
}
