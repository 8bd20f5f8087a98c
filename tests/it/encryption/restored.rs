//! Encrypted backups are restored, by every method and to every place.

use std::io::Read as _;
use std::path::Path;

use super::{Keys, NAME, RECIPIENT, on};
use crate::backup::{Folder, backed_up};
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// A server with keys of several types, and its encrypted backup.
fn taken(keys: &Keys) -> Option<(RedisServer, Folder, [String; 2])> {
    let server = RedisServer::start()?;
    server.fill(500, 100);
    server.ok(&["SET", NAME, "value"]);
    server.ok(&["RPUSH", "list", "a", "b", "c"]);
    server.ok(&["HSET", "hash", "field", "value"]);
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    Some((server, folder, ["--identity".to_owned(), keys.text("identity")]))
}

#[test]
fn every_method_restores_it_and_says_which_key_opened_it() {
    let keys = Keys::new();
    let Some((_server, folder, identity)) = taken(&keys) else { return };
    let Some(target) = RedisServer::start() else { return };
    for method in ["replica", "restore", "commands"] {
        target.ok(&["FLUSHALL"]);
        let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method", method];
        let (code, answer) = on(&folder, &line).args(&identity).json();
        assert_eq!((code, &answer["result"]["restored"]), (0, &503.into()), "{method}: {answer}");
        assert_eq!((&answer["opened_by"], &answer["proof"]["equal"]), (&RECIPIENT.into(), &503.into()), "{answer}");
        assert_eq!(target.ok(&["GET", NAME]), "value");
    }
    target.ok(&["FLUSHALL"]);
    let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url()];
    let run = on(&folder, &line).args(&identity).run();
    assert!(run.text().contains(&format!("the identity of {RECIPIENT} opened it")), "{}", run.everything());
}

#[test]
fn a_plan_and_a_wrong_key_leave_the_target_alone() {
    let keys = Keys::new();
    let Some((_server, folder, identity)) = taken(&keys) else { return };
    let Some(target) = RedisServer::start() else { return };
    keys.another("other");
    let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url()];
    let (code, answer) = on(&folder, &line).args(["--plan"]).args(&identity).json();
    assert_eq!(code, 0, "{answer}");
    for more in [&["--plan"][..], &[], &["--method", "restore"], &["--on-conflict", "replace", "--yes"]] {
        let (code, answer) = on(&folder, &line).args(["--identity", &keys.text("other")]).args(more).json();
        assert_eq!((code, &answer["error"]["code"]), (3, &"wrong_identity".into()), "{more:?}: {answer}");
    }
    assert_eq!(target.ok(&["DBSIZE"]), "0");
}

#[test]
fn a_file_and_a_folder_are_written_decrypted_and_that_is_said() {
    let keys = Keys::new();
    let Some((server, folder, identity)) = taken(&keys) else { return };
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("dump.rdb");
    let run = on(&folder, &["restore", "--backup-id", "latest", "--to-file", &file.display().to_string()])
        .args(&identity)
        .run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.text().contains("is decrypted"), "{}", run.everything());
    let other = RedisServer::builder().version(server.installed()).dump(&file).start().unwrap();
    assert_eq!(other.ok(&["GET", NAME]), "value");
    let path = to.path().join("folder").display().to_string();
    let (code, answer) = on(&folder, &["restore", "--backup-id", "latest", "--to-dir", &path]).args(&identity).json();
    assert_eq!((code, &answer["opened_by"]), (0, &RECIPIENT.into()), "{answer}");
    let run = on(&folder, &["restore", "--backup-id", "latest", "--to-file", "-"]).args(&identity).run();
    assert_eq!((run.code, &run.stdout), (0, &std::fs::read(&file).unwrap()), "{}", run.stderr);
}

#[test]
fn a_restore_that_was_interrupted_goes_on() {
    let keys = Keys::new();
    let Some((_server, folder, identity)) = taken(&keys) else { return };
    let Some(target) = RedisServer::start() else { return };
    let state = tempfile::tempdir().unwrap();
    let line = ["restore", "--backup-id", "latest", "--target-instance", &target.url(), "--method", "restore"];
    let running =
        on(&folder, &line).args(["--rate", "5kB"]).args(&identity).env("XDG_STATE_HOME", state.path()).spawn();
    target.wait_for("some keys", |target| target.ok(&["DBSIZE"]).parse::<u64>().is_ok_and(|keys| keys > 20));
    running.signal("INT");
    let run = running.wait();
    assert_eq!(run.code, 130, "{}", run.everything());
    // The line that is printed to be typed names the key.
    let said = run.everything();
    let next =
        said.split('`').filter_map(|part| part.strip_prefix("redis-ops ")).find(|line| line.contains("--resume"));
    let next = next.unwrap_or_else(|| panic!("{said}"));
    assert!(next.contains(&format!("--identity {}", identity[1])), "{next}");
    let (code, answer) = RedisOps::new().args(next.split(' ')).env("XDG_STATE_HOME", state.path()).json();
    assert_eq!((code, &answer["proof"]["equal"]), (0, &503.into()), "{answer}");
}

/// What a target held was secret in its own backups: a restore must not put it into the repository in clear.
#[test]
fn a_safety_backup_is_encrypted_as_the_settings_say_or_as_the_backup() {
    let keys = Keys::new();
    let Some((_server, folder, identity)) = taken(&keys) else { return };
    let Some(target) = RedisServer::start() else { return };
    let other = keys.another("other");
    let settings = keys.write("redis-ops.yaml", format!("backup: {{ encryption: {{ recipients: [\"{other}\"] }} }}\n"));
    for (more, recipient) in [(&[][..], RECIPIENT), (&["--config", &settings], &other)] {
        target.ok(&["FLUSHALL"]);
        target.ok(&["SET", NAME, "of the target"]);
        let line = ["restore", "--backup-id", "prod/latest", "--target-instance", &target.url(), "--yes"];
        let line = [&line[..], &["--on-conflict", "replace"], more].concat();
        let (code, answer) = on(&folder, &line).args(&identity).json();
        assert_eq!(code, 0, "{answer}");
        let safety = &answer["safety_backup"];
        let id = format!("{}/{}", safety["instance"].as_str().unwrap(), safety["id"].as_str().unwrap());
        let (_, shown) = on(&folder, &["show", &id]).json();
        assert_eq!(shown["backup"]["recipients"], serde_json::json!([recipient]), "{shown}");
    }
}

/// The one backup of the fixture, taken by the first version that encrypts: later versions must read it.
#[test]
fn the_encrypted_backup_of_the_golden_repository_is_read() {
    let golden = own_folder().join("repository_encrypted");
    let keys = golden.join("keys");
    let path = |name: &str| keys.join(name).display().to_string();
    let repository = golden.join("repository").display().to_string();
    let reading = tempfile::tempdir().unwrap();
    copy(Path::new(&repository), reading.path());
    let repository = reading.path().display().to_string();
    for (instance, key, opened_by) in [
        ("recipients", ["--identity", &path("identity")], RECIPIENT),
        ("passphrase", ["--passphrase-file", &path("passphrase")], "passphrase"),
    ] {
        let id = format!("{instance}/latest");
        let (code, answer) = RedisOps::new().args(["verify", "--backup-id", &id, "-r", &repository]).args(key).json();
        assert_eq!((code, &answer["opened_by"]), (0, &opened_by.into()), "{answer}");
        let Some(target) = RedisServer::start() else { continue };
        let line = ["restore", "--backup-id", &id, "-r", &repository, "--target-instance", &target.url()];
        let (code, answer) = RedisOps::new().args(line).args(key).json();
        assert_eq!((code, &answer["result"]["restored"]), (0, &8.into()), "{answer}");
        assert_eq!(target.ok(&["GET", "greeting"]), "hello");
    }
    let mut shown = String::new();
    std::fs::File::open(keys.join("identity")).unwrap().read_to_string(&mut shown).unwrap();
    assert!(shown.contains(super::IDENTITY));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
