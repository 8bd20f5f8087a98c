//! P01–P12, P26, P27: persistence, and whether the next backup or restore will fail. The rules about the append-only file are in `aof`.

mod aof;
mod own_backup;

use super::case::{Case, percent, skip};
use super::judged::Judged;
use super::rule::{RULE, Rule, Topic};
use super::settings::Profile;
use crate::finding::{Finding, Severity};
use crate::introspection::{NodeRole, Part, Question};

/// What is left where the folder of a server is gone and cannot be changed.
pub(super) const START_AGAIN: &str = "start the server again in a folder that exists: its working folder was removed";

/// Processes that a container has to spare where a save still finds one.
const SPARE_PROCESSES: u64 = 1;

const P: Rule = Rule { topic: Topic::Persistence, ..RULE };

/// The rules about persistence.
pub(super) const RULES: &[&[Rule]] = &[SAVES, aof::RULES, own_backup::RULES];

const SAVES: &[Rule] = &[
    Rule {
        id: "P01",
        title: "saving to disk fails",
        reads: "rdb_last_bgsave_status, rdb_saves_consecutive_failures",
        asks: &[Question::Config],
        threshold: "the last save failed",
        why: "a restart loses everything since the last good save; with stop-writes-on-bgsave-error, the default, the server refuses writes (MISCONF)",
        fix: &[
            "df -h <dir>; ls -ld <dir>",
            "CONFIG SET dir <a folder that exists> (before 7.0; if the working folder was removed)",
            "redis-ops backup (the data in memory exists nowhere else)",
            START_AGAIN,
            "BGSAVE",
        ],
        source: "NetData, Zabbix",
        because_of: &["P26"],
        weight: 90,
        examine: save_failed,
        ..P
    },
    Rule {
        id: "P26",
        title: "the server cannot fork a child process",
        reads: "rdb_last_bgsave_status, aof_last_bgrewrite_status, total_forks (6.2); the process limit of the container, for a server on this machine",
        threshold: "a save or rewrite failed, and no fork ever succeeded or the container's process limit is reached",
        why: "every save, rewrite and full resync fails; with stop-writes-on-bgsave-error the server refuses writes (MISCONF)",
        fix: &[
            "sysctl vm.overcommit_memory=1 (undo: 0; the kernel then grants more memory than exists)",
            "raise the process limit: `pids.max` of the container, `ulimit -u` of the server's user",
            "BGSAVE",
        ],
        source: "Redis documentation, administration; rdb.c, rdbSaveBackground",
        weight: 91,
        examine: no_child,
        ..P
    },
    Rule {
        id: "P03",
        title: "the last save was long ago",
        reads: "rdb_last_save_time, rdb_changes_since_last_save, CONFIG save",
        asks: &[Question::Config],
        limits: &[("windows", 3.0), ("warning", 3600.0), ("critical", 86_400.0)],
        threshold: "data has changed, and the last save was more than {windows} times the longest save interval ago, and more \
                    than {warning} s (critical: {critical} s)",
        why: "a restart loses all changes since then",
        fix: &["BGSAVE"],
        source: "alert packs: 24 h",
        because_of: &["P01"],
        examine: stale,
        ..P
    },
    Rule {
        id: "P04",
        title: "a save or rewrite takes long",
        reads: "rdb_current_bgsave_time_sec, aof_current_rewrite_time_sec",
        limits: &[("warning", 600.0), ("critical", 1200.0)],
        threshold: "the save or rewrite has been running for {warning} s (critical: {critical} s)",
        why: "until the save or rewrite ends, every page that is written is copied, and the next save waits",
        fix: &["iostat -x 1 (on the server's machine)"],
        source: "NetData",
        because_of: &["P05"],
        examine: slow,
        ..P
    },
    Rule {
        id: "P05",
        title: "a save makes no progress",
        reads: "current_save_keys_processed of two readings",
        limits: &[("warning", 30.0), ("critical", 60.0)],
        threshold: "not a single key was saved between two readings {warning} s (critical: {critical} s) apart",
        why: "the child process hangs, most likely on the disk",
        fix: &["iostat -x 1 (on the server's machine)"],
        source: "BetterDB's recommendations",
        examine: stalled,
        ..P
    },
    Rule {
        id: "P06",
        title: "forking blocks all clients",
        reads: "latest_fork_usec, used_memory_rss; the event `fork` of LATENCY LATEST where INFO is not available",
        asks: &[Question::Latency],
        limits: &[
            ("warning", 100_000.0),
            ("critical", 500_000.0),
            ("per_gb", 30_000.0),
            ("floor", 20_000.0),
            ("small", 268_435_456.0),
        ],
        threshold: "the last fork took at least {warning} µs; or, with at least 1 GB resident, at least {floor} µs in all and {per_gb} µs per GB; critical: {critical} µs; with less than {smallB} resident a note instead of a warning, and a warning instead of critical: the fork then waited for a processor, the memory does not explain it",
        why: "the server answers no client during a fork, and every save, rewrite and full resync begins with one",
        fix: &[
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            "redis-ops backup --read-from replica (backups then fork the replica)",
        ],
        source: "Redis documentation, latency: 9 to 24 ms per GB are usual",
        examine: fork,
        ..P
    },
    Rule {
        id: "P09",
        title: "the server is loading its data",
        reads: "loading, async_loading, loading_eta_seconds",
        threshold: "the server is loading",
        why: "the server answers commands with a LOADING error",
        fix: &["redis-ops health (shows how long loading takes: wait until then)"],
        weight: 95,
        examine: loading,
        ..P
    },
    Rule {
        id: "P10",
        title: "nothing is written to disk",
        reads: "CONFIG save, appendonly",
        asks: &[Question::Config],
        threshold: "both RDB and AOF are off; warning: `expect.persistence` is set, or the profile needs it; critical: a primary with replicas",
        why: "the server is empty after a restart, and a primary that comes back empty empties its replicas",
        fix: &["CONFIG SET save \"3600 1 300 100 60 10000\""],
        source: "Redis documentation, replication: safety when the primary has persistence turned off",
        examine: no_durability,
        ..P
    },
    Rule {
        id: "P12",
        title: "there is no recent backup",
        reads: "the repository",
        limits: &[("warning", 86_400.0), ("critical", 604_800.0)],
        threshold: "the last backup is at least {warning} s (critical: {critical} s) old, or there is none (warning); info only, unless the settings ask for backups (`diagnose.expect.backup` or `diagnose.profile`)",
        why: "data on the server's disk is lost with the server",
        fix: &["redis-ops backup"],
        examine: backup,
        ..P
    },
];

fn save_failed(case: &Case<'_>) -> Judged {
    if case.text("rdb_last_bgsave_status")? != "err" {
        return Ok(None);
    }
    let config = case.snapshot.answers.config.got();
    let stops = config.and_then(|config| config.flag("stop-writes-on-bgsave-error"));
    // Without save points the server refuses nothing, whatever became of a BGSAVE (Redis `server.c`, `writeCommandsDeniedByDiskError`).
    let saves = config.and_then(|config| config.get("save")).map(|save| !save.trim().is_empty());
    let finding = case.critical().evidence("rdb_last_bgsave_status", "err");
    let finding = match (stops, saves) {
        (Some(true), Some(true)) => finding.evidence("writes", "refused (stop-writes-on-bgsave-error yes)"),
        (Some(_), Some(_)) => finding.evidence("writes", "taken"),
        _ => finding,
    };
    let finding = finding.evidence("changes_since_last_save", case.number_or_zero("rdb_changes_since_last_save"));
    // A server whose folder was removed tells none.
    let finding = match config.and_then(|config| config.get("dir")) {
        Some("") => return Ok(Some(without_folder(case, finding.evidence("dir", "is gone")))),
        folder => {
            let folder = shell_word(folder.unwrap_or("<dir>"));
            finding.fix(format!("df -h {folder}; ls -ld {folder}"))
        }
    };
    Ok(Some(finding.fix("BGSAVE")))
}

/// What helps a server whose working folder was removed.
pub(super) fn without_folder(case: &Case<'_>, finding: Finding) -> Finding {
    let version = &case.snapshot.server.redis_version;
    // From 7.0 on the folder cannot be changed while the server runs.
    if !version.is_empty() && !case.knows(7, 0) {
        return finding.fix("CONFIG SET dir <a folder that exists> (the working folder was removed)").fix("BGSAVE");
    }
    let finding = finding.fix("redis-ops backup (the data in memory exists nowhere else)");
    let finding = match version.is_empty() {
        true => finding.fix("CONFIG SET dir <a folder that exists> (before 7.0; if the working folder was removed)"),
        false => finding,
    };
    finding.fix(START_AGAIN)
}

/// A path as a shell takes it.
fn shell_word(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-<>+,:@".contains(&byte);
    if path.bytes().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

fn no_child(case: &Case<'_>) -> Judged {
    let failed = [case.text("rdb_last_bgsave_status"), case.text("aof_last_bgrewrite_status")];
    if failed.iter().all(Result::is_err) {
        return skip("the server does not report how its saves went");
    }
    if !failed.iter().flatten().any(|status| *status == "err") {
        return Ok(None);
    }
    let host = case.snapshot.host.got();
    let processes = host.and_then(|host| host.processes);
    let none_left = processes.filter(|(there, most)| most.saturating_sub(*there) < SPARE_PROCESSES);
    let finding = match (none_left, case.number("total_forks")) {
        (Some((there, most)), _) => case.critical().evidence("processes", there).evidence("pids.max", most),
        (None, Ok(0)) => case.critical().evidence("total_forks", 0),
        (None, Ok(_)) => return Ok(None),
        (None, Err(missing)) => return Err(missing),
    };
    let raise = "raise the process limit: `pids.max` of the container, `ulimit -u` of the server's user";
    let promise = "sysctl vm.overcommit_memory=1 (undo: 0; the kernel then grants more memory than exists)";
    let finding = match (none_left, host.and_then(|host| host.overcommit_memory)) {
        (Some(_), _) | (None, Some(1)) => finding.fix(raise),
        (None, Some(mode)) => finding.evidence("vm.overcommit_memory", mode).fix(promise),
        (None, None) => finding.fix(promise).fix(raise),
    };
    Ok(Some(finding.fix("BGSAVE")))
}

fn stale(case: &Case<'_>) -> Judged {
    let changes = case.number("rdb_changes_since_last_save")?;
    let Some((_, longest)) = case.config()?.save_windows() else { return skip("saving is off (see P10)") };
    let now = case.snapshot.server_seconds();
    let age = now.saturating_sub(case.number("rdb_last_save_time")?);
    let overdue = age as f64 > (longest as f64 * case.limit("windows")).min(case.limit("critical"));
    if changes == 0 || !overdue {
        return Ok(None);
    }
    Ok(case.grade(age as f64).map(|finding| {
        finding
            .evidence("seconds_since_last_save", age)
            .evidence("changes_since_last_save", changes)
            .evidence("longest_window", longest)
    }))
}

fn slow(case: &Case<'_>) -> Judged {
    let save = case.signed("rdb_current_bgsave_time_sec")?;
    let rewrite = case.snapshot.info.i64("aof_current_rewrite_time_sec").unwrap_or(-1);
    Ok(case.grade(save.max(rewrite) as f64).map(|finding| {
        finding.evidence("rdb_current_bgsave_time_sec", save).evidence("aof_current_rewrite_time_sec", rewrite)
    }))
}

fn stalled(case: &Case<'_>) -> Judged {
    let now = case.number("current_save_keys_processed")?;
    if case.number_or_zero("rdb_bgsave_in_progress") == 0 && case.number_or_zero("aof_rewrite_in_progress") == 0 {
        return Ok(None);
    }
    let earlier = case.snapshot.comparable()?;
    let same = earlier.info.u64("current_save_keys_processed") == Some(now)
        && earlier.info.u64("rdb_bgsave_in_progress") == Some(case.number_or_zero("rdb_bgsave_in_progress"))
        && case.number_or_zero("rdb_current_bgsave_time_sec") as f64 >= earlier.seconds;
    if !same {
        return Ok(None);
    }
    Ok(case.grade(earlier.seconds).map(|finding| {
        finding.evidence("current_save_keys_processed", now).evidence("unchanged_for_seconds", earlier.seconds.round())
    }))
}

fn fork(case: &Case<'_>) -> Judged {
    // A pasted LATENCY LATEST may stand alone: then nobody knows how large the server is.
    let usec = case.number("latest_fork_usec").or_else(|missing| latency_usec(case, "fork").ok_or(missing))? as f64;
    // Below a gigabyte it is the machine's mood, not the size, that makes a fork take 20 ms.
    let gigabytes = (case.number_or_zero("used_memory_rss") as f64 / 1e9).max(1.0);
    let resident = case.number("used_memory_rss").ok();
    let is_small = resident.is_some_and(|bytes| (bytes as f64) < case.limit("small"));
    let is_long =
        usec >= case.limit("warning") || (usec >= case.limit("floor") && usec / gigabytes >= case.limit("per_gb"));
    let finding = match (usec >= case.limit("critical"), is_long) {
        (true, _) if is_small => case.warning(),
        (true, _) => case.critical(),
        (false, true) if is_small => case.info(),
        (false, true) => case.warning(),
        (false, false) => return Ok(None),
    };
    let finding = match resident.filter(|_| is_small) {
        Some(bytes) => finding.evidence("used_memory_rss", bytes),
        None => finding,
    };
    let finding = finding
        .evidence("latest_fork_usec", usec as u64)
        .evidence("per_gigabyte_ms", (usec / gigabytes / 1000.0).round());
    // What is set already mends nothing.
    let pages = case.snapshot.host.got().and_then(|host| host.transparent_huge_pages.as_deref());
    let finding = match pages {
        None | Some("always") => finding.fix("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
        Some(_) => finding,
    };
    // A replica forks for a backup of itself, wherever that is read from.
    Ok(Some(match case.snapshot.server.role {
        NodeRole::Replica => finding,
        _ => finding.fix("redis-ops backup --read-from replica (backups then fork the replica)"),
    }))
}

/// The newest time of the events of a family in LATENCY LATEST, the longest of them, in microseconds.
fn latency_usec(case: &Case<'_>, family: &str) -> Option<u64> {
    let events = case.snapshot.answers.latency.got()?.iter().filter(|event| event.name.starts_with(family));
    events.map(|event| event.latest_ms.saturating_mul(1000)).max()
}

fn loading(case: &Case<'_>) -> Judged {
    let info = &case.snapshot.info;
    let finding = match (info.flag("loading"), info.flag("async_loading")) {
        (Some(true), _) => case.critical(),
        (_, Some(true)) => case.warning(),
        (None, None) => return skip("the server does not report `loading`"),
        _ => return Ok(None),
    };
    let share = info.f64("loading_loaded_perc").unwrap_or(0.0) / 100.0;
    Ok(Some(
        finding.evidence("loaded", percent(share)).evidence("eta_seconds", case.number_or_zero("loading_eta_seconds")),
    ))
}

fn no_durability(case: &Case<'_>) -> Judged {
    let config = case.config()?;
    let (Some(save), Some(append)) = (config.get("save"), config.flag("appendonly")) else {
        return skip("the server does not report `save` and `appendonly`");
    };
    if !save.trim().is_empty() || append {
        return Ok(None);
    }
    let replicas = case.number_or_zero("connected_slaves");
    let primary = case.snapshot.info.get("role") == Some("master");
    let asked = case.expect().persistence || is_said_to_be_more_than_a_cache(case);
    let (keys, _) = case.snapshot.keys_and_expires();
    let finding = if primary && replicas > 0 && keys > 0 {
        case.critical()
    } else if asked {
        case.warning()
    } else {
        case.info()
    };
    Ok(Some(finding.evidence("save", save).evidence("appendonly", "no").evidence("connected_slaves", replicas)))
}

fn backup(case: &Case<'_>) -> Judged {
    if matches!(case.snapshot.backup_age_seconds, Part::NotAsked) {
        return skip("no repository was given (`--repository`)");
    }
    let finding = match case.snapshot.backup_age_seconds.need("the repository")? {
        None => Some(case.warning().evidence("backups", 0)),
        Some(age) => case.grade(*age as f64).map(|finding| finding.evidence("age_seconds", *age)),
    };
    // Not every server is worth a backup: that this one is, somebody has to say.
    let asked = case.expect().backup || is_said_to_be_more_than_a_cache(case);
    Ok(finding.map(|finding| if asked { finding } else { Finding { severity: Severity::Info, ..finding } }))
}

/// What a guess of ours is not enough for.
fn is_said_to_be_more_than_a_cache(case: &Case<'_>) -> bool {
    case.settings().profile.is_some_and(|profile| profile != Profile::Cache)
}
