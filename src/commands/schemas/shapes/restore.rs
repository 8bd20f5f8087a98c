//! What `restore` answers.

use serde_json::{Value, json};

use super::super::{count, described, either, list, map, maybe, number, object, one_of, shape, text, time, truth};
use super::Fields;
use crate::restore::options::Method;
use crate::restore::plan::Level;

pub(in crate::commands) fn restore() -> Fields {
    let line = object(&[
        ("level", one_of([Level::Ok, Level::Unknown, Level::Warning, Level::Refused])),
        ("code", text()),
        ("text", text()),
        ("flag?", text()),
        ("fix?", list(text())),
        ("keys?", list(shape("key_with_reason"))),
    ]);
    let method = one_of([Method::Replica, Method::Restore, Method::Commands]);
    let candidate = object(&[
        ("method", method.clone()),
        ("seconds", maybe(number())),
        ("verify_seconds?", number()),
        ("against?", text()),
        ("flag?", text()),
    ]);
    let plan =
        object(&[("lines", list(line)), ("method", maybe(method)), ("why", text()), ("methods", list(candidate))]);
    let backup = object(&[("instance", text()), ("id", text()), ("created_at", time()), ("age_seconds", count())]);
    let target = object(&[
        ("instance?", text()),
        ("address?", text()),
        (
            "is_source?",
            described(maybe(truth()), "whether it is the server that the backup was taken from; null: not looked at"),
        ),
        ("path?", described(maybe(text()), "of --to-file and --to-dir, in place of a server")),
    ]);
    let safety = object(&[
        ("instance", text()),
        ("id", text()),
        ("command", described(text(), "brings back what the target held")),
    ]);
    let undo = object(&[
        ("was_replica_of", maybe(text())),
        ("put_back", list(text())),
        ("left_to_do", list(text())),
        ("settings", text()),
        ("keys", maybe(count())),
    ]);
    let fields = vec![
        ("backup_id", maybe(text())),
        ("backup", described(maybe(backup), "what is restored; null: a file")),
        ("target", target),
        ("opened_by", described(text(), "the recipient whose identity opened an encrypted backup, or `passphrase`")),
        (
            "safety_backup",
            described(maybe(safety), "of the target, before anything of it was overwritten; null: none was taken"),
        ),
        ("plan", plan),
        ("result", described(maybe(either(&[shape("restored"), shape("written")])), "null: nothing was written")),
        ("proof", described(maybe(shape("comparison")), "null: the target was not read back")),
        ("undo", described(maybe(undo), "of --undo; null: it was not done")),
        ("moment", described(shape("moment"), "of a restore that goes to a moment between two backups")),
        ("warnings", list(text())),
    ];
    (fields, vec![vec!["backup_id", "plan"], vec!["backup_id", "result"], vec!["undo"], vec!["moment"]])
}

pub(super) fn restored() -> Value {
    let keys = || list(shape("key_with_reason"));
    let functions = object(&[
        ("restored", count()),
        ("skipped", count()),
        ("not_selected", described(count(), "of those skipped: left out by choice")),
        ("differing", described(count(), "of those skipped: the target has other code of that name")),
        ("failed", count()),
        ("lost", count()),
        (
            "written_by_others",
            described(count(), "of those that failed: other clients loaded them while the restore was interrupted"),
        ),
    ]);
    let taken_back = object(&[
        ("removed", count()),
        ("functions", count()),
        ("gone", count()),
        ("left", count()),
        ("left_keys", keys()),
    ]);
    let target = object(&[
        ("keys_before", count()),
        ("keys_after", maybe(count())),
        ("evicted", maybe(count())),
        ("expired", maybe(count())),
        ("restarted", truth()),
        (
            "turned",
            described(maybe(text()), "what happened to the target meanwhile, if it may hold less than it had accepted"),
        ),
        ("others_wrote", described(maybe(truth()), "null: could not tell")),
        (
            "unsaved",
            described(
                maybe(text()),
                "what other clients wrote that neither the target nor its safety backup holds, as far as redis-ops saw it",
            ),
        ),
        (
            "durable",
            described(
                maybe(truth()),
                "whether the restored data survives a restart; null: the target keeps nothing on its disk, or saves at its own save points",
            ),
        ),
        ("not_durable", described(maybe(text()), "why a restart would bring back other data")),
    ]);
    let replica = object(&[
        ("load", text()),
        ("peer", text()),
        ("bytes", count()),
        ("transfer", number()),
        ("not_put_back", list(text())),
    ]);
    let barred = object(&[
        ("method", one_of([Method::Replica, Method::Restore, Method::Commands])),
        ("code", text()),
        ("message", text()),
    ]);
    object(&[
        ("method", one_of([Method::Replica, Method::Restore, Method::Commands])),
        ("in_backup", maybe(count())),
        ("restored", count()),
        ("skipped", count()),
        ("skipped_existing", count()),
        (
            "written_meanwhile",
            described(count(), "of those: keys that other clients created after the restore had begun"),
        ),
        ("skipped_by_choice", count()),
        ("expired", count()),
        ("expired_since", described(count(), "of those expired: keys that the target had accepted before")),
        (
            "expired_fields",
            described(count(), "fields that had expired, in hashes of which other fields were restored"),
        ),
        ("failed", count()),
        ("leftovers", count()),
        ("held", described(maybe(count()), "keys that the target holds; null: it holds other keys as well")),
        ("unknown", described(count(), "keys that were sent, and whose answer was lost")),
        ("not_reached", maybe(count())),
        (
            "lost",
            described(keys(), "the first keys that are lost, and those that are restored without a part (`in_part`)"),
        ),
        ("lost_count", described(count(), "keys that are lost completely, not only in part")),
        ("lost_in_part", described(count(), "keys among those restored of which a part is lost")),
        ("lost_module_data", count()),
        ("rebuilt", count()),
        ("rebuilt_keys", keys()),
        ("trailing_bytes", count()),
        ("failures", keys()),
        ("overwritten", described(count(), "keys of other clients that a resumed restore overwrote")),
        ("overwritten_keys", keys()),
        ("written_meanwhile_keys", keys()),
        (
            "written_by_others",
            described(
                count(),
                "of those that failed: keys that other clients wrote while the restore ran, or was interrupted",
            ),
        ),
        ("functions", functions),
        (
            "differing_libraries",
            described(
                list(text()),
                "the first function libraries of the target that stayed and differ from the backup's",
            ),
        ),
        ("restored_by_database", described(map(count()), "keys that the target accepted: some may have expired since")),
        ("taken_back", maybe(taken_back)),
        ("target", target),
        ("phases", object(&[("verify", number()), ("load", number()), ("proof", number())])),
        ("keys_per_second", count()),
        ("resumable", truth()),
        ("replica?", replica),
        ("barred?", barred),
    ])
}

/// What `--to-file` and `--to-dir` have written.
pub(super) fn written() -> Value {
    object(&[
        ("method", json!({ "const": "file" })),
        ("in_backup", count()),
        ("restored", count()),
        ("files", list(text())),
        ("bytes", count()),
        ("expired", described(count(), "keys in the file that have expired: a primary drops them when it loads it")),
        ("warnings", list(text())),
        ("trailing_bytes", count()),
        ("findings", list(shape("structure_finding"))),
    ])
}
