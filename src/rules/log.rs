//! What a server's log says, where a person pasted it. No server is asked for its log: without one these rules are skipped.

use super::case::Case;
use super::judged::Judged;
use super::rule::{RULE, Rule, Topic};
use crate::finding::{Finding, Severity};
use crate::replies::LogEvent;

/// Times that something has to be there to be a loop.
const AGAIN: f64 = 3.0;

pub(super) const RULES: &[&[Rule]] = &[&[
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
            "MEMORY PURGE",
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
            "redis-ops verify --file dump.rdb",
            "redis-check-aof appendonly.aof (without --fix it changes nothing; keep a copy before you use it)",
        ],
        source: "rdb.c and aof.c",
        weight: 95,
        examine: not_loaded,
        ..RULE
    },
    Rule {
        id: "R20",
        topic: Topic::Replication,
        title: "replicas are disconnected at their output buffer limit",
        reads: "the log: a client with flag S scheduled to be closed for overcoming of output buffer limits",
        threshold: "the log has such a line",
        why: "the replica needs a full resync; writes during the resync fill the same buffer, and the replica is disconnected again",
        fix: &[
            "CONFIG SET client-output-buffer-limit \"slave 536870912 268435456 120\" (costs up to 512 MB for each replica; the default is 256mb 64mb 60)",
            "redis-ops diagnose replication",
        ],
        source: "networking.c; redis#4420",
        weight: 90,
        examine: replica_buffers,
        ..RULE
    },
    Rule {
        id: "R21",
        topic: Topic::Replication,
        title: "the primary refuses the replica's password",
        reads: "the log: Unable to AUTH to MASTER, NOAUTH",
        threshold: "the log has such a line",
        why: "the replica receives no data until masterauth (and masteruser) match the primary",
        fix: &["CONFIG SET masterauth <the primary's password> (on the replica; CONFIG REWRITE keeps it)"],
        source: "replication.c, syncWithMaster",
        weight: 95,
        examine: refused_password,
        ..RULE
    },
    Rule {
        id: "R22",
        topic: Topic::Replication,
        title: "the link to the primary breaks again and again",
        reads: "the log: Connection with master lost, MASTER timeout, Error condition on socket for SYNC",
        limits: &[("warning", AGAIN)],
        threshold: "the log has {warning} such lines",
        why: "the replica serves old data, and each new link may cost the primary a full resync",
        fix: &["redis-ops diagnose replication"],
        source: "replication.c",
        because_of: &["R20", "R21"],
        examine: primary_lost,
        ..RULE
    },
    Rule {
        id: "R23",
        topic: Topic::Replication,
        title: "replicas request full resyncs again and again",
        reads: "the log: Full resync requested by replica, Starting BGSAVE for SYNC",
        limits: &[("warning", AGAIN)],
        threshold: "the log has {warning} such lines",
        why: "each full resync costs the primary a fork and sends all data over the network",
        fix: &["redis-ops diagnose replication"],
        source: "replication.c",
        because_of: &["R20"],
        examine: full_resyncs,
        ..RULE
    },
    Rule {
        id: "R24",
        topic: Topic::Replication,
        title: "the cluster is down",
        reads: "the log: Cluster state changed: fail; a client's error: CLUSTERDOWN",
        threshold: "there is such a line",
        why: "with cluster-require-full-coverage every node refuses every command while a single slot is missing",
        fix: &["CLUSTER NODES", "CLUSTER INFO"],
        source: "cluster.c, clusterUpdateState",
        weight: 85,
        examine: cluster_failed,
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
]];

/// Lines of this meaning, as a finding of this severity.
fn said(case: &Case<'_>, event: LogEvent, severity: Severity) -> Judged {
    let log = case.server_log()?;
    let Some(seen) = log.events.get(&event) else { return Ok(None) };
    let mut finding = case.finding(severity).evidence("lines", seen.count);
    if !seen.first.is_empty() {
        finding = finding.evidence("first", seen.first.as_str()).evidence("last", seen.last.as_str());
    }
    Ok(Some(finding.evidence("says", seen.example.as_str())))
}

/// The same, with fixes that depend on what was said.
fn fixed(judged: Judged, fix: impl Fn(&Finding) -> Vec<String>) -> Judged {
    Ok(judged?.map(|finding| fix(&finding).into_iter().fold(finding, Finding::fix)))
}

/// The same from so many lines on.
fn again(case: &Case<'_>, event: LogEvent) -> Judged {
    let count = case.server_log()?.events.get(&event).map_or(0, |seen| seen.count);
    if (count as f64) < case.limit("warning") { Ok(None) } else { said(case, event, Severity::Warning) }
}

fn out_of_memory(case: &Case<'_>) -> Judged {
    said(case, LogEvent::OutOfMemory, Severity::Critical)
}

fn writes_refused(case: &Case<'_>) -> Judged {
    said(case, LogEvent::WritesRefused, Severity::Critical)
}

/// The first step for each of the doctor's headings; the other headings are harmless by themselves.
const PRESCRIPTIONS: &[(&str, &str)] = &[
    ("High total RSS", "MEMORY PURGE"),
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
    let says = finding.evidence.get("says").and_then(|says| says.as_str()).unwrap_or_default().to_owned();
    let steps: Vec<&str> =
        PRESCRIPTIONS.iter().filter(|(heading, _)| says.contains(heading)).map(|(_, fix)| *fix).collect();
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
    fixed(said(case, LogEvent::FileNotWritable, Severity::Critical), |finding| {
        let says = finding.evidence.get("says").and_then(|says| says.as_str()).unwrap_or_default();
        let folder = says.split_once("(in server root dir ").and_then(|(_, rest)| rest.split_once(')'));
        let folder = folder.map_or("<what `CONFIG GET dir` says>", |(folder, _)| folder);
        vec![
            format!("ls -ld {folder}"),
            format!(
                "chown redis: {folder} (or the user that the server runs as: `ps -o user= -C redis-server`; in a container, the volume's owner)"
            ),
            "BGSAVE".to_owned(),
        ]
    })
}

fn disk_full(case: &Case<'_>) -> Judged {
    said(case, LogEvent::DiskFull, Severity::Critical)
}

fn fork_failed(case: &Case<'_>) -> Judged {
    fixed(said(case, LogEvent::ForkFailed, Severity::Critical), |finding| {
        let says = finding.evidence.get("says").and_then(|says| says.as_str()).unwrap_or_default();
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
    said(case, LogEvent::NotLoaded, Severity::Critical)
}

fn replica_buffers(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ReplicaOutputBuffer, Severity::Critical)
}

fn refused_password(case: &Case<'_>) -> Judged {
    said(case, LogEvent::PrimaryRefusedPassword, Severity::Critical)
}

fn primary_lost(case: &Case<'_>) -> Judged {
    again(case, LogEvent::PrimaryLost)
}

fn full_resyncs(case: &Case<'_>) -> Judged {
    again(case, LogEvent::FullResync)
}

fn cluster_failed(case: &Case<'_>) -> Judged {
    said(case, LogEvent::ClusterFailed, Severity::Critical)
}

fn attack(case: &Case<'_>) -> Judged {
    said(case, LogEvent::Attack, Severity::Warning)
}
