//! The target as it is: its role, what it holds, whom it feeds, what we may do.

use super::{Candidate, Level, Line, OVER_OTHER_KEYS, rights};
use crate::figures::{count, counted};
use crate::introspection::{Mode, NodeRole};
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::replica::{Content, DEFAULT_REACH, Facts, Load, NO_CERTIFICATE, choose_load};

/// All slots of a cluster.
const SLOTS: u64 = 16384;

/// The stable name of a refusal for want of a certificate.
pub(super) const CERTIFICATE: &str = "certificate";

/// The stable name of the line about saving what the target has loaded itself.
pub(super) const SAVED: &str = "saved";

/// Whether it takes writes at all.
pub fn role(backup: &BackupFacts, target: &TargetFacts) -> Vec<Line> {
    let server = &target.server;
    let mut lines = Vec::new();
    if server.loading {
        lines.push(Line::refused("loading", "the target is loading its data set"));
    }
    match server.role {
        NodeRole::Primary => {
            lines.push(Line::ok("role", format!("{} {} is a primary", server.name, server.version)));
        }
        NodeRole::Replica => {
            let of =
                server.primary.as_ref().map_or_else(String::new, |link| format!(" of {}:{}", link.host, link.port));
            lines.push(Line::refused(
                "read_only",
                format!("the target is a replica{of}: the next resync would delete the restored data"),
            ));
        }
        NodeRole::Other => lines.push(Line::refused("read_only", "the target is not a data server")),
    }
    if target.writes_stopped {
        let line = Line::refused("misconfigured", "the target refuses writes since its last save failed");
        lines.push(line.fix("BGSAVE").fix("CONFIG SET stop-writes-on-bgsave-error no"));
    }
    if server.mode == Mode::Cluster {
        lines.push(match target.slots {
            Some(SLOTS) => Line::ok("cluster", "the target serves all slots of its cluster"),
            Some(_) if serves_all_of(backup, target) => {
                Line::ok("cluster", "the target serves all slots of the backup, which is one shard of a cluster")
            }
            Some(slots) => Line::refused(
                "cluster",
                format!(
                    "the target serves {} of {} slots of its cluster: keys of the other slots have no node",
                    count(slots),
                    count(SLOTS)
                ),
            ),
            None => Line::unknown("cluster", "could not tell which slots of the cluster the target serves"),
        });
    }
    lines
}

/// Whether the backup is one shard of a cluster, and the target serves each slot of that.
fn serves_all_of(backup: &BackupFacts, target: &TargetFacts) -> bool {
    let parse = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?))
    };
    let of_backup: Option<Vec<(u16, u16)>> =
        backup.slots_of_part.as_ref().and_then(|slots| slots.split(',').map(parse).collect());
    of_backup.is_some_and(|ranges| {
        ranges.into_iter().all(|(first, last)| {
            (first..=last).all(|slot| target.slot_ranges.iter().any(|(from, to)| (*from..=*to).contains(&slot)))
        })
    })
}

/// The restore goes on with an interrupted one.
pub(super) const RESUME: &str = "resume";
/// The stable name of the line about writes of others since it was interrupted.
pub(super) const WRITTEN: &str = "written_since";
/// The same where nobody can tell.
pub(super) const MAY_BE_WRITTEN: &str = "may_be_written_since";
/// The stable name of the line about keys that both have.
pub(super) const ON_CONFLICT: &str = "on_conflict";
/// What becomes of them with `--on-conflict fail`, as long as nobody has looked whether there are any.
pub(super) const IF_ANY: &str = ": if even one of them is also in the backup, nothing is written";

/// What a target holds beside its keys, in words: function libraries, search indexes.
pub fn beside_keys(libraries: u64, indexes: u64) -> String {
    let parts = [(libraries, "function library", "function libraries"), (indexes, "search index", "search indexes")];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(number, one, more)| format!("{} {}", count(number), if number == 1 { one } else { more }))
        .collect();
    parts.join(" and ")
}

/// Keys that are there already.
pub fn existing_keys(target: &TargetFacts, options: &Options) -> Option<Line> {
    let keys = target.keys();
    let libraries = target.functions.as_ref().map_or(0, |names| names.len() as u64);
    if options.existing == Existing::ReplaceAll && libraries + target.indexes > 0 && !options.resume {
        let beside = beside_keys(libraries, target.indexes);
        let text = format!(
            "the target holds {} and {beside}: everything in the target is deleted first",
            counted(keys, "key")
        );
        return Some(Line::warning("replace_all", text));
    }
    let holds = format!("the target holds {}", counted(keys, "key"));
    Some(match (keys, options.existing) {
        (0, _) if libraries + target.indexes > 0 => {
            let beside = beside_keys(libraries, target.indexes);
            let stay = if libraries + target.indexes == 1 { "stays" } else { "stay" };
            Line::ok("empty", format!("the target holds no keys; its {beside} {stay} unless the backup has the same"))
        }
        (0, _) => Line::ok("empty", "the target holds no keys"),
        (_, Existing::ReplaceAll) => {
            Line::warning("replace_all", format!("{holds}: everything in the target is deleted first"))
        }
        _ if options.resume => Line::ok(RESUME, format!("{holds}: an interrupted restore is continued")),
        (_, Existing::MustBeEmpty) => {
            // A server loads all of a file, in place of all that it held.
            let fed = options.method == Asked::Only(Method::Replica);
            Line::refused("target_not_empty", holds).flag(if fed { "--replace-all" } else { OVER_OTHER_KEYS })
        }
        (_, Existing::Fail) => Line::ok(ON_CONFLICT, format!("{holds}{IF_ANY}")),
        (_, Existing::Skip) => Line::ok(ON_CONFLICT, format!("{holds}: these keys stay unchanged")),
        (_, Existing::Replace) => {
            Line::warning(ON_CONFLICT, format!("{holds}: keys that are also in the backup are overwritten"))
        }
    })
}

/// Commands that no method goes without, and that the target was told to forget.
pub fn commands(target: &TargetFacts, options: &Options, fed: bool) -> Option<Line> {
    let needed: &[&str] = match (fed, options.existing) {
        (true, _) => &[],
        (false, Existing::ReplaceAll) => &["select", "exists", "unlink", "flushall"],
        (false, _) => &["select", "exists", "unlink"],
    };
    let Some(missing) = target.lacks(needed) else {
        return (!target.tells_commands).then(|| {
            let user = rights::user(target);
            let text = format!("{user} may not run `COMMAND INFO`: which commands the target has is unknown");
            Line::unknown("commands", text)
        });
    };
    let missing = missing.to_uppercase();
    let text = format!("the target has no command `{missing}`: it was renamed or disabled (`rename-command`)");
    Some(Line::refused("unknown_command", text))
}

/// Why what is restored cannot be compared afterwards, though that is wanted.
pub fn no_proof(backup: &BackupFacts, proof: bool) -> Option<Line> {
    (proof && backup.only_once).then(|| {
        let text = "standard input can be read only once: the target cannot be compared with the backup afterwards";
        Line::unknown("proof", text)
    })
}

/// Whether the target can show afterwards what it holds.
pub fn reading_back(target: &TargetFacts, options: &Options) -> Option<Line> {
    let not_replicated = || -> Vec<String> {
        let forbidden = target.forbidden.iter().flatten();
        forbidden.filter(|name| matches!(name.as_str(), "psync" | "replconf")).cloned().collect()
    };
    // A user whose keys are some only does not read the others.
    let some_keys = options.choices.selection.keys.is_empty()
        && target.keys_refused.iter().flatten().any(|name| matches!(name.as_str(), "dump" | "pexpiretime" | "pttl"));
    let missing = match target.not_read_back.is_empty() && some_keys {
        true => not_replicated(),
        false => target.not_read_back.clone(),
    };
    if !options.proof || missing.is_empty() {
        return None;
    }
    let rules = missing.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    let user = rights::user(target);
    let text = format!(
        "{user} may read the target neither by replication nor key by key: it could not be compared with the backup (the ACL \
         rules `{rules}` are missing)"
    );
    Some(rights::granted(Line::refused("permission_denied", text).flag("--no-proof"), target, &rules))
}

/// A line for a target that would not trust us, where no method but `replica` was allowed.
pub fn certificate(target: &TargetFacts, options: &Options) -> Option<Line> {
    let is_needed = target.lacks_certificate && options.method == Asked::Only(Method::Replica);
    is_needed.then(|| Line::refused(CERTIFICATE, NO_CERTIFICATE))
}

/// Who else is concerned: replicas, persistence, Sentinel. `fed`: the target loads the file itself.
pub fn company(backup: &BackupFacts, target: &TargetFacts, options: &Options, fed: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let replicas = target.server.replicas.len() as u64;
    // Functions are tried before, which is a write, too.
    let writes = !fed || backup.functions > 0 && options.choices.selection.is_everything();
    if let Some(needed) = target.min_replicas.filter(|needed| *needed > replicas && writes) {
        let text = format!("the target accepts writes only with {}, and has {replicas}", counted(needed, "replica"));
        lines.push(Line::refused("no_replicas", text).fix("CONFIG SET min-replicas-to-write 0"));
    }
    if replicas > 0 {
        let what = if fed {
            " will resync: all data is deleted there and loaded again"
        } else {
            " will receive all of the data, too"
        };
        let text = format!("{} of the target{what}", counted(replicas, "replica"));
        let removes = options.existing == Existing::ReplaceAll;
        lines.push(Line::new(if removes { Level::Warning } else { Level::Ok }, "replicas", text));
    }
    match target.append_only {
        Some(true) if fed => lines.push(Line::ok("append_only", "the target rewrites its append-only file afterwards")),
        Some(true) => lines.push(Line::ok("append_only", "the target writes all of it to its append-only file, too")),
        Some(false) => {}
        None => lines.push(Line::unknown("append_only", "could not tell whether the target has an append-only file")),
    }
    lines.extend(saving(target).filter(|_| fed));
    lines.extend(sentinel(target));
    lines
}

/// What a target has loaded itself counts for none of its save points: it is told to save.
fn saving(target: &TargetFacts) -> Option<Line> {
    if target.saves != Some(true) || target.append_only == Some(true) {
        return None;
    }
    let is_forbidden = target.forbidden.as_ref().is_some_and(|names| names.iter().any(|name| name == "bgsave"));
    if !is_forbidden && target.lacks(&["bgsave"]).is_none() {
        return Some(Line::ok("saved", "the target saves all of it afterwards (`BGSAVE`)"));
    }
    let text =
        "redis-ops may not run `BGSAVE` on the target: until the target saves, a restart brings back the old data";
    let line = Line::warning(SAVED, text);
    let user = target.user.as_deref().filter(|_| is_forbidden);
    Some(match user {
        Some(user) => line.fix(format!("ACL SETUSER {user} +bgsave")),
        None => line,
    })
}

/// A line for a target that a Sentinel watches. That it is not made a replica is said with the methods.
fn sentinel(target: &TargetFacts) -> Option<Line> {
    match target.watched {
        Some(true) => Some(Line::warning(
            "sentinel",
            "a Sentinel watches the target: if the target does not reply within `down-after-milliseconds` (a very large value can take \
             that long), the Sentinel promotes another server",
        )),
        Some(false) => None,
        None => Some(Line::unknown(
            "sentinel",
            format!(
                "{} may not run `CLIENT LIST`: whether a Sentinel watches the target is unknown",
                rights::user(target)
            ),
        )),
    }
}

/// What it means for others that the target loads the file itself.
pub fn while_it_loads(
    backup: &BackupFacts,
    target: &TargetFacts,
    options: &Options,
    methods: &[Candidate],
) -> Vec<Line> {
    let seconds = methods.iter().find(|candidate| candidate.method == Method::Replica);
    let about = |seconds: Option<f64>| match seconds {
        None => String::new(),
        Some(seconds) if seconds < 1.0 => " for less than 1 s".to_owned(),
        Some(seconds) => format!(" for about {seconds:.0} s"),
    };
    let mut lines = Vec::new();
    if backup.survey.is_none() {
        let reading = about(seconds.and_then(|candidate| candidate.verify_seconds));
        let skip = match options.skip_verify {
            true => " (method `replica` always does this: `--skip-verify` has no effect)",
            false => "",
        };
        let reading = reading.replace(" for ", " in ");
        lines.push(Line::ok("verified_first", format!("the whole backup is read and verified first{reading}{skip}")));
    }
    let loading = about(seconds.and_then(|candidate| candidate.seconds));
    let keeps = match choose_load(&Facts::of(target), &Content::of(backup, target)) {
        Load::Memory => "",
        Load::Swap => "; old data is kept until the new data is complete",
        Load::Disk => "; old data is kept until the file is complete on the target's disk",
    };
    let text = format!(
        "the target is a replica of redis-ops{loading}: it refuses writes, disconnects blocked clients and replies `-LOADING`{keeps}; \
         if the target cannot reach this machine, it becomes a primary again after {} s",
        DEFAULT_REACH.as_secs()
    );
    lines.push(if target.keys() > 0 { Line::warning("unavailable", text) } else { Line::ok("unavailable", text) });
    lines
}
