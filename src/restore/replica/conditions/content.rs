//! What of a backup matters to a server that loads it itself: what it would exit on, or die of.

use crate::figures::counted;
use crate::introspection::ServerFacts;
use crate::rdb::dump::Target;
use crate::rdb::oddity::fate;
use crate::rdb::{Dialect, Fate, Oddities, OddityKind, Server, ValueType};
use crate::restore::facts::{BackupFacts, Origin, TargetFacts};
use crate::restore::mend::Mended;
use crate::restore::module_types::{Has, is_part_of_server};
use crate::restore::target_format::{TargetFormat, version_numbers};

/// What is known of the backup, after all of it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Who made the file.
    pub origin: Origin,
    /// What of it this target's loader does not take, as [`not_accepted`] says; empty: it takes everything.
    pub not_accepted: Vec<String>,
    /// What it may or may not load, in whole sentences: a doubt is enough where the answer is a dead server.
    pub doubts: Vec<String>,
    /// Modules that it needs and the target has not.
    pub modules_missing: Vec<String>,
    /// The highest database that it names.
    pub highest_database: Option<u64>,
    /// All keys, and all members of each value, were compared with each other, and nothing stands there twice.
    pub all_compared: bool,
    /// `used-mem` of its aux fields, in bytes.
    pub used_memory: Option<u64>,
}

impl Content {
    /// From what the plan knows. Without a survey only what we captured can be judged: a server of that version wrote it, so it
    /// holds no newer type. The survey comes all the same before a byte is fed.
    pub fn of(backup: &BackupFacts, target: &TargetFacts) -> Self {
        let server = &target.server;
        let dangers = backup.survey.as_ref().map(|survey| &survey.dangers);
        let types = dangers.into_iter().flat_map(|dangers| dangers.value_types.iter().copied());
        let mut not_accepted = not_accepted(server, backup.dialect(), backup.rdb_version, types);
        let mut doubts = Vec::new();
        if dangers.is_some_and(|dangers| dangers.key_meta > 0) {
            doubts.push("keys have metadata, and the target would exit on an unknown class".to_owned());
        }
        if dangers.is_some_and(|dangers| dangers.other_engines > 0) {
            doubts.push(
                "there are functions that are not in Lua, and the target would exit on an engine that it does not have"
                    .to_owned(),
            );
        }
        if backup.origin == Origin::Foreign && backup.functions > 0 {
            doubts.push("the file has functions and was not captured whole from a server: the target would exit on a function that does not compile".to_owned());
        }
        if backup.origin == Origin::Foreign && backup.survey.as_ref().is_some_and(|survey| survey.crc64.is_none()) {
            doubts.push("the file has no checksum, so a change between two reads would go unnoticed".to_owned());
        }
        let of_modules = dangers.is_some_and(|dangers| !dangers.module_aux.is_empty())
            || backup.by_type.contains_key("vectorset")
            || !backup.modules().is_empty();
        if backup.origin == Origin::Foreign && of_modules {
            doubts.push("redis-ops did not capture this file, and it has data of modules: the target would exit on data that its module refuses".to_owned());
        }
        doubts.extend(dangers.into_iter().flat_map(|dangers| not_immune(server, &dangers.oddities, backup.origin)));
        let source = backup.server.strip_prefix("redis ").map_or((0, 0, 0), version_numbers);
        if backup.by_type.contains_key("vectorset") && !TargetFormat::of(server).takes_vector_sets_of(source) {
            not_accepted.push(format!("vector sets of {}", backup.server));
        }
        Self {
            origin: backup.origin,
            not_accepted,
            doubts,
            modules_missing: modules_missing(backup, target),
            highest_database: match &backup.survey {
                // One that is selected and holds no key is enough.
                Some(survey) => survey.needs_databases.checked_sub(1),
                None => backup.databases.keys().next_back().copied(),
            },
            all_compared: dangers.is_some_and(|dangers| dangers.compared && dangers.oddities.not_compared == 0),
            used_memory: backup.used_memory,
        }
    }
}

/// Modules whose data is in a backup, and of which the target is not known to have them: a target that has all modules of the source
/// has the right ones.
fn modules_missing(backup: &BackupFacts, target: &TargetFacts) -> Vec<String> {
    // Part of Redis 8, and judged apart.
    let is_module = |name: &&str| !is_part_of_server(name);
    let lacks = |name: &&String| is_module(&name.as_str()) && !target.server.modules.contains(name);
    let of_source: Vec<String> = backup.source_modules.iter().filter(lacks).cloned().collect();
    if !backup.source_modules.is_empty() && of_source.is_empty() {
        return Vec::new();
    }
    let has = TargetFormat::of(&target.server).module_types;
    let aux = backup.survey.iter().flat_map(|survey| &survey.dangers.module_aux).map(String::as_str);
    let types = backup.modules().into_iter().chain(aux.filter(is_module));
    let missing: Vec<String> = types.filter(|name| has.has(name) != Has::Yes).map(str::to_owned).collect();
    if missing.is_empty() || of_source.is_empty() { missing } else { of_source }
}

/// What of a file this server is not known to take, or would keep as it is though others refuse it, in sentences. A value that is
/// rebuilt where it goes key by key is not fed where any server that we know dies of it: the target would save it as it stands.
fn not_immune(server: &ServerFacts, oddities: &Oddities, origin: Origin) -> Vec<String> {
    let known = Server::of(&server.name, &server.version);
    let fate_of = |kind, value_type| known.as_ref().map_or(Fate::Unknown, |server| fate(kind, value_type, server));
    let others = Server::known();
    let is_rebuilt = |kind| matches!(Mended::of(kind), Some(Mended::Changed | Mended::Lost(_)));
    let is_refused = |kind, value_type| others.iter().any(|server| fate(kind, value_type, server) >= Fate::Refuses);
    let mut found: Vec<(Fate, OddityKind, u64)> = Vec::new();
    for (kind, value_type, seen) in oddities.iter() {
        let fate = fate_of(kind, value_type);
        let is_vouched_for = match kind {
            // Whether they load is asked before anything is written; see `functions`.
            OddityKind::FunctionNotRun => true,
            // The server that we saw write the file had compiled them.
            OddityKind::LuaScript => origin == Origin::Captured,
            _ => false,
        };
        let is_passed_on = is_rebuilt(kind) && is_refused(kind, value_type);
        if (fate != Fate::Takes || is_passed_on) && !is_vouched_for {
            found.push((fate, kind, seen.count));
        }
    }
    found.sort_by_key(|(fate, ..)| std::cmp::Reverse(*fate));
    let sentence = |(fate, kind, n): &(Fate, OddityKind, u64)| {
        let what = match fate {
            Fate::Dies if *kind == OddityKind::FunctionNeverEnds => "would hang on it",
            Fate::Dies => "would crash on it",
            Fate::Refuses => "would exit on it",
            Fate::Unknown => "is not known to take it",
            Fate::Takes => "would keep it as it is, and other versions refuse what it saves",
        };
        format!("{} ({}): the target {what}", kind.words(), counted(*n, "time"))
    };
    found.iter().map(sentence).collect()
}

/// What a server would not load, and exit on, of an RDB of this dialect and version that holds these types. In words; empty: it
/// loads everything.
///
/// Settings that make a server more generous (Valkey's `rdb-version-check relaxed`) are not reckoned with. The sources are Redis
/// `rdb.c`, `rdbLoadRioWithLoadingCtx` and `rdbIsObjectType`, and Valkey 9 `rdb.c`, `rdbIsVersionAccepted`.
pub fn not_accepted(
    server: &ServerFacts,
    dialect: Dialect,
    version: u32,
    types: impl IntoIterator<Item = ValueType>,
) -> Vec<String> {
    let Some(target) = Target::of(&server.name, &server.version) else {
        return vec![format!("the limits of {} {} are unknown", server.name, server.version)];
    };
    let loads = match (target.dialect, dialect) {
        (Dialect::Redis, Dialect::Redis) | (Dialect::Valkey, Dialect::Valkey) => version <= target.rdb_version,
        (Dialect::Redis, Dialect::Valkey) => false,
        // 12 to 79 are Redis' own versions since the two parted.
        (Dialect::Valkey, Dialect::Redis) => version <= 11,
    };
    if version > dialect.newest_known() {
        return vec![format!("RDB version {version}, which is newer than this version of redis-ops supports")];
    }
    if !loads {
        let family = String::from_utf8_lossy(dialect.magic()).into_owned();
        return vec![format!("{family} RDB version {version}")];
    }
    // Files of third parties hold types that are newer than their version.
    let in_file = |value_type: ValueType| {
        let is_template = matches!(value_type, ValueType::TEMPLATE_LISTPACK_REF | ValueType::TEMPLATE_ARRAY_REF);
        is_template && target.dialect == dialect && target.rdb_version >= 15
    };
    types
        .into_iter()
        .filter(|value_type| !target.accepts(*value_type, dialect, version) && !in_file(*value_type))
        .map(|value_type| format!("values of type {}", value_type.0))
        .collect()
}
