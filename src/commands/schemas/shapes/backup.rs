//! What `backup` and `list` answer.

use serde_json::json;

use super::super::{count, described, list, map, maybe, number, object, one_of, shape, text, time, truth};
use super::manifest::{consistency, purpose, structure_state};
use super::retention::prune_fields;
use super::{Fields, lock, status};

pub(in crate::commands) fn backup() -> Fields {
    let line = object(&[("status", status()), ("text", text())]);
    let planned_shard =
        object(&[("slots", text()), ("node", text()), ("role", text()), ("keys", count()), ("why", maybe(text()))]);
    let plan = object(&[
        ("instance", text()),
        ("topology", one_of(["standalone", "replication", "sentinel", "cluster"])),
        ("method", text()),
        ("node", text()),
        ("role", text()),
        ("keys", count()),
        ("consistency", consistency()),
        ("shards", described(list(planned_shard), "of a cluster; empty for a single server")),
        ("estimated_raw_bytes", count()),
        ("estimated_seconds", count()),
        ("free_bytes", maybe(count())),
        ("keeps_conditions", maybe(truth())),
        ("recipients", maybe(described(list(text()), "the public keys to encrypt to; empty: a passphrase"))),
        ("lock", described(maybe(lock()), "who holds the instance, or why no lock is taken; null: it is free")),
        ("lines", list(line)),
    ]);
    let prune: Vec<(&str, serde_json::Value)> =
        prune_fields().into_iter().filter(|(name, _)| *name != "dry_run").collect();
    let impact = object(&[("fork_usec", maybe(count())), ("cow_bytes", maybe(count()))]);
    let source = object(&[
        ("node", text()),
        ("shard?", described(count(), "in `sources`: number of the shard")),
        ("why?", described(text(), "in `sources`: why this node of the shard was read")),
        ("role", text()),
        ("method", one_of(["replication", "scan"])),
        ("transfer", maybe(one_of(["diskless", "disk"]))),
        ("seconds", number()),
        ("bytes_per_second", number()),
        ("keyspace_hits_added", count()),
        ("impact", impact),
    ]);
    let copy = object(&[
        ("repository", text()),
        ("status", one_of(["copied", "failed"])),
        ("bytes?", count()),
        ("reason?", text()),
    ]);
    let fields = vec![
        ("backup", shape("manifest")),
        ("source", described(maybe(source.clone()), "null: a file was adopted; of a cluster all shards as one")),
        ("sources", described(list(source), "of a cluster: one for each shard")),
        ("warnings", list(text())),
        ("due", described(json!({ "const": false }), "with --if-due: no backup was due, and none was taken")),
        ("enabled", described(truth(), "with --if-due: false: the settings say `backup.enabled: false`")),
        ("newest", described(maybe(time()), "null: not examined")),
        ("plan", plan),
        ("prune", described(maybe(object(&prune)), "with --prune; null: nothing was examined")),
        (
            "copies",
            described(list(copy), "where `backup.destination` names several: the others, and those that failed"),
        ),
        ("copies_to", described(list(text()), "with --plan: the repositories that would get a copy")),
    ];
    (fields, vec![vec!["backup", "source", "warnings"], vec!["due", "enabled", "newest"], vec!["plan"]])
}

pub(in crate::commands) fn listing() -> Fields {
    let backup = object(&[
        ("id", text()),
        ("instance", text()),
        ("created_at", maybe(time())),
        ("age_seconds", described(maybe(count()), "null: it has no manifest, or is dated in the future")),
        (
            "of_the_future",
            described(truth(), "the clock of the machine that took the backup was ahead, so its age is unknown"),
        ),
        ("type", maybe(text())),
        ("purpose", maybe(purpose())),
        ("status", one_of(["published", "unreadable", "archived", "access_denied", "running", "left"])),
        ("reason", maybe(text())),
        ("structure", maybe(structure_state())),
        ("findings", maybe(count())),
        ("keys", maybe(count())),
        ("raw_bytes", maybe(count())),
        ("stored_bytes", maybe(count())),
        ("encryption", described(maybe(text()), "`age`, or null: it is not encrypted")),
        ("server_version", maybe(text())),
        ("verified_at", described(maybe(time()), "the last verification that found the backup good")),
        ("verified_level", maybe(text())),
        ("proven_at", described(maybe(map(time())), "when each level was last proven good")),
        ("verified_status", described(maybe(text()), "of the last verification, good or bad")),
        (
            "damaged",
            described(
                maybe(truth()),
                "the last verification found damage, or an object is missing or of another length; null: not published",
            ),
        ),
        ("verified_found", described(maybe(list(text())), "what the last verification found, in words")),
        ("consistency", maybe(consistency())),
        ("slots", described(maybe(text()), "of one shard of a cluster")),
        ("stale", maybe(truth())),
        ("pins", list(text())),
        ("begun_at", maybe(time())),
        ("host", maybe(text())),
        ("pid", maybe(count())),
        ("running_seconds", maybe(count())),
        ("left_seconds", maybe(count())),
        ("unfinished_bytes", maybe(count())),
    ]);
    let fields = vec![
        ("backups", described(list(backup), "newest first")),
        ("unfinished_uploads", described(maybe(count()), "null: the store does not list them")),
        ("unfinished_bytes", maybe(count())),
        ("unreadable_folders", list(text())),
        ("left_out", described(count(), "backups beyond --limit")),
    ];
    (fields, vec![vec!["backups", "unfinished_uploads", "unfinished_bytes", "unreadable_folders", "left_out"]])
}
