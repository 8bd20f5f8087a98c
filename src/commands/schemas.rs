//! The JSON answers as JSON Schema (draft 2020-12): one document a command, written to `docs/json/` by `redis-ops man --reference docs`.
//!
//! What a field means stands at the type that it comes from; here stands what a program that reads it must know: its name, its type, and
//! whether it is always there. The integration tests hold every JSON answer that they read against these schemas, and refuse a field
//! that no schema names. Readers must not: fields are added.

pub(super) mod shapes;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::envelope::SCHEMA_VERSION;
use crate::explain::Status;

/// The fields that a command adds to the envelope, and which of them stand together in which of its answers.
pub(super) type Fields = (Vec<(&'static str, Value)>, Vec<Vec<&'static str>>);

/// The schema of each command's answer, and one for the answer where it was not understood what was typed: `error`.
pub fn all() -> Vec<(&'static str, Value)> {
    let nothing = || (Vec::new(), Vec::new());
    let in_json = super::FACTS.iter().filter(|fact| fact.formats.iter().any(|format| format.is_json()));
    let commands = in_json.map(|fact| (fact.name, of(fact.name, (fact.answer)())));
    commands.chain([("error", of("error", nothing()))]).collect()
}

fn of(command: &str, (own, answers): Fields) -> Value {
    let named = match command {
        // Those that print text have no answer of their own either.
        "error" => one_of([Value::Null, "completions".into(), "man".into(), "top".into()]),
        command => json!({ "const": command }),
    };
    let mut properties = envelope(named);
    properties.extend(fields(&own));

    // What stands in every answer, and then the fields of one of the answers, or the error in their place.
    let always = ["schema_version", "command", "status", "tool_version", "started_at", "duration_seconds"];
    let mut kinds: Vec<Value> = answers.iter().map(|fields| json!({ "required": fields })).collect();
    kinds.push(json!({ "required": ["error"] }));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Answer of redis-ops {command} --json"),
        "description": "Sizes are bytes, times RFC 3339 in UTC, durations seconds. Fields are added, never renamed or removed.",
        "type": "object",
        "properties": properties,
        "required": always,
        "anyOf": kinds,
    });
    if command == "error" {
        schema["title"] = "Answer of redis-ops to a command line that was not understood".into();
    }
    let used = used_by(&schema);
    if !used.is_empty() {
        schema["$defs"] = used.into();
    }
    schema
}

/// The definitions that a schema refers to, and those that they refer to.
fn used_by(schema: &Value) -> Map<String, Value> {
    let mut used = Map::new();
    let mut open = vec![schema.clone()];
    while let Some(value) = open.pop() {
        let name = value.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix("#/$defs/"));
        if let Some(name) = name.filter(|name| !used.contains_key(*name)) {
            let shape = shapes::named(name).unwrap_or_else(|| panic!("the shape `{name}` is nowhere defined"));
            used.insert(name.to_owned(), shape.clone());
            open.push(shape);
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    used.sort_keys();
    used
}

/// The properties of every answer.
fn envelope(command: Value) -> Map<String, Value> {
    let error = object(&[
        ("code", described(text(), "stable, snake_case")),
        ("message", text()),
        ("causes", list(text())),
        ("hint", maybe(text())),
    ]);
    fields(&[
        ("schema_version", json!({ "const": SCHEMA_VERSION })),
        ("command", command),
        (
            "status",
            described(
                one_of([Status::Ok, Status::Warning, Status::Failed, Status::Unknown]),
                "the same as the exit code: ok 0, warning 1, failed 2, unknown 3; after a signal the exit code is 129, 130 or 143",
            ),
        ),
        ("tool_version", text()),
        ("started_at", time()),
        ("duration_seconds", number()),
        ("error", error),
    ])
}

/// An object. A name that ends in `?` may be missing.
pub(super) fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    json!({ "type": "object", "properties": fields(properties), "required": required })
}

fn fields(properties: &[(&str, Value)]) -> Map<String, Value> {
    properties.iter().map(|(name, value)| (name.trim_end_matches('?').to_owned(), value.clone())).collect()
}

/// An object whose names are data, and whose values are all of one kind.
pub(super) fn map(of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

pub(super) fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A value, or `null`.
pub(super) fn maybe(value: Value) -> Value {
    json!({ "anyOf": [value, { "type": "null" }] })
}

pub(super) fn either(values: &[Value]) -> Value {
    json!({ "anyOf": values })
}

/// A shape that is defined once.
pub(super) fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// Words of a fixed list, taken from the type where there is one.
pub(super) fn one_of<T: Serialize>(values: impl IntoIterator<Item = T>) -> Value {
    let values: Vec<Value> = values.into_iter().map(|value| json!(value)).collect();
    json!({ "enum": values })
}

pub(super) fn described(mut value: Value, words: &str) -> Value {
    value["description"] = words.into();
    value
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A whole number that is not negative.
pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

pub(super) fn truth() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn anything() -> Value {
    json!({})
}
