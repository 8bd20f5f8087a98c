//! What only S3 can do wrong: errors, resets, wrong keys, missing buckets, strict and lax stores.

use bytes::Bytes;
use redis_ops::cli::hints;
use redis_ops::explain::Explain as _;
use redis_ops::storage::{Expected, S3Credentials, S3Options, Shared, StorageError, open};

use super::{connect, keys, read, sample, small_parts, upload};
use crate::support::s3::{Fault, Manners, S3Server};

const LENGTH: usize = 17 << 20;

#[tokio::test]
async fn an_error_in_a_part_is_tried_again() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    for (request, fault) in [
        ("partNumber=1", Fault::Answer("InternalError")),
        ("partNumber=2", Fault::Answer("SlowDown")),
        ("partNumber=3", Fault::BreakRequest(100_000)),
        ("uploads", Fault::Answer("ServiceUnavailable")),
    ] {
        server.inject(request, 1, fault);
    }
    let body = sample(LENGTH);
    assert_eq!(upload(&*storage, "object", &body).await.unwrap(), LENGTH as u64);
    assert!(read(&*storage, "object", 0).await.unwrap() == body);
}

#[tokio::test]
async fn an_error_that_stays_is_told_and_the_upload_is_aborted() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    for (request, fault, code) in [
        ("partNumber=2", Fault::Answer("InternalError"), "storage_unavailable"),
        ("partNumber=2", Fault::BreakRequest(1000), "storage_unavailable"),
        ("partNumber=3", Fault::Answer("AccessDenied"), "access_denied"),
    ] {
        server.inject(request, 100, fault);
        let error = upload(&*storage, "object", &sample(LENGTH)).await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        assert_eq!(keys(&*storage, "").await, Vec::<String>::new());
        assert_eq!(server.left_of_uploads(), Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_failed_end_leaves_nothing() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    server.inject("POST /backups/p/object?uploadId", 100, Fault::Answer("InternalError"));
    let error = upload(&*storage, "object", &sample(LENGTH)).await.unwrap_err();
    assert_eq!(error.code(), "storage_unavailable", "{error}");
    assert_eq!(keys(&*storage, "").await, Vec::<String>::new());
    assert_eq!(server.left_of_uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn an_abort_that_fails_does_not_hide_why_the_upload_failed() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    server.inject("POST /backups/p/object?uploadId", 1000, Fault::Answer("AccessDenied"));
    server.inject("x-id=AbortMultipartUpload", 1000, Fault::Answer("InternalError"));
    let error = upload(&*storage, "object", &sample(LENGTH)).await.unwrap_err();
    assert_eq!(error.code(), "access_denied", "{error}");
}

#[tokio::test]
async fn an_end_whose_answer_gets_lost_is_an_end() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    server.behave(Manners { ignores_conditions: true, ..Manners::default() });
    server.inject("POST /backups/p/object?uploadId", 1, Fault::BreakAnswer(0));
    // s3s-fs says "access denied" to an upload that it does not know; what lies there tells.
    assert_eq!(upload(&*storage, "object", &sample(LENGTH)).await.unwrap(), LENGTH as u64);
}

/// Two uploads of one name and one length; the other one ends first, and what becomes of the end of ours nobody says.
#[tokio::test]
async fn an_object_that_another_has_written_is_not_taken_for_ours_however_long_it_is() {
    for forgets_metadata in [false, true] {
        for fault in [Fault::BreakRequest(0), Fault::Answer("AccessDenied")] {
            let server = S3Server::start();
            server.behave(Manners { ignores_conditions: true, forgets_metadata, ..Manners::default() });
            let (ours, theirs) = (connect(&server, "p").await, connect(&server, "p").await);
            let body = sample(LENGTH);
            let other: Bytes = body.iter().rev().copied().collect::<Vec<u8>>().into();
            let (mut a, mut b) = (ours.upload("object").await.unwrap(), theirs.upload("object").await.unwrap());
            a.write(body.clone()).await.unwrap();
            b.write(other.clone()).await.unwrap();
            b.complete().await.unwrap();
            server.inject("POST /backups/p/object?uploadId", 1, Fault::BreakRequest(0));
            server.inject("POST /backups/p/object?uploadId", 1000, fault);
            let error = a.complete().await.unwrap_err();
            assert!(matches!(error, StorageError::Taken), "{forgets_metadata} {fault:?}: {error}");
            assert_eq!(error.code(), "already_exists");
            assert!(read(&*ours, "object", 0).await.unwrap() == other, "{forgets_metadata} {fault:?}");
            assert_eq!(server.left_of_uploads(), Vec::<String>::new(), "{forgets_metadata} {fault:?}");
        }
        // The same with nobody else: what is there is ours, by its word or by its ETag.
        let server = S3Server::start();
        server.behave(Manners { forgets_metadata, ..Manners::default() });
        let storage = connect(&server, "p").await;
        server.inject("POST /backups/p/object?uploadId", 1, Fault::BreakAnswer(0));
        assert_eq!(upload(&*storage, "object", &sample(LENGTH)).await.unwrap(), LENGTH as u64);
    }
}

#[tokio::test]
async fn a_dropped_upload_is_aborted() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    let mut begun = storage.upload("object").await.unwrap();
    begun.write(sample(LENGTH)).await.unwrap();
    drop(begun);
    for _ in 0..200 {
        if server.count("AbortMultipartUpload") == 1 && server.left_of_uploads().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?} is left, of {:?}", server.left_of_uploads(), server.requests());
}

#[tokio::test]
async fn a_read_that_breaks_goes_on_where_it_stopped() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    let body = sample(LENGTH);
    upload(&*storage, "object", &body).await.unwrap();
    server.inject("GET /backups/p/object", 1, Fault::BreakAnswer(3_000_000));
    server.inject("GET /backups/p/object", 1, Fault::BreakAnswer(5_000_000));
    server.inject("GET /backups/p/object", 1, Fault::BreakAnswer(0));
    assert!(read(&*storage, "object", 1_000_000).await.unwrap() == body[1_000_000..]);
    assert!(server.count("GetObject") >= 3);
}

#[tokio::test]
async fn a_read_that_always_breaks_ends_in_an_error() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    upload(&*storage, "object", &sample(LENGTH)).await.unwrap();
    server.inject("GET /backups/p/object", 1, Fault::BreakAnswer(3_000_000));
    server.inject("GET /backups/p/object", 1000, Fault::Answer("InternalError"));
    let error = read(&*storage, "object", 0).await.unwrap_err();
    assert_eq!(error.code(), "storage_unavailable", "{error}");
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_noticed() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    upload(&*storage, "object", &sample(LENGTH)).await.unwrap();
    server.inject("GET /backups/p/object", 1, Fault::BreakAnswer(3_000_000));
    let mut reader = storage.open("object", 0).await.unwrap();
    reader.next().await.unwrap().unwrap();
    storage.delete("object").await.unwrap();
    upload(&*storage, "object", &sample(LENGTH + 1)).await.unwrap();
    let error = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("two objects were read as one"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("changed"), "{error}");
}

#[tokio::test]
async fn a_listing_of_many_objects_has_several_pages() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    let folder = server.objects().join("p/many");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..1234 {
        std::fs::write(folder.join(format!("{number:05}")), "x").unwrap();
    }
    assert_eq!(keys(&*storage, "many/").await.len(), 1234);
    assert_eq!(server.count("ListObjectsV2"), 2);
}

async fn with(options: S3Options, location: &str) -> Shared {
    open(&location.parse().unwrap(), &options).await.unwrap()
}

#[tokio::test]
async fn a_wrong_key_a_missing_bucket_and_a_server_that_is_not_there_are_told_apart() {
    let server = S3Server::start();
    let wrong = S3Options {
        credentials: Some(S3Credentials {
            key_id: "AKIANOBODY".into(),
            secret: "hunter2-do-not-print".into(),
            token: None,
        }),
        ..server.options()
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = S3Options { endpoint: Some(format!("http://127.0.0.1:{port}")), ..server.options() };
    for (options, location, code) in [
        (wrong, "s3://backups/p", "access_denied"),
        (server.options(), "s3://no-such-bucket/p", "no_such_bucket"),
        (nobody, "s3://backups/p", "storage_unavailable"),
    ] {
        let storage = with(options, location).await;
        let created = storage.create("object", Bytes::from_static(b"x")).await.unwrap_err();
        let listed = storage.list("").await.unwrap_err();
        let asked = storage.keeps_conditions("object", Bytes::from_static(b"x")).await.unwrap_err();
        for error in [&created, &listed, &asked] {
            assert_eq!(error.code(), code, "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(!format!("{storage:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn the_secret_is_in_no_debug_text() {
    let server = S3Server::start();
    let text = format!("{:?} {:?}", server.options(), connect(&server, "").await);
    assert!(text.contains("AKIATEST") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn checksums_are_sent_as_headers_and_left_out_where_they_are_refused() {
    let server = S3Server::start();
    let storage = connect(&server, "one").await;
    upload(&*storage, "object", &sample(LENGTH)).await.unwrap();
    storage.create("small", Bytes::from_static(b"x")).await.unwrap();
    let sent = server.requests();
    for request in sent.iter().filter(|request| ["UploadPart", "PutObject"].contains(&request.operation.as_str())) {
        assert!(request.headers.iter().any(|name| name == "x-amz-checksum-crc32"), "{request:?}");
        assert!(!request.headers.iter().any(|name| name == "x-amz-trailer"), "{request:?}");
    }

    server.behave(Manners { refuses_checksums: true, ..Manners::default() });
    let storage = connect(&server, "two").await;
    upload(&*storage, "object", &sample(LENGTH)).await.unwrap();
    let since = &server.requests()[sent.len()..];
    let refused =
        since.iter().filter(|request| request.headers.iter().any(|name| name.starts_with("x-amz-checksum"))).count();
    assert_eq!(refused, 2, "sent once more as it is, then remembered");
}

/// An upload of a class is begun at once: a class that the store does not know is met before the transfer.
#[tokio::test]
async fn a_storage_class_is_asked_for_where_it_is_large() {
    let server = S3Server::start();
    let options =
        S3Options { storage_class: Some("STANDARD_IA".into()), part_sizes: Some(small_parts()), ..server.options() };
    let storage = with(options, "s3://backups/p").await;
    upload(&*storage, "large", &sample(LENGTH)).await.unwrap();
    upload(&*storage, "short", &sample(10)).await.unwrap();
    storage.create("small", Bytes::from_static(b"x")).await.unwrap();
    for (key, operation, class) in [
        ("/large", "CreateMultipartUpload", true),
        ("/short", "CreateMultipartUpload", true),
        ("/small", "PutObject", false),
    ] {
        assert_eq!(
            has_header(&server, key, operation, "x-amz-storage-class"),
            class,
            "{key}: small objects stay in the standard class"
        );
    }
}

fn has_header(server: &S3Server, key: &str, operation: &str, header: &str) -> bool {
    let all = server.requests();
    let request = all.iter().find(|request| request.uri.contains(key) && request.operation == operation);
    request.unwrap().headers.iter().any(|name| name == header)
}

/// s3s-fs takes the headers and encrypts nothing, as garage, s3rver and Ceph do.
#[tokio::test]
async fn an_encryption_that_the_store_leaves_out_is_an_error_and_nothing_stays() {
    let server = S3Server::start();
    let options = S3Options {
        sse: Some("aws:kms".into()),
        kms_key: Some("key-1".into()),
        part_sizes: Some(small_parts()),
        ..server.options()
    };
    let storage = with(options, "s3://backups/p").await;
    let large = upload(&*storage, "large", &sample(LENGTH)).await.map(drop);
    let short = upload(&*storage, "short", &sample(10)).await.map(drop);
    let small = storage.create("small", Bytes::from_static(b"x")).await;
    for (key, operation, done) in
        [("/large", "CreateMultipartUpload", large), ("/short", "PutObject", short), ("/small", "PutObject", small)]
    {
        let error = done.unwrap_err();
        assert_eq!(error.code(), "not_encrypted", "{key}: {error}");
        assert!(
            error.to_string().contains("aws:kms")
                && error.meaning().hint.is_some_and(|hint| hints::words(&hint).contains("s3.sse"))
        );
        assert!(has_header(&server, key, operation, "x-amz-server-side-encryption"), "{key}");
        assert!(has_header(&server, key, operation, "x-amz-server-side-encryption-aws-kms-key-id"), "{key}");
    }
    assert_eq!(keys(&*storage, "").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_body_that_is_damaged_on_its_way_is_sent_again_with_its_checksum() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    server.inject("partNumber=2", 2, Fault::Answer("BadDigest"));
    server.inject("PUT /backups/p/small", 1, Fault::Answer("XAmzContentSHA256Mismatch"));
    // A refusal that does not stay is no reason to leave checksums out.
    server.inject("partNumber=3", 1, Fault::Answer("InvalidRequest"));
    upload(&*storage, "object", &sample(LENGTH)).await.unwrap();
    storage.create("small", Bytes::from_static(b"x")).await.unwrap();
    for request in server.requests() {
        if ["UploadPart", "PutObject"].contains(&request.operation.as_str()) {
            let has = |name: &str| request.headers.iter().any(|header| header == name);
            assert!(has("x-amz-checksum-crc32") && has("x-amz-sdk-checksum-algorithm"), "{request:?}");
        }
    }
    assert!(server.count("UploadPart") >= 7, "{}", server.count("UploadPart"));
}

#[tokio::test]
async fn a_write_whose_answer_gets_lost_is_our_own() {
    let server = S3Server::start();
    let storage = connect(&server, "p").await;
    for key in ["begun.json", "census.bin"] {
        server.inject(&format!("PUT /backups/p/{key}"), 1, Fault::BreakAnswer(0));
        storage.create(key, Bytes::from(format!("this is {key}"))).await.unwrap();
    }
    server.inject("PUT /backups/p/short", 1, Fault::BreakAnswer(0));
    assert_eq!(upload(&*storage, "short", &sample(1000)).await.unwrap(), 1000);
    // What another has written is not taken for ours.
    server.inject("PUT /backups/p/short", 1, Fault::BreakAnswer(0));
    let other = upload(&*storage, "short", &sample(999)).await;
    assert!(matches!(other, Err(StorageError::Taken)), "{other:?}");
    assert_eq!(read(&*storage, "short", 0).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn an_object_of_twice_the_expected_length_has_parts_of_one_length() {
    let server = S3Server::start();
    let storage = with(server.options(), "s3://backups/p").await;
    let mut begun = storage.upload("object").await.unwrap();
    begun.expect(Expected { bytes: 20 << 20, bytes_per_second: Some(40_000_000) });
    for _ in 0..4 {
        begun.write(sample(10 << 20)).await.unwrap();
    }
    assert_eq!(begun.complete().await.unwrap(), 40 << 20);
    assert_eq!(server.count("UploadPart"), 5, "8 MiB each");
    // Where the last backup crept, a part that breaks off shall cost less.
    let mut begun = storage.upload("slow").await.unwrap();
    begun.expect(Expected { bytes: 20 << 20, bytes_per_second: Some(40_000) });
    begun.write(sample(20 << 20)).await.unwrap();
    assert_eq!(begun.complete().await.unwrap(), 20 << 20);
    assert_eq!(server.count("UploadPart"), 5 + 4, "5 MiB each");
}

#[tokio::test]
async fn unfinished_uploads_cannot_be_seen_where_the_store_cannot_list_them() {
    let server = S3Server::start();
    assert_eq!(connect(&server, "").await.unfinished("").await.unwrap(), None, "s3s-fs answers 501");
}

#[tokio::test]
async fn a_spool_folder_that_is_missing_is_an_error_and_a_used_one_is_left_empty() {
    let server = S3Server::start();
    let spool = tempfile::tempdir().unwrap();
    let options = |folder: &std::path::Path| S3Options {
        part_sizes: Some(small_parts()),
        spool_dir: Some(folder.to_owned()),
        ..server.options()
    };
    let storage = with(options(spool.path()), "s3://backups/p").await;
    let mut begun = storage.upload("object").await.unwrap();
    begun.write(sample(8 << 20)).await.unwrap();
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1, "the second part goes through a file");
    begun.write(sample(8 << 20)).await.unwrap();
    assert_eq!(begun.complete().await.unwrap(), 16 << 20);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);

    let storage = with(options(&spool.path().join("missing")), "s3://backups/q").await;
    let error = upload(&*storage, "object", &sample(LENGTH)).await.unwrap_err();
    assert!(error.to_string().contains("spool"), "{error}");
    assert_eq!(server.left_of_uploads(), Vec::<String>::new());
}
