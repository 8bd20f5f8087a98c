//! What a restore that went wrong prints leads on: the lines are typed as they stand.

use super::stored::{Stored, backup_from, backup_of, hint, keys, message};
use crate::support::pty::to_be_hung_up;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};
use crate::support::sample;

/// What stands in backticks, in order.
fn typed(hint: &str) -> Vec<&str> {
    hint.split('`').skip(1).step_by(2).collect()
}

#[test]
fn keys_that_were_evicted_come_back_by_the_printed_lines() {
    let (Some(stored), Some(target)) = (backup_of(4_000), RedisServer::start()) else { return };
    for method in ["restore", "commands"] {
        target.ok(&["FLUSHALL"]);
        target.ok(&["CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "allkeys-lru"]);
        let running = stored.restoring(&target, &["--method", method, "--rate", "300kB", "--json"]).spawn();
        target.wait_for("keys", |target| keys(target) > 1_000);
        // Room for some of the keys that are to come.
        let limit = target.info("used_memory").parse::<u64>().unwrap() + 100_000;
        target.ok(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
        let run = running.wait();
        let answer = run.json();
        assert_eq!(run.code, 2, "{answer}");
        let lines = typed(hint(&answer));
        assert!(lines[0].starts_with("CONFIG SET maxmemory "), "{answer}");
        target.ok(&lines[0].split(' ').collect::<Vec<_>>());
        let line = lines[1].strip_prefix("redis-ops ").unwrap();
        assert!(line.contains("--on-conflict skip --rate 300000") && !line.contains("--yes"), "{line}");
        let (code, answer) = stored.typed(line.split(' ')).json();
        // Where all were evicted, none is kept.
        assert!(code <= 1 && keys(&target) == 4_000, "{answer}");
        assert!(stored.verify(&["--instance", &target.url()]).json().0 == 0);
    }
}

/// Whether these tests run under `nohup`: what they start ignores SIGHUP then, and rightly so. Says "skipped".
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let ignored = mask.is_some_and(|mask| mask & 1 == 1);
    if ignored {
        crate::support::skip("SIGHUP (nohup)");
    }
    ignored
}

#[test]
fn a_lost_terminal_ends_a_restore_as_a_signal_does_and_nohup_keeps_it() {
    if hangups_are_ignored() {
        return;
    }
    let (Some(stored), Some(target)) = (backup_of(2_000), RedisServer::start()) else { return };
    let begun = ["--method", "commands", "--rate", "100kB"];
    let running = stored.restoring(&target, &[&begun[..], &["--json"]].concat()).spawn();
    target.wait_for("keys", |target| keys(target) > 100);
    running.signal("HUP");
    let run = running.wait();
    let answer = run.json();
    assert_eq!((run.code, &answer["error"]["code"]), (129, &"interrupted".into()), "{answer}");
    assert!(message(&answer).contains(" --rate 100000 --resume` goes on"), "as slow as it was asked for: {answer}");
    let (code, answer) = stored.restore(&target, &["--method", "commands", "--resume"]);
    assert_eq!((code, &answer["result"]["restored"], keys(&target)), (0, &2_000.into(), 2_000), "{answer}");

    // `nohup` has it ignored.
    target.ok(&["FLUSHALL"]);
    let line = stored.restoring(&target, &["--rate", "200kB", "--method", "restore", "--json"]);
    let Some(line) = line.under("nohup") else { return };
    let running = line.spawn();
    target.wait_for("keys", |target| keys(target) > 100);
    running.signal("HUP");
    let run = running.wait();
    assert_eq!((run.code, keys(&target)), (0, 2_000), "{}", run.everything());
}

#[test]
fn a_restore_whose_terminal_is_closed_cleans_up() {
    if hangups_are_ignored() {
        return;
    }
    let (Some(stored), Some(target)) = (backup_of(2_000), RedisServer::builder().arg("key-load-delay", "1000").start())
    else {
        return;
    };
    let (place, url) = (stored.place(), target.url());
    let line =
        ["-r", &place, "restore", "--backup-id", "test/latest", "--target-instance", &url, "--method", "replica"];
    let home = tempfile::tempdir().unwrap();
    let (terminal, mut child) = to_be_hung_up(&[&line[..], &["--progress", "none"]].concat(), home.path());
    target.wait_for("it loads", |target| target.info("role") == "slave");
    drop(terminal);
    // As the system does for the leader of a session.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::HUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert_eq!(target.info("role"), "master");
}

#[test]
fn a_restore_that_is_stopped_is_named_with_what_lets_it_go_on() {
    let Some(installed) = server_named("redis-server-8.0").or_else(|| server_named("valkey-server-8.1")) else {
        return;
    };
    let stored = backup_from(&installed, 3_000, 3_000);
    let target = RedisServer::builder()
        .version(&installed)
        .arg("key-load-delay", "3000")
        .arg("loading-process-events-interval-bytes", "16384")
        .start()
        .unwrap();
    let running = stored.restoring(&target, &["--method", "replica", "--json"]).spawn();
    target.wait_for("it is fed", |target| target.info("role") == "slave");
    let (pid, url) = (running.id(), target.url());
    let asked = |words: &[&str]| {
        let run = RedisOps::new().args(words).env("XDG_STATE_HOME", stored.state());
        let (_, answer) = run.json();
        answer.to_string()
    };
    let health = asked(&["health", "-i", &url]);
    assert!(health.contains(&format!("a restore by redis-ops into this server (pid {pid}) is running")), "{health}");
    running.signal("STOP");
    let line = format!("kill -CONT {pid}");
    for words in [
        &["health", "-i", &url][..],
        &["diagnose", "replication", "-i", &url],
        &["restore", "--undo", "--target-instance", &url, "--yes"],
    ] {
        let said = asked(words);
        assert!(said.contains(&line) && said.contains("is stopped"), "{words:?}: {said}");
        assert!(!said.contains("masterauth"), "{words:?}: {said}");
    }
    running.signal("CONT");
    let run = running.wait();
    assert_eq!((run.code, keys(&target)), (0, 3_000), "{}", run.everything());
}

#[test]
fn a_damaged_backup_is_refused_in_the_same_words_by_every_method() {
    let (Some(stored), Some(target)) = (backup_of(500), RedisServer::start()) else { return };
    let object = stored.object();
    let mut bytes = std::fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&object, bytes).unwrap();
    for method in ["auto", "replica", "restore", "commands"] {
        let run = stored.restoring(&target, &["--method", method]).run();
        let all = run.everything();
        assert_eq!((run.code, keys(&target)), (2, 0), "{method}: {all}");
        assert!(all.contains("nothing was written") && all.contains("redis-ops list"), "{method}: {all}");
        assert!(!all.contains("removed again") && !all.contains("received no keys"), "{method}: {all}");
    }
}

#[test]
fn what_a_restore_to_disk_cannot_follow_or_must_not_write_is_refused() {
    let (Some(source), Some(other)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.ok(&["SET", "key", "1"]);
    let stored = Stored::of(&source);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("new").display().to_string();
    for option in ["--no-safety-backup", "--no-proof", "--accept-loss", "--allow-replica-resync"] {
        let run = stored.to_disk(&["--to-file", &to, option]).run();
        assert!(run.code == 3 && run.everything().contains(option), "{}", run.everything());
    }
    let run = stored.to_disk(&["--to-dir", &to, "-i", "redis://127.0.0.1:1"]).run();
    assert_eq!(run.code, 3, "{}", run.everything());
    let backup = stored.object().parent().unwrap().to_owned();
    let before = std::fs::read_dir(&backup).unwrap().count();
    for target in [["--to-file", "new.rdb"], ["--to-dir", ""], ["--to-dir", "deep/er"]] {
        let path = backup.join(target[1]).display().to_string();
        let run = stored.to_disk(&[target[0], &path]).run();
        assert!(run.code == 2 && run.everything().contains("is the folder of a backup"), "{}", run.everything());
    }
    assert_eq!(std::fs::read_dir(&backup).unwrap().count(), before);
    // A server that works in the folder would replace what it finds there.
    let there = other.dir().display().to_string();
    let run = stored.to_disk(&["--to-dir", &there]).run();
    let words = format!("(pid {})", other.pid());
    assert!(run.code == 2 && run.everything().contains(&words), "{}", run.everything());
    assert_eq!(stored.to_disk(&["--to-dir", &to]).run().code, 0);
}

#[test]
fn a_plan_of_a_restore_to_disk_says_what_stands_against_it_and_writes_nothing() {
    let Some(stored) = backup_of(200) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, data) = (path("copy.rdb"), path("data"));
    for to in [["--to-file", &*file], ["--to-dir", &*data]] {
        let (code, plan) = stored.to_disk(&[&to[..], &["--plan"]].concat()).json();
        assert_eq!((code, &plan["plan"]["lines"][0]["code"]), (0, &"place".into()), "{plan:#}");
        let text = stored.to_disk(&[&to[..], &["--plan"]].concat()).run();
        assert!(text.text().contains(&format!("would be written to {}", to[1])), "{}", text.everything());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let run = stored.to_disk(&["--to-file", "-", "--plan"]).run();
    assert!(run.code == 0 && run.text().contains("stdout"), "{}", run.everything());
    // A folder that is missing is named; a name that is taken as well.
    let deep = path("missing/copy.rdb");
    std::fs::write(&file, "precious").unwrap();
    std::fs::create_dir_all(folder.path().join("data/appendonlydir")).unwrap();
    for (to, words) in [
        (["--to-file", &*deep], format!("there is no folder `{}`", path("missing"))),
        (["--to-file", &*file], format!("`{file}` already exists")),
        (["--to-dir", &*data], format!("`{data}/appendonlydir` already exists")),
    ] {
        for more in [&["--plan"][..], &[]] {
            let run = stored.to_disk(&[&to[..], more].concat()).run();
            assert!(run.code == 2 && run.everything().contains(&words), "{words}: {}", run.everything());
        }
    }
    let run = stored.to_disk(&["--to-file", &path("copy.rdb.gz")]).run();
    assert!(run.code == 3 && run.everything().contains("uncompressed"), "{}", run.everything());
    // What is known before it is read is said in the words of every other method.
    let object = stored.object();
    let bytes = std::fs::read(&object).unwrap();
    std::fs::write(&object, &bytes[..bytes.len() / 2]).unwrap();
    for more in [&["--plan"][..], &[]] {
        let run = stored.to_disk(&[&["--to-file", &path("new.rdb")], more].concat()).run();
        let words = format!("its length in bytes is {}, not {}", bytes.len() / 2, bytes.len());
        assert!(run.code == 2 && run.everything().contains(&words), "{}", run.everything());
        assert!(run.everything().contains("nothing was written"), "{}", run.everything());
    }
}

#[test]
fn a_restore_to_disk_names_the_keys_that_a_primary_will_drop() {
    let Some(installed) = server_named("redis-server-7.4").or_else(|| server_named("valkey-server-8.1")) else {
        return;
    };
    let source = sample::builder(&installed).start().unwrap();
    source.fill(20, 10);
    source.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    for (number, words) in
        [(1, "1 key has expired: a primary drops it"), (2, "2 keys have expired: a primary drops them")]
    {
        source.ok(&["SET", &format!("short:{number}"), "v", "PX", "1"]);
        let stored = Stored::of(&source);
        source.save();
        let file = source.dir().join("dump.rdb").display().to_string();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (at, from_file) in [("a", false), ("b", true)] {
            for (option, name) in [("--to-file", "x.rdb"), ("--to-dir", "data")] {
                let to = path(&format!("{at}{name}"));
                let line = |more: &[&str]| match from_file {
                    true => RedisOps::new().args(["restore", "--file", &file, option, &to]).args(more),
                    false => stored.to_disk(&[&[option, &*to], more].concat()),
                };
                let run = line(&["--plan"]).run();
                let in_words = format!("{words} when it loads the file");
                assert!(run.code == 0 && run.text().contains(&in_words), "{}", run.everything());
                let (code, plan) = line(&["--plan"]).json();
                let lines = plan["plan"]["lines"].as_array().unwrap();
                let expired = lines.iter().find(|line| line["code"] == "expired").unwrap();
                assert_eq!((code, &expired["level"]), (0, &"ok".into()), "{plan:#}");
                let run = line(&[]).run();
                assert!(run.code == 0 && run.text().contains(&in_words), "{}", run.everything());
                std::fs::remove_file(&to).or_else(|_| std::fs::remove_dir_all(&to)).unwrap();
                let (code, answer) = line(&[]).json();
                assert_eq!((code, &answer["result"]["expired"]), (0, &number.into()), "{answer:#}");
            }
        }
    }
}
