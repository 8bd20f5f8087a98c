//! Holds a backup against its manifest: plain functions over what was read, findings out.

mod manifest;
mod oddities;

use crate::census::Census;
use crate::explain::Status;
use crate::figures::{count, counted};
use crate::finding::{Finding, Severity};
use crate::rdb::oddity::fate;
use crate::rdb::{Fate, Needs, Oddities, OddityKind, RdbError, ValueType};
use crate::repository::manifest::{
    CensusSummary, FINDINGS_KEPT, Manifest, Place, Shard, StructureFinding, StructureState,
};

pub(crate) use manifest::{Told, census, census_object, contents, shard};
pub use oddities::{needs, oddities};
pub(crate) use oddities::{needs_in_words, needs_shown};

/// What was read of one shard's object. `None`: that level did not look.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Bytes of the object in the store.
    pub stored_bytes: Option<u64>,
    /// SHA-256 of what is stored, hex.
    pub stored_sha256: Option<String>,
    /// Independent compressed frames in the object.
    pub frames: Option<u64>,
    /// Bytes of the RDB.
    pub raw_bytes: Option<u64>,
    /// SHA-256 of the RDB, hex.
    pub raw_sha256: Option<String>,
    /// CRC64 at the end of the file; the inner `None`: it holds none.
    pub crc64: Option<Option<String>>,
}

/// Compares one object with what its manifest says of it.
pub fn object(shard: &Shard, observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differs = |id: &str, title: &str, expected: String, found: String| {
        findings.push(
            Finding::new(Severity::Critical, id, title)
                .evidence("object", shard.object.clone())
                .evidence("expected", expected)
                .evidence("found", found),
        );
    };
    if let Some(length) = observed.stored_bytes.filter(|length| *length != shard.stored_bytes) {
        let (has, told) = (counted(length, "byte"), count(shard.stored_bytes));
        let title = format!("{} has {has}; the manifest says {told}", shard.object);
        differs("wrong_length", &title, shard.stored_bytes.to_string(), length.to_string());
    }
    if let Some(digest) = observed.stored_sha256.as_ref().filter(|digest| **digest != shard.stored_sha256) {
        differs("checksum_mismatch", "the object's SHA-256 differs", shard.stored_sha256.clone(), digest.clone());
    }
    if let Some(length) = observed.raw_bytes.filter(|length| *length != shard.raw_bytes) {
        differs("wrong_length", "the RDB's length differs", shard.raw_bytes.to_string(), length.to_string());
    }
    // Of an encrypted backup the manifest says nothing that a guess could be held against.
    if let Some(digest) = observed.raw_sha256.as_ref().filter(|digest| shard.is_told() && **digest != shard.raw_sha256)
    {
        differs("checksum_mismatch", "the RDB's SHA-256 differs", shard.raw_sha256.clone(), digest.clone());
    }
    if let Some(frames) = observed.frames.filter(|frames| *frames != shard.frames) {
        differs(
            "wrong_frames",
            "the number of compressed frames differs",
            shard.frames.to_string(),
            frames.to_string(),
        );
    }
    if let Some(crc) = observed.crc64.as_ref().filter(|crc| shard.is_told() && **crc != shard.crc64) {
        let words = |crc: &Option<String>| crc.clone().unwrap_or_else(|| "none".to_owned());
        differs("checksum_mismatch", "the RDB's CRC64 differs", words(&shard.crc64), words(crc));
    }
    findings
}

/// What is worth a warning although nothing is damaged.
pub fn cautions(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    for shard in manifest.shards.iter().filter(|shard| shard.is_told() && shard.crc64.is_none()) {
        findings.push(checksum_absent().evidence("object", shard.object.clone()));
    }
    if manifest.structure.state == StructureState::NotUnderstood {
        findings.push(not_understood(manifest.structure.understood_up_to));
    }
    findings.extend(functions_differ(manifest));
    findings
}

/// The shards of a cluster did not have the same function libraries, though every primary ought to have all of them.
pub fn functions_differ(manifest: &Manifest) -> Option<Finding> {
    let all = manifest.census.as_ref()?.functions;
    let of_shards = manifest.shards.iter().filter_map(|shard| Some(shard.census.as_ref()?.functions));
    let differ = of_shards.filter(|own| *own != all).count();
    (differ > 0).then(|| {
        Finding::new(Severity::Warning, "functions_differ", "the shards do not have the same function libraries")
            .why("a function call works only on the nodes that have the library; a restore loads every library on every node, and of several codes of one name the first shard's")
            .evidence("libraries", all)
            .fix("load every library on every primary (`redis-cli --cluster call HOST:PORT FUNCTION LOAD REPLACE …`), and take another backup")
    })
}

/// What the source holds and the backup does not.
pub fn lacks(manifest: &Manifest) -> Vec<Finding> {
    let finding = |why: &String| {
        Finding::new(Severity::Warning, "not_in_backup", "the backup does not hold everything that its source held")
            .why(why.clone())
            .fix("take another backup with a user that may read everything: `redis-ops backup --plan` names the missing permissions")
    };
    manifest.lacks.iter().map(finding).collect()
}

/// The source computes no checksum, so that damage before it reached us cannot be seen.
pub fn checksum_absent() -> Finding {
    Finding::new(Severity::Warning, "checksum_absent", "the RDB has no CRC64")
        .why("the server computes no checksum (`rdbchecksum no`): damage on the server cannot be detected; the SHA-256 in the manifest protects the data from the capture on")
        .fix("set `rdbchecksum yes` in the server's configuration, restart it, and take another backup")
}

/// The manifest names no object: nothing was checked, and nothing can be restored.
pub fn nothing_to_check() -> Finding {
    Finding::new(Severity::Warning, "could_not_tell", "the manifest lists no shards, so nothing was checked")
        .why("a backup without an object holds no data: a restore refuses it")
        .fix("verify and restore another backup; `redis-ops list` shows them")
}

/// What is wrong with the structure of a captured RDB, for its manifest: what a server that has what the file needs refuses or dies of.
/// `broken`: where it could not be read on. The worst first.
pub fn structure(oddities: &Oddities, needs: &Needs, broken: Option<&RdbError>) -> Vec<StructureFinding> {
    let mut findings: Vec<(Fate, StructureFinding)> = Vec::new();
    if let Some(error) = broken {
        let place = Place { offset: error.offset, database: None, key: None, announced: None, found: None };
        let finding = StructureFinding {
            id: error.code().to_owned(),
            title: error.to_string(),
            why: "the CRC64 is correct, so the server wrote the RDB like this; the rest could not be checked"
                .to_owned(),
            count: 1,
            shard: 0,
            places: vec![place],
        };
        findings.push((Fate::Dies, finding));
    }
    findings.extend(
        of_oddities(oddities, needs)
            .filter(|(_, worst, _)| *worst >= Fate::Refuses)
            .map(|(_, worst, finding)| (worst, finding)),
    );
    findings.sort_by_key(|(worst, _)| std::cmp::Reverse(*worst));
    findings.into_iter().map(|(_, finding)| finding).take(FINDINGS_KEPT).collect()
}

/// Streams whose length is wrong, where every server takes them: no finding, but `XLEN` is not to be trusted.
pub fn wrong_lengths(oddities: &Oddities, needs: &Needs) -> Vec<StructureFinding> {
    let taken = |kind, worst| is_about_length(kind) && worst < Fate::Refuses;
    of_oddities(oddities, needs).filter(|(kind, worst, _)| taken(*kind, *worst)).map(|(.., finding)| finding).collect()
}

/// Each kind of oddity as a finding, with the worst that a server does that has what is needed.
fn of_oddities(oddities: &Oddities, needs: &Needs) -> impl Iterator<Item = (OddityKind, Fate, StructureFinding)> {
    oddities.iter().map(move |(kind, value_type, seen)| {
        let (worst, why) = fates(kind, value_type, needs);
        let places = seen.first.iter().map(|named| {
            // Only a stream tells its own length beside its elements.
            let counts = named.numbers.filter(|_| is_about_length(kind));
            Place {
                offset: named.offset,
                database: named.key.as_ref().map(|(database, _)| *database),
                // Of a key that comes again a part of the hash is known, and not the name.
                key: named.key.as_ref().filter(|_| kind != OddityKind::DuplicateKey).map(|(_, key)| readable(key)),
                announced: counts.map(|(announced, _)| announced),
                found: counts.map(|(_, found)| found),
            }
        });
        let title = seen.first.first().map_or(kind.words(), |named| named.what);
        let finding = StructureFinding {
            id: kind.code().to_owned(),
            title: title.to_owned(),
            why,
            count: seen.count,
            shard: 0,
            places: places.collect(),
        };
        (kind, worst, finding)
    })
}

fn is_about_length(kind: OddityKind) -> bool {
    matches!(kind, OddityKind::StreamLength | OddityKind::EmptyStreamLength)
}

/// The worst that a server with what is needed does, and all of it in words.
fn fates(kind: OddityKind, value_type: Option<ValueType>, needs: &Needs) -> (Fate, String) {
    let mut by_fate = std::collections::BTreeMap::<Fate, Vec<String>>::new();
    for server in needs.servers() {
        by_fate.entry(fate(kind, value_type, &server)).or_default().push(server.name().to_owned());
    }
    let worst = by_fate.keys().next_back().copied().unwrap_or(Fate::Unknown);
    let words = by_fate.iter().rev().map(|(fate, servers)| {
        let (names, is_one) = (servers.join(", "), servers.len() == 1);
        match (fate, is_one) {
            (Fate::Dies, true) => format!("{names} crashes on it"),
            (Fate::Dies, false) => format!("{names} crash on it"),
            (Fate::Refuses, true) => format!("{names} refuses it"),
            (Fate::Refuses, false) => format!("{names} refuse it"),
            (Fate::Takes, true) => format!("{names} takes it"),
            (Fate::Takes, false) => format!("{names} take it"),
            (Fate::Unknown, _) => format!("{names}: not known"),
        }
    });
    (worst, words.collect::<Vec<_>>().join("; "))
}

/// The name of a key as text: escaped where it is none.
fn readable(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => key.escape_ascii().to_string(),
    }
}

/// What a manifest says of its backup's structure: known since it was taken, whatever is looked at now.
pub fn known(manifest: &Manifest) -> Vec<Finding> {
    if manifest.is_sound() {
        return Vec::new();
    }
    if manifest.findings.is_empty() {
        return vec![Finding::new(Severity::Critical, "structure_findings", "the structure has findings")];
    }
    manifest.findings.iter().map(as_finding).collect()
}

/// As verify says it.
pub fn as_finding(known: &StructureFinding) -> Finding {
    let mut finding = Finding::new(Severity::Critical, known.id.clone(), known.title.clone())
        .evidence("count", known.count)
        .why(known.why.clone());
    if let Some(place) = known.places.first() {
        finding = finding.evidence("offset", place.offset).evidence("offset_in", "rdb");
        for (name, value) in [("announced", place.announced), ("found", place.found), ("database", place.database)] {
            if let Some(value) = value {
                finding = finding.evidence(name, value);
            }
        }
        if let Some(key) = &place.key {
            finding = finding.evidence("key", key.clone());
        }
    }
    finding
}

/// The RDB is newer than we know.
pub fn not_understood(up_to: u64) -> Finding {
    Finding::new(
        Severity::Warning,
        "structure_not_understood",
        "the RDB is newer than this version of redis-ops supports",
    )
    .evidence("understood_up_to", up_to)
    .why("its bytes are complete, but its contents were not checked")
    .fix("verify it with a newer redis-ops, or load it into a server of its own version")
}

/// The census as it stands in a manifest. Where the rest of it is stored is not filled in.
pub fn summarize(census: &Census) -> CensusSummary {
    use crate::repository::manifest::DatabaseCount;
    let mut by_database: std::collections::BTreeMap<String, DatabaseCount> = census
        .by_database
        .iter()
        .map(|(index, total)| (index.to_string(), DatabaseCount { keys: total.keys, expires: total.expires }))
        .collect();
    let other = census.other_databases;
    if other.keys > 0 {
        by_database.insert("other".to_owned(), DatabaseCount { keys: other.keys, expires: other.expires });
    }
    let mut by_type = std::collections::BTreeMap::new();
    let mut bytes_by_type = std::collections::BTreeMap::new();
    for (key_type, total) in &census.by_type {
        by_type.insert(key_type.to_string(), total.keys);
        bytes_by_type.insert(key_type.to_string(), total.bytes);
    }
    if census.other_types.keys > 0 {
        by_type.insert("other".to_owned(), census.other_types.keys);
        bytes_by_type.insert("other".to_owned(), census.other_types.bytes);
    }
    CensusSummary {
        keys: census.keys,
        expires: census.expires,
        by_database,
        by_type,
        bytes_by_type,
        functions: census.functions.count(),
        digest: census.digest_hex(),
        digest_version: crate::census::DIGEST_VERSION,
        object: None,
        sha256: None,
    }
}

/// The answer that findings amount to: damage is no, what was not understood is "could not tell".
pub fn status(findings: &[Finding]) -> Status {
    findings
        .iter()
        .map(|finding| match (finding.severity, finding.id.as_str()) {
            (_, "structure_not_understood" | "could_not_tell")
            // Newer than known; a version that never was is damage.
            | (Severity::Warning, "unsupported_rdb_version") => Status::Unknown,
            (Severity::Info, _) => Status::Ok,
            (Severity::Warning, _) => Status::Warning,
            (Severity::Critical, _) => Status::Failed,
        })
        .fold(Status::Ok, Status::and)
}
