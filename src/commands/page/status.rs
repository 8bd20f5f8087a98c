//! The page of `status`: an instance in a row, and what is to be said of it below.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::Value;

use super::Body;
use super::chart;
use super::parts::{self, Head, age_of, bytes_of, cell, count_of, moment, table, tag, text_of};
use crate::printer::words;

/// What stands in the page by name.
const KNOWN: &[&str] = &[
    "schema_version",
    "command",
    "status",
    "tool_version",
    "started_at",
    "duration_seconds",
    "error",
    "instances",
    "stored_bytes",
    "max_age_seconds",
    "max_unverified_seconds",
];
/// The same of one instance.
const KNOWN_OF_INSTANCE: &[&str] = &[
    "instance",
    "status",
    "reasons",
    "backups",
    "only_safety",
    "unreadable",
    "stored_bytes",
    "last_good",
    "doubtful",
    "last_verified",
    "last_drill",
    "next_due",
    "missed",
    "growth",
    "holes",
    "running",
    "lock",
    "left",
    "pinned",
];

pub fn body(answer: &Value) -> Body {
    let instances = answer["instances"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut about = Vec::new();
    for (name, field) in
        [("limit of the age", "max_age_seconds"), ("limit without verification", "max_unverified_seconds")]
    {
        about.extend(answer[field].as_u64().map(|seconds| (name, words::span(Duration::from_secs(seconds)))));
    }
    if answer["stored_bytes"].is_u64() {
        about.push(("stored", bytes_of(&answer["stored_bytes"])));
    }
    let most = instances.iter().filter_map(|one| one["stored_bytes"].as_u64()).max().unwrap_or(0).max(1) as f64;
    let stored: Vec<Vec<Markup>> = instances
        .iter()
        .map(|one| {
            let bytes = one["stored_bytes"].as_u64().unwrap_or(0);
            vec![
                cell(text_of(one, "instance")),
                cell(words::bytes(bytes)),
                cell(count_of(&one["backups"])),
                chart::bar("bar", 0.0, bytes as f64 / most),
            ]
        })
        .collect();
    let heads = [
        Head::Words("instance"),
        Head::Short("state"),
        Head::Short("last good"),
        Head::Short("verified"),
        Head::Short("drill"),
        Head::Short("next due"),
        Head::Number("keys"),
        Head::Number("size"),
        Head::Number("growth"),
    ];
    let sections = html! {
        @if !instances.is_empty() {
            h2 { "Instances" }
            (table("State of the backups of every instance", &heads, &instances.iter().map(row).collect::<Vec<_>>()))
            @for one in instances { (details(one)) }
            h2 { "Stored" }
            (table("Bytes in the repository", &[Head::Words("instance"), Head::Number("stored"), Head::Number("backups"), Head::Drawn("compared with the most")], &stored))
        }
        @if let Some(fields) = answer.as_object() { (parts::others(fields, KNOWN)) }
    };
    Body { subject: String::new(), about, sections }
}

fn row(one: &Value) -> Vec<Markup> {
    let drill = &one["last_drill"];
    let rto =
        drill["rto_seconds"].as_f64().map(|seconds| format!(", RTO {}", parts::span(seconds))).unwrap_or_default();
    let growth = one["growth"]["raw_bytes"].as_f64().map(|bytes| {
        let sign = if bytes < 0.0 { '-' } else { '+' };
        format!("{sign}{}", words::bytes(bytes.abs() as u64))
    });
    vec![
        cell(text_of(one, "instance")),
        tag(&text_of(one, "status")),
        cell(if one["last_good"].is_object() { age_of(&one["last_good"]["age_seconds"]) } else { "none".to_owned() }),
        cell(age_of(&one["last_verified"]["age_seconds"])),
        cell(format!("{}{rto}", age_of(&drill["age_seconds"]))),
        cell(one["next_due"].as_str().map(moment).unwrap_or_default()),
        cell(count_of(&one["last_good"]["keys"])),
        cell(bytes_of(&one["last_good"]["raw_bytes"])),
        cell(growth.unwrap_or_default()),
    ]
}

/// What does not fit into a row: reasons, holes, who is at work, what is left.
fn details(one: &Value) -> Markup {
    let list = |name: &str| one[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let number = |name: &str| one[name].as_u64().unwrap_or(0);
    let (reasons, holes) = (list("reasons"), list("holes"));
    let lock = &one["lock"];
    let counted = [
        ("unreadable", "manifest", "cannot be read"),
        ("left", "backup", "never finished"),
        ("pinned", "backup", "pinned"),
    ];
    let others: Vec<(&String, &Value)> = one
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| !KNOWN_OF_INSTANCE.contains(&name.as_str()) && !value.is_null())
        .collect();
    html! {
        h3 { (tag(&text_of(one, "status"))) " " (text_of(one, "instance")) }
        @for reason in reasons.iter().filter_map(Value::as_str) { p { strong { (words::escape_line(reason)) } } }
        dl.pairs {
            @if one["last_good"].is_object() {
                dt { "last good" }
                dd { (text_of(&one["last_good"], "backup_id")) ", taken " (moment(&text_of(&one["last_good"], "at"))) ", " (bytes_of(&one["last_good"]["stored_bytes"])) " stored" }
            } @else { dt { "last good" } dd { "there is none" } }
            @if one["doubtful"].is_object() {
                dt { "newer, in doubt" }
                dd { (text_of(&one["doubtful"], "backup_id")) ": " (text_of(&one["doubtful"], "why")) }
            }
            @for (name, field) in [("verified", "last_verified"), ("drill", "last_drill")] {
                @let proof = &one[field];
                @if proof.is_object() {
                    dt { (name) }
                    dd { (text_of(proof, "backup_id")) ", " (moment(&text_of(proof, "at"))) ", level " (text_of(proof, "level")) }
                }
            }
            @if one["missed"].is_string() { dt { "missing" } dd { "the backup that was due at " (moment(&text_of(one, "missed"))) } }
            @if !holes.is_empty() { dt { "holes" } dd { (parts::value("holes", &one["holes"])) } }
            @if number("backups") > 0 {
                dt { "backups" }
                dd { (words::counted(number("backups"), "backup")) @if one["only_safety"] == true { ", all of them safety backups that restores have taken" } }
            }
            @for running in list("running") {
                dt { "running" }
                dd { "backup " (text_of(running, "backup_id")) " is being made" (by(running)) }
            }
            @if lock.is_object() {
                dt { "lock" }
                dd { (text_of(lock, "state")) (by(lock)) @if lock["since"].is_string() { ", since " (moment(&text_of(lock, "since"))) } @if lock["command"].is_string() { ", by `" (text_of(lock, "command")) "`" } }
            }
            @for (field, noun, what) in counted { @if number(field) > 0 { dt { (field) } dd { (words::counted(number(field), noun)) " " (what) } } }
        }
        (parts::pairs(others, &[]))
    }
}

/// On which host, and with which process id.
fn by(one: &Value) -> String {
    let host = one["host"].as_str().map(|host| format!(" on {}", words::escape_line(host))).unwrap_or_default();
    let pid = one["pid"].as_u64().map(|pid| format!(", pid {pid}")).unwrap_or_default();
    format!("{host}{pid}")
}
