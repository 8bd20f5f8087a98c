//! What `diagnose`, `health` and `explain` answer.

use serde_json::Value;

use super::super::{anything, count, described, list, map, maybe, number, object, one_of, shape, text, truth};
use super::Fields;
use crate::health::{self, State};
use crate::introspection::{Mode, NodeRole};
use crate::rules::Topic;

pub(in crate::commands) fn diagnose() -> Fields {
    let profile = object(&[("name", text()), ("guessed", truth())]);
    let skipped = object(&[("id", text()), ("reason", text())]);
    let muted = object(&[("finding", shape("finding")), ("reason", text()), ("until", maybe(text()))]);
    let probe =
        object(&[("commands", count()), ("pings", count()), ("seconds", number()), ("keyspace_hits_added", count())]);
    let facts =
        described(map(map(anything())), "by topic; which facts there are depends on the server and its version");
    let mut fields = vec![
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
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let of_text = vec![
        ("read", described(list(text()), "the answers that a text held")),
        (
            "not_understood",
            object(&[("lines", count()), ("numbers", described(list(count()), "the first hundred, from 1"))]),
        ),
        ("not_looked_at", list(object(&[("topic", one_of(Topic::ALL)), ("missing", text())]))),
    ];
    // One server of several in a text has the same fields.
    let server: Vec<(&str, Value)> = fields.iter().chain(&of_text).cloned().collect();
    let pasted: Vec<&str> = server.iter().map(|(name, _)| *name).collect();
    let several: Vec<&str> = pasted.iter().copied().chain(["servers"]).collect();
    fields.extend(of_text);
    fields.push((
        "servers",
        described(list(object(&server)), "all, where a text holds several: the fields above are those of the worst"),
    ));
    (fields, vec![names, pasted, several])
}

pub(in crate::commands) fn health() -> Fields {
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
        ("maxmemory", described(maybe(count()), "0: no limit")),
        ("maxclients", maybe(count())),
        ("role", maybe(text())),
        ("uptime_seconds", maybe(count())),
        ("rtt_ms", described(maybe(number()), "milliseconds")),
        ("reasons", list(object(&[("code", text()), ("text", text())]))),
    ];
    let names = fields.iter().map(|(name, _)| *name).collect();
    (fields, vec![names])
}

pub(in crate::commands) fn explain() -> Fields {
    let fields = vec![
        ("id", text()),
        ("topic", one_of(Topic::ALL)),
        ("title", text()),
        ("reads", text()),
        ("threshold", text()),
        ("limits", map(number())),
        ("why", text()),
        ("fix", list(text())),
        ("remedies", super::remedies()),
        ("caused_by", list(text())),
        ("source", text()),
    ];
    let names = fields.iter().map(|(name, _)| *name).collect();
    // Without a rule, all of them are listed.
    let rule = object(&[("id", text()), ("topic", one_of(Topic::ALL)), ("title", text())]);
    let listed = ("rules", list(rule));
    (fields.into_iter().chain([listed]).collect(), vec![names, vec!["rules"]])
}

pub(super) fn server() -> Value {
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
