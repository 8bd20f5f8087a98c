//! What a server's log says, where a person pasted it. No server is asked for its log: without one these rules are skipped.

mod replication;

use super::case::Case;
use super::judged::Judged;
use super::persistence::{START_AGAIN, without_folder};
use super::rule::{RULE, Rule, Topic};
use crate::finding::{Finding, Severity};
use crate::rdb::{Dialect, Server};
use crate::replies::LogEvent;

/// What helps without jemalloc.
const RESTART: &str = "restart the server, or fail over to a fresh replica: freshly loaded data has no gaps";
const JEMALLOC: &str = "run a build with jemalloc: libc keeps what lies between values in use";
/// What is looked at first where a file cannot be loaded.
const VERIFY: &str = "redis-ops verify --file dump.rdb";
const CHECKS: &str = "(without --fix it changes nothing; keep a copy before you use it)";
/// What reads a file that is newer than its server.
const NEWER: &str = "start a newer server with this file";
const TYPED: &str = "redis-ops restore --file dump.rdb --target-instance <this server> --method commands --plan (into the old version, started without the file)";
/// RDB files of Valkey 9 and later count from here on.
const FIRST_OF_VALKEY: u32 = 80;

pub(super) const RULES: &[&[Rule]] = &[OF_THE_SERVER, replication::RULES];

const OF_THE_SERVER: &[Rule] = &[
    Rule {
        id: "M30",
        topic: Topic::Memory,
        title: "the server ran out of memory, or the kernel killed it",
        reads: "the log: Out Of Memory allocating, the kernel's OOM killer",
        threshold: "the log has such a line",
        why: "the kernel kills the process that uses the most memory: all clients lose their server, and unsaved data is lost",
        fix: &[
            "redis-ops diagnose memory",
            "CONFIG SET maxmemory <80 % of what the machine or the container has> (below the current use, keys are evicted or writes refused)",
        ],
        source: "zmalloc.c; the kernel's log",
        weight: 95,
        examine: out_of_memory,
        ..RULE
    },
    Rule {
        id: "M31",
        topic: Topic::Memory,
        title: "clients get OOM errors: writes are refused for lack of memory",
        reads: "a client's error: OOM command not allowed",
        threshold: "there is such an error",
        why: "memory is at maxmemory, and the policy evicts nothing that would make room",
        fix: &["redis-ops diagnose memory"],
        source: "Redis documentation, key eviction",
        because_of: &["M17", "M19", "M01"],
        weight: 85,
        examine: writes_refused,
        ..RULE
    },
    Rule {
        id: "M38",
        topic: Topic::Memory,
        title: "MEMORY DOCTOR found something",
        reads: "the text of MEMORY DOCTOR",
        threshold: "the text names a problem; information: only a past peak, or pages that the allocator keeps",
        why: "the text has no numbers: INFO shows how much memory is affected",
        fix: &[
            "MEMORY PURGE (jemalloc only)",
            RESTART,
            JEMALLOC,
            "CONFIG SET activedefrag yes (if the build supports it; takes processor time; undo: no)",
            "redis-ops diagnose connections --sort output",
            "redis-ops diagnose replication",
            "in the application: pass arguments as KEYS and ARGV, and use EVALSHA or FCALL",
            "INFO memory",
            "redis-ops diagnose memory",
        ],
        source: "object.c, getMemoryDoctorReport",
        weight: 40,
        examine: doctor,
        ..RULE
    },
    Rule {
        id: "C40",
        topic: Topic::Connections,
        title: "connections are refused: maxclients or the file descriptor limit is reached",
        reads: "the log: Too many open files, max number of clients reached",
        threshold: "the log has such a line",
        why: "clients cannot connect",
        fix: &[
            "redis-ops diagnose connections",
            "ulimit -n (of the server's process; 32 more than maxclients are needed)",
        ],
        source: "networking.c, acceptCommonHandler",
        weight: 85,
        examine: too_many,
        ..RULE
    },
    Rule {
        id: "C41",
        topic: Topic::Connections,
        title: "clients are disconnected at their output buffer limit",
        reads: "the log: scheduled to be closed ASAP for overcoming of output buffer limits",
        threshold: "the log has such a line for a client that is not a replica",
        why: "the client reads more slowly than it receives; it reconnects, and falls behind again",
        fix: &["redis-ops diagnose connections --sort output", "read faster in the client, or ask for less at once"],
        source: "networking.c, closeClientOnOutputBufferLimitReached",
        examine: client_buffers,
        ..RULE
    },
    Rule {
        id: "C42",
        topic: Topic::Connections,
        title: "the server crashed",
        reads: "the log: BUG REPORT START, crashed by signal",
        threshold: "the log has such a line",
        why: "all clients lost their connection; the same data or command may crash the server again",
        fix: &[
            "report the whole text between the two BUG REPORT lines to the developers of the server",
            "run the newest patch release of the server's version",
        ],
        source: "debug.c, sigsegvHandler",
        weight: 95,
        examine: crashed,
        ..RULE
    },
    Rule {
        id: "P20",
        topic: Topic::Persistence,
        title: "the server cannot write to the folder of its RDB",
        reads: "the log: Failed opening the RDB file for saving: Permission denied, Read-only file system",
        threshold: "the log has such a line",
        why: "every save fails; with stop-writes-on-bgsave-error the server refuses writes (MISCONF)",
        fix: &[
            "ls -ld <what `CONFIG GET dir` says>",
            "redis-ops backup (the data in memory exists nowhere else)",
            "CONFIG SET dir <a folder that exists> (before 7.0; if the working folder was removed)",
            START_AGAIN,
            "chown redis: <what `CONFIG GET dir` says> (or the user that the server runs as; in a container, the volume's owner)",
            "BGSAVE",
        ],
        source: "rdb.c, rdbSaveInternal",
        weight: 90,
        examine: not_writable,
        ..RULE
    },
    Rule {
        id: "P21",
        topic: Topic::Persistence,
        title: "the server's disk is full",
        reads: "the log: No space left on device",
        threshold: "the log has such a line",
        why: "saves and writes to the append-only file fail; the server refuses writes until there is space",
        fix: &["df -h (of the folder that `CONFIG GET dir` names)", "BGSAVE"],
        source: "rdb.c and aof.c",
        weight: 90,
        examine: disk_full,
        ..RULE
    },
    Rule {
        id: "P22",
        topic: Topic::Persistence,
        title: "the kernel refuses the fork for a save",
        reads: "the log: fork: Cannot allocate memory, Resource temporarily unavailable",
        threshold: "the log has such a line",
        why: "every save, rewrite and full resync fails; with stop-writes-on-bgsave-error the server refuses writes (MISCONF)",
        fix: &[
            "sysctl vm.overcommit_memory=1 (undo: 0; the kernel then grants more memory than exists)",
            "raise the process limit: `pids.max` of the container, `ulimit -u` of the server's user",
            "BGSAVE",
        ],
        source: "Redis documentation, administration",
        weight: 90,
        examine: fork_failed,
        ..RULE
    },
    Rule {
        id: "P23",
        topic: Topic::Persistence,
        title: "the append-only file waits for a slow disk",
        reads: "the log: Asynchronous AOF fsync is taking too long",
        limits: &[("critical", 10.0)],
        threshold: "the log has such a line; critical: {critical} of them",
        why: "while an fsync takes longer than two seconds every write waits",
        fix: &[
            "iostat -x 1 (on the server's machine: who else writes to that disk)",
            "CONFIG SET no-appendfsync-on-rewrite yes (a crash during a rewrite may then lose more than a second; undo: no)",
        ],
        source: "aof.c, flushAppendOnlyFile",
        examine: disk_slow,
        ..RULE
    },
    Rule {
        id: "P24",
        topic: Topic::Persistence,
        title: "writes are refused because saves fail (MISCONF)",
        reads: "a client's error: MISCONF; the log: Background saving error",
        threshold: "there is such a line; warning: only the save failed",
        why: "with stop-writes-on-bgsave-error the server refuses writes until a save succeeds",
        fix: &["BGSAVE (when the cause is fixed; a successful save ends the refusals)"],
        source: "server.c, writeCommandsDeniedByDiskError",
        because_of: &["P20", "P21", "P22", "P01"],
        weight: 80,
        examine: misconf,
        ..RULE
    },
    Rule {
        id: "P25",
        topic: Topic::Persistence,
        title: "the server cannot load its file",
        reads: "the log: Bad file format, Short read or OOM loading DB, Can't handle RDB format version",
        threshold: "the log has such a line",
        why: "the server does not start, and serves no data",
        fix: &[
            VERIFY,
            "redis-check-aof appendonly.aof (without --fix it changes nothing; keep a copy before you use it)",
            NEWER,
            TYPED,
        ],
        source: "rdb.c and aof.c",
        weight: 95,
        examine: not_loaded,
        ..RULE
    },
    Rule {
        id: "S20",
        topic: Topic::Security,
        title: "HTTP requests reach the server",
        reads: "the log: Possible SECURITY ATTACK detected",
        threshold: "the log has such a line",
        why: "a web page in a browser or a scanner reaches the port: without a password it can take over the server",
        fix: &["redis-ops diagnose security"],
        source: "networking.c, securityWarningCommand",
        examine: attack,
        ..RULE
    },
];

/// Lines of this meaning, as a finding of this severity.
fn said(case: &Case<'_>, event: LogEvent, severity: Severity) -> Judged {
    let log = case.server_log()?;
    let Some(seen) = log.events.get(&event) else { return Ok(None) };
    // The cause first: the verdict quotes it.
    let mut finding = case.finding(severity).evidence("says", seen.example.as_str()).evidence("lines", seen.count);
    if !seen.first.is_empty() {
        finding = finding.evidence("first", seen.first.as_str()).evidence("last", seen.last.as_str());
    }
    Ok(Some(finding))
}

/// The same, with fixes that depend on what was said.
fn fixed(judged: Judged, fix: impl Fn(&Finding) -> Vec<String>) -> Judged {
    Ok(judged?.map(|finding| fix(&finding).into_iter().fold(finding, Finding::fix)))
}

fn out_of_memory(case: &Case<'_>) -> Judged {
    said(case, LogEvent::OutOfMemory, Severity::Critical)
}

fn writes_refused(case: &Case<'_>) -> Judged {
    said(case, LogEvent::WritesRefused, Severity::Critical)
}

/// What the words of a line are that a finding quotes.
fn quoted(finding: &Finding) -> String {
    finding.evidence.get("says").and_then(|says| says.as_str()).unwrap_or_default().to_owned()
}

/// The first step for each of the doctor's headings; the other headings are harmless by themselves.
const PRESCRIPTIONS: &[(&str, &str)] = &[
    ("High total RSS", "MEMORY PURGE (jemalloc only)"),
    (
        "High allocator fragmentation",
        "CONFIG SET activedefrag yes (if the build supports it; takes processor time; undo: no)",
    ),
    ("Big client buffers", "redis-ops diagnose connections --sort output"),
    ("Big replica buffers", "redis-ops diagnose replication"),
    ("Big slave buffers", "redis-ops diagnose replication"),
    ("Many scripts", "in the application: pass arguments as KEYS and ARGV, and use EVALSHA or FCALL"),
];

fn doctor(case: &Case<'_>) -> Judged {
    let Some(finding) = said(case, LogEvent::MemoryDoctor, Severity::Warning)? else { return Ok(None) };
    let says = quoted(&finding);
    let told = says.split_once("(allocator ").map(|(_, name)| name);
    let libc = told.or(case.snapshot.info.get("mem_allocator")).is_some_and(|name| name.starts_with("libc"));
    let steps: Vec<&str> = PRESCRIPTIONS
        .iter()
        .filter(|(heading, _)| says.contains(heading))
        .flat_map(|(heading, fix)| match heading.starts_with("High ") && libc {
            true => vec![RESTART, JEMALLOC],
            false => vec![*fix],
        })
        .collect();
    let severity = if steps.is_empty() { Severity::Info } else { Severity::Warning };
    let finding = steps.into_iter().fold(Finding { severity, ..finding }, Finding::fix);
    Ok(Some(finding.fix("INFO memory").fix("redis-ops diagnose memory")))
}

fn too_many(case: &Case<'_>) -> Judged {
    said(case, LogEvent::TooManyConnections, Severity::Critical)
}

fn client_buffers(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ClientOutputBuffer, Severity::Warning)
}

fn crashed(case: &Case<'_>) -> Judged {
    said(case, LogEvent::Crashed, Severity::Critical)
}

fn not_writable(case: &Case<'_>) -> Judged {
    let Some(finding) = said(case, LogEvent::FileNotWritable, Severity::Critical)? else { return Ok(None) };
    let says = quoted(&finding);
    let folder = says.split_once("(in server root dir ").and_then(|(_, rest)| rest.split_once(')'));
    let folder = folder.map_or("<what `CONFIG GET dir` says>", |(folder, _)| folder);
    // What the server writes where its working folder is gone: getcwd fails.
    if folder == "unknown" {
        return Ok(Some(without_folder(case, finding.evidence("dir", "is gone"))));
    }
    Ok(Some(
        finding
            .fix(format!("ls -ld {folder}"))
            .fix(format!(
                "chown redis: {folder} (or the user that the server runs as: `ps -o user= -C redis-server`; in a container, the volume's owner)"
            ))
            .fix("BGSAVE"),
    ))
}

fn disk_full(case: &Case<'_>) -> Judged {
    said(case, LogEvent::DiskFull, Severity::Critical)
}

fn fork_failed(case: &Case<'_>) -> Judged {
    fixed(said(case, LogEvent::ForkFailed, Severity::Critical), |finding| {
        let says = quoted(finding);
        let fix = if says.contains("Resource temporarily unavailable") {
            "raise the process limit: `pids.max` of the container, `ulimit -u` of the server's user"
        } else {
            "sysctl vm.overcommit_memory=1 (undo: 0; the kernel then grants more memory than exists)"
        };
        vec![fix.to_owned(), "BGSAVE".to_owned()]
    })
}

fn disk_slow(case: &Case<'_>) -> Judged {
    let count = case.server_log()?.events.get(&LogEvent::DiskSlow).map_or(0, |seen| seen.count);
    let critical = count as f64 >= case.limit("critical");
    said(case, LogEvent::DiskSlow, if critical { Severity::Critical } else { Severity::Warning })
}

fn misconf(case: &Case<'_>) -> Judged {
    match said(case, LogEvent::Misconf, Severity::Critical)? {
        Some(finding) => Ok(Some(finding)),
        None => said(case, LogEvent::SaveFailed, Severity::Warning),
    }
}

fn not_loaded(case: &Case<'_>) -> Judged {
    fixed(said(case, LogEvent::NotLoaded, Severity::Critical), |finding| {
        let says = quoted(finding);
        let aof = ["the append only file ", "of the AOF file "].iter().find_map(|words| says.split_once(words));
        if let Some((_, rest)) = aof {
            let name = rest.split([' ', ',', '\'']).next().unwrap_or_default().trim_end_matches([':', '.', ',']);
            return vec![format!("redis-check-aof {} {CHECKS}", to_check(name))];
        }
        let version =
            says.split_once("Can't handle RDB format version ").and_then(|(_, rest)| rest.trim().parse().ok());
        match version {
            Some(version) => vec![newer_server(version), TYPED.to_owned()],
            None => vec![VERIFY.to_owned()],
        }
    })
}

/// The name that redis-check-aof takes: since 7.0 the manifest of the parts, in a folder of its own.
fn to_check(name: &str) -> String {
    let part = [".base.rdb", ".base.aof", ".incr.aof"].iter().find_map(|end| name.strip_suffix(end));
    let stem = part.and_then(|stem| stem.rsplit_once('.')).map(|(stem, _)| stem.rsplit('/').next().unwrap_or(stem));
    match (stem, name.ends_with(".manifest")) {
        (Some(stem), _) => format!("appendonlydir/{stem}.manifest"),
        (None, true) => format!("appendonlydir/{name}"),
        (None, false) if name.is_empty() => "appendonly.aof".to_owned(),
        (None, false) => name.to_owned(),
    }
}

/// The way out of a file that is newer than its server.
fn newer_server(version: u32) -> String {
    let dialect = if version < FIRST_OF_VALKEY { Dialect::Redis } else { Dialect::Valkey };
    let reads = Server::known().into_iter().find(|server| server.reads(dialect, version));
    let name = reads.map_or("the version that wrote it".to_owned(), |server| server.name().to_owned());
    format!("{NEWER} (RDB format {version}: {name} or later)")
}

fn attack(case: &Case<'_>) -> Judged {
    said(case, LogEvent::Attack, Severity::Warning)
}
