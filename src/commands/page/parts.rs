//! What pages are made of: values as people read them, lists of pairs, tables. Foreign text is escaped as on a terminal, and by maud.

use std::time::Duration;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::printer::words::{self, escape_line};

/// Entries of a list inside a value that are shown.
const LISTED: usize = 20;

/// A status or a severity in the words of a page, with the name of its style.
pub fn status_word(status: &str) -> (&'static str, &'static str) {
    match status {
        "ok" | "published" => ("ok", "ok"),
        "warning" => ("warning", "warning"),
        "critical" => ("critical", "critical"),
        "failed" => ("failed", "failed"),
        "info" => ("info", "info"),
        _ => ("unknown", "unknown"),
    }
}

/// A coloured word; the word says the same without the colour.
pub fn tag(status: &str) -> Markup {
    let (word, class) = status_word(status);
    html! { span class=(format!("tag {class}")) { (word) } }
}

/// A field of an object as text; empty where it is none.
pub fn text_of(object: &Value, name: &str) -> String {
    object.get(name).and_then(Value::as_str).map(escape_line).unwrap_or_default()
}

/// The exact name of the key that an object is about, escaped.
pub fn key_of(object: &Value) -> String {
    object.as_object().and_then(words::key_of).map(|key| words::escape(&key)).unwrap_or_default()
}

/// A count; empty where there is none.
pub fn count_of(value: &Value) -> String {
    value.as_u64().map(words::count).unwrap_or_default()
}

/// A size; empty where there is none.
pub fn bytes_of(value: &Value) -> String {
    value.as_u64().map(words::bytes).unwrap_or_default()
}

/// A span of seconds; empty where there is none.
pub fn seconds_of(value: &Value) -> String {
    value.as_f64().map(span).unwrap_or_default()
}

/// How old something is, in its largest unit; `never` where there is no age.
pub fn age_of(value: &Value) -> String {
    value
        .as_u64()
        .map_or_else(|| "never".to_owned(), |seconds| format!("{} ago", words::age(Duration::from_secs(seconds))))
}

/// Seconds as a span. What is no span of time (a server may say anything) stays a number.
pub fn span(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if seconds > 0.0 && seconds < 0.095 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        Ok(time) => words::span(time),
        Err(_) => seconds.to_string(),
    }
}

/// A moment to the second: `2024-01-01 01:00:00 UTC`; text that is none stays as it is.
pub fn moment(text: &str) -> String {
    match text.parse::<DateTime<Utc>>() {
        Ok(time) => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => escape_line(text),
    }
}

/// A name of a field in words, without a unit that its value has.
pub fn label(name: &str) -> String {
    let stem = ["_us", "_usec", "_seconds"].into_iter().find_map(|unit| name.strip_suffix(unit));
    escape_line(&stem.unwrap_or(name).replace('_', " "))
}

/// A label that begins a heading, with a large first letter.
pub fn heading(name: &str) -> String {
    let name = label(name);
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// What a number means, by the name of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Seconds,
    Microseconds,
    Share,
    PerSecond,
    /// A number that is no amount: a port, a version, a place.
    Name,
    Count,
}

fn unit_of(name: &str) -> Unit {
    const BYTES: &[&str] = &[
        "maxmemory",
        "total_system_memory",
        "mem_clients_normal",
        "aof_current_size",
        "rdb_last_cow_size",
        "repl_backlog_size",
        "bytes_behind",
    ];
    const NAMES: &[&str] = &["port", "pid", "index", "database", "shard", "understood_up_to", "year"];
    match name {
        // A slot of a hash slot table, a size of a list: Redis counts these in elements.
        name if name.ends_with("bytes_per_second") => Unit::PerSecond,
        name if name.ends_with("bytes") || name.ends_with("_memory") => Unit::Bytes,
        name if BYTES.contains(&name) || name.starts_with("used_memory") || name.starts_with("bytes_") => Unit::Bytes,
        name if name.ends_with("_per_second") => Unit::PerSecond,
        name if name.ends_with("seconds") || name.starts_with("seconds_") || name.ends_with("seconds_ago") => {
            Unit::Seconds
        }
        name if name.ends_with("_us") || name.ends_with("_usec") => Unit::Microseconds,
        name if name.ends_with("_share") || name == "hit_ratio" || name == "ratio" => Unit::Share,
        name if NAMES.contains(&name) || ["version", "offset", "_ms"].iter().any(|end| name.ends_with(end)) => {
            Unit::Name
        }
        _ => Unit::Count,
    }
}

fn number(name: &str, number: &serde_json::Number) -> String {
    let whole = number.as_u64();
    let real = number.as_f64().unwrap_or(0.0);
    match (unit_of(name), whole) {
        (Unit::Bytes, Some(bytes)) => words::bytes(bytes),
        (Unit::Bytes, None) if real < 0.0 && number.is_i64() => {
            format!("-{}", words::bytes(number.as_i64().unwrap_or(0).unsigned_abs()))
        }
        (Unit::Seconds, _) if real >= 0.0 => span(real),
        (Unit::Microseconds, Some(_)) => format!("{:.2} ms", real / 1000.0),
        (Unit::Share, _) => format!("{:.1} %", real * 100.0),
        (Unit::PerSecond, _) => format!("{real:.1} /s"),
        (Unit::Count, Some(whole)) => words::count(whole),
        (Unit::Count, None) if number.is_f64() => format!("{}", (real * 1000.0).round() / 1000.0),
        _ => number.to_string(),
    }
}

/// A value in one line, by the name of its field. What is long is cut: the JSON answer has all of it.
pub fn value(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        Value::Number(figure) => number(name, figure),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) if is_moment(text) => moment(text),
        Value::String(text) => escape_line(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let shown = items.iter().take(LISTED).map(|item| self::value(name, item));
            let more = items.len().saturating_sub(LISTED);
            shown
                .chain((more > 0).then(|| format!("{} more", words::count(more as u64))))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::Object(fields) if fields.contains_key("key") => {
            let others = fields.iter().filter(|(name, _)| *name != "key" && *name != "key_b64");
            let others: Vec<String> = others.map(|(name, value)| pair(name, value)).collect();
            let key = words::key_of(fields).map(|key| words::escape(&key)).unwrap_or_default();
            if others.is_empty() { key } else { format!("{key} ({})", others.join(", ")) }
        }
        Value::Object(fields) => {
            fields.iter().take(LISTED).map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join(", ")
        }
    }
}

fn pair(name: &str, value: &Value) -> String {
    format!("{} {}", label(name), self::value(name, value))
}

fn is_moment(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.parse::<DateTime<Utc>>().is_ok()
}

/// Names and values of an object, without those that stand elsewhere.
pub fn pairs<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Value)>, without: &[&str]) -> Markup {
    let fields: Vec<(String, String)> = fields
        .into_iter()
        .filter(|(name, value)| !without.contains(&name.as_str()) && !value.is_null())
        .map(|(name, field)| (label(name), value(name, field)))
        .collect();
    html! {
        @if !fields.is_empty() {
            dl.facts { @for (name, value) in &fields { div { dt { (name) } dd { (value) } } } }
        }
    }
}

/// The fields of an answer that no section of its page shows: those that were added later.
pub fn others(answer: &Map<String, Value>, shown: &[&str]) -> Markup {
    let rest: Vec<(&String, &Value)> =
        answer.iter().filter(|(name, value)| !shown.contains(&name.as_str()) && !value.is_null()).collect();
    html! { @if !rest.is_empty() { h2 { "More" } (pairs(rest, &[])) } }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub enum Head {
    Words(&'static str),
    /// Words that are never broken into lines.
    Short(&'static str),
    Number(&'static str),
    /// A drawing beside a number; its heading is read by nobody but a screen reader.
    Drawn(&'static str),
}

impl Head {
    fn name(self) -> &'static str {
        match self {
            Self::Words(name) | Self::Short(name) | Self::Number(name) | Self::Drawn(name) => name,
        }
    }

    fn class(self) -> Option<&'static str> {
        match self {
            Self::Words(_) => None,
            Self::Short(_) => Some("short"),
            Self::Number(_) => Some("number"),
            Self::Drawn(_) => Some("drawn"),
        }
    }
}

/// A table with a caption; the first cell of a row names it. A wide table is moved sideways on a narrow screen, and takes the focus for it.
pub fn table(caption: &str, heads: &[Head], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" class=[head.class()] { (head.name()) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, (head, cell)) in heads.iter().zip(row).enumerate() {
                                @if at == 0 { th scope="row" class=[head.class()] { (cell) } } @else { td class=[head.class()] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell that holds words.
pub fn cell(text: impl Into<String>) -> Markup {
    let text = text.into();
    html! { (text) }
}

/// A table of objects that are alike, with a column for each field: for lists that no page knows by name.
pub fn table_of(caption: &str, objects: &[Value]) -> Markup {
    let mut names: Vec<&String> = Vec::new();
    for fields in objects.iter().filter_map(Value::as_object) {
        names.extend(fields.keys().filter(|name| *name != "key_b64" && !names.contains(name)).collect::<Vec<_>>());
    }
    html! {
        div.scroll tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for name in &names { th scope="col" { (label(name)) } } } }
                tbody {
                    @for object in objects {
                        tr {
                            @for name in &names {
                                @let field = object.get(name.as_str()).unwrap_or(&Value::Null);
                                @let is_number = field.is_number();
                                td class=[is_number.then_some("number")] {
                                    @if name.as_str() == "key" { (key_of(object)) } @else if !field.is_null() { (value(name, field)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_written_with_the_unit_that_its_name_says() {
        for (name, given, shown) in [
            ("used_memory", json!(1_048_576), "1.0 MiB"),
            ("maxmemory", json!(2048), "2.0 KiB"),
            ("mem_fragmentation_bytes", json!(-2048), "-2.0 KiB"),
            ("mem_fragmentation_ratio", json!(1.23456), "1.235"),
            ("rto_seconds", json!(12.34), "12.3 s"),
            ("age_seconds", json!(7200), "2 h"),
            ("latest_fork_usec", json!(1500), "1.50 ms"),
            ("clients_share", json!(0.125), "12.5 %"),
            ("commands_per_second", json!(10.04), "10.0 /s"),
            ("replicated_bytes_per_second", json!(3), "3.0 /s"),
            ("pid", json!(123_456), "123456"),
            ("repl_offset", json!(123_456), "123456"),
            ("keys", json!(123_456), "123,456"),
            ("stale", json!(false), "no"),
            ("at", json!("2024-01-01T01:00:00.000Z"), "2024-01-01 01:00:00 UTC"),
            ("modules", json!(["a", "b"]), "a, b"),
            ("modules", json!([]), "none"),
            ("first", json!([{"key": "a", "database": 3}]), "a (database 3)"),
            ("types", json!({"string": 3, "hash": 4}), "string 3, hash 4"),
        ] {
            assert_eq!(value(name, &given), shown, "{name}");
        }
    }

    #[test]
    fn what_could_drive_a_reader_is_written_as_an_escape() {
        let shown = value("client", &json!("a\u{202e}b\n\u{1b}[31m\u{0}c\\d"));
        assert_eq!(shown, "a\\u{202e}b\\n\\x1b[31m\\x00c\\d");
        let key = json!({"key": "a\u{fffd}", "key_b64": "Yf8="});
        assert_eq!(key_of(&key), "a\\xff");
        assert_eq!(value("first", &key), "a\\xff");
    }

    #[test]
    fn fields_that_nobody_knew_are_shown_with_their_names() {
        let answer = json!({"status": "ok", "new_thing": {"kept_bytes": 1024}, "gone": null});
        let page = others(answer.as_object().expect("an object"), &["status"]).into_string();
        assert_eq!(
            page,
            "<h2>More</h2><dl class=\"facts\"><div><dt>new thing</dt><dd>kept bytes 1.0 KiB</dd></div></dl>"
        );
    }
}
