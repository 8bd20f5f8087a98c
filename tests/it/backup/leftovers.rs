//! What a repository says of runs that go on, of runs that died, and of what cannot be read.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{Folder, backed_up, backup};
use crate::support::fake_primary::{Act, counted, full_resync, tiny_rdb};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, S3Server};

fn list(folder: &Folder) -> serde_json::Value {
    let (code, list) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
    // 1: no backup was ever finished, so that there is none to restore.
    assert!(code <= 1, "{list}");
    list
}

#[test]
fn a_run_that_goes_on_and_one_that_was_killed_are_told_apart() {
    let half = counted(&tiny_rdb())[..10].to_vec();
    let primary = super::primary().on("PSYNC", [Act::send(full_resync(1)), Act::send(half), Act::Silence]).start();
    let folder = Folder::new();
    let running = backup(&primary.url(), &folder.text(), &[]).spawn();
    let begun = std::time::Instant::now();
    while !primary.heard().iter().any(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case("PSYNC"))) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the primary never heard PSYNC");
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = list(&folder);
    let one = &answer["backups"][0];
    assert_eq!((&one["status"], one["pid"].as_u64()), (&"running".into(), Some(running.id().into())), "{answer}");
    assert!(one["running_seconds"].as_u64().is_some_and(|seconds| seconds < 60), "{answer}");
    let text = RedisOps::new().args(["list", "-r", &folder.text()]).run().text().to_owned();
    assert!(text.contains(&format!("running: prod/{}: on host ", one["id"].as_str().unwrap())), "{text}");
    // Another run of this instance waits for it.
    let waits = backup(&primary.url(), &folder.text(), &["--json", "--wait-lock", "1s"]).run();
    assert_eq!(super::failure(&waits), (2, "locked".to_owned()), "{}", waits.text());

    running.signal("KILL");
    running.wait();
    let answer = list(&folder);
    let one = &answer["backups"][0];
    assert_eq!(one["status"], "left", "{answer}");
    assert!(one["unfinished_bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{answer}");
    assert_eq!(answer["unfinished_uploads"], 1, "the hidden `.part` file: {answer}");
    let text = RedisOps::new().args(["list", "-r", &folder.text()]).run().text().to_owned();
    assert!(text.contains("left: prod/") && text.contains(" ago, ") && text.contains("unfinished: 1 upload"), "{text}");
}

#[test]
fn a_run_on_another_machine_is_known_by_its_last_sign() {
    let folder = Folder::new();
    let backup = folder.path().join("prod/2026-01-01-01-00");
    fs::create_dir_all(&backup).unwrap();
    let begun = r#"{"id": "2026-01-01-01-00", "instance": "prod", "begun_at": "2026-01-01T01:00:00Z", "host": "far-away", "pid": 1,
                    "token": "t"}"#;
    fs::write(backup.join("begun.json"), begun).unwrap();
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
    let touch = |name: &str, time| {
        fs::File::options().write(true).open(backup.join(name)).unwrap().set_modified(time).unwrap();
    };
    assert_eq!(list(&folder)["backups"][0]["status"], "running");
    touch("begun.json", hours(49));
    let answer = list(&folder);
    let left = answer["backups"][0]["left_seconds"].as_u64().unwrap();
    assert_eq!((&answer["backups"][0]["status"], left / 3600), (&"left".into(), 49), "{answer}");
    let text = RedisOps::new().args(["list", "-r", &folder.text()]).run().text().to_owned();
    assert!(text.contains("left: prod/2026-01-01-01-00: by host far-away, pid 1, 2 d"), "{text}");
    // Two days of streaming are possible, as long as there are heartbeats.
    fs::write(backup.join("heartbeat-t.json"), begun).unwrap();
    let answer = list(&folder);
    assert_eq!(answer["backups"][0]["status"], "running", "{answer}");
    touch("heartbeat-t.json", hours(1));
    assert_eq!(list(&folder)["backups"][0]["status"], "left");
}

#[test]
fn a_manifest_in_an_archive_stops_nothing() {
    let Some(server) = RedisServer::start() else { return };
    let store = S3Server::start();
    let with = |arguments: &[&str]| {
        let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let backup = || {
        let run = with(&["backup", "-i", &server.url(), "--name", "prod", "--json"]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        run.json()["backup"]["id"].as_str().unwrap().to_owned()
    };
    let (first, second, third) = (backup(), backup(), backup());
    for (id, code) in [(&first, "InvalidObjectState"), (&second, "AccessDenied")] {
        // The path of a GET: the requests of other backups begin in the same way.
        let request: &'static str = Box::leak(format!("GET /backups/redis/prod/{id}/manifest.json").into_boxed_str());
        store.inject(request, 10_000, Fault::Answer(code));
    }
    let (code, answer) = with(&["list"]).json();
    let status = |id: &str| {
        let all = answer["backups"].as_array().unwrap();
        all.iter().find(|one| one["id"] == id).map(|one| one["status"].clone()).unwrap()
    };
    assert_eq!(code, 0, "{answer}");
    assert_eq!([status(&first), status(&second), status(&third)], ["archived", "access_denied", "published"]);
    let (code, answer) = with(&["verify", "--all", "--level", "checksum"]).json();
    assert_eq!((code, answer["checked"]["backups"].as_u64()), (3, Some(3)), "nothing is damaged: {answer}");
    let (code, answer) = with(&["backup", "-i", &server.url(), "--name", "prod", "--plan"]).json();
    assert_eq!(code, 0, "{answer}");
    let settings = format!(
        "instances:\n  prod:\n    url: {}\nbackup:\n  enabled: true\n  schedule: \"0 1 * * *\"\n",
        server.url()
    );
    let run = with(&["backup", "-i", "prod", "--if-due", "--json"]).file("redis-ops.yaml", settings).run();
    assert_eq!((run.code, &run.json()["due"]), (0, &false.into()), "{}", run.everything());
    let run = with(&["show", &first, "--json"]).run();
    assert_eq!(super::failure(&run), (3, "archived".to_owned()), "{}", run.text());
}

#[test]
fn an_instance_on_another_disk_is_seen_through_its_link() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    backed_up(&server.url(), &folder.text(), &[]);
    fs::rename(folder.path().join("prod"), elsewhere.path().join("prod")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("prod"), folder.path().join("prod")).unwrap();
    // Links that lead in a circle, to themselves and to nothing.
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
    std::os::unix::fs::symlink("itself", folder.path().join("itself")).unwrap();
    std::os::unix::fs::symlink("nothing", folder.path().join("dangling")).unwrap();
    backed_up(&server.url(), &folder.text(), &[]);
    assert_eq!(list(&folder)["backups"].as_array().map(Vec::len), Some(2));
    for arguments in [&["show", "latest"][..], &["verify", "--backup-id", "latest"], &["verify", "--all"]] {
        let (code, answer) = RedisOps::new().args(arguments).args(["-r", &folder.text()]).json();
        assert_eq!(code, 0, "{arguments:?}: {answer}");
    }
}

/// The superuser reads everything, so that it is somebody else who asks.
#[test]
fn a_folder_that_may_not_be_read_stops_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let allow = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    allow(folder.path(), 0o777);
    let settings = format!(
        "instances:\n  prod:\n    url: {}\nbackup:\n  enabled: true\n  schedule: \"0 1 * * *\"\n",
        server.url()
    );
    let run = |arguments: &[&str]| {
        let run = RedisOps::as_nobody()?.args(arguments).args(["-r", &folder.text(), "--json"]);
        let run = run.file("redis-ops.yaml", settings.clone()).run();
        Some((run.code, run.json()))
    };
    let Some((code, answer)) = run(&["backup", "-i", "prod"]) else { return crate::support::skip("another user") };
    assert_eq!(code, 0, "{answer}");
    let closed = ["lost+found", "staging", "prod/2024-01-01-01-00"].map(|name| folder.path().join(name));
    for path in &closed {
        fs::create_dir_all(path).unwrap();
        allow(path, 0o000);
    }
    let told = |arguments: &[&str], code: i32| {
        let (found, answer) = run(arguments).expect("it could before");
        assert_eq!(found, code, "{arguments:?}: {answer}");
        answer
    };
    let answer = told(&["list"], 0);
    assert_eq!(answer["backups"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer["backups"][1]["status"], "access_denied", "{answer}");
    assert_eq!(answer["unreadable_folders"].as_array().map(Vec::len), Some(2), "{answer}");
    // Of one of them it cannot be told.
    told(&["verify", "--all"], 3);
    for arguments in [
        &["show", "latest"][..],
        &["verify", "--backup-id", "latest"],
        &["backup", "-i", "prod", "--plan"],
        &["backup", "-i", "prod", "--if-due"],
        &["backup", "-i", "prod"],
    ] {
        told(arguments, 0);
    }
    for path in &closed {
        allow(path, 0o700);
    }
}

/// The store goes away when cleaning up begins: one signal is enough.
#[test]
fn cleaning_up_ends_by_itself() {
    let half = counted(&tiny_rdb())[..10].to_vec();
    let primary = super::primary().on("PSYNC", [Act::send(full_resync(1)), Act::send(half), Act::Silence]).start();
    let store = S3Server::start();
    let super::interrupted::Wire { endpoint, dead, .. } = super::interrupted::wire(&store);
    let run = backup(&primary.url(), &store.location("redis"), &["--json"]);
    let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value));
    let running = run.env("AWS_ENDPOINT_URL_S3", endpoint).spawn();
    let begun = std::time::Instant::now();
    while !primary.heard().iter().any(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case("PSYNC"))) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the primary never heard PSYNC");
        std::thread::sleep(Duration::from_millis(5));
    }
    dead.store(true, std::sync::atomic::Ordering::Relaxed);
    running.signal("TERM");
    let begun = std::time::Instant::now();
    let run = running.wait();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (143, Some("interrupted")), "{}", run.everything());
    assert!(run.stderr.contains("begun.json"), "what is left is named: {}", run.stderr);
}
