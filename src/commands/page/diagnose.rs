//! The page of `diagnose`: findings first, then the facts of each topic, with the memory by prefix.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::Body;
use super::chart::{self, Tile};
use super::findings::findings;
use super::parts::{self, Head, bytes_of, cell, count_of, heading, table, table_of, tag, text_of};
use crate::printer::words::{self, escape_line};

/// Lists of the facts that have a section of their own.
const DRAWN: &[&str] = &["prefixes", "largest"];

pub fn body(answer: &Value) -> Body {
    let server = &answer["server"];
    let mut about = Vec::new();
    if server.is_object() {
        about.push(("server", format!("{} {}", text_of(server, "name"), text_of(server, "version"))));
        about.push(("role", text_of(server, "role")));
    }
    if let Some(profile) = answer["profile"]["name"].as_str() {
        let guessed = if answer["profile"]["guessed"] == true { " (guessed)" } else { "" };
        about.push(("used as", format!("{}{guessed}", escape_line(profile))));
    }
    let servers = answer["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sections = html! {
        @if servers.len() > 1 {
            @for (at, server) in servers.iter().enumerate() {
                h2 { (text_of(server, "instance")) }
                p { (text_of(server, "verdict")) }
                (one(server, &format!("-s{}", at + 1), &format!(" of {}", text_of(server, "instance"))))
            }
        } @else { (one(answer, "", "")) }
    };
    Body { subject: text_of(answer, "instance"), about, sections }
}

/// One server. `anchor` and `whose` set it apart from the others of a page.
fn one(answer: &Value, anchor: &str, whose: &str) -> Markup {
    let found = answer["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = [
        "schema_version",
        "command",
        "status",
        "tool_version",
        "started_at",
        "duration_seconds",
        "error",
        "instance",
        "server",
        "profile",
        "verdict",
        "findings",
        "skipped",
        "muted",
        "passed",
        "facts",
        "probe",
        "read",
        "not_understood",
        "not_looked_at",
        "servers",
    ];
    let Some(fields) = answer.as_object().filter(|fields| fields.contains_key("findings")) else {
        return Markup::default();
    };
    html! {
        h2 { "Findings" (whose) }
        @if found.is_empty() { p { "No finding." } } @else { (findings(found, anchor)) }
        @for (topic, facts) in answer["facts"].as_object().into_iter().flatten() { (facts_of(topic, facts, whose)) }
        (rest(answer, whose))
        (parts::others(fields, &known))
    }
}

/// The facts of a topic: numbers as pairs, lists as tables.
fn facts_of(topic: &str, facts: &Value, whose: &str) -> Markup {
    let Some(fields) = facts.as_object() else { return Markup::default() };
    let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    let plain = fields.iter().filter(|(name, value)| !is_list(value) && !DRAWN.contains(&name.as_str()));
    let plain: Vec<(&String, &Value)> =
        plain.filter(|(_, value)| !value.as_array().is_some_and(Vec::is_empty)).collect();
    html! {
        h2 { (heading(topic)) (whose) }
        (parts::pairs(plain, &[]))
        (prefixes(fields, whose))
        (largest(fields, whose))
        @for (name, value) in fields.iter().filter(|(name, value)| is_list(value) && !DRAWN.contains(&name.as_str())) {
            (table_of(&format!("{}{whose}", heading(name)), value.as_array().map(Vec::as_slice).unwrap_or_default()))
        }
    }
}

/// The memory by prefix, as a treemap and as a table.
fn prefixes(facts: &Map<String, Value>, whose: &str) -> Markup {
    let Some(prefixes) = facts.get("prefixes").and_then(Value::as_array).filter(|prefixes| !prefixes.is_empty()) else {
        return Markup::default();
    };
    let sum = |field: &str| prefixes.iter().filter_map(|prefix| prefix[field].as_u64()).fold(0, u64::saturating_add);
    // Some sources tell no sizes.
    let (field, whole, what) = match sum("bytes") {
        0 => ("keys", facts.get("keys_seen"), "keys"),
        _ => ("bytes", facts.get("bytes_seen"), "memory"),
    };
    let total = whole.and_then(Value::as_u64).unwrap_or(0).max(sum(field));
    let written = |size: u64| if field == "bytes" { words::bytes(size) } else { words::counted(size, "key") };
    let share = |size: u64| format!("{:.1} %", size as f64 / total.max(1) as f64 * 100.0);
    let tile = |name: String, size: u64, is_rest| Tile {
        name,
        size,
        label: format!("{}, {}", written(size), share(size)),
        is_rest,
    };
    let mut tiles: Vec<Tile> = prefixes
        .iter()
        .map(|prefix| tile(text_of(prefix, "name"), prefix[field].as_u64().unwrap_or(0), false))
        .collect();
    let rest = total - sum(field);
    if rest > 0 {
        tiles.push(tile("all other prefixes".to_owned(), rest, true));
    }
    let rows: Vec<Vec<Markup>> = prefixes
        .iter()
        .map(|prefix| {
            let keys = prefix["keys"].as_u64().unwrap_or(0);
            let forever = prefix["without_ttl"].as_u64().unwrap_or(0) as f64 / keys.max(1) as f64;
            let types: Vec<String> =
                prefix["types"].as_object().into_iter().flatten().map(|(name, _)| escape_line(name)).collect();
            vec![
                cell(text_of(prefix, "name")),
                cell(words::count(keys)),
                cell(bytes_of(&prefix["bytes"])),
                cell(share(prefix[field].as_u64().unwrap_or(0))),
                cell(format!("{:.0} %", forever * 100.0)),
                cell(types.join(" ")),
            ]
        })
        .collect();
    let heads = [
        Head::Words("prefix"),
        Head::Number("keys"),
        Head::Number("memory"),
        Head::Number(if field == "bytes" { "of the memory" } else { "of the keys" }),
        Head::Number("never expire"),
        Head::Words("types"),
    ];
    html! {
        h3 { (if field == "bytes" { "Memory" } else { "Keys" }) " by prefix" }
        @if total > 0 { (chart::treemap(&format!("{what} by prefix, {} in all{whose}", written(total)), &tiles)) }
        (table(&format!("Prefixes{whose}, largest first"), &heads, &rows))
    }
}

fn largest(facts: &Map<String, Value>, whose: &str) -> Markup {
    let Some(keys) = facts.get("largest").and_then(Value::as_array).filter(|keys| !keys.is_empty()) else {
        return Markup::default();
    };
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(|key| {
            let ttl = key["ttl_ms"].as_f64().map_or_else(|| "none".to_owned(), |ttl| parts::span(ttl / 1000.0));
            vec![
                // Escaped when it was read.
                cell(text_of(key, "key")),
                cell(count_of(&key["database"])),
                cell(text_of(key, "kind")),
                cell(bytes_of(&key["bytes"])),
                cell(count_of(&key["length"])),
                cell(ttl),
            ]
        })
        .collect();
    let heads = [
        Head::Words("key"),
        Head::Number("database"),
        Head::Words("type"),
        Head::Number("memory"),
        Head::Number("length"),
        Head::Number("time to live"),
    ];
    table(&format!("Largest keys{whose}"), &heads, &rows)
}

/// What was not judged, and what the look has cost.
fn rest(answer: &Value, whose: &str) -> Markup {
    let list = |name: &str| answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (skipped, muted, passed) = (list("skipped"), list("muted"), list("passed"));
    let (missing, read) = (list("not_looked_at"), list("read"));
    // Most are skipped for one of a few reasons.
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in skipped {
        reasons.entry(text_of(rule, "reason")).or_default().push(text_of(rule, "id"));
    }
    let rows: Vec<Vec<Markup>> =
        reasons.iter().map(|(reason, rules)| vec![cell(reason), cell(rules.join(" "))]).collect();
    let muted: Vec<Vec<Markup>> = muted
        .iter()
        .map(|one| {
            let finding = &one["finding"];
            vec![
                cell(text_of(finding, "id")),
                tag(&text_of(finding, "severity")),
                cell(text_of(finding, "title")),
                cell(text_of(one, "reason")),
                cell(one["until"].as_str().map_or_else(|| "ever".to_owned(), parts::moment)),
            ]
        })
        .collect();
    let understood = answer["not_understood"]["lines"].as_u64().unwrap_or(0);
    html! {
        h2 { "What was looked at" (whose) }
        p { (words::counted(passed.len() as u64, "rule")) " found nothing" @if !skipped.is_empty() { ", " (skipped.len()) " were skipped" } "." }
        @if !muted.is_empty() {
            (table(&format!("Muted findings{whose}"), &[Head::Words("rule"), Head::Words("severity"), Head::Words("what"), Head::Words("reason"), Head::Short("until")], &muted))
        }
        @if !rows.is_empty() { (table(&format!("Skipped rules{whose}"), &[Head::Words("reason"), Head::Words("rules")], &rows)) }
        @if !read.is_empty() { p { "Read: " (parts::value("read", &answer["read"])) "." } }
        @if understood > 0 { p { (words::counted(understood, "line")) " of the text were not understood." } }
        @for topic in missing { p { (text_of(topic, "topic")) " was not looked at: the text lacks " (text_of(topic, "missing")) "." } }
        @if answer["probe"].is_object() {
            p.note {
                "The look sent " (words::counted(answer["probe"]["commands"].as_u64().unwrap_or(0), "command")) " and "
                (words::counted(answer["probe"]["pings"].as_u64().unwrap_or(0), "ping")) " and added "
                (words::counted(answer["probe"]["keyspace_hits_added"].as_u64().unwrap_or(0), "keyspace hit")) "."
            }
        }
    }
}
