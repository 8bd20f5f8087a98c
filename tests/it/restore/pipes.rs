//! `restore --file -` and `restore --to-file -`: a backup that is read once, and one that goes to whoever reads.

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

fn file_of(fill: impl FnOnce(&RedisServer)) -> Option<Vec<u8>> {
    file_by(RedisServer::builder().arg("rdbcompression", "no").start()?, fill)
}

fn file_by(server: RedisServer, fill: impl FnOnce(&RedisServer)) -> Option<Vec<u8>> {
    fill(&server);
    server.save();
    Some(std::fs::read(server.dir().join("dump.rdb")).unwrap())
}

fn piped(rdb: &[u8], target: &RedisServer, more: &[&str]) -> (i32, serde_json::Value) {
    let line = ["restore", "--file", "-", "--target-instance", &target.url()].map(str::to_owned);
    RedisOps::new().args(line).args(more).stdin(rdb.to_vec()).json()
}

#[test]
fn a_pipe_goes_into_an_empty_target_in_one_pass() {
    let (Some(rdb), Some(target)) = (file_of(|server| server.fill(1000, 50)), RedisServer::start()) else { return };
    let (code, answer) = piped(&rdb, &target, &[]);
    assert_eq!((code, &answer["result"]["restored"]), (0, &1000.into()), "{answer}");
    assert_eq!((&answer["result"]["method"], &answer["proof"]), (&"restore".into(), &serde_json::Value::Null));
    assert_eq!(target.ok(&["DBSIZE"]), "1000");
    // As with `--no-proof`: complete, and nobody has compared it, which is said before and afterwards.
    let line = &answer["plan"]["lines"].as_array().unwrap().iter().find(|line| line["code"] == "proof").unwrap();
    assert!(line["text"].as_str().unwrap().contains("read only once"), "{line}");
    target.ok(&["FLUSHALL"]);
    let line = ["restore", "--file", "-", "--target-instance", &target.url()].map(str::to_owned);
    let run = RedisOps::new().args(line).stdin(rdb.clone()).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.text().contains("not proven: standard input can be read only once"), "{}", run.text());

    // Now it holds keys, and a pipe cannot be looked at first.
    let (code, answer) = piped(&rdb, &target, &["--on-conflict", "skip"]);
    assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
    let (code, answer) = piped(&rdb, &target, &["--on-conflict", "skip", "--skip-verify"]);
    assert_eq!((code, &answer["result"]["skipped"]), (1, &1000.into()), "{answer}");
    let (code, answer) = piped(&rdb, &target, &["--method", "replica"]);
    assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
}

#[test]
fn what_came_of_a_bad_pipe_is_taken_back() {
    let (Some(mut rdb), Some(target)) = (file_of(|server| server.fill(20_000, 50)), RedisServer::start()) else {
        return;
    };
    let last = rdb.len() - 1;
    rdb[last] ^= 1;
    let (code, answer) = piped(&rdb, &target, &[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"checksum_mismatch".into()), "{answer}");
    assert_eq!(target.ok(&["DBSIZE"]), "0");
    let removed = &answer["result"]["taken_back"]["removed"];
    assert!(removed.as_u64().unwrap() > 0 && answer["result"]["restored"] == 0, "{answer}");
}

#[test]
fn a_value_that_needs_a_second_look_is_never_left_out_in_silence() {
    let made = file_of(|server| {
        server.fill(10, 10);
        server.ok(&["SETRANGE", "long", "20000000", "x"]);
    });
    let (Some(rdb), Some(target)) = (made, RedisServer::start()) else { return };
    let (code, answer) = piped(&rdb, &target, &[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"value_too_large".into()), "{answer}");
    assert_eq!(answer["result"]["restored"], 10, "{answer}");
}

#[test]
fn a_pipe_whose_values_the_target_does_not_all_take_is_refused() {
    let (Some(new), Some(old)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else { return };
    let new = RedisServer::builder().version(&new).start().unwrap();
    new.fill(10, 10);
    new.save();
    let rdb = std::fs::read(new.dir().join("dump.rdb")).unwrap();
    let target = RedisServer::builder().version(&old).start().unwrap();
    let (code, answer) = piped(&rdb, &target, &[]);
    assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("read only once"), "{answer}");
}

#[test]
fn stdout_gets_the_rdb_and_nothing_else() {
    let Some(rdb) = file_of(|server| server.fill(1000, 50)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, &rdb).unwrap();
    let line = ["restore", "--file", &path.display().to_string(), "--to-file", "-"].map(str::to_owned);
    let run = RedisOps::new().args(&line).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout == rdb, "{} bytes for {}", run.stdout.len(), rdb.len());
    assert!(run.stderr.contains("1,000 keys") || run.stderr.contains("1000 keys"), "{}", run.stderr);

    assert_eq!(RedisOps::new().args(&line).json().0, 3, "both cannot be on stdout");
    let run = RedisOps::new().args(&line).without_reader().run();
    assert_eq!(run.code, 2, "half an RDB is none: {}", run.stderr);
    let mut bad = rdb;
    bad[100] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let run = RedisOps::new().args(&line).run();
    assert_eq!((run.code, run.stdout.len()), (2, 0), "{}", run.stderr);
}

/// A Ctrl-C ends all of a pipeline: that the other end of our pipe is gone is then no damage.
#[test]
fn what_ends_with_us_is_no_damage() {
    let (Some(rdb), Some(target)) = (file_of(|server| server.fill(100, 50)), RedisServer::start()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (place, url) = (folder.path().display().to_string(), target.url());
    for line in [
        &["verify", "--file", "-"][..],
        &["restore", "--file", "-", "--target-instance", &url],
        &["backup", "--from-file", "-", "--name", "piped", "-r", &place],
    ] {
        let half = rdb[..rdb.len() / 2].to_vec();
        let mut running = RedisOps::new().args(line).stdin(half).stdin_stays_open().spawn();
        running.wait_until_it_hears();
        // It meets both at once.
        running.signal("STOP");
        running.close_stdin();
        running.signal("INT");
        running.signal("CONT");
        let run = running.wait();
        assert_eq!(run.code, 130, "{line:?}: {}", run.everything());
        for word in ["damaged", "early", "truncated"] {
            assert!(!run.everything().contains(word), "{line:?}: {}", run.everything());
        }
        assert_eq!(target.ok(&["DBSIZE"]), "0", "{line:?}");
    }
}

#[test]
fn what_is_read_from_a_file_or_a_pipe_says_how_old_it_is_and_its_expiries_are_shifted_by_that() {
    let builder = RedisServer::builder().arg("rdbchecksum", "no");
    let (Some(source), Some(target)) = (builder.start(), RedisServer::start()) else { return };
    let made = file_by(source, |server| drop(server.ok(&["SET", "key", "value", "EX", "500"])));
    let mut rdb = made.expect("a file");
    // A thousand seconds older: by now the key has expired.
    let name = b"ctime\xc2";
    let at = rdb.windows(name.len()).position(|window| window == name).expect("an aux field") + name.len();
    let seconds = i32::from_le_bytes(rdb[at..at + 4].try_into().unwrap());
    rdb[at..at + 4].copy_from_slice(&(seconds - 1000).to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.rdb");
    std::fs::write(&path, &rdb).unwrap();
    let from_file =
        ["restore", "--file", &path.display().to_string(), "--target-instance", &target.url(), "--ttl", "shift"]
            .map(str::to_owned);
    let line = || RedisOps::new().args(from_file.clone()).json();
    for restored in [&line as &dyn Fn() -> _, &|| piped(&rdb, &target, &["--ttl", "shift"])] {
        let (code, answer): (i32, serde_json::Value) = restored();
        assert_eq!(code, 0, "{answer}");
        let left: i64 = target.ok(&["TTL", "key"]).parse().unwrap();
        assert!((1_400..=1_600).contains(&left), "{left}: {answer}");
        target.ok(&["FLUSHALL"]);
    }
    // Taken into a repository the data gets no younger.
    let repository = folder.path().join("repository").display().to_string();
    let typed = |words: &[&str]| RedisOps::new().args(words).args(["-r", &repository]).json();
    let (code, answer) = typed(&["backup", "--from-file", &from_file[2], "--name", "old"]);
    assert_eq!(code, 0, "{answer}");
    let url = target.url();
    let (code, answer) = typed(&["restore", "old/latest", "--target-instance", &url, "--ttl", "shift"]);
    assert_eq!(code, 0, "{answer}");
    let left: i64 = target.ok(&["TTL", "key"]).parse().unwrap();
    assert!((1_400..=1_600).contains(&left), "{left}: {answer}");
    let (code, answer) = typed(&["verify", "old/latest", "--max-age", "10m"]);
    assert_eq!(code, 2, "{answer}");
    let (_, list) = typed(&["list"]);
    let age = list["backups"][0]["age_seconds"].as_u64().unwrap();
    assert!((900..=1_200).contains(&age), "{list}");
}
