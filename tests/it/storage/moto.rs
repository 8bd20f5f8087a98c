//! A second opinion on S3: moto, a server in Python.

use std::env;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis_ops::repository::{Repository, Terms};
use redis_ops::storage::{S3Credentials, S3Options};

use super::{conformance, small_parts};
use crate::support::redis_ops::RedisOps;
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

/// A bucket that keeps versions, or one that locks objects for a day.
struct Kept<'a> {
    moto: &'a Moto,
    name: String,
}

impl<'a> Kept<'a> {
    /// `None` without curl.
    fn make(moto: &'a Moto, kind: &str, purpose: &str) -> Option<Self> {
        let kept = Self { moto, name: format!("redis-ops-{kind}-{purpose}-{}", std::process::id()) };
        let xml = "Content-Type: application/xml";
        let of_s3 = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
        if kind == "versions" {
            let on = format!("<VersioningConfiguration {of_s3}><Status>Enabled</Status></VersioningConfiguration>");
            kept.curl("PUT", "", &[])?;
            kept.curl("PUT", "?versioning", &["-H", xml, "-d", &on])?;
        } else {
            let day = format!(
                "<ObjectLockConfiguration {of_s3}><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
            );
            kept.curl("PUT", "", &["-H", "x-amz-bucket-object-lock-enabled: true"])?;
            kept.curl("PUT", "?object-lock", &["-H", xml, "-d", &day])?;
        }
        Some(kept)
    }

    fn curl(&self, method: &str, query: &str, more: &[&str]) -> Option<String> {
        let url = format!("{}/{}{query}", self.moto.endpoint, self.name);
        let done = Command::new("curl").args(["-sf", "-X", method]).args(more).arg(&url).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    }

    async fn open(&self) -> redis_ops::storage::Shared {
        let options = S3Options {
            credentials: Some(S3Credentials { key_id: "test".into(), secret: "test".into(), token: None }),
            endpoint: Some(self.moto.endpoint.clone()),
            region: Some("us-east-1".into()),
            ..S3Options::default()
        };
        redis_ops::storage::open(&format!("s3://{}/r", self.name).parse().unwrap(), &options).await.unwrap()
    }

    /// Keys of all versions, and keys of delete markers.
    fn versions(&self) -> (Vec<String>, Vec<String>) {
        let listed = self.curl("GET", "?versions", &[]).expect("the bucket is there");
        let keys = |element: &str| {
            let begin = format!("<{element}>");
            let parts = listed.split(&begin).skip(1);
            let key = |part: &str| part.split_once("<Key>")?.1.split_once("</Key>").map(|(key, _)| key.to_owned());
            parts.filter_map(key).collect::<Vec<String>>()
        };
        (keys("Version"), keys("DeleteMarker"))
    }
}

/// A plan is tried in buckets that keep versions, and that lock objects: the marker is all that it leaves, however often.
#[tokio::test(flavor = "multi_thread")]
async fn trying_to_write_leaves_the_marker_only_where_versions_and_locks_keep_everything() {
    let Some(moto) = Moto::find() else { return skip("moto") };
    for kind in ["versions", "locks"] {
        let Some(bucket) = Kept::make(&moto, kind, "plan") else { return skip("curl") };
        for _ in 0..3 {
            let room = Repository::new(bucket.open().await).try_writing("prod", chrono::Utc::now()).await.unwrap();
            assert_eq!(room.keeps_conditions, Some(true), "{kind}");
            // Without a verdict, and with it; from then on nothing changes.
            let marker = "r/redis-ops-repository.json".to_owned();
            assert_eq!(bucket.versions(), (vec![marker.clone(), marker], vec![]), "{kind}");
        }
    }
}

/// Two backups of one minute where versions and locks keep everything; one is given up, and nothing of the other is touched.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_given_up_takes_only_what_is_its_own_where_versions_and_locks_keep_everything() {
    let Some(moto) = Moto::find() else { return skip("moto") };
    let now = "2024-01-01T01:00:00Z".parse().unwrap();
    for kind in ["versions", "locks"] {
        let Some(bucket) = Kept::make(&moto, kind, "two") else { return skip("curl") };
        let (first, second) = (Repository::new(bucket.open().await), Repository::new(bucket.open().await));
        let begin = async |repository: &Repository| repository.begin("prod", now, super::repository::somebody()).await;
        let (good, bad) = tokio::join!(begin(&first), begin(&second));
        let (good, bad) = (good.unwrap(), bad.unwrap());
        assert_ne!(good.id(), bad.id(), "{kind}");
        for draft in [&good, &bad] {
            let mut upload = draft.upload("dump.rdb").await.unwrap();
            upload.write(super::sample(7)).await.unwrap();
            assert_eq!(upload.complete().await.unwrap(), 7);
        }
        // One that was begun in parts is given up within.
        let mut parts = bad.upload("census.bin").await.unwrap();
        parts.write(super::sample(11 << 20)).await.unwrap();
        parts.abort().await.unwrap();
        let (published, given_up) = (good.id(), bad.id());
        let (done, discarded) =
            tokio::join!(first.commit(&good, super::repository::manifest(&good)), second.discard(bad));
        done.unwrap();
        assert!(discarded.is_clean(), "{kind}: {discarded:?}");
        let (versions, removed) = bucket.versions();
        let ours = |id, name: &str| format!("r/prod/{id}/{name}");
        for name in ["begun.json", "dump.rdb", "manifest.json"] {
            let n = versions.iter().filter(|key| **key == ours(published, name)).count();
            assert_eq!(n, 1, "{kind}: {name} was written once: {versions:?}");
        }
        assert!(removed.iter().all(|key| key.starts_with(&ours(given_up, ""))), "{kind}: {removed:?}");
        for name in ["begun.json", "dump.rdb"] {
            assert!(removed.contains(&ours(given_up, name)), "{kind}: {name} is gone: {removed:?}");
        }
        let listed = first.list(None).await.unwrap();
        assert!(listed.len() == 1 && listed[0].manifest().is_some_and(|manifest| manifest.id == published), "{kind}");
        let storage = bucket.open().await;
        assert_eq!(
            storage.unfinished("prod/").await.unwrap(),
            Some(redis_ops::storage::LeftUploads::default()),
            "{kind}"
        );
        // And a published one is taken away as a whole: its versions stay, as the bucket wants it.
        assert!(first.remove("prod", published, Terms::default()).await.unwrap().is_complete(), "{kind}");
        assert!(first.hidden() > 0, "{kind}: the versions stay, and that is known");
        assert_eq!(first.list(None).await.unwrap().len(), 0, "{kind}");
        assert!(bucket.versions().0.contains(&ours(published, "manifest.json")), "{kind}");
    }
}

/// What the command line removes from moto is gone, its unfinished uploads too, and in a bucket that keeps versions or locks objects the
/// versions stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_prune_over_moto_leaves_what_the_policy_names() {
    let Some(moto) = Moto::find() else { return skip("moto") };
    for kind in ["versions", "locks"] {
        let Some(bucket) = Kept::make(&moto, kind, "prune") else { return skip("curl") };
        let file = crate::support::fixtures::own_folder().join("sampler-redis-7.2.6.rdb");
        let run = |arguments: &[&str]| {
            let run = RedisOps::new().args(arguments).args(["-r", &format!("s3://{}/r", bucket.name)]);
            let run = run.env("AWS_ENDPOINT_URL_S3", &moto.endpoint).env("AWS_ACCESS_KEY_ID", "test");
            let run =
                run.env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1").env("NO_PROXY", "127.0.0.1");
            let run = run.args(["--progress", "none"]).run();
            assert!(run.code <= 1, "{kind}: {}", run.everything());
            run
        };
        for _ in 0..3 {
            run(&["backup", "--from-file", file.to_str().unwrap(), "--name", "prod", "--json"]);
        }
        // The lock of each run is in a version of its own.
        let kept = || bucket.versions().0.iter().filter(|key| !key.ends_with("/lock.json")).count();
        let before = kept();
        let pruned = run(&["prune", "-i", "prod", "--keep-last", "1", "--yes", "--json"]).json();
        assert_eq!((&pruned["removed"]["backups"], &pruned["status"]), (&2.into(), &"ok".into()), "{kind}: {pruned:#}");
        let listed = run(&["list", "--json"]).json();
        assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{kind}: {listed:#}");
        // Beside them there is one more for each removal: its mark, which says that the rest goes even if we are killed.
        assert_eq!(kept(), before + 2, "{kind}: versions are the bucket's to keep");
        run(&["verify", "prod/latest"]);
    }
}
