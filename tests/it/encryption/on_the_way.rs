//! What arrives damaged once is sound in the store, and read once more.

use super::{Keys, RECIPIENT};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, S3Server};

const DUMP: &str = "/dump.rdb.gz.age?x-id=GetObject";

fn with(store: &S3Server, words: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(words).args(["-r", &store.location("redis"), "--progress", "none"]);
    store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

#[test]
fn it_is_read_once_more_wherever_it_was_damaged() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(5_000, 1_000);
    let (keys, store) = (Keys::new(), S3Server::start());
    let line = ["backup", "-i", &server.url(), "--name", "prod", "--encrypt-to", RECIPIENT];
    let (code, answer) = with(&store, &line).json();
    assert_eq!(code, 0, "{answer}");
    let length = usize::try_from(answer["backup"]["shards"][0]["stored_bytes"].as_u64().unwrap()).unwrap();
    let Some(target) = RedisServer::start() else { return };
    let identity = keys.text("identity");
    let (url, folder) = (target.url(), tempfile::tempdir().unwrap());
    let file = folder.path().join("out.rdb").display().to_string();
    // In the first chunk, in one in the middle, in the last one.
    for at in [2_000, length / 2, length - 5] {
        for words in [
            &["verify", "--backup-id", "latest", "--identity", &identity][..],
            &["verify", "--backup-id", "latest", "--level", "checksum"],
            &["restore", "--backup-id", "latest", "--identity", &identity, "--to-file", &file],
            &["restore", "--backup-id", "latest", "--identity", &identity, "--target-instance", &url],
        ] {
            let _ = std::fs::remove_file(&file);
            target.ok(&["FLUSHALL"]);
            store.inject(DUMP, 1, Fault::DamageAnswer(at));
            let run = with(&store, words).run();
            assert_eq!(run.code, 0, "{at} of {length} {words:?}: {}", run.everything());
        }
    }
    assert_eq!(target.ok(&["DBSIZE"]), "5000");
    store.inject(DUMP, 10_000, Fault::DamageAnswer(length / 2));
    let (code, answer) = with(&store, &["verify", "--backup-id", "latest", "--identity", &identity]).json();
    assert_eq!(code, 2, "{answer}");
    target.ok(&["FLUSHALL"]);
    let line = ["restore", "--backup-id", "latest", "--identity", &identity, "--target-instance", &url];
    let (code, answer) = with(&store, &line).json();
    assert_eq!((code, target.ok(&["DBSIZE"])), (2, "0".to_owned()), "{answer}");
}
