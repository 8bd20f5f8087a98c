//! What changed between two backups; and a data set in several shards.

use std::sync::Arc;

use redis_ops::capture::Inspector;
use redis_ops::census;
use redis_ops::codec::Sha256Digest;
use redis_ops::connection::{Address, Node};
use redis_ops::dataset::{Backup, Dataset};
use redis_ops::examination;
use redis_ops::progress::Hidden;
use redis_ops::repository::manifest::{Manifest, Shard};
use redis_ops::repository::{BegunBy, Repository};
use redis_ops::storage::Memory;
use redis_ops::verify::comparing::{Comparison, Options};
use redis_ops::verify::live::{self, Expected, Living};
use redis_ops::verify::view::{Mapping, View};
use redis_ops::verify::{Level, against};
use tokio_util::sync::CancellationToken;

use super::{backup_into, repository_of, repository_of_what_expires, told, verify};
use crate::support::redis_server::RedisServer;
use crate::support::sample;

#[test]
fn what_changed_between_two_backups_is_named() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    let (folder, yesterday) = repository_of(&server);
    for command in
        [&["SET", "comes", "1"][..], &["DEL", "number"], &["ZADD", "zset", "2", "a"], &["PERSIST", "expires"]]
    {
        server.ok(command);
    }
    let today = backup_into(&folder, &server);
    let (code, answer) = verify(&folder, &["--backup-id", &yesterday, "--against", &today]).json();
    let (counts, named) = told(&answer);
    assert_eq!((code, counts), (2, [1, 1, 2]), "{answer:#}");
    assert_eq!(named, ["expiry expires", "extra comes", "missing number", "value zset"]);
    assert_eq!(answer["against"]["backup_id"], today.as_str());
    // The other way round, and with itself.
    let (_, answer) = verify(&folder, &["--backup-id", &today, "--against", &yesterday]).json();
    assert_eq!(told(&answer).1, ["expiry expires", "extra number", "missing comes", "value zset"]);
    let (code, answer) = verify(&folder, &["--backup-id", &today, "--against", &today]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "equal whatever is in it: {answer}");
}

#[test]
fn what_expired_between_two_backups_is_no_difference() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(50, 10);
    let set = |milliseconds: &str| drop(server.ok(&["SET", "short", "x", "PX", milliseconds]));
    let lives = |server: &RedisServer| server.ok(&["EXISTS", "short"]) == "1";
    let (folder, yesterday) = repository_of_what_expires(&server, set, lives);
    let today = backup_into(&folder, &server);
    let (code, answer) = verify(&folder, &["--backup-id", &yesterday, "--against", &today]).json();
    assert_eq!(
        (code, told(&answer).0, answer["comparison"]["expired"].as_u64()),
        (0, [0, 0, 0], Some(1)),
        "{answer:#}"
    );
}

#[test]
fn an_instance_and_another_backup_at_once_are_too_much() {
    let run = crate::support::redis_ops::RedisOps::new()
        .args(["verify", "-r", "/nowhere", "-i", "redis://127.0.0.1:1", "--against", "latest"])
        .run();
    assert_eq!(run.code, 3, "{}", run.everything());
}

/// A backup of several RDBs, as of the shards of a cluster.
async fn published(repository: &Repository, instance: &str, rdbs: &[Vec<u8>], with_census: bool) -> Manifest {
    let now = "2024-01-01T01:00:00Z".parse().unwrap();
    let by = BegunBy { host: "test".into(), pid: 1 };
    let draft = repository.begin(instance, now, by).await.unwrap();
    let (mut shards, mut all) = (Vec::new(), None::<census::Census>);
    for (index, rdb) in rdbs.iter().enumerate() {
        let object = format!("shard-{index:04}.rdb");
        let mut upload = draft.upload(&object).await.unwrap();
        upload.write(rdb.clone().into()).await.unwrap();
        upload.complete().await.unwrap();
        let mut inspector = Inspector::with_census(0);
        inspector.push(rdb).unwrap();
        let inspected = inspector.finish().unwrap();
        let own = inspected.census.clone().unwrap();
        all = Some(all.map_or_else(|| own.clone(), |all| all.merged(&own)));
        shards.push(Shard {
            index: index as u32,
            slots: Some("0-1".into()),
            node: "10.0.0.1:6379".into(),
            replid: String::new(),
            offset: None,
            rdb_version: inspected.rdb_version,
            aux: inspected.aux.clone(),
            object,
            raw_bytes: rdb.len() as u64,
            stored_bytes: rdb.len() as u64,
            raw_sha256: Sha256Digest::of(rdb),
            stored_sha256: Sha256Digest::of(rdb),
            crc64: inspected.crc64(),
            frames: 0,
            moment: None,
            consistency: None,
            structure: None,
            census: None,
            keys_outside: 0,
            tail: None,
        });
    }
    let all = all.unwrap();
    let mut summary = examination::summarize(&all);
    if with_census {
        let bytes = census::encode(&all);
        (summary.object, summary.sha256) = (Some("census.bin".into()), Some(Sha256Digest::of(&bytes)));
        draft.put_small("census.bin", bytes.into()).await.unwrap();
    }
    let text = serde_json::json!({
        "format_version": 1, "id": draft.id().to_string(), "instance": instance, "created_at": now, "finished_at": now,
        "type": "rdb", "purpose": "manual", "consistency": "point_in_time", "tool_version": "0", "labels": {},
        "server": {"name": "redis", "version": "7.0.15"}, "compression": "none", "encryption": null, "shards": shards,
        "census": summary, "structure": {"state": "verified", "understood_up_to": 0},
    });
    let manifest: Manifest = serde_json::from_value(text).unwrap();
    repository.commit(&draft, manifest).await.unwrap()
}

async fn against_server(repository: &Repository, manifest: &Manifest, servers: &[&RedisServer]) -> Comparison {
    let (progress, cancel) = (Hidden::default(), CancellationToken::new());
    let data = Dataset::backup(repository, manifest.clone());
    let expected = Expected::whole(&data);
    let mut payloads = Vec::new();
    for server in servers {
        let node = Node::new(Address::tcp("127.0.0.1", server.port()));
        let asked = live::replication_options(&node);
        payloads.push(live::snapshot(&node, &asked, &cancel).await.unwrap());
    }
    let mut living: Vec<Living> =
        payloads.iter_mut().map(|payload| Living { node: "node".into(), data: payload }).collect();
    let options = Options::default();
    live::compare(&expected, &mut living, &View::Everything, &options, &progress, &cancel).await.unwrap()
}

#[tokio::test]
async fn shards_of_a_cluster_and_one_server_hold_the_same() {
    let (Some(one), Some(two), Some(whole)) = (RedisServer::start(), RedisServer::start(), RedisServer::start()) else {
        return;
    };
    for n in 0..2000 {
        let (key, value) = (format!("key:{n}"), format!("value {n}"));
        whole.ok(&["SET", &key, &value]);
        if n % 3 == 0 { &one } else { &two }.ok(&["SET", &key, &value]);
    }
    let repository = Repository::new(Arc::new(Memory::new()));
    let rdbs = [sample::rdb(&one), sample::rdb(&two)];
    let cluster = published(&repository, "cluster", &rdbs, true).await;
    let single = published(&repository, "single", &[sample::rdb(&whole)], false).await;

    let (progress, cancel) = (Hidden::default(), CancellationToken::new());
    let report =
        redis_ops::verify::backup(&Backup::new(&repository, cluster.clone()), Level::Structure, &progress, &cancel)
            .await
            .unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    // A backup of the cluster against one server, of one server against the nodes of a cluster, and against each other.
    assert!(against_server(&repository, &cluster, &[&whole]).await.is_equal());
    assert!(against_server(&repository, &single, &[&one, &two]).await.is_equal());
    let (left, right) = (Dataset::backup(&repository, cluster), Dataset::backup(&repository, single.clone()));
    let options = Options::default();
    let compared = against::compare(&left, &right, &View::Everything, &options, &progress, &cancel).await.unwrap();
    assert!(compared.is_equal() && compared.differences.equal == 2000);

    two.ok(&["SET", "key:1", "other"]);
    let compared = against_server(&repository, &single, &[&one, &two]).await;
    let named: Vec<_> = compared.differences.examples.iter().map(|one| one.key.1.clone()).collect();
    assert_eq!(named, [b"key:1".to_vec()]);
}

#[tokio::test]
async fn a_view_says_what_a_restore_leaves_behind() {
    use redis_ops::census::{Candidate, Chosen, Glob, Selection};
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    let later = "4102444800000";
    for command in [&["SET", "user:1", "a"][..], &["PEXPIREAT", "user:1", later], &["SET", "other", "b"]] {
        source.ok(command);
    }
    // Restored: only `user:*`, into database 3, expiring an hour later; beside what was there.
    let mut client = target.client();
    for command in ["SELECT 3", "SET user:1 a", "PEXPIREAT user:1 4102448400000", "SET unrelated x"] {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        client.ask(&words).unwrap();
    }
    let repository = Repository::new(Arc::new(Memory::new()));
    let manifest = published(&repository, "source", &[sample::rdb(&source)], true).await;
    struct Moved;
    impl Mapping for Moved {
        fn may_take(&self, _database: u64, key: &[u8]) -> bool {
            key.starts_with(b"user:")
        }
        fn database(&self, _database: u64) -> u64 {
            3
        }
        fn choose(&self, candidate: &Candidate<'_>) -> Chosen {
            Chosen::Take { expire_ms: candidate.expire_ms.map(|at| at + 3_600_000) }
        }
    }
    let data = Dataset::backup(&repository, manifest);
    let expected = Expected { data: &data, view: View::Mapped(Arc::new(Moved)), census: None };
    let (progress, cancel) = (Hidden::default(), CancellationToken::new());
    let seen = View::of(Selection { keys: vec![Glob::new("user:*")], databases: [3].into(), ..Selection::default() });
    let compare = async || {
        let node = Node::new(Address::tcp("127.0.0.1", target.port()));
        let asked = live::replication_options(&node);
        let mut payload = live::snapshot(&node, &asked, &cancel).await.unwrap();
        let mut living = [Living { node: "target".into(), data: &mut payload }];
        let options = Options { functions: false, ..Options::default() };
        live::compare(&expected, &mut living, &seen, &options, &progress, &cancel).await.unwrap()
    };
    let compared = compare().await;
    assert!(compared.is_equal() && compared.differences.equal == 1, "{compared:?}");
    assert_eq!((compared.left_out.taken, compared.left_out.left), (1, 1));
    client.ask(&[b"PEXPIREAT", b"user:1", later.as_bytes()]).unwrap();
    assert_eq!(compare().await.differences.different_expiry, 1);
}
