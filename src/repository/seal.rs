//! How a manifest is written: JSON that ends with its own SHA-256.
//!
//! The file is the indented JSON of the manifest with one more field at its end, `sha256`: the digest of all the bytes before the
//! last 83 of the file, which are that field and the closing brace. So anybody can check it:
//!
//! ```text
//! head -c -83 manifest.json | sha256sum
//! ```

use serde::Deserialize;
use serde::de::value::StrDeserializer;

use super::manifest::{Consistency, Encryption, FORMAT_VERSION, MANIFEST_LIMIT, Manifest, Purpose, StructureState};
use crate::codec::Sha256Digest;
use crate::explain::{Explain, Hint, Meaning, Status};

const BEFORE: &str = ",\n  \"sha256\": \"";
const AFTER: &str = "\"\n}\n";
const DIGEST: usize = 64;
const TAIL: usize = BEFORE.len() + DIGEST + AFTER.len();

/// Why a manifest cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text is no JSON at all, or cut off.
    #[error("the manifest is not JSON: {0}")]
    NotJson(String),
    /// A newer program wrote it.
    #[error("the manifest has format {0}; this version of redis-ops supports formats up to {FORMAT_VERSION}")]
    NewerFormat(u64),
    /// The manifest was changed since it was written.
    #[error("the manifest's own checksum is missing or wrong: it was changed after it was written")]
    ChecksumMismatch,
    /// The text is JSON, but not that of a manifest.
    #[error("cannot parse the manifest: {0}")]
    Malformed(String),
    /// A field holds a word of a newer program.
    #[error("the manifest says `{field}: {word}`, which this version of redis-ops does not know: a newer one wrote it")]
    UnknownWord {
        /// Which field, `structure.state`.
        field: &'static str,
        /// What stands there, escaped.
        word: String,
    },
    /// The manifest describes another backup than the one it lies with.
    #[error("the manifest belongs to {0}, not to the backup in whose folder it is")]
    Misplaced(String),
    /// The manifest has this many bytes, more than [`MANIFEST_LIMIT`].
    #[error("the manifest has {0} bytes; at most {MANIFEST_LIMIT} are allowed")]
    TooLong(u64),
}

impl ManifestError {
    /// Whether a newer program wrote it: it may well be good.
    pub fn is_of_newer(&self) -> bool {
        matches!(self, Self::NewerFormat(_) | Self::UnknownWord { .. })
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NewerFormat(_) | Self::UnknownWord { .. } => "unsupported_format",
            Self::ChecksumMismatch => "checksum_mismatch",
            _ => "corrupt",
        }
    }
}

impl Explain for ManifestError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        match self {
            Self::NewerFormat(_) | Self::UnknownWord { .. } => meaning.hint("use the newer redis-ops that wrote it"),
            // Whoever asks about a backup has the answer: it is damaged.
            Self::NotJson(_) | Self::ChecksumMismatch | Self::Malformed(_) | Self::Misplaced(_) | Self::TooLong(_) => {
                Meaning { status: Some(Status::Failed), ..meaning.hint(Hint::ListBackups) }
            }
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

    /// What tells the backup from any other, of the same id as well: a digest of all that its manifest says.
    pub fn identity(&self) -> String {
        Sha256Digest::of(&serde_json::to_vec(self).unwrap_or_default())
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
        // A newer format may be sealed in another way: nothing else of it is judged.
        let Format { format_version } = parse(bytes)?;
        if format_version > u64::from(FORMAT_VERSION) {
            return Err(ManifestError::NewerFormat(format_version));
        }
        if !is_sealed(bytes) {
            return Err(ManifestError::ChecksumMismatch);
        }
        words_are_known(bytes)?;
        let manifest: Self = parse(bytes)?;
        manifest.must_be_readable()?;
        Ok(manifest)
    }

    /// A backup that says of itself what would be wrong to pass over is refused by that word.
    fn must_be_readable(&self) -> Result<(), ManifestError> {
        let words = [
            ("type", self.kind.newer()),
            ("compression", self.compression.newer()),
            ("encryption", self.encryption.as_ref().and_then(Encryption::newer)),
        ];
        match words.into_iter().find_map(|(field, word)| Some((field, word?))) {
            Some((field, word)) => Err(unknown(field, word)),
            // Who reads format 1 knows of no tails, and would restore another moment.
            None if self.format_version < 2 && self.shards.iter().any(|shard| shard.tail.is_some()) => {
                Err(unknown("shards[].tail", "present"))
            }
            None => Ok(()),
        }
    }
}

fn unknown(field: &'static str, word: &str) -> ManifestError {
    ManifestError::UnknownWord { field, word: word.escape_debug().take(64).collect() }
}

/// Never by way of a tree of JSON values: that of a hostile manifest would be many times as large as its text.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ManifestError> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ManifestError::Malformed(error.to_string()),
        _ => ManifestError::NotJson(error.to_string()),
    })
}

/// A backup that says of itself what we do not understand is refused by that word.
fn words_are_known(bytes: &[u8]) -> Result<(), ManifestError> {
    #[derive(Deserialize)]
    struct Words {
        purpose: String,
        consistency: String,
        structure: Structure,
    }
    #[derive(Deserialize)]
    struct Structure {
        state: String,
    }
    let words: Words = parse(bytes)?;
    is_known::<Purpose>("purpose", &words.purpose)?;
    is_known::<Consistency>("consistency", &words.consistency)?;
    is_known::<StructureState>("structure.state", &words.structure.state)
}

fn is_known<'a, T: Deserialize<'a>>(field: &'static str, word: &'a str) -> Result<(), ManifestError> {
    let known = T::deserialize(StrDeserializer::<serde::de::value::Error>::new(word));
    known.map(|_| ()).map_err(|_| unknown(field, word))
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
    use crate::repository::manifest::{CensusSummary, Moment, Shard};

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
        check(b"[]", "corrupt", "cannot parse");
        check(br#"{"format_version": 3, "anything": "else"}"#, "unsupported_format", "format 3");
        check(br#"{"format_version": 1}"#, "checksum_mismatch", "checksum");
        check(&vec![b' '; 5_000_000], "corrupt", "5000000 bytes");
    }

    #[test]
    fn a_field_that_a_later_version_adds_is_passed_over() {
        let manifest = example("redis-prod", "2024-01-01-01-00");
        let mut json = serde_json::to_value(&manifest).unwrap();
        json["added_later"] = serde_json::json!({"a": 1});
        assert_eq!(Manifest::decode(&seal(&json)).unwrap(), manifest);
    }

    // What a restore would get wrong, if it passed over it.
    #[test]
    fn a_word_of_a_newer_program_is_refused_by_name() {
        let manifest = example("redis-prod", "2024-01-01-01-00");
        let tail = serde_json::json!({"object": "tail-0", "from": 1, "to": 2, "raw_sha256": "00", "stored_bytes": 1, "stored_sha256": "00", "commands": 1});
        for (pointer, word, says) in [
            ("/type", serde_json::json!("aof"), "`type: aof`"),
            ("/compression", serde_json::json!("brotli"), "`compression: brotli`"),
            ("/encryption", serde_json::json!("gpg"), "`encryption: gpg`"),
            ("/purpose", serde_json::json!("legal"), "`purpose: legal`"),
            ("/consistency", serde_json::json!("eventual"), "`consistency: eventual`"),
            ("/structure/state", serde_json::json!("guessed"), "`structure.state: guessed`"),
            ("/shards/0/tail", tail, "`shards[].tail: present`"),
        ] {
            let mut json = serde_json::to_value(&manifest).unwrap();
            match pointer.strip_prefix("/shards/0/") {
                Some(field) => json["shards"][0][field] = word,
                None => *json.pointer_mut(pointer).unwrap() = word,
            }
            check(&seal(&json), "unsupported_format", says);
        }
        // What is only shown is shown as it stands.
        let mut json = serde_json::to_value(&manifest).unwrap();
        json["server"]["mode"] = "mesh".into();
        assert_eq!(Manifest::decode(&seal(&json)).unwrap().server.mode.as_str(), "mesh");
    }

    #[test]
    fn a_manifest_of_a_thousand_shards_is_not_too_long() {
        let one = example("redis-prod", "2024-01-01-01-00");
        let databases = (0..16).map(|number| (number.to_string(), Default::default())).collect();
        let types = ["string", "list", "set", "zset", "hash", "stream", "module:ReJSON-RL", "vectorset"];
        let types: std::collections::BTreeMap<String, u64> =
            types.into_iter().map(|name| (name.to_owned(), u64::MAX)).collect();
        let census = CensusSummary {
            keys: u64::MAX,
            expires: u64::MAX,
            by_database: databases,
            by_type: types.clone(),
            bytes_by_type: types,
            functions: 99,
            digest: "0".repeat(32),
            digest_version: 1,
            object: Some("census-1000-0123456789abcdef.bin".to_owned()),
            sha256: Some("0".repeat(64)),
        };
        let now = one.created_at;
        let shard = Shard {
            slots: Some("0-5460,10000-10010,16000-16383".to_owned()),
            node: "redis-prod-replica-1.eu-west-1.internal.example:6379".to_owned(),
            moment: Some(Moment { from: now, to: now }),
            consistency: Some(Consistency::PointInTime),
            structure: Some(one.structure),
            census: Some(census.clone()),
            ..one.shards[0].clone()
        };
        let shards = (0..1000).map(|index| Shard { index, ..shard.clone() }).collect();
        let many = Manifest { shards, census: Some(census), moment: shard.moment, ..one };
        let bytes = many.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), many);
    }

    fn seal(json: &serde_json::Value) -> Vec<u8> {
        let text = serde_json::to_string_pretty(json).unwrap();
        let body = text.strip_suffix("\n}").unwrap();
        format!("{body}{BEFORE}{}{AFTER}", Sha256Digest::of(body.as_bytes())).into_bytes()
    }

    #[test]
    fn a_word_that_a_later_version_adds_is_refused_by_name() {
        for (pointer, field) in
            [("/purpose", "purpose"), ("/consistency", "consistency"), ("/structure/state", "structure.state")]
        {
            let mut json = serde_json::to_value(example("redis-prod", "2024-01-01-01-00")).unwrap();
            *json.pointer_mut(pointer).unwrap() = "quantum".into();
            check(&seal(&json), "unsupported_format", &format!("`{field}: quantum`"));
        }
    }

    #[test]
    fn the_words_of_the_contract_are_known() {
        for (pointer, words) in [
            ("/purpose", &["scheduled", "manual", "safety", "adopted", "point_in_time"][..]),
            ("/consistency", &["point_in_time", "barrier", "point_in_time_per_shard", "fuzzy"]),
            ("/structure/state", &["verified", "findings", "not_understood"]),
        ] {
            for word in words {
                let mut json = serde_json::to_value(example("redis-prod", "2024-01-01-01-00")).unwrap();
                *json.pointer_mut(pointer).unwrap() = (*word).into();
                let read = Manifest::decode(&seal(&json)).unwrap();
                assert_eq!(serde_json::to_value(read).unwrap().pointer(pointer).unwrap(), word);
            }
        }
    }

    #[test]
    fn a_manifest_without_the_newer_fields_says_that_it_does_not_know() {
        let old = example("redis-prod", "2024-01-01-01-00");
        assert_eq!((old.findings.len(), &old.needs, &old.module_aux, old.stale), (0, &None, &None, false));
    }

    #[test]
    fn one_that_is_too_long_is_not_written() {
        let mut manifest = example("redis-prod", "2024-01-01-01-00");
        manifest.labels.insert("long".into(), "x".repeat(5_000_000));
        assert!(matches!(manifest.encode(), Err(ManifestError::TooLong(_))));
    }
}
