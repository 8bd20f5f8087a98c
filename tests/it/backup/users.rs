//! Users who may not do everything, on servers that tell their rights and on those that do not: the plan says what the run finds out, and a
//! line that grants a right names the user.

use super::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

/// 6.2 has no `ACL DRYRUN`, and its refusals name no user.
const VERSIONS: [&str; 2] = ["redis-server-6.2", "redis-server-7.4"];

fn servers() -> Vec<(&'static str, RedisServer)> {
    let start = |name| Some((name, RedisServer::builder().version(&server_named(name)?).start()?));
    VERSIONS.into_iter().filter_map(start).collect()
}

fn as_user(server: &RedisServer, rules: &str) -> String {
    let line = format!("ACL SETUSER u reset on >p &* {rules}");
    server.ok(&line.split(' ').collect::<Vec<_>>());
    format!("redis://u:p@127.0.0.1:{}", server.port())
}

#[test]
fn a_backup_plan_ends_as_its_run() {
    for (version, server) in servers() {
        server.ok(&["SET", "app:1", "1"]);
        server.ok(&["SET", "other", "1"]);
        for (rules, expected) in [
            ("~* +@all", 0),
            ("~* +@all -acl", 0),
            ("+@all -psync", 2),
            ("~app:* +@all -psync", 2),
            ("~* +@all -psync", 1),
            ("~* +@all -psync -acl", 1),
            ("~* +@all -psync -scan", 2),
            ("~* +@all -psync -scan -acl", 2),
            ("~* -@all +info +psync +replconf +multi +ping", 0),
        ] {
            let url = as_user(&server, rules);
            let folder = Folder::new();
            let place = folder.text();
            let line = ["backup", "-i", &url, "--name", "x", "-r", &place];
            let (planned, plan) = RedisOps::new().args(line).arg("--plan").json();
            let (code, run) = RedisOps::new().args(line).json();
            assert_eq!((planned, code), (expected, expected), "{version} {rules}: {plan:#} {run:#}");
            let lines = plan["plan"]["lines"].to_string();
            assert!(!lines.contains("unknown"), "{version} {rules}: {lines}");
            // What is missing is named in one line, by plan and run alike.
            assert_eq!(plan["error"]["hint"], run["error"]["hint"], "{version} {rules}");
        }
    }
}

#[test]
fn a_right_that_nobody_tells_is_no_promise() {
    let Some(installed) = server_named("redis-server-6.2") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    // Without a transaction, and without the right to see its rights, nothing tells before 7.0 whether it may replicate.
    let url = as_user(&server, "~* +@all -multi -acl");
    let folder = Folder::new();
    let (code, plan) =
        RedisOps::new().args(["backup", "--plan", "-i", &url, "--name", "x", "-r", &folder.text()]).json();
    assert_eq!((code, &plan["status"]), (3, &"unknown".into()), "{plan:#}");
}

#[test]
fn a_line_that_grants_a_right_names_the_user() {
    for (version, server) in servers() {
        server.ok(&["SET", "app:1", "1"]);
        let folder = Folder::new();
        let place = folder.text();
        let (code, answer) = RedisOps::new().args(["backup", "-i", &server.url(), "--name", "x", "-r", &place]).json();
        assert_eq!(code, 0, "{answer:#}");
        let refused = [
            ("~* +@all -info", "backup", "+info"),
            ("~* +@all -info", "backup --plan", "+info"),
            ("~* +@all -info", "verify", "+info"),
            ("~* +@all -info", "diagnose memory", "+info"),
            ("~other:* +@all -psync", "verify", "~*"),
            ("~* +@all -time", "archive mark m", "+time"),
            ("~* +@all -info", "archive mark m", "+info"),
            ("~* +@all -time -info", "archive mark m", "+time +info"),
        ];
        for (rules, command, rule) in refused {
            let url = as_user(&server, rules);
            let name = if command.starts_with("verify") || command.starts_with("diagnose") {
                &[][..]
            } else {
                &["--name", "x"]
            };
            let place: &[&str] = if command.starts_with("diagnose") { &[] } else { &["-r", &place] };
            let run = RedisOps::new().args(command.split(' ')).args(["-i", &url]).args(name).args(place);
            let (code, answer) = run.json();
            let said = answer["error"]["hint"].as_str().unwrap_or_default();
            let line = format!("`ACL SETUSER u {rule}`");
            assert!(code >= 2 && said.contains(&line), "{version} {command} {rules}: {answer:#}");
            assert!(!answer.to_string().contains("<user>"), "{version} {command}: {answer:#}");
        }
        // Health answers with reasons.
        let url = as_user(&server, "~* +@all -info");
        let (code, answer) = RedisOps::new().args(["health", "-i", &url]).json();
        assert!(code == 2 && answer["reasons"].to_string().contains("`ACL SETUSER u +info`"), "{version}: {answer:#}");
    }
}

#[test]
fn a_refusal_is_no_value_of_a_key() {
    let Some(installed) = server_named("redis-server-7.4") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    for n in 0..20 {
        server.ok(&["SET", &format!("ttl:{n}"), "v", "EX", "1000"]);
        server.ok(&["SET", &format!("app:{n}"), "v"]);
    }
    for full in [&[][..], &["--full"]] {
        // Nothing that could be told of a key is told, and the answer names the right.
        for (rules, rule) in [
            ("-pttl", "+pttl"),
            ("-scan -randomkey", if full.is_empty() { "+randomkey" } else { "+scan" }),
            ("-select", "+select"),
            ("-type", "+type"),
        ] {
            // A sample of a few keys is all of them.
            let rule = if rule == "+randomkey" { "+scan" } else { rule };
            let url = as_user(&server, &format!("~* +@all {rules}"));
            let (code, answer) = RedisOps::new().args(["diagnose", "keyspace", "-i", &url]).args(full).json();
            assert_eq!((code, &answer["status"]), (3, &"unknown".into()), "{rules} {full:?}: {answer:#}");
            let run = RedisOps::new().args(["diagnose", "keyspace", "-i", &url]).args(full).run();
            assert!(
                run.code == 3 && run.text().contains(&format!("`{rule}`")),
                "{rules} {full:?}: {}",
                run.everything()
            );
        }
        // The rest is told where one thing is not known.
        let url = as_user(&server, "~* +@all -memory|usage");
        let run = RedisOps::new().args(["diagnose", "keyspace", "-i", &url]).args(full).run();
        let text = run.text();
        assert!(text.contains("`+memory|usage`") && text.contains("unknown"), "{full:?}: {}", run.everything());
        assert!(!text.contains("0 B"), "{full:?}: {}", run.everything());
    }
}
