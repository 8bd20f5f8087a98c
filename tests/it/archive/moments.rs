//! Moments between backups: what comes back is what the source held.

use super::{Lab, builder, digest, lively, stop, write};
use crate::encryption::{Keys, RECIPIENT};
use crate::support::redis_server::{RedisServer, server_named, servers};

/// Restores with these options into an empty server of the same version, and gives that.
#[track_caller]
fn restored(lab: &Lab, source: &RedisServer, options: &[&str]) -> RedisServer {
    let installed = source.installed();
    let target = builder(installed).start().expect("a server");
    let binary = installed.path.display().to_string();
    let url = target.url();
    let words = ["restore", "--backup-id", "x/latest", "--target-instance", &url, "--server-binary", &binary];
    let (code, answer) = lab.run(&words).args(options).json();
    assert!(code <= 1, "{}: {options:?}: {answer:#}", installed.name);
    assert_eq!(answer["proof"]["is_equal"], true, "{}: {options:?}: {answer:#}", installed.name);
    target
}

#[test]
fn any_offset_restores_to_the_digest_that_the_source_had() {
    for installed in servers() {
        let Some(server) = builder(&installed).start() else { return };
        let lab = Lab::new();
        write(&server, 1);
        let running = lab.archiver(&server, &["--segment-size", "3KB"]);
        lab.backup(&server);
        let mut points = Vec::new();
        for turn in 2..30 {
            write(&server, turn);
            if turn % 7 == 0 {
                points.push(digest(&server));
            }
        }
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        stop(running);
        for (offset, expected) in points {
            let target = restored(&lab, &server, &["--to-offset", &offset.to_string()]);
            assert_eq!(digest(&target).1, expected, "{}: offset {offset}", installed.name);
        }
    }
}

#[test]
fn a_flushall_is_undone_with_nothing_lost() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    lab.backup(&server);
    let running = lab.archiver(&server, &[]);
    lab.backup(&server);
    write(&server, 1);
    let (_, before) = digest(&server);
    server.ok(&["FLUSHALL"]);
    let (code, _) = lab.run(&["archive", "mark", "after-it", "-i", &server.url(), "--name", "x"]).json();
    assert_eq!(code, 0);
    write(&server, 2);
    let (_, after) = digest(&server);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);

    let (code, log) = lab.run(&["archive", "log", "-i", &server.url(), "--name", "x"]).json();
    assert_eq!((code, log["events"][0]["command"].as_str()), (0, Some("FLUSHALL")), "{log:#}");
    let offset = log["events"][0]["offset"].to_string();

    let target = restored(&lab, &server, &["--before-command", "flushall"]);
    assert_eq!(digest(&target).1, before);
    let target = restored(&lab, &server, &["--to-offset", &offset]);
    assert_eq!(digest(&target).1, before);
    let target = restored(&lab, &server, &["--to-latest"]);
    assert_eq!(digest(&target).1, after);

    // A name stands for the moment at which it was given: the server is empty there.
    let binary = installed.path.display().to_string();
    let words = ["restore", "--backup-id", "x/latest", "--to-mark", "after-it", "--plan"];
    let url = lively().start().unwrap();
    let (code, plan) = lab.run(&words).args(["--target-instance", &url.url(), "--server-binary", &binary]).json();
    assert_eq!(code, 0, "{plan:#}");
    assert!(plan["moment"]["offset"].as_u64() > offset.parse().ok(), "{plan:#}");

    // With a second one the first has to be named.
    let running = lab.archiver(&server, &[]);
    server.ok(&["FLUSHALL"]);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    let words = ["restore", "--backup-id", "x/latest", "--before-command", "FLUSHALL", "--plan"];
    let (code, answer) = lab.run(&words).args(["--target-instance", &url.url()]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("ambiguous")), "{answer:#}");
    // The times that one chooses by are those of the log.
    let (_, log) = lab.run(&["archive", "log", "-i", &server.url(), "--name", "x"]).json();
    let message = answer["error"].to_string();
    let flushed: Vec<_> =
        log["events"].as_array().unwrap().iter().filter(|event| event["command"] == "FLUSHALL").collect();
    assert_eq!(flushed.len(), 2, "{log:#}");
    for event in flushed {
        let place = format!("FLUSHALL@{} ({})", event["offset"], event["time"].as_str().unwrap());
        assert!(message.contains(&place), "{place}: {message}");
    }
    let target = restored(&lab, &server, &["--before-command", &format!("FLUSHALL@{offset}")]);
    assert_eq!(digest(&target).1, before);
}

#[test]
fn a_time_goes_to_the_last_mark_before_it() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    lab.backup(&server);
    let running = lab.archiver(&server, &[]);
    lab.backup(&server);
    write(&server, 1);
    let (offset, before) = digest(&server);
    // A mark a second: the next one is behind this write.
    lab.wait_for(offset);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let time = chrono::Utc::now().to_rfc3339();
    write(&server, 2);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(2500));
    write(&server, 3);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    let target = restored(&lab, &server, &["--to-time", &time]);
    assert_eq!(digest(&target).1, before);
    let words = ["restore", "--backup-id", "x/latest", "--to-time", "2100-01-01T00:00:00Z", "--plan"];
    let (code, answer) = lab.run(&words).args(["--target-instance", &target.url()]).json();
    assert_eq!(code, 2, "{answer:#}");
}

#[test]
fn a_hole_is_refused_before_the_target_is_touched() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &["--segment-size", "1KB"]);
    // No base may lie behind the hole.
    lab.published(&server, 1);
    for turn in 0..10 {
        write(&server, turn);
    }
    let (offset, _) = digest(&server);
    lab.wait_for(offset);
    stop(running);
    let segments = lab.segments();
    assert!(segments.len() > 3, "{segments:#?}");
    let victim = lab.folder.path().join(&segments[segments.len() / 2]);
    let binary = installed.path.display().to_string();
    let target = builder(&installed).start().unwrap();
    let try_it = || {
        let words = ["restore", "--backup-id", "x/latest", "--to-offset", &offset.to_string()];
        lab.run(&words).args(["--target-instance", &target.url(), "--server-binary", &binary]).json()
    };
    // Changed: a byte of a frame.
    let good = std::fs::read(&victim).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 8] ^= 1;
    std::fs::write(&victim, &bad).unwrap();
    let (code, answer) = try_it();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("corrupt")), "{answer:#}");
    // Missing.
    std::fs::remove_file(&victim).unwrap();
    let (code, answer) = try_it();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("gap")), "{answer:#}");
    assert_eq!(target.cli(&["DBSIZE"]).trim(), "0");
}

#[test]
fn expiries_of_a_stream_that_tells_the_time_left_are_those_of_the_source() {
    let Some(installed) = server_named("redis-server-6.2") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    lab.backup(&server);
    server.ok(&["SET", "a", "1", "EX", "1000"]);
    server.ok(&["SET", "b", "1"]);
    server.ok(&["EXPIRE", "b", "1000"]);
    server.ok(&["SETEX", "c", "1000", "1"]);
    let (offset, _) = digest(&server);
    lab.wait_for(offset);
    stop(running);
    // Played later as it stands, the stream would give the whole time again.
    server.wait_for("some seconds", |server| server.ok(&["PTTL", "c"]).trim().parse::<i64>().unwrap() < 993_000);
    let target = restored(&lab, &server, &["--to-offset", &offset.to_string()]);
    for key in ["a", "b", "c"] {
        let left = |of: &RedisServer| of.ok(&["PTTL", key]).trim().parse::<i64>().unwrap();
        let (ours, its) = (left(&target), left(&server));
        assert!((ours - its).abs() < 2000, "{key}: {ours} ms, not {its} ms");
    }
}

#[test]
fn a_base_that_an_archive_needs_is_not_pruned() {
    let Some(server) = lively().start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    // Its own base comes first: the other one is nearer to what follows.
    lab.published(&server, 1);
    let needed = lab.backup(&server);
    write(&server, 1);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    write(&server, 2);
    let newer = lab.backup(&server);
    let (code, answer) = lab.run(&["prune", "--keep-last", "1", "--yes"]).json();
    assert_eq!(code, 0, "{answer:#}");
    let kept: Vec<&str> = answer["backups"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(kept.contains(&newer.as_str()), "{answer:#}");
    let one = answer["backups"].as_array().unwrap().iter().find(|one| one["id"] == needed.as_str()).unwrap();
    assert_eq!(one["action"], "keep", "{answer:#}");
    assert!(one["reasons"].to_string().contains("the archive up to offset"), "{one}");
    // The one that the stream begins with stays as well: moments before the next base rest on it.
    let first = answer["backups"].as_array().unwrap().last().unwrap();
    assert_eq!(first["action"], "keep", "{answer:#}");
    assert!(first["reasons"].to_string().contains("the archive from offset"), "{first}");
}

#[test]
fn the_first_backup_of_a_stretch_is_kept_as_well() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    lab.published(&server, 1);
    let first = lab.run(&["list"]).json().1["backups"][0]["id"].as_str().unwrap().to_owned();
    write(&server, 1);
    let (offset, before) = digest(&server);
    write(&server, 2);
    lab.backup(&server);
    write(&server, 3);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    lab.backup(&server);
    let (code, answer) = lab.run(&["prune", "--keep-last", "1", "--yes"]).json();
    assert_eq!(code, 0, "{answer:#}");
    let one = answer["backups"].as_array().unwrap().iter().find(|one| one["id"] == first.as_str()).unwrap();
    assert!(one["action"] == "keep" && one["reasons"].to_string().contains("the archive from offset"), "{one}");
    // What could be restored before can be restored still.
    let target = restored(&lab, &server, &["--to-offset", &offset.to_string()]);
    assert_eq!(digest(&target).1, before);
}

#[test]
fn a_shifted_expiry_is_shifted_by_the_age_of_the_data() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &[]);
    lab.published(&server, 1);
    for n in 0..20 {
        server.ok(&["SET", &format!("short:{n}"), "v", "EX", "4"]);
    }
    let offset = server.info("master_repl_offset");
    // A mark a second tells when that was.
    server.wait_for("marks", |server| server.cli(&["PTTL", "short:0"]).trim().parse::<i64>().unwrap() < 1500);
    server.ok(&["FLUSHALL"]);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    let over = std::time::Instant::now();
    server.wait_for("the end of their time", |_| over.elapsed().as_secs() >= 4);
    let target = builder(&installed).start().unwrap();
    let binary = installed.path.display().to_string();
    let restore = |more: &[&str]| {
        let words = ["restore", "--backup-id", "x", "--to-offset", &offset, "--server-binary", &binary];
        lab.run(&words).args(["--target-instance", &target.url()]).args(more).json()
    };
    // The instance alone names it; the plan looks at the target.
    let (code, plan) = restore(&["--ttl", "shift", "--plan"]);
    assert!(code <= 1 && plan["moment"]["offset"].is_u64() && plan["plan"].is_object(), "{plan:#}");
    let (code, answer) = restore(&["--ttl", "shift"]);
    assert!(code <= 1, "{answer:#}");
    assert_eq!((&answer["result"]["expired"], &answer["result"]["restored"]), (&0.into(), &20.into()), "{answer:#}");

    // A target that refuses is met before a backup of the moment is made.
    target.ok(&["FLUSHALL"]);
    target.ok(&["SET", "mine", "1"]);
    let backups = || lab.run(&["list"]).json().1["backups"].as_array().unwrap().len();
    let n_before = backups();
    for more in [&["--plan"][..], &[]] {
        let (code, answer) = restore(more);
        assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("target_not_empty")), "{answer:#}");
    }
    assert_eq!(backups(), n_before);
    // Old data that came back is no fresh backup.
    let (_, status) = lab.run(&["status"]).json();
    assert_ne!(status["instances"][0]["last_good"]["keys"], 20, "{status:#}");
}

#[test]
fn a_damaged_segment_is_named_and_hides_nothing_else() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let lab = Lab::new();
    let running = lab.archiver(&server, &["--segment-size", "1KB"]);
    lab.published(&server, 1);
    for turn in 0..6 {
        write(&server, turn);
    }
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    let segments = lab.segments();
    let victim = lab.folder.path().join(&segments[segments.len() / 2]);
    let whole = std::fs::read(&victim).unwrap();
    std::fs::write(&victim, &whole[..whole.len() / 2]).unwrap();
    let (code, status) = lab.run(&["archive", "status", "-i", &server.url(), "--name", "x"]).json();
    assert_eq!((code, &status["gaps"], status["damaged"].as_array().unwrap().len()), (1, &1.into(), 1), "{status:#}");
    assert!(status["windows"][0]["recoverable_from"].is_string(), "{status:#}");
    assert!(status["windows"][1]["recoverable_from"].is_null(), "{status:#}");
    let run = lab.run(&["archive", "status", "-i", &server.url(), "--name", "x"]).run();
    for says in ["\ngap ", "none of it: no backup lies between these offsets", "damaged", "recoverable: "] {
        assert!(run.text().contains(says), "{says}: {}", run.text());
    }
    let (code, log) = lab.run(&["archive", "log", "-i", &server.url(), "--name", "x"]).json();
    assert!(code == 1 && log["events"].is_array(), "{log:#}");
    // A flipped bit is found by the plan.
    let mut flipped = whole.clone();
    flipped[whole.len() / 8] ^= 1;
    std::fs::write(&victim, &flipped).unwrap();
    let target = builder(&installed).start().unwrap();
    let binary = installed.path.display().to_string();
    let words = ["restore", "--backup-id", "x/latest", "--to-latest", "--plan", "--server-binary", &binary];
    let (code, plan) = lab.run(&words).args(["--target-instance", &target.url()]).json();
    assert_eq!((code, plan["error"]["code"].as_str()), (2, Some("corrupt")), "{plan:#}");
}

/// A server that was restarted begins its offsets anew: one number is two moments then.
#[test]
fn an_offset_of_two_histories_is_never_chosen_by_chance() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let lab = Lab::new();
    let mut seen = Vec::new();
    for turn in 0..2 {
        let Some(server) = builder(&installed).start() else { return };
        let running = lab.archiver(&server, &[]);
        lab.published(&server, turn + 1);
        let mut points = Vec::new();
        for step in 0..3 {
            write(&server, 10 * turn as u64 + step);
            points.push(digest(&server));
        }
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        seen.push((server.info("master_replid"), points));
        stop(running);
    }
    let Some(target) = builder(&installed).start() else { return };
    let binary = installed.path.display().to_string();
    let plan = |more: &[&str]| {
        let words = ["restore", "--backup-id", "x/latest", "--target-instance", &target.url(), "--plan"];
        lab.run(&words).args(["--server-binary", &binary]).args(more).json()
    };
    // In both.
    let offset = seen[0].1[1].0.min(seen[1].1[1].0).to_string();
    let (code, answer) = plan(&["--to-offset", &offset]);
    let message = answer["error"].to_string();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("ambiguous")), "{answer:#}");
    for (replid, _) in &seen {
        assert!(message.contains(replid), "{replid}: {message}");
        let (code, answer) = plan(&["--to-offset", &offset, "--timeline", &replid[..8]]);
        assert!(code <= 1 && answer["moment"]["replid"] == replid.as_str(), "{answer:#}");
    }
    for (replid, points) in &seen {
        let (offset, expected) = &points[1];
        let source = builder(&installed).start().unwrap();
        let restored = restored(&lab, &source, &["--to-offset", &offset.to_string(), "--timeline", replid]);
        assert_eq!(digest(&restored).1, *expected);
    }
    let (code, answer) = plan(&["--to-offset", &offset, "--timeline", "0"]);
    let is_of_one = seen.iter().any(|(replid, _)| replid.starts_with('0'));
    assert!(code == 3 || is_of_one, "{answer:#}");
    // Between the two nothing was heard: the next moment on either side is another.
    let (code, answer) = plan(&["--to-latest", "--timeline", "0"]);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("usage")), "{answer:#}");
}

/// The time of this machine, by which the servers here go.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn pause(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

#[test]
fn a_time_at_which_nobody_archived_is_no_quiet_success() {
    for version in ["redis-server-7.0", "redis-server-6.2"] {
        let Some(installed) = server_named(version) else { continue };
        let Some(server) = builder(&installed).start() else { return };
        let lab = Lab::new();
        let running = lab.archiver(&server, &[]);
        lab.published(&server, 1);
        server.ok(&["SET", "k", "1"]);
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        stop(running);
        // Nobody follows the server for longer than a time may be unknown.
        server.ok(&["SET", "k", "mid"]);
        let (offset, _) = digest(&server);
        pause(3500);
        let time = now();
        pause(3500);
        server.ok(&["SET", "k", "late"]);
        let running = lab.archiver(&server, &[]);
        lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        let report = stop(running);
        assert_eq!(report["archive"]["gaps"], serde_json::json!([]), "{report:#}");

        let line = ["archive", "status", "-i", &server.url(), "--name", "x"];
        let (code, status) = lab.run(&line).json();
        let window = &status["windows"][0];
        let (times, only) = (window["times"].as_array().unwrap(), window["offsets_only"].as_array().unwrap());
        assert_eq!((code, times.len(), only.len()), (0, 2, 1), "{version}: {status:#}");
        assert!(only[0]["from"].as_str() < Some(&time) && only[0]["to"].as_str() > Some(&time), "{only:#?} {time}");
        assert!(only[0]["from_offset"].as_u64() < Some(offset) && only[0]["to_offset"].as_u64() > Some(offset));
        let words = lab.run(&line).run().everything();
        assert!(words.contains("only by offset") && words.contains("offsets only"), "{words}");

        let target = builder(&installed).start().unwrap();
        let binary = installed.path.display().to_string();
        let url = target.url();
        let line = ["restore", "--backup-id", "x/latest", "--target-instance", &url, "--server-binary", &binary];
        for more in [&["--to-time", &time, "--plan"][..], &["--to-time", &time]] {
            let (code, answer) = lab.run(&line).args(more).json();
            assert_eq!((code, &answer["status"]), (1, &"warning".into()), "{version} {more:?}: {answer:#}");
            let warnings = answer["warnings"].to_string();
            for named in [only[0]["from"].as_str(), only[0]["to"].as_str(), Some("--to-offset"), Some("--to-mark")] {
                assert!(warnings.contains(named.unwrap()), "{version} {more:?}: {warnings}");
            }
            assert_eq!(answer["moment"]["offsets_only"], only[0], "{version} {more:?}");
        }
        assert_eq!(target.cli(&["GET", "k"]).trim(), "1");
        // The way out that the warning names.
        let target = restored(&lab, &server, &["--to-offset", &offset.to_string()]);
        assert_eq!(target.cli(&["GET", "k"]).trim(), "mid");
    }
}

#[test]
fn a_time_after_the_last_write_is_restored_if_the_archiver_was_there() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    // With a segment that the last write is still in, and with one that was stored since.
    for (rpo, is_stored) in [("60s", false), ("1s", true)] {
        // Nothing comes in the stream but what is written.
        let server =
            RedisServer::builder().version(&installed).arg("repl-ping-replica-period", "3600").start().unwrap();
        let lab = Lab::new();
        let url = server.url();
        let words = ["archive", "-i", &url, "--name", "x", "--json", "--rpo", rpo];
        let running = lab.run(&words).spawn();
        lab.published(&server, 1);
        server.ok(&["SET", "k", "1"]);
        if is_stored {
            lab.wait_for(server.info("master_repl_offset").parse().unwrap());
        }
        pause(2500);
        let time = now();
        pause(2500);
        let report = stop(running);
        assert!(report["archive"]["recoverable_to"].as_str() > Some(&time), "{rpo}: {time} {report:#}");
        let (code, status) = lab.run(&["archive", "status", "-i", &url, "--name", "x"]).json();
        assert!(code == 0 && status["windows"][0]["to"].as_str() > Some(&time), "{rpo}: {time} {status:#}");
        assert_eq!(status["windows"][0]["offsets_only"], serde_json::json!([]), "{rpo}: {status:#}");
        let target = builder(&installed).start().unwrap();
        let binary = installed.path.display().to_string();
        let line = ["restore", "--backup-id", "x/latest", "--to-time", &time, "--server-binary", &binary];
        let (code, answer) = lab.run(&line).args(["--target-instance", &target.url()]).json();
        assert_eq!((code, &answer["moment"]["offsets_only"]), (0, &serde_json::Value::Null), "{rpo}: {answer:#}");
        assert_eq!(target.cli(&["GET", "k"]).trim(), "1", "{rpo}");
    }
}

/// A moment is made of what its base holds: it lies in the repository as its base does, whoever has no settings for that.
#[test]
fn a_moment_behind_an_encrypted_backup_is_encrypted() {
    let Some(installed) = server_named("redis-server-7.0") else { return };
    let Some(server) = builder(&installed).start() else { return };
    let (lab, keys) = (Lab::new(), Keys::new());
    lab.backup(&server);
    let running = lab.archiver(&server, &[]);
    write(&server, 1);
    let url = server.url();
    let (code, answer) = lab.run(&["backup", "-i", &url, "--name", "x", "--encrypt-to", RECIPIENT]).json();
    assert_eq!(code, 0, "{answer:#}");
    write(&server, 2);
    let (_, expected) = digest(&server);
    lab.wait_for(server.info("master_repl_offset").parse().unwrap());
    stop(running);
    let plain =
        || lab.folder.files().into_iter().filter(|file| file.contains("dump.rdb") && !file.ends_with(".age")).count();
    let before = plain();
    let target = restored(&lab, &server, &["--to-latest", "--identity", &keys.text("identity")]);
    assert_eq!(digest(&target).1, expected);
    assert_eq!(plain(), before, "{:?}", lab.folder.files());
}
