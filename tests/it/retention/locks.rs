//! One run at a time on the backups of an instance: the lock in the repository, over folders and over S3.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::backup::{Folder, backed_up, backup, failure, primary};
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::{RedisOps, Run, Running};
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, Manners, S3Server};

/// A backup of `prod` that goes on until it is killed, and its primary.
fn at_work(folder: &Folder) -> (Running, FakePrimary) {
    let count = |name: &str| folder.files().iter().filter(|file| file.ends_with(name)).count();
    // Those that were published before keep theirs.
    let before = count("begun.json");
    let primary = primary().on("PSYNC", [Act::send("\n"), Act::Silence]).start();
    let running = backup(&primary.url(), &folder.text(), &[]).spawn();
    let begun = std::time::Instant::now();
    while count("begun.json") == before {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    (running, primary)
}

/// The lock that a run on another machine has left, renewed so many minutes ago.
fn of_another_machine(folder: &Folder, minutes: u64) {
    let lock = folder.path().join("prod/lock.json");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let text = r#"{"instance": "prod", "host": "far-away", "pid": 4711, "since": "2026-01-01T01:00:00Z", "command": "backup", "token": "t0k"}"#;
    fs::write(&lock, text).unwrap();
    let time = SystemTime::now() - Duration::from_secs(60 * minutes);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(time).unwrap();
}

fn message(run: &Run) -> String {
    run.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_second_run_hears_who_is_at_work_and_a_run_that_was_killed_is_in_nobodys_way() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let first = backed_up(&server.url(), &folder.text(), &[])["backup"]["id"].as_str().unwrap().to_owned();
    backed_up(&server.url(), &folder.text(), &[]);
    let (running, _primary) = at_work(&folder);
    let who = format!("the instance prod is locked by another run: backup, process {} on host ", running.id());

    let second = backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&second), (2, "locked".to_owned()), "{}", second.text());
    assert!(message(&second).starts_with(&who), "{}", second.text());
    let hint = second.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(
        hint.contains("--wait-lock 10m")
            && hint.contains(&format!("redis-ops lock release -r file://{} -i prod --token ", folder.text())),
        "{hint}"
    );
    for line in [
        &["prune", "-i", "prod", "--keep-last", "1", "--yes", "--json"][..],
        &["delete", &format!("prod/{first}"), "--yes", "--json"],
    ] {
        let run = RedisOps::new().args(line).args(["-r", &folder.text()]).run();
        assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.everything());
    }
    // A plan answers as the run would, and says who it is.
    for (more, status) in [(&[][..], "failed"), (&["--wait-lock", "1m"], "ok"), (&["--no-lock"], "ok")] {
        let plan = backup(&server.url(), &folder.text(), &["--plan", "--json"]).args(more).run().json();
        let found = (&plan["status"], plan["plan"]["lock"]["pid"].as_u64());
        assert_eq!(found, (&status.into(), Some(running.id().into())), "{plan}");
    }
    let (_, status) = RedisOps::new().args(["status", "-r", &folder.text()]).json();
    let lock = &status["instances"][0]["lock"];
    assert_eq!((&lock["state"], &lock["command"]), (&"held".into(), &"backup".into()), "{status:#}");
    let text = RedisOps::new().args(["status", "-r", &folder.text()]).run().text().to_owned();
    assert!(text.contains(&who), "{text}");
    let (_, locks) = RedisOps::new().args(["lock", "status", "-r", &folder.text()]).json();
    assert_eq!(locks["locks"][0]["pid"].as_u64(), Some(running.id().into()), "{locks}");
    // Nothing that must hold rests on it.
    backed_up(&server.url(), &folder.text(), &["--no-lock"]);

    running.signal("KILL");
    running.wait();
    backed_up(&server.url(), &folder.text(), &[]);
    assert!(!folder.files().iter().any(|file| file.ends_with("lock.json")), "{:?}", folder.files());
}

#[test]
fn a_run_that_waits_goes_on_once_the_other_has_ended() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let (running, _primary) = at_work(&folder);
    let mut waiting = backup(&server.url(), &folder.text(), &["--json", "--wait-lock", "5m"]).spawn();
    waiting.wait_until_it_says("waiting: the instance prod is locked by another run");
    running.signal("TERM");
    assert_eq!(running.wait().code, 143);
    let run = waiting.wait();
    assert_eq!(run.code, 0, "{}", run.everything());
}

#[test]
fn the_lock_of_another_machine_lapses_or_is_released_by_its_token() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    of_another_machine(&folder, 10);
    let run = backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.text());
    assert!(message(&run).contains("process 4711 on host far-away, since 2026-01-01 01:00 UTC"), "{}", run.text());
    let release = |token: &str| {
        RedisOps::new().args(["lock", "release", "-r", &folder.text(), "-i", "prod", "--token", token, "--json"]).run()
    };
    assert_eq!(failure(&release("other")), (2, "locked".to_owned()));
    // The token says which instance it is.
    let any =
        |token: &str| RedisOps::new().args(["lock", "release", "-r", &folder.text(), "--token", token, "--json"]).run();
    assert_eq!(failure(&any("other")), (3, "not_found".to_owned()));
    let released = release("t0k");
    assert_eq!((released.code, &released.json()["released"]), (0, &Value::from(true)), "{}", released.everything());
    assert_eq!(failure(&release("t0k")), (3, "not_found".to_owned()));
    backed_up(&server.url(), &folder.text(), &[]);

    of_another_machine(&folder, 17);
    let (_, locks) = RedisOps::new().args(["lock", "status", "-r", &folder.text(), "-i", "prod"]).json();
    assert_eq!(locks["locks"][0]["state"], "lapsed", "{locks}");
    backed_up(&server.url(), &folder.text(), &[]);
}

#[test]
fn a_safety_backup_waits_its_turn_as_well() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &[]);
    let target = RedisServer::start().expect("as before");
    target.ok(&["SET", "mine", "1"]);
    let name = format!("127.0.0.1-{}", target.port());
    let lock = folder.path().join(&name).join("lock.json");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let text = format!(
        r#"{{"instance": "{name}", "host": "far-away", "pid": 7, "since": "2026-01-01T01:00:00Z", "command": "prune", "token": "t"}}"#
    );
    fs::write(&lock, text).unwrap();
    let restore = |more: &[&str]| {
        let line =
            ["restore", "-r", &folder.text(), "prod/latest", "--target-instance", &target.url(), "--replace-all"];
        RedisOps::new().args(line).args(["--yes", "--json"]).args(more).run()
    };
    let run = restore(&[]);
    assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.everything());
    assert_eq!(target.cli(&["DBSIZE"]), "1", "nothing was touched");
    let run = restore(&["--no-lock"]);
    assert_eq!((run.code, target.cli(&["DBSIZE"])), (0, "10".to_owned()), "{}", run.everything());
}

#[test]
fn where_backups_are_due_a_backup_that_is_being_made_is_no_failure() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    of_another_machine(&folder, 1);
    let settings = format!(
        "instances: {{ prod: {{ url: \"{}\" }} }}\nbackup: {{ schedule: \"@hourly\", destination: \"{}\" }}\n",
        server.url(),
        folder.text()
    );
    let run = || RedisOps::new().file("redis-ops.yaml", &settings).args(["backup", "-i", "prod", "--if-due"]).json();
    let (code, answer) = run();
    assert_eq!((code, &answer["due"]), (0, &Value::from(false)), "{answer}");
    fs::remove_file(folder.path().join("prod/lock.json")).unwrap();
    let (code, answer) = run();
    assert_eq!((code, &answer["backup"]["purpose"]), (0, &"scheduled".into()), "{answer}");
}

fn over_s3(store: &S3Server, line: &[&str]) -> Run {
    let run = store.env().into_iter().fold(RedisOps::new().args(line), |run, (name, value)| run.env(&name, value));
    run.args(["-r", &store.location("redis"), "--progress", "none", "--json"]).run()
}

#[test]
fn every_kind_of_store_keeps_one_lock_and_nothing_of_it_stays() {
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    let adopt = ["backup", "--from-file", file.to_str().unwrap(), "--name", "prod"];
    for manners in [
        Manners::default(),
        Manners { ignores_conditions: true, ..Manners::default() },
        Manners { refuses_conditions: true, ..Manners::default() },
    ] {
        let store = S3Server::start();
        store.behave(manners);
        let first = over_s3(&store, &adopt);
        assert!(first.code <= 1, "{}", first.everything());
        let lock = store.objects().join("redis/prod/lock.json");
        assert!(!lock.exists());
        let text = r#"{"instance": "prod", "host": "far-away", "pid": 7, "since": "2026-01-01T01:00:00Z", "command": "prune", "token": "t"}"#;
        fs::write(&lock, text).unwrap();
        let second = over_s3(&store, &adopt);
        assert_eq!(failure(&second), (2, "locked".to_owned()), "{manners:?}: {}", second.everything());
        // Its holder was silent for too long, by the clock of the store.
        let old = SystemTime::now() - Duration::from_secs(17 * 60);
        fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
        let third = over_s3(&store, &adopt);
        assert!(third.code <= 1, "{manners:?}: {}", third.everything());
        assert!(!lock.exists(), "{manners:?}");
    }
}

#[test]
fn where_nothing_can_be_removed_no_lock_is_taken_and_nothing_grows() {
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    let adopt = ["backup", "--from-file", file.to_str().unwrap(), "--name", "prod"];
    let store = S3Server::start();
    store.inject("DELETE ", 1000, Fault::Answer("AccessDenied"));
    for words in [
        "runs of this instance go without a lock",
        "no lock is taken for prod: the store does not remove prod/lock.json",
    ] {
        let run = over_s3(&store, &adopt);
        assert!(run.code <= 1 && run.stderr.contains(words), "{words}: {}", run.everything());
        let beside = fs::read_dir(store.objects().join("redis/prod")).unwrap().flatten();
        let files: Vec<_> = beside.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        assert_eq!(files, [store.objects().join("redis/prod/lock.json")]);
    }
    let status = over_s3(&store, &["status"]).json();
    assert_eq!(status["instances"][0]["lock"]["state"], "stays", "{status:#}");
}

#[test]
fn what_a_killed_run_leaves_of_a_lock_goes_with_the_next_one_that_is_taken() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &[]);
    let part = |name: &str, minutes: u64| {
        let path = folder.path().join(name);
        fs::write(&path, "{").unwrap();
        let time = SystemTime::now() - Duration::from_secs(60 * minutes);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    };
    let old = [
        "prod/.lock.json.43e6db5b16248733.part",
        ".redis-ops-clock.43e6db5b16248733.part",
        ".redis-ops-repository.json.43e6db5b16248733.part",
    ]
    .map(|name| part(name, 17));
    // Their writers may be at work; the others are none of ours.
    let kept = [
        part("prod/.lock.json.43e6db5b16248734.part", 10),
        part("prod/.lock.json.notes.part", 17),
        part("prod/.notes.43e6db5b16248733.part", 17),
        part(".notes.43e6db5b16248733.part", 17),
    ];
    backed_up(&server.url(), &folder.text(), &[]);
    assert_eq!(old.iter().filter(|path| path.exists()).collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());
    assert_eq!(kept.iter().filter(|path| !path.exists()).collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());
}

#[test]
fn what_is_no_file_in_place_of_a_lock_is_refused_by_name_and_the_hint_says_what_to_remove() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    // A prune that removes nothing needs no lock.
    backed_up(&server.url(), &folder.text(), &[]);
    backed_up(&server.url(), &folder.text(), &[]);
    let lock = folder.path().join("prod/lock.json");
    let prune = ["prune", "-r", &folder.text(), "--keep-last", "1", "--yes", "--json"].map(str::to_owned);
    for (kind, words) in [("pipe", "no file"), ("folder", "a folder"), ("link", "a link that leads nowhere")] {
        match kind {
            "pipe" => assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success()),
            "link" => std::os::unix::fs::symlink("nowhere", &lock).unwrap(),
            _ => fs::create_dir(&lock).unwrap(),
        }
        for run in [backup(&server.url(), &folder.text(), &["--json"]).run(), RedisOps::new().args(&prune).run()] {
            assert_eq!(failure(&run), (2, "locked".to_owned()), "{kind}: {}", run.everything());
            let hint = run.json()["error"]["hint"].as_str().unwrap().to_owned();
            assert!(hint.contains(&format!("remove {}/prod/lock.json", folder.text())), "{hint}");
            assert!(
                run.text().contains(&format!("whether another run has locked the instance prod: lock.json is {words}")),
                "{}",
                run.text()
            );
        }
        let (code, status) = RedisOps::new().args(["lock", "status", "-r", &folder.text()]).json();
        assert_eq!((code, &status["locks"][0]["state"]), (0, &"unreadable".into()), "{kind}: {status}");
        if lock.is_dir() { fs::remove_dir(&lock).unwrap() } else { fs::remove_file(&lock).unwrap() }
    }
    // A file that says nothing known is somebody's until it lapses, and how it goes is said.
    fs::write(&lock, "{}").unwrap();
    let run = backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "locked".to_owned()), "{}", run.text());
    let hint = run.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains(&format!("remove {}/prod/lock.json", folder.text())), "{hint}");
}

#[test]
fn a_run_that_a_signal_ends_while_it_takes_the_lock_gives_it_back() {
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    let store = S3Server::start();
    // There the lock is read back after a while: the signal comes in between.
    store.behave(Manners { ignores_conditions: true, ..Manners::default() });
    let line = ["backup", "--from-file", file.to_str().unwrap(), "--name", "prod", "-r", &store.location("redis")];
    let run = store.env().into_iter().fold(RedisOps::new().args(line), |run, (name, value)| run.env(&name, value));
    let running = run.args(["--progress", "none"]).spawn();
    let lock = store.objects().join("redis/prod/lock.json");
    let begun = std::time::Instant::now();
    while !lock.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(2));
    }
    running.signal("TERM");
    let run = running.wait();
    assert!(run.code == 143 && !lock.exists(), "{}", run.everything());
}
