//! Whether it fits: memory, and the longest value.

use super::Line;
use crate::figures::bytes;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Existing, Options};
use crate::restore::target_format::{bulk_for, fits};

/// The string that is too long for every command, in words; `None`: there is none.
pub fn too_long(backup: &BackupFacts, target: &TargetFacts) -> Option<String> {
    let (length, _) = backup.survey.as_ref()?.longest_string.as_ref()?;
    let limit = target.longest_bulk();
    (!fits(*length, limit)).then(|| {
        format!(
            "the longest string has {}, and the target takes {} in one piece: no command can write it, only method `replica` and `--to-file` can",
            bytes(*length),
            bytes(limit)
        )
    })
}

/// Strings longer than the target takes in one piece. Collections go in parts. `fed`: the target loads the file itself, and takes
/// strings of any length.
pub fn longest_value(backup: &BackupFacts, target: &TargetFacts, fed: bool) -> Option<Line> {
    let (length, key) = backup.survey.as_ref()?.longest_string.as_ref()?;
    let Some(text) = too_long(backup, target) else {
        return Some(Line::ok("longest_value", format!("the longest string takes {} in the RDB", bytes(*length))));
    };
    if fed {
        let text = format!(
            "the longest string has {}: too long for a command, but the target loads it itself",
            bytes(*length)
        );
        return Some(Line::ok("longest_value", text));
    }
    let limit = target.longest_bulk();
    Some(
        Line::refused("value_too_large", text)
            .keys(std::slice::from_ref(key))
            .fix(format!("CONFIG SET proto-max-bulk-len {}", bulk_for(*length)))
            .fix(format!("CONFIG SET proto-max-bulk-len {limit}   # afterwards")),
    )
}

/// Memory that is needed, against the limit of the target and its host.
///
/// Under an eviction policy every RESTORE says OK while other keys vanish: so an evicting target that is too small is refused.
pub fn memory(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<Line> {
    let server = &target.server;
    let Some(needed) = needed(backup, target, options) else {
        return vec![Line::unknown(
            "memory",
            "could not tell how much memory the backup needs: the backup does not record it",
        )];
    };
    let some = if options.choices.selection.is_everything() { "" } else { "at most " };
    let about = format!("the backup needs {some}about {}", bytes(needed));
    let mut lines = Vec::new();
    if server.maxmemory == 0 {
        lines.push(Line::ok("memory", format!("{about}; the target has no limit of its own")));
    } else if needed <= server.maxmemory {
        lines.push(Line::ok("memory", format!("{about} of the target's {}", bytes(server.maxmemory))));
    } else {
        let policy = &server.maxmemory_policy;
        let then = if policy == "noeviction" { "refuse the remaining keys" } else { "evict other keys" };
        let limit = bytes(server.maxmemory);
        let text = format!("{about}, but the target's maxmemory is {limit}: the target would {then} (`{policy}`)");
        let line = if options.choices.selection.is_everything() || backup.survey.is_some() {
            Line::refused("target_too_small", text)
        } else {
            Line::warning("target_too_small", text)
        };
        lines.push(line.fix(format!("CONFIG SET maxmemory {}", in_mb(with_room(needed)))));
    }
    match (target.host_memory, target.host_free) {
        (Some(total), _) if needed > total => {
            lines.push(Line::refused("host_too_small", format!("{about}, and the target's host has {}", bytes(total))));
        }
        (_, Some(free)) if needed.saturating_sub(server.used_memory) > free => {
            lines.push(Line::warning("host_memory", format!("{about}, and {} are free on this host", bytes(free))));
        }
        (_, Some(_)) => {}
        (_, None) => {
            lines.push(Line::unknown("host_memory", "how much memory is free on the target's host is not known here"))
        }
    }
    lines
}

/// Bytes of memory that the target needs for the backup, with what it holds.
fn needed(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Option<u64> {
    let (data, used) = (data_bytes(backup)?, target.server.used_memory);
    // What is there is removed first, or may be what is overwritten.
    let is_removed = options.existing == Existing::ReplaceAll;
    let held = if is_removed || target.keys() == 0 { 0 } else { used };
    if let (Existing::Skip, Some(names)) = (options.existing, target.names_held) {
        // Keys that stay need no room twice.
        return Some(held + of_keys(backup, data, wanted(backup).saturating_sub(names)));
    }
    // What goes on has written some of what is there.
    let is_there = options.existing == Existing::Replace || options.resume;
    let overwritten = if is_there { held.min(data) } else { 0 };
    let overhead = if held == 0 { used.min(2 << 20) } else { 0 };
    Some(data + held - overwritten + overhead)
}

/// Keys that are wanted, as far as is known.
fn wanted(backup: &BackupFacts) -> u64 {
    backup.survey.as_ref().map_or(backup.keys.unwrap_or(0), |survey| survey.wanted)
}

/// What so many of the wanted keys take of so many bytes.
fn of_keys(backup: &BackupFacts, bytes: u64, keys: u64) -> u64 {
    let part = keys as f64 / wanted(backup).max(1) as f64;
    (bytes as f64 * part.min(1.0)) as u64
}

/// Whether keys that are skipped decide whether the backup fits: then it is counted how many names of the backup the target has.
pub fn names_decide(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> bool {
    if options.existing != Existing::Skip || options.resume || backup.only_once || target.keys() == 0 {
        return false;
    }
    let limits = [Some(target.server.maxmemory).filter(|limit| *limit > 0), target.host_memory];
    needed(backup, target, options).is_some_and(|all| limits.into_iter().flatten().any(|limit| all > limit))
}

/// `maxmemory` in bytes that is enough for the keys that are missing, where the target uses so many bytes now.
pub fn room_for_missing(backup: &BackupFacts, used: u64, missing: u64) -> Option<u64> {
    Some(with_room(used + of_keys(backup, data_bytes(backup)?, missing)))
}

/// `maxmemory` in bytes that is enough for the restore; `None`: the backup does not say how much memory it took.
pub fn room(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Option<u64> {
    needed(backup, target, options).map(with_room)
}

fn with_room(needed: u64) -> u64 {
    needed.next_multiple_of(1 << 20) * 11 / 10
}

/// A limit of memory as `CONFIG SET` takes it, and people read it.
pub fn in_mb(bytes: u64) -> String {
    format!("{}mb", bytes.div_ceil(1 << 20))
}

/// About so many bytes a key takes beside its value.
const BESIDE: u64 = 50;

/// Bytes of memory that the wanted part of the backup took where it came from.
fn data_bytes(backup: &BackupFacts) -> Option<u64> {
    let all = backup.used_memory?;
    let Some(survey) = &backup.survey else { return Some(all) };
    if survey.left_out + survey.expired == 0 || survey.keys == 0 {
        return Some(all);
    }
    let part =
        (survey.wanted_bytes + survey.wanted * BESIDE) as f64 / (survey.value_bytes + survey.keys * BESIDE) as f64;
    Some((all as f64 * part.min(1.0)) as u64)
}
