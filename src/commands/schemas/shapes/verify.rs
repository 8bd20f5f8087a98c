//! What `verify` answers, and how a comparison looks, by which a restore is proven as well.

use serde_json::Value;

use super::super::{count, described, either, list, map, maybe, number, object, one_of, shape, text, time, truth};
use super::{Fields, named_key, status};
use crate::comparison::Difference;
use crate::verify;

pub(in crate::commands) fn verify() -> Fields {
    let checked = object(&[
        ("objects", count()),
        ("stored_bytes", count()),
        ("raw_bytes", count()),
        ("frames", count()),
        ("keys", count()),
    ]);
    let walked = object(&[
        ("backups", described(count(), "verified now")),
        ("of", described(count(), "published in the repository")),
        ("damaged", count()),
        ("unreadable", described(count(), "of those damaged: the manifest cannot be read")),
        ("left", described(count(), "backups without a manifest, which were not verified")),
    ]);
    let seconds = object(&[("fetch", number()), ("load", number()), ("compare", number())]);
    let drill = object(&[
        ("server", text()),
        ("version", text()),
        ("shards", count()),
        ("keys", count()),
        ("expired", count()),
        ("seconds", seconds),
        ("rto_seconds", number()),
        ("peak_memory_bytes", count()),
        ("peak_rss_bytes", count()),
    ]);
    let age = object(&[("instance", text()), ("newest_good_age_seconds", maybe(count())), ("status", status())]);
    let about_one = vec![
        ("backup_id", text()),
        ("instance", text()),
        ("level", level()),
        ("checked", either(&[checked.clone(), walked])),
        ("findings", list(shape("finding"))),
        ("needs", shape("needs_of_servers")),
        ("module_aux", described(map(count()), "records of module data outside of keys, by type")),
        ("drill", drill),
        ("census", shape("census")),
        ("opened_by", described(text(), "the recipient whose identity opened an encrypted backup, or `passphrase`")),
        ("age_seconds", count()),
        ("keeps_conditions", maybe(truth())),
        ("slots", described(text(), "the backup is of one shard of a cluster, with these slots")),
        ("stale", described(truth(), "read from a replica that had lost its primary")),
    ];
    let mut entry: Vec<(&str, Value)> =
        vec![("backup_id", text()), ("instance", text()), ("status", status()), ("summary", text())];
    let optional = [
        "level?",
        "checked?",
        "findings?",
        "needs?",
        "module_aux?",
        "drill?",
        "census?",
        "opened_by?",
        "age_seconds?",
        "keeps_conditions?",
        "slots?",
        "stale?",
    ];
    for name in optional {
        let of_one = about_one.iter().find(|(other, _)| *other == name.trim_end_matches('?'));
        let value = if name == "checked?" { Some(&checked) } else { of_one.map(|(_, value)| value) };
        entry.extend(value.map(|value| (name, value.clone())));
    }
    let against = object(&[("backup_id", text()), ("instance", text())]);
    let chosen = described(
        object(&[("how", one_of(["restored", "newest", "latest"])), ("why", text())]),
        "why the instance is compared with this backup, if no backup was given",
    );
    let mut fields = about_one;
    fields.extend([
        ("file", text()),
        ("rdb", shape("rdb")),
        ("against", against),
        ("chosen", chosen),
        ("comparison", described(maybe(shape("comparison")), "null: the backup is not fit to be compared")),
        ("backups", list(object(&entry))),
        ("ages", list(age)),
    ]);
    (
        fields,
        vec![vec!["level", "checked", "findings"], vec!["level", "checked", "backups"], vec!["file", "comparison"]],
    )
}

fn level() -> Value {
    one_of(verify::Level::ALL)
}

pub(super) fn comparison() -> Value {
    let kinds = object(&[("type", count()), ("value", count()), ("expiry", count())]);
    let mut key = named_key();
    key.push(("difference", one_of(Difference::ALL.map(Difference::name))));
    let functions =
        object(&[("expected", count()), ("found", count()), ("equal", truth()), ("differing", list(text()))]);
    object(&[
        ("is_equal", truth()),
        ("equal", described(count(), "keys that are equal")),
        ("missing", count()),
        ("extra", count()),
        ("different", count()),
        ("different_by", kinds),
        ("expired", count()),
        (
            "expired_fields",
            described(
                count(),
                "fields of hashes that are on both sides, as far as their keys were read: no difference",
            ),
        ),
        ("ratio", described(number(), "of equal keys, 0 to 1")),
        ("functions", maybe(functions)),
        (
            "not_compared",
            described(
                maybe(text()),
                "what was not compared: what servers do not tell reliably of these keys, and records of modules beside them",
            ),
        ),
        ("buckets", object(&[("compared", count()), ("differing", count())])),
        ("looked_at", maybe(time())),
        ("by_key", list(object(&key))),
        ("consistency", one_of(["point_in_time", "fuzzy"])),
        (
            "announced?",
            described(object(&[("missing", count()), ("different", count())]), "of a restore: what its plan had said"),
        ),
    ])
}
