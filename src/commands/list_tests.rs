//! The screen of a list.

use serde_json::json;

use super::super::screens;
use super::*;
use crate::repository::Unfinished;
use crate::repository::manifest::Manifest;
use crate::storage::StorageError;

fn listed(instance: &str, id: &str, keys: u64, verified: Option<&str>) -> Listed {
    let manifest: Manifest = serde_json::from_value(json!({
        "format_version": 1, "id": id, "instance": instance,
        "created_at": format!("{}T{}:05Z", &id[..10], id[11..16].replace('-', ":")), "finished_at": "2026-11-23T01:01:00Z",
        "type": "rdb", "purpose": if id.ends_with("-2") { "safety" } else { "scheduled" }, "consistency": "point_in_time",
        "tool_version": "0.1.0", "labels": {}, "server": {"name": "valkey", "version": "8.1.1"}, "compression": "gzip",
        "encryption": null,
        "shards": [{
            "index": 0, "slots": null, "node": "127.0.0.1:6379", "replid": "", "offset": null, "rdb_version": 80, "aux": {},
            "object": "dump.rdb.gz", "raw_bytes": keys * 480, "stored_bytes": keys * 204, "raw_sha256": "",
            "stored_sha256": "", "crc64": null, "frames": 1
        }],
        "census": {"keys": keys, "expires": 0, "by_database": {}, "by_type": {}, "bytes_by_type": {}, "functions": 0,
                   "digest": "", "digest_version": 1, "object": null, "sha256": null},
        "structure": {"state": "verified", "understood_up_to": 9}
    }))
    .unwrap();
    let verified = verified.map(|status| Receipt {
        time: "2026-11-23T04:00:00Z".parse().unwrap(),
        content: json!({
            "level": "structure", "status": status, "findings": ["checksum_mismatch"],
            "found": if status == "failed" { vec!["the object is not the one that was stored"] } else { vec![] },
        }),
    });
    Listed {
        instance: instance.to_owned(),
        id: id.parse().unwrap(),
        status: ListedStatus::Published(Box::new(manifest)),
        objects: vec![ObjectInfo {
            key: format!("{instance}/{id}/dump.rdb.gz"),
            length: keys * 204,
            modified: None,
            is_archived: false,
        }],
        verified,
        pins: Vec::new(),
    }
}

#[test]
fn the_screen_of_a_repository_with_long_names_and_accidents() {
    let usual = listed("redis-prod", "2026-11-23-01-00", 1_994_658, Some("ok"));
    let reason = "the manifest is not JSON: EOF while parsing an object at line 2 column 0";
    let backups = [
        usual.clone(),
        listed("customer-facing-sessions-eu-west-1", "2026-11-22-13-45-2", 12, None),
        listed("redis-prod", "2026-11-22-01-00", 1_990_001, Some("failed")),
        Listed { status: ListedStatus::Unreadable(reason.to_owned()), verified: None, ..usual.clone() },
        Listed {
            status: ListedStatus::Archived("InvalidObjectState (403)".to_owned()),
            verified: None,
            ..usual.clone()
        },
        Listed { status: ListedStatus::AccessDenied("AccessDenied (403)".to_owned()), verified: None, ..usual.clone() },
        Listed { status: ListedStatus::Running(Box::new(unfinished(200, 3_000))), verified: None, ..usual.clone() },
        Listed { status: ListedStatus::Left(Box::new(unfinished(172_800, 1 << 30))), verified: None, ..usual },
    ];
    let uploads =
        vec![ObjectInfo { key: "redis-prod/x".into(), length: 120 << 20, modified: None, is_archived: false }];
    let denied = StorageError::AccessDenied("Permission denied".into());
    let overview = Overview {
        partly: Vec::new(),
        unfinished: Some(uploads),
        unmeasured: 0,
        unreadable: vec![("staging/".to_owned(), denied)],
        left_out: 35,
    };
    let render = |printer: &Printer| {
        let mut listing = Listing::new("2026-11-25T01:00:00Z".parse().unwrap());
        backups.iter().for_each(|listed| {
            listing.count(listed);
            listing.add(listed, printer);
        });
        let sentence = listing.sentence(&overview, None, &[], "s3://backups/redis");
        listing.render(&overview, crate::explain::Status::Ok, &sentence, printer)
    };
    screens::check("list", render);
}

fn unfinished(seconds: i64, bytes: u64) -> Unfinished {
    let begun = serde_json::from_value(json!({
        "id": "2026-11-23-01-00", "instance": "redis-prod", "begun_at": "2026-11-23T01:00:00Z", "host": "backup-7", "pid": 4711,
        "token": "t"
    }));
    let now: chrono::DateTime<chrono::Utc> = "2026-11-25T01:00:00Z".parse().unwrap();
    let since = now - chrono::TimeDelta::seconds(seconds);
    Unfinished { begun: begun.ok(), since: Some(since), last_sign: Some(since), now, bytes, uploads: 1 }
}
