//! `copy`: backups from one repository into another, folders and stores, as a person at the command line sees it.

use std::fs;

use crate::backup::Folder;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, Manners, S3Server};

/// Takes a backup of a fixture, and returns its id.
#[track_caller]
fn taken(name: &str, repository: &str) -> String {
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    let line = ["backup", "--from-file", file.to_str().unwrap(), "--name", name, "-r", repository];
    let (code, answer) = RedisOps::new().args(line).json();
    assert!(code <= 1, "{answer:#}");
    answer["backup"]["id"].as_str().unwrap().to_owned()
}

fn over(store: &S3Server, words: &[&str]) -> RedisOps {
    store.env().into_iter().fold(RedisOps::new().args(words), |run, (name, value)| run.env(&name, value))
}

/// Status of each backup of an answer, oldest first.
fn statuses(answer: &serde_json::Value) -> Vec<&str> {
    answer["backups"].as_array().unwrap().iter().map(|backup| backup["status"].as_str().unwrap()).collect()
}

/// What a copy holds is what a server gets: taken from one, copied to a store, and restored from there into another.
#[test]
fn a_copy_is_restored_as_the_backup_is() {
    let (Some(source), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    source.fill(500, 100);
    source.ok(&["SET", "moment", "of the backup"]);
    let near = Folder::new();
    let near = near.text();
    let made = RedisOps::new().args(["backup", "-i", &source.url(), "--name", "prod", "-r", &near]).json();
    assert_eq!(made.0, 0, "{:#}", made.1);
    source.ok(&["FLUSHALL"]);
    for manners in [Manners::default(), Manners { ignores_conditions: true, ..Manners::default() }] {
        let store = S3Server::start();
        store.behave(manners);
        let far = store.location("far");
        let copy = || over(&store, &["copy", "prod/latest", "-r", &near, "--to", &far]);
        let (code, answer) = copy().json();
        assert_eq!((code, statuses(&answer)), (0, vec!["copied"]), "{answer:#}");
        // Once more: it is there.
        let (code, answer) = copy().json();
        assert_eq!((code, statuses(&answer)), (0, vec!["present"]), "{answer:#}");
        let verified = over(&store, &["verify", "prod/latest", "-r", &far]).run();
        assert_eq!(verified.code, 0, "{}", verified.everything());
        let line = ["restore", "prod/latest", "-r", &far, "--target-instance", &target.url()];
        let restored = over(&store, &line).run();
        assert_eq!(restored.code, 0, "{}", restored.everything());
        assert_eq!((target.ok(&["DBSIZE"]), target.ok(&["GET", "moment"])), ("501".into(), "of the backup".into()));
        target.ok(&["FLUSHALL"]);
    }
}

#[test]
fn all_that_the_other_repository_lacks_are_copied() {
    let (near, far) = (Folder::new(), Folder::new());
    let (near, far) = (near.text(), far.text());
    let ids: Vec<String> = (0..2).map(|_| taken("prod", &near)).collect();
    taken("other", &near);
    let run = |more: &[&str]| RedisOps::new().args(["copy", "--all", "-r", &near, "--to", &far]).args(more).json();
    let (code, answer) = run(&["-i", "prod", "--dry-run"]);
    assert_eq!((code, statuses(&answer)), (0, vec!["would_copy", "would_copy"]), "{answer:#}");
    assert!(fs::read_dir(&far).into_iter().flatten().next().is_none(), "a dry run writes nothing");
    let (code, answer) = run(&["-i", "prod"]);
    assert_eq!((code, statuses(&answer)), (0, vec!["copied", "copied"]), "{answer:#}");
    let copied: Vec<&str> =
        answer["backups"].as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap()).collect();
    assert_eq!(copied, ids, "the older one first");
    let (code, answer) = run(&[]);
    let mut all = statuses(&answer);
    all.sort_unstable();
    assert_eq!((code, all), (0, vec!["copied", "present", "present"]), "{answer:#}");
    let said = RedisOps::new().args(["copy", "--all", "-r", &near, "--to", &far]).run();
    assert!(said.code == 0 && said.text().contains("0 backups copied") && said.text().contains("3 there already"));
    // Nothing else is left there: no heartbeat, no mark of a reader here.
    let odd = |folder: &str| -> Vec<String> {
        let files = fs::read_dir(format!("{folder}/prod/{}", ids[0])).unwrap().flatten();
        files
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("heart"))
            .collect()
    };
    assert_eq!(odd(&far), Vec::<String>::new());
}

#[test]
fn a_damaged_backup_is_not_copied_and_does_not_stop_the_others() {
    let (near, far) = (Folder::new(), Folder::new());
    let (near, far) = (near.text(), far.text());
    let ids: Vec<String> = (0..2).map(|_| taken("prod", &near)).collect();
    let dump = format!("{near}/prod/{}/dump.rdb.gz", ids[0]);
    let mut bytes = fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&dump, bytes).unwrap();
    let copy = || RedisOps::new().args(["copy", "--all", "-r", &near, "--to", &far]);
    let (code, answer) = copy().json();
    assert_eq!((code, statuses(&answer)), (2, vec!["failed", "copied"]), "{answer:#}");
    assert_eq!(answer["error"]["code"], "checksum_mismatch", "{answer:#}");
    let left: Vec<_> = fs::read_dir(format!("{far}/prod/{}", ids[0])).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let verified = RedisOps::new().args(["verify", "--all", "-r", &far]).run();
    assert_eq!(verified.code, 0, "{}", verified.everything());
    // One of the same id that is another backup is no copy.
    let other = Folder::new();
    let text = other.text();
    let id = taken("prod", &text);
    fs::rename(format!("{text}/prod/{id}"), format!("{text}/prod/{}", ids[1])).unwrap();
    let (code, answer) = RedisOps::new().args(["copy", &ids[1], "-r", &near, "--to", &text]).json();
    assert!(code != 0 && answer["error"].is_object(), "{answer:#}");
}

/// What lies in the place of a copy is looked at: one that is not whole is none, and what is another's stays.
#[test]
fn what_lies_in_the_place_of_a_copy_is_looked_at() {
    let (near, far) = (Folder::new(), Folder::new());
    let (near, far) = (near.text(), far.text());
    let id = taken("prod", &near);
    let copy = || RedisOps::new().args(["copy", "--all", "-r", &near, "--to", &far]).json();
    // A file of somebody else where the dump belongs.
    let folder = format!("{far}/prod/{id}");
    fs::create_dir_all(&folder).unwrap();
    let theirs = format!("{folder}/dump.rdb.gz");
    fs::write(&theirs, "of somebody else").unwrap();
    for _ in 0..2 {
        let (code, answer) = copy();
        assert_eq!((code, statuses(&answer)), (2, vec!["failed"]), "{answer:#}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "of somebody else");
    }
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(copy().0, 0);
    fs::remove_file(&theirs).unwrap();
    let (code, answer) = copy();
    assert_eq!(
        (code, statuses(&answer), &answer["error"]["code"]),
        (2, vec!["failed"], &"corrupt".into()),
        "{answer:#}"
    );
}

#[test]
fn a_copy_that_the_store_breaks_off_leaves_nothing_and_is_made_again() {
    let near = Folder::new();
    let near = near.text();
    let id = taken("prod", &near);
    let store = S3Server::start();
    let far = store.location("far");
    let copy = || over(&store, &["copy", &id, "-r", &near, "--to", &far, "--progress", "none"]);
    store.inject("/dump.rdb.gz", 1, Fault::Answer("AccessDenied"));
    let (code, answer) = copy().json();
    assert_eq!((code, statuses(&answer)), (2, vec!["failed"]), "{answer:#}");
    assert_eq!(answer["error"]["code"], "access_denied", "{answer:#}");
    let (code, listed) = over(&store, &["list", "-r", &far]).json();
    assert!(code == 0 && listed["backups"].as_array().unwrap().is_empty(), "{listed:#}");
    let (code, answer) = copy().json();
    assert_eq!((code, statuses(&answer)), (0, vec!["copied"]), "{answer:#}");
}

/// The copy is killed while a dump is on its way; the next one takes away what it left.
#[test]
fn a_copy_that_was_killed_is_made_again() {
    let near = Folder::new();
    let near = near.text();
    let id = taken("prod", &near);
    let store = S3Server::start();
    let far = store.location("far");
    let words = ["copy", &id, "-r", &near, "--to", &far, "--progress", "none", "--no-lock"];
    // The store asks for patience until it is too late.
    store.inject("/dump.rdb.gz", 1_000, Fault::Answer("SlowDown"));
    let running = over(&store, &words).spawn();
    let began = std::time::Instant::now();
    while store.requests().iter().all(|request| !request.uri.contains("dump.rdb.gz")) {
        assert!(began.elapsed().as_secs() < 120, "it never wrote the dump");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running.signal("KILL");
    let _ = running.wait();
    store.forgive();
    let (code, answer) = over(&store, &words).json();
    assert_eq!((code, statuses(&answer)), (0, vec!["copied"]), "{answer:#}");
    assert_eq!(over(&store, &["verify", "prod/latest", "-r", &far]).run().code, 0);
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let near = Folder::new();
    let near = near.text();
    taken("prod", &near);
    let (code, answer) = RedisOps::new().args(["copy", "--all", "-r", &near, "--to", &format!("file://{near}")]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("usage")), "{answer:#}");
    let (code, answer) = RedisOps::new().args(["copy", "--all", "-i", "prodd", "-r", &near, "--to", "/nowhere"]).json();
    assert_eq!((code, answer["error"]["code"].as_str()), (3, Some("not_found")), "{answer:#}");
}

/// A store with another endpoint: its settings file says where it is, whatever the variables of the first one say.
#[test]
fn the_settings_of_the_other_repository_say_where_its_store_is() {
    let (first, second) = (S3Server::start(), S3Server::start());
    let near = first.location("near");
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    let line = ["backup", "--from-file", file.to_str().unwrap(), "--name", "prod", "-r", &near];
    assert!(over(&first, &line).run().code <= 1);
    let settings = format!(
        "s3: {{ endpoint: {}, path_style: true, region: us-east-1 }}\nbackup: {{ destination: {} }}\n",
        second.endpoint(),
        second.location("far")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("far.yaml");
    fs::write(&path, settings).unwrap();
    let (code, answer) = over(&first, &["copy", "--all", "-r", &near, "--to-config", path.to_str().unwrap()]).json();
    assert_eq!((code, statuses(&answer)), (0, vec!["copied"]), "{answer:#}");
    assert_eq!(over(&second, &["verify", "prod/latest", "-r", &second.location("far")]).run().code, 0);
}

/// A backup with these settings.
fn backup_with(settings: &str, server: &RedisServer, more: &[&str]) -> (i32, serde_json::Value) {
    let run = RedisOps::new().file("redis-ops.yaml", settings);
    let config = run.home().join("redis-ops.yaml").display().to_string();
    run.args(["backup", "-i", &server.url(), "--name", "prod", "-c", &config]).args(more).json()
}

fn places(answer: &serde_json::Value) -> Vec<(&str, &str)> {
    let all = answer["copies"].as_array().into_iter().flatten();
    all.map(|copy| (copy["repository"].as_str().unwrap(), copy["status"].as_str().unwrap())).collect()
}

#[test]
fn a_backup_goes_to_every_destination_of_the_settings() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(200, 50);
    let (near, far, gone) = (Folder::new(), Folder::new(), Folder::new());
    let (near, far) = (near.text(), far.text());
    let settings = format!("backup: {{ destination: [{near}, {far}] }}\n");
    let (code, answer) = backup_with(&settings, &server, &[]);
    assert_eq!((code, places(&answer)), (0, vec![(&*format!("file://{far}"), "copied")]), "{answer:#}");
    for place in [&near, &far] {
        let verified = RedisOps::new().args(["verify", "prod/latest", "-r", place]).run();
        assert_eq!(verified.code, 0, "{}", verified.everything());
    }
    // Where the repository is named, the settings' copies are not meant.
    let (code, answer) = backup_with(&settings, &server, &["-r", &near]);
    assert_eq!((code, places(&answer)), (0, Vec::new()), "{answer:#}");
    // A plan copies nothing, and says where it would.
    let (code, answer) = backup_with(&settings, &server, &["--plan"]);
    assert_eq!((code, &answer["copies_to"][0]), (0, &format!("file://{far}").into()), "{answer:#}");

    // One that fails is a warning; the other has the backup, whichever of the two it is.
    let gone = gone.text();
    let nobody = format!("{gone}/file");
    fs::write(&nobody, "").unwrap();
    for (list, kept) in [([&near, &nobody], &near), ([&nobody, &far], &far)] {
        let settings = format!("backup: {{ destination: [{}, {}] }}\n", list[0], list[1]);
        let before = RedisOps::new().args(["list", "-r", kept]).json().1["backups"].as_array().unwrap().len();
        let (code, answer) = backup_with(&settings, &server, &[]);
        assert_eq!((code, places(&answer)), (1, vec![(&*format!("file://{nobody}"), "failed")]), "{answer:#}");
        let after = RedisOps::new().args(["list", "-r", kept]).json().1["backups"].as_array().unwrap().len();
        assert_eq!(after, before + 1);
    }
    let settings = format!("backup: {{ destination: [{nobody}, {nobody}2/x] }}\n");
    fs::write(format!("{nobody}2"), "").unwrap();
    let (code, answer) = backup_with(&settings, &server, &[]);
    assert_eq!((code, answer["error"].is_object()), (2, true), "all failing is a failure: {answer:#}");
}

/// Two stores, each with an endpoint of its own; the credentials are the same.
#[test]
fn a_destination_may_have_a_store_of_its_own() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(50, 50);
    let (first, second) = (S3Server::start(), S3Server::start());
    let settings = format!(
        "backup:\n  destination:\n    - {}\n    - url: {}\n      s3: {{ endpoint: {}, path_style: true, region: us-east-1 }}\n",
        first.location("near"),
        second.location("far"),
        second.endpoint()
    );
    let run = RedisOps::new().file("redis-ops.yaml", &settings);
    let config = run.home().join("redis-ops.yaml").display().to_string();
    let run = first.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value));
    let (code, answer) = run.args(["backup", "-i", &server.url(), "--name", "prod", "-c", &config]).json();
    assert_eq!((code, places(&answer).len()), (0, 1), "{answer:#}");
    for (store, prefix) in [(&first, "near"), (&second, "far")] {
        assert_eq!(over(store, &["verify", "prod/latest", "-r", &store.location(prefix)]).run().code, 0);
    }
}
