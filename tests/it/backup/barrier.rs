//! One moment over all shards of a cluster: what was acknowledged on one shard before a write on another is never missing beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Folder, backed_up, backup, failure};
use crate::support::cluster::{Cluster, any_kind, kinds};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer, servers};

/// A key of each shard: `{tag}`, by which further keys of the shard are named.
const TAGS: [&str; 3] = ["{b}", "{c}", "{a}"];

/// Chains of writers.
const CHAINS: usize = 2;

/// The shards of [`TAGS`], as the servers tell them.
fn shard_of(cluster: &Cluster, tag: &str) -> usize {
    (0..3).find(|shard| !cluster.primary(*shard).cli(&["EXISTS", tag]).starts_with("MOVED")).expect("a shard")
}

/// Writes numbers until it is told to stop: number n+1 goes to another shard, and only after n was acknowledged. Every tenth is a
/// transaction with two keys.
fn chain(cluster: &Cluster, chain: usize, stop: &AtomicBool) -> u64 {
    let mut clients: Vec<_> = TAGS.iter().map(|tag| cluster.primary(shard_of(cluster, tag)).client()).collect();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) && number < 200_000 {
        let at = usize::try_from(number).expect("a number") % 3;
        let (key, text) = (format!("{}chain:{chain}", TAGS[at]), number.to_string());
        let set: [&[u8]; 3] = [b"SET", key.as_bytes(), text.as_bytes()];
        if number.is_multiple_of(10) {
            let twin = format!("{key}:twin");
            for command in [&[&b"MULTI"[..]][..], &set, &[b"SET", twin.as_bytes(), text.as_bytes()], &[b"EXEC"]] {
                clients[at].ask(command).expect("an answer");
            }
        } else {
            clients[at].ask(&set).expect("an answer");
        }
        number += 1;
    }
    number
}

/// Does something while the chains are written; they have begun before, and go on until it has ended.
fn while_chains_are_written<T>(cluster: &Cluster, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..CHAINS)
            .map(|number| {
                scope.spawn({
                    let stop = &stop;
                    move || chain(cluster, number, stop)
                })
            })
            .collect();
        for tag in TAGS {
            let key = format!("{tag}chain:0");
            cluster.primary(shard_of(cluster, tag)).wait_for("they write", |node| node.cli(&["EXISTS", &key]) == "1");
        }
        let done = work();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            assert!(writer.join().expect("no panic") > 10, "they have written");
        }
        done
    })
}

/// The last numbers of each chain, which are neighbours if no write lacks the one before it.
fn must_have_no_hole(server: &RedisServer, what: &str) {
    for chain in 0..CHAINS {
        let of = |tag: &str| {
            let text = server.ok(&["GET", &format!("{tag}chain:{chain}")]);
            text.parse::<u64>().unwrap_or_else(|_| panic!("{what}: chain {chain} on {tag}: `{text}`"))
        };
        let mut numbers = TAGS.map(of);
        numbers.sort_unstable();
        assert_eq!(numbers[2] - numbers[0], 2, "{what}: chain {chain}: {numbers:?}");
        for tag in TAGS {
            let twin = server.ok(&["GET", &format!("{tag}chain:{chain}:twin")]);
            let twin: u64 = twin.parse().expect("a number");
            let last = of(tag);
            assert!(
                twin <= last && last - twin < 30,
                "{what}: chain {chain}: a transaction is whole: {twin} of {last}"
            );
        }
    }
}

/// [`kinds`], and the oldest, which knows no filter for a follower.
fn versions() -> Vec<Installed> {
    servers().into_iter().filter(|installed| installed.is("6.2")).chain(kinds()).collect()
}

fn started(installed: &Installed) -> Option<Cluster> {
    let cluster = Cluster::of(&[installed, installed, installed], false, &[("repl-diskless-sync-delay", "0")])?;
    for node in cluster.nodes() {
        node.wait_for("all are linked", |node| !node.ok(&["CLUSTER", "NODES"]).contains("disconnected"));
    }
    Some(cluster)
}

/// A backup with a barrier. On a machine that is busy with other things it may not be had at once.
#[track_caller]
fn with_barrier(url: &str, folder: &Folder, more: &[&str]) -> Value {
    for _ in 0..20 {
        let answer = backed_up(url, &folder.text(), more);
        if answer["backup"]["consistency"] == "barrier" {
            return answer;
        }
        let why = answer["backup"]["no_barrier"].as_str().unwrap_or_default();
        assert!(why.contains(" ms"), "only time is a reason here: {answer}");
    }
    panic!("no barrier in twenty backups");
}

/// Restores the last backup into a server of the same version.
fn restored(folder: &Folder, installed: &Installed) -> (RedisServer, Value) {
    let target = RedisServer::builder().version(installed).start().expect("a server");
    let (url, binary) = (target.url(), installed.path.display().to_string());
    let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
    let (code, answer) = RedisOps::new().args(line).args(["--server-binary", &binary]).json();
    assert_eq!(code, 0, "{}: {answer}", installed.name);
    (target, answer)
}

#[test]
fn no_write_lacks_the_one_that_was_acknowledged_before_it() {
    for installed in versions() {
        let Some(cluster) = started(&installed) else { return };
        cluster.fill(300);
        let (name, before, folder) = (&installed.name, cluster.seen(), Folder::new());
        for turn in 0..3 {
            let what = format!("{name}, turn {turn}");
            let answer = while_chains_are_written(&cluster, || with_barrier(&cluster.url(), &folder, &[]));
            let manifest = &answer["backup"];
            assert_eq!(manifest["format_version"], 2, "{what}");
            assert!(
                manifest["barrier"]["held_seconds"].as_f64().is_some_and(|held| (0.01..=0.1).contains(&held)),
                "{what}"
            );
            for (number, shard) in manifest["shards"].as_array().expect("shards").iter().enumerate() {
                let tail = &shard["tail"];
                assert_eq!(tail["object"], format!("tail-{number:04}.zst"), "{what}: {shard}");
                assert_eq!(tail["from"], shard["offset"], "{what}: {shard}");
                assert!(tail["commands"].as_u64().is_some_and(|commands| commands > 0), "{what}: {shard}");
            }
            for level in ["manifest", "checksum", "structure"] {
                let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "--level", level];
                let (code, answer) = RedisOps::new().args(line).json();
                assert_eq!(code, 0, "{what} {level}: {answer}");
            }
            let (target, answer) = restored(&folder, &installed);
            assert_eq!(answer["proof"]["is_equal"], true, "{what}: {answer}");
            must_have_no_hole(&target, &what);
        }
        assert_eq!(cluster.seen(), before, "{name}");
        for node in cluster.nodes() {
            node.wait_for("nobody follows any more", |node| node.info("connected_slaves") == "0");
        }
    }
}

#[test]
fn where_nothing_is_written_the_rdbs_are_the_moment() {
    let Some(cluster) = any_kind().and_then(|installed| Cluster::start(&installed, &[])) else { return };
    let keys = cluster.fill(60);
    let (before, folder) = (cluster.seen(), Folder::new());
    let answer = with_barrier(&cluster.url(), &folder, &[]);
    let manifest = &answer["backup"];
    assert_eq!((&manifest["format_version"], &manifest["census"]["keys"]), (&1.into(), &keys.into()), "{manifest}");
    assert!(manifest["shards"].as_array().is_some_and(|shards| shards.iter().all(|shard| shard["tail"].is_null())));
    let run = RedisOps::new().args(["show", "prod/latest", "-r", &folder.text()]).run();
    assert!(run.text().contains("one for all shards"), "{}", run.everything());
    assert_eq!(cluster.seen(), before);
}

#[test]
fn without_the_right_a_typed_barrier_is_refused_and_auto_says_why_there_is_none() {
    for installed in kinds() {
        let Some(cluster) = started(&installed) else { return };
        let keys = cluster.fill(60);
        for node in cluster.nodes() {
            node.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "&*", "+@all", "-client|pause"]);
        }
        let (name, folder) = (&installed.name, Folder::new());
        let as_ops = |more: &[&str]| {
            let run = backup(&cluster.url(), &folder.text(), &[&["--json", "--username", "ops"], more].concat());
            run.env("REDIS_OPS_PASSWORD", "secret").run()
        };
        for more in [&["--consistent", "barrier"][..], &["--consistent", "barrier", "--plan"]] {
            let run = as_ops(more);
            assert_eq!(failure(&run), (2, "permission_denied".to_owned()), "{name}: {}", run.everything());
            assert!(run.text().contains("+client|pause"), "{name}: {}", run.everything());
            assert_eq!(folder.files(), Vec::<String>::new(), "{name}");
        }
        let run = as_ops(&["--plan"]);
        assert_eq!((run.code, &run.json()["plan"]["consistency"]), (0, &"point_in_time_per_shard".into()), "{name}");
        assert!(run.text().contains("+client|pause"), "{name}: {}", run.everything());
        let run = as_ops(&[]);
        let manifest = &run.json()["backup"];
        assert_eq!((run.code, &manifest["census"]["keys"]), (0, &keys.into()), "{name}: {}", run.everything());
        assert_eq!(manifest["consistency"], "point_in_time_per_shard", "{name}: {manifest}");
        assert!(manifest["no_barrier"].to_string().contains("+client|pause"), "{name}: {manifest}");
        let answer = backed_up(&cluster.url(), &folder.text(), &["--consistent", "none"]);
        assert!(answer["backup"]["no_barrier"].to_string().contains("--consistent none"), "{name}: {answer}");
    }
}

#[test]
fn a_pause_of_somebody_else_stays_in_force() {
    for installed in versions() {
        let Some(cluster) = started(&installed) else { return };
        cluster.fill(30);
        let (name, folder) = (&installed.name, Folder::new());
        let held = cluster.primary(1);
        let tag = TAGS.iter().find(|tag| shard_of(&cluster, tag) == 1).expect("a tag");
        held.ok(&["CLIENT", "PAUSE", "30000", "WRITE"]);
        // Some servers say it only by a client that waits.
        let mut waiting = held.client();
        waiting.send(&[b"SET", tag.as_bytes(), b"1"]).expect("sent");
        held.wait_for("the write is held", |node| node.info("blocked_clients") == "1");
        let run = backup(&cluster.url(), &folder.text(), &["--json", "--consistent", "barrier"]).run();
        assert_eq!(failure(&run), (2, "no_barrier".to_owned()), "{name}: {}", run.everything());
        assert!(run.text().contains("paused"), "{name}: {}", run.everything());
        assert_eq!(folder.files(), Vec::<String>::new(), "{name}");
        let answer = backed_up(&cluster.url(), &folder.text(), &[]);
        assert_eq!(answer["backup"]["consistency"], "point_in_time_per_shard", "{name}: {answer}");
        assert_eq!(held.info("blocked_clients"), "1", "{name}: the write is held all the same");
        held.ok(&["CLIENT", "UNPAUSE"]);
        assert_eq!(waiting.reply().expect("an answer").to_string(), "OK", "{name}");
    }
}

#[test]
fn a_kill_right_after_the_pause_leaves_nothing_held() {
    let Some(cluster) = any_kind().and_then(|installed| started(&installed)) else { return };
    cluster.fill(60);
    let folder = Folder::new();
    let running = backup(&cluster.url(), &folder.text(), &["--json"]).spawn();
    // The first of them is the question whether we may, and is refused for its argument.
    cluster.primary(0).wait_for("writes are held", |node| {
        let calls = node.info("cmdstat_client|pause");
        let calls = calls.strip_prefix("calls=").and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        calls.is_some_and(|calls| calls >= 2)
    });
    running.signal("KILL");
    let begun = Instant::now();
    for shard in 0..3 {
        let tag = TAGS.iter().find(|tag| shard_of(&cluster, tag) == shard).expect("a tag");
        assert_eq!(cluster.primary(shard).ok(&["SET", tag, "1"]), "OK");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn without_a_server_binary_the_rdbs_alone_go_back_on_purpose_only() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = started(&installed) else { return };
    cluster.fill(60);
    let folder = Folder::new();
    while_chains_are_written(&cluster, || with_barrier(&cluster.url(), &folder, &[]));
    let Some(target) = RedisServer::builder().version(&installed).start() else { return };
    let url = target.url();
    let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
    for more in [&["--plan"][..], &[]] {
        let run = RedisOps::new().args(line).args(["--server-binary", "/bin/false", "--json"]).args(more).run();
        assert_eq!(failure(&run).1, "no_server", "{}", run.everything());
        assert!(run.text().contains("--without-tails"), "{}", run.everything());
        assert_eq!(target.ok(&["DBSIZE"]), "0");
    }
    let run = RedisOps::new().args(line).args(["--without-tails", "--json"]).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    assert!(run.json()["warnings"].to_string().contains("different moments"), "{}", run.everything());
    assert_ne!(target.ok(&["DBSIZE"]), "0");
    // What was applied once is there for the next restore, and for one that goes on after a kill.
    restored(&folder, &installed);
    target.ok(&["FLUSHALL"]);
    let run = RedisOps::new().args(line).args(["--server-binary", "/bin/false", "--json"]).run();
    assert_eq!((run.code, &run.json()["proof"]["is_equal"]), (0, &true.into()), "{}", run.everything());
    must_have_no_hole(&target, "applied before");
}

#[test]
fn a_tail_that_is_damaged_or_missing_is_found() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = started(&installed) else { return };
    cluster.fill(60);
    let folder = Folder::new();
    let answer = while_chains_are_written(&cluster, || with_barrier(&cluster.url(), &folder, &[]));
    let id = format!("prod/{}", answer["backup"]["id"].as_str().expect("an id"));
    let tail = folder.the("tail-0001.zst");
    let whole = std::fs::read(&tail).expect("a tail");
    let verified = |level: &str| {
        let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "--level", level];
        RedisOps::new().args(line).json()
    };
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&tail, &changed).expect("written");
    assert_eq!(verified("manifest").0, 0);
    let (code, answer) = verified("checksum");
    assert_eq!(code, 2, "{answer}");
    assert!(answer["findings"].to_string().contains("tail-0001.zst"), "{answer}");
    std::fs::write(&tail, &whole[..middle]).expect("written");
    assert_eq!(verified("manifest").0, 2);
    std::fs::remove_file(&tail).expect("removed");
    let (code, answer) = verified("manifest");
    assert_eq!(code, 2, "{answer}");
    assert!(answer["findings"].to_string().contains("missing_object"), "{answer}");
    std::fs::write(&tail, &whole).expect("written");
    assert_eq!(verified("structure").0, 0);
    // A removal takes the tails along.
    let (_, answer) = RedisOps::new().args(["delete", "-r", &folder.text(), &id, "--yes", "--last"]).json();
    assert_eq!(folder.files(), Vec::<String>::new(), "{answer}");
}

#[test]
fn a_stream_that_grows_too_long_costs_one_more_rdb_and_then_the_barrier() {
    let Some(cluster) = any_kind().and_then(|installed| started(&installed)) else { return };
    cluster.fill(60);
    let folder = Folder::new();
    let more = ["--json", "--tail-limit", "200"];
    // The last shard is read slowly, so that those before it are written to meanwhile.
    cluster.primary(2).ok(&["CONFIG", "SET", "rdb-key-save-delay", "20000"]);
    let run = |more: &[&str]| while_chains_are_written(&cluster, || backup(&cluster.url(), &folder.text(), more).run());
    let refused = run(&[&more[..], &["--consistent", "barrier"]].concat());
    assert_eq!(failure(&refused), (2, "no_barrier".to_owned()), "{}", refused.everything());
    assert!(refused.text().contains("--tail-limit"), "{}", refused.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
    let taken = run(&more);
    let manifest = &taken.json()["backup"];
    assert_eq!(
        (taken.code, &manifest["consistency"]),
        (0, &"point_in_time_per_shard".into()),
        "{}",
        taken.everything()
    );
    assert!(manifest["no_barrier"].to_string().contains("--tail-limit"), "{manifest}");
    assert!(manifest["skew_seconds"].as_f64().is_some_and(|skew| skew > 0.0), "{manifest}");
    // What the second RDB has taken the place of is gone.
    let rdbs = folder.files().into_iter().filter(|file| file.contains("shard-") || file.contains("tail-")).count();
    assert_eq!(rdbs, 3, "{:?}", folder.files());
}

#[test]
fn a_shutdown_does_not_wait_for_a_follower() {
    for installed in kinds() {
        let Some(mut cluster) = started(&installed) else { return };
        cluster.fill(300);
        cluster.primary(2).ok(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
        let folder = Folder::new();
        let running = backup(&cluster.url(), &folder.text(), &["--json"]).spawn();
        // The shards of one machine are read one after the other.
        cluster.primary(2).wait_for("the last shard is read", |node| node.info("rdb_bgsave_in_progress") == "1");
        assert!(cluster.primary(0).info("slave0").contains("ip=x.invalid,"), "{}", cluster.primary(0).info("slave0"));
        let begun = Instant::now();
        cluster.primary_mut(0).shut_down();
        let took = begun.elapsed();
        running.signal("KILL");
        // Without an answer it waits for ten seconds.
        assert!(took < Duration::from_secs(8), "{}: {took:?}", installed.name);
    }
}

#[test]
fn primaries_that_count_their_replicas_are_not_followed() {
    let Some(cluster) = any_kind().and_then(|installed| started(&installed)) else { return };
    cluster.fill(30);
    cluster.primary(1).ok(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let folder = Folder::new();
    let answer = backed_up(&cluster.url(), &folder.text(), &[]);
    assert!(answer["backup"]["no_barrier"].to_string().contains("min-replicas-to-write"), "{answer}");
}
