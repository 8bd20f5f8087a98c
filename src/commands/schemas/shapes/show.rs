//! What `show` answers.

use serde_json::json;

use super::super::{anything, count, described, list, maybe, object, one_of, shape, text, time, truth};
use super::retention::one_pin;
use super::{Fields, named_key};

pub(in crate::commands) fn show() -> Fields {
    let stored = object(&[("key", text()), ("length", count())]);
    let receipt = object(&[
        ("kind", one_of(["verify", "restore"])),
        ("at", time()),
        ("status?", text()),
        ("level?", text()),
        ("found?", described(list(text()), "what the verification found, in words")),
        ("instance?", maybe(text())),
        ("method?", maybe(text())),
        ("restored?", maybe(count())),
        ("proven?", described(maybe(truth()), "whether the target was read back, and was equal")),
    ]);
    let changed = object(&[("key", text()), ("expected_length", count()), ("length", count())]);
    let mut key = named_key();
    key.extend([
        ("expires_at", maybe(time())),
        ("expires_at_ms", maybe(json!({ "type": "integer" }))),
        ("type", text()),
        (
            "value?",
            described(anything(), "a text, or a list of elements; in its place value_b64 where it is not UTF-8"),
        ),
        ("value_b64?", text()),
        ("insert_index?", count()),
        ("elements?", described(count(), "of everything but strings")),
        ("bytes", described(count(), "of the name and the value in the RDB")),
    ]);
    let fields = vec![
        ("backup", shape("manifest")),
        ("census", maybe(shape("census"))),
        ("objects", list(stored)),
        ("receipts", described(list(receipt), "the newest of each kind, newest first")),
        (
            "pins",
            described(
                list(one_pin()),
                "what holds the backup against removal; only the name, if the object cannot be read",
            ),
        ),
        ("missing_objects", described(list(text()), "objects that the manifest names, and that are not there")),
        ("changed_objects", described(list(changed), "objects of another length than the manifest says")),
        (
            "keeps_conditions",
            described(maybe(truth()), "whether the store honours conditional writes; null: not known"),
        ),
        ("file", text()),
        ("rdb", shape("rdb")),
        ("needs", shape("needs_of_servers")),
        ("findings", list(shape("finding"))),
        ("matched", count()),
        ("keys", list(object(&key))),
    ];
    (
        fields,
        vec![
            vec![
                "backup",
                "census",
                "objects",
                "keeps_conditions",
                "receipts",
                "pins",
                "missing_objects",
                "changed_objects",
            ],
            vec!["file", "findings"],
            vec!["matched", "keys"],
        ],
    )
}
