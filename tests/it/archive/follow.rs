//! What an archiver writes: frames that zstd reads, text that a server takes, no hole and no double byte whatever ends it.

use std::process::Command;

use super::{Lab, kill, lively, offsets, stop, tree, write};
use crate::support::redis_server::{RedisServer, server_named};

/// Checks that the segments join without a hole and without a double byte; they have one history.
#[track_caller]
fn must_join(lab: &Lab) -> (u64, u64) {
    let segments = lab.segments();
    let mut all: Vec<(u64, u64)> = segments.iter().filter_map(|name| offsets(name)).collect();
    all.sort_unstable();
    for pair in all.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{segments:#?}");
    }
    (all.first().expect("a segment").0, all.last().expect("a segment").1)
}

#[test]
fn segments_are_the_text_of_an_append_only_file() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = lively().version(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &["--segment-size", "2KB"]);
    for turn in 0..20 {
        write(&server, turn);
    }
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    let answer = stop(running);
    assert!(answer["archive"]["segments"].as_u64() > Some(5), "{answer:#}");
    let (from, to) = must_join(&lab);
    let text = lab.text();
    assert_eq!(text.len() as u64, to - from);
    assert_eq!(answer["archive"]["to"].as_u64(), Some(to));

    // What is for replicas alone no AOF holds; the check wants whole commands, and no more.
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("appendonly.aof");
    std::fs::write(&file, &text).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let check = std::env::split_paths(&path).map(|folder| folder.join("redis-check-aof")).find(|check| check.is_file());
    if let Some(check) = check {
        let output = Command::new(check).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("is valid"), "{said}");
    }
    // A server that plays it holds what the source holds.
    let again = lively().version(&installed).start().unwrap();
    let mut socket = std::os::unix::net::UnixStream::connect(again.socket()).unwrap();
    std::io::Write::write_all(&mut socket, &text).unwrap();
    let keys = |of: &RedisServer, db: &str| of.info(db).split(',').next().unwrap_or_default().to_owned();
    again.wait_for("the text", |again| keys(again, "db5") == keys(&server, "db5"));
    assert_eq!(keys(&again, "db0"), keys(&server, "db0"));
}

#[test]
fn an_archiver_that_is_killed_leaves_no_hole_and_no_double_byte() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let mut part = None;
    for round in 0..6 {
        let running = lab.archiver(&server, &["--segment-size", "1KB"]);
        for turn in 0..(3 + round % 3) {
            write(&server, round * 10 + turn);
        }
        if round == 5 {
            let answer = stop(running);
            assert_eq!(answer["archive"]["gaps"], serde_json::json!([]), "{answer:#}");
        } else {
            kill(running);
            server.wait_for("the end of the link", |server| server.info("connected_slaves") == "0");
            // What one leaves that is killed in the middle of a write.
            part = lab.segments().last().map(|segment| {
                let (folder, name) = segment.rsplit_once('/').expect("a folder");
                let path = lab.folder.path().join(format!("{folder}/.{name}.43e6db5b16248733.part"));
                let file = std::fs::File::create(&path).expect("a part");
                file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(20 * 60)).unwrap();
                path
            });
        }
    }
    assert!(part.is_some_and(|part| !part.exists()));
    let (from, to) = must_join(&lab);
    assert_eq!(lab.text().len() as u64, to - from);
    let left = tree(lab.state.path());
    assert!(!left.iter().any(|file| file.ends_with(".raw")), "{left:#?}");
}

#[test]
fn a_stream_that_the_server_no_longer_has_is_a_gap() {
    let Some(server) = lively().arg("repl-backlog-size", "16kb").start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    lab.published(&server, 1);
    write(&server, 1);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    let first = stop(running);
    server.fill(100, 1000);
    let running = lab.archiver(&server, &[]);
    lab.published(&server, 2);
    write(&server, 2);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    running.signal("TERM");
    let run = running.wait();
    let second = run.json();
    assert_eq!(run.code, 1, "{}", run.everything());
    let gap = &second["archive"]["gaps"][0];
    assert_eq!(gap["after"], first["archive"]["to"], "{second:#}");
    assert!(gap["new_offset"].as_u64() > gap["after"].as_u64(), "{second:#}");
    let (code, status) = lab.run(&["archive", "status", "-i", &server.url(), "--name", "x"]).json();
    assert_eq!((code, status["gaps"].as_u64()), (1, Some(1)), "{status:#}");
    // A base was taken where each of the two begins.
    assert_eq!((first["bases"].as_array().unwrap().len(), second["bases"].as_array().unwrap().len()), (1, 1));
    assert_eq!(status["base"].as_str(), Some(format!("x/{}", second["bases"][0].as_str().unwrap()).as_str()));
}

#[test]
fn of_two_archivers_the_second_is_locked_out() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    // Of this machine, and of another one.
    let url = server.url();
    let other = Lab { folder: lab.folder.clone(), state: tempfile::TempDir::new().unwrap() };
    for lab in [&lab, &other] {
        let (code, answer) = lab.run(&["archive", "-i", &url, "--name", "x", "--for", "5s"]).json();
        assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("locked")), "{answer:#}");
    }
    stop(running);
    let (code, answer) = other.run(&["archive", "-i", &url, "--name", "x", "--for", "1s"]).json();
    assert_eq!((code, &answer["archive"]["gaps"]), (0, &serde_json::json!([])), "{answer:#}");
}

#[test]
fn a_store_that_is_away_is_waited_for_in_the_spool() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    write(&server, 1);
    let (offset, _) = (server.info("master_repl_offset").parse::<u64>().unwrap(), ());
    lab.wait_for(offset);
    // What cannot be written into is away.
    let folder = lab.folder.path().join("x/archive");
    let away = lab.folder.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    for turn in 2..6 {
        write(&server, turn);
    }
    let offset = server.info("master_repl_offset").parse::<u64>().unwrap();
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    lab.wait_for(offset);
    stop(running);
    must_join(&lab);
}

#[test]
fn an_archive_waits_for_its_repository_and_makes_none_in_its_place() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    lab.published(&server, 1);
    write(&server, 1);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    // The file system is gone, and its mount point is an empty folder.
    let (place, away) = (lab.folder.path().to_owned(), lab.state.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    std::fs::create_dir(&place).unwrap();
    write(&server, 2);
    let written = server.info("master_repl_offset").parse().unwrap();
    let spooled = || {
        let files = tree(&lab.state.path().join("redis-ops"));
        files.iter().filter(|file| file.ends_with(".raw")).count()
    };
    server.wait_for("a file that waits", |_| spooled() >= 2);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    std::fs::remove_dir(&place).unwrap();
    std::fs::rename(&away, &place).unwrap();
    lab.wait_for(written);
    let answer = stop(running);
    assert_eq!(answer["archive"]["gaps"], serde_json::json!([]), "{answer:#}");
    must_join(&lab);
}

#[test]
fn a_mark_that_nobody_archives_and_an_archiver_that_is_gone_are_said() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let of = |words: &[&str]| lab.run(words).args(["-i", &server.url(), "--name", "x"]).json();
    // As `backup` does, an archiver makes the folder that is not there.
    std::fs::remove_dir(lab.folder.path()).unwrap();
    let early = || {
        let (code, answer) = of(&["archive", "mark", "early"]);
        (code, answer["error"]["code"].as_str().map(str::to_owned))
    };
    assert_eq!(early(), (2, Some("no_such_bucket".to_owned())));
    assert!(!lab.folder.path().exists(), "a mark makes no repository");

    lab.backup(&server);
    assert_eq!(early(), (3, Some("not_found".to_owned())), "backups are no archive");
    std::fs::remove_dir_all(lab.folder.path()).unwrap();

    let running = lab.archiver(&server, &[]);
    lab.backup(&server);
    write(&server, 1);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    let (code, answer) = of(&["archive", "mark", "meanwhile"]);
    assert_eq!(code, 0, "{answer:#}");
    let (code, status) = of(&["archive", "status"]);
    assert_eq!((code, &status["archiver"]["at_work"]), (0, &true.into()), "{status:#}");

    kill(running);
    let (code, status) = of(&["archive", "status"]);
    assert_eq!((code, &status["archiver"]["at_work"]), (1, &false.into()), "{status:#}");
    let text = lab.run(&["archive", "status", "-i", &server.url(), "--name", "x"]).run();
    assert!(text.text().contains("the archiver is not running (last seen "), "{}", text.everything());
    let (code, answer) = of(&["archive", "mark", "behind"]);
    assert_eq!((code, answer["point"]["name"].as_str()), (1, Some("behind")), "{answer:#}");

    // One that has ended in peace is no fault; a mark is told all the same.
    stop(lab.archiver(&server, &[]));
    assert_eq!(of(&["archive", "status"]).0, 0);
    assert_eq!(of(&["archive", "mark", "after"]).0, 1);
}

/// What lies on this machine is of one repository: into another one the same instance is archived from its beginning.
#[test]
fn a_second_repository_gets_a_backup_of_its_own() {
    let Some(server) = lively().start() else { return };
    let (first, second) = (Lab::new(), Lab::new());
    let manifests = |lab: &Lab| lab.folder.files().into_iter().filter(|file| file.ends_with("manifest.json")).count();
    let url = server.url();
    let archive = |lab: &Lab, turn: u64| {
        let words = ["archive", "-i", &url, "--name", "x", "--json", "--rpo", "1s"];
        // All share the state of one machine.
        let running = lab.run(&words).env("XDG_STATE_HOME", first.state.path()).spawn();
        server.wait_for("the archiver", |server| server.info("slave0").contains("state=online"));
        server.wait_for("a base", |_| manifests(lab) > 0);
        write(&server, turn);
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        let answer = stop(running);
        server.wait_for("the end of the link", |server| server.info("connected_slaves") == "0");
        answer
    };
    let recoverable = |lab: &Lab| {
        let (code, status) = lab.run(&["archive", "status", "-i", &url, "--name", "x"]).json();
        assert_eq!((code, &status["gaps"]), (0, &0.into()), "{status:#}");
        assert!(status["windows"][0]["recoverable_from"].is_string(), "{status:#}");
    };
    for (lab, n_bases) in [(&first, 1), (&second, 1), (&first, 0), (&second, 0)] {
        let answer = archive(lab, n_bases as u64);
        assert_eq!(answer["bases"].as_array().map(Vec::len), Some(n_bases), "{answer:#}");
        recoverable(lab);
    }
    // What an older version has left is taken over by the repository that it belongs to, and by no other.
    let folders = first.state.path().join("redis-ops/archive/x");
    let all: Vec<_> = std::fs::read_dir(&folders).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    let offset = |folder: &std::path::PathBuf| {
        let head = std::fs::read_to_string(folder.join("head.json")).expect("a head");
        serde_json::from_str::<serde_json::Value>(&head).expect("JSON")["offset"].as_u64()
    };
    // The second repository was archived into last.
    let newest = all.iter().max_by_key(|folder| offset(folder)).unwrap();
    std::fs::rename(newest, folders.join("0")).unwrap();
    let other = all.iter().find(|folder| *folder != newest).unwrap();
    std::fs::remove_dir_all(other).unwrap();
    let answer = archive(&first, 5);
    assert_eq!((&answer["bases"], folders.join("0").exists()), (&serde_json::json!([]), true), "{answer:#}");
    let answer = archive(&second, 6);
    assert_eq!((&answer["bases"], folders.join("0").exists()), (&serde_json::json!([]), false), "{answer:#}");
    recoverable(&first);
    recoverable(&second);
    // A repository that was made again at the same place has nothing of it.
    std::fs::remove_dir_all(second.folder.path()).unwrap();
    std::fs::create_dir(second.folder.path()).unwrap();
    let answer = archive(&second, 7);
    assert_eq!(answer["bases"].as_array().map(Vec::len), Some(1), "{answer:#}");
    recoverable(&second);
}
