//! `prune`, `delete`, `pin` and `backup --prune` over a folder.

use std::fs;

use super::{at, days_ago, ids, verdicts, with_backups};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, shifts_clocks};

#[test]
fn a_dry_run_gives_a_reason_for_each_backup_and_removes_nothing() {
    let Some((folder, all)) = with_backups(&[40, 30, 2, 1, 0]) else { return };
    let text = folder.text();
    let prune = || RedisOps::new().args(["prune", "-i", "prod", "-r", &text, "--keep-daily", "2", "--dry-run"]);
    let (code, answer) = prune().json();
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(
        verdicts(&answer),
        [
            "keep daily, newest sound, last of its instance",
            "keep daily",
            "remove no rule keeps it",
            "remove no rule keeps it",
            "remove no rule keeps it",
        ]
    );
    assert_eq!((&answer["policy"]["keep_daily"], &answer["policy"]["from"]), (&2.into(), &"the command line".into()));
    assert!(answer.get("removed").is_none());
    let shown = prune().run();
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    for part in [
        "policy of prod from the command line: keep daily 2; safety backups for 7 d",
        &format!("remove  prod/{}", all[0]),
        "no rule keeps it",
        "ok: 2 backups kept, 3 would be removed (",
    ] {
        assert!(shown.text().contains(part), "no `{part}` in\n{}", shown.text());
    }
    assert_eq!(ids(&text).len(), 5);
}

#[test]
fn a_prune_asks_once_and_without_a_terminal_refuses() {
    let Some((folder, all)) = with_backups(&[3, 2, 0]) else { return };
    let text = folder.text();
    let prune = || RedisOps::new().args(["prune", "-i", "prod", "-r", &text, "--keep-last", "1", "--progress", "none"]);
    let refused = prune().run();
    assert_eq!((refused.code, refused.text()), (2, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("policy of prod from the command line: keep last 1"), "{}", refused.stderr);
    assert!(refused.stderr.contains("there is no terminal. This deletes in file://"), "{}", refused.stderr);
    assert!(refused.stderr.contains(": 2 backups of prod ("), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: add `--yes` to confirm in advance"), "{}", refused.stderr);
    let (code, answer) = prune().json();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("not_confirmed")), "{answer:#}");
    assert_eq!(ids(&text).len(), 3);
    let (code, answer) = prune().arg("--yes").json();
    assert_eq!((code, &answer["removed"]["backups"]), (0, &2.into()), "{answer:#}");
    assert_eq!(ids(&text), [all[2].clone()]);
    assert!(folder.files().iter().all(|file| !file.contains(&all[0]) && !file.contains(&all[1])), "nothing is left");
    // Nothing more is to be done, and nobody is asked.
    let again = prune().run();
    assert_eq!((again.code, again.stderr.as_str()), (0, ""), "{}", again.stderr);
    assert!(again.text().ends_with(&format!("in file://{text}\n")), "{}", again.text());
}

#[test]
fn the_policy_of_the_settings_is_for_the_instances_of_the_settings() {
    let Some((folder, _)) = with_backups(&[3, 2, 0]) else { return };
    let text = folder.text();
    for days in [5, 4] {
        days_ago(days, "theirs", &text);
    }
    let settings = format!(
        "instances: {{ prod: {{ host: 127.0.0.1 }} }}\nbackup:\n  destination: {text}\n  retention: {{ keep_last: 1, keep_within: 1h, keep_safety: 3d }}\n"
    );
    let run = |more: &[&str]| RedisOps::new().file("redis-ops.yaml", &settings).arg("prune").args(more);
    let (code, answer) = run(&["--dry-run"]).json();
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!((&answer["instances"], &answer["others"]), (&["prod"].into(), &["theirs"].into()));
    assert_eq!(answer["policy"]["keep_safety_seconds"], 3 * 86_400);
    let shown = run(&["--dry-run"]).run();
    let first =
        "policy of prod from `backup.retention` in redis-ops.yaml: keep last 1, within 1 hour; safety backups for 3 d";
    assert!(shown.text().starts_with(first), "{}", shown.text());
    assert!(shown.text().contains("left alone, because the policy does not cover them: theirs"), "{}", shown.text());
    // It is not for an instance that somebody names, and not for another repository.
    let elsewhere = crate::backup::Folder::new().text();
    for (more, says) in
        [(["-i", "theirs"], "is the policy for prod, not for `theirs`"), (["-r", &elsewhere], "is the policy for")]
    {
        let refused = run(&["--dry-run"]).args(more).run();
        assert!(refused.code == 3 && refused.stderr.contains(says), "{}", refused.stderr);
    }
    // What was typed is the whole policy.
    let (_, answer) = run(&["--dry-run", "--keep-daily", "9"]).json();
    assert_eq!((&answer["policy"]["keep_last"], &answer["policy"]["keep_daily"]), (&0.into(), &9.into()));
}

#[test]
fn a_policy_that_keeps_nothing_and_an_instance_that_is_not_there_are_refused() {
    let Some((folder, _)) = with_backups(&[0]) else { return };
    let text = folder.text();
    for more in [&[][..], &["--keep-last", "0"], &["--keep-within", "0h"]] {
        let run = RedisOps::new().args(["prune", "-r", &text, "--yes"]).args(more).run();
        assert_eq!((run.code, run.text()), (3, ""), "{}", run.stderr);
        assert!(run.stderr.contains("no rule says which backups to keep"), "{}", run.stderr);
        assert!(run.stderr.contains("backup.retention"), "{}", run.stderr);
    }
    let run = RedisOps::new().args(["prune", "-r", &text, "-i", "nobody", "--keep-last", "1"]).run();
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("has no backups of `nobody`") && run.stderr.contains("of prod"), "{}", run.stderr);
    let run = RedisOps::new().args(["prune", "-r", &text, "--keep-last", "some"]).run();
    assert!(run.code == 3 && run.stderr.contains("expected a whole number or `unlimited`"), "{}", run.stderr);
    assert_eq!(ids(&text).len(), 1);
}

#[test]
fn a_pin_holds_a_backup_until_it_is_lifted() {
    let Some((folder, all)) = with_backups(&[3, 0]) else { return };
    let text = folder.text();
    let old = format!("prod/{}", all[0]);
    let pin = |more: &[&str]| RedisOps::new().args(["pin", &old, "-r", &text]).args(more).json();
    let manifest = folder.path().join(&old).join("manifest.json");
    let before = fs::read(&manifest).unwrap();
    let (code, answer) = pin(&["--name", "audit", "--reason", "case 4711"]);
    assert_eq!((code, &answer["pins"][0]["reason"]), (0, &"case 4711".into()), "{answer:#}");
    assert_eq!(pin(&["--name", "audit"]).0, 0, "a second time changes nothing");
    assert_eq!(fs::read(&manifest).unwrap(), before, "the manifest never changes");
    let prune = || RedisOps::new().args(["prune", "-i", "prod", "-r", &text, "--keep-last", "1", "--yes"]).json();
    let (code, answer) = prune();
    assert_eq!((code, verdicts(&answer)[1].as_str()), (0, "keep pinned (audit)"), "{answer:#}");
    let delete = || RedisOps::new().args(["delete", &old, "-r", &text, "--yes"]);
    let (code, answer) = delete().json();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("pinned")), "{answer:#}");
    let hint = format!("hint: `redis-ops pin {old} --lift --name audit` lifts the pin");
    assert!(delete().run().stderr.contains(&hint));
    // Two pins: which one is meant has to be said.
    pin(&["--name", "legal"]);
    let (code, answer) = pin(&["--lift"]);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("ambiguous")), "{answer:#}");
    assert_eq!(pin(&["--lift", "--name", "audit"]).1["pins"].as_array().map(Vec::len), Some(1));
    assert_eq!(verdicts(&prune().1)[1], "keep pinned (legal)");
    assert_eq!(pin(&["--lift"]).1["pins"].as_array().map(Vec::len), Some(0));
    assert_eq!(pin(&["--lift"]).0, 0, "nothing to lift");
    assert_eq!(prune().1["removed"]["backups"], 1);
    let (code, answer) = pin(&[]);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")), "{answer:#}");
}

#[test]
fn one_backup_is_deleted_by_name_and_the_last_one_only_if_that_is_said() {
    let Some((folder, all)) = with_backups(&[3, 2, 0]) else { return };
    let text = folder.text();
    let verify = RedisOps::new().args(["verify", &all[1], "-r", &text, "--level", "checksum"]).run();
    assert!(verify.code <= 1, "{}", verify.stderr);
    let delete = |id: &str, more: &[&str]| RedisOps::new().args(["delete", id, "-r", &text]).args(more).json();
    let (code, answer) = delete(&all[0], &[]);
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("not_confirmed")), "nobody can be asked: {answer:#}");
    let (code, answer) = delete(&all[0], &["--yes"]);
    assert_eq!((code, &answer["removed"]["backups"]), (0, &1.into()), "{answer:#}");
    assert_eq!(ids(&text), [all[2].clone(), all[1].clone()]);
    for (id, says) in [(&all[1], "the newest verified backup"), (&all[2], "the newest sound backup")] {
        let (code, answer) = delete(id, &["--yes"]);
        assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("last_backup")), "{answer:#}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer:#}");
        assert!(answer["error"]["hint"].as_str().unwrap().contains("`--last`"), "{answer:#}");
    }
    assert_eq!(ids(&text).len(), 2);
    for id in [&all[1], &all[2]] {
        assert_eq!(delete(id, &["--last", "--yes"]).0, 0);
    }
    assert_eq!(ids(&text).len(), 0);
    let (code, answer) = delete(&all[1], &["--yes"]);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")), "{answer:#}");
}

#[test]
fn a_backup_prunes_behind_itself_by_the_policy_of_the_settings() {
    let Some((folder, _)) = with_backups(&[3, 2, 1]) else { return };
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "a", "1"]);
    let settings = format!(
        "instances: {{ prod: {{ host: 127.0.0.1, port: {} }} }}\nbackup:\n  destination: {}\n  retention: {{ keep_last: 2 }}\n",
        server.port(),
        folder.text()
    );
    let backup = || {
        let run = RedisOps::new().file("redis-ops.yaml", &settings);
        run.args(["backup", "-i", "prod", "--prune", "--progress", "none"])
    };
    let (code, answer) = backup().json();
    assert_eq!((code, &answer["prune"]["removed"]["backups"]), (0, &2.into()), "{answer:#}");
    assert_eq!(ids(&folder.text()).len(), 2);
    let shown = backup().run();
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    assert!(
        shown.text().contains("kept by the policy of prod from `backup.retention` in redis-ops.yaml: last 2"),
        "{}",
        shown.text()
    );
    assert!(shown.text().trim_end().lines().last().unwrap().starts_with("ok: "), "{}", shown.text());
    assert_eq!(ids(&folder.text()).len(), 2);
    // Without a policy nothing is backed up: who asks for a prune has to say what is kept.
    let run =
        RedisOps::new().args(["backup", "-i", &server.url(), "-r", &folder.text(), "--name", "prod", "--prune"]).run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(ids(&folder.text()).len(), 2);
}

#[test]
fn safety_backups_go_after_a_week_and_stand_in_no_rules_way() {
    let (Some(server), true) = (RedisServer::start(), shifts_clocks()) else { return };
    let Some((folder, all)) = with_backups(&[20, 19]) else { return };
    let text = folder.text();
    server.ok(&["SET", "other", "1"]);
    let restore = at(-8 * super::DAY).expect("a clock").args(["restore", "--backup-id", &all[0], "-r", &text]);
    let restore = restore.args(["--target-instance", &server.url(), "--replace-all", "--yes", "--no-proof"]).run();
    assert!(restore.code <= 1, "{}", restore.stderr);
    let list = RedisOps::new().args(["list", "-r", &text]).json().1;
    let safety = list["backups"][0].clone();
    assert_eq!(safety["purpose"], "safety", "{list:#}");
    let instance = safety["instance"].as_str().unwrap();
    let prune = |safety: &str| {
        let run = RedisOps::new().args(["prune", "-r", &text, "--keep-last", "1", "--dry-run", "-i", instance]);
        run.args(["--keep-safety", safety]).json().1
    };
    // It is the only one of that instance: it stays, whatever its age.
    assert!(verdicts(&prune("9d"))[0].ends_with("recent safety backup"), "{:#}", prune("9d"));
    assert_eq!(verdicts(&prune("7d")), ["keep newest sound, last of its instance"]);
    days_ago(1, instance, &text);
    assert_eq!(verdicts(&prune("7d")), ["keep last, newest sound, last of its instance", "remove old safety backup"]);
}

#[test]
fn what_a_killed_backup_left_goes_after_a_day() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    let left = folder.path().join("prod/2020-01-01-01-00");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("begun.json"), r#"{"id": "2020-01-01-01-00", "instance": "prod", "begun_at": "2020-01-01T01:00:00Z", "host": "gone", "pid": 1, "token": "t"}"#).unwrap();
    fs::write(left.join("dump.rdb.gz"), "half of it").unwrap();
    // An upload that was killed, and one of another backup that nobody knows of.
    fs::write(left.join(".census.bin.0123456789abcdef.part"), "a part").unwrap();
    let prune = |ahead: i64| {
        let run = at(ahead).expect("a clock").args(["prune", "-r", &folder.text(), "--keep-last", "1", "--yes"]);
        run.json()
    };
    // What is silent is so by the clock that dates the files, whatever that of the prune says.
    for (hours, ahead) in [(23, 0), (0, 25 * 3600), (0, 400 * super::DAY)] {
        super::age(&left, hours);
        let (code, answer) = prune(ahead);
        assert_eq!((code, &answer["left"][0]["action"]), (0, &"keep".into()), "{hours} {ahead}: {answer:#}");
    }
    super::age(&left, 2);
    let (code, answer) = prune(-25 * 3600);
    assert_eq!(
        (code, &answer["left"][0]["action"], &answer["removed"]["unfinished"]),
        (0, &"removed".into(), &1.into()),
        "{answer:#}"
    );
    assert!(!left.exists() || fs::read_dir(&left).unwrap().next().is_none(), "{:?}", folder.files());
    assert_eq!(ids(&folder.text()).len(), 1);
}

/// A restore that runs holds its backup. One that was killed holds it against a prune for a day, for its `--resume`.
#[test]
fn a_backup_that_a_restore_reads_is_not_removed() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(3000, 100);
    let Some((folder, _)) = with_backups(&[0]) else { return };
    let text = folder.text();
    let made =
        RedisOps::new().args(["backup", "-i", &source.url(), "-r", &text, "--name", "prod", "--progress", "none"]);
    let id = made.json().1["backup"]["id"].as_str().unwrap().to_owned();
    let newer =
        RedisOps::new().args(["backup", "-i", &source.url(), "-r", &text, "--name", "prod", "--progress", "none"]);
    assert_eq!(newer.json().0, 0);
    let restore =
        RedisOps::new().args(["restore", "--backup-id", &format!("prod/{id}"), "-r", &text, "--rate", "10KB"]);
    let mut restore =
        restore.args(["--target-instance", &target.url(), "--method", "restore", "--progress", "none"]).spawn();
    let mark = || folder.files().into_iter().find(|file| file.contains(&id) && file.contains("receipts/reading-"));
    while mark().is_none() {
        assert!(!restore.has_ended(), "it reads for seconds");
        std::thread::yield_now();
    }
    let prune = || RedisOps::new().args(["prune", "-i", "prod", "-r", &text, "--keep-last", "1", "--yes"]).json();
    let (code, answer) = prune();
    let held = format!("keep being read by pid {} on ", restore.id());
    assert!(code == 0 && verdicts(&answer)[1].starts_with(&held), "{answer:#}");
    let delete = || RedisOps::new().args(["delete", &format!("prod/{id}"), "-r", &text, "--yes"]).json();
    let (code, answer) = delete();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("being_read")), "{answer:#}");
    let pid = restore.id();
    restore.signal("KILL");
    restore.wait();
    assert!(mark().is_some(), "nobody has taken it away");
    let (code, answer) = prune();
    let held = format!("keep read by an interrupted restore (pid {pid} on ");
    assert!(code == 0 && verdicts(&answer)[1].starts_with(&held), "{answer:#}");
    let words = ["prune", "-i", "prod", "-r", &text, "--keep-last", "1", "--dry-run"];
    if let Some(run) = at(25 * 3600) {
        assert!(verdicts(&run.args(words).json().1)[1].starts_with(&held), "by the clock that dates the mark");
    }
    super::age(folder.path(), 25);
    assert_eq!(verdicts(&RedisOps::new().args(words).json().1)[1], "remove no rule keeps it");
    assert_eq!(delete().0, 0);
    assert!(folder.files().iter().all(|file| !file.contains(&id)), "{:?}", folder.files());
}

#[test]
fn an_instance_that_is_a_link_into_another_repository_loses_nothing() {
    let Some((real, made)) = with_backups(&[3, 2]) else { return };
    let other = crate::backup::Folder::new();
    fs::copy(real.path().join("redis-ops-repository.json"), other.path().join("redis-ops-repository.json")).unwrap();
    std::os::unix::fs::symlink(real.path().join("prod"), other.path().join("prod")).unwrap();
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    let named = format!("prod/{}", made[0]);
    let (code, answer) = RedisOps::new().args(["delete", &named, "--last", "--yes", "-r", &other.text()]).json();
    assert_eq!(code, 2, "{answer:#}");
    assert_eq!(ids(&real.text()), newest_first);
    let words = ["prune", "-i", "prod", "--keep-last", "1", "--yes", "-r", &other.text()];
    let (_, answer) = RedisOps::new().args(words).json();
    assert_eq!(ids(&real.text()), newest_first, "{answer:#}");
}

#[test]
fn a_backup_behind_a_symbolic_link_stays_and_so_does_what_is_behind_it() {
    let Some((theirs, old)) = with_backups(&[9]) else { return };
    let Some((folder, _)) = with_backups(&[2, 1, 0]) else { return };
    let name = format!("prod/{}", old[0]);
    std::os::unix::fs::symlink(theirs.path().join(&name), folder.path().join(&name)).expect("a link");
    let (code, answer) = RedisOps::new().args(["prune", "-r", &folder.text(), "--keep-last", "1", "--yes"]).json();
    assert_eq!((code, &answer["removed"]["backups"]), (0, &2.into()), "{answer:#}");
    assert_eq!(verdicts(&answer)[3], "keep behind a symbolic link", "{answer:#}");
    let (code, answer) = RedisOps::new().args(["delete", &name, "-r", &folder.text(), "--yes"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (2, Some("held")), "{answer:#}");
    assert_eq!(ids(&theirs.text()), old);
}

#[test]
fn a_folder_that_cannot_be_read_is_denied_and_not_missing() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some((folder, all)) = with_backups(&[0]) else { return };
    let place = folder.path().join("prod");
    let mode = |mode| fs::set_permissions(&place, fs::Permissions::from_mode(mode)).expect("it is ours");
    mode(0o000);
    // Root reads everything.
    if fs::read_dir(&place).is_err() {
        for (command, code) in [("delete", 2), ("show", 3), ("verify", 3)] {
            let (ended, answer) = RedisOps::new().args([command, &all[0], "-r", &folder.text(), "--yes"]).json();
            assert_eq!(
                (ended, answer["error"]["code"].as_str()),
                (code, Some("access_denied")),
                "{command}: {answer:#}"
            );
        }
    }
    mode(0o700);
    assert_eq!(ids(&folder.text()), all);
}

#[test]
fn a_planned_backup_says_what_its_prune_would_remove() {
    let Some(server) = RedisServer::start() else { return };
    let Some((folder, all)) = with_backups(&[3, 2, 1]) else { return };
    let settings = format!("backup:\n  destination: {}\n  retention: {{ keep_last: 2 }}\n", folder.text());
    let run = RedisOps::new().file("redis-ops.yaml", &settings);
    let (code, answer) = run.args(["backup", "-i", &server.url(), "--name", "prod", "--prune", "--plan"]).json();
    let lines = answer["plan"]["lines"].to_string();
    assert_eq!(code, 0, "{answer:#}");
    let says = format!("the prune would remove 2 backups (26.4 KiB): {}, {}; it keeps 2", all[1], all[0]);
    assert!(lines.contains(&says), "{lines}");
    assert_eq!(ids(&folder.text()).len(), 3);
    // A backup by SCAN is counted by itself: it takes the place of no other.
    let by_scan = |more: &[&str]| {
        let run =
            RedisOps::new().file("redis-ops.yaml", &settings).args(["backup", "-i", &server.url(), "--name", "prod"]);
        run.args(["--prune", "--source", "scan"]).args(more).json().1
    };
    let lines = by_scan(&["--plan"])["plan"]["lines"].to_string();
    let says = format!("the prune would remove 1 backup (13.2 KiB): {}; it keeps 3", all[0]);
    assert!(lines.contains(&says), "{lines}");
    let taken = by_scan(&[]);
    assert_eq!((&taken["prune"]["removed"]["backups"], ids(&folder.text()).len()), (&1.into(), 3), "{taken:#}");
}

#[test]
fn a_policy_that_a_backup_cannot_take_is_refused_with_what_can_be_typed() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    let (other, link) = (crate::backup::Folder::new(), crate::backup::Folder::new());
    std::os::unix::fs::symlink(folder.path(), link.path().join("same")).expect("a link");
    let settings = format!("backup:\n  destination: {}\n  retention: {{ keep_last: 2 }}\n", folder.text());
    let run = |words: &[&str], settings: &str| RedisOps::new().file("redis-ops.yaml", settings).args(words).run();
    let backup = ["backup", "-i", "redis://127.0.0.1:1", "--name", "prod", "--prune", "-r"];
    for (place, settings, says) in [
        (other.text(), settings.as_str(), format!("the repository that was given is file://{}", other.text())),
        (other.text(), "", "no rule says which backups to keep".to_owned()),
    ] {
        let run = run(&[&backup[..], &[&place]].concat(), settings);
        assert!(run.code == 3 && run.stderr.contains(&says), "{}", run.stderr);
        let hint = "run `redis-ops prune --keep-daily 7 --keep-weekly 4` after the backup";
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    // The same folder by another name.
    let same = link.path().join("same").display().to_string();
    let run = run(&["prune", "-i", "prod", "-r", &same, "--dry-run"], &settings);
    assert_eq!(run.code, 0, "{}", run.everything());
}

#[test]
fn the_first_backup_that_is_due_makes_the_folder() {
    let Some(server) = RedisServer::start() else { return };
    let folder = crate::backup::Folder::new();
    let place = folder.path().join("not/there").display().to_string();
    let settings = format!("backup:\n  destination: {place}\n  schedule: \"0 1 * * *\"\n");
    let backup = || {
        let run = RedisOps::new().file("redis-ops.yaml", &settings).args(["backup", "-i", &server.url(), "--if-due"]);
        run.args(["--name", "prod"]).json()
    };
    let (code, answer) = backup();
    assert_eq!((code, ids(&place).len()), (0, 1), "{answer:#}");
    assert_eq!((backup().0, ids(&place).len()), (0, 1));
}

#[test]
fn what_lacks_only_its_manifest_goes_when_it_is_named() {
    let Some((folder, all)) = with_backups(&[3, 1]) else { return };
    let place = folder.path().join("prod").join(&all[0]);
    fs::remove_file(place.join("manifest.json")).expect("it is ours");
    super::age(&place, 48);
    let prune = RedisOps::new().args(["prune", "-i", "prod", "-r", &folder.text(), "--keep-last", "1", "--yes"]).run();
    assert!(place.exists() && prune.text().contains("`delete ID --last` removes it"), "{}", prune.everything());
    let delete = |more: &[&str]| {
        RedisOps::new().args(["delete", &all[0], "-i", "prod", "-r", &folder.text(), "--yes"]).args(more).json()
    };
    assert_eq!((delete(&[]).0, place.exists()), (3, true));
    let (code, answer) = delete(&["--last"]);
    assert_eq!((code, place.exists(), &answer["removed"]["backups"]), (0, false, &1.into()), "{answer:#}");
    assert_eq!(ids(&folder.text()), [all[1].clone()]);
}

#[test]
fn a_policy_of_settings_without_instances_is_for_the_one_that_is_named() {
    let Some((folder, _)) = with_backups(&[3, 2, 1]) else { return };
    let settings = format!("backup:\n  destination: {}\n  retention: {{ keep_last: 2 }}\n", folder.text());
    let prune = |more: &[&str]| {
        RedisOps::new().file("redis-ops.yaml", &settings).args(["prune", "--yes"]).args(more.iter().copied()).json()
    };
    let (code, answer) = prune(&[]);
    assert_eq!(
        (code, answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("`-i NAME`"))),
        (3, true),
        "{answer}"
    );
    assert_eq!(ids(&folder.text()).len(), 3);
    // What is typed is for all of the repository.
    assert_eq!(prune(&["--keep-last", "3"]).0, 0);
    let (code, answer) = prune(&["-i", "prod"]);
    assert_eq!((code, ids(&folder.text()).len()), (0, 2), "{answer}");
}

#[test]
fn pins_are_seen_where_backups_are_shown() {
    let Some((folder, all)) = with_backups(&[1, 0]) else { return };
    let text = folder.text();
    let pin = RedisOps::new().args(["pin", &all[0], "-r", &text, "--name", "audit", "--reason", "of the quarter"]);
    assert_eq!(pin.json().0, 0);
    let list = RedisOps::new().args(["list", "-r", &text]).run();
    assert_eq!(list.text().matches("published, pinned").count(), 1, "{}", list.text());
    let shown = RedisOps::new().args(["show", &all[0], "-r", &text]).run();
    assert!(shown.text().contains("pinned") && shown.text().contains("audit, since 20"), "{}", shown.text());
    assert!(shown.text().contains(": of the quarter"), "{}", shown.text());
    let (_, shown) = RedisOps::new().args(["show", &all[0], "-r", &text]).json();
    assert_eq!((&shown["pins"][0]["name"], &shown["pins"][0]["reason"]), (&"audit".into(), &"of the quarter".into()));
}

#[test]
fn what_a_run_has_published_is_not_what_its_own_prune_removes() {
    let Some((folder, _)) = with_backups(&[1]) else { return };
    let settings = format!("backup:\n  destination: {}\n  retention: {{ keep_last: 1 }}\n", folder.text());
    let file = crate::support::fixtures::own_folder().join("sampler-redis-7.2.6.rdb");
    let backup = |run: RedisOps| {
        let run = run.file("redis-ops.yaml", &settings).args(["backup", "--from-file", file.to_str().unwrap()]);
        let (code, answer) = run.args(["--name", "prod", "--prune", "--progress", "none"]).json();
        assert!(code <= 1, "{answer:#}");
        answer["backup"]["id"].as_str().expect("an id").to_owned()
    };
    // Several in a minute: an id that a prune has freed is not given to one that is newer than those behind it.
    for _ in 0..4 {
        let id = backup(RedisOps::new());
        assert_eq!(ids(&folder.text()), [id]);
    }
    // A clock that is behind that of the machine that took the last one.
    let id = backup(at(-600).expect("a clock"));
    let there = ids(&folder.text());
    assert!(there.contains(&id) && there.len() == 2, "{id}: {there:?}");
}

#[test]
fn an_id_alone_is_confirmed_beforehand_only_where_one_instance_has_backups() {
    let Some((folder, all)) = with_backups(&[2, 1]) else { return };
    let text = folder.text();
    let bare = all[0].rsplit('/').next().unwrap().to_owned();
    let other = std::path::Path::new(&text).join("other");
    let copied =
        std::process::Command::new("cp").args(["-r", &format!("{text}/prod"), &other.display().to_string()]).status();
    assert!(copied.is_ok_and(|status| status.success()));
    std::fs::remove_dir_all(other.join(&bare)).unwrap();
    let delete = |id: &str| RedisOps::new().args(["delete", id, "-r", &text, "--yes"]).json();
    let (code, answer) = delete(&bare);
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("usage")), "{answer:#}");
    assert!(
        answer["error"]["hint"].as_str().unwrap().contains(&format!("delete prod/{bare} -r file://")),
        "{answer:#}"
    );
    assert_eq!(delete(&format!("prod/{bare}")).0, 0);
}
