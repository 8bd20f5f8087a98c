//! `prune` over S3: the server in this process, as a store that keeps conditions, keeps none, or refuses to remove. Moto is in `storage/moto.rs`.

use std::fs;

use super::verdicts;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::{RedisOps, Run};
use crate::support::s3::{Fault, Manners, S3Server};

fn over(run: RedisOps, store: &S3Server) -> RedisOps {
    let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value));
    run.args(["-r", &store.location("redis"), "--progress", "none"])
}

fn run(store: &S3Server, arguments: &[&str]) -> Run {
    over(RedisOps::new().args(arguments), store).run()
}

/// Takes so many backups of a file.
fn back_up(store: &S3Server, count: usize) {
    let file = own_folder().join("sampler-redis-7.2.6.rdb");
    for _ in 0..count {
        let made = run(store, &["backup", "--from-file", file.to_str().unwrap(), "--name", "prod"]);
        assert!(made.code <= 1, "{}", made.stderr);
    }
}

/// The names of all objects below a folder.
fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => names.extend(self::names(&path)),
            path => names.push(path.display().to_string()),
        }
    }
    names
}

/// Published backups, newest first.
fn there(store: &S3Server) -> Vec<String> {
    let list = run(store, &["list", "--json"]).json();
    let all = list["backups"].as_array().unwrap().iter().filter(|backup| backup["status"] == "published");
    all.map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn backups_go_from_every_kind_of_store() {
    for manners in [Manners::default(), Manners { ignores_conditions: true, ..Manners::default() }] {
        let store = S3Server::start();
        store.behave(manners);
        back_up(&store, 3);
        let all = there(&store);
        assert_eq!(all.len(), 3);
        let beating: Vec<String> =
            names(&store.objects()).into_iter().filter(|name| name.contains("heartbeat")).collect();
        assert!(beating.is_empty(), "a backup that exists needs no heartbeat: {beating:?}");
        let pruned = run(&store, &["prune", "-i", "prod", "--keep-last", "1", "--yes", "--json"]);
        assert_eq!(pruned.code, 0, "{}", pruned.everything());
        assert_eq!(pruned.json()["removed"]["backups"], 2);
        assert_eq!(there(&store), [all[0].clone()]);
        let verified = run(&store, &["verify", "prod/latest"]);
        assert!(verified.code <= 1, "{}", verified.everything());
        // The manifest went first, and the reservation of the id last.
        let of = |id: &str| {
            let removed = store.requests();
            let removed =
                removed.iter().filter(|request| request.operation == "DeleteObject" && request.uri.contains(id));
            removed.map(|request| request.uri.clone()).collect::<Vec<_>>()
        };
        let removed = of(&format!("{}/", all[2]));
        let removed: Vec<&String> = removed.iter().filter(|uri| !uri.contains("heartbeat")).collect();
        assert!(removed[0].contains("manifest.json") && removed.last().unwrap().contains("begun.json"), "{removed:?}");
    }
}

#[test]
fn a_refusal_to_remove_is_reported_and_not_fought() {
    let store = S3Server::start();
    back_up(&store, 2);
    store.inject("DELETE ", 1000, Fault::Answer("AccessDenied"));
    // With the lock of the instance, which stays as well and holds nobody off.
    let before = fs::read_dir(store.objects().join("redis/prod")).unwrap().count() + 1;
    for _ in 0..2 {
        let refused = run(&store, &["prune", "-i", "prod", "--keep-last", "1", "--yes"]);
        assert_eq!(refused.code, 2, "{}", refused.everything());
        assert!(refused.stderr.contains("1 backup could not be removed: access denied"), "{}", refused.stderr);
        assert!(refused.stderr.contains("s3:DeleteObject"), "{}", refused.stderr);
        assert!(refused.text().contains("manifest.json: access denied"), "{}", refused.text());
    }
    let of_backups = store
        .requests()
        .into_iter()
        .filter(|request| request.operation == "DeleteObject" && !request.uri.contains("lock.json"));
    assert_eq!(of_backups.count(), 2, "once for each run");
    assert_eq!(fs::read_dir(store.objects().join("redis/prod")).unwrap().count(), before);
    assert_eq!(there(&store).len(), 2, "what cannot be removed is as it was");
    let answer = run(&store, &["prune", "-i", "prod", "--keep-last", "1", "--yes", "--json"]).json();
    assert_eq!(answer["backups"][1]["action"], "stays", "{answer:#}");
    assert_eq!(answer["backups"][1]["objects_left"][0]["code"], "access_denied", "{answer:#}");
    assert!(verdicts(&answer)[0].starts_with("keep last"), "{answer:#}");
}

#[test]
fn a_repository_is_made_before_the_first_backup_and_only_once() {
    let store = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("backups").display().to_string();
    let in_folder = || RedisOps::new().args(["init", "-r", &local]).json();
    let in_store = || over(RedisOps::new().args(["init"]), &store).json();
    for init in [&in_folder as &dyn Fn() -> (i32, serde_json::Value), &in_store] {
        let (code, first) = init();
        assert_eq!((code, &first["created"], &first["keeps_conditions"]), (0, &true.into(), &true.into()), "{first}");
        let (code, again) = init();
        assert_eq!((code, &again["created"]), (0, &false.into()), "{again}");
        assert_eq!(again["made_at"], first["made_at"]);
    }
    // It is there, and empty.
    let (code, listed) = RedisOps::new().args(["list", "-r", &local]).json();
    assert_eq!((code, listed["backups"].as_array().map(Vec::len)), (0, Some(0)), "{listed}");
    // Where nothing can be written, no backup would be taken either.
    store.inject("PUT ", 1000, Fault::Answer("AccessDenied"));
    let refused = RedisOps::new().args(["init", "-r", &store.location("other")]);
    let run = store.env().into_iter().fold(refused, |run, (name, value)| run.env(&name, value)).run();
    assert_eq!(run.code, 2, "{}", run.everything());
    assert!(run.everything().contains("redis-ops-repository.json"), "{}", run.everything());
    let (code, answer) = RedisOps::new().args(["init", "-r", "/proc/redis-ops"]).json();
    assert_eq!(code, 2, "{answer}");
}
