//! A cluster is restored as one target: every key goes to the primary that serves its slot, whatever the backup was taken of.

use tempfile::TempDir;

use crate::support::cluster::{Cluster, any_kind, kinds};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Installed, RedisServer};

/// A repository and the state of restores, in folders of their own.
struct Place {
    repository: TempDir,
    state: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { repository: TempDir::new().expect("a folder"), state: TempDir::new().expect("a folder") }
    }

    fn run(&self, words: &[&str]) -> RedisOps {
        RedisOps::new()
            .args(words)
            .args(["-r", &self.repository.path().display().to_string()])
            .env("XDG_STATE_HOME", self.state.path())
    }

    fn backup(&self, url: &str) {
        let run = self.run(&["backup", "-i", url, "--name", "prod"]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
    }

    fn restore(&self, url: &str, more: &[&str]) -> (i32, serde_json::Value) {
        let line = ["restore", "--backup-id", "prod/latest", "--target-instance", url];
        self.run(&[&line[..], more].concat()).json()
    }
}

fn empty(installed: &Installed, shards: usize) -> Option<Cluster> {
    Cluster::of(&vec![installed; shards], false, &[])
}

#[test]
fn a_cluster_goes_into_a_cluster_of_another_size_and_a_single_server_into_a_cluster() {
    for installed in kinds() {
        let Some(source) = empty(&installed, 3) else { return };
        let keys = source.fill(400);
        source.load_function();
        let Some(single) = RedisServer::builder().version(&installed).start() else { return };
        single.fill(400, 40);
        for (url, keys) in [(source.url(), keys), (single.url(), 400)] {
            let place = Place::new();
            place.backup(&url);
            let Some(target) = empty(&installed, 5) else { return };
            let before = target.seen();
            for method in ["restore", "commands"] {
                let (code, answer) = place.restore(&target.nodes()[3].url(), &["--method", method]);
                let name = &installed.name;
                assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{name} {method}: {answer}");
                assert_eq!(answer["proof"]["equal"], keys, "{name} {method}: {answer}");
                assert_eq!(target.keys(), keys, "{name} {method}");
                if url == source.url() && method == "restore" {
                    // What one primary lacks is a difference, whoever else has it.
                    target.nodes()[4].ok(&["FUNCTION", "FLUSH"]);
                    let instance = target.nodes()[0].url();
                    let run = place.run(&["verify", "--backup-id", "prod/latest", "--instance", &instance]);
                    let (code, answer) = run.json();
                    assert_eq!(
                        (code, &answer["comparison"]["functions"]["equal"]),
                        (2, &false.into()),
                        "{name}: {answer}"
                    );
                    target.nodes()[4].ok(&["FUNCTION", "LOAD", crate::support::cluster::FUNCTION]);
                }
                for node in target.nodes() {
                    if url == source.url() {
                        assert!(node.ok(&["FUNCTION", "LIST"]).contains("mine"), "{name} {method}");
                        node.ok(&["FUNCTION", "FLUSH"]);
                    }
                    node.ok(&["FLUSHALL"]);
                }
                assert_eq!(target.seen(), before, "{name} {method}");
            }
        }
    }
}

#[test]
fn what_a_cluster_holds_is_kept_overwritten_or_removed_as_on_a_single_server() {
    let Some(installed) = any_kind() else { return };
    let (Some(source), Some(target)) = (empty(&installed, 3), empty(&installed, 3)) else { return };
    let keys = source.fill(100);
    let place = Place::new();
    place.backup(&source.url());
    let url = target.url();
    for key in ["key:1", "key:2", "key:3", "own"] {
        target.ok(key, &["SET", key, "theirs"]);
    }
    let (code, answer) = place.restore(&url, &[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"target_not_empty".into()), "{answer}");
    let (code, answer) = place.restore(&url, &["--on-conflict", "fail"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"key_exists".into()), "{answer}");
    assert_eq!(target.keys(), 4);
    let (code, answer) = place.restore(&url, &["--on-conflict", "skip"]);
    assert_eq!((code, &answer["result"]["skipped_existing"]), (1, &3.into()), "{answer}");
    assert_eq!(target.ok("key:1", &["GET", "key:1"]), "theirs");
    let (code, answer) = place.restore(&url, &["--on-conflict", "replace", "--yes"]);
    assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{answer}");
    assert_ne!(target.ok("key:1", &["GET", "key:1"]), "theirs");
    assert_eq!(target.ok("own", &["GET", "own"]), "theirs");
    let safety = answer["safety_backup"]["instance"]
        .as_str()
        .map(|instance| format!("{instance}/{}", answer["safety_backup"]["id"].as_str().unwrap_or_default()));
    let (_, shown) = place.run(&["show", &safety.expect("a safety backup")]).json();
    assert_eq!(shown["backup"]["shards"].as_array().map(Vec::len), Some(3), "{shown}");
    assert_eq!(shown["backup"]["census"]["keys"], keys + 1, "{shown}");
    let (code, answer) = place.restore(&url, &["--replace-all", "--yes"]);
    assert_eq!((code, &answer["proof"]["equal"]), (0, &keys.into()), "{answer}");
    assert_eq!(target.keys(), keys);
}

#[test]
fn a_restore_into_a_cluster_that_was_interrupted_goes_on_and_adds_up() {
    let Some(installed) = any_kind() else { return };
    let (Some(source), Some(target)) = (empty(&installed, 3), empty(&installed, 3)) else { return };
    let keys = source.fill(2_000);
    let place = Place::new();
    place.backup(&source.url());
    let url = target.url();
    for signal in ["INT", "KILL"] {
        let line = ["restore", "--backup-id", "prod/latest", "--target-instance", &url, "--method", "restore"];
        let running = place.run(&[&line[..], &["--rate", "20kB"]].concat()).spawn();
        target.primary(1).wait_for("some keys", |_| target.keys() > 100);
        running.signal(signal);
        let run = running.wait();
        assert!(run.code == 130 || run.code == 137, "{}", run.everything());
        assert!(target.keys() < keys, "it was not interrupted");
        let (code, answer) = place.restore(&url, &["--method", "restore", "--resume"]);
        assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{signal}: {answer}");
        assert_eq!(
            (&answer["result"]["in_backup"], &answer["proof"]["equal"]),
            (&keys.into(), &keys.into()),
            "{answer}"
        );
        for node in target.nodes() {
            node.ok(&["FLUSHALL"]);
        }
    }
}

#[test]
fn a_cluster_whose_slots_move_or_have_no_node_is_no_target() {
    let Some(installed) = any_kind() else { return };
    let (Some(source), Some(target)) = (empty(&installed, 3), empty(&installed, 3)) else { return };
    source.fill(30);
    let place = Place::new();
    place.backup(&source.url());
    let id = target.primary(1).ok(&["CLUSTER", "MYID"]);
    target.primary(0).ok(&["CLUSTER", "SETSLOT", "93", "MIGRATING", &id]);
    let (code, answer) = place.restore(&target.url(), &[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"slots_moving".into()), "{answer}");
    target.primary(0).ok(&["CLUSTER", "SETSLOT", "93", "STABLE"]);
    for node in target.nodes() {
        node.ok(&["CLUSTER", "DELSLOTSRANGE", "16000", "16383"]);
    }
    let (code, answer) = place.restore(&target.url(), &[]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"cluster".into()), "{answer}");
    assert_eq!(target.keys(), 0);
}

#[test]
fn keys_of_other_databases_are_refused_unless_they_are_mapped() {
    let Some(installed) = any_kind() else { return };
    let (Some(single), Some(target)) = (RedisServer::builder().version(&installed).start(), empty(&installed, 3))
    else {
        return;
    };
    let mut client = single.client();
    client.ask(&[b"SELECT", b"3"]).expect("an answer");
    for number in 0..50 {
        client.ask(&[b"SET", format!("key:{number}").as_bytes(), b"value"]).expect("an answer");
    }
    let place = Place::new();
    place.backup(&single.url());
    let (code, answer) = place.restore(&target.url(), &[]);
    assert_eq!(code, 2, "{answer}");
    assert_eq!(target.keys(), 0);
    let (code, answer) = place.restore(&target.url(), &["--db", "3:0"]);
    assert_eq!((code, &answer["proof"]["equal"]), (0, &50.into()), "{answer}");
    assert_eq!(target.keys(), 50);
}

#[test]
fn a_restore_goes_on_after_slots_have_moved_between_the_nodes() {
    let Some(installed) = any_kind() else { return };
    let (Some(source), Some(target)) = (empty(&installed, 3), empty(&installed, 3)) else { return };
    let keys = source.fill(2_000);
    let place = Place::new();
    place.backup(&source.url());
    let url = target.url();
    let line = ["restore", "--backup-id", "prod/latest", "--target-instance", &url, "--method", "restore"];
    let running = place.run(&[&line[..], &["--rate", "20kB"]].concat()).spawn();
    target.primary(1).wait_for("some keys", |_| target.keys() > 100);
    running.signal("INT");
    assert_eq!(running.wait().code, 130);
    // The third node comes first from now on.
    assert_eq!(source.primary(0).ok(&["CLUSTER", "COUNTKEYSINSLOT", "0"]), "0");
    let id = target.primary(2).ok(&["CLUSTER", "MYID"]);
    for node in target.nodes() {
        node.ok(&["CLUSTER", "SETSLOT", "0", "NODE", &id]);
    }
    let (code, answer) = place.restore(&url, &["--method", "restore", "--resume"]);
    assert_eq!((code, &answer["result"]["restored"]), (0, &keys.into()), "{answer}");
    assert_eq!(answer["proof"]["equal"], keys, "{answer}");
}
