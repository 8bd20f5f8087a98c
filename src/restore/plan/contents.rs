//! What is in the backup, against what the target can take.

use std::collections::BTreeSet;

use super::{Level, Line, NOTHING_CHOSEN, OVER_SAME_NAMES};
use crate::census::Selection;
use crate::figures::{count, counted};
use crate::rdb::OddityKind;
use crate::rdb::types::Kind;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::functions::differing;
use crate::restore::module_types::{Has, survives_malformed};
use crate::restore::options::{Existing, Options};
use crate::restore::replay::assemble::name_of;
use crate::restore::target_format::{Loss, NEWEST_VECTOR_SETS, TargetFormat, version_numbers};

/// The stable name of the line about a format that is newer than we know.
pub(super) const UNKNOWN_VERSION: &str = "unsupported_rdb_version";

/// The backup's format against the target's.
pub fn format(backup: &BackupFacts, format: TargetFormat, options: &Options) -> Line {
    let own = |version: u32| if version >= 80 { format!("{version} (Valkey's)") } else { version.to_string() };
    let (from, into) = (own(backup.rdb_version), own(format.version()));
    let both = format!("RDB version {from}, and the target writes version {into}");
    if !backup.understood {
        let text = "the backup's structure is not understood to its end: only its bytes are known to be right";
        return Line::refused(UNKNOWN_VERSION, text);
    }
    // All of it was read, and may mean something else by that than what we know: nobody could prove what the target holds then.
    if backup.rdb_version > backup.dialect().newest_known() && !backup.only_once {
        let text = format!(
            "RDB version {} is newer than this version of redis-ops supports: what is restored of it cannot be proven",
            backup.rdb_version
        );
        let level = if options.proof { Level::Refused } else { Level::Warning };
        return Line::new(level, UNKNOWN_VERSION, text).flag("--no-proof");
    }
    if format.takes_all_of(backup.dialect(), backup.rdb_version) {
        return Line::ok("rdb_version", format!("{both}: every value is restored unchanged"));
    }
    match backup.survey.as_ref().map(|survey| survey.by_commands) {
        Some(0) => Line::ok("rdb_version", format!("{both}: every value of the backup is restored unchanged")),
        Some(n) => {
            let others = match backup.survey.as_ref().is_some_and(|survey| n < survey.wanted) {
                true => ", the others unchanged",
                false => "",
            };
            Line::ok("rdb_version", format!("{both}: {} by typed commands (SET, HSET, …){others}", counted(n, "key")))
        }
        None => Line::unknown(
            "rdb_version",
            format!("{both}: redis-ops finds out while reading the backup which values the target accepts unchanged"),
        ),
    }
}

/// The stable name of the line about what the source held and the backup does not.
pub(super) const NOT_IN_BACKUP: &str = "not_in_backup";

/// What the backup is not: all of its cluster, or of this day.
pub fn part_or_old(backup: &BackupFacts) -> Vec<Line> {
    let slots = backup.slots_of_part.as_ref().map(|slots| {
        Line::warning(
            "one_shard",
            format!("the backup is one shard of a cluster only (slots {slots}): keys of other slots are not in it"),
        )
    });
    let stale = backup.stale.then(|| {
        let text = "the backup was read from a replica that had lost its primary (`--stale`): its data may be old";
        Line::warning("stale", text)
    });
    let lacks = backup.lacks.iter().map(|what| Line::warning(NOT_IN_BACKUP, what.clone()));
    slots.into_iter().chain(stale).chain(lacks).collect()
}

/// What stands after the end of the RDB.
pub fn trailing(backup: &BackupFacts) -> Option<Line> {
    let bytes = counted(Some(backup.trailing_bytes).filter(|bytes| *bytes > 0)?, "byte");
    Some(Line::warning(
        "trailing_bytes",
        format!("{bytes} after the end of the RDB: no server reads them, and they are left out"),
    ))
}

/// Names of the lines about what is lost.
pub const LOSSES: &[&str] = &[
    "field_expiry_lost",
    "pending_entries_lost",
    "empty_entries_lost",
    "unsupported_type",
    "module_data_lost",
    "damaged_values",
    "scores_lost",
    "keys_twice",
];

/// What cannot be expressed on this target.
pub fn losses(backup: &BackupFacts, format: TargetFormat, options: &Options) -> Vec<Line> {
    let level = if options.accept_loss { Level::Warning } else { Level::Refused };
    let losses = backup.survey.iter().flat_map(|survey| survey.losses.iter().map(move |(loss, n)| (survey, loss, n)));
    let mut lines: Vec<Line> = losses
        .map(|(survey, loss, n)| {
            let code = match loss {
                Loss::FieldExpiry => "field_expiry_lost",
                Loss::PendingEntries => "pending_entries_lost",
                Loss::EmptyEntries => "empty_entries_lost",
                Loss::Type | Loss::Module | Loss::NotByCommands => "unsupported_type",
                Loss::Damaged => "damaged_values",
                Loss::Untrusted => "module_untrusted",
                Loss::Score => "scores_lost",
                Loss::Twice => "keys_twice",
            };
            let keys = survey.lost_keys.get(loss).map_or(&[][..], Vec::as_slice);
            Line::new(level, code, format!("{}: {}", counted(*n, "key"), loss.words())).flag("--accept-loss").keys(keys)
        })
        .collect();
    if let Some(n) = backup.survey.as_ref().map(|survey| survey.simpler_streams).filter(|n| *n > 0) {
        let text = format!(
            "{}: the target keeps their entries, groups and pending entries, but not the counters and times that its version does not have",
            counted(n, "stream")
        );
        lines.push(Line::warning("streams_simpler", text));
    }
    if let Some(survey) = backup.survey.as_ref().filter(|survey| survey.rebuilt > 0) {
        let kinds: Vec<&str> = survey.rebuilt_kinds.iter().map(|kind| kind.words()).collect();
        let text = format!(
            "{} in a form that servers refuse ({}): redis-ops rebuilds the values, and keeps the first of two equal members",
            counted(survey.rebuilt, "key"),
            kinds.join("; ")
        );
        lines.push(Line::warning("rebuilt", text).keys(&survey.rebuilt_keys));
    }
    // Without a look at each key: types that only newer servers have.
    if backup.survey.is_none() {
        let is_new =
            |name: &str| Kind::named(name).is_some_and(|kind| !kind.is_of(format.reads.dialect, format.version()));
        for (name, keys) in backup.by_type.iter().filter(|(name, _)| is_new(name)) {
            let text = format!("{} of type {name}: {}", counted(*keys, "key"), Loss::Type.words());
            lines.push(Line::new(level, "unsupported_type", text).flag("--accept-loss"));
        }
    }
    lines
}

/// Vector sets of the backup, if the target cannot take them.
pub(super) fn vector_sets_lost(backup: &BackupFacts, target: &TargetFacts) -> Option<u64> {
    // What a file of others says of itself may be wrong.
    let source = match backup.has_values_of_a_server() {
        true => backup.server.strip_prefix("redis ").map_or((0, 0, 0), version_numbers),
        false => NEWEST_VECTOR_SETS,
    };
    let keys = backup.restored_by_type().get("vectorset").copied()?;
    (!TargetFormat::of(&target.server).takes_vector_sets_of(source)).then_some(keys)
}

/// Modules whose values are in the backup.
pub fn modules(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<Line> {
    let level = if options.accept_loss { Level::Warning } else { Level::Refused };
    let mut lines = Vec::new();
    let server = &target.server;
    if let Some(keys) = vector_sets_lost(backup, target) {
        let names = backup.survey.as_ref().map_or(&[][..], |survey| &survey.vector_sets);
        let keys = counted(keys, "key");
        let text = if server.is_valkey() || server.version_numbers().0 < 8 {
            format!("{keys}: vector sets are part of Redis 8, and the target is {} {}", server.name, server.version)
        } else {
            format!(
                "{keys}: vector sets of {} can kill an older server, and the target is {}",
                backup.server, server.version
            )
        };
        lines.push(Line::new(level, "module_missing", text).flag("--accept-loss").keys(names));
    }
    let types = TargetFormat::of(server).module_types;
    let of = |wanted: Has| -> Vec<&str> {
        // With all modules of the source it has those that nobody knows, too.
        let has_all =
            !backup.source_modules.is_empty() && backup.source_modules.iter().all(|name| server.modules.contains(name));
        let found = |name: &str| if has_all { Has::Yes } else { types.has(name) };
        backup.modules().into_iter().filter(|name| found(name) == wanted).collect()
    };
    let has = match &server.modules[..] {
        [] => "the target has no module".to_owned(),
        modules => format!("the target has `{}`", modules.join("`, `")),
    };
    let missing = of(Has::No);
    if !missing.is_empty() {
        let keys = missing.iter().filter_map(|name| backup.restored_by_type().get(&format!("module:{name}"))).sum();
        let text = format!("{}: values of modules (types `{}`), and {has}", counted(keys, "key"), missing.join("`, `"));
        lines.push(Line::new(level, "module_missing", text).flag("--accept-loss"));
    }
    let is_risk =
        |name: &&str| !backup.has_values_of_a_server() && !survives_malformed(name) && !missing.contains(name);
    let risks: Vec<&str> = backup.modules().into_iter().filter(is_risk).collect();
    if !risks.is_empty() {
        let keys = risks.iter().filter_map(|name| backup.restored_by_type().get(&format!("module:{name}"))).sum();
        let text = format!("{} (types `{}`): {}", counted(keys, "key"), risks.join("`, `"), Loss::Untrusted.words());
        lines.push(Line::new(level, "module_untrusted", text).flag("--accept-loss"));
    }
    let unknown = of(Has::Unknown);
    if !unknown.is_empty() {
        let text = format!("values of modules are in the backup (types `{}`); {has}", unknown.join("`, `"));
        lines.push(Line::unknown("modules", text));
    }
    lines
}

/// Records of module data that belongs to no key, such as the definitions of search indexes: only a server that loads the whole file
/// gets them.
pub fn module_records(backup: &BackupFacts, options: &Options) -> u64 {
    if !options.choices.selection.is_everything() {
        return 0;
    }
    backup.survey.as_ref().map_or(0, |survey| survey.dangers.module_data.values().sum())
}

/// The line about them.
pub fn module_data(backup: &BackupFacts, options: &Options) -> Option<Line> {
    let records = module_records(backup, options);
    let names: Vec<&str> =
        backup.survey.iter().flat_map(|survey| survey.dangers.module_data.keys().map(String::as_str)).collect();
    let level = if options.accept_loss { Level::Warning } else { Level::Refused };
    (records > 0).then(|| {
        let text = format!(
            "{} that modules keep beside the keys (types `{}`), such as the definitions of search indexes: `RESTORE` and other commands cannot \
             write that, only `--method replica` restores it",
            counted(records, "record"),
            names.join("`, `")
        );
        Line::new(level, "module_data_lost", text).flag("--accept-loss")
    })
}

/// The stable name of the line about libraries that stay as they are in the target.
pub(super) const FUNCTIONS_STAY: &str = "functions_stay";

/// The stable name of the line about function libraries.
pub(super) const FUNCTIONS: &str = "functions";
/// The stable name of a refusal of the target to take one of them.
pub const FUNCTIONS_REFUSED: &str = "functions_refused";

/// The line about function libraries; `None`: the backup has none.
pub fn functions(backup: &BackupFacts, target: &TargetFacts, options: &Options, format: TargetFormat) -> Option<Line> {
    if backup.functions == 0 {
        return None;
    }
    let n = counted(backup.functions, "function library");
    if !options.choices.selection.is_everything() {
        return Some(Line::ok(FUNCTIONS, format!("{n} left out, because only some of the keys are restored")));
    }
    if !format.has_functions() {
        let level = if options.accept_loss { Level::Warning } else { Level::Refused };
        return Some(
            Line::new(level, "functions_lost", format!("{n} lost: the target does not support functions"))
                .flag("--accept-loss"),
        );
    }
    if let Some(line) = no_libraries(backup, options) {
        return Some(line);
    }
    let Some(there) = &target.functions else {
        return Some(Line::unknown(FUNCTIONS, format!("{n}; could not tell which the target has")));
    };
    if there.is_empty() || options.existing == Existing::ReplaceAll {
        return Some(Line::ok(FUNCTIONS, format!("{n} loaded first")));
    }
    let taken: Vec<&str> =
        backup.survey.iter().flat_map(|survey| survey.functions.intersection(there)).map(String::as_str).collect();
    let same = backup.survey.as_ref().map(|_| taken.len() as u64);
    Some(match (options.existing, same) {
        (_, Some(0)) => Line::ok(FUNCTIONS, format!("{n} loaded first; none of these names is taken")),
        (Existing::Replace, _) => {
            Line::warning(FUNCTIONS, format!("{n} loaded first; those of the same name are replaced"))
        }
        (Existing::Skip, Some(same)) if target.function_sources.is_some() || !options.resume => {
            skipped(backup, target, there, &n, same)
        }
        (Existing::Skip, _) => Line::ok(FUNCTIONS, format!("{n} loaded first; those of the same name stay")),
        _ if options.resume => Line::ok(FUNCTIONS, format!("{n} loaded first")),
        (_, Some(same)) => {
            let (library, are) = if same == 1 { ("library", "is") } else { ("libraries", "are") };
            let names = taken.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = if same > 3 { ", …" } else { "" };
            let text = format!("function {library} {names}{more} {are} in the backup and in the target");
            let line = Line::refused("functions_exist", text).flag(OVER_SAME_NAMES);
            // What an emptied target has left may be all that stands in the way.
            match taken[..] {
                [name] if target.keys() == 0 => line.fix(format!("FUNCTION DELETE {name}")),
                _ => line,
            }
        }
        (_, None) => Line::refused("functions_exist", format!("the backup has {n}, and the target has some already"))
            .flag(OVER_SAME_NAMES),
    })
}

/// Libraries whose names the target has, which stay there as they are: those with the same code are no difference.
fn skipped(backup: &BackupFacts, target: &TargetFacts, there: &BTreeSet<String>, n: &str, same: u64) -> Line {
    let Some(survey) = &backup.survey else {
        return Line::ok(FUNCTIONS, format!("{n} loaded first; those of the same name stay"));
    };
    let Some(known) = &target.function_sources else {
        let text = format!("the backup has {n}; {} of the same name stay as they are in the target", count(same));
        return Line::warning(FUNCTIONS_STAY, text);
    };
    let is_same = |name: &str| {
        let found = known.get(name.as_bytes());
        survey.sources.libraries.iter().any(|source| name_of(source) == name.as_bytes() && Some(source) == found)
    };
    let differ: Vec<String> = survey.functions.intersection(there).filter(|name| !is_same(name)).cloned().collect();
    if differ.is_empty() {
        let has = if same == 1 { "has 1 with the same code" } else { "has those of the same name with the same code" };
        return Line::ok(FUNCTIONS, format!("the backup has {n}; the target {has}"));
    }
    let (differ, stay) = (differing(differ.len() as u64, &differ), if differ.len() == 1 { "stays" } else { "stay" });
    Line::warning(FUNCTIONS_STAY, format!("{differ}; the target's {stay}"))
}

/// Libraries that no server loads, as far as can be told without compiling them.
fn no_libraries(backup: &BackupFacts, options: &Options) -> Option<Line> {
    let kinds = [
        OddityKind::FunctionHeader,
        OddityKind::DuplicateFunction,
        OddityKind::FunctionSyntax,
        OddityKind::FunctionNeverEnds,
    ];
    let oddities = &backup.survey.as_ref()?.dangers.oddities;
    let found: Vec<_> = oddities.iter().filter(|(kind, ..)| kinds.contains(kind)).collect();
    let (kind, _, _) = found.first()?;
    let n: u64 = found.iter().map(|(_, _, seen)| seen.count).sum();
    let level = if options.accept_loss { Level::Warning } else { Level::Refused };
    let text = format!("{} that no server loads: {}", counted(n, "function library"), kind.words());
    Some(Line::new(level, "functions_lost", text).flag("--accept-loss"))
}

/// A choice that no key meets: a word was mistyped, most likely, and what the target holds would be removed for nothing.
pub fn nothing_chosen(backup: &BackupFacts, options: &Options) -> Option<Line> {
    let choice = &options.choices.selection;
    if options.resume || choice.is_everything() {
        return None;
    }
    let (keys, none) = match &backup.survey {
        Some(survey) => (survey.keys, survey.left_out == survey.keys),
        // Which databases there are the manifest knows.
        None => (
            backup.keys.unwrap_or(0),
            !choice.databases.is_empty()
                && !backup.databases.is_empty()
                && choice.databases.iter().all(|number| !backup.databases.contains_key(number)),
        ),
    };
    (none && keys > 0).then(|| Line::refused(NOTHING_CHOSEN, chosen_none(keys, &options.choices.selection)))
}

/// That none of so many keys of a backup is what was chosen, as part of a sentence.
pub fn chosen_none(keys: u64, selection: &Selection) -> String {
    let typed = [
        ("--keys", !selection.keys.is_empty()),
        ("--exclude", !selection.exclude.is_empty()),
        ("--db", !selection.databases.is_empty()),
        ("--type", !selection.types.is_empty()),
    ];
    let typed: Vec<String> =
        typed.into_iter().filter(|(_, is_typed)| *is_typed).map(|(name, _)| format!("`{name}`")).collect();
    let what = if typed.is_empty() { "the choice".to_owned() } else { typed.join(" and ") };
    format!("the backup has {}, but none matches {what}", counted(keys, "key"))
}

/// Databases against what the target has.
pub fn databases(backup: &BackupFacts, target: &TargetFacts, options: &Options, fed: bool) -> Option<Line> {
    let highest = highest_database(backup, options)?;
    match (&target.selects, target.n_databases) {
        (_, Some(n)) if highest >= n => Some(out_of_range(highest, Some(n), "")),
        // A server that loads the file itself is not asked to select any.
        (Some(Err(_)), Some(_)) if fed => Some(Line::ok("databases", format!("the highest is {highest}"))),
        (Some(Err(reason)), None) if is_out_of_range(reason) => Some(out_of_range(highest, None, reason)),
        (Some(Err(reason)), _) => {
            let text =
                format!("keys go to database {highest}, but the target does not let redis-ops select it: {reason}");
            Some(Line::refused("database_not_selected", text))
        }
        (Some(Ok(())), _) | (None, Some(_)) => {
            let chosen = backup.survey.as_ref().filter(|_| !options.choices.selection.is_everything());
            let n = chosen.map_or(backup.databases.len(), |survey| survey.goes_to.len()) as u64;
            Some(Line::ok("databases", format!("{}, the highest is {highest}", counted(n, "database"))))
        }
        (None, None) if highest == 0 => None,
        (None, None) => {
            Some(Line::unknown("databases", format!("could not tell whether the target has a database {highest}")))
        }
    }
}

/// Whether the target has no database for keys that may be left out by choice: only reading the backup tells where those go that are not.
pub fn choice_decides_databases(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> bool {
    let is_open = !options.choices.selection.is_everything() && backup.survey.is_none() && !backup.only_once;
    let is_refused = |line: Line| line.level == Level::Refused;
    is_open && databases(backup, target, options, false).is_some_and(is_refused)
}

/// The highest number in the target; `None`: no key goes there, or nobody can tell.
pub fn highest_database(backup: &BackupFacts, options: &Options) -> Option<u64> {
    if let (Some(survey), false) = (&backup.survey, options.choices.selection.is_everything()) {
        return survey.goes_to.last().copied();
    }
    let chosen = &options.choices.selection.databases;
    let wanted = backup.databases.keys().filter(|number| chosen.is_empty() || chosen.contains(number));
    wanted.map(|number| options.choices.database(*number)).max()
}

/// In Redis' words.
fn is_out_of_range(reason: &str) -> bool {
    reason.contains("out of range")
}

fn out_of_range(highest: u64, n: Option<u64>, reason: &str) -> Line {
    let has = n.map_or_else(|| reason.to_owned(), |n| format!("the target has {}", counted(n, "database")));
    Line::refused("database_out_of_range", format!("keys go to database {highest}: {has}")).flag("--db N:M")
}
