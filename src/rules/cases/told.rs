//! Cases of what older and other servers tell, and of what the numbers give away.

use super::{C, Case_, I, QUIET, W};

pub(super) const CASES: &[Case_] = &[
    ("M32", W, "redis_version:7.2.0\nused_memory:63284419952\nused_memory_rss:3262771200"),
    ("M32", QUIET, "redis_version:7.2.1\nused_memory:63284419952\nused_memory_rss:3262771200"),
    ("M32", QUIET, "redis_version:7.2.0\nused_memory:63284419952\nused_memory_rss:63262771200"),
    ("M33", I, "redis_build_id:0000000000000000000000000000000000000000\n-maxmemory_policy"),
    ("M33", QUIET, "redis_build_id:0000000000000000000000000000000000000000\nmaxmemory_policy:noeviction"),
    ("M34", I, "maxmemory:20000000\nused_memory_peak:83346632"),
    ("M34", QUIET, "maxmemory:20000000\nused_memory_peak:24000000"),
    ("C43", C, "client_longest_output_list:1002795"),
    ("C43", W, "client_longest_output_list:10000"),
    ("C43", QUIET, "client_longest_output_list:9999"),
    ("C44", I, "client qbuf-free=2621430"),
    ("C44", W, "clients 30 qbuf-free=2621430"),
    ("C44", QUIET, "clients 30 qbuf-free=1048575"),
    ("C45", I, "connected_clients:4294964742"),
    ("C45", I, "rdb_changes_since_last_save:-1041"),
    ("C45", I, "client_read_buffer_bytes:18446744073697705472"),
    ("C45", QUIET, "connected_clients:100000"),
    ("C46", I, "dragonfly_version:df-v1.21.2\n-server_name\nclient age=377203\nclient age=5"),
    ("C46", QUIET, "dragonfly_version:df-v1.21.2\n-server_name\nclient age=3772\nclient age=5"),
    (
        "R25",
        W,
        "redis_version:3.2.0\nrole:slave\ndb0:keys=50000,expires=49000\npeer 10.0.0.2:6379 role:master db0:keys=10000,expires=5000",
    ),
    (
        "R25",
        QUIET,
        "redis_version:3.2.0\nrole:slave\ndb0:keys=15000,expires=14000\npeer 10.0.0.2:6379 role:master db0:keys=10000,expires=5000",
    ),
];
