//! `diagnose --from`: what people paste is read, and the cause that stands in it is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::lab::Diagnosis;
use crate::support::{fixtures, redis_ops::RedisOps, skip};

/// What has to be said of a text.
enum Expected {
    /// This is the first finding.
    First(&'static str),
    /// No finding above information, and exit 0.
    Healthy,
    /// No finding above information, and no all-clear where the text tells too little.
    Quiet,
    /// The cause is not in the text: could not tell, or another finding that is true.
    NotEnough,
    /// It is read, and nothing in it is critical.
    Read,
    /// It is read, and this is critical.
    Critical(&'static str),
}
use Expected::{Critical, First, Healthy, NotEnough, Quiet, Read};

/// By the number of the text; `CAUSES.tsv` beside the texts says what is known of each.
const TEXTS: &[(&str, Expected)] = &[
    ("001", Healthy),
    ("003", First("M06")),
    ("005", First("M06")),
    ("007", First("C43")),
    ("009", Critical("P06")),
    ("011", First("P01")),
    ("013", First("C09")),
    ("015", First("R20")),
    ("017", First("C46")),
    ("019", Read),
    ("021", Read),
    ("023", Healthy),
    ("025", First("C44")),
    ("027", First("M33")),
    ("029", Read),
    ("031", NotEnough),
    ("033", First("R25")),
    ("035", Read),
    ("037", Read),
    ("039", First("P20")),
    ("041", Healthy),
    ("043", Read),
    ("045", Quiet),
    ("047", First("C45")),
    ("049", Read),
    ("051", First("R21")),
    ("053", First("M34")),
    ("055", First("R09")),
    ("057", First("R09")),
    ("059", First("M32")),
    ("061", Read),
];

fn texts() -> BTreeMap<String, PathBuf> {
    let Some(folder) = fixtures::folder().map(|folder| folder.join("pasted")).filter(|folder| folder.is_dir()) else {
        skip("fixtures");
        return BTreeMap::new();
    };
    let paths = fs::read_dir(folder).expect("the texts").map(|entry| entry.expect("a text").path());
    let number = |path: &PathBuf| path.file_name()?.to_str()?.get(..3).map(str::to_owned);
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .filter_map(|path| Some((number(&path)?, path)))
        .collect()
}

/// Findings of all servers of an answer, the worst server first.
fn findings(json: &Value) -> Vec<(String, String)> {
    let of = |server: &Value| server["findings"].as_array().cloned().unwrap_or_default();
    let others = json["servers"].as_array().cloned().unwrap_or_default();
    let all = of(json).into_iter().chain(others.iter().flat_map(of));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    all.map(|finding| (text(&finding, "id"), text(&finding, "severity"))).collect()
}

#[test]
fn the_cause_of_every_public_text_is_said() {
    let texts = texts();
    let mut wrong = Vec::new();
    for (number, path) in &texts {
        let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", &path.display().to_string()]).run();
        let Diagnosis { json, code } = Diagnosis::of_run(&run);
        let found = findings(&json);
        let first = found.first().map(|(id, _)| id.as_str());
        let critical = found.iter().any(|(_, severity)| severity == "critical");
        let expected = TEXTS.iter().find(|(other, _)| other == number).map(|(_, expected)| expected);
        let right = match expected {
            Some(First(id)) => first == Some(*id),
            Some(Healthy) => code == 0 && found.iter().all(|(_, severity)| severity == "info"),
            Some(Quiet) => code != 1 && code != 2,
            Some(NotEnough) => code != 0,
            Some(Read) => !critical && json["read"].is_array(),
            Some(Critical(id)) => first == Some(*id) && critical,
            None => false,
        };
        if !right {
            wrong.push(format!("{}: exit {code}, {found:?}, {}", path.display(), json["verdict"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong.join("\n"));
}

/// Texts of faults that were made on real servers; `CAUSES.tsv` beside them says what was wrong.
#[test]
fn the_cause_of_every_text_of_a_made_fault_comes_first_with_a_fix_that_can_be_typed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pasted");
    let causes = fs::read_to_string(folder.join("CAUSES.tsv")).expect("the causes");
    let mut wrong = Vec::new();
    for row in causes.lines().filter(|row| !row.starts_with('#')) {
        let [file, id, fix, _] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("four columns: {row}") };
        let path = folder.join(file).display().to_string();
        let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", &path]).run();
        let Diagnosis { json, code } = Diagnosis::of_run(&run);
        let (first, first_fix) = (&json["findings"][0], json["findings"][0]["fix"][0].as_str().unwrap_or_default());
        if first["id"] != id || ![1, 2].contains(&code) || !first_fix.starts_with(fix) {
            wrong.push(format!("{file}: exit {code}, {:?}, {first:#}", findings(&json)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Figures under names that no server gives, and answers of which the telling part was lost.
#[test]
fn what_is_not_understood_is_said_and_is_never_ok() {
    for (what, text) in [
        (
            "an export of metrics",
            "Timestamp,Host,redis.mem.used,redis.net.clients\n2026-11-30T12:00:00Z,redis-1,10480000,9990\n",
        ),
        ("an overview of a window", "Overview\nUsed Memory\t10.0 MB\nConnected Clients\t4\nTotal Keys\t27 113\n"),
        ("a page", "<pre>Redis is up&period;</pre>\n"),
        ("a chat", r#"[{"type": "message", "text": "is redis ok?"}, {"type": "message", "text": "yes"}]"#),
        ("a picture", "used_rnernory:l0\nrnaxmernory:l0\n"),
    ] {
        let run = RedisOps::new().args(["diagnose", "all", "--from", "-"]).stdin(text).run();
        assert_eq!(run.code, 3, "{what}: {}", run.everything());
        assert!(!run.everything().contains("ok:"), "{what}: {}", run.everything());
    }
}

/// Of a log the verdict says what is wrong, and not how often.
#[test]
fn the_verdict_of_a_log_names_the_cause() {
    let text = "1:M 30 Nov 2026 12:00:01.003 # Can't save in background: fork: Cannot allocate memory\n".repeat(3);
    let run = RedisOps::new().args(["diagnose", "all", "--from", "-"]).stdin(text).run();
    let verdict = run.text().lines().last().unwrap_or_default().to_owned();
    assert!(verdict.contains("(P22: says Can't save in background: fork: Cannot allocate memory)"), "{verdict}");
    assert!(run.text().contains("lines 3"), "{}", run.text());
}

/// -1 is no time, and a counter below zero is no size.
#[test]
fn what_the_server_does_not_know_is_no_fact() {
    let text = "# Memory\nused_memory:736512\nused_memory_rss:9000000\nused_memory_dataset:18446744073709550568\nmaxmemory:0\nmaxmemory_policy:noeviction\n";
    let run = RedisOps::new().args(["diagnose", "memory", "-v", "--from", "-"]).stdin(text).run();
    assert!(run.text().contains("719.2 KiB") && !run.text().contains("EiB"), "{}", run.text());
    for (link, heard) in [
        ("master_link_down_since_seconds:-1\nmaster_last_io_seconds_ago:-1", Some("never")),
        ("master_link_down_since_seconds:9\nmaster_last_io_seconds_ago:-1", None),
        ("master_last_io_seconds_ago:3", Some("3.0 s")),
    ] {
        let status = if link.starts_with("master_last") { "up" } else { "down" };
        let text = format!(
            "role:slave\nmaster_host:10.0.0.9\nmaster_port:6379\nmaster_link_status:{status}\n{link}\nconnected_slaves:0\n"
        );
        let run = RedisOps::new().args(["diagnose", "replication", "-v", "--from", "-"]).stdin(text).run();
        let told = run.text().split("primary last heard").nth(1).map(|rest| rest.trim_start().to_owned());
        assert_eq!(told.is_some(), heard.is_some(), "{}", run.text());
        assert!(told.unwrap_or_default().starts_with(heard.unwrap_or_default()), "{link}: {}", run.text());
    }
}

/// How all texts together are judged; `CAUSES.tsv` marks a cause as told in the thread (T) or in the text itself (E).
#[derive(Debug, Default, PartialEq)]
struct Table {
    with_a_cause: usize,
    first: usize,
    named: usize,
    /// Nothing is wrong, and nothing above information is said.
    quiet: usize,
    not_enough: usize,
    missed: usize,
    /// Exit 0 where something is wrong.
    wrongly_ok: usize,
    /// Warnings where nothing is wrong.
    false_warnings: usize,
    false_criticals: usize,
}

#[test]
fn the_table_of_the_public_texts_gets_no_worse() {
    let texts = texts();
    let Some((_, path)) = texts.first_key_value() else { return };
    let causes = fs::read_to_string(path.with_file_name("CAUSES.tsv")).expect("the causes");
    let has_cause = |number: &str| {
        let row = causes.lines().find(|row| row.starts_with(number)).expect("a row");
        row.split('\t').nth(3).is_some_and(|cause| cause.starts_with("T:") || cause.starts_with("E:"))
    };
    let mut table = Table::default();
    for (number, expected) in TEXTS.iter().filter(|(number, _)| has_cause(number)) {
        let path = texts[*number].display().to_string();
        let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", &path]).run();
        let Diagnosis { json, code } = Diagnosis::of_run(&run);
        let found = findings(&json);
        let warned = |severity: &str| usize::from(found.iter().any(|(_, own)| own == severity));
        table.with_a_cause += 1;
        match expected {
            First(id) | Critical(id) => match found.iter().position(|(other, _)| other == id) {
                Some(0) => table.first += 1,
                Some(_) => table.named += 1,
                None => {
                    table.missed += 1;
                    table.wrongly_ok += usize::from(code == 0);
                }
            },
            NotEnough => {
                table.not_enough += 1;
                table.wrongly_ok += usize::from(code == 0);
            }
            // 043 is read, and its cause is that nothing is wrong.
            Healthy | Quiet | Read => {
                table.quiet += usize::from(warned("warning") + warned("critical") == 0);
                table.false_warnings += warned("warning");
                table.false_criticals += warned("critical");
            }
        }
    }
    eprintln!("{table:#?}");
    // "May be swapped out, or reserved and never touched" (043): the text does not tell which.
    let held = Table { with_a_cause: 23, first: 17, quiet: 4, not_enough: 1, false_warnings: 1, ..Table::default() };
    assert_eq!(table, held);
}

#[test]
fn a_text_says_what_was_read_what_was_not_understood_and_what_was_not_looked_at() {
    let text =
        "Help!\n\n# Memory\nused_memory:1000000\nused_memory_rss:2000000\nmaxmemory:0\nmaxmemory_policy:noeviction\n";
    let run = RedisOps::new().args(["diagnose", "all", "--from", "-"]).stdin(text).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let lines: Vec<&str> = run.text().lines().collect();
    assert!(lines.contains(&"read: INFO (memory)"), "{}", run.text());
    assert!(lines.contains(&"not understood: 1 line (1)"), "{}", run.text());
    let dark = lines.iter().find(|line| line.starts_with("not looked at: ")).expect("a line");
    assert!(dark.contains("replication (no role)") && !dark.contains("memory"), "{dark}");
    assert!(lines.last().is_some_and(|last| last.starts_with("ok: no warnings in what was read of memory")));
}

#[test]
fn an_all_clear_needs_the_fields_that_it_rests_on() {
    let code =
        |topic: &str, text: &str| RedisOps::new().args(["diagnose", topic, "--from", "-"]).stdin(text).run().code;
    assert_eq!(code("memory", "used_memory:1000000\nused_memory_rss:2000000\n"), 3, "the limit is not told");
    assert_eq!(code("replication", "used_memory:1000000\nused_memory_rss:2000000\n"), 3, "nothing of it is told");
    assert_eq!(code("all", "role:master\nconnected_slaves:0\n"), 0);
    assert_eq!(code("all", &format!("role:master\nconnected_slaves:0\n{}", "what is this?\n".repeat(9))), 3);
    assert_eq!(code("all", "hello\n"), 3);
    let long = RedisOps::new().args(["diagnose", "all", "--json", "--from", "-"]).stdin(vec![b'a'; 60 << 20]).run();
    assert_eq!((long.code, long.json()["error"]["code"].as_str()), (3, Some("too_long")));
}

#[test]
fn two_servers_of_a_text_are_told_apart() {
    let text = "$ redis-cli -h 10.0.0.2 info replication\nrole:master\nconnected_slaves:0\n$ redis-cli -h 10.0.0.3 info persistence\nrdb_last_bgsave_status:err\n";
    let run = RedisOps::new().args(["diagnose", "all", "--json", "--from", "-"]).stdin(text).run();
    let json = run.json();
    let servers = json["servers"].as_array().expect("servers");
    let names: Vec<&str> = servers.iter().filter_map(|server| server["instance"].as_str()).collect();
    assert_eq!(names, ["10.0.0.2:6379 in standard input", "10.0.0.3:6379 in standard input"]);
    assert_eq!((run.code, json["instance"].as_str()), (2, Some("10.0.0.3:6379 in standard input")));
    assert_eq!(json["findings"], servers[1]["findings"]);
    let run = RedisOps::new().args(["diagnose", "all", "--from", "-"]).stdin(text).run();
    assert_eq!(run.text().matches("read: INFO").count(), 2);
    assert!(run.text().lines().last().is_some_and(|last| last.contains("P01")), "{}", run.text());
}
