//! The names of things: `<instance>/<id>/begun.json`, `dump.rdb.gz`, `census.bin`, `manifest.json`, `receipts/…`, `pins/…`.

use chrono::{DateTime, Utc};

use super::{BackupId, RepositoryError};
use crate::encryption::EXTENSION;

/// Reserves the id; the first object of a backup.
pub(super) const BEGUN: &str = "begun.json";
/// Its presence is the backup; the last object.
pub const MANIFEST: &str = "manifest.json";
/// What is too long for the manifest.
pub const CENSUS: &str = "census.bin";
/// Begins the name of a sign of life.
const HEARTBEAT: &str = "heartbeat-";
/// What was learned later.
pub(super) const RECEIPTS: &str = "receipts/";
/// Begins the name of a mark that somebody reads the backup.
const READING: &str = "reading-";
/// Begins the name of a mark of a reader that nobody resumes: a verification, a restore into a file.
const READING_ONCE: &str = "reading-once-";
/// Begins the name of a mark that somebody removes the backup.
const REMOVING: &str = "removing-";
/// What was decided later.
pub(super) const PINS: &str = "pins/";

/// An instance's name is a folder's: it may be so long, bytes.
const LONGEST_INSTANCE: usize = 128;

/// Refuses a name that cannot be a folder everywhere.
pub fn check_instance(name: &str) -> Result<(), RepositoryError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if begins_well && name.len() <= LONGEST_INSTANCE && name.chars().all(good) {
        return Ok(());
    }
    Err(RepositoryError::InvalidName(name.escape_debug().to_string()))
}

/// A good name made of any text, such as `host:port` of an instance that was given by URL: what may not be in a name becomes
/// a hyphen. Two texts may become the same name.
pub fn instance_name(text: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(good).take(LONGEST_INSTANCE).collect();
    let name = name.trim_start_matches(['-', '.']);
    if name.is_empty() { "redis".to_owned() } else { name.to_owned() }
}

/// The folder of one backup, with a slash at its end.
pub(super) fn folder(instance: &str, id: BackupId) -> String {
    format!("{instance}/{id}/")
}

/// The key of an object of a backup. `name` may come from a manifest: it must not lead elsewhere.
pub(super) fn object_key(instance: &str, id: BackupId, name: &str) -> Result<String, RepositoryError> {
    check_instance(instance)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let reserved = [BEGUN, MANIFEST].contains(&name);
    if name.is_empty() || name.starts_with('.') || name.len() > LONGEST_INSTANCE || !name.chars().all(good) || reserved
    {
        return Err(RepositoryError::InvalidName(name.escape_debug().to_string()));
    }
    Ok(folder(instance, id) + name)
}

/// The name of a draft's heartbeat: its last change is the last sign of life.
pub(super) fn heartbeat(token: &str) -> String {
    format!("{HEARTBEAT}{token}.json")
}

/// Whether a name is that of a heartbeat.
pub(super) fn is_heartbeat(name: &str) -> bool {
    heartbeat_of(name).is_some()
}

/// The token in the name of a heartbeat.
pub(super) fn heartbeat_of(name: &str) -> Option<&str> {
    name.strip_prefix(HEARTBEAT)?.strip_suffix(".json")
}

/// The name of the mark that a reader leaves.
pub(super) fn reading(token: &str, is_resumable: bool) -> String {
    let begins = if is_resumable { READING } else { READING_ONCE };
    format!("{RECEIPTS}{begins}{token}.json")
}

/// Whether a name is the mark of a reader that can be resumed once it was killed.
pub(super) fn is_resumable(name: &str) -> bool {
    is_reading(name) && !name.strip_prefix(RECEIPTS).is_some_and(|name| name.starts_with(READING_ONCE))
}

/// Whether a name is that of something that was learned of a backup, or of a mark.
pub(super) fn is_receipt(name: &str) -> bool {
    name.strip_prefix(RECEIPTS).is_some_and(|note| !note.contains('/') && note.ends_with(".json"))
}

/// The name of the mark that a removal leaves.
pub(super) fn removing(token: &str) -> String {
    format!("{RECEIPTS}{REMOVING}{token}.json")
}

/// Whether a name is the mark of a removal.
pub(super) fn is_removing(name: &str) -> bool {
    name.strip_prefix(RECEIPTS).is_some_and(|name| name.starts_with(REMOVING))
}

/// Whether a name is that of a reader's mark.
pub(super) fn is_reading(name: &str) -> bool {
    name.strip_prefix(RECEIPTS).is_some_and(|name| name.starts_with(READING))
}

/// The name of the pin that an object is.
pub(super) fn pin_of(name: &str) -> Option<&str> {
    name.strip_prefix(PINS)?.strip_suffix(".json")
}

/// Whether the name of an object carries a draft's token: then it is that draft's, and nobody else writes it.
pub(super) fn carries(key: &str, token: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    !token.is_empty() && name.split(['-', '.']).any(|part| part == token)
}

/// Whether a name is one that a writer gives to the objects of a backup: `dump.rdb.gz`, `census.bin`, `shard-0001.rdb`.
pub(super) fn is_usual(name: &str) -> bool {
    let Some((stem, extension)) = name.split_once('.') else { return false };
    let numbered = |kind: &str| stem.strip_prefix(kind).is_some_and(|number| number.parse::<u32>().is_ok());
    let is_dump = (stem == "dump" || numbered("shard-")) && extension.starts_with("rdb");
    is_dump || (stem == "census" && is_census(name)) || numbered("tail-")
}

/// Whether a name is that of a census, with a token or without.
pub(super) fn is_census(name: &str) -> bool {
    let plain = name.strip_suffix(EXTENSION).unwrap_or(name);
    plain.starts_with("census") && plain.ends_with(".bin")
}

/// Whether a name is given by us alone, whatever a manifest says: what reserves, publishes, marks and tells.
pub(super) fn is_known(name: &str) -> bool {
    let is_note =
        |kind: &str| name.strip_prefix(kind).is_some_and(|note| !note.contains('/') && note.ends_with(".json"));
    [BEGUN, MANIFEST].contains(&name) || is_heartbeat(name) || is_note(RECEIPTS) || is_note(PINS)
}

/// The name of a receipt: `receipts/verify-2024-01-01T01:00:00.000Z.json` with hyphens for the colons, so that names sort by
/// time.
pub(super) fn receipt_name(kind: &str, time: DateTime<Utc>) -> String {
    let time = crate::times::text(time).replace(':', "-");
    format!("{RECEIPTS}{kind}-{time}.json")
}

/// The time in the name of a receipt.
pub(super) fn receipt_time(kind: &str, name: &str) -> Option<DateTime<Utc>> {
    let time = name.strip_prefix(RECEIPTS)?.strip_prefix(kind)?.strip_prefix('-')?.strip_suffix(".json")?;
    let (date, clock) = time.split_once('T')?;
    format!("{date}T{}", clock.replace('-', ":")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_folders_are_refused() {
        for name in ["redis-prod", "10.0.0.1-6379", "A_b.c", "_x", "7"] {
            assert!(check_instance(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".x", "-x", "a/b", "a b", "a:1", "ü", &"a".repeat(129)] {
            assert!(check_instance(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn any_text_becomes_a_name() {
        for (text, name) in [
            ("10.0.0.1:6379", "10.0.0.1-6379"),
            ("[::1]:6379", "1--6379"),
            ("/run/redis.sock", "run-redis.sock"),
            ("..", "redis"),
        ] {
            assert_eq!(instance_name(text), name);
            assert!(check_instance(&instance_name(text)).is_ok());
        }
    }

    #[test]
    fn the_objects_of_a_backup_are_known_by_their_names_encrypted_or_not() {
        for name in ["dump.rdb.gz", "dump.rdb.zst.age", "shard-0001.rdb.age", "census.bin", "census.bin.age"] {
            assert!(is_usual(name), "{name}");
        }
        assert!(is_census("census-0123.bin.age") && is_census("census.bin") && !is_census("dump.rdb.age"));
        for name in ["dump.txt", "census.age", "notes.bin.age"] {
            assert!(!is_usual(name), "{name}");
        }
    }

    #[test]
    fn a_name_from_a_manifest_leads_nowhere_else() {
        let id = "2024-01-01-01-00".parse().unwrap();
        assert_eq!(object_key("a", id, "dump.rdb.gz").unwrap(), "a/2024-01-01-01-00/dump.rdb.gz");
        for name in ["", "..", "../b/dump.rdb", "/etc/passwd", "manifest.json", "begun.json", ".x"] {
            assert!(object_key("a", id, name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_time_of_a_receipt_is_in_its_name() {
        let time: DateTime<Utc> = "2024-01-01T01:02:03.004Z".parse().unwrap();
        let name = receipt_name("verify", time);
        assert_eq!(name, "receipts/verify-2024-01-01T01-02-03.004Z.json");
        assert_eq!(receipt_time("verify", &name), Some(time));
        assert_eq!(receipt_time("verify", "receipts/restore-2024-01-01T01-02-03.004Z.json"), None);
    }
}
