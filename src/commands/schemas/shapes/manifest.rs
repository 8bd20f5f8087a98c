//! The manifest of a backup, and what stands in it.

use serde_json::{Value, json};

use super::super::{count, described, list, map, maybe, number, object, one_of, shape, text, time, truth};
use super::named_key;
use crate::repository::manifest::{Consistency, Purpose, StructureState};

pub(super) fn manifest() -> Value {
    let server = object(&[
        ("name", text()),
        ("version", text()),
        ("run_id", text()),
        ("mode", text()),
        ("role", text()),
        ("os", text()),
        ("maxmemory", count()),
        ("maxmemory_policy", text()),
        ("modules", list(text())),
    ]);
    let tail = object(&[
        ("object", text()),
        ("from", count()),
        ("to", count()),
        (
            "added_bytes",
            described(count(), "of the object, not of the stream: a `SELECT` first, and expiries as moments"),
        ),
        ("raw_sha256", text()),
        ("stored_bytes", count()),
        ("stored_sha256", text()),
        ("commands", count()),
    ]);
    let barrier = object(&[("held_seconds", number()), ("at", time())]);
    let shard = object(&[
        ("index", count()),
        ("slots", maybe(text())),
        ("node", text()),
        ("replid", text()),
        ("offset", maybe(count())),
        ("rdb_version", count()),
        ("aux", map(text())),
        ("object", text()),
        ("raw_bytes", count()),
        ("stored_bytes", count()),
        ("raw_sha256", text()),
        ("stored_sha256", text()),
        ("crc64", maybe(text())),
        ("frames", count()),
        ("moment?", moment()),
        ("consistency?", consistency()),
        ("structure?", structure()),
        ("census?", census(false)),
        (
            "keys_outside?",
            described(count(), "keys of slots that were still on their way to the node: not counted, and not restored"),
        ),
        ("tail?", tail),
    ]);
    object(&[
        ("format_version", count()),
        ("id", text()),
        ("instance", text()),
        ("created_at", time()),
        ("finished_at", time()),
        ("type", text()),
        ("purpose", purpose()),
        ("consistency", consistency()),
        ("tool_version", text()),
        ("labels", map(text())),
        ("server", server),
        ("compression", text()),
        ("encryption", maybe(text())),
        (
            "recipients?",
            described(list(text()), "the public keys that the backup is encrypted to; empty: a passphrase"),
        ),
        ("shards", list(shard)),
        ("moment?", moment()),
        ("barrier?", described(barrier, "the moment at which all shards of a cluster were held")),
        ("no_barrier?", described(text(), "why the shards of a cluster are not from one moment")),
        ("skew_seconds?", described(number(), "between the moments of the shards of a cluster, at most")),
        ("census", maybe(census(false))),
        ("structure", structure()),
        ("findings", list(shape("structure_finding"))),
        ("needs", maybe(shape("needs"))),
        ("module_aux", maybe(map(count()))),
        ("stale", truth()),
        ("lacks?", described(list(text()), "what the source holds and the backup does not, and why")),
    ])
}

/// As the manifest has it.
pub(super) fn structure_finding() -> Value {
    let place = object(&[
        ("offset", count()),
        ("database", maybe(count())),
        ("key", maybe(text())),
        ("announced?", count()),
        ("found?", count()),
    ]);
    object(&[
        ("id", text()),
        ("title", text()),
        ("why?", text()),
        ("count", count()),
        ("shard", count()),
        ("places", list(place)),
    ])
}

/// What is in a data set. `whole`: with what the manifest has no room for.
pub(super) fn census(whole: bool) -> Value {
    let counts = object(&[("keys", count()), ("expires", count())]);
    let mut fields = vec![
        ("keys", count()),
        ("expires", described(count(), "keys with an expiry")),
        ("by_database", map(counts)),
        ("by_type", map(count())),
        ("bytes_by_type", map(count())),
        ("functions", count()),
        ("digest", text()),
        ("digest_version", count()),
        ("object", maybe(text())),
        ("sha256", maybe(text())),
    ];
    if whole {
        let expiry = object(&[
            ("reckoned_from_ms", json!({ "type": "integer" })),
            ("within", map(count())),
            ("earliest_ms", maybe(json!({ "type": "integer" }))),
            ("latest_ms", maybe(json!({ "type": "integer" }))),
        ]);
        let mut largest = named_key();
        largest.extend([("type", text()), ("bytes", count()), ("elements", count())]);
        fields.extend([("expiry?", expiry), ("largest?", list(object(&largest))), ("fields_with_expiry?", count())]);
    }
    object(&fields)
}

/// From and to.
fn moment() -> Value {
    object(&[("from", time()), ("to", time())])
}

pub(super) fn consistency() -> Value {
    use Consistency::{Barrier, Fuzzy, PointInTime, PointInTimePerShard};
    one_of([PointInTime, Barrier, PointInTimePerShard, Fuzzy])
}

fn structure() -> Value {
    object(&[("state", structure_state()), ("understood_up_to", count())])
}

pub(super) fn purpose() -> Value {
    one_of([Purpose::Scheduled, Purpose::Manual, Purpose::Safety, Purpose::Adopted, Purpose::PointInTime])
}

pub(super) fn structure_state() -> Value {
    one_of([StructureState::Verified, StructureState::Findings, StructureState::NotUnderstood])
}
