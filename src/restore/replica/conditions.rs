//! When a target may be fed by replication, and how it takes the RDB in: judged on plain facts, before anything is touched.

use super::Load;
use crate::figures::counted;
use crate::introspection::{Mode, NodeRole, ServerFacts};
use crate::rdb::dump::Target;
use crate::rdb::oddity::fate;
use crate::rdb::{Dialect, Fate, Oddities, OddityKind, Server, ValueType};
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::mend::Mended;
use crate::restore::module_types::{Has, is_part_of_server};
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::target_format::{TargetFormat, version_numbers};

pub use crate::restore::facts::Origin;

/// What is known of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its own version, `(7, 0, 15)`; Valkey's own, too.
    pub version: (u32, u32, u32),
    /// It is a node of a cluster.
    pub cluster: bool,
    /// It is a replica of somebody.
    pub replica: bool,
    /// Sentinel watches it; `None` where it does not say.
    pub sentinel: Option<bool>,
    /// How many replicas it has.
    pub replicas: usize,
    /// How many databases it has (`databases`); `None` where it does not say.
    pub databases: Option<u64>,
    /// It holds no key in any database, and no function library that we know of.
    pub empty: bool,
    /// It may have functions: it does not say.
    pub may_have_functions: bool,
    /// Whether we may run `REPLICAOF`; `None` where it does not say.
    pub may_replicaof: Option<bool>,
    /// It replicates by TLS, and we have no certificate to show it.
    pub lacks_certificate: bool,
    /// Memory of the target and of its host.
    pub memory: Memory,
}

impl Facts {
    /// From what the preflight has asked.
    pub fn of(target: &TargetFacts) -> Self {
        let forbidden = |name: &str| target.forbidden.as_ref().map(|names| names.iter().any(|other| other == name));
        Self {
            version: target.server.version_numbers(),
            cluster: target.server.mode == Mode::Cluster,
            replica: target.server.role == NodeRole::Replica,
            sentinel: target.watched,
            replicas: target.server.replicas.len(),
            databases: target.n_databases,
            // Functions go, too.
            empty: target.keys() == 0 && target.functions.as_ref().is_none_or(|names| names.is_empty()),
            may_have_functions: target.functions.is_none(),
            may_replicaof: match target.lacks(&["replicaof"]) {
                Some(_) => Some(false),
                None => forbidden("replicaof").map(|forbidden| !forbidden),
            },
            lacks_certificate: target.lacks_certificate,
            memory: Memory { used: target.server.used_memory, host: target.host_memory },
        }
    }
}

/// Memory of the target, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Bytes that the server uses now (`used_memory`).
    pub used: u64,
    /// What its host has (`total_system_memory`, or a container's limit where it is known).
    pub host: Option<u64>,
}

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
            doubts.push("keys have metadata, and the target would exit on a class that it does not know".to_owned());
        }
        if dangers.is_some_and(|dangers| dangers.other_engines > 0) {
            doubts.push(
                "there are functions that are not in Lua, and the target would exit on an engine that it has not"
                    .to_owned(),
            );
        }
        if backup.origin == Origin::Foreign && backup.functions > 0 {
            doubts.push("there are functions in a file that no server made as a whole for us, and the target would exit on one that does not compile".to_owned());
        }
        if backup.origin == Origin::Foreign && backup.survey.as_ref().is_some_and(|survey| survey.crc64.is_none()) {
            doubts.push(
                "the file has no checksum, and so nothing proves that it is the same when it is read again".to_owned(),
            );
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

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// Only some keys, or databases, or other expiries: a part cannot be loaded.
    pub filtered: bool,
    /// Whether what the target holds may go.
    pub existing: Existing,
    /// Its replicas may be wiped and filled again.
    pub allow_replica_resync: bool,
    /// This method was asked for by its name, and no other.
    pub by_name: bool,
}

impl Wish {
    /// From what was asked for.
    pub fn of(options: &Options) -> Self {
        Self {
            filtered: !options.choices.is_everything(),
            existing: options.existing,
            allow_replica_resync: options.allow_replica_resync,
            by_name: options.method == Asked::Only(Method::Replica),
        }
    }
}

/// Why this way is barred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name for JSON answers.
    pub code: &'static str,
    /// The reason, in words.
    pub reason: String,
    /// The flag that overrides it, if one does.
    pub overridden_by: Option<&'static str>,
}

/// Why a target that replicates by TLS cannot be fed.
pub const NO_CERTIFICATE: &str =
    "the target replicates by TLS (`tls-replication yes`), and there is no certificate of ours to show it";

/// Everything that forbids to feed this target; empty: it may be fed.
pub fn refusals(target: &Facts, content: &Content, wish: Wish) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut refuse = |code, reason: String, overridden_by| found.push(Refusal { code, reason, overridden_by });
    if target.cluster {
        refuse("cluster", "a cluster node does not take `REPLICAOF`".to_owned(), None);
    }
    if target.replica {
        refuse("read_only", "the target is a replica: its primary would undo it".to_owned(), None);
    }
    match target.sentinel {
        Some(true) => {
            let reason = "Sentinel watches the target: it would fail over while the target is our replica, and make it a replica of another";
            refuse("sentinel", reason.to_owned(), None);
        }
        // Nobody is led into that without having said so.
        None if !wish.by_name => {
            let reason = "could not tell whether a Sentinel watches the target, which would then fail over";
            refuse("sentinel", reason.to_owned(), Some("--method replica"));
        }
        None | Some(false) => {}
    }
    if target.may_replicaof == Some(false) {
        refuse("permission_denied", "we may not run `REPLICAOF` on the target".to_owned(), None);
    }
    if target.lacks_certificate {
        refuse("certificate", NO_CERTIFICATE.to_owned(), None);
    }
    if wish.filtered {
        refuse("filtered", "a server loads the whole RDB, not a part of it".to_owned(), None);
    }
    if !target.empty && wish.existing != Existing::ReplaceAll {
        let reason = "everything that the target holds would be replaced, functions too".to_owned();
        refuse("target_not_empty", reason, Some("--replace-all"));
    }
    if target.empty && target.may_have_functions && wish.existing != Existing::ReplaceAll {
        let reason = "could not tell whether the target has functions, which would be replaced: our user may not use `FUNCTION LIST`";
        refuse("permission_denied", reason.to_owned(), Some("--replace-all"));
    }
    if target.replicas > 0 && !wish.allow_replica_resync {
        let reason =
            format!("{} of the target would be wiped and filled again", counted(target.replicas as u64, "replica"));
        refuse("replicas", reason, Some("--allow-replica-resync"));
    }
    for what in &content.not_accepted {
        refuse("unsupported_rdb_version", format!("the target cannot load {what}, and would exit on it"), None);
    }
    for doubt in &content.doubts {
        refuse("doubtful", doubt.clone(), None);
    }
    for module in &content.modules_missing {
        let reason = format!("the target lacks the module `{module}`, and would exit on its data");
        refuse("module_missing", reason, None);
    }
    if let (Some(highest), Some(databases)) = (content.highest_database, target.databases)
        && highest >= databases
    {
        let reason = format!("the backup has a database {highest}, the target has {databases}: it would exit on it");
        refuse("too_few_databases", reason, None);
    }
    if content.origin == Origin::Foreign && !content.all_compared {
        let reason = "the file is not our own capture, and not all of it was looked at for keys that stand there twice: the target would abort on one";
        refuse("duplicate_keys", reason.to_owned(), None);
    }
    found
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
        return vec![format!("what we can vouch for: the limits of {} {} are not known", server.name, server.version)];
    };
    let loads = match (target.dialect, dialect) {
        (Dialect::Redis, Dialect::Redis) | (Dialect::Valkey, Dialect::Valkey) => version <= target.rdb_version,
        (Dialect::Redis, Dialect::Valkey) => false,
        // 12 to 79 are Redis' own versions since the two parted.
        (Dialect::Valkey, Dialect::Redis) => version <= 11,
    };
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

/// How the target should take the RDB in. Old data stays until the new is complete wherever there is the memory for both; the disk
/// path keeps it until the file is complete.
pub fn choose_load(target: &Facts, content: &Content) -> Load {
    // `repl-diskless-load` came with Redis 6.0.
    if target.version < (6, 0, 0) {
        return Load::Disk;
    }
    if target.empty {
        return Load::Memory;
    }
    let fits = |host: u64, new: u64| target.memory.used.saturating_add(new) <= host - host / 10;
    match (target.memory.host, content.used_memory) {
        (Some(host), Some(new)) if fits(host, new) => Load::Swap,
        _ => Load::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> (Facts, Content, Wish) {
        let target =
            Facts { version: (7, 0, 15), databases: Some(16), empty: true, sentinel: Some(false), ..Facts::default() };
        let content = Content { origin: Origin::Captured, highest_database: Some(15), ..Content::default() };
        (target, content, Wish::default())
    }

    /// The codes of the refusals after one change to a pair that has none.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts, &mut Content, &mut Wish), expected: &[&str]) {
        let (mut target, mut content, mut wish) = good();
        change(&mut target, &mut content, &mut wish);
        let codes: Vec<_> = refusals(&target, &content, wish).iter().map(|refusal| refusal.code).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn an_empty_lone_primary_may_be_fed() {
        check(|_, _, _| {}, &[]);
    }

    #[test]
    fn each_reason_bars_the_way_alone() {
        check(|target, _, _| target.cluster = true, &["cluster"]);
        check(|target, _, _| target.replica = true, &["read_only"]);
        check(|target, _, _| target.sentinel = Some(true), &["sentinel"]);
        check(|target, _, _| target.sentinel = None, &["sentinel"]);
        check(|target, _, _| target.may_replicaof = Some(false), &["permission_denied"]);
        check(|target, _, _| target.lacks_certificate = true, &["certificate"]);
        check(|_, _, wish| wish.filtered = true, &["filtered"]);
        check(|target, _, _| target.empty = false, &["target_not_empty"]);
        check(|target, _, _| target.replicas = 2, &["replicas"]);
        check(|_, content, _| content.not_accepted.push("RDB version 12".into()), &["unsupported_rdb_version"]);
        check(|_, content, _| content.modules_missing.push("ReJSON".into()), &["module_missing"]);
        check(|_, content, _| content.highest_database = Some(16), &["too_few_databases"]);
        check(|_, content, _| content.doubts.push("a doubt".into()), &["doubtful"]);
        check(|_, content, _| content.origin = Origin::Foreign, &["duplicate_keys"]);
    }

    #[test]
    fn what_the_user_allows_is_allowed() {
        check(|target, _, wish| (target.empty, wish.existing) = (false, Existing::ReplaceAll), &[]);
        check(|target, _, wish| (target.replicas, wish.allow_replica_resync) = (2, true), &[]);
        check(|_, content, _| (content.origin, content.all_compared) = (Origin::Foreign, true), &[]);
        check(|target, _, _| target.databases = None, &[]);
        check(|target, _, wish| (target.sentinel, wish.by_name) = (None, true), &[]);
        check(|target, _, wish| (target.sentinel, wish.by_name) = (Some(true), true), &["sentinel"]);
    }

    #[track_caller]
    fn check_load(
        version: (u32, u32, u32),
        empty: bool,
        used: u64,
        host: Option<u64>,
        new: Option<u64>,
        expected: Load,
    ) {
        let target = Facts { version, empty, memory: Memory { used, host }, ..Facts::default() };
        let content = Content { used_memory: new, ..Content::default() };
        assert_eq!(choose_load(&target, &content), expected);
    }

    #[test]
    fn old_data_stays_beside_the_new_only_where_both_fit() {
        check_load((5, 0, 14), true, 0, None, None, Load::Disk);
        check_load((6, 2, 0), true, 0, None, None, Load::Memory);
        check_load((6, 2, 0), false, 45, Some(100), Some(45), Load::Swap);
        check_load((6, 2, 0), false, 45, Some(100), Some(46), Load::Disk);
        check_load((9, 1, 0), false, 1, None, Some(1), Load::Disk);
        check_load((9, 1, 0), false, 1, Some(100), None, Load::Disk);
        check_load((9, 1, 0), false, u64::MAX, Some(100), Some(u64::MAX), Load::Disk);
    }
}
