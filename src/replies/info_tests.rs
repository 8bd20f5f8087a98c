use super::*;

/// INFO of a real server, captured with `INFO everything`.
fn captured(name: &str) -> Info {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info").join(name);
    Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"))
}

const CAPTURED: &[(&str, &str)] = &[
    ("redis-6.2.14.txt", "6.2.14"),
    ("redis-7.0.15.txt", "7.0.15"),
    ("redis-8.0.6.txt", "8.0.6"),
    ("valkey-8.0.1.txt", "7.2.4"),
    ("valkey-8.1.1.txt", "7.2.4"),
    ("valkey-9.1.2.txt", "7.2.4"),
];

#[test]
fn every_version_is_read() {
    for (name, version) in CAPTURED {
        let info = captured(name);
        assert_eq!(info.get("redis_version"), Some(*version), "{name}");
        let databases = info.databases();
        assert_eq!(databases.keys().collect::<Vec<_>>(), [&0], "{name}: only db0 is a database");
        assert_eq!((databases[&0].keys, databases[&0].expires), (6, 4), "{name}");
        assert_eq!(info.command_stats()["lpush"].calls, 3, "{name}");
        assert_eq!(info.command_stats()["incr"].failed_calls, 1, "{name}");
        assert_eq!(info.error_stats()["ERR"], 1, "{name}");
        assert!(info.u64("used_memory").is_some_and(|bytes| bytes > 500_000), "{name}");
        assert_eq!(info.latency_stats().is_empty(), *version == "6.2.14", "{name}: latencystats came with 7.0");
    }
}

#[test]
fn numbers_are_read_only_where_they_are_numbers() {
    let info = Info::parse(
        "a:18446744073709551614\nb:-1\nc:98.04%\nd:nan\ne:inf\nf:\ng:99999999999999999999999\nh:7\r\n:x\nno colon\n",
    );
    assert_eq!((info.u64("a"), info.i64("a")), (Some(u64::MAX - 1), None));
    assert_eq!((info.u64("b"), info.i64("b")), (None, Some(-1)));
    assert_eq!(info.f64("c"), Some(98.04));
    assert_eq!((info.f64("d"), info.f64("e"), info.f64("f")), (None, None, None));
    assert_eq!(info.u64("g"), None);
    assert_eq!(info.u64("h"), Some(7), "a carriage return is no part of the value");
    assert_eq!(info.get("missing"), None);
    assert_eq!(info.fields().count(), 8);
}

#[test]
fn keyspace_lines_are_read_by_name_whatever_else_they_hold() {
    let info = Info::parse(
        "# Keyspace\ndb0:keys=3,expires=1,avg_ttl=5,subexpiry=9\ndb12:new=1,expires=2,keys=4\ndb1:expires=2\n\
         db0_distrib_strings_sizes:1=3,16K=2,1M=1\ndbx:keys=1,expires=1\n",
    );
    let databases = info.databases();
    assert_eq!(databases.len(), 2);
    assert_eq!(databases[&0], Database { keys: 3, expires: 1, avg_ttl_ms: 5 });
    assert_eq!(databases[&12], Database { keys: 4, expires: 2, avg_ttl_ms: 0 });
    assert_eq!(info.key_sizes()["strings_sizes"], [(1, 3), (16 << 10, 2), (1 << 20, 1)]);
}

#[test]
fn buckets_that_fell_below_zero_are_left_out() {
    let info = Info::parse("db0_distrib_zsets_items:0=18446744073709551614,2=1\n");
    assert_eq!(info.key_sizes()["zsets_items"], [(2, 1)]);
}

#[test]
fn replicas_and_modules_are_read_by_name() {
    let info = Info::parse(
        "slave0:ip=10.0.0.2,port=6380,state=online,offset=812,lag=1,type=replica\n\
         slave1:ip=::1,port=6381,state=wait_bgsave,offset=0,lag=0\nslave_read_only:1\nslave_priority:100\n\
         module:name=ReJSON,ver=20609,api=1,filters=0,usedby=[search,bf],using=[],options=[a|b]\nmodule:name=bf,ver=1\n",
    );
    let replicas = info.replicas();
    assert_eq!(replicas.len(), 2, "slave_read_only is no replica");
    assert_eq!((replicas[0].ip.as_str(), replicas[0].port, replicas[0].offset), ("10.0.0.2", 6380, Some(812)));
    assert_eq!(replicas[1].state, "wait_bgsave");
    assert_eq!(info.modules(), [("ReJSON".to_owned(), Some(20609)), ("bf".to_owned(), Some(1))]);
}

#[test]
fn what_is_stored_is_read_back_the_same() {
    for (name, _) in CAPTURED {
        let info = captured(name);
        let stored = serde_json::to_string(&info).expect("text");
        let back: Info = serde_json::from_str(&stored).expect("the same text");
        assert_eq!(back, info, "{name}");
    }
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let text =
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info/redis-8.0.6.txt"))
            .expect("a captured INFO");
    for cut in 0..text.len() {
        let info = Info::from_bytes(&text[cut..]);
        let _ = (info.databases(), info.command_stats(), info.latency_stats(), info.replicas(), info.key_sizes());
    }
    let noise: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let _ = Info::from_bytes(&noise).modules();
}

#[test]
fn info_of_a_cluster_adds_up_what_is_counted_and_names_all_servers() {
    let part = |run_id: &str, keys: u64, sets: u64, maxmemory: u64, second: &str| {
        Info::parse(&format!(
            "run_id:{run_id}\nrole:master\nloading:0\nmaxmemory:{maxmemory}\nused_memory:10\nevicted_keys:1\nmaster_replid:{run_id}\n\
             master_replid2:{second}\ndb0:keys={keys},expires=1,avg_ttl=5\ncmdstat_set:calls={sets},usec=9,usec_per_call=1\n"
        ))
    };
    let whole = Info::parse(&Info::of_parts(&[part("a", 3, 5, 100, "0000"), part("b", 4, 6, 200, "00c0")]));
    assert_eq!((whole.get("run_id"), whole.get("master_replid2")), (Some("a+b"), Some("00c0")));
    assert_eq!(
        (whole.u64("maxmemory"), whole.u64("used_memory"), whole.u64("evicted_keys")),
        (Some(300), Some(20), Some(2))
    );
    assert_eq!((whole.databases()[&0].keys, whole.databases()[&0].expires), (7, 2));
    assert_eq!(whole.command_stats()["set"].calls, 11);
    // One without a limit has no limit.
    let whole = Info::parse(&Info::of_parts(&[part("a", 3, 5, 0, "0"), part("b", 4, 6, 200, "0")]));
    assert_eq!((whole.u64("maxmemory"), whole.get("role")), (Some(0), Some("master")));
    assert_eq!(Info::of_parts(&[]), "");
}
