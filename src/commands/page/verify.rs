//! The page of `verify`: what was proven, what was found, what a comparison says, and how long each phase of a drill took.

use maud::{Markup, html};
use serde_json::Value;

use super::Body;
use super::chart;
use super::findings::findings;
use super::parts::{self, Head, bytes_of, cell, count_of, key_of, seconds_of, table, tag, text_of};
use super::show::census;
use crate::printer::words;
use crate::verify::Level;

/// Backups of a walk that have a row.
const BACKUPS_SHOWN: usize = 500;

/// What stands in the page by name.
const KNOWN: &[&str] = &[
    "schema_version",
    "command",
    "status",
    "tool_version",
    "started_at",
    "duration_seconds",
    "error",
    "backup_id",
    "instance",
    "level",
    "checked",
    "findings",
    "needs",
    "module_aux",
    "drill",
    "census",
    "keeps_conditions",
    "slots",
    "stale",
    "file",
    "rdb",
    "against",
    "chosen",
    "comparison",
    "backups",
    "ages",
    "age_seconds",
];

pub fn body(answer: &Value) -> Body {
    let (instance, id) = (text_of(answer, "instance"), text_of(answer, "backup_id"));
    let subject = match (answer["file"].as_str(), id.is_empty()) {
        (Some(_), _) => text_of(answer, "file"),
        (None, false) if instance.is_empty() => id,
        (None, false) => format!("{instance}/{id}"),
        (None, true) => String::new(),
    };
    let mut about = Vec::new();
    let level = text_of(answer, "level");
    if !level.is_empty() {
        about.push(("level", level));
    }
    let age = seconds_of(&answer["age_seconds"]);
    if !age.is_empty() {
        about.push(("age of the data", age));
    }
    let found = answer["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sections = html! {
        @if answer["comparison"].is_object() { (comparison(answer)) }
        @if let Some(level) = level_of(answer) { (proven(answer, level, found)) }
        @if answer["findings"].is_array() {
            h2 { "Findings" }
            @if found.is_empty() { p { "No finding." } } @else { (findings(found, "")) }
        }
        @if answer["drill"].is_object() { (drill(&answer["drill"])) }
        (walk(answer))
        @if let Some(fields) = answer["rdb"].as_object() { h2 { "RDB" } (parts::pairs(fields, &[])) }
        @if let Some(fields) = answer["needs"].as_object() { h2 { "Needs of a server" } (parts::pairs(fields, &[])) }
        @if let Some(fields) = answer["module_aux"].as_object().filter(|fields| !fields.is_empty()) {
            h2 { "Records of modules outside of keys" } (parts::pairs(fields, &[]))
        }
        (census(&answer["census"]))
        @if let Some(fields) = answer.as_object() { (parts::others(fields, KNOWN)) }
    };
    Body { subject, about, sections }
}

fn level_of(answer: &Value) -> Option<Level> {
    Level::ALL.into_iter().find(|level| answer["level"] == level.name())
}

/// The levels, which of them were reached, and what each proves.
fn proven(answer: &Value, reached: Level, found: &[Value]) -> Markup {
    let is_known = answer.get("error").is_none() && answer["status"] != "unknown";
    let is_encrypted = answer["opened_by"].is_string();
    let is_good = found.iter().all(|finding| finding["severity"] != "critical");
    let rows: Vec<Vec<Markup>> = Level::ALL
        .into_iter()
        .map(|level| {
            let word = match (is_known, is_good) {
                _ if level > reached => "not asked",
                (false, _) => "could not tell",
                (true, true) => "yes",
                (true, false) => "see the findings",
            };
            vec![
                cell(level.name()),
                cell(word),
                cell(level.proves(is_encrypted)),
                cell(level.leaves_open(is_encrypted)),
            ]
        })
        .collect();
    let heads = [
        Head::Short("level"),
        Head::Short("proven"),
        Head::Words("what it proves"),
        Head::Words("what it leaves open"),
    ];
    html! {
        h2 { "What was proven" }
        (table("Levels of a verification; each includes those above", &heads, &rows))
        @if let Some(checked) = answer["checked"].as_object() { h3 { "What was read" } (parts::pairs(checked, &[])) }
        @if answer["stale"] == true { p { (tag("warning")) " Read from a replica that had lost its primary: its data may be old." } }
        @if !text_of(answer, "slots").is_empty() { p { (tag("warning")) " One shard of a cluster only: slots " (text_of(answer, "slots")) "." } }
        @if answer["keeps_conditions"] == false { p.note { "The store does not honour conditional writes." } }
    }
}

/// The phases of a drill on a line of time, each with its seconds.
fn drill(drill: &Value) -> Markup {
    let seconds = |name: &str| drill["seconds"][name].as_f64().unwrap_or(0.0);
    let phases = [
        ("fetch", "read from the store, unpacked, checked, written as an RDB", seconds("fetch")),
        ("load", "from the start of the server to its first good answer", seconds("load")),
        ("compare", "every key read back and compared", seconds("compare")),
    ];
    let whole: f64 = phases.iter().map(|(_, _, took)| took).sum();
    let whole = if whole > 0.0 { whole } else { 1.0 };
    let mut from = 0.0;
    let mut rows: Vec<Vec<Markup>> = Vec::new();
    for (name, what, took) in phases {
        let to = from + took;
        rows.push(vec![cell(name), cell(parts::span(took)), chart::bar("bar", from / whole, to / whole), cell(what)]);
        from = to;
    }
    let rto = drill["rto_seconds"].as_f64().unwrap_or(0.0);
    rows.push(vec![
        html! { strong { "RTO" } },
        html! { strong { (parts::span(rto)) } },
        chart::bar("sum", 0.0, rto / whole),
        cell("from the stored backup to a server that answers: a restore takes at least this long"),
    ]);
    let heads = [Head::Short("phase"), Head::Number("took"), Head::Drawn("when"), Head::Words("what happened")];
    let server = format!("{} {}", text_of(drill, "server"), text_of(drill, "version"));
    html! {
        h2 { "Drill" }
        p {
            (server) " loaded the backup and holds " (words::counted(drill["keys"].as_u64().unwrap_or(0), "key"))
            @if drill["expired"].as_u64().unwrap_or(0) > 0 { "; " (count_of(&drill["expired"])) " had expired" }
            ". Peak memory: " (bytes_of(&drill["peak_memory_bytes"])) "; peak resident memory: " (bytes_of(&drill["peak_rss_bytes"])) "."
        }
        (table("Phases of the drill on a line of time", &heads, &rows))
        @if drill["shards"].as_u64().unwrap_or(1) > 1 { p.note { "The times of " (count_of(&drill["shards"])) " shards, one after the other, are added up." } }
    }
}

/// What two data sets have in common, and what not.
fn comparison(answer: &Value) -> Markup {
    let found = &answer["comparison"];
    let counts = ["equal", "missing", "extra", "different", "expired"];
    let sum: u64 = counts.iter().filter_map(|name| found[*name].as_u64()).fold(0, u64::saturating_add);
    let means = |name: &str| match name {
        "equal" => "the same on both sides",
        "missing" => "in the backup, not on the other side",
        "extra" => "on the other side, not in the backup",
        "different" => "on both sides, with another type, value or expiry",
        _ => "had expired meanwhile: no difference",
    };
    let rows: Vec<Vec<Markup>> = counts
        .iter()
        .map(|name| {
            let share = found[*name].as_u64().unwrap_or(0) as f64 / sum.max(1) as f64;
            vec![
                cell(*name),
                cell(count_of(&found[*name])),
                chart::bar(if *name == "equal" { "bar" } else { "jump" }, 0.0, share),
                cell(means(name)),
            ]
        })
        .collect();
    let keys: Vec<Vec<Markup>> = found["by_key"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| vec![cell(key_of(key)), cell(count_of(&key["database"])), cell(text_of(key, "difference"))])
        .collect();
    let more = found.as_object().into_iter().flatten();
    let apart: Vec<&str> = counts.iter().copied().chain(["by_key", "announced", "ratio"]).collect();
    html! {
        h2 { "Comparison" }
        @if answer["against"].is_object() { p { "With " (text_of(&answer["against"], "instance")) "/" (text_of(&answer["against"], "backup_id")) "." } }
        @if answer["chosen"].is_object() { p { (text_of(&answer["chosen"], "why")) } }
        (table("Keys on both sides", &[Head::Short("keys"), Head::Number("count"), Head::Drawn("share"), Head::Words("meaning")], &rows))
        (parts::pairs(more, &apart))
        @if !keys.is_empty() { (table("Keys that differ", &[Head::Words("key"), Head::Number("database"), Head::Words("difference")], &keys)) }
    }
}

/// The backups that a walk over the repository has verified.
fn walk(answer: &Value) -> Markup {
    let Some(backups) = answer["backups"].as_array() else { return Markup::default() };
    let rows: Vec<Vec<Markup>> = backups
        .iter()
        .take(BACKUPS_SHOWN)
        .map(|one| {
            vec![
                cell(format!("{}/{}", text_of(one, "instance"), text_of(one, "backup_id"))),
                tag(&text_of(one, "status")),
                cell(text_of(one, "summary")),
                cell(seconds_of(&one["drill"]["rto_seconds"])),
            ]
        })
        .collect();
    let more = backups.len().saturating_sub(BACKUPS_SHOWN) as u64;
    let ages: Vec<Vec<Markup>> = answer["ages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            vec![
                cell(text_of(one, "instance")),
                tag(&text_of(one, "status")),
                cell(seconds_of(&one["newest_good_age_seconds"])),
            ]
        })
        .collect();
    html! {
        h2 { "Backups" }
        @if let Some(checked) = answer["checked"].as_object() { (parts::pairs(checked, &[])) }
        (table("Backups that were verified", &[Head::Words("backup"), Head::Short("answer"), Head::Words("what"), Head::Number("RTO")], &rows))
        @if more > 0 { p.note { (words::count(more)) " more backups were verified; `--output json` lists them all." } }
        @if !ages.is_empty() { (table("Age of the newest good backup", &[Head::Words("instance"), Head::Short("answer"), Head::Number("age")], &ages)) }
    }
}
