//! A cluster is backed up as one: a backup holds all shards, or there is none, and the cluster is as before.

use super::{Folder, backed_up, backup, failure};
use crate::support::cluster::{Cluster, any_kind, kinds};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, free_port, servers};

#[test]
fn a_cluster_is_backed_up_whole_whichever_of_its_nodes_is_named() {
    for installed in kinds() {
        let Some(cluster) = Cluster::start(&installed, &[]) else { return };
        let keys = cluster.fill(300);
        cluster.load_function();
        let (name, before) = (&installed.name, cluster.seen());
        let folder = Folder::new();
        for (url, read_from, role) in
            [(cluster.replica(1).url(), "auto", "replica"), (cluster.primary(2).url(), "primary", "primary")]
        {
            let more = ["--read-from", read_from, "--compression", "zstd", "--consistent", "none"];
            let answer = backed_up(&url, &folder.text(), &more);
            let manifest = &answer["backup"];
            let shards = manifest["shards"].as_array().expect("shards");
            let seen: Vec<_> = shards.iter().map(|shard| (shard["slots"].as_str(), shard["object"].as_str())).collect();
            assert_eq!(
                seen,
                [
                    (Some("0-5460"), Some("shard-0000.rdb.zst")),
                    (Some("5461-10922"), Some("shard-0001.rdb.zst")),
                    (Some("10923-16383"), Some("shard-0002.rdb.zst")),
                ],
                "{name}"
            );
            assert_eq!(manifest["consistency"], "point_in_time_per_shard", "{name}");
            assert!(manifest["skew_seconds"].as_f64().is_some_and(|skew| skew >= 0.0), "{name}: {manifest}");
            assert_eq!((&manifest["census"]["keys"], &manifest["census"]["functions"]), (&keys.into(), &1.into()));
            let of_shards: u64 = shards.iter().filter_map(|shard| shard["census"]["keys"].as_u64()).sum();
            assert_eq!(of_shards, keys, "{name}");
            assert!(shards.iter().all(|shard| shard["replid"].as_str().is_some_and(|id| id.len() == 40)), "{name}");
            assert!(shards.iter().all(|shard| shard["offset"].is_u64() && shard["moment"].is_object()), "{name}");
            let sources = answer["sources"].as_array().expect("sources");
            assert!(sources.len() == 3 && sources.iter().all(|source| source["role"] == role), "{name}: {answer}");
            assert!(sources.iter().all(|source| source["why"].is_string()), "{name}: {answer}");
        }
        let url = cluster.url();
        for level in ["manifest", "checksum", "structure"] {
            let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "--level", level];
            let (code, answer) = RedisOps::new().args(line).json();
            assert_eq!(code, 0, "{name} {level}: {answer}");
        }
        let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest", "-i", &url];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["comparison"]["equal"]), (0, &keys.into()), "{name}: {answer}");
        for line in [&["list"][..], &["show", "prod/latest"]] {
            let run = RedisOps::new().args(line).args(["-r", &folder.text()]).run();
            assert!(run.code == 0 && !run.text().contains("one shard"), "{name}: {}", run.everything());
        }
        let run = RedisOps::new().args(["show", "prod/latest", "-r", &folder.text()]).run();
        assert!(run.text().contains("5461-10922"), "{name}: {}", run.everything());
        assert_eq!(cluster.seen(), before, "{name}");
    }
}

#[test]
fn a_plan_names_the_node_of_each_shard_and_does_nothing() {
    let Some(cluster) = any_kind().and_then(|installed| Cluster::start(&installed, &[])) else { return };
    let keys = cluster.fill(60);
    let folder = Folder::new();
    // Whichever node is asked: by its address alone the next one would be another instance.
    for more in [&["--plan"][..], &[]] {
        let line = ["backup", "-i", &cluster.url(), "-r", &folder.text(), "--json"].map(str::to_owned);
        let run = RedisOps::new().args(line).args(more).run();
        assert_eq!(failure(&run), (3, "usage".to_owned()), "{}", run.everything());
        assert!(run.json()["error"]["hint"].to_string().contains("--name NAME"), "{}", run.everything());
    }
    let run = backup(&cluster.url(), &folder.text(), &["--plan", "--json"]).run();
    let plan = &run.json()["plan"];
    assert_eq!(
        (run.code, &plan["topology"], &plan["keys"]),
        (0, &"cluster".into(), &keys.into()),
        "{}",
        run.everything()
    );
    let shards = plan["shards"].as_array().expect("shards");
    let nodes: Vec<_> = shards.iter().map(|shard| shard["node"].as_str().unwrap_or_default().to_owned()).collect();
    let expected: Vec<String> = (0..3).map(|shard| format!("127.0.0.1:{}", cluster.replica(shard).port())).collect();
    assert_eq!(nodes, expected);
    assert!(shards.iter().all(|shard| shard["why"].as_str().is_some_and(|why| why.contains("replica"))), "{plan}");
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn slots_without_a_node_are_named_and_left_out_on_purpose_only() {
    let Some(installed) = any_kind() else { return };
    let settings = [("cluster-require-full-coverage", "no")];
    let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &settings) else { return };
    let keys = cluster.fill(300);
    for node in cluster.nodes() {
        node.ok(&["CLUSTER", "DELSLOTSRANGE", "16000", "16383"]);
    }
    let folder = Folder::new();
    let run = backup(&cluster.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "cluster_down".to_owned()), "{}", run.everything());
    assert!(run.text().contains("16000-16383"), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
    let run = backup(&cluster.url(), &folder.text(), &["--json", "--allow-gaps"]).run();
    let answer = run.json();
    assert_eq!(run.code, 1, "{}", run.everything());
    assert!(answer["backup"]["lacks"].to_string().contains("384 slots (16000-16383)"), "{answer}");
    assert_eq!(answer["backup"]["census"]["keys"], keys, "keys of these slots lie where they were");
}

#[test]
fn slots_on_the_move_are_waited_for_and_refused_when_they_do_not_come_to_rest() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    cluster.fill(60);
    let before = cluster.seen();
    let (from, to) = (cluster.primary(0), cluster.primary(1));
    let (from_id, to_id) = (from.ok(&["CLUSTER", "MYID"]), to.ok(&["CLUSTER", "MYID"]));
    to.ok(&["CLUSTER", "SETSLOT", "93", "IMPORTING", &from_id]);
    from.ok(&["CLUSTER", "SETSLOT", "93", "MIGRATING", &to_id]);
    let folder = Folder::new();
    for more in [&["--wait", "0s"][..], &["--plan"]] {
        let run = backup(&cluster.url(), &folder.text(), &[&["--json"], more].concat()).run();
        assert_eq!(failure(&run), (2, "slots_moving".to_owned()), "{more:?}: {}", run.everything());
        assert!(run.text().contains("93"), "{}", run.everything());
        assert_eq!(folder.files(), Vec::<String>::new());
    }
    let run = backup(&cluster.url(), &folder.text(), &["--json", "--allow-gaps"]).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    assert!(run.json()["backup"]["lacks"].to_string().contains("1 slot (93)"), "{}", run.everything());
    // It waits, and goes on when the slot has come to rest.
    let asked = |server: &RedisServer| server.info("cmdstat_cluster|migration");
    let before_it = asked(to);
    let waiting = std::thread::scope(|scope| {
        let running = scope.spawn(|| backup(&cluster.url(), &folder.text(), &["--json", "--wait", "2m"]).run());
        // It asks the primaries for slots on the move, and finds some.
        to.wait_for("it looks at the primaries", |server| asked(server) != before_it);
        to.ok(&["CLUSTER", "SETSLOT", "93", "STABLE"]);
        from.ok(&["CLUSTER", "SETSLOT", "93", "STABLE"]);
        running.join().expect("no panic")
    });
    assert_eq!(waiting.code, 0, "{}", waiting.everything());
    assert_eq!(cluster.seen(), before);
}

#[test]
fn a_node_that_announces_an_address_nobody_reaches_is_named_and_reached_by_a_map() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    let keys = cluster.fill(60);
    let nowhere = free_port();
    let hidden = cluster.primary(1);
    hidden.ok(&["CONFIG", "SET", "cluster-announce-port", &nowhere.to_string()]);
    cluster.primary(0).wait_for("it is heard", |node| node.ok(&["CLUSTER", "NODES"]).contains(&format!(":{nowhere}@")));
    let folder = Folder::new();
    let run = backup(&cluster.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}", run.everything());
    assert!(run.text().contains(&format!("127.0.0.1:{nowhere}")), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
    let map = format!("127.0.0.1:{nowhere}=127.0.0.1:{}", hidden.port());
    let answer = backed_up(&cluster.url(), &folder.text(), &["--nat-map", &map]);
    assert_eq!(answer["backup"]["census"]["keys"], keys);
}

#[test]
fn a_shard_whose_primary_is_gone_is_read_from_its_replica_and_the_rest_as_ever() {
    let Some(mut cluster) = any_kind().and_then(|installed| Cluster::start(&installed, &[])) else { return };
    let keys = cluster.fill(60);
    cluster
        .replica(1)
        .wait_for("it has all", |node| node.info("slave_repl_offset") == cluster.primary(1).info("master_repl_offset"));
    cluster.primary_mut(1).kill();
    let folder = Folder::new();
    // Nobody has taken its place yet.
    let run = backup(&cluster.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}", run.everything());
    assert!(run.text().contains("5461-10922"), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
    cluster.replica(1).ok(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    let serves = |node: &RedisServer| node.ok(&["CLUSTER", "SLOTS"]).contains(&cluster.replica(1).port().to_string());
    for index in [0, 2, 3, 4, 5] {
        cluster.nodes()[index].wait_for("the others know", serves);
    }
    let answer = backed_up(&cluster.url(), &folder.text(), &[]);
    assert_eq!((&answer["backup"]["census"]["keys"], &answer["sources"][1]["role"]), (&keys.into(), &"primary".into()));
}

#[test]
fn a_node_that_dies_while_it_is_read_is_replaced_by_another_of_its_shard() {
    let Some(mut cluster) = any_kind().and_then(|installed| Cluster::start(&installed, &[])) else { return };
    let keys = cluster.fill(300);
    // Its data take a while: it is in the middle when it dies.
    cluster.primary(1).ok(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
    cluster.primary(1).ok(&["CONFIG", "SET", "repl-diskless-sync", "yes"]);
    let (folder, url) = (Folder::new(), cluster.url());
    let text = folder.text();
    let run = std::thread::scope(|scope| {
        let running = scope.spawn(|| backup(&url, &text, &["--json", "--read-from", "primary"]).run());
        cluster.primary(1).wait_for("it is read", |node| node.info("rdb_bgsave_in_progress") == "1");
        cluster.primary_mut(1).kill();
        cluster.replica(1).ok(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
        running.join().expect("no panic")
    });
    let answer = run.json();
    assert_eq!((run.code, &answer["backup"]["census"]["keys"]), (0, &keys.into()), "{}", run.everything());
    let node = format!("127.0.0.1:{}", cluster.replica(1).port());
    assert_eq!(answer["backup"]["shards"][1]["node"], node, "{answer}");
    let line = ["verify", "-r", &text, "--backup-id", "prod/latest"];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!(code, 0, "{answer}");
}

#[test]
fn a_shard_that_nobody_can_give_leaves_nothing_of_the_others() {
    let Some(installed) = any_kind() else { return };
    let Some(mut cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    cluster.fill(300);
    cluster.primary(2).ok(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
    let (folder, url) = (Folder::new(), cluster.url());
    let text = folder.text();
    let run = std::thread::scope(|scope| {
        let running = scope.spawn(|| backup(&url, &text, &["--json", "--shard-retries", "0"]).run());
        cluster.primary(2).wait_for("it is read", |node| node.info("rdb_bgsave_in_progress") == "1");
        cluster.primary_mut(2).kill();
        running.join().expect("no panic")
    });
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(run.json()["error"]["message"].as_str().is_some_and(|words| words.contains("nothing was published")));
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn where_replication_is_forbidden_each_shard_is_read_key_by_key() {
    let Some(cluster) = any_kind().and_then(|installed| Cluster::start(&installed, &[])) else { return };
    let keys = cluster.fill(120);
    for node in cluster.nodes() {
        node.ok(&["ACL", "SETUSER", "ops", "on", ">secret", "~*", "+@all", "-psync", "-sync"]);
    }
    let folder = Folder::new();
    let run = backup(&cluster.url(), &folder.text(), &["--json", "--username", "ops"]);
    let run = run.env("REDIS_OPS_PASSWORD", "secret").run();
    let answer = run.json();
    assert_eq!((run.code, &answer["backup"]["consistency"]), (1, &"fuzzy".into()), "{}", run.everything());
    assert_eq!(answer["backup"]["census"]["keys"], keys);
    assert!(answer["sources"].as_array().is_some_and(|all| all.iter().all(|source| source["method"] == "scan")));
}

#[test]
fn nodes_of_two_versions_are_one_cluster() {
    let versions: Vec<_> =
        servers().into_iter().filter(|installed| ["7.0", "7.4"].iter().any(|kind| installed.is(kind))).collect();
    let [old, new] = versions.as_slice() else { return };
    let Some(cluster) = Cluster::of(&[old, new, old], false, &[]) else { return };
    let keys = cluster.fill(120);
    let folder = Folder::new();
    let answer = backed_up(&cluster.url(), &folder.text(), &[]);
    assert_eq!(answer["backup"]["census"]["keys"], keys);
    let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest"];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!(code, 0, "{answer}");
}

#[test]
fn a_backup_of_a_cluster_goes_into_a_single_server() {
    for installed in kinds() {
        let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
        let keys = cluster.fill(300);
        cluster.load_function();
        let folder = Folder::new();
        backed_up(&cluster.url(), &folder.text(), &[]);
        for method in ["auto", "restore", "commands"] {
            let Some(single) = RedisServer::builder().version(&installed).start() else { return };
            let url = single.url();
            let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
            let (code, answer) = RedisOps::new().args(line).args(["--method", method]).json();
            assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{}: {answer}", installed.name);
            assert_eq!(answer["proof"]["equal"], keys, "{}: {answer}", installed.name);
            assert_eq!(single.ok(&["DBSIZE"]), keys.to_string());
            assert!(single.ok(&["FUNCTION", "LIST"]).contains("mine"));
        }
    }
}

#[test]
fn shards_with_other_code_under_one_name_are_told_and_the_restore_loads_the_code_of_the_first() {
    let Some(installed) = any_kind() else { return };
    let three = [&installed, &installed, &installed];
    let Some(cluster) = Cluster::of(&three, false, &[]) else { return };
    let keys = cluster.fill(60);
    cluster.load_function();
    let other = "#!lua name=mine\nredis.register_function('mine', function() return 2 end)";
    cluster.primary(1).ok(&["FUNCTION", "LOAD", "REPLACE", other]);
    cluster.primary(0).ok(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=one\nredis.register_function('one', function() return 1 end)",
    ]);
    let folder = Folder::new();
    let run = backup(&cluster.url(), &folder.text(), &["--json"]).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    let warnings = run.json()["warnings"].to_string();
    let told = "shard 1 and shards 0, 2 have different code in the function library `mine`: a restore loads the code of shards 0, 2";
    assert!(warnings.contains(told), "{warnings}");
    assert!(warnings.contains("shards 1, 2 lacked the function library `one`"), "{warnings}");
    let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest"];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!(code, 1, "{answer}");
    assert!(answer["findings"].to_string().contains("functions_differ"), "{answer}");
    let Some(target) = Cluster::of(&three, false, &[]) else { return };
    let url = target.url();
    let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
    let run = RedisOps::new().args(line).args(["--json"]).run();
    assert_eq!(failure(&run), (2, "functions_refused".to_owned()), "{}", run.everything());
    let told = "shard 1 has other code of it than shard 0, whose code is loaded";
    assert!(run.text().contains(told), "{}", run.everything());
    for more in [&[][..], &["--on-conflict", "replace", "--yes", "--no-safety-backup"]] {
        let (code, answer) = RedisOps::new().args(line).args(["--accept-loss"]).args(more).json();
        assert_eq!((code, &answer["result"]["restored"]), (1, &keys.into()), "{answer}");
        for node in target.nodes() {
            assert_eq!(node.ok(&["FCALL", "mine", "0"]), "1", "{answer}");
            assert_eq!(node.ok(&["FCALL", "one", "0"]), "1", "{answer}");
        }
    }
}

/// An atomic migration of these slots from the first primary to the second that does not come to its end by itself.
fn migrate(cluster: &Cluster, first: &str, last: &str) {
    let (from, to) = (cluster.primary(0), cluster.primary(1));
    from.ok(&["CONFIG", "SET", "rdb-key-save-delay", "20000"]);
    match from.cli(&["CLUSTER", "GETSLOTMIGRATIONS"]).starts_with("ERR") {
        true => to.ok(&["CLUSTER", "MIGRATION", "IMPORT", first, last]),
        false => {
            let id = to.ok(&["CLUSTER", "MYID"]);
            from.ok(&["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", &id])
        }
    };
}

#[test]
fn keys_of_slots_that_are_still_on_their_way_to_a_node_are_neither_counted_nor_restored() {
    // Valkey counts no keys of slots on their way: nobody can wait for the first of them there.
    if let Some(installed) = any_kind() {
        let name = &installed.name;
        let three = [&installed, &installed, &installed];
        let Some(cluster) = Cluster::of(&three, false, &[]) else { return };
        let keys = cluster.fill(3_000);
        migrate(&cluster, "0", "3000");
        let (folder, url) = (Folder::new(), cluster.url());
        let held =
            |node: &RedisServer| node.info("db0").split(['=', ',']).nth(1).and_then(|keys| keys.parse::<u64>().ok());
        let before = held(cluster.primary(1));
        cluster.primary(1).wait_for("some keys have come", |node| held(node) > before);
        let run = backup(&url, &folder.text(), &["--json", "--wait", "0s"]).run();
        assert_eq!(failure(&run), (2, "slots_moving".to_owned()), "{name}: {}", run.everything());
        let run = backup(&url, &folder.text(), &["--json", "--allow-gaps", "--parallel", "3"]).run();
        let answer = run.json();
        // The node that sends the slots may be read when they have gone: what is missing then is named, and nothing is there twice.
        let counted = answer["backup"]["census"]["keys"].as_u64().unwrap_or_default();
        assert!(run.code == 1 && counted <= keys, "{name}: {counted} of {keys}: {}", run.everything());
        assert!(answer["backup"]["lacks"].to_string().contains("0-3000"), "{name}: {answer}");
        let outside = answer["backup"]["shards"][1]["keys_outside"].as_u64();
        assert!(outside.is_some_and(|keys| keys > 0), "{name}: {answer}");
        let line = ["verify", "-r", &folder.text(), "--backup-id", "prod/latest"];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!(code, 1, "{name}: {answer}");
        let Some(target) = Cluster::of(&three, false, &[]) else { return };
        let url = target.url();
        let line = ["restore", "-r", &folder.text(), "--backup-id", "prod/latest", "--target-instance", &url];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!(
            (&answer["result"]["restored"], target.keys()),
            (&counted.into(), counted),
            "{name} {code}: {answer}"
        );
        assert_eq!(answer["proof"]["equal"], counted, "{name}: {answer}");
        assert!(!answer.to_string().contains("another client"), "{name}: {answer}");
    }
}

#[test]
fn who_may_not_see_a_migration_is_told_which_right_is_missing() {
    for installed in kinds() {
        let name = &installed.name;
        let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
        let keys = cluster.fill(60);
        let rights = ["ping", "info", "psync", "sync", "replconf", "client|setname", "cluster|nodes", "cluster|shards"];
        let grant = |rules: &[&str]| {
            for node in cluster.nodes() {
                let rules: Vec<String> = rules.iter().map(|rule| format!("+{rule}")).collect();
                let line = ["ACL", "SETUSER", "ops", "on", ">secret", "resetkeys", "-@all"];
                node.ok(&line.into_iter().chain(rules.iter().map(String::as_str)).collect::<Vec<_>>());
            }
        };
        let folder = Folder::new();
        let run = |more: &[&str]| {
            let run = backup(&cluster.url(), &folder.text(), &[&["--json", "--username", "ops"], more].concat());
            run.env("REDIS_OPS_PASSWORD", "secret").run()
        };
        grant(&rights[..6]);
        let asked = run(&["--plan"]);
        assert_eq!(failure(&asked), (2, "permission_denied".to_owned()), "{name}: {}", asked.everything());
        let migration = ["8.10", "valkey-server-9"].into_iter().zip(["cluster|migration", "cluster|getslotmigrations"]);
        let migration = migration.into_iter().find(|(kind, _)| installed.is(kind)).map(|(_, right)| right);
        for right in [Some("cluster|nodes"), Some("cluster|shards"), migration].into_iter().flatten() {
            let hint = asked.json()["error"]["hint"].to_string();
            assert!(hint.contains(&format!("+{right}")), "{name} {right}: {}", asked.everything());
        }
        grant(&rights);
        let Some(right) = migration else {
            assert_eq!(run(&[]).code, 0, "{name}");
            continue;
        };
        for more in [&[][..], &["--plan"]] {
            let asked = run(more);
            assert_eq!(failure(&asked), (2, "permission_denied".to_owned()), "{name}: {}", asked.everything());
            assert!(asked.text().contains(&format!("+{right}")), "{name}: {}", asked.everything());
            assert!(asked.text().contains("--allow-gaps"), "{name}: {}", asked.everything());
        }
        let asked = run(&["--allow-gaps"]);
        assert_eq!((asked.code, &asked.json()["backup"]["census"]["keys"]), (1, &keys.into()), "{name}");
        assert!(asked.json()["backup"]["lacks"].to_string().contains(right), "{name}: {}", asked.everything());
        grant(&[&rights[..], &[right]].concat());
        assert_eq!(run(&[]).code, 0, "{name}");
    }
}

#[test]
fn a_shard_without_a_living_node_is_left_out_on_purpose_only() {
    let Some(installed) = any_kind() else { return };
    let Some(mut cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    let keys = cluster.fill(300);
    let lost: u64 = cluster.primary(1).ok(&["DBSIZE"]).parse().expect("a number");
    cluster.primary_mut(1).kill();
    let (folder, url) = (Folder::new(), cluster.url());
    let run = backup(&url, &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (2, "source_not_fit".to_owned()), "{}", run.everything());
    assert!(run.json()["error"]["hint"].to_string().contains("--allow-gaps"), "{}", run.everything());
    let run = backup(&url, &folder.text(), &["--json", "--allow-gaps", "--read-from", "replica"]).run();
    assert!(run.json()["error"]["hint"].to_string().contains("--read-from auto"), "{}", run.everything());
    assert_eq!(folder.files(), Vec::<String>::new());
    let run = backup(&url, &folder.text(), &["--plan", "--allow-gaps"]).run();
    assert!(run.everything().contains("2 of the 3 shards of a cluster"), "{}", run.everything());
    let run = backup(&url, &folder.text(), &["--allow-gaps"]).run();
    assert!(run.code == 1 && run.text().contains("2 of the 3 shards of a cluster"), "{}", run.everything());
    let folder = Folder::new();
    let run = backup(&url, &folder.text(), &["--json", "--allow-gaps"]).run();
    let answer = run.json();
    assert_eq!((run.code, &answer["backup"]["census"]["keys"]), (1, &(keys - lost).into()), "{}", run.everything());
    assert!(answer["backup"]["lacks"].to_string().contains("5,462 slots (5461-10922) have no node"), "{answer}");
    assert_eq!(answer["backup"]["shards"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[test]
fn an_archive_of_a_cluster_is_refused_and_the_backup_of_the_whole_is_named() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = Cluster::of(&[&installed, &installed, &installed], false, &[]) else { return };
    let folder = Folder::new();
    let line = ["archive", "-i", &cluster.url(), "-r", &folder.text(), "--name", "prod", "--json"];
    let run = RedisOps::new().args(line).run();
    assert_eq!(failure(&run), (2, "one_shard".to_owned()), "{}", run.everything());
    assert!(run.text().contains("archives of clusters are not supported yet"), "{}", run.everything());
    assert!(run.json()["error"]["hint"].to_string().contains("backup -i"), "{}", run.everything());
}
