//! Tells whether an object is ours: it lies where our upload was to become one, and the answer to the last request got lost.
//!
//! An upload says at its beginning, in the object's own metadata, a word that nobody else knows. Where a store keeps no metadata, the
//! ETag tells: that of an object in parts is the MD5 of the MD5s of its parts, as S3 and most stores make it. Where neither is there,
//! only the length can be compared.

use aws_sdk_s3::types::CompletedPart;
use md5::{Digest as _, Md5};

use super::Head;

/// The metadata's name, `x-amz-meta-redis-ops-upload` on the wire.
pub(super) const UPLOAD: &str = "redis-ops-upload";

/// What an upload has written.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) length: u64,
    /// The word in its metadata.
    pub(super) word: Option<String>,
    /// The ETag of its object, where the store makes ETags as S3 does.
    pub(super) e_tag: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    /// The object is another's.
    Others,
    /// The object has our length, and nothing else can be compared.
    Unproven,
}

impl Written {
    pub(super) fn whose(&self, head: &Head) -> Whose {
        if head.length != self.length {
            return Whose::Others;
        }
        if let (Some(word), Some(found)) = (&self.word, &head.upload) {
            return if word == found { Whose::Ours } else { Whose::Others };
        }
        match (&self.e_tag, head.e_tag.as_deref().and_then(of_parts)) {
            (Some(e_tag), Some(found)) if count(e_tag) == count(&found) => {
                if *e_tag == found {
                    Whose::Ours
                } else {
                    Whose::Others
                }
            }
            _ => Whose::Unproven,
        }
    }
}

/// A word for one upload; `None` without randomness.
pub(super) fn word() -> Option<String> {
    let mut word = [0; 16];
    getrandom::fill(&mut word).ok().map(|()| hex::encode(word))
}

/// The ETag of an object of these parts, in their order; `None` where a part's is no MD5.
pub(super) fn e_tag(parts: &[CompletedPart]) -> Option<String> {
    let mut md5 = Md5::new();
    for part in parts {
        let e_tag = part.e_tag.as_deref()?.trim_matches('"');
        md5.update(hex::decode(e_tag).ok().filter(|bytes| bytes.len() == 16)?);
    }
    Some(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}

/// An ETag without its quotes, if it has the form of one of parts.
fn of_parts(e_tag: &str) -> Option<String> {
    let e_tag = e_tag.trim_matches('"');
    let (digest, count) = e_tag.split_once('-')?;
    let is_one = digest.len() == 32 && hex::decode(digest).is_ok() && count.parse::<u32>().is_ok();
    is_one.then(|| e_tag.to_lowercase())
}

fn count(e_tag: &str) -> Option<&str> {
    e_tag.split_once('-').map(|(_, count)| count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i32, e_tag: &str) -> CompletedPart {
        CompletedPart::builder().part_number(number).e_tag(e_tag).build()
    }

    fn head(length: u64, upload: Option<&str>, e_tag: &str) -> Head {
        Head {
            length,
            modified: None,
            sse: None,
            e_tag: Some(e_tag.to_owned()),
            upload: upload.map(str::to_owned),
            is_held: false,
        }
    }

    // The digests were made with md5sum: of `a`, of `b`, and of the sixteen bytes of both one after the other.
    const A: &str = "\"0cc175b9c0f1b6a831c399e269772661\"";
    const B: &str = "\"92eb5ffee6ae2fec3ad71c777531578f\"";
    const BOTH: &str = "\"96e024ba2074fe77e8e965ba43a704be-2\"";

    #[test]
    fn the_word_decides_then_the_etag_and_else_nothing() {
        let e_tag = e_tag(&[part(1, A), part(2, B)]);
        let written = Written { length: 7, word: Some("ours".into()), e_tag: e_tag.clone() };
        let both = format!("\"{}\"", e_tag.unwrap());
        let other = "\"ffffffffffffffffffffffffffffffff-2\"";
        for (length, upload, found, whose) in [
            (7, Some("ours"), other, Whose::Ours),
            (7, Some("theirs"), both.as_str(), Whose::Others),
            (8, Some("ours"), both.as_str(), Whose::Others),
            (7, None, both.as_str(), Whose::Ours),
            (7, None, other, Whose::Others),
            // Of another form: nobody says how it was made.
            (7, None, A, Whose::Unproven),
            (7, None, "\"abc\"", Whose::Unproven),
            (7, None, "\"ffffffffffffffffffffffffffffffff-3\"", Whose::Unproven),
        ] {
            assert_eq!(written.whose(&head(length, upload, found)), whose, "{length} {upload:?} {found}");
        }
    }

    #[test]
    fn the_etag_of_parts_is_made_as_s3_makes_it() {
        assert_eq!(e_tag(&[part(1, A), part(2, B)]).as_deref(), Some(BOTH.trim_matches('"')));
        assert_eq!(e_tag(&[part(1, "\"0\""), part(2, B)]), None);
    }
}
