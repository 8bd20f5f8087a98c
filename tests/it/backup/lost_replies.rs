//! A store whose answer to one request gets lost: the night's backup is published all the same.

use super::{Folder, failure};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, Manners, Request, S3Server};

fn with(store: &S3Server, arguments: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
    store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

#[test]
fn any_single_answer_may_get_lost() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(15_000, 1000);
    for ignores_conditions in [false, true] {
        for request in [
            "redis-ops-repository.json?x-id=PutObject",
            "begun.json?x-id=PutObject",
            "rdb?uploads",
            "partNumber=1",
            "partNumber=2",
            "rdb?uploadId",
            "bin?x-id=PutObject",
            "manifest.json?x-id=PutObject",
            "manifest.json?x-id=GetObject",
        ] {
            let store = S3Server::start();
            store.behave(Manners { ignores_conditions, ..Manners::default() });
            store.inject(request, 1, Fault::BreakAnswer(0));
            let run =
                with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--json", "--compression", "none"])
                    .run();
            assert_eq!(run.code, 0, "{request} {ignores_conditions}: {}", run.everything());
            let (code, verified) = with(&store, &["verify", "--backup-id", "latest", "--level", "checksum"]).json();
            assert_eq!(code, 0, "{request} {ignores_conditions}: {verified}");
            assert_eq!(verified["keeps_conditions"], !ignores_conditions, "{request}");
        }
    }
}

#[test]
fn a_small_dump_may_lose_its_answer_too() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    for ignores_conditions in [false, true] {
        let store = S3Server::start();
        store.behave(Manners { ignores_conditions, ..Manners::default() });
        store.inject("rdb.gz?x-id=PutObject", 1, Fault::BreakAnswer(0));
        let run = with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--json"]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        let object = run.json()["backup"]["shards"][0]["object"].as_str().unwrap().to_owned();
        assert_eq!(object == "dump.rdb.gz", !ignores_conditions, "{object}");
        let run = with(&store, &["show", "latest"]).run();
        assert_eq!(run.text().contains("conditional writes"), ignores_conditions, "{}", run.text());
    }
}

#[test]
fn the_probe_is_made_once_and_leaves_nothing() {
    let Some(server) = RedisServer::start() else { return };
    for manners in [Manners::default(), Manners { ignores_conditions: true, ..Manners::default() }] {
        let store = S3Server::start();
        store.behave(manners);
        // Nobody may delete.
        store.inject("DELETE ", 10_000, Fault::Answer("AccessDenied"));
        let probes = || {
            let run = with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--json"]).run();
            assert_eq!(run.code, 0, "{}", run.everything());
            let of_marker = |request: &&Request| request.uri.contains("redis-ops-repository.json?x-id=PutObject");
            store.requests().iter().filter(of_marker).count()
        };
        // Without and with the verdict, and once more where the condition was kept; the next backup knows.
        let expected = if manners.ignores_conditions { 2 } else { 3 };
        assert_eq!((probes(), probes()), (expected, expected));
        let root: Vec<String> = std::fs::read_dir(store.objects().join("redis"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with(".s3s"))
            .collect();
        assert_eq!(root.len(), 2, "the instance's folder and the marker: {root:?}");
        let marker = std::fs::read_to_string(store.objects().join("redis/redis-ops-repository.json")).unwrap();
        let kept = format!("\"keeps_conditions\": {}", !manners.ignores_conditions);
        assert!(marker.contains(&kept) && marker.contains("\"made_at\""), "{marker}");
    }
}

#[test]
fn rights_for_the_folder_of_an_instance_are_enough() {
    let Some(server) = RedisServer::start() else { return };
    for manners in [Manners::default(), Manners { ignores_conditions: true, ..Manners::default() }] {
        let store = S3Server::start();
        store.behave(manners);
        store.inject("redis-ops-repository.json", 10_000, Fault::Answer("AccessDenied"));
        let run = with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--json"]).run();
        assert_eq!(run.code, 0, "{}", run.everything());
        let object = run.json()["backup"]["shards"][0]["object"].as_str().unwrap().to_owned();
        assert_eq!(object == "dump.rdb.gz", !manners.ignores_conditions, "{object}");
        assert_eq!(with(&store, &["list"]).json().0, 0);
    }
}

#[test]
fn a_plan_tries_to_write() {
    let Some(server) = RedisServer::start() else { return };
    let plan = |store: &S3Server| with(store, &["backup", "-i", &server.url(), "--name", "prod", "--plan"]).json();
    let store = S3Server::start();
    // The first plan makes the marker, the second finds it.
    for _ in 0..2 {
        let (code, answer) = plan(&store);
        assert_eq!((code, &answer["plan"]["keeps_conditions"]), (0, &true.into()), "{answer}");
    }
    store.inject("PUT ", 10_000, Fault::Answer("AccessDenied"));
    let (code, answer) = plan(&store);
    assert_eq!(code, 2, "{answer}");
    assert!(answer["plan"]["lines"].to_string().contains("cannot write to the repository"), "{answer}");

    let folder = Folder::new();
    let missing = folder.path().join("not/yet");
    let plan = |place: &str| {
        RedisOps::new().args(["backup", "-i", &server.url(), "--name", "prod", "--plan", "-r", place]).json()
    };
    let (code, answer) = plan(&missing.display().to_string());
    assert_eq!(code, 0, "{answer}");
    assert!(answer["plan"]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{answer}");
    assert!(!folder.path().join("not").exists() && std::fs::read_dir(folder.path()).unwrap().count() == 0);
    let (code, answer) = plan("/proc/not-here");
    assert_eq!(code, 2, "{answer}");
}

#[test]
fn a_newer_repository_is_refused_by_name() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    std::fs::write(folder.path().join("redis-ops-repository.json"), r#"{"format_version": 7}"#).unwrap();
    let run = super::backup(&server.url(), &folder.text(), &["--json"]).run();
    assert_eq!(failure(&run), (3, "unsupported_format".to_owned()), "{}", run.text());
    let run = RedisOps::new().args(["list", "-r", &folder.text(), "--json"]).run();
    assert_eq!(failure(&run), (3, "unsupported_format".to_owned()), "{}", run.text());
    assert!(run.text().contains("format 7"), "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}
