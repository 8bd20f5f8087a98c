//! Drills: a backup is loaded into a throwaway server and read back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{repository_of, verify};
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each, servers};
use crate::support::sample;

/// The newest receipt of the one backup.
#[track_caller]
fn receipt(folder: &Folder) -> Value {
    let mut receipts: Vec<String> =
        folder.files().into_iter().filter(|file| file.contains("/receipts/verify-")).collect();
    receipts.sort();
    let newest = receipts.pop().unwrap_or_else(|| panic!("no receipt among {:?}", folder.files()));
    serde_json::from_slice(&fs::read(folder.path().join(newest)).unwrap()).unwrap()
}

#[test]
fn every_server_loads_what_it_wrote_itself_and_a_receipt_says_so() {
    on_each(&servers(), |installed| {
        let Some(server) = sample::builder(installed).start() else { return };
        sample::fill(&server);
        let keys: u64 = server.info("db0").split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap() + 2;
        let (folder, id) = repository_of(&server);
        let binary = installed.path.display().to_string();
        let temporary = TempDir::new().unwrap();
        let (code, answer) = verify(&folder, &["--backup-id", &id, "--level", "drill", "--server-binary", &binary])
            .env("TMPDIR", temporary.path())
            .json();
        assert_eq!((code, answer["level"].as_str()), (0, Some("drill")), "{}: {answer:#}", installed.name);
        let drill = &answer["drill"];
        assert_eq!((drill["keys"].as_u64(), drill["expired"].as_u64()), (Some(keys), Some(0)), "{answer:#}");
        assert!(drill["seconds"]["load"].as_f64() > Some(0.0) && drill["rto_seconds"].as_f64() > Some(0.0));
        assert!(
            drill["peak_memory_bytes"].as_u64() > Some(100_000) && drill["peak_rss_bytes"].as_u64() > Some(1 << 20)
        );
        let receipt = receipt(&folder);
        assert_eq!((receipt["level"].as_str(), receipt["status"].as_str()), (Some("drill"), Some("ok")));
        assert_eq!(receipt["drill"]["version"], drill["version"]);
        assert_eq!(receipt["rto_seconds"], drill["rto_seconds"]);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left behind");
        let (_, listed) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
        assert_eq!(listed["backups"][0]["verified_level"], "drill");
        assert!(listed["backups"][0]["verified_at"].is_string());
    });
}

#[test]
fn a_quick_look_does_not_hide_the_drill_before_it() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, id) = repository_of(&server);
    let list = || RedisOps::new().args(["list", "-r", &folder.text()]);
    assert_eq!(verify(&folder, &["--backup-id", &id, "--level", "drill"]).run().code, 0);
    assert_eq!(list().run().text().matches(" drill").count(), 1, "{}", list().run().text());
    let drilled = list().json().1["backups"][0]["proven_at"]["drill"].clone();
    assert!(drilled.is_string());
    assert_eq!(verify(&folder, &["--backup-id", &id, "--level", "checksum"]).run().code, 0);
    let (_, listed) = list().json();
    let backup = &listed["backups"][0];
    assert_eq!((backup["verified_level"].as_str(), &backup["proven_at"]["drill"]), (Some("checksum"), &drilled));
    // What was reached is said once, and what was reached before beside it.
    assert_eq!(list().run().text().matches(" drill").count(), 1, "{}", list().run().text());
}

#[test]
fn a_file_is_drilled_without_a_repository() {
    let Some(installed) = servers().pop() else { return crate::support::skip("redis-server") };
    let Some(server) = sample::builder(&installed).start() else { return };
    sample::fill(&server);
    let keys: u64 = server.info("db0").split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap() + 2;
    let (folder, id) = repository_of(&server);
    let file = folder.path().join("prod").join(&id).join("dump.rdb.gz");
    let temporary = TempDir::new().unwrap();
    let binary = installed.path.display().to_string();
    let drill = |file: &Path| {
        RedisOps::new()
            .args(["verify", "--level", "drill", "--server-binary", &binary, "--file"])
            .arg(file)
            .env("TMPDIR", temporary.path())
            .json()
    };
    let (code, answer) = drill(&file);
    assert_eq!((code, answer["drill"]["keys"].as_u64()), (0, Some(keys)), "{answer:#}");

    // Damage is found before a server is started; too little memory, after the file has said how much it takes.
    let damaged = folder.path().join("damaged.rdb.gz");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&damaged, bytes).unwrap();
    let (code, answer) = drill(&damaged);
    assert_eq!((code, &answer["drill"]), (2, &Value::Null), "{answer:#}");
    let large = folder.path().join("large.rdb");
    fs::write(&large, a_tebibyte()).unwrap();
    let (code, answer) = drill(&large);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("too_little_memory")), "{answer:#}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left behind");
}

/// A header, the aux field, nothing else: the source used a tebibyte.
fn a_tebibyte() -> Vec<u8> {
    let mut rdb = b"REDIS0009\xfa\x08used-mem\x0d1099511627776\xff".to_vec();
    rdb.extend_from_slice(&[0; 8]);
    rdb
}

#[test]
fn what_expires_meanwhile_is_counted_apart() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(200, 10);
    server.pipe((0..20).map(|_| vec![b"SET".as_slice(), b"short", b"x", b"PX", b"100"]));
    server.ok(&["SET", "stays", "x", "PX", "100000000"]);
    let (folder, id) = repository_of(&server);
    server.wait_for("the key to expire", |server| server.ok(&["EXISTS", "short"]) == "0");
    let (code, answer) = verify(&folder, &["--backup-id", &id, "--level", "drill"]).json();
    assert_eq!(code, 0, "{answer:#}");
    let expired = answer["drill"]["expired"].as_u64().unwrap();
    // Whether the key had expired before the backup was taken is a matter of speed.
    assert!(expired <= 1 && answer["drill"]["keys"].as_u64() == Some(201), "{answer:#}");
}

#[test]
fn an_older_server_that_cannot_load_it_is_no_answer() {
    let all = servers();
    let (Some(newer), Some(older)) =
        (all.iter().find(|one| one.is("redis-server-8.0")), all.iter().find(|one| one.is("6.2")))
    else {
        return;
    };
    let Some(server) = sample::builder(newer).start() else { return };
    sample::fill(&server);
    let (folder, id) = repository_of(&server);
    let binary = older.path.display().to_string();
    let (code, answer) = verify(&folder, &["--backup-id", &id, "--level", "drill", "--server-binary", &binary]).json();
    assert_eq!((code, answer["status"].as_str()), (3, Some("unknown")), "{answer:#}");
    let log = answer["findings"][0]["evidence"]["log"].as_str().unwrap();
    assert!(log.contains("RDB") || log.contains("rdb"), "what the server says is told: {log}");
    // It says nothing against the backup, which was read to its end for it.
    let receipt = receipt(&folder);
    assert_eq!((&receipt["level"], &receipt["drill"]), (&"structure".into(), &serde_json::Value::Null), "{receipt:#}");
    assert!(matches!(receipt["status"].as_str(), Some("ok" | "warning")), "{receipt:#}");
}

#[test]
fn without_a_server_there_is_no_answer_but_the_way_to_one() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, id) = repository_of(&server);
    let empty = TempDir::new().unwrap();
    let run = verify(&folder, &["--backup-id", &id, "--level", "drill", "--json"]).env("PATH", empty.path()).run();
    let answer = run.json();
    assert_eq!((run.code, answer["error"]["code"].as_str()), (3, Some("no_server")), "{answer:#}");
    assert!(answer["error"]["hint"].as_str().unwrap().contains("--server-binary"), "{answer:#}");
    for not_a_server in ["/bin/true", "/nowhere/redis-server"] {
        let (code, answer) =
            verify(&folder, &["--backup-id", &id, "--level", "drill", "--server-binary", not_a_server]).json();
        assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("no_server")), "{answer:#}");
    }
}

#[test]
fn more_memory_than_the_machine_has_is_refused() {
    let folder = Folder::new();
    let file = folder.path().join("large.rdb");
    fs::write(&file, a_tebibyte()).unwrap();
    if RedisServer::start().is_none() {
        return;
    }
    let run =
        RedisOps::new().args(["backup", "--from-file"]).arg(&file).args(["--name", "a", "-r", &folder.text()]).run();
    assert!(run.code <= 1, "{}", run.everything());
    let (code, answer) = verify(&folder, &["--backup-id", "latest", "--level", "drill"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("too_little_memory")), "{answer:#}");
}

#[test]
fn a_receipt_that_cannot_be_written_is_a_warning_and_no_failure() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, id) = repository_of(&server);
    fs::write(folder.path().join("prod").join(&id).join("receipts"), b"in the way").unwrap();
    let run = verify(&folder, &["--backup-id", &id]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.stderr.contains("warning: no receipt was written"), "{}", run.stderr);
}

/// A "server" that says its version, writes its process id, and never answers.
fn sleeper(folder: &Path) -> (PathBuf, PathBuf) {
    let (script, pid) = (folder.join("redis-server"), folder.join("pid"));
    let text = format!(
        "#!/bin/sh\ncase $1 in --version) echo 'Redis server v=99.0.0 sha=0';; *) echo $$ > {}; exec sleep 600;; esac\n",
        pid.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (script, pid)
}

#[track_caller]
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_throwaway_server_does_not_outlive_us() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, id) = repository_of(&server);
    for signal in ["TERM", "INT", "KILL"] {
        let temporary = TempDir::new().unwrap();
        let home = TempDir::new().unwrap();
        let (script, pid) = sleeper(home.path());
        let binary = script.display().to_string();
        let running = verify(&folder, &["--backup-id", &id, "--level", "drill", "--server-binary", &binary])
            .env("TMPDIR", temporary.path())
            .spawn();
        let child: u32 = wait_for("its process id", || fs::read_to_string(&pid).ok()?.trim().parse().ok());
        let private = fs::read_dir(temporary.path()).unwrap().next().unwrap().unwrap();
        assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        // It is the first to go when memory runs out: said to the kernel a moment after its start.
        wait_for("its score", || {
            let score = fs::read_to_string(format!("/proc/{child}/oom_score_adj")).ok()?;
            (score.trim() == "1000").then_some(())
        });
        if signal == "KILL" {
            let id = rustix::process::Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        } else {
            running.signal(signal);
        }
        let run = running.wait();
        assert_eq!(
            run.code,
            match signal {
                "TERM" => 143,
                "INT" => 130,
                _ => 137,
            },
            "{}",
            run.everything()
        );
        wait_for("its end", || {
            let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            (state.is_empty() || state.contains(") Z ")).then_some(())
        });
        wait_for("an empty folder", || (fs::read_dir(temporary.path()).unwrap().count() == 0).then_some(()));
    }
}
