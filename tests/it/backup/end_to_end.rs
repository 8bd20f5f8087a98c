//! The main job, on every server that is installed.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{Folder, backed_up, backup};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Certificates, RedisServer, on_each, servers};
use crate::support::sample;

#[test]
fn a_backup_of_every_version_is_listed_verified_and_loads_again() {
    on_each(&servers(), |installed| {
        let Some(server) = sample::builder(installed).start() else { return };
        sample::fill(&server);
        let folder = Folder::new();
        let answer = backed_up(&server.url(), &folder.text(), &[]);
        let manifest = &answer["backup"];
        let keys: u64 = server.ok(&["DBSIZE"]).parse::<u64>().unwrap() + 2;
        assert_eq!(manifest["census"]["keys"], keys, "{}: database 0 and two keys in 9", installed.name);
        assert_eq!(manifest["census"]["by_database"]["9"]["keys"], 2, "{}", installed.name);
        assert_eq!(answer["source"]["method"], "replication");
        assert_eq!(manifest["server"]["run_id"], server.info("run_id"));
        assert_eq!(manifest["shards"][0]["replid"].as_str().map(str::len), Some(40));

        let id = manifest["id"].as_str().unwrap();
        let (code, list) = RedisOps::new().args(["list", "-r", &folder.text()]).json();
        assert_eq!(
            (code, &list["backups"][0]["id"], &list["backups"][0]["keys"]),
            (0, &manifest["id"], &manifest["census"]["keys"])
        );
        for level in ["manifest", "checksum", "structure"] {
            let (code, verified) =
                RedisOps::new().args(["verify", "--backup-id", id, "-r", &folder.text(), "--level", level]).json();
            assert_eq!((code, &verified["level"], &verified["findings"]), (0, &level.into(), &serde_json::json!([])));
        }

        // No lock-in: what lies there is the RDB of a server in ordinary gzip, and the same version loads it.
        let stored = std::fs::File::open(folder.the("dump.rdb.gz")).unwrap();
        let mut raw = Vec::new();
        MultiGzDecoder::new(stored).read_to_end(&mut raw).unwrap();
        assert_eq!(manifest["shards"][0]["raw_bytes"], raw.len());
        let unpacked = folder.path().join("unpacked.rdb");
        std::fs::write(&unpacked, raw).unwrap();
        let again = sample::builder(installed).dump(&unpacked).start().unwrap();
        assert_eq!(again.ok(&["DEBUG", "DIGEST"]), server.ok(&["DEBUG", "DIGEST"]), "{}", installed.name);
    });
}

#[test]
fn every_codec_stores_the_same_rdb() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(2000, 300);
    for (codec, object) in [("gzip", "dump.rdb.gz"), ("zstd:3", "dump.rdb.zst"), ("none", "dump.rdb")] {
        let folder = Folder::new();
        let answer = backed_up(&server.url(), &folder.text(), &["--compression", codec]);
        assert_eq!(answer["backup"]["shards"][0]["object"], object);
        folder.the(object);
        let (code, verified) = RedisOps::new().args(["verify", "--backup-id", "latest", "-r", &folder.text()]).json();
        assert_eq!((code, &verified["checked"]["keys"]), (0, &2000.into()), "{codec}");
    }
}

#[test]
fn a_disk_transfer_is_asked_for_and_reported() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    for (transfer, reported) in [("disk", "disk"), ("diskless", "diskless"), ("auto", "diskless")] {
        let folder = Folder::new();
        let answer = backed_up(&server.url(), &folder.text(), &["--transfer", transfer]);
        assert_eq!(answer["source"]["transfer"], reported, "--transfer {transfer}");
        assert!(answer["source"]["impact"]["fork_usec"].is_u64(), "{answer}");
    }
}

#[test]
fn a_fresh_replica_is_read_before_its_primary() {
    let Some(primary) = RedisServer::start() else { return };
    primary.fill(50, 10);
    let replica = RedisServer::builder().arg("replicaof", &format!("127.0.0.1 {}", primary.port())).start().unwrap();
    replica.wait_for("the link to the primary", |server| server.info("master_link_status") == "up");
    primary.wait_for("an acknowledgement", |server| server.info("slave0").contains("state=online"));

    let folder = Folder::new();
    let answer = backed_up(&primary.url(), &folder.text(), &[]);
    assert_eq!((&answer["source"]["role"], &answer["backup"]["census"]["keys"]), (&"replica".into(), &50.into()));
    assert_eq!(answer["source"]["node"], format!("127.0.0.1:{}", replica.port()));
    let answer = backed_up(&primary.url(), &folder.text(), &["--read-from", "primary"]);
    assert_eq!(answer["source"]["role"], "primary");
}

#[test]
fn a_replica_that_lost_its_primary_is_not_read() {
    let Some(mut primary) = RedisServer::start() else { return };
    let replica = RedisServer::builder().arg("replicaof", &format!("127.0.0.1 {}", primary.port())).start().unwrap();
    replica.wait_for("the link to the primary", |server| server.info("master_link_status") == "up");
    primary.kill();
    replica.wait_for("the end of the link", |server| server.info("master_link_status") == "down");
    let folder = Folder::new();
    let run = backup(&replica.url(), &folder.text(), &["--json"]).run();
    assert_eq!(super::failure(&run).0, 2);
    assert!(run.text().contains("link to its primary"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_server_is_reached_by_socket_by_name_and_by_tls() {
    let Some(server) = RedisServer::builder().password("s3cret").start() else { return };
    server.fill(3, 3);
    let folder = Folder::new();
    let settings = format!(
        "instances:\n  redis-prod:\n    url: redis://127.0.0.1:{}\n    password_file: secret\nbackup:\n  enabled: true\n  schedule: \"0 1 * * *\"\n  \
         type: \"rdb\"\n  compression: true\n  destination: \"{}\"\n",
        server.port(),
        folder.text()
    );
    let run = RedisOps::new()
        .file("redis-ops.yaml", &settings)
        .file("secret", "s3cret\n")
        .args(["backup", "-i", "redis-prod"])
        .run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(folder.files().iter().all(|file| file.starts_with("redis-prod/")), "{:?}", folder.files());

    let socket = format!("unix://{}", server.socket().display());
    let run = backup(&socket, &folder.text(), &[]).env("REDISCLI_AUTH", "s3cret").run();
    assert_eq!(run.code, 0, "{}", run.stderr);

    if !RedisServer::has_tls(server.installed()) {
        return crate::support::skip("redis-server with TLS");
    }
    let server = RedisServer::builder().tls(Certificates::new()).start().unwrap();
    let ca = server.dir().join("ca.pem").display().to_string();
    let url = format!("rediss://127.0.0.1:{}", server.tls_port().unwrap());
    let run = backup(&url, &folder.text(), &["--tls-ca", &ca]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = backup(&url, &folder.text(), &["--json"]).run();
    assert_eq!(super::failure(&run), (2, "tls_failed".to_owned()), "an authority that nobody knows");
}

#[test]
fn a_plan_does_nothing() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(5, 5);
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--plan"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.text().contains("nothing was done"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
    assert_eq!(server.info("rdb_saves"), "0");
}

#[test]
fn an_instance_with_an_archive_is_backed_up_like_any_other() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let settings = format!("backup:\n  type: aof\n  destination: {}\n", folder.text());
    let run = RedisOps::new().file("redis-ops.yaml", settings).args(["backup", "-i", &server.url()]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
}

#[test]
fn a_file_is_adopted() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(20, 20);
    server.save();
    let folder = Folder::new();
    let file = server.dir().join("dump.rdb").display().to_string();
    let (code, answer) =
        RedisOps::new().args(["backup", "--from-file", &file, "--name", "prod", "-r", &folder.text()]).json();
    assert_eq!((code, &answer["backup"]["purpose"]), (0, &"adopted".into()), "{answer}");
    assert_eq!(answer["backup"]["census"]["keys"], 20);
    assert_eq!(answer["backup"]["shards"][0]["raw_bytes"], std::fs::metadata(&file).unwrap().len());
}

#[test]
fn a_backup_that_is_not_due_is_not_taken() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    // On the first of January only: whatever day it is, the backup that is taken first is newer than that.
    let settings = "backup:\n  schedule: \"0 0 1 1 *\"\n";
    let run = |_| backup(&server.url(), &folder.text(), &["--if-due"]).file("redis-ops.yaml", settings).json();
    let answers = [run(1), run(2)];
    assert_eq!([answers[0].0, answers[1].0], [0, 0]);
    assert_eq!((&answers[0].1["backup"]["purpose"], &answers[1].1["due"]), (&"scheduled".into(), &false.into()));
    assert_eq!(folder.files().iter().filter(|file| file.ends_with("manifest.json")).count(), 1);
}

#[test]
fn show_tells_what_is_in_a_backup_and_in_a_file() {
    let Some(server) = RedisServer::start() else { return };
    sample::fill(&server);
    server.save();
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &["--label", "why=test"]);
    let (code, shown) = RedisOps::new().args(["show", "latest", "-r", &folder.text()]).json();
    assert_eq!((code, &shown["backup"]["labels"]["why"]), (0, &"test".into()));
    assert_eq!(shown["objects"].as_array().map(Vec::len), Some(4), "begun, dump, census, manifest: {shown}");
    let sizes: Vec<u64> =
        shown["census"]["largest"].as_array().unwrap().iter().map(|key| key["bytes"].as_u64().unwrap()).collect();
    assert!(sizes.len() > 10 && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");

    let file = server.dir().join("dump.rdb").display().to_string();
    let (code, of_file) = RedisOps::new().args(["show", "--file", &file]).json();
    assert_eq!(code, 0);
    assert_eq!(of_file["census"]["digest"], shown["census"]["digest"], "the same data, read another way");
    let text = RedisOps::new().args(["show", "--file", &file]).run();
    assert!(text.text().contains("large:stream") && text.text().contains("KEYS"), "{}", text.text());
}
