//! Manifests that were changed and sealed again: what they say of the RDB is held against the RDB.

use std::path::PathBuf;

use redis_ops::census;
use redis_ops::repository::manifest::{Compression, Consistency, Manifest};
use serde_json::{Value, json};

use super::{backup_into, repository_of, verify};
use crate::backup::Folder;
use crate::support::redis_server::RedisServer;

type Lie = (&'static str, fn(&mut Manifest));

/// What is said of a fact, and what contradicts the RDB then.
const LIES: [Lie; 16] = [
    ("RDB version", |manifest| manifest.shards[0].rdb_version -= 1),
    ("aux field redis-ver", |manifest| {
        manifest.shards[0].aux.insert("redis-ver".into(), "6.0.0".into());
    }),
    ("aux field made-up", |manifest| {
        manifest.shards[0].aux.insert("made-up".into(), "1".into());
    }),
    ("bytes understood", |manifest| manifest.structure.understood_up_to -= 1),
    ("bytes understood", |manifest| manifest.shards[0].structure.as_mut().unwrap().understood_up_to -= 1),
    ("databases that are needed", |manifest| manifest.needs.as_mut().unwrap().databases = 99),
    ("modules that are needed", |manifest| manifest.needs.as_mut().unwrap().modules.push("made-up".into())),
    ("oldest server that loads it", |manifest| {
        manifest.needs.as_mut().unwrap().version = Some("redis 9.9".into());
    }),
    ("function libraries that are needed", |manifest| manifest.needs.as_mut().unwrap().functions += 1),
    ("data of modules", |manifest| {
        manifest.module_aux = Some([("made-up".to_owned(), 1)].into());
    }),
    ("keys", |manifest| manifest.census.as_mut().unwrap().keys += 1),
    ("keys with an expiry", |manifest| manifest.census.as_mut().unwrap().expires += 1),
    ("keys by database", |manifest| {
        manifest.census.as_mut().unwrap().by_database.clear();
    }),
    ("keys by type", |manifest| {
        manifest.census.as_mut().unwrap().by_type.clear();
    }),
    ("bytes by type", |manifest| {
        manifest.census.as_mut().unwrap().bytes_by_type.insert("string".into(), 1);
    }),
    ("content digest", |manifest| {
        manifest.census.as_mut().unwrap().digest = "0".repeat(32);
    }),
];

struct Kept {
    folder: Folder,
    id: String,
    sealed: Vec<u8>,
}

impl Kept {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("prod").join(&self.id).join(name)
    }

    /// Code and answer of `verify`, once the manifest says something else.
    fn verified(&self, change: impl FnOnce(&mut Manifest)) -> (i32, Value) {
        let mut manifest = Manifest::decode(&self.sealed).unwrap();
        change(&mut manifest);
        let path = self.path("manifest.json");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, manifest.encode().unwrap()).unwrap();
        verify(&self.folder, &["--backup-id", "latest"]).json()
    }
}

fn kept(server: &RedisServer) -> Kept {
    server.fill(200, 10);
    server.ok(&["SET", "expires", "x", "EX", "100000"]);
    server.ok(&["HSET", "hash", "field", "value"]);
    let (folder, id) = repository_of(server);
    let path = folder.path().join("prod").join(&id).join("manifest.json");
    let sealed = std::fs::read(path).unwrap();
    Kept { folder, id, sealed }
}

#[test]
fn each_fact_of_a_manifest_that_the_rdb_states_is_held_against_it() {
    let Some(server) = RedisServer::start() else { return };
    let kept = kept(&server);
    let (code, answer) = kept.verified(|_| {});
    assert_eq!((code, &answer["findings"]), (0, &json!([])), "{answer:#}");
    for (fact, lie) in LIES {
        let (code, answer) = kept.verified(lie);
        assert_eq!(code, 2, "{fact}: {answer:#}");
        let finding = &answer["findings"][0];
        assert_eq!(finding["evidence"]["of"], fact, "{answer:#}");
        assert!(["manifest_mismatch", "census_mismatch"].contains(&finding["id"].as_str().unwrap()), "{answer:#}");
        assert!(finding["evidence"]["expected"] != finding["evidence"]["found"], "{answer:#}");
        // What only reading the RDB tells a look at the objects does not.
        assert_eq!(verify(&kept.folder, &["--level", "checksum", "--backup-id", "latest"]).run().code, 0, "{fact}");
    }
    let (code, answer) = kept.verified(|manifest| manifest.server.version = "6.0.0".into());
    let finding = &answer["findings"][0];
    assert_eq!((code, &finding["severity"]), (1, &json!("warning")), "{answer:#}");
    assert_eq!(finding["evidence"]["of"], "server version", "{answer:#}");
    for codec in [Compression::None, Compression::Zstd] {
        let (code, answer) = kept.verified(|manifest| manifest.compression = codec);
        assert_eq!((code, &answer["findings"][0]["severity"]), (2, &json!("critical")), "{answer:#}");
    }
    // A manifest of an earlier version does not say all of it.
    let (code, answer) = kept.verified(|manifest| {
        (manifest.needs, manifest.module_aux, manifest.moment) = (None, None, None);
        let shard = &mut manifest.shards[0];
        (shard.structure, shard.consistency, shard.moment) = (None, None, None);
        shard.aux.clear();
    });
    assert_eq!((code, &answer["findings"]), (0, &json!([])), "{answer:#}");
}

#[test]
fn without_a_census_or_with_another_digest_nobody_can_tell() {
    let Some(server) = RedisServer::start() else { return };
    let kept = kept(&server);
    for change in [(|manifest: &mut Manifest| manifest.census = None) as fn(&mut Manifest), |manifest| {
        manifest.census.as_mut().unwrap().digest_version = 7
    }] {
        let (code, answer) = kept.verified(change);
        assert_eq!((code, &answer["findings"][0]["id"]), (3, &json!("could_not_tell")), "{answer:#}");
        let text = verify(&kept.folder, &["--backup-id", "latest"]).run();
        assert!(!text.text().contains("every key is counted"), "{}", text.text());
        assert!(text.text().contains("could not tell"), "{}", text.text());
    }
}

/// The digest is what a manifest says of the content, and the SHA-256 of the object what its bytes are: a restore goes by the bytes, and a
/// verification says that the manifest is wrong.
#[test]
fn an_edited_digest_is_found_by_verify_and_costs_a_restore_nothing() {
    let (Some(server), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    let kept = kept(&server);
    let (code, answer) = kept.verified(|manifest| manifest.census.as_mut().unwrap().digest = "0".repeat(32));
    assert_eq!((code, &answer["findings"][0]["evidence"]["of"]), (2, &json!("content digest")), "{answer:#}");
    for more in [&[][..], &["--no-proof"]] {
        let restore = crate::support::redis_ops::RedisOps::new().args(["restore", "latest", "-r", &kept.folder.text()]);
        let restore = restore.args(["--target-instance", &target.url(), "--yes", "--progress", "none"]);
        let (code, answer) = restore.args(more).json();
        // The verification above was a no: that is said beside what was restored.
        assert_eq!((code, &answer["result"]["failed"]), (1, &json!(0)), "{more:?}: {answer:#}");
        assert_eq!(target.ok(&["DBSIZE"]), server.ok(&["DBSIZE"]), "{more:?}");
        target.ok(&["FLUSHALL"]);
        target.reply(&["FUNCTION", "FLUSH"]);
    }
}

#[test]
fn a_backup_by_scan_is_no_moment_whatever_its_manifest_says() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(50, 10);
    // Who may not replicate is read key by key.
    server.ok(&["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-psync", "-sync"]);
    let folder = Folder::new();
    let url = server.url().replacen("redis://", "redis://reader:pw@", 1);
    let made = crate::support::redis_ops::RedisOps::new()
        .args(["backup", "-i", &url, "-r", &folder.text(), "--name", "prod", "--progress", "none"])
        .json();
    let id = made.1["backup"]["id"].as_str().unwrap_or_else(|| panic!("{:#}", made.1)).to_owned();
    let sealed = std::fs::read(folder.path().join("prod").join(&id).join("manifest.json")).unwrap();
    let kept = Kept { folder, id, sealed };
    assert_eq!(kept.verified(|_| {}).0, 0);
    let (code, answer) = kept.verified(|manifest| {
        manifest.consistency = Consistency::PointInTime;
        manifest.shards[0].consistency = None;
    });
    assert_eq!((code, &answer["findings"][0]["evidence"]["of"]), (2, &json!("consistency")), "{answer:#}");
}

/// Keys are compared with those of a server by it.
#[test]
fn the_census_beside_the_manifest_is_held_against_the_rdb_as_well() {
    let Some(server) = RedisServer::start() else { return };
    let kept = kept(&server);
    server.ok(&["SET", "another", "value"]);
    let other = backup_into(&kept.folder, &server);
    let census_of_other = std::fs::read(kept.folder.path().join("prod").join(other).join("census.bin")).unwrap();
    assert!(census::decode(&census_of_other).is_ok());
    std::fs::remove_file(kept.path("census.bin")).unwrap();
    std::fs::write(kept.path("census.bin"), &census_of_other).unwrap();
    let sha256 = redis_ops::codec::Sha256Digest::of(&census_of_other);
    let mut manifest = Manifest::decode(&kept.sealed).unwrap();
    manifest.census.as_mut().unwrap().sha256 = Some(sha256);
    std::fs::remove_file(kept.path("manifest.json")).unwrap();
    std::fs::write(kept.path("manifest.json"), manifest.encode().unwrap()).unwrap();
    let (code, answer) = verify(&kept.folder, &["--backup-id", &kept.id]).json();
    let finding = &answer["findings"][0];
    assert_eq!(
        (code, &finding["id"], &finding["evidence"]["object"]),
        (2, &json!("census_mismatch"), &json!("census.bin")),
        "{answer:#}"
    );
}
