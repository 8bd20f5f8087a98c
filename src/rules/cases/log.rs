//! Cases of what a log says.

use super::{C, Case_, I, QUIET, W};

const QUIET_LINE: &str = "log 1:M 19 Sep 2024 05:50:17.014 * Ready to accept connections";

pub(super) const CASES: &[Case_] = &[
    ("M30", C, "log [1.2] Out of memory: Killed process 123 (redis-server) total-vm:1kB"),
    ("M30", QUIET, QUIET_LINE),
    ("M31", C, "log redis.exceptions.OutOfMemoryError: OOM command not allowed when used memory > 'maxmemory'."),
    ("M31", QUIET, QUIET_LINE),
    (
        "M38",
        W,
        "log  * High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4 (…).",
    ),
    (
        "M38",
        W,
        "log  * High allocator fragmentation: This instance has an allocator external fragmentation greater than 1.1.",
    ),
    (
        "M38",
        W,
        "log  * Big client buffers: The clients output buffers in this instance are greater than 200K per client.",
    ),
    (
        "M38",
        W,
        "log  * Big replica buffers: The replica output buffers in this instance are greater than 10MB for each replica.",
    ),
    ("M38", W, "log  * Many scripts: There seem to be many cached scripts in this instance (more than 1000)."),
    ("M38", I, "log  * Peak memory: In the past this instance used more than 150% the memory that is currently using."),
    (
        "M38",
        W,
        "log  * High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4 (…). Note: The currently used allocator is \"libc\".",
    ),
    ("M38", QUIET, QUIET_LINE),
    ("C40", C, "log 1:M 19 Sep 2024 05:50:17.014 # Accepting client connection: accept: Too many open files"),
    ("C40", QUIET, QUIET_LINE),
    (
        "C41",
        W,
        "log 1:M 19 Sep 2024 05:50:17.014 # Client id=162 addr=10.0.0.2:5 flags=N omem=9 scheduled to be closed ASAP for overcoming of output buffer limits.",
    ),
    (
        "C41",
        QUIET,
        "log 1:M 19 Sep 2024 05:50:17.014 # Client id=162 addr=10.0.0.2:5 flags=S omem=9 scheduled to be closed ASAP for overcoming of output buffer limits.",
    ),
    ("C42", C, "log 1:M 19 Sep 2024 05:50:17.014 # Redis 7.0.15 crashed by signal: 11, si_code: 1"),
    ("C42", QUIET, QUIET_LINE),
    (
        "P20",
        C,
        "log 545:C 19 Sep 2024 05:50:17.015 # Failed opening the temp RDB file temp-545.rdb (in server root dir /data) for saving: Permission denied",
    ),
    // The server does not know its own folder any more.
    (
        "P20",
        C,
        "log 1336:C 30 Nov 2026 10:15:10.247 # Failed opening the temp RDB file temp-1336.rdb (in server root dir unknown) for saving: No such file or directory",
    ),
    (
        "P20",
        C,
        "-redis_version\nlog 1336:C 30 Nov 2026 10:15:10.247 # Failed opening the temp RDB file temp-1336.rdb (in server root dir unknown) for saving: No such file or directory",
    ),
    ("P20", QUIET, "log 1:M 19 Sep 2024 05:50:17.116 # Background saving error"),
    ("P21", C, "log 545:C 19 Sep 2024 05:50:17.015 # Write error saving DB on disk: No space left on device"),
    ("P21", QUIET, QUIET_LINE),
    ("P22", C, "log 1:M 19 Sep 2024 05:50:17.015 # Can't save in background: fork: Cannot allocate memory"),
    ("P22", C, "log 1:M 19 Sep 2024 05:50:17.015 # Can't save in background: fork: Resource temporarily unavailable"),
    ("P22", QUIET, QUIET_LINE),
    (
        "P23",
        W,
        "log 1:M 19 Sep 2024 05:50:17.015 * Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis.",
    ),
    ("P23", QUIET, QUIET_LINE),
    ("P24", C, "log MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."),
    ("P24", W, "log 1:M 19 Sep 2024 05:50:17.116 # Background saving error"),
    ("P24", QUIET, QUIET_LINE),
    ("P25", C, "log 1:M 19 Sep 2024 05:50:17.116 # Short read or OOM loading DB. Unrecoverable error, aborting now."),
    (
        "P25",
        C,
        "log 1:M 30 Nov 2026 10:00:00.000 # Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>",
    ),
    (
        "P25",
        C,
        "log 1:M 30 Nov 2026 10:00:00.000 # Unexpected end of file reading the append only file appendonly.aof. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename>.",
    ),
    ("P25", C, "log 1:M 30 Nov 2026 10:00:00.000 # Can't handle RDB format version 12"),
    ("P25", C, "log 1:M 30 Nov 2026 10:00:00.000 # Can't handle RDB format version 80"),
    ("P25", QUIET, QUIET_LINE),
    (
        "R20",
        C,
        "log 1:M 19 Sep 2024 05:50:17.014 # Client id=162 addr=10.0.0.2:5 flags=S omem=9 scheduled to be closed ASAP for overcoming of output buffer limits.",
    ),
    ("R20", QUIET, QUIET_LINE),
    ("R21", C, "log 1:S 07 Feb 06:03:17.086 # Unable to AUTH to MASTER: -ERR invalid password"),
    ("R21", QUIET, QUIET_LINE),
    (
        "R22",
        W,
        "log 1:S 07 Feb 06:03:17.086 # Connection with master lost.\nlog 1:S 07 Feb 06:04:17.086 # Connection with master lost.\nlog 1:S 07 Feb 06:05:17.086 # Connection with master lost.",
    ),
    ("R22", QUIET, "log 1:S 07 Feb 06:03:17.086 # Connection with master lost."),
    (
        "R23",
        W,
        "log 1:M 07 Feb 06:03:17.086 * Full resync requested by replica 10.0.0.2:6379\nlog 1:M 07 Feb 06:04:17.086 * Full resync requested by replica 10.0.0.2:6379\nlog 1:M 07 Feb 06:05:17.086 * Full resync requested by replica 10.0.0.2:6379",
    ),
    ("R23", QUIET, "log 1:M 07 Feb 06:03:17.086 * Full resync requested by replica 10.0.0.2:6379"),
    ("R24", C, "log 1:M 07 Feb 06:03:17.086 # Cluster state changed: fail"),
    ("R24", QUIET, "log 1:M 07 Feb 06:03:17.086 # Cluster state changed: ok"),
    (
        "R29",
        W,
        "log 1:S 30 Nov 2026 10:00:00.000 * Connecting to MASTER redis-master:6379\nlog 1:S 30 Nov 2026 10:00:00.010 # Unable to connect to MASTER: Invalid argument",
    ),
    (
        "R29",
        C,
        "log 1:S 30 Nov 10:00:00 # Error condition on socket for SYNC: Connection refused\nlog 1:S 30 Nov 10:00:01 # Error condition on socket for SYNC: Connection refused\nlog 1:S 30 Nov 10:00:02 # Error condition on socket for SYNC: Connection refused",
    ),
    ("R29", QUIET, "log 1:S 30 Nov 2026 10:00:00.000 * Connecting to MASTER redis-master:6379"),
    (
        "R30",
        C,
        "log 1:X 30 Nov 2026 10:00:00.200 # +odown master mymaster 10.0.0.5 6379 #quorum 2/2\nlog 1:X 30 Nov 2026 10:00:10.301 # -failover-abort-no-good-slave master mymaster 10.0.0.5 6379",
    ),
    ("R30", C, "log 1:X 30 Nov 2026 10:00:00.200 # +odown master mymaster 10.0.0.5 6379 #quorum 2/2"),
    (
        "R30",
        W,
        "log 1:X 30 Nov 2026 10:00:00.200 # +odown master mymaster 10.0.0.5 6379 #quorum 2/2\nlog 1:X 30 Nov 2026 10:00:02.301 # +switch-master mymaster 10.0.0.5 6379 10.0.0.6 6379",
    ),
    (
        "R30",
        QUIET,
        "log 1:X 30 Nov 2026 10:00:00.123 # +sdown slave 10.0.0.6:6379 10.0.0.6 6379 @ mymaster 10.0.0.5 6379",
    ),
    ("R31", C, "log ReplyError: READONLY You can't write against a read only replica."),
    ("R31", QUIET, QUIET_LINE),
    (
        "S20",
        W,
        "log 1:M 07 Feb 06:03:17.086 # Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis.",
    ),
    ("S20", QUIET, QUIET_LINE),
];
