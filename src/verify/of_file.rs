//! What is worth saying of a file that is whole.

use crate::capture::Inspected;
use crate::dataset::Around;
use crate::examination;
use crate::figures::counted;
use crate::finding::{Finding, Severity};
use crate::rdb::visit::Checksum;

/// Keys of a file among which the same one twice is looked for: this many take 101 MiB.
pub const COMPARED_KEYS: u64 = 8 << 20;

/// What follows the end of the RDB.
pub(super) fn trailing(inspected: &Inspected) -> Option<Finding> {
    (inspected.trailing_bytes > 0).then(|| {
        Finding::new(Severity::Warning, "trailing_bytes", "bytes follow the end of the RDB")
            .evidence("offset", inspected.raw_bytes)
            .evidence("offset_in", "rdb")
            .evidence("bytes", inspected.trailing_bytes)
            .why("servers ignore them; an older file may have been overwritten by a shorter one")
    })
}

/// Keys that were not compared with each other: those beyond the first `most`.
pub(super) fn not_sought(inspected: &Inspected, most: u64) -> Option<Finding> {
    (inspected.duplicates.unchecked > 0).then(|| {
        let title = format!("duplicate keys were not looked for beyond {}", counted(most, "key"));
        Finding::new(Severity::Info, "duplicates_not_sought", title).evidence("keys", inspected.duplicates.unchecked)
    })
}

/// What is odd around the RDB.
pub(super) fn of_container(around: &Around) -> Vec<Finding> {
    let mut findings = Vec::new();
    if around.is_aof_base {
        findings.push(
            Finding::new(Severity::Warning, "aof_base", "the file is the base of a multi-part append-only file")
                .why("later writes are only in the increments beside the file (`*.incr.aof`)")
                .fix("back up the server that writes it: `redis-ops backup -i redis://HOST:PORT`"),
        );
    }
    let padding = around.padding.bytes();
    if padding > 0 {
        findings.push(
            Finding::new(Severity::Warning, "zero_padding", "zero bytes follow the compressed data")
                .evidence("bytes", padding)
                .why("they are ignored, as `gzip -d` does; tapes and devices fill their last block with zeros"),
        );
    }
    findings
}

/// What is odd, and what servers do not forgive.
pub(super) fn of_file(inspected: &Inspected) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(error) = inspected.not_understood.filter(|_| inspected.is_version_known()) {
        findings.push(examination::not_understood(error.offset).evidence("error", error.to_string()));
    }
    if !inspected.is_version_known() {
        findings.push(
            Finding::new(
                Severity::Warning,
                "unsupported_rdb_version",
                "the RDB has a version that no known server writes",
            )
            .evidence("version", inspected.rdb_version)
            .evidence("newest_known", inspected.dialect.newest_known())
            .evidence("understood_up_to", inspected.structure.understood_up_to)
            .why("every known server refuses to load it")
            .fix("look at it with a newer redis-ops, or load it into the server that wrote it"),
        );
    }
    findings.extend(examination::oddities(&inspected.oddities, &inspected.needs));
    findings.extend(not_sought(inspected, COMPARED_KEYS));
    if inspected.crc64().is_none() && inspected.checksum != Checksum::NotInThisVersion {
        findings.push(examination::checksum_absent());
    }
    findings.extend(trailing(inspected));
    if let Some(offset) = inspected.first_empty_key {
        findings.push(
            Finding::new(Severity::Warning, "empty_key", "keys without elements")
                .evidence("offset", offset)
                .evidence("offset_in", "rdb")
                .evidence("keys", inspected.empty_keys)
                .why("servers from 6.2 on leave them out when they load the file"),
        );
    }
    if let Some(hint) = inspected.hint_mismatch {
        findings.push(
            Finding::new(Severity::Info, "hint_differs", "a database announces a different number of keys than it has")
                .evidence("database", hint.database)
                .evidence("announced", hint.announced.0)
                .evidence("found", hint.found.0),
        );
    }
    findings
}
