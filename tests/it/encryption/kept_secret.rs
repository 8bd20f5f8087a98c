//! What must not be readable without the key, and what works without it.

use super::{IDENTITY, Keys, NAME, RECIPIENT, failed, on, said};
use crate::backup::{Folder, backed_up, backup};
use crate::support::fixtures::own_folder;
use crate::support::redis_server::RedisServer;

/// Every file of a repository, which none of these words may be in.
#[track_caller]
fn none_of(folder: &Folder, words: &[&str]) {
    for file in folder.files() {
        let bytes = std::fs::read(folder.path().join(&file)).unwrap();
        for word in words {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} is in {file}");
        }
    }
}

#[test]
fn no_name_of_a_key_is_in_an_encrypted_backup() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", NAME, &"x".repeat(5_000)]);
    server.ok(&["HSET", &format!("{NAME}:fields"), "field-of-a-secret", "1"]);
    let (keys, folder) = (Keys::new(), Folder::new());
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT, "--compression", "none"]);
    let identity = ["--identity", &keys.text("identity")];
    // Receipts are written beside it, of a verification and of a restore.
    let (code, answer) = on(&folder, &["verify", "--backup-id", "latest", "-i", &server.url()]).args(identity).json();
    assert_eq!(code, 0, "{answer}");
    let (code, answer) = on(&folder, &["verify", "--backup-id", "latest"]).args(identity).json();
    assert_eq!(code, 0, "{answer}");
    let Some(target) = RedisServer::start() else { return };
    let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url()];
    let (code, answer) = on(&folder, &line).args(identity).json();
    assert_eq!(code, 0, "{answer}");
    none_of(&folder, &["customer:4711", "field-of-a-secret", IDENTITY]);
    // With the key `show` names them, without it says where they are.
    let (code, answer) = on(&folder, &["show", "latest"]).args(identity).json();
    assert_eq!((code, &answer["census"]["largest"][0]["key"]), (0, &NAME.into()), "{answer}");
    let run = on(&folder, &["show", "latest"]).run();
    assert!(run.code == 0 && run.stderr.contains("in the encrypted census"), "{}", run.everything());
    assert!(run.text().contains(RECIPIENT) && !run.everything().contains("customer:4711"), "{}", run.everything());
}

/// The findings of a manifest name the places where they are; of an encrypted one not the keys.
#[test]
fn the_findings_of_an_encrypted_backup_name_no_key() {
    let file = own_folder().join("stream_xlen_5_holds_2.rdb").display().to_string();
    let place = |more: &[&str]| {
        let folder = Folder::new();
        let line = ["backup", "--from-file", &file, "--name", "prod"];
        let (code, answer) = on(&folder, &line).args(more).json();
        assert_eq!(code, 1, "{answer}");
        (answer["backup"]["findings"][0]["places"][0].clone(), folder)
    };
    let (plain, _) = place(&[]);
    assert!(plain["key"].is_string(), "{plain}");
    let (encrypted, folder) = place(&["--encrypt-to", RECIPIENT, "--compression", "none"]);
    assert_eq!((&encrypted["key"], &encrypted["offset"]), (&serde_json::Value::Null, &plain["offset"]));
    none_of(&folder, &[plain["key"].as_str().unwrap()]);
}

#[test]
fn all_that_needs_no_key_works_without_one() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(50, 50);
    let folder = Folder::new();
    for _ in 0..2 {
        backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    }
    let (code, answer) = on(&folder, &["list"]).json();
    assert_eq!((code, &answer["backups"][0]["keys"]), (0, &50.into()), "{answer}");
    let id = answer["backups"][1]["id"].as_str().unwrap().to_owned();
    let (code, answer) = on(&folder, &["show", "latest"]).json();
    assert_eq!((code, &answer["census"]["keys"]), (0, &50.into()), "{answer}");
    let (code, answer) = on(&folder, &["status"]).json();
    assert!(code <= 1, "{answer}");
    let run = on(&folder, &["metrics", "-i", &server.url()]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let (code, answer) = on(&folder, &["verify", "--all", "--level", "checksum"]).json();
    assert_eq!((code, answer["backups"].as_array().map(Vec::len)), (0, Some(2)), "{answer}");
    let name = format!("prod/{id}");
    for words in [&["pin", &name, "--name", "hold"][..], &["pin", &name, "--lift", "--name", "hold"]] {
        let (code, answer) = on(&folder, words).json();
        assert_eq!(code, 0, "{words:?}: {answer}");
    }
    let (code, answer) = on(&folder, &["prune", "--keep-last", "1", "--yes"]).json();
    assert_eq!(code, 0, "{answer}");
    let (code, answer) = on(&folder, &["delete", "prod/latest", "--last", "--yes"]).json();
    assert_eq!(code, 0, "{answer}");
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn what_needs_a_key_says_so_in_one_sentence_and_exits_with_3() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", NAME, "value"]);
    let Some(target) = RedisServer::start() else { return };
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    let file = folder.path().join("restored.rdb").display().to_string();
    let (server_url, target_url) = (server.url(), target.url());
    for words in [
        &["verify", "--backup-id", "latest"][..],
        &["verify", "--backup-id", "latest", "--level", "structure", "--census"],
        &["verify", "--backup-id", "latest", "--level", "drill"],
        &["verify", "--backup-id", "latest", "-i", &server_url],
        &["restore", "--backup-id", "latest", "--target-instance", &target_url],
        &["restore", "--backup-id", "latest", "--target-instance", &target_url, "--plan"],
        &["restore", "--backup-id", "latest", "--to-file", &file],
        &["restore", "--backup-id", "latest", "--to-file", &file, "--plan"],
        &["show", "latest", "--key", NAME],
        &["diagnose", "keyspace", "--backup-id", "latest"],
    ] {
        let answer = on(&folder, words).json();
        let (code, name, _, hint) = failed(&answer);
        assert_eq!((code, name), (3, "identity_needed"), "{words:?}: {answer:?}");
        assert!(
            said(&answer.1).contains(&format!("encrypted to {RECIPIENT}, and no identity was given")),
            "{answer:?}"
        );
        assert!(hint.contains("--identity FILE"), "{answer:?}");
    }
    assert_eq!(target.ok(&["DBSIZE"]), "0");
    assert!(!std::path::Path::new(&file).exists());
}

#[test]
fn a_plan_says_to_whom() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &["--plan", "--encrypt-to", RECIPIENT]).run();
    assert!(run.code == 0 && run.text().contains(&format!("encrypted to {RECIPIENT}")), "{}", run.everything());
    let (_, answer) = backup(&server.url(), &folder.text(), &["--plan", "--encrypt-to", RECIPIENT]).json();
    assert_eq!(answer["plan"]["recipients"], serde_json::json!([RECIPIENT]), "{answer}");
    let (_, answer) = backup(&server.url(), &folder.text(), &["--plan"]).json();
    assert_eq!(answer["plan"]["recipients"], serde_json::Value::Null, "{answer}");
}

#[test]
fn damage_is_found_with_and_without_the_key() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(3_000, 300);
    let Some(target) = RedisServer::start() else { return };
    let keys = Keys::new();
    let identity = keys.text("identity");
    type Damage = fn(&mut Vec<u8>);
    let damage: [(&str, Damage); 5] = [
        ("a byte in the middle", |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
        }),
        ("a byte of the header", |bytes| bytes[60] ^= 1),
        ("a byte of its first line", |bytes| bytes[3] ^= 1),
        ("cut off at the end", |bytes| bytes.truncate(bytes.len() - 10)),
        ("cut off in the header", |bytes| bytes.truncate(40)),
    ];
    for (what, damage) in damage {
        let folder = Folder::new();
        backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
        let object = folder.the("dump.rdb.gz.age");
        let mut bytes = std::fs::read(&object).unwrap();
        let length = bytes.len();
        damage(&mut bytes);
        // What is as long as before is found by reading it.
        std::fs::write(&object, &bytes).unwrap();
        let is_short = bytes.len() != length;
        for level in ["checksum", "structure"] {
            let line = ["verify", "--backup-id", "latest", "--level", level, "--identity", &identity];
            let (code, answer) = on(&folder, &line).json();
            assert_eq!(code, 2, "{what} {level}: {answer}");
            let ids: Vec<_> =
                answer["findings"].as_array().unwrap().iter().filter_map(|finding| finding["id"].as_str()).collect();
            let expected = if is_short { "wrong_length" } else { "checksum_mismatch" };
            assert!(
                ids.contains(&expected) || (level == "structure" && ids.contains(&"corrupt")),
                "{what} {level}: {ids:?}"
            );
        }
        for method in ["auto", "replica", "restore", "commands"] {
            let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method", method];
            let (code, answer) = on(&folder, &line).args(["--identity", &identity]).json();
            assert!(code == 2 || code == 3, "{what} {method}: {answer}");
            assert_eq!(target.ok(&["DBSIZE"]), "0", "{what} {method}: {answer}");
        }
    }
}
