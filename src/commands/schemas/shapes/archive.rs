//! What `archive` answers, and what a restore of a moment adds.

use serde_json::Value;

use super::super::{count, described, list, maybe, object, text, time, truth};
use super::Fields;

pub(in crate::commands) fn archive() -> Fields {
    let gap = object(&[
        ("replid", described(text(), "the history that was followed")),
        ("after", described(count(), "the last offset that was followed")),
        ("new_replid", text()),
        ("new_offset", described(count(), "the offset at which the archive begins anew")),
    ]);
    let report = object(&[
        ("replid", described(text(), "the history that was followed last; empty: no server was reached")),
        ("from", described(maybe(count()), "the offset at which this run began")),
        ("to", described(maybe(count()), "the last offset in the repository; null: this run has stored nothing")),
        ("recoverable_to", described(maybe(time()), "the clock of the server at the last mark in the repository")),
        ("segments", count()),
        ("raw_bytes", described(count(), "of the stream")),
        ("stored_bytes", count()),
        ("resumed", described(count(), "breaks of the link behind which the stream went on without a loss")),
        ("gaps", list(gap)),
        ("spooled_bytes", described(count(), "wait on this machine for the next run")),
    ]);
    let window = object(&[
        ("from", described(maybe(time()), "the first mark, by the clock of the server")),
        ("to", described(maybe(time()), "the last mark")),
        ("replid", described(text(), "the history at its end")),
        ("from_offset", count()),
        ("to_offset", count()),
        ("raw_bytes", count()),
        ("segments", count()),
        (
            "recoverable_from",
            described(maybe(time()), "when the first backup in it was taken; null: none of it can be restored"),
        ),
        ("recoverable_from_offset", maybe(count())),
        ("first_base", described(maybe(text()), "that backup")),
        (
            "times",
            described(
                list(object(&[("from", time()), ("to", time())])),
                "stretches in which `restore --to-time` can choose any time",
            ),
        ),
        (
            "offsets_only",
            described(list(offsets_only()), "stretches whose times are unknown: the stream was archived later"),
        ),
    ]);
    let archiver = object(&[
        ("token", text()),
        ("host", text()),
        ("pid", count()),
        ("seen_at", time()),
        ("ended", described(truth(), "the archiver has ended in peace")),
        (
            "at_work",
            described(truth(), "it has not ended, was heard lately, and its process lives as far as that can be asked"),
        ),
    ]);
    let event = object(&[
        ("time", described(maybe(time()), "the first mark behind it")),
        ("command", text()),
        ("database", count()),
        ("keys", described(maybe(count()), "of a burst of deletions or overwrites")),
        ("offset", described(count(), "before it: `restore --to-offset` takes it")),
        ("end", described(count(), "of its last byte")),
        ("replid", text()),
    ]);
    let point = object(&[("name", text()), ("replid", text()), ("offset", count()), ("at", time())]);
    let fields = vec![
        ("instance", text()),
        ("archive", report),
        ("bases", described(list(text()), "ids of the backups that were taken where a history begins")),
        ("windows", described(list(window), "stretches without a hole, oldest first")),
        ("gaps", count()),
        (
            "damaged",
            described(list(object(&[("segment", text()), ("why", text())])), "segments whose index cannot be read"),
        ),
        ("base", described(maybe(text()), "the backup that `--to-latest` begins with; null: nothing can be restored")),
        ("archiver", described(maybe(archiver), "who writes the archive, or wrote it last")),
        ("events", list(event)),
        ("events_left_out", described(count(), "segments name a thousand each")),
        ("point", point),
    ];
    let answers = vec![
        vec!["instance", "archive", "bases"],
        vec!["instance", "windows", "gaps", "damaged", "base", "archiver"],
        vec!["instance", "events", "events_left_out"],
        vec!["instance", "point"],
    ];
    (fields, answers)
}

/// Two marks that are too far apart to choose a time between them.
fn offsets_only() -> Value {
    object(&[
        ("from", described(maybe(time()), "the clock of the server at the first of two marks")),
        ("to", maybe(time())),
        ("from_offset", count()),
        ("to_offset", count()),
    ])
}

/// A moment between two backups.
pub(super) fn moment() -> Value {
    object(&[
        ("base", described(text(), "the backup that it begins with, as `INSTANCE/ID`")),
        ("from_offset", described(count(), "of the base")),
        ("offset", count()),
        ("replid", text()),
        ("not_before", described(maybe(time()), "the last mark at or before it, by the clock of the server")),
        ("not_after", described(maybe(time()), "the first mark behind it; null: the archive ends here")),
        ("stream_bytes", described(count(), "between the base and the moment")),
        ("segments", count()),
        ("lost_bytes", described(count(), "of stream behind the moment, which are not restored")),
        (
            "offsets_only",
            described(
                maybe(offsets_only()),
                "`--to-time` lies between these two marks, which are too far apart: the data is that of the first",
            ),
        ),
    ])
}
