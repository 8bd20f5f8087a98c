//! What `status` answers.

use super::super::{count, described, list, maybe, number, object, text, time, truth};
use super::{Fields, lock, status as word};

pub(in crate::commands) fn state() -> Fields {
    let proof = || {
        object(&[
            ("backup_id", text()),
            ("at", time()),
            ("age_seconds", count()),
            ("level", text()),
            ("rto_seconds", described(maybe(number()), "of a drill: the time until a server served the backup")),
        ])
    };
    let good = object(&[
        ("backup_id", text()),
        ("at", time()),
        ("age_seconds", count()),
        ("keys", maybe(count())),
        ("raw_bytes", count()),
        ("stored_bytes", count()),
    ]);
    let doubtful = object(&[("backup_id", text()), ("at", time()), ("why", text())]);
    let instance = object(&[
        ("instance", text()),
        ("status", word()),
        ("reasons", list(text())),
        ("backups", described(count(), "published and readable, safety backups among them")),
        ("unreadable", count()),
        ("stored_bytes", count()),
        (
            "only_safety",
            described(truth(), "all its backups are safety backups: it is counted only if the settings name it"),
        ),
        ("last_good", described(maybe(good), "the newest that is sound, no safety backup and not dated in the future")),
        ("doubtful", described(maybe(doubtful), "a newer one that is not known to be good")),
        ("last_verified", maybe(proof())),
        ("last_drill", maybe(proof())),
        ("next_due", described(maybe(time()), "by the schedule of the settings")),
        ("missed", described(maybe(time()), "when the missing backup was due")),
        ("growth", maybe(object(&[("since", time()), ("raw_bytes", number())]))),
        ("holes", described(list(text()), "periods of the schedule and the policy that have no backup")),
        ("running", list(object(&[("backup_id", text()), ("host", maybe(text())), ("pid", maybe(count()))]))),
        ("lock", described(maybe(lock()), "null: nobody holds it")),
        ("left", described(count(), "backups that were begun and never finished")),
        ("pinned", count()),
    ]);
    let fields = vec![
        ("instances", list(instance)),
        ("stored_bytes", count()),
        ("max_age_seconds", maybe(count())),
        ("max_unverified_seconds", maybe(count())),
    ];
    (fields, vec![vec!["instances", "stored_bytes", "max_age_seconds", "max_unverified_seconds"]])
}
