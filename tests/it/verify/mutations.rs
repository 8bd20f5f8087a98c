//! A thousand random edits of a living server, each of which is named; and a thousand that change nothing.

use std::collections::BTreeSet;

use redis_ops::connection::{Address, Node};
use redis_ops::dataset::Dataset;
use redis_ops::progress::Hidden;
use redis_ops::repository::Repository;
use redis_ops::storage::Local;
use redis_ops::verify::comparing::{Comparison, Options};
use redis_ops::verify::live::{self, Expected, Living};
use redis_ops::verify::view::View;
use tokio_util::sync::CancellationToken;

use super::repository_of;
use crate::support::redis_server::{Client, RedisServer, Reply, servers};
use crate::support::sample;

/// Keys of each type.
const KEYS: u64 = 60;

/// A second is more than any test takes: `4102444800000` is in the year 2100.
const LATER: u64 = 4_102_444_800_000;

/// Numbers that repeat themselves: `splitmix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// One edit: the key, what the comparison must say of it, and the commands.
struct Edit {
    key: String,
    says: &'static str,
    commands: Vec<Vec<String>>,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn fill(client: &mut Client, field_ttl: bool) {
    let mut lines = Vec::new();
    for n in 0..KEYS {
        let large = if n % 4 == 0 { 300 } else { 5 };
        lines.push(format!("SET string:{n} value-{n}"));
        lines.push(format!("SET timed:{n} value-{n}"));
        lines.push(format!("PEXPIREAT timed:{n} {}", LATER + n * 1000));
        for element in 0..large {
            lines.push(format!("RPUSH list:{n} element-{element}"));
            lines.push(format!(
                "SADD set:{n} {}",
                if n % 2 == 0 { format!("member-{element}") } else { element.to_string() }
            ));
            lines.push(format!("HSET hash:{n} field-{element} value-{element}"));
            lines.push(format!("ZADD zset:{n} {element}.5 member-{element}"));
            lines.push(format!("XADD stream:{n} {}-1 field value-{element}", element + 1));
            if field_ttl {
                lines.push(format!("HSET fields:{n} field-{element} value-{element}"));
            }
        }
        if field_ttl {
            lines.push(format!("HPEXPIREAT fields:{n} {LATER} FIELDS 2 field-0 field-1"));
        }
        lines.push(format!("XGROUP CREATE stream:{n} group 0"));
        lines.push(format!("XREADGROUP GROUP group alice COUNT 3 STREAMS stream:{n} >"));
    }
    run(client, &lines.iter().map(|line| words(line)).collect::<Vec<_>>());
}

#[track_caller]
fn run(client: &mut Client, commands: &[Vec<String>]) {
    for command in commands {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        if let Reply::Error(text) = client.ask(&words).expect("an answer") {
            panic!("{command:?}: {text}");
        }
    }
}

fn edit(chance: &mut Chance, n: u64, field_ttl: bool) -> Edit {
    let kinds = if field_ttl { 33 } else { 29 };
    let (key, says, lines): (String, &'static str, Vec<String>) = match chance.below(kinds) {
        0 => (format!("new:{n}"), "extra", vec![format!("SET new:{n} x")]),
        1 => (format!("new:stream:{n}"), "extra", vec![format!("XGROUP CREATE new:stream:{n} g $ MKSTREAM")]),
        2 => (format!("string:{n}"), "missing", vec![format!("DEL string:{n}")]),
        3 => (format!("stream:{n}"), "missing", vec![format!("DEL stream:{n}")]),
        4 => (format!("string:{n}"), "value", vec![format!("APPEND string:{n} x")]),
        5 => (format!("string:{n}"), "value", vec![format!("SETBIT string:{n} {} {}", 7, 1)]),
        6 => (format!("string:{n}"), "expiry", vec![format!("PEXPIREAT string:{n} {LATER}")]),
        7 => (format!("string:{n}"), "type", vec![format!("DEL string:{n}"), format!("RPUSH string:{n} value-{n}")]),
        8 => (format!("timed:{n}"), "expiry", vec![format!("PEXPIREAT timed:{n} {}", LATER + n * 1000 + 1)]),
        9 => (format!("timed:{n}"), "expiry", vec![format!("PERSIST timed:{n}")]),
        10 => (format!("timed:{n}"), "missing", vec![format!("DEL timed:{n}")]),
        11 => (format!("list:{n}"), "value", vec![format!("LSET list:{n} 3 other")]),
        12 => (format!("list:{n}"), "value", vec![format!("RPOPLPUSH list:{n} list:{n}")]),
        13 => (format!("list:{n}"), "value", vec![format!("LPUSH list:{n} element-0")]),
        14 => (format!("set:{n}"), "value", vec![format!("SADD set:{n} another")]),
        15 => (format!("set:{n}"), "value", vec![format!("SPOP set:{n}")]),
        16 => (format!("set:{n}"), "value", vec![format!("SADD set:{n} 99999")]),
        17 => (format!("hash:{n}"), "value", vec![format!("HSET hash:{n} field-2 other")]),
        18 => (format!("hash:{n}"), "value", vec![format!("HDEL hash:{n} field-4")]),
        19 => (format!("hash:{n}"), "value", vec![format!("HSET hash:{n} field-2 value-3 field-3 value-2")]),
        20 => (format!("zset:{n}"), "value", vec![format!("ZINCRBY zset:{n} 0.000001 member-1")]),
        21 => (format!("zset:{n}"), "value", vec![format!("ZREM zset:{n} member-2")]),
        22 => (format!("zset:{n}"), "type", vec![format!("DEL zset:{n}"), format!("SADD zset:{n} member-1")]),
        23 => (format!("stream:{n}"), "value", vec![format!("XADD stream:{n} 9999-1 field value")]),
        24 => (format!("stream:{n}"), "value", vec![format!("XDEL stream:{n} 2-1")]),
        25 => (format!("stream:{n}"), "value", vec![format!("XACK stream:{n} group 2-1")]),
        26 => (format!("stream:{n}"), "value", vec![format!("XCLAIM stream:{n} group bob 0 1-1")]),
        27 => (format!("stream:{n}"), "value", vec![format!("XCLAIM stream:{n} group alice 0 1-1 RETRYCOUNT 7")]),
        28 => (format!("stream:{n}"), "value", vec![format!("XGROUP SETID stream:{n} group 2-1")]),
        29 => (format!("fields:{n}"), "value", vec![format!("HPEXPIREAT fields:{n} {} FIELDS 1 field-0", LATER + 1)]),
        30 => (format!("fields:{n}"), "value", vec![format!("HPERSIST fields:{n} FIELDS 1 field-1")]),
        31 => (format!("fields:{n}"), "value", vec![format!("HPEXPIREAT fields:{n} {LATER} FIELDS 1 field-2")]),
        _ => (format!("fields:{n}"), "missing", vec![format!("DEL fields:{n}")]),
    };
    Edit { key, says, commands: lines.iter().map(|line| words(line)).collect() }
}

/// Commands that leave everything as it was; some of them in another encoding.
fn no_op(chance: &mut Chance, n: u64) -> Vec<Vec<String>> {
    let lines: Vec<String> = match chance.below(17) {
        0 => vec![format!("SET string:{n} value-{n}")],
        1 => vec![format!("APPEND string:{n} x"), format!("SET string:{n} value-{n}")],
        2 => vec![format!("DEL string:{n}"), format!("SET string:{n} value-{n}")],
        3 => vec![format!("SET timed:{n} value-{n}"), format!("PEXPIREAT timed:{n} {}", LATER + n * 1000)],
        4 => vec![format!("PERSIST timed:{n}"), format!("PEXPIREAT timed:{n} {}", LATER + n * 1000)],
        5 => vec![format!("RENAME list:{n} away:{n}"), format!("RENAME away:{n} list:{n}")],
        6 => vec![format!("LPUSH list:{n} x"), format!("LPOP list:{n}")],
        // Beyond every limit of a small encoding, and back: the servers do not go back.
        7 => vec![format!("RPUSH list:{n} {}", "x".repeat(9000)), format!("RPOP list:{n}")],
        8 => vec![format!("SADD set:{n} {}", "x".repeat(100)), format!("SREM set:{n} {}", "x".repeat(100))],
        9 => vec![format!("HSET hash:{n} {} 1", "x".repeat(100)), format!("HDEL hash:{n} {}", "x".repeat(100))],
        10 => vec![format!("ZADD zset:{n} 1 {}", "x".repeat(100)), format!("ZREM zset:{n} {}", "x".repeat(100))],
        11 => vec![format!("ZADD zset:{n} 99 member-1"), format!("ZADD zset:{n} 1.5 member-1")],
        12 => vec![format!("HDEL hash:{n} field-1"), format!("HSET hash:{n} field-1 value-1")],
        13 => vec![
            format!("MOVE string:{n} 5"),
            "SELECT 5".to_owned(),
            format!("MOVE string:{n} 0"),
            "SELECT 0".to_owned(),
        ],
        14 => vec![format!("XGROUP SETID stream:{n} group 9"), format!("XGROUP SETID stream:{n} group 3-1")],
        15 => vec![format!("XACK stream:{n} group 9-9"), format!("XTRIM stream:{n} MAXLEN 1000")],
        _ => vec![
            format!("XGROUP CREATECONSUMER stream:{n} group zoe"),
            format!("XGROUP DELCONSUMER stream:{n} group zoe"),
        ],
    };
    lines.iter().map(|line| words(line)).collect()
}

/// A key as it is now, to bring it back.
fn kept(client: &mut Client, key: &str) -> Option<(Vec<u8>, u64)> {
    let Reply::Bulk(payload) = client.ask(&[b"DUMP", key.as_bytes()]).expect("an answer") else { return None };
    let Reply::Int(ttl) = client.ask(&[b"PEXPIRETIME", key.as_bytes()]).expect("an answer") else {
        panic!("no expiry")
    };
    Some((payload, u64::try_from(ttl).unwrap_or(0)))
}

fn bring_back(client: &mut Client, key: &str, kept: Option<(Vec<u8>, u64)>) {
    let reply = match kept {
        None => client.ask(&[b"DEL", key.as_bytes()]),
        Some((payload, ttl)) => {
            client.ask(&[b"RESTORE", key.as_bytes(), ttl.to_string().as_bytes(), &payload, b"REPLACE", b"ABSTTL"])
        }
    };
    assert!(!matches!(reply.expect("an answer"), Reply::Error(_)), "{key} comes back");
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    repository: Repository,
    manifest: redis_ops::repository::manifest::Manifest,
    node: Node,
}

impl Bench {
    fn compare(&self) -> Comparison {
        self.runtime.block_on(async {
            let (progress, cancel) = (Hidden::default(), CancellationToken::new());
            let data = Dataset::backup(&self.repository, self.manifest.clone());
            let expected = Expected::whole(&data);
            let asked = live::replication_options(&self.node);
            let mut payload = live::snapshot(&self.node, &asked, &cancel).await.expect("a snapshot");
            let mut servers = [Living { node: "the server".to_owned(), data: &mut payload }];
            let options = Options { examples: 1000, ..Options::default() };
            live::compare(&expected, &mut servers, &View::Everything, &options, &progress, &cancel)
                .await
                .expect("an answer")
        })
    }

    fn named(&self) -> BTreeSet<String> {
        let comparison = self.compare();
        let examples = comparison.differences.examples.iter().map(|example| {
            let (database, key) = example.key.clone();
            assert_eq!(database, 0);
            format!("{} {}", example.difference.name(), String::from_utf8(key).expect("text"))
        });
        examples.collect()
    }
}

/// The newest server of the machine that has `PEXPIRETIME`: with expiries of fields, if there is one.
fn bench() -> Option<(RedisServer, Client, Bench, super::Folder, bool)> {
    let all = servers();
    let best = all.iter().find(|one| one.is("redis-server-8.0")).or_else(|| all.iter().find(|one| !one.is("6.2")))?;
    let server = RedisServer::builder().version(best).start()?;
    let field_ttl = sample::has(&server, "HPEXPIREAT");
    let mut client = server.client();
    fill(&mut client, field_ttl);
    let (folder, id) = repository_of(&server);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let repository = Repository::new(std::sync::Arc::new(Local::new(folder.path())));
    let manifest = runtime.block_on(repository.load("prod", id.parse().expect("an id"))).expect("a manifest");
    let node = Node::new(Address::tcp("127.0.0.1", server.port()));
    let bench = Bench { runtime, repository, manifest, node };
    assert!(bench.compare().is_equal());
    Some((server, client, bench, folder, field_ttl))
}

/// Edits of as many different keys, one for each number.
fn round(chance: &mut Chance, count: u64, field_ttl: bool) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    while (edits.len() as u64) < count {
        let n = chance.below(KEYS);
        let edit = edit(chance, n, field_ttl);
        if edits.iter().all(|other| other.key != edit.key) {
            edits.push(edit);
        }
    }
    edits
}

#[test]
fn a_thousand_random_edits_are_all_named_and_nothing_else_is() {
    let Some((_server, mut client, bench, _folder, field_ttl)) = bench() else { return };
    let mut chance = Chance(5);
    // One at a time, and then fifty at a time: the set of names must be exactly that of the edits.
    let sizes = std::iter::repeat_n(1, 100).chain(std::iter::repeat_n(50, 18));
    let mut total = 0;
    for size in sizes {
        let edits = round(&mut chance, size, field_ttl);
        let before: Vec<_> = edits.iter().map(|edit| kept(&mut client, &edit.key)).collect();
        for edit in &edits {
            run(&mut client, &edit.commands);
        }
        let expected: BTreeSet<String> = edits.iter().map(|edit| format!("{} {}", edit.says, edit.key)).collect();
        let commands: Vec<_> = edits.iter().map(|edit| &edit.commands).collect();
        assert_eq!(bench.named(), expected, "after {commands:?}");
        for (edit, kept) in edits.iter().zip(before) {
            bring_back(&mut client, &edit.key, kept);
        }
        total += edits.len();
    }
    assert_eq!(total, 1000);
    assert!(bench.compare().is_equal(), "everything was brought back");
}

#[test]
fn a_thousand_edits_that_change_nothing_say_equal() {
    let Some((_server, mut client, bench, _folder, _)) = bench() else { return };
    let mut chance = Chance(7);
    for size in std::iter::repeat_n(10, 50).chain(std::iter::repeat_n(50, 10)) {
        let mut done = Vec::new();
        for _ in 0..size {
            let n = chance.below(KEYS);
            let commands = no_op(&mut chance, n);
            run(&mut client, &commands);
            done.push(commands);
        }
        let comparison = bench.compare();
        assert!(comparison.is_equal(), "{:?} after {done:?}", comparison.differences);
    }
}
