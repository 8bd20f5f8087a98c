//! Cases of causes that no rule knew: leaks, stalls, pauses, containers, loops.

use super::{C, Case_, I, QUIET, W};

pub(super) const CASES: &[Case_] = &[
    ("C09", C, "maxmemory:20000000\nclients 10 qbuf=200000 qbuf-free=400000"),
    ("C09", QUIET, "maxmemory:100000000\nclients 10 qbuf=200000 qbuf-free=400000"),
    (
        "C25",
        W,
        "total_error_replies:20\nbefore total_error_replies:0\ntotal_commands_processed:2000\nbefore total_commands_processed:1000\nerrorstat_NOPERM:count=20\nbefore errorstat_NOPERM:count=0\nrefused shop command get\ncmdstat_get:calls=9,usec=1,rejected_calls=20\nbefore cmdstat_get:calls=9,usec=1,rejected_calls=0",
    ),
    (
        "C25",
        W,
        "total_error_replies:20\nbefore total_error_replies:0\ntotal_commands_processed:2000\nbefore total_commands_processed:1000\nerrorstat_NOPERM:count=20\nbefore errorstat_NOPERM:count=0\nrefused shop key user:1",
    ),
    // Before Valkey 8.1 no server says that it is paused: a write that is blocked gives it away.
    ("C28", W, "-paused_actions\nclient flags=b cmd=set idle=2"),
    ("C28", C, "-paused_actions\nclient flags=b cmd=set idle=31"),
    ("C28", QUIET, "-paused_actions\nclient flags=b cmd=blpop idle=31\nclient flags=N cmd=set idle=31"),
    (
        "C47",
        W,
        "maxclients:10000\nconnected_clients:3000\nbefore connected_clients:2985\ntotal_connections_received:5015\nbefore total_connections_received:5000",
    ),
    (
        "C47",
        C,
        "maxclients:1000\nconnected_clients:300\nbefore connected_clients:280\ntotal_connections_received:5020\nbefore total_connections_received:5000\nclients 20 age=0",
    ),
    // They come and go; a pool opens its connections; a leak that takes a day.
    (
        "C47",
        QUIET,
        "maxclients:1000\nconnected_clients:300\nbefore connected_clients:299\ntotal_connections_received:5020\nbefore total_connections_received:5000",
    ),
    (
        "C47",
        QUIET,
        "maxclients:10000\nconnected_clients:60\nbefore connected_clients:10\ntotal_connections_received:5050\nbefore total_connections_received:5000",
    ),
    (
        "C47",
        QUIET,
        "seconds 3600\nmaxclients:10000\nconnected_clients:2100\nbefore connected_clients:2000\ntotal_connections_received:5100\nbefore total_connections_received:5000",
    ),
    // A leak far from the limit: connections that have come for a quarter of a minute, and stay.
    (
        "C47",
        W,
        "maxclients:10000\nconnected_clients:330\nbefore connected_clients:310\ntotal_connections_received:5020\nbefore total_connections_received:5000\nclients 100 age=1\nclients 100 age=6\nclients 100 age=12",
    ),
    ("C48", C, "waiting 409\nconfig tcp-backlog 511"),
    ("C48", C, "waiting 100\nconfig tcp-backlog 100"),
    ("C48", QUIET, "waiting 408\nconfig tcp-backlog 511"),
    ("C48", QUIET, "waiting 4\nconfig tcp-backlog 5"),
    (
        "R28",
        W,
        r#"cluster cluster_state:ok
        answer Migrations [["id","cae3","slots","0-100","operation","import","state","auth-reply","last_error","","create_time",1799999000000]]"#,
    ),
    (
        "R28",
        C,
        r#"cluster cluster_state:ok
        answer Migrations [["name","48e5","operation","EXPORT","slot_ranges","0-100","create_time",1799980000,"last_ack_time",1799990000,"state","reading-establish-response","message","x"]]"#,
    ),
    (
        "R28",
        QUIET,
        r#"cluster cluster_state:ok
        answer Migrations [["name","48e5","operation","EXPORT","slot_ranges","0-100","create_time",1799980000,"last_ack_time",1799999990,"state","snapshotting","message",""]]"#,
    ),
    (
        "R28",
        QUIET,
        r#"cluster cluster_state:ok
        answer Migrations [["id","cae3","slots","0-100","operation","import","state","completed","last_error","","create_time",1799900000000]]"#,
    ),
    ("C49", C, "waited 8.7"),
    ("C49", W, "waited 2"),
    ("C49", W, "slow 2500000 60 EVAL while_true"),
    ("C49", C, r#"answer Latency [["fork",1799999900,6000,6000]]"#),
    ("C49", QUIET, "waited 1.9\nslow 1900000 60 EVAL while_true"),
    ("C49", QUIET, "slow 9000000 700 EVAL while_true"),
    ("C49", QUIET, r#"answer Latency [["fork",1799990000,6000,6000]]"#),
    (
        "C50",
        W,
        "total_net_output_bytes:210000000\nbefore total_net_output_bytes:0\ntotal_commands_processed:1200\nbefore total_commands_processed:1000\nclient tot-net-out=200000000 cmd=hgetall",
    ),
    (
        "C50",
        QUIET,
        "total_net_output_bytes:9000000\nbefore total_net_output_bytes:0\ntotal_commands_processed:1010\nbefore total_commands_processed:1000",
    ),
    (
        "C50",
        QUIET,
        "total_net_output_bytes:210000000\nbefore total_net_output_bytes:0\ntotal_commands_processed:201000\nbefore total_commands_processed:1000",
    ),
    (
        "K07",
        W,
        "total_commands_processed:5000\nbefore total_commands_processed:0\nkey hot:1 string - 90 3 raw 0\nkeys 200 cold: string - 90 3 raw 60",
    ),
    (
        "K07",
        QUIET,
        "total_commands_processed:5000\nbefore total_commands_processed:0\nkeys 5 warm: string - 90 3 raw 0\nkeys 200 cold: string - 90 3 raw 60",
    ),
    (
        "K07",
        QUIET,
        "total_commands_processed:500\nbefore total_commands_processed:0\nkey hot:1 string - 90 3 raw 0\nkeys 200 cold: string - 90 3 raw 60",
    ),
    ("K18", C, "cmdstat_flushall:calls=1,usec=9\nbefore -cmdstat_flushall"),
    ("K18", C, "-db0\ncmdstat_flushall:calls=1,usec=9\nbefore cmdstat_flushall:calls=1,usec=9\nslow 20000 60 FLUSHALL"),
    ("K18", W, "cmdstat_flushdb:calls=1,usec=9\nbefore cmdstat_flushdb:calls=1,usec=9\nslow 20000 60 FLUSHDB ASYNC"),
    ("K18", W, "-db0\ncmdstat_flushall:calls=1,usec=9\nbefore cmdstat_flushall:calls=1,usec=9"),
    ("K18", I, "cmdstat_flushall:calls=1,usec=9\nbefore cmdstat_flushall:calls=1,usec=9"),
    // A few keys have been written since; most of what there was is gone.
    (
        "K18",
        W,
        "db0:keys=1,expires=0,avg_ttl=0\nused_memory_startup:900000\nused_memory:1000000\nused_memory_peak:2000000\ncmdstat_flushall:calls=1,usec=9\nbefore cmdstat_flushall:calls=1,usec=9",
    ),
    ("K18", QUIET, "slow 20000 7200 FLUSHALL"),
    ("K18", QUIET, "-db0"),
    // Redis before 5.0, KeyDB and Dragonfly do not tell it in bytes.
    (
        "M06",
        W,
        "used_memory:300000000\nused_memory_rss:500000000\nused_memory_peak:310000000\nmem_fragmentation_ratio:1.67\n-mem_fragmentation_bytes",
    ),
    (
        "M06",
        W,
        "used_memory:300000000\nused_memory_rss:500000000\nused_memory_peak:310000000\n-mem_fragmentation_ratio\n-mem_fragmentation_bytes",
    ),
    (
        "M06",
        QUIET,
        "used_memory:300000000\nused_memory_rss:390000000\nused_memory_peak:310000000\n-mem_fragmentation_ratio\n-mem_fragmentation_bytes",
    ),
    ("M35", W, "total_system_memory:1000000000\nmaxmemory:1100000000\nused_memory_rss:100000000"),
    ("M35", C, "total_system_memory:1000000000\nmaxmemory:1100000000\nused_memory_rss:850000000"),
    ("M35", W, "container 100000000\nmaxmemory:200000000\nused_memory_rss:10000000"),
    ("M35", QUIET, "total_system_memory:1000000000\nmaxmemory:1000000000\nused_memory_rss:100000000"),
    ("M36", W, "evicted_scripts:20\nbefore evicted_scripts:10"),
    ("M36", QUIET, "evicted_scripts:19\nbefore evicted_scripts:10"),
    ("M37", W, "used_memory:1000000000\nmem_total_replication_buffers:150000000\nrepl_backlog_size:1048576"),
    (
        "M37",
        C,
        "used_memory:300000000\nmem_total_replication_buffers:1048576\nrepl_backlog_size:1048576\nmem_cluster_links:150000000",
    ),
    ("M37", W, "used_memory:1000000000\n-mem_total_replication_buffers\nmem_clients_slaves:150000000"),
    ("M37", QUIET, "used_memory:1000000000\nmem_total_replication_buffers:150000000\nrepl_backlog_size:149000000"),
    ("M37", QUIET, "used_memory:10000000000\nmem_total_replication_buffers:150000000\nrepl_backlog_size:1048576"),
    ("P26", C, "rdb_last_bgsave_status:err\ntotal_forks:0"),
    ("P26", C, "rdb_last_bgsave_status:err\ntotal_forks:5\nprocesses 20 20"),
    ("P26", QUIET, "rdb_last_bgsave_status:err\ntotal_forks:5\nprocesses 19 20"),
    ("P26", QUIET, "rdb_last_bgsave_status:ok\ntotal_forks:0"),
    (
        "R26",
        C,
        "seconds 10\nrole:master\nconnected_slaves:1\nslave0:ip=10.0.0.2,port=6379,state=send_bulk,offset=0,lag=0\nsync_full:5\nbefore sync_full:2\nmaster_repl_offset:900000000\nbefore master_repl_offset:0\nrepl_backlog_size:1048576",
    ),
    (
        "R26",
        QUIET,
        "seconds 10\nrole:master\nconnected_slaves:1\nslave0:ip=10.0.0.2,port=6379,state=send_bulk,offset=0,lag=0\nsync_full:5\nbefore sync_full:2\nmaster_repl_offset:90000000\nbefore master_repl_offset:0\nrepl_backlog_size:1048576",
    ),
    (
        "R26",
        QUIET,
        "seconds 10\nrole:master\nconnected_slaves:1\nslave0:ip=10.0.0.2,port=6379,state=online,offset=900000000,lag=0\nsync_full:3\nbefore sync_full:2\nmaster_repl_offset:900000000\nbefore master_repl_offset:0\nrepl_backlog_size:1048576",
    ),
    (
        "R27",
        I,
        "cluster cluster_state:ok\nnode 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [93->-abc]\nnode_before 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [93->-abc]",
    ),
    (
        "R27",
        W,
        "seconds 700\ncluster cluster_state:ok\nnode 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [93->-abc]\nnode_before 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [93->-abc]",
    ),
    (
        "R27",
        QUIET,
        "cluster cluster_state:ok\nnode 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [94->-abc]\nnode_before 1 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-99 [93->-abc]",
    ),
    (
        "S04",
        W,
        "tls_server_cert_serial:1\ntls_server_cert_expires_in_seconds:9000000\ntls_ca_cert_serial:2\ntls_ca_cert_expires_in_seconds:2000000",
    ),
    (
        "S04",
        QUIET,
        "tls_server_cert_serial:1\ntls_server_cert_expires_in_seconds:9000000\ntls_ca_cert_serial:none\ntls_ca_cert_expires_in_seconds:0",
    ),
];
