//! What nobody can tell of a backup: all commands give the same answer, and nothing that is removed rests on it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{at, days_ago, ids, verdicts, with_backups};
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;

fn run(words: &[&str], folder: &Folder) -> RedisOps {
    RedisOps::new().args(words).args(["-r", &folder.text()])
}

/// Changes one byte in the middle of the data of a backup.
fn damage(folder: &Folder, id: &str) {
    let dump = folder.path().join("prod").join(id).join("dump.rdb.gz");
    let mut data = fs::read(&dump).expect("the dump");
    let middle = data.len() / 2;
    data[middle] ^= 1;
    fs::write(&dump, data).expect("it is ours");
}

/// The receipts of verifications of a backup, in the order of their names.
fn receipts(folder: &Folder, id: &str) -> Vec<PathBuf> {
    let place = folder.path().join("prod").join(id).join("receipts");
    let mut all: Vec<PathBuf> = fs::read_dir(place).expect("receipts").map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("verify-")));
    all.sort();
    all
}

/// What `status` calls the last good backup, and what `prune --keep-last 1` would do with the newest and the one before.
fn judged(folder: &Folder) -> (String, Vec<String>) {
    let status = run(&["status", "-i", "prod"], folder).json().1;
    let good = status["instances"][0]["last_good"]["backup_id"].as_str().unwrap_or("none").to_owned();
    let prune = run(&["prune", "-i", "prod", "--keep-last", "1", "--dry-run"], folder).json().1;
    (good, verdicts(&prune))
}

/// Changes a field of a manifest, and seals it again.
fn reword(manifest: &Path, change: impl Fn(&mut serde_json::Value)) {
    use sha2::{Digest as _, Sha256};
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(manifest).expect("a manifest")).expect("JSON");
    change(&mut json);
    json.as_object_mut().expect("an object").shift_remove("sha256");
    let text = serde_json::to_string_pretty(&json).expect("a text");
    let body = text.strip_suffix("\n}").expect("an object");
    let digest = hex::encode(Sha256::digest(body));
    fs::write(manifest, format!("{body},\n  \"sha256\": \"{digest}\"\n}}\n")).expect("it is ours");
}

#[test]
fn damage_found_by_a_clock_that_is_behind_is_hidden_by_no_older_answer() {
    let Some((folder, all)) = with_backups(&[9, 8, 1]) else { return };
    let newest = all[2].as_str();
    let verify = |run: RedisOps| run.args(["verify", newest, "-r", &folder.text(), "--level", "checksum"]).run().code;
    assert!(verify(RedisOps::new()) <= 1);
    damage(&folder, newest);
    assert_eq!(verify(at(-600).expect("a clock")), 2);
    let listed = || run(&["list"], &folder).json().1["backups"][0]["verified_status"].clone();
    assert_eq!(listed(), "failed");
    let (good, verdicts) = judged(&folder);
    assert_eq!(good, all[1]);
    assert!(verdicts[0].contains("damaged") && verdicts[1].contains("newest sound"), "{verdicts:?}");
    // One that is later by both clocks unsays it.
    damage(&folder, newest);
    assert!(verify(RedisOps::new()) <= 1);
    assert_eq!((listed() == "failed", judged(&folder).0), (false, all[2].clone()));
}

#[test]
fn a_receipt_that_says_nothing_known_leaves_the_backup_in_doubt_for_all_commands() {
    let Some((folder, all)) = with_backups(&[9, 8, 1]) else { return };
    let newest = all[2].as_str();
    let verify = || run(&["verify", newest, "--level", "checksum"], &folder).run().code;
    assert!(verify() <= 1);
    damage(&folder, newest);
    assert_eq!(verify(), 2);
    let last = receipts(&folder, newest).pop().expect("a receipt");
    for body in ["", "{}", r#"{"status": "banana"}"#, r#"{"status": "damaged"}"#, "<html>"] {
        fs::write(&last, body).expect("it is ours");
        let (good, verdicts) = judged(&folder);
        assert_eq!(good, all[1], "{body}");
        assert!(verdicts[0].contains("kept: a receipt or pin of this backup cannot be read"), "{body}: {verdicts:?}");
        assert!(verdicts[1].contains("newest sound") && !verdicts[0].contains("newest"), "{body}: {verdicts:?}");
        let status = run(&["status", "--max-age", "5d", "--max-unverified", "8d"], &folder).run();
        assert_eq!(status.code, 2, "{body}: {}", status.everything());
        let why = format!("{newest} is not known to be good: the receipt of its last verification cannot be read");
        assert!(status.text().contains(&why), "{}", status.text());
        let list = run(&["list"], &folder).json().1;
        assert_eq!(list["backups"][0]["verified_status"], "unreadable", "{list:#}");
        assert!(run(&["list"], &folder).run().text().contains("receipt unreadable"));
    }
}

#[test]
fn a_structure_that_was_not_understood_is_no_last_good_backup() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let manifest = folder.path().join("prod").join(&all[1]).join("manifest.json");
    reword(&manifest, |json| json["structure"]["state"] = "not_understood".into());
    let (good, verdicts) = judged(&folder);
    assert_eq!(good, all[0]);
    assert!(verdicts[1].contains("newest sound"), "{verdicts:?}");
    let (code, answer) = run(&["status", "--max-age", "26h"], &folder).json();
    assert_eq!((code, &answer["instances"][0]["doubtful"]["backup_id"]), (2, &all[1].as_str().into()), "{answer:#}");
}

#[test]
fn a_verification_that_could_not_tell_makes_no_newest_sound_backup() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let manifest = folder.path().join("prod").join(&all[1]).join("manifest.json");
    reword(&manifest, |json| json["shards"] = serde_json::json!([]));
    let verified = run(&["verify", &all[1]], &folder).run();
    assert_eq!(verified.code, 3, "{}", verified.everything());
    let (good, verdicts) = judged(&folder);
    assert_eq!(good, all[0]);
    assert!(verdicts[1].contains("newest sound") && !verdicts[0].contains("newest sound"), "{verdicts:?}");
}

#[test]
fn a_backup_that_a_newer_version_wrote_is_not_damaged() {
    let Some((folder, all)) = with_backups(&[2, 1]) else { return };
    let manifest = folder.path().join("prod").join(&all[1]).join("manifest.json");
    for (field, value) in [("format_version", serde_json::json!(3)), ("purpose", serde_json::json!("legal"))] {
        reword(&manifest, |json| json[field] = value.clone());
        let (code, answer) = run(&["verify", "--all"], &folder).json();
        assert_eq!((code, &answer["checked"]["damaged"]), (3, &0.into()), "{answer:#}");
        assert_eq!(run(&["verify", &all[1]], &folder).json().0, 3);
    }
}

#[test]
fn nothing_is_written_behind_a_link_in_a_backup_and_the_backup_is_held() {
    let Some((folder, all)) = with_backups(&[3, 2, 1]) else { return };
    let elsewhere = Folder::new();
    let place = folder.path().join("prod").join(&all[0]);
    for name in ["pins", "receipts"] {
        let link = place.join(name);
        symlink(elsewhere.path(), &link).expect("a link");
        let pinned = run(&["pin", &all[0]], &folder).run();
        assert_eq!(pinned.code, if name == "pins" { 2 } else { 0 }, "{}", pinned.everything());
        if name == "receipts" {
            let verified = run(&["verify", &all[0]], &folder).run();
            assert!(verified.stderr.contains("no receipt was written"), "{}", verified.everything());
            assert_eq!(run(&["pin", &all[0], "--lift"], &folder).run().code, 0);
        }
        assert_eq!(elsewhere.files(), [""; 0]);
        let prune = run(&["prune", "-i", "prod", "--keep-last", "1", "--dry-run"], &folder).json().1;
        assert_eq!(verdicts(&prune)[2], format!("keep held: `{name}` in its folder is a symbolic link"), "{prune:#}");
        let (code, answer) = run(&["delete", &all[0], "--yes", "--last"], &folder).json();
        assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("held")), "{answer:#}");
        fs::remove_file(&link).expect("a link");
    }
}

#[test]
fn data_behind_a_link_into_another_backup_stands_for_nothing() {
    let Some((folder, all)) = with_backups(&[3, 2]) else { return };
    let dump = folder.path().join("prod").join(&all[1]).join("dump.rdb.gz");
    fs::remove_file(&dump).expect("it is ours");
    symlink(format!("../{}/dump.rdb.gz", all[0]), &dump).expect("a link");
    let (code, answer) = run(&["prune", "-i", "prod", "--keep-last", "1", "--yes"], &folder).json();
    assert_eq!((code, ids(&folder.text()).len()), (0, 2), "{answer:#}");
    assert!(verdicts(&answer)[1].contains("newest sound"), "{answer:#}");
}

#[test]
fn latest_is_not_what_is_behind_a_folder_that_may_not_be_read() {
    let Some((folder, all)) = with_backups(&[3, 1]) else { return };
    open_to_all(folder.path());
    let newest = folder.path().join("prod").join(&all[1]);
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o000)).expect("it is ours");
    for (words, code) in [(&["verify", "latest"][..], 3), (&["show", "prod/latest"], 3), (&["show", &all[0]], 0)] {
        let Some(nobody) = RedisOps::as_nobody() else { return crate::support::skip("another user") };
        let run = nobody.args(words).args(["-r", &folder.text()]).run();
        assert_eq!(run.code, code, "{words:?}: {}", run.everything());
        let is_named =
            run.stderr.contains("manifest.json") && run.stderr.contains(&format!("denied: {}", newest.display()));
        assert_eq!(is_named, code == 3, "{words:?}: {}", run.everything());
    }
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o700)).expect("it is ours");
}

#[test]
fn an_instance_whose_folder_may_not_be_read_is_named_and_makes_no_good_answer() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    days_ago(1, "secret", &folder.text());
    open_to_all(folder.path());
    let closed = folder.path().join("secret");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("it is ours");
    for (words, code) in [
        (&["verify", "--all", "--level", "manifest"][..], 3),
        (&["status", "--max-age", "26h"], 3),
        (&["status", "-i", "secret"], 3),
        (&["list", "-i", "secret"], 3),
        (&["list", "-i", "prod"], 0),
        (&["status", "-i", "prod", "--max-age", "26h"], 0),
    ] {
        let Some(nobody) = RedisOps::as_nobody() else { return crate::support::skip("another user") };
        let run = nobody.args(words).args(["-r", &folder.text()]).run();
        assert_eq!(run.code, code, "{words:?}: {}", run.everything());
        assert_eq!(run.everything().contains("secret"), code == 3, "{words:?}: {}", run.everything());
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");
}

/// Lets everybody read and search a folder, and all below it.
fn open_to_all(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            open_to_all(&path);
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_dry_run_names_what_would_stay_and_ends_as_the_run() {
    let Some((folder, all)) = with_backups(&[3, 2, 1]) else { return };
    let place = folder.path().join("prod").join(&all[0]);
    for name in ["notes.txt", ".DS_Store", "two\nlines"] {
        fs::write(place.join(name), "mine").expect("it is ours");
    }
    let prune = |last: &str| run(&["prune", "-i", "prod", "--keep-last", "1", last], &folder);
    let dry = prune("--dry-run").run();
    let run = prune("--yes").run();
    assert_eq!((dry.code, run.code), (1, 1), "{}{}", dry.everything(), run.everything());
    for name in ["notes.txt", ".DS_Store", "two\\nlines"] {
        for (text, word) in [(dry.text(), "would stay: "), (run.text(), "stays: ")] {
            let line = format!("{word}prod/{}/{name}: not part of the backup", all[0]);
            assert!(text.contains(&line), "no `{line}` in\n{text}");
        }
    }
    // Nobody is at work there.
    let (_, list) = self::run(&["list"], &folder).json();
    assert_eq!(list["backups"][1]["status"], "left", "{list:#}");
    assert!(self::run(&["list"], &folder).run().text().contains("not of redis-ops: no begun.json"));
    let (_, status) = self::run(&["status"], &folder).json();
    assert_eq!(status["instances"][0]["left"], 0, "{status:#}");
}

#[test]
fn a_lower_level_does_not_unsay_what_a_higher_one_has_found() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let newest = all[1].as_str();
    let manifest = folder.path().join("prod").join(newest).join("manifest.json");
    reword(&manifest, |json| json["census"]["keys"] = (json["census"]["keys"].as_u64().unwrap() + 1).into());
    let verify = |level: &str| run(&["verify", newest, "--level", level], &folder).run().code;
    assert_eq!(verify("structure"), 2);
    assert_eq!((verify("checksum"), verify("manifest")), (0, 0));
    let list = run(&["list"], &folder).json().1;
    assert_eq!(list["backups"][0]["verified_status"], "failed", "{list:#}");
    let (good, verdicts) = judged(&folder);
    assert!(good == all[0] && verdicts[0].contains("damaged"), "{good}: {verdicts:?}");
    reword(&manifest, |json| json["census"]["keys"] = (json["census"]["keys"].as_u64().unwrap() - 1).into());
    assert!(verify("structure") <= 1);
    assert_eq!(judged(&folder).0, all[1]);
}

#[test]
fn where_every_backup_is_gone_nothing_is_young_enough() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    fs::remove_dir_all(folder.path().join("prod")).expect("it is ours");
    assert_eq!(run(&["status"], &folder).json().0, 0);
    for limit in ["--max-age", "--max-unverified"] {
        let run = run(&["status", limit, "26h"], &folder).run();
        assert!(run.code == 3 && run.text().contains("nothing was checked"), "{}", run.everything());
    }
}

#[test]
fn receipts_that_may_not_be_read_are_not_called_none() {
    let Some((folder, all)) = with_backups(&[1]) else { return };
    assert!(run(&["verify", &all[0], "--level", "checksum"], &folder).run().code <= 1);
    open_to_all(folder.path());
    let closed = folder.path().join("prod").join(&all[0]).join("receipts");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("it is ours");
    let Some(nobody) = RedisOps::as_nobody() else { return crate::support::skip("another user") };
    let list = nobody.args(["list", "-r", &folder.text()]).run();
    assert!(list.text().contains("receipt unreadable") && !list.text().contains("never"), "{}", list.everything());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");
}

#[test]
fn a_drill_that_no_server_of_this_machine_can_hold_says_nothing_against_the_backup() {
    use crate::support::redis_server::{RedisServer, server_named};
    let (Some(new), Some(old)) = (server_named("redis-server-8.0"), server_named("redis-server-6.2")) else { return };
    let Some(server) = RedisServer::builder().version(&new).start() else { return };
    server.ok(&["HSET", "h", "f", "v"]);
    server.ok(&["HEXPIRE", "h", "100000", "FIELDS", "1", "f"]);
    let folder = Folder::new();
    let taken = crate::backup::backed_up(&server.url(), &folder.text(), &[]);
    let id = taken["backup"]["id"].as_str().unwrap().to_owned();
    let verify = ["verify", &id, "--level", "drill", "--server-binary", old.path.to_str().unwrap()];
    assert_eq!(run(&verify, &folder).run().code, 3);
    let (code, status) = run(&["status", "--max-age", "26h"], &folder).json();
    assert_eq!((code, &status["instances"][0]["last_good"]["backup_id"]), (0, &id.as_str().into()), "{status:#}");
    assert!(status["instances"][0]["last_drill"].is_null(), "{status:#}");
    let (good, _) = judged(&folder);
    assert_eq!(good, id);
}
