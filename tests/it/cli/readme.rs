//! The commands of the README: what it tells to type is understood, and the lines for a first try work as they stand.

use std::path::Path;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, servers};

/// The code blocks of the README in one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let fence = format!("\n```{language}\n");
    let parts = readme.split(&fence).skip(1);
    parts.filter_map(|part| part.split("\n```").next().map(str::to_owned)).collect()
}

/// The words of each line that calls the program, as a shell makes them of it.
fn lines(block: &str) -> Vec<Vec<String>> {
    let whole = block.replace("\\\n", " ");
    let calls = whole.lines().filter(|line| line.starts_with("redis-ops "));
    calls
        .map(|line| {
            let script = format!("redis-ops() {{ printf '%s\\0' \"$@\"; }}; {line}");
            let run = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
            String::from_utf8(run.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect()
        })
        .collect()
}

#[test]
fn every_line_is_understood() {
    let mut typed = 0;
    for words in blocks("sh").iter().flat_map(|block| lines(block)) {
        // What stands behind `--` is another program's.
        let own = words.iter().map(String::as_str).take_while(|word| *word != "--");
        let run = RedisOps::new().args(own).arg("--help").run();
        assert_eq!(run.code, 0, "{}: {}", words.join(" "), run.stderr);
        typed += 1;
    }
    assert!(typed > 20, "{typed}");
}

#[test]
fn the_lines_against_localhost_work_as_they_stand() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.ok(&["SET", "a", "1"]);
    let block = blocks("sh").into_iter().find(|block| block.contains("-H localhost")).expect("lines against localhost");
    let lines = lines(&block);
    assert_eq!(lines.len(), 10);
    let folder = tempfile::TempDir::new().unwrap();
    let (from, to) = (source.port().to_string(), format!("redis://127.0.0.1:{}", target.port()));
    for words in &lines {
        // The ports of this test's servers, and its folder.
        let mut typed: Vec<String> = Vec::new();
        for word in words {
            match word.as_str() {
                "localhost" => typed.extend(["127.0.0.1".to_owned(), "-p".to_owned(), from.clone()]),
                "redis://localhost:6380" => typed.push(to.clone()),
                "./backups" | "copy.rdb" => typed.push(folder.path().join(word).display().to_string()),
                _ => typed.push(word.clone()),
            }
        }
        let run = RedisOps::new().args(typed.iter().map(String::as_str)).run();
        // A server of a test has findings of its own; all else is done without a word against it.
        let most = if words[0] == "diagnose" { 2 } else { 0 };
        assert!(run.code <= most, "{}: exit {}: {}{}", words.join(" "), run.code, run.text(), run.stderr);
    }
    assert_eq!(target.ok(&["GET", "a"]), "1");
}

#[test]
fn the_rights_are_enough_for_a_backup_by_replication_on_every_version() {
    let block = blocks("text").into_iter().find(|block| block.contains("ACL SETUSER")).expect("the rights");
    let lines: Vec<&str> = block.lines().filter(|line| line.starts_with("ACL SETUSER")).collect();
    let [newer, older] = lines[..] else { panic!("{lines:?}") };
    for installed in servers() {
        let server = RedisServer::builder().version(&installed).start().unwrap();
        server.ok(&["SET", "a", "1"]);
        let version = server.info("redis_version");
        let is_older = ["6.", "7.0."].iter().any(|line| version.starts_with(line));
        let line: Vec<&str> = if is_older { older } else { newer }.split_whitespace().collect();
        server.ok(&line);
        let folder = tempfile::TempDir::new().unwrap();
        let run = RedisOps::new()
            .args(["backup", "-i", &server.url(), "--username", "backup", "-r"])
            .arg(folder.path())
            .env("REDIS_OPS_PASSWORD", "secret")
            .run();
        assert_eq!(run.code, 0, "{}: {}{}", installed.name, run.text(), run.stderr);
    }
}
