//! `status`: one screen for all instances, and an exit code for a wall monitor.

use super::{days_ago, with_backups};
use crate::support::redis_ops::RedisOps;

#[test]
fn one_screen_tells_of_every_instance() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let text = folder.text();
    days_ago(40, "theirs", &text);
    let status = |more: &[&str]| RedisOps::new().args(["status", "-r", &text]).args(more);
    let (code, answer) = status(&[]).json();
    assert_eq!(code, 0, "{answer:#}");
    let prod = &answer["instances"][0];
    assert_eq!((&prod["instance"], &prod["backups"], &prod["status"]), (&"prod".into(), &2.into(), &"ok".into()));
    assert_eq!(
        (&prod["last_good"]["backup_id"], prod["last_good"]["keys"].as_u64() > Some(0)),
        (&all[1].as_str().into(), true)
    );
    let age = prod["last_good"]["age_seconds"].as_u64().unwrap();
    assert!((86_400..86_400 + 600).contains(&age), "{age}");
    assert!(prod["last_verified"].is_null() && prod["last_drill"].is_null() && prod["next_due"].is_null());
    assert_eq!(prod["growth"]["raw_bytes"], 0, "the same file: {answer:#}");
    assert_eq!(answer["instances"][1]["instance"], "theirs");
    let shown = status(&[]).run();
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    for part in ["INSTANCE", "LAST GOOD", "prod", "1 d", "never", "ok: 2 instances with 3 backups, "] {
        assert!(shown.text().contains(part), "no `{part}` in\n{}", shown.text());
    }
    let only = status(&["-i", "prod"]).json().1;
    assert_eq!(only["instances"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_old_backup_is_exit_2_and_one_that_was_never_verified_exit_1() {
    let Some((folder, _)) = with_backups(&[3, 1]) else { return };
    let text = folder.text();
    days_ago(40, "theirs", &text);
    let status = |more: &[&str]| RedisOps::new().args(["status", "-r", &text]).args(more);
    assert_eq!(status(&["--max-age", "41d"]).run().code, 0);
    let old = status(&["--max-age", "26h"]).run();
    assert_eq!(old.code, 2, "{}", old.everything());
    assert!(
        old.text().contains("failed: theirs: the last good backup is 40 d old; `--max-age` is 1 d 2 h"),
        "{}",
        old.text()
    );
    let line = status(&["--max-age", "26h", "-f", "nagios"]).run();
    assert!(
        line.text().starts_with("REDIS-OPS CRITICAL - theirs: the last good backup is 40 d old"),
        "{}",
        line.text()
    );
    assert!(line.text().contains("prod_age=86"), "{}", line.text());
    let unverified = status(&["-i", "prod", "--max-unverified", "8d"]);
    let (code, answer) = unverified.json();
    assert_eq!((code, &answer["instances"][0]["reasons"][0]), (1, &"no backup was ever verified".into()), "{answer:#}");
    let verified = RedisOps::new().args(["verify", "prod/latest", "-r", &text, "--level", "checksum"]).run();
    assert!(verified.code <= 1, "{}", verified.everything());
    let (code, answer) = status(&["-i", "prod", "--max-unverified", "8d"]).json();
    assert_eq!((code, &answer["instances"][0]["last_verified"]["level"]), (0, &"checksum".into()), "{answer:#}");
}

#[test]
fn what_the_schedule_and_the_policy_name_and_nobody_has_taken_is_told() {
    let Some((folder, _)) = with_backups(&[9, 8, 3]) else { return };
    let settings = format!(
        "instances: {{ prod: {{ host: 127.0.0.1 }}, new: {{ host: 127.0.0.1, port: 6380 }} }}\nbackup:\n  destination: {}\n  \
         schedule: \"0 1 * * *\"\n  retention: {{ keep_daily: 3 }}\n",
        folder.text()
    );
    let status =
        |settings: &str, more: &[&str]| RedisOps::new().file("redis-ops.yaml", settings).arg("status").args(more);
    let (code, answer) = status(&settings, &[]).json();
    assert_eq!(code, 1, "{answer:#}");
    let instance = |name: &str| {
        let all = answer["instances"].as_array().unwrap();
        all.iter().find(|one| one["instance"] == name).unwrap_or_else(|| panic!("{answer:#}"))
    };
    let prod = instance("prod");
    assert!(prod["missed"].is_string() && prod["next_due"].is_string(), "{answer:#}");
    assert_eq!(prod["holes"].as_array().map(Vec::len), Some(2), "{answer:#}");
    assert!(prod["holes"][0].as_str().unwrap().starts_with("no daily for "), "{answer:#}");
    // An instance of the settings without a backup is there.
    assert!(instance("new")["last_good"].is_null());
    let shown = status(&settings, &["--max-age", "26h"]).run();
    assert_eq!(shown.code, 2);
    assert!(shown.text().contains("new: there is no good backup"), "{}", shown.text());
    assert!(shown.text().contains("prod: no daily for "), "{}", shown.text());
    // Switched off, nothing is due and nothing is missing.
    let off = settings.replace("schedule:", "enabled: false\n  schedule:");
    let (code, answer) = status(&off, &["-i", "prod"]).json();
    assert_eq!((code, &answer["instances"][0]["next_due"]), (0, &serde_json::Value::Null), "{answer:#}");
    let wrong = settings.replace("0 1 * * *", "every night");
    let run = status(&wrong, &[]).run();
    assert!(run.code == 3 && run.stderr.contains("`backup.schedule`: a cron line has five fields"), "{}", run.stderr);
}

#[test]
fn a_place_without_a_repository_is_no_answer() {
    let run = RedisOps::new().args(["status", "-r", "/nowhere/at/all"]).run();
    assert_eq!((run.code, run.text()), (3, ""), "{}", run.stderr);
}

#[test]
fn a_backup_that_is_known_to_be_damaged_is_no_last_good_one() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let text = folder.text();
    let newest = folder.path().join("prod").join(&all[1]);
    let status = || RedisOps::new().args(["status", "-r", &text, "--max-age", "5d"]).json();
    assert_eq!(status().0, 0);
    // Its data is missing: the listing shows it.
    let dump = newest.join("dump.rdb.gz");
    let data = std::fs::read(&dump).expect("the dump");
    std::fs::remove_file(&dump).expect("it is ours");
    let (code, answer) = status();
    assert_eq!((code, &answer["instances"][0]["last_good"]["backup_id"]), (2, &all[0].as_str().into()), "{answer:#}");
    // A verification by names and lengths is remembered as well, and unsaid by the next one that finds all there.
    let verify = |level: &str| RedisOps::new().args(["verify", &all[1], "-r", &text, "--level", level]).run().code;
    assert_eq!(verify("manifest"), 2);
    let listed = || RedisOps::new().args(["list", "-r", &text]).json().1["backups"][0].clone();
    assert_eq!(listed()["verified_status"], "failed", "{}", listed());
    let (code, shown) = RedisOps::new().args(["show", &all[1], "-r", &text]).json();
    assert_eq!((code, shown["error"]["code"].as_str()), (2, Some("not_found")), "{shown:#}");
    std::fs::write(&dump, &data).expect("it is ours");
    assert_eq!(verify("manifest"), 0);
    assert_eq!((listed()["verified_status"].as_str(), status().0), (Some("ok"), 0));
    let (_, answer) = RedisOps::new().args(["status", "-r", &text, "--max-unverified", "5d"]).json();
    assert_eq!(answer["instances"][0]["reasons"][0], "no backup was ever verified", "names prove no bytes");
    // Its data is changed: only a verification shows it, and a quick look does not unsay it.
    let mut changed = data.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&dump, changed).expect("it is ours");
    assert_eq!((verify("checksum"), verify("manifest")), (2, 0));
    let (code, answer) = status();
    assert_eq!((code, &answer["instances"][0]["last_good"]["backup_id"]), (2, &all[0].as_str().into()), "{answer:#}");
    let (code, shown) = RedisOps::new().args(["show", &all[1], "-r", &text]).json();
    assert_eq!((code, shown["error"]["code"].as_str()), (2, Some("corrupt")), "{shown:#}");
}

#[test]
fn a_receipt_of_a_clock_that_was_ahead_hides_no_later_one() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let text = folder.text();
    let verify = |run: RedisOps| run.args(["verify", &all[1], "-r", &text, "--level", "checksum"]).run().code;
    let ahead = super::at(200 * super::DAY).expect("a clock");
    assert!(verify(ahead) <= 1);
    let dump = folder.path().join("prod").join(&all[1]).join("dump.rdb.gz");
    let mut data = std::fs::read(&dump).expect("the dump");
    let middle = data.len() / 2;
    data[middle] ^= 1;
    std::fs::write(&dump, data).expect("it is ours");
    let (_, answer) = RedisOps::new().args(["status", "-r", &text]).json();
    let age = answer["instances"][0]["last_verified"]["age_seconds"].as_u64().expect("a number");
    assert!(age < 3600, "it was verified now, whatever that clock said: {answer:#}");
    assert_eq!(verify(RedisOps::new()), 2);
    let (_, list) = RedisOps::new().args(["list", "-r", &text]).json();
    assert_eq!(list["backups"][0]["verified_status"], "failed", "{list:#}");
    let prune = RedisOps::new().args(["prune", "-i", "prod", "-r", &text, "--keep-last", "1", "--dry-run"]);
    assert!(super::verdicts(&prune.json().1).iter().all(|verdict| verdict.starts_with("keep ")));
}

#[test]
fn where_nothing_is_looked_at_nothing_is_good() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    let empty = crate::backup::Folder::new();
    for (place, more) in [(empty.text(), &[][..]), (folder.text(), &["-i", "zz"])] {
        let (code, answer) = RedisOps::new().args(["status", "-r", &place, "--max-age", "26h"]).args(more).json();
        assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")), "{answer:#}");
    }
}

#[test]
fn the_instances_of_the_settings_are_judged_in_their_own_repository() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    let settings =
        "instances: { ours: { host: 127.0.0.1 } }\nbackup: { destination: /elsewhere, schedule: \"@hourly\" }\n";
    let run = RedisOps::new().file("redis-ops.yaml", settings).args(["status", "-r", &folder.text()]);
    let (code, answer) = run.json();
    assert_eq!((code, answer["instances"].as_array().map(Vec::len)), (0, Some(1)), "{answer:#}");
}

#[test]
fn where_all_backups_are_damaged_nothing_is_called_ok() {
    let Some((folder, all)) = with_backups(&[9, 1]) else { return };
    let text = folder.text();
    days_ago(2, "theirs", &text);
    let run = |words: &[&str]| RedisOps::new().args(words).args(["-r", &text]).run();
    for id in &all {
        assert_eq!((run(&["status"]).code, run(&["list"]).code), (0, 0), "one is good");
        let dump = folder.path().join("prod").join(id).join("dump.rdb.gz");
        let bytes = std::fs::read(&dump).unwrap();
        std::fs::write(&dump, &bytes[..bytes.len() / 2]).unwrap();
    }
    let status = run(&["status"]);
    let why = format!("the newest backup, {}, is damaged; no good backup exists", all[1]);
    assert_eq!(status.code, 2, "{}", status.everything());
    assert!(status.text().contains(&format!("failed: prod: {why}")), "{}", status.text());
    let (code, answer) = RedisOps::new().args(["status", "-r", &text]).json();
    assert_eq!((code, &answer["instances"][0]["reasons"][0]), (2, &why.into()), "{answer:#}");
    assert_eq!(answer["instances"][1]["status"], "ok", "{answer:#}");
    let list = run(&["list"]);
    assert_eq!(list.code, 1, "{}", list.everything());
    assert!(list.text().contains("warning: 3 backups in "), "{}", list.text());
    assert!(list.text().contains("; prod has no usable backup"), "{}", list.text());
    // Of what was not looked at nobody says that it is lost.
    assert_eq!(run(&["list", "--limit", "1"]).code, 0);
    assert_eq!(run(&["list", "--json"]).json()["status"], "warning");
}

#[test]
fn an_instance_without_a_backup_that_can_be_used_is_not_ok() {
    let Some((folder, all)) = with_backups(&[3, 1]) else { return };
    let text = folder.text();
    let root = folder.path();
    let run = |command: &str, instance: &str| RedisOps::new().args([command, "-i", instance, "-r", &text]).run();
    // The manifest of another instance, one that is cut, and a backup that was killed.
    for (instance, cut) in [("copied", false), ("cut", true)] {
        let to = root.join(instance).join(&all[0]);
        std::fs::create_dir_all(&to).unwrap();
        for file in
            std::fs::read_dir(root.join("prod").join(&all[0])).unwrap().flatten().filter(|file| file.path().is_file())
        {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        if cut {
            let manifest = to.join("manifest.json");
            let whole = std::fs::read(&manifest).unwrap();
            std::fs::write(&manifest, &whole[..whole.len() / 2]).unwrap();
        }
        let found = run("status", instance);
        assert_eq!(found.code, 2, "{instance}: {}", found.everything());
        assert!(found.text().contains("no good backup exists"), "{instance}: {}", found.text());
        let found = run("list", instance);
        assert!(found.code == 1 && found.text().contains("no usable backup"), "{instance}: {}", found.everything());
    }
    let to = root.join("killed").join(&all[0]);
    std::fs::create_dir_all(&to).unwrap();
    let begun = std::fs::read_to_string(root.join("prod").join(&all[0]).join("begun.json")).unwrap();
    std::fs::write(to.join("begun.json"), begun).unwrap();
    for command in ["status", "list"] {
        let found = run(command, "killed");
        assert_eq!(found.code, 1, "{command}: {}", found.everything());
    }
    // An object that is gone is damage, in every list.
    let data = std::fs::read_dir(root.join("prod").join(&all[1])).unwrap().flatten();
    let data =
        data.map(|file| file.path()).find(|path| path.file_name().unwrap().to_string_lossy().starts_with("dump.rdb"));
    std::fs::remove_file(data.unwrap()).unwrap();
    let found = run("list", "prod");
    assert!(
        found.text().contains("published, damaged") && found.text().contains("1 damaged"),
        "{}",
        found.everything()
    );
    assert!(found.text().contains("is missing"), "{}", found.everything());
    let (_, answer) = RedisOps::new().args(["list", "-i", "prod", "-r", &text]).json();
    assert_eq!((&answer["backups"][0]["damaged"], &answer["backups"][1]["damaged"]), (&true.into(), &false.into()));
}
