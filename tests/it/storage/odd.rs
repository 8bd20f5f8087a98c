//! Stores that are slow, away or silent while they are used.

use std::time::{Duration, Instant};

use redis_ops::storage::{PartSizes, S3Options, Shared, Step, open};

use super::{read, sample, upload};
use crate::support::proxy::{Proxy, Way};
use crate::support::s3::S3Server;
use crate::support::web::{Answer, Web};

const LENGTH: usize = 17 << 20;
const SECOND: Duration = Duration::from_secs(1);

async fn through(proxy: &Proxy, server: &S3Server, timeout: Duration, retry: Duration) -> Shared {
    let options =
        S3Options { endpoint: Some(proxy.endpoint()), timeout: Some(timeout), retry: Some(retry), ..server.options() };
    open(&"s3://backups/p".parse().unwrap(), &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_during_a_transfer_is_waited_for() {
    let server = S3Server::start();
    for way in [Way::Cut, Way::Silent] {
        let proxy = Proxy::before(&server.endpoint());
        let storage = through(&proxy, &server, SECOND, 60 * SECOND).await;
        let body = sample(LENGTH);
        let mut begun = storage.upload(&format!("{way:?}")).await.unwrap();
        begun.write(body.slice(..1)).await.unwrap();
        tokio::task::block_in_place(|| proxy.become_(way));
        let later = std::thread::scope(|scope| {
            scope.spawn(|| proxy.for_a_while(way, 3 * SECOND));
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    begun.write(body.slice(1..)).await.unwrap();
                    begun.complete().await
                })
            })
        });
        assert_eq!(later.unwrap(), LENGTH as u64);
        // And so is one that is read.
        let mut reader = storage.open(&format!("{way:?}"), 0).await.unwrap();
        let mut found = reader.next().await.unwrap().unwrap().to_vec();
        std::thread::scope(|scope| {
            scope.spawn(|| proxy.for_a_while(way, 3 * SECOND));
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    while let Some(chunk) = reader.next().await.unwrap() {
                        found.extend_from_slice(&chunk);
                    }
                });
            });
        });
        assert!(found == body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_silent_for_good_ends_within_bounds() {
    let server = S3Server::start();
    let proxy = Proxy::before(&server.endpoint());
    // Before a transfer: ten seconds, whatever the retry time is; and what follows costs next to nothing.
    let storage = through(&proxy, &server, 2 * SECOND, 300 * SECOND).await;
    proxy.become_(Way::Silent);
    let begun = Instant::now();
    assert_eq!(storage.list("").await.unwrap_err().code(), "storage_unavailable");
    assert_eq!(storage.get("x", 10).await.unwrap_err().code(), "storage_unavailable");
    assert_eq!(
        storage.keeps_conditions("x", bytes::Bytes::from_static(b"y")).await.unwrap_err().code(),
        "storage_unavailable"
    );
    assert!(begun.elapsed() < 60 * SECOND, "{:?}", begun.elapsed());

    // During one: the retry time, and a few seconds for cleaning up.
    proxy.become_(Way::Open);
    let storage = through(&proxy, &server, SECOND, 4 * SECOND).await;
    let mut upload = storage.upload("object").await.unwrap();
    upload.write(sample(9 << 20)).await.unwrap();
    proxy.become_(Way::Silent);
    let begun = Instant::now();
    let ended = async { upload.write(sample(9 << 20)).await.map(|()| upload) };
    let error = match ended.await {
        Ok(upload) => upload.complete().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.code(), "storage_unavailable", "{error}");
    assert!(begun.elapsed() < 120 * SECOND, "{:?}", begun.elapsed());
}

/// 17 MiB at 2 MB/s take nine seconds, and nothing is sent twice; with a time-out of one second.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_gets_through_whatever_the_time_out_is() {
    let server = S3Server::start();
    let proxy = Proxy::before(&server.endpoint());
    let storage = through(&proxy, &server, SECOND, 300 * SECOND).await;
    proxy.become_(Way::Slow(2_000_000));
    assert_eq!(upload(&*storage, "object", &sample(LENGTH)).await.unwrap(), LENGTH as u64);
    assert_eq!(server.count("UploadPart"), 4, "each part of 5 MiB is sent once");
    proxy.become_(Way::Open);
    assert!(read(&*storage, "object", 0).await.unwrap() == sample(LENGTH));
}

/// Parts that each take seven times as long as the time-out, as 8 MiB at 40 KB/s do with the usual one (S3 takes no part below 5 MiB, so
/// that the link here is faster and the time-out shorter).
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_take_seven_time_outs_get_through() {
    const PART: usize = 5 << 20;
    let server = S3Server::start();
    let proxy = Proxy::before(&server.endpoint());
    let part_sizes = PartSizes::new(vec![Step { parts: 100, length: PART as u64, spooled: false }]);
    let options = S3Options {
        endpoint: Some(proxy.endpoint()),
        timeout: Some(SECOND * 6 / 10),
        retry: Some(60 * SECOND),
        part_sizes: Some(part_sizes),
        ..server.options()
    };
    let storage = open(&"s3://backups/p".parse().unwrap(), &options).await.unwrap();
    proxy.become_(Way::Slow(1_250_000));
    let (begun, body) = (Instant::now(), sample(2 * PART + 1000));
    assert_eq!(upload(&*storage, "object", &body).await.unwrap(), body.len() as u64);
    assert!(begun.elapsed() > 7 * SECOND, "the link is slow: {:?}", begun.elapsed());
    assert_eq!(server.count("UploadPart"), 3, "each part is sent once");
    proxy.become_(Way::Open);
    assert!(read(&*storage, "object", 0).await.unwrap() == body);
}

/// An answer that never ends, a blank a second.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_trickles_is_given_up() {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 100000\r\n\r\n";
                let mut said = stream.write_all(head.as_bytes());
                while said.is_ok() {
                    std::thread::sleep(Duration::from_millis(200));
                    said = stream.write_all(b" ");
                }
            });
        }
    });
    let server = S3Server::start();
    let options = S3Options { endpoint: Some(endpoint), timeout: Some(SECOND), ..server.options() };
    let storage = open(&"s3://backups/p".parse().unwrap(), &options).await.unwrap();
    let begun = Instant::now();
    assert_eq!(storage.list("").await.unwrap_err().code(), "storage_unavailable");
    assert!(begun.elapsed() < 60 * SECOND, "{:?}", begun.elapsed());
}

/// As `rclone serve s3` answers: the root element is named after the request.
#[tokio::test]
async fn the_upload_id_of_rclone_is_understood() {
    let web = Web::start(|line| {
        let ok = |body: &str, etag: bool| {
            let answer =
                Answer { status: 200, headers: vec![("Content-Type", "application/xml".into())], body: body.into() };
            if etag { answer.header("ETag", "\"00000000000000000000000000000000\"") } else { answer }
        };
        match line {
            line if line.starts_with("POST") && line.contains("uploads") => ok(
                "<InitiateMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>backups</Bucket>\
                 <Key>p/x</Key><UploadId>1</UploadId></InitiateMultipartUpload>",
                false,
            ),
            line if line.starts_with("POST") => {
                ok("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>", false)
            }
            // The length of what was sent, in the only way this server can say it.
            line if line.starts_with("HEAD") => ok(&"x".repeat(LENGTH), true),
            _ => ok("", true),
        }
    });
    let server = S3Server::start();
    let options = S3Options { endpoint: Some(web.endpoint()), ..server.options() };
    let storage = open(&"s3://backups/p".parse().unwrap(), &options).await.unwrap();
    assert_eq!(upload(&*storage, "x", &sample(LENGTH)).await.unwrap(), LENGTH as u64);
    let parts = web.asked().iter().filter(|line| line.contains("partNumber=") && line.contains("uploadId=1")).count();
    assert_eq!(parts, 4, "{:?}", web.asked());
}
