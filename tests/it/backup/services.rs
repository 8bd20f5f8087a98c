//! Services that let nobody replicate, each in words of its own: their data are read key by key, by every command that reads data.

use super::{Folder, backup, failure};
use crate::support::fake_primary::{Act, Script};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, on_each, server_named, servers};
use crate::support::sample;

/// An empty server of 6.2 that can be read key by key, and answers what was not said otherwise with an unknown command.
fn readable() -> Script {
    let info = "# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\nrun_id:1\r\nrole:master\r\nloading:0\r\n\
                # Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n";
    super::primary()
        .on("INFO", [Act::send(format!("${}\r\n{info}\r\n", info.len()))])
        .on("TIME", [Act::send("*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n")])
        .on("SCAN", [Act::send("*2\r\n$1\r\n0\r\n*0\r\n")])
}

#[test]
fn whatever_the_words_of_the_refusal_the_backup_is_made_key_by_key() {
    for line in [
        "-ERR unknown command 'psync'",
        "-ERR command 'psync' not support for normal user",
        "-ERR unsupported command 'psync'",
        "-ERR Command is not available: 'Psync'. See https://redis.example/docs/compatibility for details",
        "-NOPERM this user has no permissions to run the 'psync' command",
    ] {
        let refused = [Act::send(format!("{line}\r\n"))];
        let server = readable().on("PSYNC", refused.clone()).on("SYNC", refused).start();
        let folder = Folder::new();
        let run = backup(&server.url(), &folder.text(), &["--json"]).run();
        let answer = run.json();
        assert_eq!((run.code, &answer["source"]["method"]), (1, &"scan".into()), "{line}: {}", run.everything());
        assert_eq!(answer["backup"]["consistency"], "fuzzy", "{line}");
        let run = backup(&server.url(), &folder.text(), &["--json", "--source", "replication"]).run();
        let code = if line.starts_with("-NOPERM") { "permission_denied" } else { "replication_unsupported" };
        assert_eq!(failure(&run), (2, code.to_owned()), "{line}: {}", run.everything());
        if code == "replication_unsupported" {
            assert!(run.json()["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--source scan")), "{line}");
        }
    }
    // The plan says the same, also where a proxy tells of the commands of the server behind it.
    for (line, knows_sync) in [("-ERR command 'psync' not support for normal user", true), ("-ERR unsupported", false)]
    {
        let refused = [Act::send(format!("{line}\r\n"))];
        let commands = if knows_sync { "*1\r\n*2\r\n$4\r\nsync\r\n:1\r\n" } else { "-ERR unknown command\r\n" };
        let server = readable().on("PSYNC", refused.clone()).on("SYNC", refused).on("COMMAND", [Act::send(commands)]);
        let server = server.start();
        let run = backup(&server.url(), &Folder::new().text(), &["--json", "--plan"]).run();
        assert_eq!((run.code, &run.json()["plan"]["method"]), (1, &"scan".into()), "{line}: {}", run.everything());
    }
    // What is of the moment is no reason for a lesser backup.
    let server = readable().on("PSYNC", [Act::send("-ERR Background save already in progress\r\n")]).start();
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!((run.code, folder.files()), (2, Vec::new()), "{}", run.everything());
}

#[test]
fn a_service_that_hangs_up_on_replication_without_a_word_is_read_key_by_key() {
    for command in ["PSYNC", "REPLCONF"] {
        let server = readable().on(command, [Act::Close]).start();
        let folder = Folder::new();
        let run = backup(&server.url(), &folder.text(), &["--json"]).run();
        let answer = run.json();
        assert_eq!((run.code, &answer["source"]["method"]), (1, &"scan".into()), "{command}: {}", run.everything());
        // It was asked twice: once may be chance.
        let psyncs = server.heard().iter().filter(|words| words.first().is_some_and(|word| word == "PSYNC")).count();
        assert_eq!(psyncs, if command == "PSYNC" { 2 } else { 0 }, "{command}");
        let run = backup(&server.url(), &folder.text(), &["--json", "--source", "replication"]).run();
        assert_eq!(failure(&run), (2, "replication_unsupported".to_owned()), "{command}: {}", run.everything());
        assert!(run.text().contains(&format!("closes the connection at `{command}`")), "{}", run.text());
        let run = backup(&server.url(), &folder.text(), &["--json", "--plan"]).run();
        assert_eq!((run.code, &run.json()["plan"]["method"]), (1, &"scan".into()), "{command}: {}", run.everything());
    }
}

/// A server without replication: the commands have other names, or the user may not use them.
fn without_replication(installed: &Installed, renamed: bool) -> Option<(RedisServer, String)> {
    let builder = sample::builder(installed);
    if renamed {
        let builder = builder.arg("rename-command", "PSYNC x-psync").arg("rename-command", "SYNC x-sync");
        let server = builder.start()?;
        let url = server.url();
        return Some((server, url));
    }
    let server = builder.start()?;
    server.ok(&["ACL", "SETUSER", "app", "on", ">long-password", "~*", "&*", "+@all", "-psync", "-sync"]);
    let url = format!("redis://app:long-password@127.0.0.1:{}", server.port());
    Some((server, url))
}

#[test]
fn backup_verify_proof_and_safety_backup_all_do_without_replication() {
    let last = servers().into_iter().next_back();
    let some = servers().into_iter().filter(|installed| installed.is("6.2") || installed.is("8.0")).chain(last);
    for (installed, renamed) in some.flat_map(|installed| [(installed.clone(), true), (installed, false)]) {
        let Some((source, url)) = without_replication(&installed, renamed) else { return };
        sample::fill(&source);
        let folder = Folder::new();
        let run = backup(&url, &folder.text(), &["--json"]).run();
        assert_eq!((run.code, &run.json()["source"]["method"]), (1, &"scan".into()), "{}", run.everything());

        let verify = |url: &str| {
            let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "-i", url];
            let (code, answer) = RedisOps::new().args(line).json();
            assert_eq!(answer["comparison"]["consistency"], "fuzzy", "{}: {answer:#}", installed.name);
            code
        };
        assert_eq!(verify(&url), 0, "{}", installed.name);

        let Some((target, url)) = without_replication(&installed, renamed) else { return };
        target.ok(&["SET", "what is there", "already"]);
        let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
        let (code, answer) = RedisOps::new().args(line).args(["--replace-all", "--yes"]).json();
        assert_eq!(code, 0, "{}: {answer:#}", installed.name);
        assert_eq!(answer["proof"]["consistency"], "fuzzy", "{answer:#}");
        assert_eq!(target.cli(&["EXISTS", "what is there"]), "0", "{}", installed.name);
        let manifests = folder.files().into_iter().filter(|file| file.ends_with("manifest.json")).count();
        assert_eq!(manifests, 2, "the safety backup is there: {:?}", folder.files());
        assert_eq!(verify(&url), 0, "{}", installed.name);
    }
}

#[test]
fn a_scan_that_never_ends_is_given_up() {
    // The cursor never comes to 0, and no key comes.
    let server = readable().on("SCAN", [Act::send("*2\r\n$1\r\n7\r\n*0\r\n")]).start();
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--json", "--timeout", "300ms", "--source", "scan"]).run();
    assert_eq!(failure(&run), (2, "scan_endless".to_owned()), "{}", run.everything());
    assert!(run.text().contains("no new key for 3.0 s"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());

    // It names many times as many keys as there are.
    let keys: String = (0..100_100).map(|index| format!("$6\r\n{index:06}\r\n")).collect();
    let page = format!("*2\r\n$1\r\n7\r\n*100100\r\n{keys}");
    let server = readable().on("SCAN", [Act::send(page)]).on("DBSIZE", [Act::send(":10\r\n")]).start();
    let run = backup(&server.url(), &folder.text(), &["--json", "--source", "scan"]).run();
    assert_eq!(failure(&run), (2, "scan_endless".to_owned()), "{}", run.everything());
    assert!(run.text().contains("`DBSIZE` says 10"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_plan_says_what_the_run_does_where_replication_is_refused() {
    on_each(&servers(), |installed| {
        for renamed in [true, false] {
            let Some((server, url)) = without_replication(installed, renamed) else { return };
            server.fill(5, 5);
            // Before 7.0 nobody can ask what another user may do.
            let told = renamed || !installed.is("6.2");
            for (source, code) in [("auto", 1), ("scan", 1), ("replication", 2)] {
                let folder = Folder::new();
                let plan = backup(&url, &folder.text(), &["--json", "--plan", "--source", source]).run();
                let run = backup(&url, &folder.text(), &["--json", "--source", source]).run();
                assert_eq!(run.code, code, "{} {source}: {}", installed.name, run.everything());
                if told {
                    assert_eq!(plan.code, code, "{} {source}: {}", installed.name, plan.everything());
                    if code == 1 {
                        assert_eq!(plan.json()["plan"]["method"], run.json()["source"]["method"], "{}", installed.name);
                    }
                }
            }
            assert_eq!(server.info("rdb_last_bgsave_time_sec"), "-1", "{}: nothing was begun", installed.name);
        }
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let folder = Folder::new();
        let plan = backup(&server.url(), &folder.text(), &["--json", "--plan"]).run();
        assert_eq!((plan.code, &plan.json()["plan"]["method"]), (0, &"replication".into()), "{}", plan.everything());
        assert_eq!(server.info("sync_full"), "0", "{}: asking begins nothing", installed.name);
    });
}

/// What neither way may be read is no surprise after the plan.
#[test]
fn a_user_that_may_neither_replicate_nor_scan_is_refused_by_the_plan_as_by_the_run() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    server.ok(&["ACL", "SETUSER", "app", "on", ">long-password", "~*", "&*", "+@all", "-psync", "-replconf", "-scan"]);
    let url = format!("redis://app:long-password@127.0.0.1:{}", server.port());
    let folder = Folder::new();
    for more in [&["--plan"][..], &[]] {
        let run = backup(&url, &folder.text(), &[&["--json"], more].concat()).run();
        assert_eq!(failure(&run), (2, "permission_denied".to_owned()), "{more:?}: {}", run.everything());
    }
}

/// All that is missing at once, for the right user, replication first; and the run says the same as the plan.
#[test]
fn every_missing_right_is_named_in_one_line() {
    let Some(installed) = server_named("redis-server-7.4") else { return };
    let Some(server) = RedisServer::builder().version(&installed).start() else { return };
    server.fill(10, 10);
    let url = format!("redis://app:long-password@127.0.0.1:{}", server.port());
    let user = |rules: &[&str]| {
        let line = ["ACL", "SETUSER", "app", "reset", "on", ">long-password", "resetkeys", "resetchannels", "-@all"];
        server.ok(&[&line, rules].concat());
    };
    let both = |more: &[&str]| {
        let folder = Folder::new();
        [&["--plan"][..], &[]].map(|plan| backup(&url, &folder.text(), &[&["--json"], plan, more].concat()).run())
    };
    let granted = |hint: &str, n: usize| {
        let line = hint.split('`').filter(|part| part.starts_with("ACL SETUSER")).nth(n).expect("a line").to_owned();
        let words: Vec<&str> = line.split(' ').collect();
        server.ok(&words);
    };
    for (rules, resync) in [
        (&["+ping", "+info"][..], "`ACL SETUSER app +replconf +psync`"),
        (&["+ping", "+info", "+sync", "+replconf"], "`ACL SETUSER app +psync`"),
    ] {
        user(rules);
        let by_key = "ACL SETUSER app +scan +time +pexpiretime +dump +randomkey";
        for run in both(&[]) {
            let error = &run.json()["error"];
            assert_eq!(failure(&run), (2, "permission_denied".to_owned()), "{}", run.everything());
            let hint = error["hint"].as_str().expect("a hint");
            assert!(hint.starts_with(&format!("run as an admin user: {resync}; or, ")), "{hint}");
            assert!(hint.contains(by_key), "{hint}");
        }
        // The first line is enough, and so is the second.
        let hint = both(&[])[0].json()["error"]["hint"].as_str().unwrap().to_owned();
        granted(&hint, 0);
        both(&[]).iter().for_each(|run| assert_eq!(run.code, 0, "{}", run.everything()));
        user(rules);
        granted(&hint, 1);
        for run in both(&[]) {
            // The keys are known by now: whether they may be read is asked for the first time.
            let hint = run.json()["error"]["hint"].as_str().map(str::to_owned);
            assert!(
                run.code == 1 || hint.is_some_and(|hint| hint.contains("ACL SETUSER app ") && hint.contains("~*")),
                "{}",
                run.everything()
            );
        }
        server.ok(&["ACL", "SETUSER", "app", "~*"]);
        for run in both(&[]) {
            assert_eq!(run.code, 1, "{}", run.everything());
        }
        for run in both(&["--source", "replication"]) {
            assert_eq!(failure(&run), (2, "permission_denied".to_owned()), "{}", run.everything());
            assert_eq!(run.json()["error"]["hint"], format!("run as an admin user: {resync}"), "{}", run.everything());
        }
    }
    // Keys that may not be read: the server does not say who may not.
    user(&["+@all", "-psync", "~app:*"]);
    for run in both(&[]) {
        assert!(
            run.json()["error"]["hint"].as_str().is_some_and(|hint| hint.contains("ACL SETUSER app ~*")),
            "{}",
            run.everything()
        );
    }
}
