//! When a target may be fed by replication, and how it takes the RDB in: judged on plain facts, before anything is touched.

mod content;
mod facts;

use super::Load;
use crate::figures::counted;
use crate::restore::options::{Asked, Existing, Method, Options};

pub use crate::restore::facts::Origin;
pub use content::{Content, not_accepted};
pub use facts::{Facts, Memory};

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
    /// The ACL rule for want of which it is barred.
    pub lacks: Option<&'static str>,
}

/// Why a target that replicates by TLS cannot be fed.
pub const NO_CERTIFICATE: &str =
    "the target replicates over TLS (`tls-replication yes`), and no certificate was given for this machine";

const MAY_NOT_REPLICATE: &str = "the user may not run `REPLICAOF` on the target";
const MAY_NOT_LIST_FUNCTIONS: &str =
    "could not tell whether the target has functions, which would be replaced: the user may not use `FUNCTION LIST`";
const MAY_NOT_LIST_INDEXES: &str =
    "could not tell whether the target has search indexes, which would be replaced: the user may not use `FT._LIST`";

/// The ACL rules that mend what is barred for want of a right.
const LACKING: [(&str, &str); 3] = [
    (MAY_NOT_REPLICATE, "+replicaof"),
    (MAY_NOT_LIST_FUNCTIONS, "+function|list"),
    (MAY_NOT_LIST_INDEXES, "+ft._list"),
];

/// Everything that forbids to feed this target; empty: it may be fed.
pub fn refusals(target: &Facts, content: &Content, wish: Wish) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut refuse = |code, reason: String, overridden_by| {
        let lacks = LACKING.iter().find(|(lacking, _)| *lacking == reason).map(|(_, rule)| *rule);
        found.push(Refusal { code, reason, overridden_by, lacks });
    };
    if target.cluster {
        refuse("cluster", "a cluster node refuses `REPLICAOF`".to_owned(), None);
    }
    if target.replica {
        refuse(
            "read_only",
            "the target is a replica: the next resync from its primary would delete the restored data".to_owned(),
            None,
        );
    }
    match target.sentinel {
        Some(true) => {
            let reason = "Sentinel watches the target: it would fail over while the target is a replica of redis-ops, and make it a replica of another server";
            refuse("sentinel", reason.to_owned(), None);
        }
        // Nobody is led into that without having said so.
        None if !wish.by_name => {
            let reason = "could not tell whether a Sentinel watches the target, and would fail over";
            refuse("sentinel", reason.to_owned(), Some("--method replica"));
        }
        None | Some(false) => {}
    }
    if target.may_replicaof == Some(false) {
        refuse("permission_denied", MAY_NOT_REPLICATE.to_owned(), None);
    }
    if target.lacks_certificate {
        refuse("certificate", NO_CERTIFICATE.to_owned(), None);
    }
    if wish.filtered {
        refuse(
            "filtered",
            "`replica` always loads the whole RDB unchanged: `--keys`, `--exclude`, `--db`, `--type` and `--ttl` need another method".to_owned(),
            None,
        );
    }
    if !target.empty && wish.existing != Existing::ReplaceAll {
        let reason = "it would replace everything in the target, including functions and search indexes".to_owned();
        refuse("target_not_empty", reason, Some("--replace-all"));
    }
    if target.empty && target.may_have_functions && wish.existing != Existing::ReplaceAll {
        refuse("permission_denied", MAY_NOT_LIST_FUNCTIONS.to_owned(), Some("--replace-all"));
    }
    if target.empty && target.may_have_indexes && wish.existing != Existing::ReplaceAll {
        refuse("permission_denied", MAY_NOT_LIST_INDEXES.to_owned(), Some("--replace-all"));
    }
    if target.replicas > 0 && !wish.allow_replica_resync {
        let reason = format!(
            "{} of the target would resync: all data would be deleted there and loaded again",
            counted(target.replicas as u64, "replica")
        );
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
        let reason = "redis-ops did not capture this file, and not all of it was checked for duplicate keys: the target would abort on a duplicate";
        refuse("duplicate_keys", reason.to_owned(), None);
    }
    found
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
