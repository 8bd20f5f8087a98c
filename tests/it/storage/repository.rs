//! What a repository promises on every kind of place.

use std::sync::Arc;

use bytes::Bytes;
use redis_ops::repository::manifest::Manifest;
use redis_ops::repository::{BegunBy, Draft, ListedStatus, Repository};
use redis_ops::storage::{Local, Memory, Shared};
use serde_json::json;

use super::connect;
use crate::support::s3::{Fault, Manners, S3Server};

pub(super) fn somebody() -> BegunBy {
    BegunBy { host: "host".into(), pid: 1 }
}

pub(super) fn manifest(draft: &Draft) -> Manifest {
    serde_json::from_value(json!({
        "format_version": 1, "id": draft.id().to_string(), "instance": draft.instance(),
        "created_at": "2024-01-01T01:00:00Z", "finished_at": "2024-01-01T01:00:05Z",
        "type": "rdb", "purpose": "manual", "consistency": "point_in_time", "tool_version": "0.1.0", "labels": {},
        "server": {"name": "redis", "version": "8.0.2"}, "compression": "none", "encryption": null,
        "shards": [{
            "index": 0, "slots": null, "node": "", "replid": "", "offset": null, "rdb_version": 12, "aux": {},
            "object": draft.object_name("dump.rdb"), "raw_bytes": 7, "stored_bytes": 7, "raw_sha256": "", "stored_sha256": "",
            "crc64": null, "frames": 0
        }],
        "census": null, "structure": {"state": "verified", "understood_up_to": 7}
    }))
    .unwrap()
}

/// Several begin in the same minute: every one gets an id of its own, and becomes a backup; what is discarded is gone.
async fn several_at_the_same_moment(place: Shared) {
    let now = "2024-01-01T01:00:00Z".parse().unwrap();
    // Each with its own repository, as processes on several machines have.
    let begun = (0..4).map(|_| {
        let repository = Repository::new(place.clone());
        async move { repository.begin("prod", now, somebody()).await.unwrap() }
    });
    let drafts = futures_util::future::join_all(begun).await;
    let mut ids: Vec<String> = drafts.iter().map(|draft| draft.id().to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{} on {}", ids.join(" "), place.describe());

    let repository = Repository::new(place.clone());
    let mut published = Vec::new();
    for (number, draft) in drafts.into_iter().enumerate() {
        let mut upload = draft.upload(&draft.object_name("dump.rdb")).await.unwrap();
        upload.write(Bytes::from_static(b"content")).await.unwrap();
        upload.complete().await.unwrap();
        if number == 0 {
            assert!(repository.discard(draft).await.is_clean());
        } else {
            let manifest = manifest(&draft);
            published.push(repository.commit(&draft, manifest).await.unwrap());
        }
    }
    let listed = repository.list(None).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|backup| matches!(backup.status, ListedStatus::Published(_))));
    for manifest in &published {
        assert_eq!(repository.load("prod", manifest.id).await.unwrap(), *manifest);
    }
}

#[tokio::test]
async fn every_backup_of_a_minute_gets_its_own_id_in_memory() {
    several_at_the_same_moment(Arc::new(Memory::new())).await;
    several_at_the_same_moment(Arc::new(Memory::ignoring_conditions())).await;
}

#[tokio::test]
async fn every_backup_of_a_minute_gets_its_own_id_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    several_at_the_same_moment(Arc::new(Local::new(folder.path()))).await;
}

#[tokio::test]
async fn every_backup_of_a_minute_gets_its_own_id_in_s3() {
    let server = S3Server::start();
    several_at_the_same_moment(connect(&server, "one").await).await;
    server.behave(Manners { ignores_conditions: true, ..Manners::default() });
    several_at_the_same_moment(connect(&server, "two").await).await;
}

#[tokio::test]
async fn a_commit_whose_answer_gets_lost_is_a_commit() {
    let server = S3Server::start();
    let repository = Repository::new(connect(&server, "").await);
    let draft = repository.begin("prod", "2024-01-01T01:00:00Z".parse().unwrap(), somebody()).await.unwrap();
    draft.put_small("dump.rdb", Bytes::from_static(b"content")).await.unwrap();
    // The manifest is written, but the answer does not come: the SDK sends it again and is told that it exists.
    server.inject("manifest.json?x-id=PutObject", 1, Fault::BreakAnswer(0));
    let manifest = repository.commit(&draft, manifest(&draft)).await.unwrap();
    assert_eq!(
        server.requests().iter().filter(|request| request.uri.contains("manifest.json?x-id=PutObject")).count(),
        2
    );
    assert_eq!(repository.load("prod", draft.id()).await.unwrap(), manifest);
}

#[tokio::test]
async fn what_cannot_be_written_is_known_before_the_streaming() {
    let server = S3Server::start();
    let repository = Repository::new(connect(&server, "").await);
    server.inject("PUT ", 1000, Fault::Answer("AccessDenied"));
    let error = repository.begin("prod", "2024-01-01T01:00:00Z".parse().unwrap(), somebody()).await.unwrap_err();
    assert_eq!(error.code(), "access_denied");
}
