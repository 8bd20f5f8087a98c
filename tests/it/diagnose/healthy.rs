//! No alarm on healthy servers: of every version, of every kind, under light load.
//!
//! By default each version has two kinds of servers, another two for each version; all kinds for all versions with
//! `REDIS_OPS_ALL_HEALTHY=1`.

use std::time::Duration;

use super::lab::{Diagnosis, Repeat};
use crate::support::cluster::{Cluster, RANGES, slot_of};
use crate::support::redis_server::{Client, Installed, RedisServer, servers};

/// What depends on how busy this machine is with other tests, and not on the server.
const OF_THE_MACHINE: &[&str] = &["C17", "C18", "C19", "C24", "C48", "C49", "P06", "P07"];

/// Servers of one kind, and what goes on with the first of them.
struct Healthy {
    servers: Vec<RedisServer>,
    load: Vec<Repeat>,
}

impl Healthy {
    fn of(servers: Vec<RedisServer>) -> Self {
        Self { servers, load: Vec::new() }
    }

    /// One more client that does something every few milliseconds. `{n}` in its words is another number each time.
    fn with(self, words: &[&str]) -> Self {
        self.every(5, words)
    }

    fn every(self, milliseconds: u64, words: &[&str]) -> Self {
        self.on((0..200).collect(), milliseconds, words)
    }

    /// The numbers are these, in turn.
    fn on(mut self, numbers: Vec<u64>, milliseconds: u64, words: &[&str]) -> Self {
        let mut client = self.servers[0].client();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut numbers = numbers.into_iter().cycle();
        self.load.push(Repeat::new(move || {
            let n = numbers.next().expect("a cycle does not end").to_string();
            let words: Vec<String> = words.iter().map(|word| word.replace("{n}", &n)).collect();
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let _ = client.ask(&words);
            std::thread::sleep(Duration::from_millis(milliseconds));
        }));
        self
    }
}

type Kind = (&'static str, fn(&Installed) -> Option<Healthy>);

const KINDS: &[Kind] = &[
    ("default", default),
    ("cache", cache),
    ("queue", queue),
    ("sessions", sessions),
    ("primary", primary),
    ("cluster", cluster),
    ("standard", standard),
];

fn server(installed: &Installed, settings: &[(&str, &str)]) -> Option<RedisServer> {
    let builder = RedisServer::builder().version(installed);
    settings.iter().fold(builder, |builder, (name, value)| builder.arg(name, value)).start()
}

fn default(installed: &Installed) -> Option<Healthy> {
    Some(Healthy::of(vec![server(installed, &[])?]).with(&["SET", "user:{n}", "name"]).with(&["GET", "user:{n}"]))
}

/// Full, and it evicts a little; what is asked for is there.
fn cache(installed: &Installed) -> Option<Healthy> {
    let server = server(installed, &[("maxmemory", "12mb"), ("maxmemory-policy", "allkeys-lru")])?;
    let page = [b'x'; 1000];
    let keys: Vec<String> = (0..20_000).map(|n| format!("page:{n}")).collect();
    server.pipe(keys.iter().map(|key| vec![b"SET".as_slice(), key.as_bytes(), &page]));
    assert_ne!(server.info("evicted_keys"), "0", "it is full");
    let hot: Vec<String> = (0..200).map(|n| format!("hot:{n}")).collect();
    server.pipe(hot.iter().map(|key| vec![b"SET".as_slice(), key.as_bytes(), &page]));
    let healthy = Healthy::of(vec![server]);
    let healthy = healthy.with(&["GET", "hot:{n}"]).with(&["GET", "hot:{n}"]);
    // The server counts idle times in seconds: from then on it knows what is in use.
    let up = |server: &RedisServer| server.info("uptime_in_seconds").parse::<u64>().expect("a number");
    let from = up(&healthy.servers[0]);
    healthy.servers[0].wait_for("three seconds of use", |server| up(server) >= from + 3);
    // Ten new pages a second take the place of those that nobody has asked for.
    Some(healthy.every(100, &["SET", "page:new:{n}", &"x".repeat(1000), "EX", "3600"]))
}

/// Workers that wait, and jobs that come now and then.
fn queue(installed: &Installed) -> Option<Healthy> {
    let server = server(installed, &[])?;
    let mut healthy = Healthy::of(vec![server]);
    for _ in 0..24 {
        let mut worker = Client::tcp(healthy.servers[0].port()).expect("a connection");
        healthy.load.push(Repeat::new(move || {
            // With an end to the wait, so that the worker sees that the test is over.
            let _ = worker.ask(&[b"BLPOP", b"queue:mail", b"1"]);
        }));
    }
    healthy.servers[0].wait_for("the workers wait", |server| {
        server.info("blocked_clients").parse::<u64>().is_ok_and(|count| count >= 20)
    });
    Some(healthy.with(&["LPUSH", "queue:mail", "job {n}"]))
}

fn sessions(installed: &Installed) -> Option<Healthy> {
    let server = server(installed, &[("maxmemory", "100mb"), ("maxmemory-policy", "volatile-lru")])?;
    let keys: Vec<(String, String)> =
        (0..2000).map(|n| (format!("session:{n:032x}"), (3600 + n * 7).to_string())).collect();
    server.pipe(keys.iter().map(|(key, ttl)| {
        vec![b"SET".as_slice(), key.as_bytes(), b"{\"user\":1,\"csrf\":\"0123456789abcdef\"}", b"EX", ttl.as_bytes()]
    }));
    let healthy = Healthy::of(vec![server]).with(&["GET", "session:000000000000000000000000000000{n}"]);
    Some(healthy.with(&["SET", "session:fresh{n}", "0123456789abcdef", "EX", "3600"]))
}

/// A primary with a replica, both with an append-only file.
fn primary(installed: &Installed) -> Option<Healthy> {
    let persistent = [("appendonly", "yes"), ("save", "3600 1 300 100")];
    let (primary, replica) = (server(installed, &persistent)?, server(installed, &persistent)?);
    primary.fill(2000, 100);
    replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    replica.wait_for("it is in sync", |server| server.info("master_link_status") == "up");
    primary.wait_for("it is online", |server| server.info("slave0").contains("state=online"));
    Some(Healthy::of(vec![primary, replica]).with(&["SET", "user:{n}", "name"]).with(&["GET", "user:{n}"]))
}

/// Three primaries and a replica of each; clients ask the first for what it serves.
fn cluster(installed: &Installed) -> Option<Healthy> {
    // Primaries that come back empty would empty their replicas (P10).
    let cluster = Cluster::start(installed, &[("appendonly", "yes"), ("save", "3600 1 300 100")])?;
    cluster.fill(600);
    let served = |number: &u64| slot_of(format!("user:{number}").as_bytes()) <= RANGES[0].1;
    let numbers: Vec<u64> = (0..).filter(served).take(200).collect();
    let mut healthy = Healthy::of(cluster.into_nodes());
    for words in [&["SET", "user:{n}", "name"][..], &["GET", "user:{n}"]] {
        healthy = healthy.on(numbers.clone(), 5, words);
    }
    Some(healthy)
}

/// The data set that everything here is measured with.
fn standard(installed: &Installed) -> Option<Healthy> {
    const SCRIPT: &str = include_str!("../../fixtures/dataset.lua");
    let server = server(installed, &[])?;
    for from in 0..20 {
        server.ok(&["EVAL", SCRIPT, "0", &(from * 1000).to_string(), "1000"]);
    }
    Some(Healthy::of(vec![server]).with(&["HGET", "user:{n}", "name"]).with(&["SET", "cache:page:{n}", "page"]))
}

/// What is wrong with the diagnoses of one kind on one version; alarms that the machine's load may raise are told apart.
fn alarms(installed: &Installed, (name, start): &Kind) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(healthy) = start(installed) else { return wrong };
    let diagnoses: Vec<Diagnosis> =
        healthy.servers.iter().map(|server| Diagnosis::of(server, "all", &["--window", "500ms"])).collect();
    for diagnosis in &diagnoses {
        let (of_the_machine, of_the_server): (Vec<&str>, Vec<&str>) =
            diagnosis.above_information().into_iter().partition(|rule| OF_THE_MACHINE.contains(rule));
        if !of_the_server.is_empty() {
            wrong.push(format!("{}: {name}: {of_the_server:?}: {:#}", installed.name, diagnosis.json["findings"]));
        }
        if !of_the_machine.is_empty() {
            eprintln!("{}: {name}: not judged here: {of_the_machine:?}", installed.name);
        } else if of_the_server.is_empty() && diagnosis.code != 0 {
            wrong.push(format!("{}: {name}: exit {}", installed.name, diagnosis.code));
        }
    }
    let profile = &diagnoses[0].json["profile"]["name"];
    let expected = match *name {
        "cache" => "cache",
        "queue" => "queue",
        "sessions" => "session",
        _ => "store",
    };
    if profile != expected {
        wrong.push(format!("{}: {name}: taken for a {profile}", installed.name));
    }
    // Who says what it is hears no more.
    if *name == "queue" {
        let diagnosis = Diagnosis::of(&healthy.servers[0], "connections", &["--profile", "queue", "--window", "100ms"]);
        if diagnosis.loud().contains(&"C07") {
            wrong.push(format!("{}: {name}: C07 though it is said to be a queue", installed.name));
        }
    }
    wrong
}

#[test]
fn healthy_servers_raise_no_alarm() {
    let all = std::env::var_os("REDIS_OPS_ALL_HEALTHY").is_some();
    let pairs: Vec<(Installed, &Kind)> = servers()
        .into_iter()
        .enumerate()
        .flat_map(|(n, installed)| {
            let chosen = (0..KINDS.len())
                .filter(move |kind| all || [2 * n, 2 * n + 1].iter().any(|at| at % KINDS.len() == *kind));
            chosen.map(move |kind| (installed.clone(), &KINDS[kind]))
        })
        .collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((installed, kind)) = pairs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let found = alarms(installed, kind);
                    wrong.lock().expect("no thread panics with it").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panics with it");
    assert!(wrong.is_empty(), "{} of {} kinds:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}
