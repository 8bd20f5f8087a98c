//! A second opinion on S3: moto, a server in Python.

use std::env;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis_ops::repository::Repository;
use redis_ops::storage::{S3Credentials, S3Options};

use super::{conformance, small_parts};
use crate::support::skip;

/// A server of our own, or somebody's.
struct Moto {
    endpoint: String,
    child: Option<Child>,
}

impl Moto {
    /// The one at `REDIS_OPS_MOTO_ENDPOINT`, else one that we start; `None` where there is no `moto_server`.
    fn find() -> Option<Self> {
        if let Ok(endpoint) = env::var("REDIS_OPS_MOTO_ENDPOINT") {
            return Some(Self { endpoint, child: None });
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            // A launcher may be there without what it launches.
            if child.try_wait().unwrap().is_some() || Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(Self { endpoint: format!("http://127.0.0.1:{port}"), child: Some(child) })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_the_promises_of_s3() {
    let Some(moto) = Moto::find() else { return skip("moto") };
    // Somebody's server may have been used before.
    let bucket = format!("redis-ops-{}", std::process::id());
    let made = Command::new("curl").args(["-sf", "-X", "PUT", &format!("{}/{bucket}", moto.endpoint)]).status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("curl");
    }
    let options = S3Options {
        credentials: Some(S3Credentials { key_id: "test".into(), secret: "test".into(), token: None }),
        endpoint: Some(moto.endpoint.clone()),
        region: Some("us-east-1".into()),
        part_sizes: Some(small_parts()),
        ..S3Options::default()
    };
    let location = format!("s3://{bucket}/some/prefix").parse().unwrap();
    let storage = redis_ops::storage::open(&location, &options).await.unwrap();
    conformance::holds(storage.clone(), true).await;
    conformance::left_behind(&*storage).await;

    // Encryption that is asked for is named in the answers; an object of some parts and one of a single request.
    let options = S3Options { sse: Some("AES256".into()), ..options };
    let location = format!("s3://{bucket}/encrypted").parse().unwrap();
    let storage = redis_ops::storage::open(&location, &options).await.unwrap();
    storage.create("small", bytes::Bytes::from_static(b"x")).await.unwrap();
    let body = super::sample(11 << 20);
    assert_eq!(super::upload(&*storage, "large", &body).await.unwrap(), body.len() as u64);
}

/// A plan is tried in buckets that keep versions, and that lock objects: the marker is all that it leaves, however often.
#[tokio::test(flavor = "multi_thread")]
async fn trying_to_write_leaves_the_marker_only_where_versions_and_locks_keep_everything() {
    let Some(moto) = Moto::find() else { return skip("moto") };
    let curl = |method: &str, path: &str, more: &[&str]| {
        let url = format!("{}/{path}", moto.endpoint);
        let done = Command::new("curl").args(["-sf", "-X", method]).args(more).arg(&url).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let xml = "Content-Type: application/xml";
    let versioning = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
    for kind in ["versions", "locks"] {
        let bucket = format!("redis-ops-{kind}-{}", std::process::id());
        let made = match kind {
            "versions" => curl("PUT", &bucket, &[])
                .and_then(|_| curl("PUT", &format!("{bucket}?versioning"), &["-H", xml, "-d", versioning])),
            _ => curl("PUT", &bucket, &["-H", "x-amz-bucket-object-lock-enabled: true"]),
        };
        if made.is_none() {
            return skip("curl");
        }
        let options = S3Options {
            credentials: Some(S3Credentials { key_id: "test".into(), secret: "test".into(), token: None }),
            endpoint: Some(moto.endpoint.clone()),
            region: Some("us-east-1".into()),
            ..S3Options::default()
        };
        let location = format!("s3://{bucket}/r").parse().unwrap();
        let versions = || {
            let listed = curl("GET", &format!("{bucket}?versions"), &[]).expect("the bucket is there");
            assert!(!listed.contains("DeleteMarker"), "{kind}: {listed}");
            let keys = listed.matches("<Key>").count();
            assert_eq!(keys, listed.matches("<Key>r/redis-ops-repository.json</Key>").count(), "{kind}: {listed}");
            keys
        };
        for _ in 0..3 {
            let repository = Repository::new(redis_ops::storage::open(&location, &options).await.unwrap());
            let room = repository.try_writing(chrono::Utc::now()).await.unwrap();
            assert_eq!(room.keeps_conditions, Some(true), "{kind}");
            // Without a verdict, and with it; from then on nothing changes.
            assert_eq!(versions(), 2, "{kind}");
        }
    }
}
