//! What `init`, `prune`, `delete`, `copy` and `pin` answer.

use serde_json::{Value, json};

use super::super::{count, described, either, list, maybe, number, object, one_of, text, time, truth};
use super::Fields;
use super::manifest::purpose;

fn keep() -> Value {
    either(&[count(), json!({ "const": "unlimited" })])
}

fn objects_left() -> Value {
    described(
        list(object(&[("key", maybe(text())), ("reason", text()), ("code", text())])),
        "what the store did not remove, and why: `object_locked` if it holds the object for a time",
    )
}

fn removed() -> Value {
    object(&[
        ("backups", count()),
        ("unfinished", described(count(), "backups that were never published")),
        ("objects", count()),
        ("bytes", described(count(), "of the objects and of unfinished uploads")),
        (
            "hidden",
            described(
                count(),
                "objects that a bucket with versions has only hidden: the versions stay, and take space",
            ),
        ),
        ("uploads", described(count(), "unfinished uploads in the folders of published backups")),
        ("foreign", described(list(text()), "objects in their folders that are not part of the backups, and stay")),
        ("changed", described(list(text()), "backups that were to stay, but were removed by another process")),
    ])
}

pub(super) fn prune_fields() -> Vec<(&'static str, Value)> {
    let policy = object(&[
        ("from", described(text(), "the command line, or the place in the settings")),
        ("keep_last", keep()),
        ("keep_hourly", keep()),
        ("keep_daily", keep()),
        ("keep_weekly", keep()),
        ("keep_monthly", keep()),
        ("keep_yearly", keep()),
        ("keep_within", described(maybe(text()), "`6 months`, `1 day 2 hours`")),
        ("keep_within_seconds", described(maybe(count()), "null also if the span has months or years")),
        ("keep_safety_seconds", count()),
    ]);
    let backup = object(&[
        ("id", text()),
        ("instance", text()),
        ("purpose", maybe(purpose())),
        ("keys", maybe(count())),
        ("stored_bytes", count()),
        ("action", action()),
        ("reasons", described(list(text()), "the rules and holds that keep the backup, or why it is removed")),
        (
            "foreign",
            described(
                list(text()),
                "files in the backup's folder that are not part of it: they stay when the backup is removed",
            ),
        ),
        ("objects_left", objects_left()),
    ]);
    let left = object(&[
        ("id", text()),
        ("instance", text()),
        ("objects", count()),
        ("uploads", count()),
        ("stored_bytes", count()),
        (
            "silent_seconds",
            described(maybe(number()), "since the last sign of its writer; null: the store does not say"),
        ),
        ("action", action()),
        ("reason", described(maybe(text()), "why it stays, however old it is")),
        ("objects_left", objects_left()),
    ]);
    vec![
        ("policy", policy),
        ("dry_run", truth()),
        ("instances", described(list(text()), "instances that the policy covers")),
        ("others", described(list(text()), "instances of the repository that the policy does not cover")),
        ("backups", described(list(backup), "newest first")),
        ("left", described(list(left), "what is left of backups that were never published, or of uploads")),
        ("left_after_seconds", described(count(), "leftovers are removed after this long without a sign of life")),
        ("removed", removed()),
    ]
}

fn action() -> Value {
    described(
        one_of(["keep", "remove", "removed", "gone", "stays"]),
        "remove: would be removed; gone: another process removed it; stays: could not be removed",
    )
}

pub(in crate::commands) fn prune() -> Fields {
    let plan = vec!["policy", "dry_run", "instances", "others", "backups", "left", "left_after_seconds"];
    (prune_fields(), vec![plan])
}

pub(in crate::commands) fn delete() -> Fields {
    let fields =
        vec![("backup_id", text()), ("instance", text()), ("removed", removed()), ("objects_left", objects_left())];
    (fields, vec![vec!["backup_id", "instance", "removed", "objects_left"]])
}

pub(in crate::commands) fn copy() -> Fields {
    let status = described(
        one_of(["copied", "present", "failed", "would_copy"]),
        "present: the same backup was there already; would_copy: with --dry-run",
    );
    let backup = object(&[
        ("instance", text()),
        ("id", text()),
        ("status", status),
        ("bytes?", maybe(count())),
        ("reason?", described(maybe(text()), "why it was not copied")),
    ]);
    let fields = vec![
        ("from", text()),
        ("to", text()),
        ("backups", described(list(backup), "oldest first; those behind an interruption are not named")),
    ];
    (fields, vec![vec!["from", "to", "backups"]])
}

/// A pin of a backup.
pub(super) fn one_pin() -> Value {
    object(&[("name", text()), ("pinned_at", maybe(time())), ("host", maybe(text())), ("reason", maybe(text()))])
}

/// The fields of `init`.
pub(in crate::commands) fn init() -> Fields {
    let fields = vec![
        ("repository", text()),
        ("created", described(truth(), "false: there was one already")),
        ("made_at", time()),
        ("format_version", count()),
        (
            "keeps_conditions",
            described(maybe(truth()), "whether the store supports conditional writes; null: not known"),
        ),
    ];
    (fields, vec![vec!["repository", "created", "made_at", "format_version", "keeps_conditions"]])
}

pub(in crate::commands) fn pin() -> Fields {
    let pin = one_pin();
    let pins = described(list(pin), "all that hold the backup now; only the name, if the object cannot be read");
    let fields = vec![("backup_id", text()), ("instance", text()), ("pins", pins)];
    (fields, vec![vec!["backup_id", "instance", "pins"]])
}
