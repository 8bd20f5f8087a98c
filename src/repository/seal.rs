//! How a manifest is written: JSON that ends with its own SHA-256.
//!
//! The file is the indented JSON of the manifest with one more field at its end, `sha256`: the digest of all the bytes before the
//! last 83 of the file, which are that field and the closing brace. So anybody can check it:
//!
//! ```text
//! head -c -83 manifest.json | sha256sum
//! ```

use serde::Deserialize;

use super::manifest::{FORMAT_VERSION, MANIFEST_LIMIT, Manifest};
use crate::codec::Sha256Digest;

const BEFORE: &str = ",\n  \"sha256\": \"";
const AFTER: &str = "\"\n}\n";
const DIGEST: usize = 64;
const TAIL: usize = BEFORE.len() + DIGEST + AFTER.len();

/// Why a manifest cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON at all, or cut off.
    #[error("the manifest is not JSON: {0}")]
    NotJson(String),
    /// A newer program wrote it.
    #[error("the manifest has format {0}, and this program knows formats up to {FORMAT_VERSION}")]
    NewerFormat(u64),
    /// It was changed since it was written.
    #[error("the manifest's own checksum is missing or wrong: it was changed after it was written")]
    ChecksumMismatch,
    /// It is JSON, but not that of a manifest.
    #[error("the manifest cannot be understood: {0}")]
    Malformed(String),
    /// It describes another backup than the one it lies with.
    #[error("the manifest is that of {0}, not of the backup it lies with")]
    Misplaced(String),
    /// It has this many bytes, more than [`MANIFEST_LIMIT`].
    #[error("the manifest has {0} bytes, more than the {MANIFEST_LIMIT} it may have")]
    TooLong(u64),
}

impl ManifestError {
    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NewerFormat(_) => "unsupported_format",
            Self::ChecksumMismatch => "checksum_mismatch",
            _ => "corrupt",
        }
    }
}

impl Manifest {
    /// The bytes of `manifest.json`.
    ///
    /// # Errors
    /// [`ManifestError::TooLong`] if there are more than [`MANIFEST_LIMIT`].
    pub fn encode(&self) -> Result<Vec<u8>, ManifestError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        let body = text.strip_suffix("\n}").ok_or_else(|| ManifestError::Malformed("no fields".to_owned()))?;
        let sealed = format!("{body}{BEFORE}{}{AFTER}", Sha256Digest::of(body.as_bytes()));
        match sealed.len() as u64 {
            length if length > MANIFEST_LIMIT => Err(ManifestError::TooLong(length)),
            _ => Ok(sealed.into_bytes()),
        }
    }

    /// Reads what [`Manifest::encode`] has written. Fields it does not know are passed over, but count for the digest.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format_version: u64,
        }
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(ManifestError::TooLong(bytes.len() as u64));
        }
        let json: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| ManifestError::NotJson(error.to_string()))?;
        let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
        // A newer format may be sealed in another way: nothing else of it is judged.
        let Format { format_version } = Format::deserialize(&json).map_err(malformed)?;
        if format_version > u64::from(FORMAT_VERSION) {
            return Err(ManifestError::NewerFormat(format_version));
        }
        if !is_sealed(bytes) {
            return Err(ManifestError::ChecksumMismatch);
        }
        serde_json::from_value(json).map_err(malformed)
    }
}

fn is_sealed(bytes: &[u8]) -> bool {
    let Some((body, tail)) = bytes.len().checked_sub(TAIL).map(|at| bytes.split_at(at)) else { return false };
    let digest = tail.strip_prefix(BEFORE.as_bytes()).and_then(|tail| tail.strip_suffix(AFTER.as_bytes()));
    digest == Some(Sha256Digest::of(body).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::example;

    #[test]
    fn what_was_written_is_read_back() {
        let manifest = example("redis-prod", "2024-01-01-01-00");
        let bytes = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
    }

    // Computed here from the description above, not by the code under test.
    #[test]
    fn the_digest_is_that_of_all_but_the_last_83_bytes() {
        use sha2::{Digest, Sha256};
        let bytes = example("redis-prod", "2024-01-01-01-00").encode().unwrap();
        let (body, tail) = bytes.split_at(bytes.len() - 83);
        let expected = format!(",\n  \"sha256\": \"{}\"\n}}\n", hex::encode(Sha256::digest(body)));
        assert_eq!(std::str::from_utf8(tail).unwrap(), expected);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = example("redis-prod", "2024-01-01-01-00").encode().unwrap();
        for at in 0..bytes.len() {
            for bit in [0, 5] {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(Manifest::decode(&changed).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], code: &str, says: &str) {
        let error = Manifest::decode(bytes).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn each_fault_has_its_own_name() {
        check(b"", "corrupt", "not JSON");
        check(b"<html>", "corrupt", "not JSON");
        check(b"{}", "corrupt", "format_version");
        check(b"[]", "corrupt", "cannot be understood");
        check(br#"{"format_version": 2, "anything": "else"}"#, "unsupported_format", "format 2");
        check(br#"{"format_version": 1}"#, "checksum_mismatch", "checksum");
        check(&vec![b' '; 70_000], "corrupt", "70000 bytes");
    }

    #[test]
    fn a_field_that_a_later_version_adds_is_passed_over() {
        let manifest = example("redis-prod", "2024-01-01-01-00");
        let mut json = serde_json::to_value(&manifest).unwrap();
        json["added_later"] = serde_json::json!({"a": 1});
        let text = serde_json::to_string_pretty(&json).unwrap();
        let body = text.strip_suffix("\n}").unwrap();
        let sealed = format!("{body}{BEFORE}{}{AFTER}", Sha256Digest::of(body.as_bytes()));
        assert_eq!(Manifest::decode(sealed.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn one_that_is_too_long_is_not_written() {
        let mut manifest = example("redis-prod", "2024-01-01-01-00");
        manifest.labels.insert("long".into(), "x".repeat(70_000));
        assert!(matches!(manifest.encode(), Err(ManifestError::TooLong(_))));
    }
}
