//! What can go wrong, and that the report says what is there then.

use redis_ops::connection::CommandFault;
use redis_ops::explain::Status;
use redis_ops::restore::replay::ledger::Stop;
use redis_ops::restore::{Ended, Existing, Method, Options, Rate, RunError, Ttl};

use super::support::{Restore, census, census_of};
use crate::support::redis_server::{RedisServer, server_named};

/// A file of so many strings of 100 bytes, made by a server.
fn strings(n_keys: usize) -> Option<Vec<u8>> {
    made(|server| server.fill(n_keys, 100))
}

fn made(fill: impl FnOnce(&RedisServer)) -> Option<Vec<u8>> {
    let server = RedisServer::builder().arg("enable-debug-command", "yes").start()?;
    fill(&server);
    server.save();
    Some(std::fs::read(server.dir().join("dump.rdb")).unwrap())
}

fn damaged(mut rdb: Vec<u8>) -> Vec<u8> {
    // The last byte of the checksum: everything before it is right.
    let last = rdb.len() - 1;
    rdb[last] ^= 1;
    rdb
}

fn keys(server: &RedisServer) -> u64 {
    server.ok(&["DBSIZE"]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_there_are_left_or_overwritten_as_it_was_said() {
    let (Some(rdb), Some(server)) = (strings(100), RedisServer::start()) else { return };
    server.ok(&["SET", "key:7", "mine"]);
    server.ok(&["SET", "other", "mine"]);
    let conflict = |existing| Restore::of(&rdb).options(|options| options.existing = existing);

    let report = conflict(Existing::Skip).run(&server, Method::Restore).await.unwrap();
    assert_eq!((report.tally.restored, report.tally.skipped_existing, report.status()), (99, 1, Status::Warning));
    assert_eq!(server.ok(&["GET", "key:7"]), "mine");
    assert!(report.adds_up());

    let report = conflict(Existing::Replace).run(&server, Method::Commands).await.unwrap();
    assert_eq!((report.tally.restored, report.status()), (100, Status::Ok));
    assert_ne!(server.ok(&["GET", "key:7"]), "mine");
    assert_eq!(server.ok(&["GET", "other"]), "mine");

    let report = conflict(Existing::Skip).run(&server, Method::Commands).await.unwrap();
    assert_eq!((report.tally.restored, report.tally.skipped_existing), (0, 100));
    assert_eq!(keys(&server), 101, "no temporary key is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_all_makes_the_target_the_backup() {
    let (Some(rdb), Some(server)) = (strings(50), RedisServer::start()) else { return };
    server.ok(&["SET", "other", "mine"]);
    let restore = Restore::of(&rdb).options(|options| options.existing = Existing::ReplaceAll);
    let report = restore.run(&server, Method::Restore).await.unwrap();
    assert_eq!((report.tally.restored, report.status()), (50, Status::Ok));
    assert_eq!(census_of(&server, 0).digest, census(&rdb, 0).digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bad_backup_exactly_the_keys_that_were_made_are_taken_back() {
    let (Some(rdb), Some(server)) = (strings(20_000), RedisServer::start()) else { return };
    let state = tempfile::tempdir().unwrap();
    for method in [Method::Restore, Method::Commands] {
        let mut restore = Restore::of(&damaged(rdb.clone()));
        (restore.verified, restore.state) = (false, Some(state.path().to_owned()));
        let report = restore.run(&server, method).await.unwrap();
        assert!(matches!(report.ended, Ended::BadBackup(_)), "{report:?}");
        let taken = report.taken_back.as_ref().unwrap();
        assert_eq!((report.tally.restored, taken.left, report.status()), (0, 0, Status::Failed));
        assert!(taken.removed > 0);
        assert_eq!(keys(&server), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_changed_is_not_taken_back() {
    let (Some(rdb), Some(server)) = (strings(5_000), RedisServer::start()) else { return };
    let state = tempfile::tempdir().unwrap();
    let mut restore = Restore::of(&damaged(rdb)).options(|options| options.rate = Some(Rate::Keys(4_000)));
    (restore.verified, restore.state) = (false, Some(state.path().to_owned()));
    let changing = async {
        loop {
            if server.ok(&["EXISTS", "key:0"]) == "1" || keys(&server) > 100 {
                let name = server.ok(&["RANDOMKEY"]);
                server.ok(&["GETSET", &name, "changed"]);
                return name;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let (report, name) = tokio::join!(restore.run(&server, Method::Restore), changing);
    let report = report.unwrap();
    let taken = report.taken_back.unwrap();
    assert_eq!(report.others_wrote, Some(true));
    assert_eq!((taken.left, taken.left_keys[0].key.clone()), (1, name.clone()));
    assert_eq!(server.ok(&["GET", &name]), "changed");
    assert_eq!(keys(&server), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_target_stops_the_restore_and_the_numbers_are_those_of_the_target() {
    let Some(rdb) = strings(50_000) else { return };
    let Some(server) = RedisServer::builder().arg("maxmemory", "4mb").start() else { return };
    let report = Restore::of(&rdb).run(&server, Method::Restore).await.unwrap();
    assert!(matches!(&report.ended, Ended::Stopped(Stop::Refused(CommandFault::OutOfMemory))), "{:?}", report.ended);
    assert_eq!(report.tally.restored, keys(&server));
    assert!(report.tally.restored > 0 && report.tally.failed > 0);
    assert_eq!(report.status(), Status::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_evicts_is_never_told_to_be_complete() {
    let Some(rdb) = strings(50_000) else { return };
    let eviction = RedisServer::builder().arg("maxmemory", "4mb").arg("maxmemory-policy", "allkeys-lru");
    let Some(server) = eviction.start() else { return };
    let restore = Restore::of(&rdb);
    let (_, plan) = restore.plan(&server).await;
    assert_eq!(plan.refusal().map(|line| line.code), Some("target_too_small"), "{plan:#?}");
    let report = restore.run(&server, Method::Restore).await.unwrap();
    assert_eq!(report.tally.restored, 50_000, "the server says OK to all");
    assert!(report.evicted().unwrap() > 0);
    assert_eq!(report.status(), Status::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_leaves_no_wrong_number() {
    let Some(rdb) = strings(20_000) else { return };
    let Some(mut server) = RedisServer::start() else { return };
    let restore = Restore::of(&rdb).options(|options| options.rate = Some(Rate::Keys(10_000)));
    let node = super::support::node(&server);
    let pid = server.pid();
    let killing = async {
        while keys(&server) <= 2_000 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    };
    let (report, ()) = tokio::join!(restore.run(&server, Method::Restore), killing);
    let report = report.unwrap();
    assert!(matches!(report.ended, Ended::Stopped(Stop::Lost(_))), "{:?}", report.ended);
    assert!(report.after.is_none() && !report.adds_up());
    assert_eq!(report.status(), Status::Failed);
    assert!(node.connect().await.is_err());
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_says_what_is_there_and_goes_on_where_it_stopped() {
    let mixed = made(|server| {
        server.fill(10_000, 50);
        let lists: Vec<String> = (0..3_000).map(|number| format!("list:{number}")).collect();
        server.pipe(lists.iter().map(|name| vec![b"RPUSH".as_slice(), name.as_bytes(), b"a", b"b", b"a"]));
    });
    let (Some(rdb), Some(server)) = (mixed, RedisServer::start()) else { return };
    let state = tempfile::tempdir().unwrap();
    for method in [Method::Restore, Method::Commands] {
        server.ok(&["FLUSHALL"]);
        let mut restore = Restore::of(&rdb).options(|options| options.rate = Some(Rate::Keys(10_000)));
        restore.state = Some(state.path().to_owned());
        let cancel = restore.cancel.clone();
        let stopping = async {
            while keys(&server) <= 2_000 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            cancel.cancel();
        };
        let (report, ()) = tokio::join!(restore.run(&server, method), stopping);
        let report = report.unwrap();
        assert!(matches!(report.ended, Ended::Interrupted) && report.resumable, "{report:?}");
        assert_eq!(report.tally.restored, keys(&server), "what it holds is counted");
        assert!(report.tally.restored < 13_000);

        let mut again = Restore::of(&rdb).options(|options| options.resume = true);
        again.state = Some(state.path().to_owned());
        let report = again.run(&server, method).await.unwrap();
        assert_eq!((report.tally.restored, report.status()), (13_000, Status::Ok), "{report:?}");
        assert_eq!(census_of(&server, 0).digest, census(&rdb, 0).digest);

        let mut third = Restore::of(&rdb).options(|options| options.resume = true);
        third.state = Some(state.path().to_owned());
        assert!(matches!(third.run(&server, method).await, Err(RunError::NothingToResume)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_started_anew_is_not_resumed_but_told_apart() {
    let (Some(rdb), Some(first), Some(second)) = (strings(20_000), RedisServer::start(), RedisServer::start()) else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let mut restore = Restore::of(&rdb).options(|options| options.rate = Some(Rate::Keys(10_000)));
    restore.state = Some(state.path().to_owned());
    let cancel = restore.cancel.clone();
    let stopping = async {
        while keys(&first) <= 1_000 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(restore.run(&first, Method::Restore), stopping);
    assert!(report.unwrap().resumable);
    // A server with another run id is what one is after a restart.
    let mut again = Restore::of(&rdb).options(|options| options.resume = true);
    again.state = Some(state.path().to_owned());
    let Err(RunError::Restarted { then, now }) = again.run(&second, Method::Restore).await else { panic!("resumed") };
    assert_eq!((then, now), (first.info("run_id"), second.info("run_id")));
    assert_eq!(keys(&second), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiries_are_kept_moved_or_stripped() {
    let expiring = made(|server| {
        server.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        server.ok(&["SET", "gone", "x", "PX", "1"]);
        server.ok(&["SET", "stays", "x", "PXAT", "4102444800000"]);
        server.ok(&["SET", "always", "x"]);
        std::thread::sleep(std::time::Duration::from_millis(5));
    });
    let (Some(rdb), Some(server)) = (expiring, RedisServer::start()) else { return };
    let with = |ttl| {
        let shift_ms = if ttl == Ttl::Shift { 1_000_000 } else { 0 };
        Restore::of(&rdb)
            .options(|options: &mut Options| (options.choices.ttl, options.choices.shift_ms) = (ttl, shift_ms))
    };
    for method in [Method::Restore, Method::Commands] {
        for (ttl, there, expired, stays) in
            [(Ttl::Keep, 2, 1, "4102444800000"), (Ttl::Shift, 3, 0, "4102445800000"), (Ttl::Strip, 3, 0, "-1")]
        {
            server.ok(&["FLUSHALL"]);
            let report = with(ttl).run(&server, method).await.unwrap();
            assert_eq!((keys(&server), report.tally.expired), (there, expired), "{ttl:?}");
            assert_eq!(server.ok(&["PEXPIRETIME", "stays"]), stays, "{ttl:?}");
            assert!(report.adds_up());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_too_long_to_be_held_arrives_whole() {
    let large = made(|server| {
        server.ok(&["SETRANGE", "large", "40000000", "x"]);
        server.ok(&["CONFIG", "SET", "list-max-listpack-size", "-5"]);
        let element = "0123456789abcdef".repeat(512);
        let elements = vec![element.as_str(); 3000];
        server.ok(&[&["RPUSH", "list"][..], &elements[..]].concat());
        server.fill(1000, 10);
    });
    let (Some(rdb), Some(server)) = (large, RedisServer::start()) else { return };
    for method in [Method::Restore, Method::Commands] {
        server.ok(&["FLUSHALL"]);
        let report = Restore::of(&rdb).run(&server, method).await.unwrap();
        assert_eq!((report.tally.restored, report.status()), (1002, Status::Ok), "{report:?}");
        assert_eq!(census_of(&server, 0).digest, census(&rdb, 0).digest);
    }
    // Longer than the target takes in one piece: a list goes in parts.
    server.ok(&["FLUSHALL"]);
    server.ok(&["CONFIG", "SET", "proto-max-bulk-len", "20mb"]);
    let report = Restore::of(&rdb).run(&server, Method::Restore).await.unwrap();
    assert_eq!(server.ok(&["LLEN", "list"]), "3000", "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_newer_server_names_what_is_lost_in_an_older_one() {
    let (Some(new), Some(old)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else { return };
    let (new, old) =
        (RedisServer::builder().version(&new).start().unwrap(), RedisServer::builder().version(&old).start().unwrap());
    new.ok(&["HSET", "fields", "a", "1", "b", "2"]);
    new.ok(&["HPEXPIREAT", "fields", "4102444800000", "FIELDS", "1", "a"]);
    new.ok(&["RPUSH", "list", "x", "y"]);
    new.save();
    let rdb = std::fs::read(new.dir().join("dump.rdb")).unwrap();
    let restore = Restore::of(&rdb).options(|options| options.accept_loss = false);
    let (_, plan) = restore.plan(&old).await;
    let refusal = plan.refusal().unwrap();
    assert_eq!((refusal.code, refusal.flag), ("field_expiry_lost", Some("--accept-loss")));
    assert!(refusal.text.starts_with("1 key:"), "{}", refusal.text);
    let report = Restore::of(&rdb).run(&old, Method::Restore).await.unwrap();
    assert_eq!(report.tally.restored, 2);
    assert_eq!(old.ok(&["LRANGE", "list", "0", "-1"]), "x\ny");
    assert_eq!(old.ok(&["HGET", "fields", "a"]), "1");
}
