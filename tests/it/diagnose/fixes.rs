//! Every fix of every rule is typed into a server of every version that it is printed for, as it is printed: the server takes its words.
//!
//! The list is `tests/fixtures/fixes.tsv`: rule, versions, fix; a test beside the rules holds it up to date. What is for a shell is parsed
//! by one, and its options are looked for in the help of the tool; what is for a person is neither.

use std::process::Command;

use super::lab::words;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Client, Installed, RedisServer, Reply, servers};

/// What stands for what a person fills in.
const GAPS: &[(&str, &str)] = &[
    ("<more, if the machine has it>", "200mb"),
    ("<80 to 90 % of the machine's memory>", "200mb"),
    ("<80 % of what the machine or the container has>", "200mb"),
    ("<less than the machine's free memory>", "200mb"),
    ("<less>", "200mb"),
    ("<two minutes of writes>", "64mb"),
    ("<twice what it is>", "256"),
    ("<a folder that exists>", "/tmp"),
    ("<what `CONFIG GET dir` says>", "/tmp"),
    ("<dir>", "/tmp"),
    ("<a long password>", "a-long-password"),
    ("<the primary's password>", "secret"),
    ("<password>", "secret"),
    ("<application>", "shop"),
    ("<user>", "shop"),
    ("<prefix>", "shop"),
    ("<its name>", "node.example"),
    ("<id of a primary>", "0123456789abcdef0123456789abcdef01234567"),
    ("<the id that CLUSTER MYID there does not say>", "0123456789abcdef0123456789abcdef01234567"),
    ("CLUSTER FORGET <id>", "CLUSTER FORGET 0123456789abcdef0123456789abcdef01234567"),
    ("<its address>", "127.0.0.1:1"),
    ("<the largest>", "999999999"),
    ("<id>", "999999999"),
    ("<this host>", "127.0.0.1"),
    ("<primary>", "127.0.0.1"),
    ("<host>", "127.0.0.1"),
    ("<port>", "1"),
    ("<this server>", "redis://127.0.0.1:1"),
    ("maxmemory-policy <what the primary has>", "maxmemory-policy noeviction"),
    ("maxmemory <what the primary has>", "maxmemory 200mb"),
    ("<first>", "1"),
    ("<last>", "2"),
    ("<slot>", "1"),
    ("<stream>", "events"),
    ("<group>", "workers"),
    ("<consumer>", "worker"),
    ("<key>", "a-key"),
    ("<seconds>", "60"),
    ("<path>", "/tmp/certificate"),
    ("<pid>", "1"),
    ("<command>", "get"),
];

/// Commands of a server.
const COMMANDS: &[&str] = &[
    "ACL",
    "BACKUP",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT",
    "CLUSTER",
    "CONFIG",
    "EXPIRE",
    "FLUSHALL",
    "INFO",
    "LATENCY",
    "MEMORY",
    "MODULE",
    "PEXPIRE",
    "REPLICAOF",
    "SCRIPT",
    "SENTINEL",
    "SLOWLOG",
    "UNLINK",
    "XAUTOCLAIM",
    "XTRIM",
];

/// Programs of a shell.
const PROGRAMS: &[&str] = &[
    "redis-cli",
    "redis-check-aof",
    "grep",
    "df",
    "ls",
    "chown",
    "iostat",
    "journalctl",
    "dmesg",
    "sysctl",
    "echo",
    "ulimit",
    "ss",
    "cat",
];

/// What a server that knows the words answers because it is not in that state, or not built so.
const NOT_HERE: &[&str] = &[
    "No such client",
    "No backup",
    "No migrations",
    "Unknown node",
    "NOTBUSY",
    "NOGROUP",
    "already busy",
    "already unassigned",
    "should send CLUSTER FAILOVER to a replica",
    "running without a config file",
    "defragmentation",
    "DISABLED",
    "not able to handle the specified number of clients",
    "the key does not exist",
    "no such key",
    "in progress",
    "Another child process is active",
];

struct Line {
    rule: String,
    versions: String,
    fix: String,
}

fn lines() -> Vec<Line> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fixes.tsv");
    let text = std::fs::read_to_string(path).expect("the list of all fixes");
    let line = |line: &str| {
        let mut columns = line.splitn(3, '\t').map(str::to_owned);
        let mut next = || columns.next().expect("three columns");
        Line { rule: next(), versions: next(), fix: next() }
    };
    text.lines().map(line).collect()
}

impl Line {
    /// The fix with its gaps filled, without the place where it is typed.
    fn typed(&self) -> String {
        let own = match self.fix.strip_prefix("on ").and_then(|rest| rest.split_once(": ")) {
            Some((_, command)) => command,
            None => &self.fix,
        };
        GAPS.iter().fold(own.to_owned(), |text, (gap, by)| text.replace(gap, by))
    }

    fn first_word(&self) -> String {
        self.typed().split([' ', '(']).next().unwrap_or_default().to_owned()
    }

    /// Whether it is printed for a server: by the list, and by a remark such as `(7.0; …)`, `(Redis 7.0 or newer; …)` or `(before 7.0; …)`.
    fn is_for(&self, installed: &Installed) -> bool {
        let name = installed.name.replace("-server", "");
        let is = |version: &str| name == version || name.starts_with(&format!("{version}-"));
        if self.versions != "all" && !self.versions.split(',').any(is) {
            return false;
        }
        let remark = self.fix.split_once(" (").map_or("", |(_, remark)| remark);
        let numbers = |text: &str| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        };
        if let Some(since) = remark.strip_prefix("Valkey ").and_then(|rest| numbers(rest.split([';', ' ']).next()?)) {
            let own = name.strip_prefix("valkey-").and_then(|version| numbers(version.split('-').next()?));
            return own.is_some_and(|own| own >= since);
        }
        let (before, since) = match remark.strip_prefix("before ") {
            Some(rest) => (true, rest),
            None => (false, remark),
        };
        let since = since.strip_prefix("Redis ").unwrap_or(since);
        let Some(since) = since.split([';', ' ']).next().and_then(numbers) else { return true };
        // A Valkey is as Redis 7.2 to that.
        let own = name.strip_prefix("redis-").and_then(|version| numbers(version.split('-').next()?)).unwrap_or((7, 2));
        (own >= since) != before
    }
}

/// A server of its own for what clusters alone know.
struct Pair {
    alone: RedisServer,
    cluster: RedisServer,
}

impl Pair {
    fn start(installed: &Installed) -> Option<Self> {
        let builder = || RedisServer::builder().version(installed).arg("maxclients", "500");
        let pair = Self { alone: builder().start()?, cluster: builder().arg("cluster-enabled", "yes").start()? };
        for server in [&pair.alone, &pair.cluster] {
            server.ok(&["ACL", "SETUSER", "shop", "on", ">secret", "~own:*", "+@all"]);
        }
        Some(pair)
    }

    /// What a server answers to the fix; what it has set is set back.
    fn asks(&self, words: &[String]) -> Reply {
        let server = if words.iter().any(|word| word == "CLUSTER" || word.starts_with("cluster-")) {
            &self.cluster
        } else {
            &self.alone
        };
        let ask = |client: &mut Client, words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            client.ask(&words).expect("an answer")
        };
        let mut client = server.client();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let setting = words.starts_with(&["CONFIG", "SET"]).then(|| server.cli(&["CONFIG", "GET", words[2]]));
        let reply = ask(&mut client, &words);
        if let Some(before) = setting.as_deref().and_then(|text| text.split_once('\n')) {
            ask(&mut client, &["CONFIG", "SET", words[2], before.1.trim_end_matches('\n')]);
        }
        match words[..] {
            ["ACL", "SETUSER", "default", ..] => drop(ask(&mut client, &["ACL", "SETUSER", "default", "nopass"])),
            ["REPLICAOF", ..] => drop(ask(&mut client, &["REPLICAOF", "NO", "ONE"])),
            _ => {}
        }
        reply
    }
}

#[test]
fn every_server_takes_the_words_of_every_fix_that_is_printed_for_it() {
    let lines = lines();
    let mut wrong = Vec::new();
    let mut typed = 0;
    for installed in servers() {
        let Some(pair) = Pair::start(&installed) else { return };
        let mut asked = std::collections::BTreeSet::new();
        for line in lines.iter().filter(|line| line.is_for(&installed)) {
            // A Sentinel is another server; certificates are of builds with TLS.
            let fix = line.typed();
            let elsewhere = fix.starts_with("SENTINEL") || fix.contains("CONFIG SET tls-");
            if !COMMANDS.contains(&line.first_word().as_str()) || elsewhere || !asked.insert(fix.clone()) {
                continue;
            }
            typed += 1;
            if let Reply::Error(error) = pair.asks(&words(&fix))
                && !NOT_HERE.iter().any(|state| error.contains(state))
            {
                wrong.push(format!("{}: {}: `{fix}`: {error}", installed.name, line.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {typed}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(typed > 50, "{typed}");
}

#[test]
fn what_is_for_a_shell_is_parsed_by_one_and_its_options_exist() {
    let mut wrong = Vec::new();
    let shell: Vec<Line> = lines().into_iter().filter(|line| PROGRAMS.contains(&line.first_word().as_str())).collect();
    assert!(shell.len() > 10, "{}", shell.len());
    for line in &shell {
        let typed = line.typed();
        let command = typed.split(" (").next().unwrap_or_default();
        // A remark in it would be typed, too.
        let parsed = Command::new("bash").args(["-n", "-c", command]).status().expect("a shell");
        if !parsed.success() {
            wrong.push(format!("{}: no shell takes `{command}`", line.rule));
        }
        let program = command.split(' ').next().unwrap_or_default();
        let options = command.split([' ', '|', ';']).filter(|word| word.starts_with("--"));
        let Ok(help) = Command::new(program).arg("--help").output() else { continue };
        let help = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
        for option in options {
            if !help.contains(option) {
                wrong.push(format!("{}: {program} has no {option}", line.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_redis_ops_is_told_to_do_it_understands() {
    let mut commands: Vec<String> = lines()
        .iter()
        .map(|line| line.typed().split(" (").next().unwrap_or_default().to_owned())
        .filter(|command| command.starts_with("redis-ops "))
        .collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        // What is not understood is an error before help is looked for.
        let words = command.split(' ').skip(1).chain(["--help"]);
        let run = RedisOps::new().args(words).run();
        assert_eq!(run.code, 0, "`{command}`: {}", run.everything());
    }
}

#[test]
fn a_rule_explains_what_its_fixes_do_cost_and_how_they_are_undone() {
    let run = RedisOps::new().args(["explain", "M17"]).run();
    for line in ["fix", "  does", "  costs", "  undo"] {
        assert_eq!(
            run.text().lines().filter(|text| text.starts_with(&format!("{line:<15} "))).count(),
            3,
            "{}",
            run.text()
        );
    }
    assert!(run.text().contains("may delete any key"), "{}", run.text());
    let (code, json) = RedisOps::new().args(["explain", "M17"]).json();
    let remedies = json["remedies"].as_array().expect("remedies");
    let commands: Vec<_> = remedies.iter().map(|remedy| remedy["command"].clone()).collect();
    assert_eq!((code, json["fix"].as_array()), (0, Some(&commands)));
}

#[test]
fn a_finding_says_how_its_fix_is_undone_here_and_the_short_screen_stays_short() {
    let Some(server) = RedisServer::builder().arg("slowlog-log-slower-than", "-1").arg("slowlog-max-len", "64").start()
    else {
        return;
    };
    let url = server.url();
    let diagnose =
        |more: &[&str]| RedisOps::new().args(["diagnose", "connections", "-i", &url, "--window", "50ms"]).args(more);
    let json = diagnose(&["--json"]).run().json();
    let finding = json["findings"].as_array().expect("findings").iter().find(|finding| finding["id"] == "C22");
    let finding = finding.expect("the slow log is off");
    let undo: Vec<_> = finding["remedies"].as_array().expect("remedies").iter().map(|remedy| &remedy["undo"]).collect();
    assert_eq!(undo, ["CONFIG SET slowlog-log-slower-than -1", "CONFIG SET slowlog-max-len 64"]);
    let (short, long) = (diagnose(&[]).run(), diagnose(&["-v"]).run());
    assert!(!short.text().contains("undo: CONFIG SET slowlog-max-len 64"), "{}", short.text());
    assert!(long.text().contains("undo: CONFIG SET slowlog-max-len 64"), "{}", long.text());
    assert!(long.text().contains("costs: "), "{}", long.text());
}
