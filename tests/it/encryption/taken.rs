//! Every way to take a backup, encrypted.

use std::io::Read as _;
use std::process::Command;

use super::{Keys, NAME, RECIPIENT, decrypted, on};
use crate::backup::{Folder, backed_up, backup};
use crate::support::cluster::{Cluster, any_kind};
use crate::support::redis_server::{RedisServer, on_each, servers};
use crate::support::s3::S3Server;
use crate::support::sample;

#[test]
fn every_server_s_backup_is_encrypted_verified_without_the_key_and_drilled_with_it() {
    let keys = Keys::new();
    on_each(&servers(), |installed| {
        let Some(server) = sample::builder(installed).start() else { return };
        sample::fill(&server);
        for (source, verdict) in [("replication", 0), ("scan", 1)] {
            let folder = Folder::new();
            let line = ["--encrypt-to", RECIPIENT, "--source", source, "--json"];
            let run = backup(&server.url(), &folder.text(), &line).run();
            let manifest = &run.json()["backup"];
            assert_eq!(run.code, verdict, "{}: {}", installed.name, run.everything());
            assert_eq!(
                (&manifest["encryption"], &manifest["recipients"], &manifest["compression"]),
                (&"age".into(), &serde_json::json!([RECIPIENT]), &"gzip".into())
            );
            assert_eq!(manifest["shards"][0]["object"], "dump.rdb.gz.age");
            assert_eq!(manifest["census"]["object"], "census.bin.age");
            for level in ["manifest", "checksum"] {
                let (code, answer) = on(&folder, &["verify", "--backup-id", "latest", "--level", level]).json();
                assert_eq!(code, 0, "{} {level}: {answer}", installed.name);
                assert_eq!(answer["checked"]["keys"], 0);
            }
            let binary = installed.path.display().to_string();
            let line = ["verify", "--backup-id", "latest", "--level", "drill", "--server-binary", &binary];
            let (code, answer) = on(&folder, &line).args(["--identity", &keys.text("identity")]).json();
            assert_eq!((code, &answer["opened_by"]), (0, &RECIPIENT.into()), "{}: {answer}", installed.name);
            assert_eq!(&answer["drill"]["keys"], &manifest["census"]["keys"], "{answer}");
            let run = on(&folder, &line).args(["--identity", &keys.text("identity")]).run();
            assert!(run.text().contains(&format!("the identity of {RECIPIENT} opened it")), "{}", run.everything());
        }
    });
}

/// `age -d -i key dump.rdb.gz.age | zcat` is the RDB.
#[test]
fn the_stock_tools_read_it() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3_000, 500);
    let keys = Keys::new();
    for (codec, object) in [("gzip", "dump.rdb.gz.age"), ("zstd", "dump.rdb.zst.age"), ("none", "dump.rdb.age")] {
        let folder = Folder::new();
        let answer = backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT, "--compression", codec]);
        let stored = folder.the(object);
        let packed = decrypted(&stored);
        let raw = match codec {
            "gzip" => {
                let mut raw = Vec::new();
                flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
                raw
            }
            "zstd" => zstd::decode_all(&packed[..]).unwrap(),
            _ => packed.clone(),
        };
        let shard = &answer["backup"]["shards"][0];
        assert_eq!(shard["raw_bytes"], raw.len());
        // Nothing tells who has no key whether a guess of the data is right.
        let told = [&shard["raw_sha256"], &shard["crc64"], &answer["backup"]["census"]["digest"]];
        assert_eq!(told, [&"".into(), &serde_json::Value::Null, &"".into()], "{codec}");
        assert_eq!(shard["stored_sha256"], sha256(&std::fs::read(&stored).unwrap()), "{codec}");
        assert!(raw.starts_with(b"REDIS"));
        let by_age = Command::new("age").args(["-d", "-i", &keys.text("identity")]).arg(&stored).output();
        if let Ok(by_age) = by_age {
            assert!(by_age.status.success(), "{}", String::from_utf8_lossy(&by_age.stderr));
            assert_eq!(by_age.stdout, packed, "{codec}");
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[test]
fn either_of_two_recipients_opens_it_and_the_answer_says_which() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 100);
    let (keys, folder) = (Keys::new(), Folder::new());
    let other = keys.another("other");
    let stranger = keys.another("stranger");
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT, "--encrypt-to", &other]);
    let verify = ["verify", "--backup-id", "latest"];
    for (files, opened_by) in [(&["identity"][..], RECIPIENT), (&["other"], &other), (&["stranger", "other"], &other)] {
        let line: Vec<String> = files.iter().flat_map(|file| ["--identity".to_owned(), keys.text(file)]).collect();
        let (code, answer) = on(&folder, &verify).args(line).json();
        assert_eq!((code, answer["opened_by"].as_str()), (0, Some(opened_by)), "{files:?}: {answer}");
    }
    // Several identities in one file, and the variable in place of the option.
    let both =
        [std::fs::read(keys.path("stranger")).unwrap(), b"\n".to_vec(), std::fs::read(keys.path("other")).unwrap()];
    let both = keys.write("both", both.concat());
    let (code, answer) = on(&folder, &verify).env("REDIS_OPS_IDENTITY", &both).json();
    assert_eq!((code, answer["opened_by"].as_str()), (0, Some(&*other)), "{answer}");
    let (code, answer) = on(&folder, &verify).args(["--identity", &keys.text("stranger")]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"wrong_identity".into()), "{answer}");
    assert!(super::said(&answer).contains(&stranger), "{answer}");
}

#[test]
fn a_cluster_s_shards_are_encrypted_and_come_back() {
    let Some(installed) = any_kind() else { return };
    let Some(cluster) = Cluster::start(&installed, &[]) else { return };
    let count = cluster.fill(300);
    let (keys, folder) = (Keys::new(), Folder::new());
    let answer = backed_up(&cluster.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    let objects: Vec<_> =
        answer["backup"]["shards"].as_array().unwrap().iter().filter_map(|shard| shard["object"].as_str()).collect();
    assert_eq!(objects, ["shard-0000.rdb.gz.age", "shard-0001.rdb.gz.age", "shard-0002.rdb.gz.age"]);
    let identity = keys.text("identity");
    let line = ["verify", "--backup-id", "prod/latest", "-i", &cluster.url(), "--identity", &identity];
    let (code, answer) = on(&folder, &line).json();
    assert_eq!((code, &answer["comparison"]["equal"]), (0, &count.into()), "{answer}");
    for primary in 0..3 {
        cluster.primary(primary).ok(&["FLUSHALL"]);
    }
    let line = ["restore", "--backup-id", "prod/latest", "--target-instance", &cluster.url(), "--identity", &identity];
    let (code, answer) = on(&folder, &line).json();
    assert_eq!((code, &answer["result"]["restored"]), (0, &count.into()), "{answer}");
}

#[test]
fn a_file_and_a_pipe_are_taken_in_encrypted() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", NAME, "value"]);
    server.save();
    let rdb = server.dir().join("dump.rdb");
    let keys = Keys::new();
    for from in [rdb.display().to_string(), "-".to_owned()] {
        let folder = Folder::new();
        let line = ["backup", "--from-file", &from, "--name", "prod", "--encrypt-to", RECIPIENT];
        let (code, answer) = on(&folder, &line).stdin(std::fs::read(&rdb).unwrap()).json();
        assert_eq!((code, &answer["backup"]["encryption"]), (0, &"age".into()), "{answer}");
        let (code, answer) =
            on(&folder, &["verify", "--backup-id", "latest", "--identity", &keys.text("identity")]).json();
        assert_eq!((code, &answer["checked"]["keys"]), (0, &1.into()), "{answer}");
    }
}

#[test]
fn a_backup_on_s3_is_encrypted_in_parts() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(30_000, 1000);
    let (keys, store) = (Keys::new(), S3Server::start());
    let with = |words: &[&str]| {
        let run = crate::support::redis_ops::RedisOps::new().args(words);
        let run = run.args(["-r", &store.location("redis"), "--progress", "none"]);
        store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
    };
    let line = ["backup", "-i", &server.url(), "--name", "prod", "--compression", "none", "--encrypt-to", RECIPIENT];
    let (code, answer) = with(&line).json();
    assert_eq!(code, 0, "{answer}");
    assert!(store.count("UploadPart") >= 3, "30 MB go in parts: {}", store.count("UploadPart"));
    let (code, answer) = with(&["verify", "--backup-id", "latest", "--level", "checksum"]).json();
    assert_eq!(code, 0, "{answer}");
    let (code, answer) = with(&["verify", "--backup-id", "latest", "--identity", &keys.text("identity")]).json();
    assert_eq!((code, &answer["checked"]["keys"]), (0, &30_000.into()), "{answer}");
}

#[test]
fn a_passphrase_encrypts_and_opens_and_a_line_break_at_its_end_does_not_count() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(100, 100);
    let (keys, folder) = (Keys::new(), Folder::new());
    let answer = backed_up(&server.url(), &folder.text(), &["--passphrase-file", &keys.text("passphrase")]);
    assert_eq!(
        (&answer["backup"]["encryption"], &answer["backup"]["recipients"]),
        (&"age".into(), &serde_json::json!([]))
    );
    let verify = |file: &str| on(&folder, &["verify", "--backup-id", "latest", "--passphrase-file", file]).json();
    for content in ["correct horse battery staple", "correct horse battery staple\r\n"] {
        let file = keys.write("typed", content);
        let (code, answer) = verify(&file);
        assert_eq!((code, &answer["opened_by"]), (0, &"passphrase".into()), "{answer}");
    }
    let wrong = keys.write("wrong", "correct horse battery stable");
    let (code, answer) = verify(&wrong);
    assert_eq!((code, &answer["error"]["code"]), (3, &"wrong_identity".into()), "{answer}");
    assert!(!answer.to_string().contains("stable\""), "{answer}");
    let (code, answer) = on(&folder, &["verify", "--backup-id", "latest"]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"identity_needed".into()), "{answer}");
    assert!(super::said(&answer).contains("no passphrase was given"), "{answer}");
    let run = on(&folder, &["show", "latest"]).run();
    assert!(run.code == 0 && run.text().contains("with a passphrase"), "{}", run.everything());
}
