//! Whole texts, as people paste them.

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a moment")
}

fn pasted(text: &str) -> Pasted {
    read(&[text.as_bytes()], now()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn only(text: &str) -> Server {
    let mut pasted = pasted(text);
    assert_eq!(pasted.servers.len(), 1, "{text}");
    pasted.servers.remove(0)
}

#[test]
fn a_part_of_info_is_read_with_all_that_stands_around_it() {
    let text = "This is what I get:\n\n```\n127.0.0.1:6379> info memory\n# Memory\nused_memory: 1,048,576\nused_memory_rss_human:2.00M\n```\n(0.50s)\n";
    let Pasted { servers, not_understood, understood } = pasted(text);
    let info = &servers[0].snapshot.info;
    assert_eq!((info.u64("used_memory"), info.u64("used_memory_rss")), (Some(1 << 20), Some(2 << 20)));
    assert_eq!(servers[0].address.as_deref(), Some("127.0.0.1:6379"));
    assert_eq!(servers[0].read, ["INFO (memory)"]);
    assert_eq!((not_understood.lines, not_understood.numbers.as_slice(), understood), (1, &[1][..], 5));
}

#[test]
fn several_answers_of_one_server_are_one_server() {
    let text = "maxmemory 20mb\nmaxmemory-policy allkeys-lru\nsave 900 1\nsave 300 10\n\nrole:master\nid=7 addr=10.0.0.1:5 fd=8 name= idle=3 flags=N db=0\ncluster_state:ok\n07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 slave 07c37dfeb235213a872192d90877d0cd55635b91 0 1426238317239 4 connected\n";
    let server = only(text);
    assert_eq!(
        server.read,
        ["INFO (replication)", "CLIENT LIST of 1", "CLUSTER INFO", "CLUSTER NODES of 1", "3 settings"]
    );
    assert_eq!(server.snapshot.info.u64("maxmemory"), Some(20 << 20));
    let answers = &server.snapshot.answers;
    assert_eq!(answers.config.got().and_then(|config| config.get("save")), Some("900 1 300 10"));
    assert_eq!(answers.clients.got().map(|clients| clients[0].idle), Some(3));
    assert_eq!(answers.cluster.got().and_then(|info| info.get("cluster_state")), Some("ok"));
    assert_eq!(answers.nodes.got().map(Vec::len), Some(1));
}

#[test]
fn two_servers_in_one_text_are_two() {
    let by_command = "$ redis-cli -h 10.0.0.2 info keyspace\ndb0:keys=9,expires=1\n$ redis-cli -h 10.0.0.3 info keyspace\ndb0:keys=5,expires=1\n$ redis-cli -h 10.0.0.2 info memory\nused_memory:7\n";
    let servers = pasted(by_command).servers;
    assert_eq!(
        servers.iter().map(|server| server.address.as_deref()).collect::<Vec<_>>(),
        [Some("10.0.0.2:6379"), Some("10.0.0.3:6379")]
    );
    assert_eq!(servers[0].snapshot.info.u64("used_memory"), Some(7));
    let by_id = "run_id:a\nused_memory:1\nrun_id:b\nused_memory:2\n";
    assert_eq!(pasted(by_id).servers.len(), 2);
    assert_eq!(pasted("used_memory:1\nrole:master\n\nused_memory:2\nrole:slave\n").servers.len(), 2);
}

#[test]
fn two_readings_of_one_server_are_compared() {
    let text = "run_id:a\nuptime_in_seconds:100\nevicted_keys:5\nrun_id:a\nuptime_in_seconds:160\nevicted_keys:65\n";
    let server = only(text);
    let delta = server.snapshot.delta("evicted_keys").expect("two readings");
    assert_eq!((delta.amount, delta.seconds), (60, 60.0));
}

#[test]
fn a_text_without_any_answer_is_refused() {
    for text in ["", "hello\n", "https://example.org/a:b\nSave the date, John.\n", "\u{0}\u{0}\u{0}"] {
        assert_eq!(read(&[text.as_bytes()], now()), Err(Unreadable::NothingKnown), "{text:?}");
    }
}

#[test]
fn secrets_of_a_configuration_are_not_kept() {
    let server = only("requirepass hunter2-5\nmasterauth hunter2-5\nmaxmemory 1gb\n");
    assert!(!format!("{server:?}").contains("hunter2"));
}

/// Numbers that look like chance, the same in every run.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % below.max(1)
    }
}

#[test]
fn no_text_cut_or_mixed_makes_it_panic() {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for folder in ["tests/fixtures/info", "../shared/fixtures/pasted"] {
        let Ok(entries) = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) else {
            eprintln!("skipped: {folder} is not here");
            continue;
        };
        texts.extend(entries.map(|entry| std::fs::read(entry.expect("a file").path()).expect("bytes")));
    }
    let mut below = numbers(7);
    for _ in 0..500 {
        let mut mixed = Vec::new();
        for _ in 0..=below(3) {
            let text = &texts[below(texts.len())];
            let (from, length) = (below(text.len()), below(text.len()));
            mixed.extend_from_slice(&text[from..(from + length).min(text.len())]);
        }
        for _ in 0..below(8) {
            let at = below(mixed.len());
            if let Some(byte) = mixed.get_mut(at) {
                *byte = b"\0\xff\x1b[]{}()\"'|:,=>0 \n"[below(19)];
            }
        }
        let _ = read(&[&mixed], now());
    }
}

/// Each of them would take hours if a line cost more for every line before it.
#[test]
fn a_long_text_of_one_line_again_and_again_is_read() {
    for line in [
        "run_id:a\n",
        "a_b_human:1M\n",
        "tcp_port:1\n",
        "10.0.0.1:7> info\n",
        "save 1 1\n",
        "| a | b |\n",
        "{\"a\": [\n",
        "{\"a\": {\"used_memory\": 1}}\n",
        "1) 1) \"a\"\n",
        "*9\n",
        "$9\n",
        "[[[[\n",
        "> > > > > ",
        "redis-1 | ",
    ] {
        let text = format!("role:master\n{}", line.repeat((32 << 10) / line.len()));
        assert!(!read(&[text.as_bytes()], now()).expect("a role").servers.is_empty(), "{line:?}");
    }
}

#[test]
fn answers_are_read_in_every_form_they_are_copied_in() {
    let entry = |server: &Server| {
        server.snapshot.answers.slowlog.got().map(|log| (log[0].id, log[0].usec, log[0].command.clone()))
    };
    for text in [
        "127.0.0.1:6379> slowlog get 1\n1) 1) (integer) 14\n   2) (integer) 1700000000\n   3) (integer) 52000\n   4) 1) \"KEYS\"\n      2) \"*\"\n",
        "> 1) 1) (integer) 14\n>    2) (integer) 1700000000\n>    3) (integer) 52000\n>    4) 1) \"KEYS\"\n",
        "*1\r\n*4\r\n:14\r\n:1700000000\r\n:52000\r\n*1\r\n$4\r\nKEYS\r\n",
        "[[14,1700000000,52000,[\"KEYS\",\"*\"],\"10.0.0.1:5\",\"\"]]",
        ">>> r.slowlog_get()\n[{'id': 14, 'start_time': 1700000000,\n  'duration': 52000, 'command': b'KEYS *'}]\n",
    ] {
        assert_eq!(entry(&only(text)), Some((14, 52_000, "KEYS".to_owned())), "{text}");
    }
    for text in [
        "1) \"maxmemory\"\n2) \"100\"\n3) \"maxmemory-policy\"\n4) \"noeviction\"\n",
        "*4\n$9\nmaxmemory\n$3\n100\n$16\nmaxmemory-policy\n$10\nnoeviction\n",
        "{'maxmemory': '100', 'maxmemory-policy': 'noeviction'}",
        "maxmemory 100\nmaxmemory-policy noeviction\n",
        "127.0.0.1:6379> config get maxmemory*\nmaxmemory\n100\nmaxmemory-policy\nnoeviction\n",
        "| maxmemory-policy | noeviction |\n| maxmemory-samples | 5 |\nmaxmemory 100\n",
    ] {
        let server = only(text);
        assert_eq!(server.snapshot.info.u64("maxmemory"), Some(100), "{text}");
        assert_eq!(server.snapshot.info.get("maxmemory_policy"), Some("noeviction"), "{text}");
    }
    for text in [
        "{\"redis_version\"=>\"7.0.0\",\n \"used_memory\"=>\"5\",\n \"db0\"=>\"keys=3,expires=1\"}",
        "{'redis_version': '7.0.0', 'used_memory': 5, 'db0': {'keys': 3, 'expires': 1, 'avg_ttl': 0}}",
        "{\"server\": {\"redis_version\": \"7.0.0\"}, \"memory\": {\"used_memory\": 5}, \"keyspace\": {\"db0\": \"keys=3,expires=1\"}}",
        "\"# Server\\r\\nredis_version:7.0.0\\r\\nused_memory:5\\r\\ndb0:keys=3,expires=1\\r\\n\"",
        "$60\r\n# Server\r\nredis_version:7.0.0\r\nused_memory:5\r\ndb0:keys=3,expires=1\r\n",
        "| field | value |\n|---|---|\n| redis_version | 7.0.0 |\n| used_memory | 5 |\n| db0 | keys=3,expires=1 |\n",
        "'redis_version': '7.0.0',\n'used_memory': 5,\ndb0:keys=3,expires=1\n",
    ] {
        let snapshot = only(text).snapshot;
        assert_eq!((snapshot.info.u64("used_memory"), snapshot.server.keys), (Some(5), 3), "{text}");
        assert_eq!(snapshot.server.version, "7.0.0", "{text}");
    }
    let clients = only("[{'id': '7', 'addr': '10.0.0.1:5', 'name': '', 'age': '3', 'idle': '9'}]");
    assert_eq!(clients.snapshot.answers.clients.got().map(|clients| clients[0].idle), Some(9));
    let denied = only("1)  1) \"count\"\n    2) (integer) 3\n    3) \"reason\"\n    4) \"auth\"\n");
    assert_eq!(denied.snapshot.answers.denied.got().map(|entries| entries[0].count), Some(3));
    let stats = only(
        " 1) \"peak.allocated\"\n 2) (integer) 9\n 3) \"total.allocated\"\n 4) (integer) 8\n 5) \"startup.allocated\"\n 6) (integer) 1\n",
    );
    assert_eq!(stats.snapshot.info.u64("used_memory_peak"), Some(9));
    assert_eq!(stats.read, ["INFO (memory)"]);
}

#[test]
fn a_field_that_is_named_for_an_error_is_no_line_of_a_log() {
    let text = "errorstat_MISCONF:count=46\nerrorstat_CLUSTERDOWN:count=1\n";
    assert_eq!(only(text).snapshot.log, crate::introspection::Part::NotAsked);
    let text = "11:M 19 Sep 2024 05:50:17.116 # Background saving error\nredis.exceptions.ResponseError: MISCONF Redis is configured to save\n";
    let server = only(text);
    assert_eq!(server.read, ["a server log of 2 lines"]);
    assert_eq!(server.snapshot.log.got().map(|log| log.events.len()), Some(2));
}

#[test]
fn products_are_called_by_their_names() {
    for (text, name, version) in [
        ("redis_version:6.2.11\ndragonfly_version:df-v1.21.2\n", "dragonfly", "1.21.2"),
        ("redis_version:6.3.4\nmvcc_depth:0\n", "keydb", "6.3.4"),
        ("redis_version:6.0.9\nredis_build_id:0000000000000000000000000000000000000000\n", "redis-enterprise", "6.0.9"),
        ("redis_version:3.0.504\nos:Windows  \n", "redis-windows", "3.0.504"),
        ("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.1.1\n", "valkey", "8.1.1"),
        ("I use redis server 3.2.10.\nrole:master\n", "redis", "3.2.10"),
        ("id=1 addr=10.0.0.1:5 fd=6 tid=4 irqmatch=0 age=1\n", "dragonfly", ""),
    ] {
        let server = only(text).snapshot.server;
        assert_eq!((server.name.as_str(), server.version.as_str()), (name, version), "{text}");
    }
}

#[test]
fn answers_without_numbers_wrapped_lines_and_latency_are_read() {
    let raw = "14\n1700000000\n5200000\nKEYS\nuser:*\n10.0.0.9:51234\nnightly\n";
    let pasted = only(raw);
    let entry = &pasted.snapshot.answers.slowlog.got().expect("a slow log")[0];
    assert_eq!((entry.command.as_str(), entry.usec, entry.name.as_str()), ("KEYS", 5_200_000, "nightly"));
    // A log is as old as its newest entry.
    assert_eq!(pasted.snapshot.taken_at.timestamp(), 1_700_000_000);
    let wrapped = "id=5 addr=10.0.0.5:6379 fd=8 name=web age=100 idle=1 fla\ngs=N db=0 sub=0 psub=0 multi=-1 qbuf=26 qbuf-free=32742\nobl=0 oll=0 omem=70000000 events=r cmd=get\nid=6 addr=10.0.0.6:6379 fd=9 name= age=1 idle=1 flags=N db=0 omem=0 cmd=ping\n";
    let pasted = only(wrapped);
    let clients = pasted.snapshot.answers.clients.got().expect("clients");
    assert_eq!((clients.len(), clients[0].flags.as_str(), clients[0].omem), (2, "N", 70_000_000));
    for text in [
        "1) 1) \"fork\"\n   2) (integer) 1700000000\n   3) (integer) 6251\n   4) (integer) 7001\n",
        "fork\n1700000000\n6251\n7001\n",
        "Dave, I have observed latency spikes in this Redis instance.\n\n1. fork: 1 latency spikes (average 6251ms, mean deviation 0ms, period 9.00 sec). Worst all time event 7001ms.\n",
    ] {
        let pasted = only(text);
        let event = &pasted.snapshot.answers.latency.got().unwrap_or_else(|| panic!("{text}"))[0];
        assert_eq!((event.name.as_str(), event.latest_ms, event.longest_ms), ("fork", 6251, 7001), "{text}");
    }
}

#[test]
fn a_client_list_is_read_whole_wherever_it_was_broken() {
    let lines = "id=4 addr=127.0.0.1:50124 laddr=127.0.0.1:25200 fd=7 name= age=5 idle=4 flags=N db=0 qbuf=0 argv-mem=0 obl=0 oll=20 omem=100004000 tot-mem=100021048 events=rw cmd=get user=default redir=-1 lib-name=redis-py\nid=5 addr=127.0.0.1:50128 laddr=127.0.0.1:25200 fd=8 name= age=1 idle=1 flags=N db=0 qbuf=26 argv-mem=10 obl=0 oll=0 omem=0 tot-mem=49810 events=r cmd=client user=default redir=-1 lib-name=\n";
    let whole = only(lines).snapshot.answers.clients.got().cloned().expect("clients");
    for width in 60..=100 {
        let broken = |line: &str| {
            let characters: Vec<char> = line.chars().collect();
            let lines: Vec<String> = characters.chunks(width).map(|chunk| chunk.iter().collect()).collect();
            lines.join("\n")
        };
        let text = lines.lines().map(broken).collect::<Vec<_>>().join("\n");
        let pasted = only(&text);
        assert_eq!(pasted.snapshot.answers.clients.got(), Some(&whole), "{width}:\n{text}");
    }
}

#[test]
fn numbers_of_lines_come_off() {
    let info = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/info/redis-8.0.6.txt"));
    let info = info.expect("a captured INFO");
    let plain = only(&info);
    let forms: [fn(usize, &str) -> String; 3] =
        [|at, line| format!("{at:6}\t{line}"), |at, line| format!("{at:5}  {line}"), |at, line| format!("{at}:{line}")];
    for form in forms {
        let text: Vec<String> = info.lines().enumerate().map(|(at, line)| form(at + 1, line)).collect();
        let numbered = only(&text.join("\n"));
        assert_eq!(numbered.snapshot.info, plain.snapshot.info, "{}", text[3]);
        assert_eq!(numbered.read, plain.read);
    }
}

#[test]
fn several_texts_are_read_as_one() {
    let pasted = read(
        &[
            "role:master\nmaxclients:100\nconnected_clients:99\n",
            "id=5 addr=10.0.0.5:1 fd=8 name=web age=100 idle=1 flags=N\n",
        ],
        now(),
    );
    let pasted = pasted.expect("read");
    assert_eq!(pasted.servers.len(), 1);
    assert_eq!(pasted.servers[0].read, ["INFO (replication, clients)", "CLIENT LIST of 1"]);
}
