//! The page of `show`: the manifest in groups, what is in the data, its objects, and what became of the backup. Also what `verify --census`
//! shows of a data set.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::Body;
use super::chart;
use super::findings::findings;
use super::parts::{self, Head, bytes_of, cell, count_of, heading, key_of, moment, table, table_of, tag, text_of};
use crate::printer::words::{self, escape_line};

/// Rows of the table of the largest keys.
const LARGEST_SHOWN: usize = 20;

/// What stands in the page by name. Everything else is shown below, under its own name.
const KNOWN: &[&str] = &[
    "schema_version",
    "command",
    "status",
    "tool_version",
    "started_at",
    "duration_seconds",
    "error",
    "backup",
    "census",
    "objects",
    "receipts",
    "pins",
    "missing_objects",
    "changed_objects",
    "keeps_conditions",
    "file",
    "rdb",
    "needs",
    "findings",
    "matched",
    "keys",
];

pub fn body(answer: &Value) -> Body {
    let backup = &answer["backup"];
    let subject = match text_of(backup, "id") {
        id if id.is_empty() => text_of(answer, "file"),
        id => format!("{}/{id}", text_of(backup, "instance")),
    };
    let mut about = Vec::new();
    if backup.is_object() {
        about.push(("taken", moment(&text_of(backup, "created_at"))));
        about.push((
            "server",
            format!("{} {}", text_of(&backup["server"], "name"), text_of(&backup["server"], "version")),
        ));
    }
    let sections = html! {
        @if let Some(manifest) = backup.as_object() { (groups(manifest)) }
        @if let Some(rdb) = answer["rdb"].as_object() { h2 { "RDB" } (parts::pairs(rdb, &[])) }
        @if let Some(needs) = answer["needs"].as_object() { h2 { "Needs of a server" } (parts::pairs(needs, &[])) }
        @if let Some(found) = answer["findings"].as_array().filter(|found| !found.is_empty()) { h2 { "Findings" } (findings(found, "")) }
        (census(&answer["census"]))
        (keys(answer))
        (objects(answer))
        (since(answer))
        @if let Some(fields) = answer.as_object() { (parts::others(fields, KNOWN)) }
    };
    Body { subject, about, sections }
}

/// The manifest: its own fields, then each group, then the shards.
fn groups(manifest: &Map<String, Value>) -> Markup {
    let is_group = |value: &Value| value.as_object().is_some_and(|fields| !fields.is_empty());
    let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    let apart = ["shards", "census", "findings"];
    let plain: Vec<(&String, &Value)> = manifest
        .iter()
        .filter(|(name, value)| !apart.contains(&name.as_str()) && !is_group(value) && !is_list(value))
        .collect();
    let shards = manifest.get("shards").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = manifest.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !found.is_empty() { h2 { "Findings in the structure" } (table(
            "What contradicts itself in the RDB",
            &[Head::Words("finding"), Head::Words("what"), Head::Number("times"), Head::Words("first places")],
            &found.iter().map(|finding| vec![
                cell(text_of(finding, "id")),
                html! { (text_of(finding, "title")) @if !text_of(finding, "why").is_empty() { br; span.dim { (text_of(finding, "why")) } } },
                cell(count_of(&finding["count"])),
                cell(parts::value("places", &Value::Array(finding["places"].as_array().into_iter().flatten().take(3).cloned().collect()))),
            ]).collect::<Vec<_>>(),
        )) }
        h2 { "Backup" }
        (parts::pairs(plain, &[]))
        @for (name, fields) in manifest.iter().filter(|(name, value)| !apart.contains(&name.as_str()) && is_group(value)) {
            h3 { (group(name)) }
            @if let Some(fields) = fields.as_object() { (parts::pairs(fields, &[])) }
        }
        @for (name, items) in manifest.iter().filter(|(name, value)| !apart.contains(&name.as_str()) && is_list(value)) {
            (table_of(&group(name), items.as_array().map(Vec::as_slice).unwrap_or_default()))
        }
        @for shard in shards {
            @if let Some(fields) = shard.as_object() {
                h3 { "Shard " (count_of(&shard["index"])) }
                (parts::pairs(fields, &["index", "census"]))
                @if let Some(census) = shard["census"].as_object() { p.note { (words::counted(census.get("keys").and_then(Value::as_u64).unwrap_or(0), "key")) " in this shard." } }
            }
        }
    }
}

/// What a group of the manifest is called.
fn group(name: &str) -> String {
    match name {
        "moment" => "Moment of the data".to_owned(),
        "needs" => "Needs of a server".to_owned(),
        "module_aux" => "Records of modules outside of keys".to_owned(),
        name => heading(name),
    }
}

/// What is in a data set: by type, by database, when keys expire, the largest keys.
pub fn census(census: &Value) -> Markup {
    let Some(fields) = census.as_object() else { return Markup::default() };
    let apart = ["by_database", "by_type", "bytes_by_type", "expiry", "largest"];
    let all = census["keys"].as_u64().unwrap_or(0).max(1) as f64;
    let types: Vec<Vec<Markup>> = census["by_type"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, keys)| {
            vec![
                cell(escape_line(name)),
                cell(count_of(keys)),
                cell(bytes_of(&census["bytes_by_type"][name])),
                chart::bar("bar", 0.0, keys.as_u64().unwrap_or(0) as f64 / all),
            ]
        })
        .collect();
    let databases: Vec<Vec<Markup>> = census["by_database"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, counts)| {
            vec![
                cell(escape_line(name)),
                cell(count_of(&counts["keys"])),
                cell(count_of(&counts["expires"])),
                chart::bar("bar", 0.0, counts["keys"].as_u64().unwrap_or(0) as f64 / all),
            ]
        })
        .collect();
    let all_largest = census["largest"].as_array().map(Vec::as_slice).unwrap_or_default();
    let more = all_largest.len().saturating_sub(LARGEST_SHOWN);
    let largest: Vec<Vec<Markup>> = all_largest
        .iter()
        .take(LARGEST_SHOWN)
        .map(|key| {
            vec![
                cell(key_of(key)),
                cell(count_of(&key["database"])),
                cell(text_of(key, "type")),
                cell(bytes_of(&key["bytes"])),
                cell(count_of(&key["elements"])),
            ]
        })
        .collect();
    html! {
        h2 { "Contents" }
        (parts::pairs(fields, &apart))
        @if !types.is_empty() { (table("Keys by type", &[Head::Words("type"), Head::Number("keys"), Head::Number("bytes in the RDB"), Head::Drawn("share of the keys")], &types)) }
        @if !databases.is_empty() { (table("Keys by database", &[Head::Words("database"), Head::Number("keys"), Head::Number("with an expiry"), Head::Drawn("share of the keys")], &databases)) }
        (expiry(&census["expiry"]["within"], "Keys with an expiry, by the time they had left"))
        @if !largest.is_empty() { (table("Largest keys", &[Head::Words("key"), Head::Number("database"), Head::Words("type"), Head::Number("bytes in the RDB"), Head::Number("elements")], &largest)) }
        @if more > 0 { p.note { (more) " more of the largest keys are in the JSON answer." } }
    }
}

/// When keys expire: a histogram over the time left, with its numbers.
pub fn expiry(within: &Value, caption: &str) -> Markup {
    let slots: Vec<(&String, u64)> =
        within.as_object().into_iter().flatten().map(|(name, keys)| (name, keys.as_u64().unwrap_or(0))).collect();
    let most = slots.iter().map(|(_, keys)| *keys).max().unwrap_or(0);
    if most == 0 {
        return Markup::default();
    }
    let mut from = "now".to_owned();
    let mut rows = Vec::new();
    for (name, keys) in slots {
        let name = match name.as_str() {
            "expired" => "had expired".to_owned(),
            "longer" => format!("more than {from}"),
            until => {
                let until = spelt(until);
                format!("{} to {until}", std::mem::replace(&mut from, until.clone()))
            }
        };
        rows.push(vec![cell(name), cell(words::count(keys)), chart::bar("bar", 0.0, keys as f64 / most as f64)]);
    }
    table(caption, &[Head::Short("time left"), Head::Number("keys"), Head::Drawn("compared with the most")], &rows)
}

/// `10m` as `10 min`.
fn spelt(span: &str) -> String {
    let digits = span.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    match &span[digits.len()..] {
        "m" => format!("{digits} min"),
        unit => format!("{digits} {}", escape_line(unit)),
    }
}

/// The keys that were asked for.
fn keys(answer: &Value) -> Markup {
    let Some(keys) = answer["keys"].as_array() else { return Markup::default() };
    let matched = answer["matched"].as_u64().unwrap_or(0);
    let more = matched.saturating_sub(keys.len() as u64);
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(|key| {
            let expires = key["expires_at"].as_str().map_or_else(|| "never".to_owned(), moment);
            vec![
                cell(key_of(key)),
                cell(count_of(&key["database"])),
                cell(text_of(key, "type")),
                cell(count_of(&key["elements"])),
                cell(bytes_of(&key["bytes"])),
                cell(expires),
            ]
        })
        .collect();
    let heads = [
        Head::Words("key"),
        Head::Number("database"),
        Head::Words("type"),
        Head::Number("elements"),
        Head::Number("bytes"),
        Head::Short("expires"),
    ];
    let value_of = |key: &Value| {
        ["value", "value_b64"].into_iter().find_map(|field| key.get(field)).map(|value| format!("{value:#}"))
    };
    html! {
        h2 { "Keys" }
        p { (words::counted(matched, "key")) @if more > 0 { ", " (words::count(more)) " of them not shown" } "." }
        @if !rows.is_empty() { (table("Keys that match", &heads, &rows)) }
        @for key in keys {
            @if let Some(value) = value_of(key) { h3 { "Value of " (key_of(key)) } p { code { (words::escape_lines(&value)) } } }
        }
    }
}

/// The objects of the backup in its repository.
fn objects(answer: &Value) -> Markup {
    let Some(objects) = answer["objects"].as_array() else { return Markup::default() };
    let rows: Vec<Vec<Markup>> = objects
        .iter()
        .map(|object| {
            vec![cell(text_of(object, "key")), cell(count_of(&object["length"])), cell(bytes_of(&object["length"]))]
        })
        .collect();
    let changed = answer["changed_objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        h2 { "Objects" }
        @for name in answer["missing_objects"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            p { (tag("failed")) " missing: " code { (escape_line(name)) } }
        }
        @for object in changed {
            p {
                (tag("failed")) " " code { (text_of(object, "key")) } " has " (count_of(&object["length"])) " bytes; the manifest says "
                (count_of(&object["expected_length"])) "."
            }
        }
        (table("Objects in the repository", &[Head::Words("object"), Head::Number("bytes"), Head::Number("size")], &rows))
        @if answer["keeps_conditions"] == false { p.note { "The store does not honour conditional writes." } }
    }
}

/// What became of the backup: verifications, restores, pins.
fn since(answer: &Value) -> Markup {
    let list = |name: &str| answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (receipts, pins) = (list("receipts"), list("pins"));
    let rows: Vec<Vec<Markup>> = receipts
        .iter()
        .map(|receipt| {
            let what = match receipt["kind"] == "restore" {
                true => {
                    let proven = if receipt["proven"] == true { ", proven equal" } else { ", not proven" };
                    format!(
                        "{} into {}{proven}",
                        words::counted(receipt["restored"].as_u64().unwrap_or(0), "key"),
                        text_of(receipt, "instance")
                    )
                }
                false => match parts::value("found", &receipt["found"]) {
                    found if found == "none" => format!("level {}", text_of(receipt, "level")),
                    found => format!("level {}: {found}", text_of(receipt, "level")),
                },
            };
            let status = text_of(receipt, "status");
            vec![
                cell(moment(&text_of(receipt, "at"))),
                cell(text_of(receipt, "kind")),
                html! { @if !status.is_empty() { (tag(&status)) } },
                cell(what),
            ]
        })
        .collect();
    html! {
        @if !receipts.is_empty() || !pins.is_empty() { h2 { "Since it was taken" } }
        @if !rows.is_empty() { (table("Verifications and restores, newest first", &[Head::Short("when"), Head::Words("what"), Head::Words("answer"), Head::Words("details")], &rows)) }
        @if !pins.is_empty() { (table_of("Pins that hold it against removal", pins)) }
    }
}
