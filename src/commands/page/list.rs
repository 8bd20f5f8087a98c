//! The page of `list`: the sizes of the backups of each instance over time, with the ones missing, and all backups in a table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

use super::chart::{self, Column};
use super::days::{self, Slot, Taken};
use super::parts::{self, Head, age_of, bytes_of, cell, count_of, moment, table, text_of};
use super::{Answer, Body};
use crate::printer::words;

/// Backups in the table, the newest.
const SHOWN: usize = 500;
/// Instances with a chart.
const CHARTS: usize = 50;

/// What stands in the page by name.
const KNOWN: &[&str] = &[
    "schema_version",
    "command",
    "status",
    "tool_version",
    "started_at",
    "duration_seconds",
    "error",
    "unfinished_uploads",
    "unfinished_bytes",
    "unreadable_folders",
    "left_out",
    "backups",
];

pub fn body(answer: &Value, of: &Answer<'_>) -> Body {
    let now: DateTime<Utc> = answer["started_at"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
    // One at a time: there may be tens of thousands. A chart keeps of each its time and its size.
    let mut taken: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    let mut rows = Vec::new();
    for object in of.list {
        let Ok(one) = serde_json::from_str::<Value>(object) else { continue };
        if let Some((instance, one)) = taken_of(&one) {
            taken.entry(instance).or_default().push(one);
        }
        if rows.len() < SHOWN {
            rows.push(row(&one));
        }
    }
    let more = of.list.len().saturating_sub(SHOWN) as u64;
    let heads = [
        Head::Words("backup"),
        Head::Short("taken"),
        Head::Short("age"),
        Head::Words("status"),
        Head::Number("keys"),
        Head::Number("size"),
        Head::Number("stored"),
        Head::Short("server"),
        Head::Words("verified"),
    ];
    let sections = html! {
        @if taken.values().any(|taken| taken.len() > 1) {
            h2 { "Sizes over time" }
            @for (instance, taken) in taken.iter().filter(|(_, taken)| taken.len() > 1).take(CHARTS) { (sizes(instance, taken, now)) }
            @if taken.len() > CHARTS { p.note { (taken.len() - CHARTS) " more instances have no chart here." } }
            p.note {
                "Safety backups are left out. Where the backups are of four days (UTC) or more, a column is the last backup of a day, and at most "
                (days::DAYS) " days are drawn. A day counts as missing if it has no backup and the days around it have one each: the usual (median) "
                "distance of the five days with backups before it, and of the five after it, is one day."
            }
        }
        @if answer.get("error").is_none() || !rows.is_empty() {
            h2 { "Backups" }
            @if rows.is_empty() { p { "No backup." } } @else { (table("Backups, newest first", &heads, &rows)) }
            @if more > 0 { p.note { (words::count(more)) " more, older backups are not shown; `--output json` lists them all." } }
        }
        (left(answer))
        @if let Some(fields) = answer.as_object() { (parts::others(fields, KNOWN)) }
    };
    Body { subject: String::new(), about: Vec::new(), sections }
}

/// A backup for the charts: published, and no safety backup, which is taken when somebody restores.
fn taken_of(one: &Value) -> Option<(String, Taken)> {
    let at = one["created_at"].as_str()?.parse().ok()?;
    let is_of_its_time =
        one["status"] == "published" && one["purpose"] != "safety" && one["purpose"] != "point_in_time";
    let taken = Taken { id: text_of(one, "id"), at, raw_bytes: one["raw_bytes"].as_u64()? };
    is_of_its_time.then(|| (text_of(one, "instance"), taken))
}

fn row(one: &Value) -> Vec<Markup> {
    let mut status = vec![text_of(one, "status").replace('_', " ")];
    let purpose = text_of(one, "purpose");
    if purpose == "safety" || purpose == "point_in_time" {
        status.push(purpose.replace('_', " "));
    }
    let marks = [
        (one["structure"] == "findings", "findings in the structure"),
        (one["stale"] == true, "stale"),
        (one["slots"].is_string(), "one shard"),
        (one["of_the_future"] == true, "dated in the future"),
        (one["pins"].as_array().is_some_and(|pins| !pins.is_empty()), "pinned"),
    ];
    status.extend(marks.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| (*word).to_owned()));
    let reason = text_of(one, "reason");
    vec![
        cell(format!("{}/{}", text_of(one, "instance"), text_of(one, "id"))),
        cell(one["created_at"].as_str().or(one["begun_at"].as_str()).map(minute).unwrap_or_default()),
        cell(if one["age_seconds"].is_u64() { age_of(&one["age_seconds"]) } else { String::new() }),
        html! { (status.join(", ")) @if !reason.is_empty() { br; span.dim { (reason) } } },
        cell(count_of(&one["keys"])),
        cell(bytes_of(&one["raw_bytes"])),
        cell(bytes_of(&one["stored_bytes"])),
        cell(text_of(one, "server_version")),
        verified(one),
    ]
}

/// A moment to the minute, as the table of a terminal has it.
fn minute(text: &str) -> String {
    moment(text).chars().take("2024-01-01 01:00".len()).collect()
}

fn verified(one: &Value) -> Markup {
    let (status, at) = (text_of(one, "verified_status"), one["verified_at"].as_str().map(minute).unwrap_or_default());
    if status.is_empty() {
        return cell(if one["status"] == "published" { "never" } else { "" });
    }
    let found = parts::value("found", &one["verified_found"]);
    html! {
        @match status.as_str() {
            "ok" | "warning" => { (at) " " (text_of(one, "verified_level")) @if status == "warning" { ", with warnings" } },
            "failed" => (parts::tag("failed")),
            _ => { "could not tell" },
        }
        @if status != "ok" && found != "none" { br; span.dim { (found) } }
    }
}

/// The sizes of one instance over time, with their numbers.
fn sizes(instance: &str, taken: &[Taken], now: DateTime<Utc>) -> Markup {
    let slots = days::slots(taken, now);
    let columns: Vec<Column> = slots
        .iter()
        .map(|slot| Column {
            label: slot.label.clone(),
            size: slot.taken.as_ref().map(|taken| taken.raw_bytes),
            jumps: slot.jumps(),
            title: format!("{}: {}", slot.label, size_of(slot)),
        })
        .collect();
    let missing: Vec<&Slot> = slots.iter().filter(|slot| slot.taken.is_none()).collect();
    let rows: Vec<Vec<Markup>> = slots
        .iter()
        .rev()
        .map(|slot| {
            let id = slot.taken.as_ref().map(|taken| taken.id.clone()).unwrap_or_default();
            let change = slot.change.map(|change| format!("{:+.1} %", change * 100.0)).unwrap_or_default();
            let mark = match slot.taken {
                None => "missing",
                Some(_) if slot.jumps() => "jump",
                Some(_) => "",
            };
            vec![cell(slot.label.clone()), cell(id), cell(size_of(slot)), cell(change), cell(mark)]
        })
        .collect();
    let heads =
        [Head::Short("day"), Head::Short("backup"), Head::Number("size"), Head::Number("change"), Head::Words("mark")];
    let period = slots.first().zip(slots.last()).map(|(first, last)| format!("{} to {}", first.label, last.label));
    html! {
        h3 { (instance) }
        (chart::columns(&format!("Sizes of the backups of {instance}, {}", period.unwrap_or_default()), &columns))
        @if !missing.is_empty() { p { strong { (words::counted(missing.len() as u64, "day")) " without a backup: " } (days_of(&missing)) "." } }
        details {
            summary { "Numbers of " (instance) }
            (table(&format!("Sizes of the backups of {instance}"), &heads, &rows))
        }
    }
}

fn size_of(slot: &Slot) -> String {
    slot.taken.as_ref().map_or_else(|| "no backup".to_owned(), |taken| words::bytes(taken.raw_bytes))
}

/// Days in one line; of many, the first and the last.
fn days_of(missing: &[&Slot]) -> String {
    let label = |slot: &&Slot| slot.label.clone();
    match missing {
        [first, .., last] if missing.len() > 12 => format!("from {} to {}", first.label, last.label),
        _ => missing.iter().map(label).collect::<Vec<_>>().join(", "),
    }
}

/// What lies there beside the backups.
fn left(answer: &Value) -> Markup {
    let uploads = answer["unfinished_uploads"].as_u64().unwrap_or(0);
    let folders = answer["unreadable_folders"].as_array().map(Vec::as_slice).unwrap_or_default();
    let left_out = answer["left_out"].as_u64().unwrap_or(0);
    html! {
        @if uploads > 0 {
            p {
                (words::counted(uploads, "unfinished upload"))
                @if answer["unfinished_bytes"].is_u64() { " with " (bytes_of(&answer["unfinished_bytes"])) }
                "."
            }
        }
        @if !folders.is_empty() { p { "Unreadable folders: " (parts::value("folders", &answer["unreadable_folders"])) "." } }
        @if left_out > 0 { p.note { (words::count(left_out)) " more are in the repository (`--limit`)." } }
    }
}
