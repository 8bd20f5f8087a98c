//! The plan of a restore to a file or a folder, which no server is asked for.

use super::{Line, Plan, contents, expiries};
use crate::figures::bytes;
use crate::restore::facts::BackupFacts;

/// The stable name of the line about what servers may not take.
pub(super) const FINDINGS: &str = "findings";

/// What would be written; in words, `place`: what is known of where it goes, and `expired`: what becomes of keys whose time has passed.
pub fn to_disk(backup: &BackupFacts, place: String, expired: Option<String>) -> Plan {
    let mut lines = vec![Line::ok("place", place)];
    lines
        .extend(backup.raw_bytes.map(|length| Line::ok("room", format!("{} are needed, and are free", bytes(length)))));
    lines.extend(contents::part_or_old(backup));
    lines.extend(contents::trailing(backup));
    // The file is the backup as it is: nothing to warn of.
    lines.extend(expired.map(|text| Line::ok(expiries::EXPIRED, text)));
    if backup.rdb_version > backup.dialect().newest_known() {
        let text =
            "RDB version {} is newer than this version of redis-ops supports: only a server that writes it can load it";
        lines.push(Line::warning(contents::UNKNOWN_VERSION, text.replace("{}", &backup.rdb_version.to_string())));
    }
    if backup.has_findings {
        let text = "the structure of the backup has findings: a server that loads the file may refuse it or crash";
        lines.push(Line::warning(FINDINGS, text));
    }
    let text = "the whole backup is read and verified before any file gets its name";
    lines.push(Line::ok("verified_first", text));
    Plan {
        lines,
        method: None,
        why: "the RDB is written unchanged, and no server is needed".to_owned(),
        methods: Vec::new(),
    }
}
