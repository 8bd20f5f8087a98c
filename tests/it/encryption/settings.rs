//! What the settings file says of encryption.

use super::{IDENTITY, Keys, RECIPIENT, failed, said};
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A settings file with this block.
fn settings(keys: &Keys, folder: &Folder, block: &str) -> String {
    let text = format!("backup:\n  destination: {}\n  encryption: {block}\n", folder.text());
    keys.write("redis-ops.yaml", text)
}

#[test]
fn the_settings_encrypt_and_open() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(20, 20);
    let keys = Keys::new();
    keys.write("recipients", format!("# who\n{RECIPIENT}\r\n"));
    for (block, opened_by) in [
        (format!("{{ recipients: [{RECIPIENT}], identity_file: identity }}"), RECIPIENT),
        ("{ recipients_file: recipients, identity_file: identity }".to_owned(), RECIPIENT),
        ("{ passphrase_file: passphrase }".to_owned(), "passphrase"),
    ] {
        let folder = Folder::new();
        let config = settings(&keys, &folder, &block);
        let line = ["backup", "-i", &server.url(), "--name", "prod", "--config", &config];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!((code, &answer["backup"]["encryption"]), (0, &"age".into()), "{answer}");
        let (code, answer) = RedisOps::new().args(["verify", "--backup-id", "latest", "--config", &config]).json();
        assert_eq!((code, &answer["opened_by"]), (0, &opened_by.into()), "{answer}");
    }
}

#[test]
fn what_was_typed_goes_before_the_settings() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(20, 20);
    let (keys, folder) = (Keys::new(), Folder::new());
    let other = keys.another("other");
    let config = settings(&keys, &folder, "{ passphrase_file: passphrase, identity_file: identity }");
    let line = ["backup", "-i", &server.url(), "--name", "prod", "--config", &config, "--encrypt-to", &other];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!((code, &answer["backup"]["recipients"]), (0, &serde_json::json!([other])), "{answer}");
    let line = ["verify", "--backup-id", "latest", "--config", &config, "--identity", &keys.text("other")];
    let (code, answer) = RedisOps::new().args(line).json();
    assert_eq!((code, &answer["opened_by"]), (0, &other.into()), "{answer}");
}

#[test]
fn settings_that_do_not_say_to_whom_are_refused_and_so_are_two_ways() {
    let (keys, folder) = (Keys::new(), Folder::new());
    for (block, words) in [
        ("{ identity_file: identity }".to_owned(), "does not say to whom"),
        ("{ recipients: [] }".to_owned(), "names no recipient"),
        (format!("{{ recipients: [{IDENTITY}] }}"), "is a secret identity"),
        (format!("{{ recipients: [{RECIPIENT}], passphrase_file: passphrase }}"), "set only one of"),
        (format!("{{ recipient: {RECIPIENT} }}"), "unknown key `recipient`"),
    ] {
        let config = settings(&keys, &folder, &block);
        let line = ["backup", "-i", "redis://127.0.0.1:1", "--name", "prod", "--config", &config];
        let answer = RedisOps::new().args(line).json();
        let (code, name, ..) = failed(&answer);
        assert_eq!((code, name), (3, "settings"), "{block}: {answer:?}");
        assert!(said(&answer.1).contains(words), "{block}: {answer:?}");
        assert!(!answer.1.to_string().contains("SECRET-KEY-1"), "{answer:?}");
    }
}

/// Nobody must believe that the stream is encrypted.
#[test]
fn an_archive_is_refused_where_the_settings_ask_for_encryption() {
    let Some(server) = RedisServer::start() else { return };
    let (keys, folder) = (Keys::new(), Folder::new());
    let config = settings(&keys, &folder, &format!("{{ recipients: [{RECIPIENT}] }}"));
    let answer = RedisOps::new().args(["archive", "-i", &server.url(), "--name", "prod", "--config", &config]).json();
    let (code, name, message, _) = failed(&answer);
    assert_eq!((code, name), (3, "settings"), "{answer:?}");
    assert!(message.contains("`archive` does not encrypt yet"), "{answer:?}");
    assert_eq!(folder.files(), Vec::<String>::new());
}
