//! What the fields of the answers are.

use serde_json::{Map, Value, json};

use super::{anything, count, described, either, list, map, maybe, number, object, one_of, shape, text, time, truth};
use crate::comparison::Difference;
use crate::explain::Status;
use crate::finding::Severity;
use crate::health::{self, State};
use crate::introspection::{Mode, NodeRole};
use crate::repository::manifest::{Consistency, Purpose, StructureState};
use crate::restore::options::Method;
use crate::restore::plan::Level;
use crate::rules::Topic;
use crate::verify;

/// The fields that a command adds, and which of them stand together in which of its answers.
type Answer = (Map<String, Value>, Vec<Vec<&'static str>>);

/// Commands with an answer of their own, and `error`.
pub(super) const COMMANDS: &[&str] =
    &["backup", "restore", "verify", "list", "show", "diagnose", "health", "metrics", "explain", "error"];

/// What a command adds to the envelope.
pub(super) fn answer(command: &str) -> Answer {
    let (fields, answers): (Vec<(&str, Value)>, Vec<Vec<&'static str>>) = match command {
        "backup" => backup(),
        "restore" => restore(),
        "verify" => verify(),
        "list" => listing(),
        "show" => show(),
        "diagnose" => diagnose(),
        "health" => health(),
        "metrics" => (vec![("instance", text()), ("metrics", map(number()))], vec![vec!["instance", "metrics"]]),
        "explain" => explain(),
        _ => (Vec::new(), Vec::new()),
    };
    (super::fields(&fields), answers)
}

/// Fields, and sets of those that are there together.
type Fields = (Vec<(&'static str, Value)>, Vec<Vec<&'static str>>);

fn backup() -> Fields {
    let line = object(&[("status", status()), ("text", text())]);
    let plan = object(&[
        ("instance", text()),
        ("method", text()),
        ("node", text()),
        ("role", text()),
        ("keys", count()),
        ("estimated_raw_bytes", count()),
        ("estimated_seconds", count()),
        ("free_bytes", maybe(count())),
        ("keeps_conditions", maybe(truth())),
        ("lines", list(line)),
    ]);
    let impact = object(&[("fork_usec", maybe(count())), ("cow_bytes", maybe(count()))]);
    let source = object(&[
        ("node", text()),
        ("role", text()),
        ("method", one_of(["replication", "scan"])),
        ("transfer", maybe(one_of(["diskless", "disk"]))),
        ("seconds", number()),
        ("bytes_per_second", number()),
        ("keyspace_hits_added", count()),
        ("impact", impact),
    ]);
    let fields = vec![
        ("backup", shape("manifest")),
        ("source", described(maybe(source), "null: a file was adopted")),
        ("warnings", list(text())),
        ("due", described(json!({ "const": false }), "with --if-due: no backup was due, and none was taken")),
        ("newest", time()),
        ("plan", plan),
    ];
    (fields, vec![vec!["backup", "source", "warnings"], vec!["due", "newest"], vec!["plan"]])
}

fn listing() -> Fields {
    let backup = object(&[
        ("id", text()),
        ("instance", text()),
        ("created_at", maybe(time())),
        ("of_the_future", described(truth(), "its machine's clock was ahead: nobody knows how old it is")),
        ("type", maybe(text())),
        ("purpose", maybe(purpose())),
        ("status", one_of(["published", "unreadable", "archived", "access_denied", "running", "left"])),
        ("reason", maybe(text())),
        ("structure", maybe(structure_state())),
        ("findings", maybe(count())),
        ("keys", maybe(count())),
        ("raw_bytes", maybe(count())),
        ("stored_bytes", maybe(count())),
        ("server_version", maybe(text())),
        ("verified_at", described(maybe(time()), "the last verification that found the backup good")),
        ("verified_level", maybe(text())),
        ("proven_at", described(anything(), "the level and the time of each proof, as its receipt has it")),
        ("verified_status", described(maybe(text()), "of the last verification, good or bad")),
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
    ];
    (fields, vec![vec!["backups", "unfinished_uploads", "unfinished_bytes", "unreadable_folders"]])
}

fn show() -> Fields {
    let stored = object(&[("key", text()), ("length", count())]);
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
            vec!["backup", "census", "objects", "keeps_conditions"],
            vec!["file", "findings"],
            vec!["matched", "keys"],
        ],
    )
}

fn verify() -> Fields {
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
        ("drill", drill),
        ("census", shape("census")),
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
        "drill?",
        "census?",
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
    let mut fields = about_one;
    fields.extend([
        ("file", text()),
        ("rdb", shape("rdb")),
        ("against", against),
        ("comparison", described(maybe(shape("comparison")), "null: the backup is not fit to be compared")),
        ("backups", list(object(&entry))),
        ("ages", list(age)),
    ]);
    (
        fields,
        vec![vec!["level", "checked", "findings"], vec!["level", "checked", "backups"], vec!["file", "comparison"]],
    )
}

fn restore() -> Fields {
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
    let undo = object(&[
        ("was_replica_of", maybe(text())),
        ("put_back", list(text())),
        ("left_to_do", list(text())),
        ("settings", text()),
        ("keys", maybe(count())),
    ]);
    let fields = vec![
        ("backup_id", maybe(text())),
        ("plan", plan),
        ("result", described(maybe(either(&[shape("restored"), shape("written")])), "null: nothing was written")),
        ("proof", described(maybe(shape("comparison")), "null: the target was not read back")),
        ("undo", described(maybe(undo), "of --undo; null: it was not done")),
        ("warnings", list(text())),
    ];
    (fields, vec![vec!["backup_id", "plan"], vec!["backup_id", "result"], vec!["undo"]])
}

fn diagnose() -> Fields {
    let profile = object(&[("name", text()), ("guessed", truth())]);
    let skipped = object(&[("id", text()), ("reason", text())]);
    let muted = object(&[("finding", shape("finding")), ("reason", text()), ("until", maybe(text()))]);
    let probe =
        object(&[("commands", count()), ("pings", count()), ("seconds", number()), ("keyspace_hits_added", count())]);
    let facts =
        described(map(map(anything())), "by topic; which facts there are depends on the server and its version");
    let fields = vec![
        ("instance", text()),
        ("server", described(maybe(shape("server")), "null: a file was looked at")),
        ("profile", profile),
        ("verdict", text()),
        ("findings", described(list(shape("finding")), "worst first, a symptom directly behind its cause")),
        ("skipped", list(skipped)),
        ("muted", list(muted)),
        ("passed", list(text())),
        ("facts", facts),
        ("probe", probe),
    ];
    let names = fields.iter().map(|(name, _)| *name).collect();
    (fields, vec![names])
}

fn health() -> Fields {
    let fields = vec![
        ("instance", text()),
        ("require", one_of([health::Level::Live, health::Level::Ready, health::Level::Writable])),
        ("health", one_of([State::Up, State::Degraded, State::Down])),
        ("redis_version", described(maybe(text()), "of Valkey the compatibility that it claims")),
        ("server_name", maybe(text())),
        ("server_version", maybe(text())),
        ("connected_clients", maybe(count())),
        ("used_memory_human", maybe(text())),
        ("used_memory", maybe(count())),
        ("role", maybe(text())),
        ("uptime_seconds", maybe(count())),
        ("rtt_ms", described(maybe(number()), "milliseconds")),
        ("reasons", list(object(&[("code", text()), ("text", text())]))),
    ];
    let names = fields.iter().map(|(name, _)| *name).collect();
    (fields, vec![names])
}

fn explain() -> Fields {
    let fields = vec![
        ("id", text()),
        ("topic", one_of(Topic::ALL)),
        ("title", text()),
        ("reads", text()),
        ("threshold", text()),
        ("limits", map(number())),
        ("why", text()),
        ("fix", list(text())),
        ("caused_by", list(text())),
        ("source", text()),
    ];
    let names = fields.iter().map(|(name, _)| *name).collect();
    (fields, vec![names])
}

/// A shape that several answers hold, by its name.
pub(super) fn named(name: &str) -> Option<Value> {
    Some(match name {
        "manifest" => manifest(),
        "census" => census(true),
        "finding" => finding(),
        "structure_finding" => structure_finding(),
        "rdb" => object(&[
            ("version", count()),
            ("dialect", text()),
            ("aux", map(text())),
            ("raw_bytes", count()),
            ("trailing_bytes", count()),
            ("crc64", maybe(text())),
            ("keys", count()),
        ]),
        "needs" => object(&needs()),
        "needs_of_servers" => {
            let mut needs = needs();
            needs.push(("servers", described(list(text()), "those that are known to load it")));
            object(&needs)
        }
        "comparison" => comparison(),
        "key_with_reason" => {
            let mut key = named_key();
            key.push(("reason", text()));
            object(&key)
        }
        "restored" => restored(),
        "written" => object(&[
            ("method", json!({ "const": "file" })),
            ("in_backup", count()),
            ("restored", count()),
            ("files", list(text())),
            ("bytes", count()),
            ("warnings", list(text())),
            ("trailing_bytes", count()),
            ("findings", list(shape("structure_finding"))),
        ]),
        "server" => server(),
        _ => return None,
    })
}

fn manifest() -> Value {
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
        ("stored_bytes", count()),
        ("stored_sha256", text()),
    ]);
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
        ("shards", list(shard)),
        ("moment?", moment()),
        ("census", maybe(census(false))),
        ("structure", structure()),
        ("findings", list(shape("structure_finding"))),
        ("needs", maybe(shape("needs"))),
        ("module_aux", maybe(map(count()))),
        ("stale", truth()),
    ])
}

/// As the manifest has it.
fn structure_finding() -> Value {
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
fn census(whole: bool) -> Value {
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

fn finding() -> Value {
    object(&[
        ("id", text()),
        ("severity", one_of([Severity::Info, Severity::Warning, Severity::Critical])),
        ("title", text()),
        ("evidence", map(anything())),
        ("threshold?", text()),
        ("why?", text()),
        ("fix?", list(text())),
        ("source?", text()),
        ("caused_by?", text()),
    ])
}

fn comparison() -> Value {
    let kinds = object(&[("type", count()), ("value", count()), ("expiry", count())]);
    let mut key = named_key();
    key.push(("difference", one_of(Difference::ALL.map(Difference::name))));
    let functions = object(&[("expected", count()), ("found", count()), ("equal", truth())]);
    object(&[
        ("is_equal", truth()),
        ("equal", described(count(), "keys that are equal")),
        ("missing", count()),
        ("extra", count()),
        ("different", count()),
        ("different_by", kinds),
        ("expired", count()),
        ("ratio", described(number(), "of equal keys, 0 to 1")),
        ("functions", maybe(functions)),
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

fn restored() -> Value {
    let keys = || list(shape("key_with_reason"));
    let functions = object(&[("restored", count()), ("skipped", count()), ("failed", count()), ("lost", count())]);
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
        ("others_wrote", described(maybe(truth()), "null: could not tell")),
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
        ("skipped_by_choice", count()),
        ("expired", count()),
        ("failed", count()),
        ("leftovers", count()),
        ("held", described(maybe(count()), "keys that the target holds; null: it holds others as well")),
        ("unknown", described(count(), "keys that were sent, and whose answer was lost")),
        ("not_reached", maybe(count())),
        ("lost", keys()),
        ("lost_count", count()),
        ("lost_in_part", count()),
        ("lost_module_data", count()),
        ("rebuilt", count()),
        ("rebuilt_keys", keys()),
        ("trailing_bytes", count()),
        ("failures", keys()),
        ("overwritten", described(count(), "keys of others, written over by a restore that went on")),
        ("overwritten_keys", keys()),
        ("written_by_others", described(count(), "keys that others wrote while the restore was interrupted")),
        ("functions", functions),
        ("restored_by_database", map(count())),
        ("taken_back", maybe(taken_back)),
        ("target", target),
        ("phases", object(&[("verify", number()), ("load", number()), ("proof", number())])),
        ("keys_per_second", count()),
        ("resumable", truth()),
        ("replica?", replica),
        ("barred?", barred),
    ])
}

fn server() -> Value {
    let primary = object(&[
        ("host", text()),
        ("port", count()),
        ("up", truth()),
        ("down_seconds", maybe(count())),
        ("last_io_seconds", maybe(count())),
        ("syncing", truth()),
    ]);
    object(&[
        ("name", text()),
        ("version", text()),
        ("redis_version", text()),
        ("run_id", text()),
        ("mode", one_of([Mode::Standalone, Mode::Cluster, Mode::Sentinel])),
        ("role", one_of([NodeRole::Primary, NodeRole::Replica, NodeRole::Other])),
        ("os", text()),
        ("uptime_seconds", count()),
        ("used_memory", count()),
        ("maxmemory", count()),
        ("maxmemory_policy", text()),
        ("modules", list(text())),
        ("loading", truth()),
        ("replid", text()),
        ("repl_offset", count()),
        ("primary", maybe(primary)),
        ("keys", count()),
    ])
}

/// The name of a key.
fn named_key() -> Vec<(&'static str, Value)> {
    vec![
        ("database", count()),
        ("key", described(text(), "what is not UTF-8 is replaced; a hash with --hide-keys")),
        ("key_b64?", described(text(), "the exact name in base64, where it is not UTF-8")),
    ]
}

fn needs() -> Vec<(&'static str, Value)> {
    vec![("databases", count()), ("modules", list(text())), ("version", maybe(text())), ("functions", count())]
}

fn status() -> Value {
    one_of([Status::Ok, Status::Warning, Status::Failed, Status::Unknown])
}

fn level() -> Value {
    one_of(verify::Level::ALL)
}

/// From and to.
fn moment() -> Value {
    object(&[("from", time()), ("to", time())])
}

fn consistency() -> Value {
    use Consistency::{Barrier, Fuzzy, PointInTime, PointInTimePerShard};
    one_of([PointInTime, Barrier, PointInTimePerShard, Fuzzy])
}

fn structure() -> Value {
    object(&[("state", structure_state()), ("understood_up_to", count())])
}

fn purpose() -> Value {
    one_of([Purpose::Scheduled, Purpose::Manual, Purpose::Safety, Purpose::Adopted, Purpose::PointInTime])
}

fn structure_state() -> Value {
    one_of([StructureState::Verified, StructureState::Findings, StructureState::NotUnderstood])
}
