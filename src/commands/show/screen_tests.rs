//! Screens of a backup and of a file that somebody has.

use std::path::Path;

use super::*;
use crate::commands::screens;
use crate::progress::Hidden;

/// The data set of every type that Redis 8.0 wrote, as `show` reads it.
fn sampler() -> FileReport {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sampler-redis-8.0.6.rdb");
    let cancel = tokio_util::sync::CancellationToken::new();
    let now = screens::context(&screens::printer(None)).now.timestamp_millis();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime
        .block_on(verify::file(&Dataset::file(&file), true, None, now, &Hidden::default(), &cancel))
        .expect("it can be read")
}

fn manifest(census: &Census) -> Manifest {
    let shard = json!({
        "index": 0, "slots": null, "node": "redis-prod-replica-1.eu-west-1.internal.example:6379",
        "replid": "534f5f49cd4a2594a6574638bbba92b0f6d0377a", "offset": 118_372_650_112_u64, "rdb_version": 12,
        "aux": {}, "object": "dump.rdb.gz", "raw_bytes": 959_837_112, "stored_bytes": 408_201_734,
        "raw_sha256": "77c4b1c4".repeat(8), "stored_sha256": "29a90e2e".repeat(8), "crc64": "d57619eb667c742c",
        "frames": 916
    });
    serde_json::from_value(json!({
        "format_version": 1, "id": "2026-11-23-01-00", "instance": "redis-prod",
        "created_at": "2026-11-23T01:00:03Z", "finished_at": "2026-11-23T01:01:44Z", "type": "rdb",
        "purpose": "scheduled", "consistency": "point_in_time", "tool_version": "0.1.0",
        "labels": {"ticket": "a label that somebody wrote a whole sentence into, which takes more than one line"},
        "server": {"name": "redis", "version": "8.0.6", "mode": "standalone", "role": "replica"},
        "compression": "gzip", "encryption": null, "shards": [shard],
        "census": examination::summarize(census), "structure": {"state": "verified", "understood_up_to": 9}
    }))
    .expect("a manifest")
}

#[test]
fn the_screen_of_a_backup() {
    let census = sampler().report.census.expect("a census");
    let manifest = manifest(&census);
    screens::check("show", |printer| {
        stored_text(&manifest, Some(&census), &Since::default(), &screens::context(printer))
    });
}

#[test]
fn the_screen_of_a_file() {
    let found = sampler();
    screens::check("show-file", |printer| {
        file_text("/backups/from-the-old-shop/dump.rdb", &found, &screens::context(printer))
    });
}

#[test]
fn nothing_in_a_manifest_is_obeyed_by_a_terminal() {
    let census = sampler().report.census.expect("a census");
    let mut text = serde_json::to_string(&manifest(&census)).expect("JSON");
    for (name, evil) in [
        ("\"ticket\"", "\"t\\u001b[2Jicket\""),
        ("534f5f49", "\\u001b]0;x\\u0007"),
        ("dump.rdb.gz", "du\\u009bmp.rdb"),
        ("d57619eb", "\\u001b[31m"),
        ("29a90e2e", "\\r"),
        ("redis-prod-replica-1", "\\u001b[2J"),
    ] {
        assert!(text.contains(name), "{name}");
        text = text.replace(name, evil);
    }
    let manifest: Manifest = serde_json::from_str(&text).expect("a manifest");
    let shown = stored_text(&manifest, Some(&census), &Since::default(), &screens::context(&screens::printer(None)));
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains("\\x1b[2Jicket") && shown.contains("\\x1b]0;x\\x07"), "{shown}");
}
