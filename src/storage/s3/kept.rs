//! Whether a store keeps what it was sent.
//!
//! S3 compares the checksum that comes along with a body. Many other stores keep whatever arrives, and say in the ETag what that was: the
//! MD5 of its bytes. Where a store makes ETags so (it has once, for bytes that were ours), one that is another MD5 tells of damage on the
//! way. The ETag of an object that is encrypted with a key of its own says nothing.

use std::sync::atomic::{AtomicU8, Ordering};

use aws_sdk_s3::types::ServerSideEncryption;
use md5::{Digest as _, Md5};

use super::errors;
use super::{S3, StorageError};

/// An object, or a part of one, is sent so often.
pub(super) const TRIES: u32 = 3;

const UNKNOWN: u8 = 0;
const MD5: u8 = 1;
const NOTHING: u8 = 2;
/// One was twice another MD5 than that of the bytes.
const DOUBTED: u8 = 3;

/// What is known of a store's ETags.
#[derive(Debug)]
pub(super) struct ETags(AtomicU8);

/// What an ETag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The store keeps these bytes.
    Same,
    /// The store keeps other bytes.
    Other,
    /// It may be the MD5 of other bytes, or something else: nobody knows yet how this store makes them.
    Unclear,
    /// It says nothing of the bytes.
    Nothing,
}

impl ETags {
    /// `compares`: the store compares checksums itself.
    pub(super) fn new(compares: bool) -> Self {
        Self(AtomicU8::new(if compares { NOTHING } else { UNKNOWN }))
    }

    /// Whether they may say something.
    pub(super) fn may_tell(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NOTHING
    }

    /// The ETag of bytes that were sent twice was another MD5 both times: damage, or ETags of another kind. The next that is right tells.
    pub(super) fn doubt(&self) {
        let _ = self.0.compare_exchange(UNKNOWN, DOUBTED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether nobody has sent bytes twice yet to learn how they are made.
    pub(super) fn are_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNKNOWN
    }

    /// Whether one has been the MD5 of bytes that were ours.
    pub(super) fn are_of_bytes(&self) -> bool {
        self.0.load(Ordering::Relaxed) == MD5
    }

    /// The store keeps the bytes, and has said another MD5 of them: its ETags are something else.
    pub(super) fn say_nothing(&self) {
        self.0.store(NOTHING, Ordering::Relaxed);
    }

    /// What the ETag of bytes with this digest says; `encryption`: as the store has answered.
    pub(super) fn say(
        &self,
        digest: &[u8; 16],
        e_tag: Option<&str>,
        encryption: Option<&ServerSideEncryption>,
    ) -> Said {
        let has_own_key = encryption.is_some_and(|encryption| *encryption != ServerSideEncryption::Aes256);
        let said = e_tag.and_then(|e_tag| hex::decode(e_tag.trim_matches('"')).ok()).filter(|said| said.len() == 16);
        let Some(said) = said.filter(|_| !has_own_key && self.may_tell()) else { return Said::Nothing };
        if said == digest {
            self.0.store(MD5, Ordering::Relaxed);
            return Said::Same;
        }
        if self.0.load(Ordering::Relaxed) == MD5 { Said::Other } else { Said::Unclear }
    }
}

/// The MD5 of some bytes.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

impl S3 {
    /// Whether what lies there now is what was sent, read back; for small objects, where the ETag is unclear.
    pub(super) async fn is_kept(&self, full_key: &str, body: &bytes::Bytes) -> Result<bool, StorageError> {
        match super::read::whole(&self.inner, full_key.to_owned(), body.len() as u64).await {
            Ok(found) => Ok(found == *body),
            Err(StorageError::TooLarge { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The error after the last try.
pub(super) fn damaged(key: &str) -> StorageError {
    StorageError::other(errors::damaged(key, "the store holds other bytes than it was sent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_tells_of_damage_once_it_has_been_the_md5_of_our_bytes() {
        let (ours, theirs) = (digest(b"a"), digest(b"b"));
        // The digests were made with md5sum.
        let (a, b) = ("\"0cc175b9c0f1b6a831c399e269772661\"", "\"92eb5ffee6ae2fec3ad71c777531578f\"");
        let e_tags = ETags::new(false);
        assert_eq!(e_tags.say(&ours, Some(b), None), Said::Unclear);
        assert_eq!(e_tags.say(&ours, Some(a), Some(&ServerSideEncryption::Aes256)), Said::Same);
        assert_eq!(e_tags.say(&ours, Some(b), None), Said::Other);
        assert_eq!(e_tags.say(&theirs, Some(b), None), Said::Same);
        // No MD5, none at all, or that of what a key of its own has made of the bytes.
        for (e_tag, encryption) in [
            (Some("\"92eb5ffee6ae2fec3ad71c777531578f-1\""), None),
            (Some("\"abc\""), None),
            (None, None),
            (Some(b), Some(&ServerSideEncryption::AwsKms)),
        ] {
            assert_eq!(e_tags.say(&ours, e_tag, encryption), Said::Nothing, "{e_tag:?}");
        }
        e_tags.say_nothing();
        assert_eq!(e_tags.say(&ours, Some(b), None), Said::Nothing);
        assert_eq!(ETags::new(true).say(&ours, Some(b), None), Said::Nothing);
    }
}
