//! Tables of their own: connections, the slow log, prefixes, large keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Sort;
use super::view::View;
use crate::commands::table::Table;
use crate::diagnose::Report;
use crate::introspection::Part;
use crate::introspection::keyspace::{Basis, BigKey, KeyspaceProfile, Prefix};
use crate::printer::Style;
use crate::printer::words::{bytes, count, escape, escape_line, span};
use crate::replies::{Client, ClientKind, SlowEntry};
use crate::rules::Topic;

/// Connections of one owner.
struct Group {
    name: String,
    from: String,
    kind: ClientKind,
    clients: u64,
    blocked: u64,
    idle: u64,
    output: u64,
    memory: u64,
    command: String,
}

/// The lists of a topic.
pub fn of_topic(report: &Report, topic: Topic, view: &View<'_>) -> Vec<String> {
    match topic {
        Topic::Connections => [clients(report, view), slow_log(report, view)].into_iter().flatten().collect(),
        Topic::Keyspace => match &report.snapshot.keyspace {
            Part::Got(profile) => [prefixes(profile, view), largest(profile, view), sizes_lack(profile, view)]
                .into_iter()
                .flatten()
                .collect(),
            Part::Denied(why) => vec![view.printer.folded(&format!("keys: not looked at: {}", escape(why.as_bytes())))],
            Part::Unsupported(_) | Part::TooLarge(_) | Part::NotAsked => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Why no size is known.
fn sizes_lack(profile: &KeyspaceProfile, view: &View<'_>) -> Option<String> {
    let rule = profile.sizes_lack.as_ref()?;
    Some(view.printer.folded(&format!("sizes of keys: unknown: the ACL rule `{rule}` is missing")))
}

fn groups(clients: &[Client], sort: Option<Sort>) -> Vec<Group> {
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    for client in clients {
        let name = [&client.name, &client.lib_name].into_iter().find(|text| !text.is_empty());
        let (name, from) = (name.cloned().unwrap_or_default(), format!("{}@{}", client.user, client.ip()));
        let key = (name.clone(), from.clone(), format!("{:?}", client.kind()));
        let group = groups.entry(key).or_insert_with(|| Group {
            name,
            from,
            kind: client.kind(),
            clients: 0,
            blocked: 0,
            idle: 0,
            output: 0,
            memory: 0,
            command: client.cmd.clone(),
        });
        group.clients += 1;
        group.blocked += u64::from(client.is_blocked());
        group.idle = group.idle.max(client.idle);
        group.output = group.output.saturating_add(client.omem);
        group.memory = group.memory.saturating_add(client.tot_mem.max(client.omem));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    let key = |group: &Group| match sort {
        Some(Sort::Memory) => group.memory,
        Some(Sort::Idle) => group.idle,
        Some(Sort::Output) => group.output,
        _ => group.clients,
    };
    groups.sort_by_key(|group| std::cmp::Reverse((key(group), group.memory)));
    groups
}

/// Connections from one address.
pub struct ByAddress {
    pub address: String,
    pub clients: u64,
    pub blocked: u64,
    pub memory: u64,
}

/// The connections by address: where most come from first.
pub fn by_address(clients: &[Client]) -> Vec<ByAddress> {
    let mut found: BTreeMap<&str, ByAddress> = BTreeMap::new();
    for client in clients {
        let new = || ByAddress { address: client.ip().to_owned(), clients: 0, blocked: 0, memory: 0 };
        let from = found.entry(client.ip()).or_insert_with(new);
        from.clients += 1;
        from.blocked += u64::from(client.is_blocked());
        from.memory = from.memory.saturating_add(client.tot_mem.max(client.omem));
    }
    let mut found: Vec<ByAddress> = found.into_values().collect();
    found.sort_by_key(|from| std::cmp::Reverse((from.clients, from.memory)));
    found
}

/// The connections, by who opened them.
pub fn clients(report: &Report, view: &View<'_>) -> Option<String> {
    let groups = groups(report.snapshot.answers.clients.got()?, view.sort);
    if groups.is_empty() {
        return None;
    }
    let mut table = Table::new(&["clients", "from", "kind", "n", "blocked", "max idle", "output", "memory", "last"])
        .numbers(&[3, 4, 5, 6, 7])
        .cut(&[0, 1, 8])
        .optional(&[6, 4, 8, 2]);
    for group in groups.iter().take(view.top) {
        table.row([
            if group.name.is_empty() { "(no name)".to_owned() } else { escape(group.name.as_bytes()) },
            escape(group.from.as_bytes()),
            format!("{:?}", group.kind).to_lowercase(),
            count(group.clients),
            count(group.blocked),
            span(std::time::Duration::from_secs(group.idle)),
            bytes(group.output),
            bytes(group.memory),
            // A connection that has sent nothing yet.
            if group.command == "NULL" { "-".to_owned() } else { escape(group.command.as_bytes()) },
        ]);
    }
    Some(with_more(table.render(view.printer), groups.len(), view))
}

/// A pattern of the slow log.
pub struct Pattern {
    pub text: String,
    pub entries: u64,
    usec: u64,
    pub longest: u64,
    owner: String,
}

/// The slow log by pattern: those that took the longest first, or those that came most often.
pub fn patterns(entries: &[SlowEntry], sort: Option<Sort>) -> Vec<Pattern> {
    let mut patterns: BTreeMap<String, Pattern> = BTreeMap::new();
    for entry in entries {
        let text = entry.pattern();
        let pattern = patterns.entry(text.clone()).or_insert_with(|| Pattern {
            text,
            entries: 0,
            usec: 0,
            longest: 0,
            owner: if entry.name.is_empty() { entry.addr.clone() } else { entry.name.clone() },
        });
        pattern.entries += 1;
        pattern.usec = pattern.usec.saturating_add(entry.usec);
        pattern.longest = pattern.longest.max(entry.usec);
    }
    let mut patterns: Vec<Pattern> = patterns.into_values().collect();
    let by_count = sort == Some(Sort::Count);
    patterns.sort_by_key(|pattern| std::cmp::Reverse(if by_count { pattern.entries } else { pattern.usec }));
    patterns
}

/// The slow log, by pattern.
pub fn slow_log(report: &Report, view: &View<'_>) -> Option<String> {
    let patterns = patterns(report.snapshot.answers.slowlog.got()?, view.sort);
    if patterns.is_empty() {
        return None;
    }
    let mut table = Table::new(&["slow commands", "n", "total ms", "max ms", "from"]).numbers(&[1, 2, 3]).cut(&[0, 4]);
    for pattern in patterns.iter().take(view.top) {
        table.row([
            escape(pattern.text.as_bytes()),
            count(pattern.entries),
            milliseconds(pattern.usec),
            milliseconds(pattern.longest),
            escape(pattern.owner.as_bytes()),
        ]);
    }
    Some(with_more(table.render(view.printer), patterns.len(), view))
}

/// Microseconds shown as milliseconds: `1,602.5`.
pub fn milliseconds(usec: u64) -> String {
    let tenths = (usec + 50) / 100;
    format!("{}.{}", count(tenths / 10), tenths % 10)
}

/// Prefixes in the order of the list: by memory, as the profile has them, or by number of keys.
fn sorted(profile: &KeyspaceProfile, sort: Option<Sort>) -> Vec<&Prefix> {
    let mut prefixes: Vec<_> = profile.prefixes.iter().collect();
    if sort == Some(Sort::Keys) {
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.keys));
    }
    prefixes
}

/// The keys by prefix.
pub fn prefixes(profile: &KeyspaceProfile, view: &View<'_>) -> Option<String> {
    let prefixes = sorted(profile, view.sort);
    if prefixes.is_empty() {
        return None;
    }
    let mut table =
        Table::new(&["prefix", "keys", "share", sizes(profile), "no ttl", "types"]).numbers(&[1, 2, 3, 4]).cut(&[0, 5]);
    for prefix in prefixes.iter().take(view.top) {
        let (share, low, high) = profile.share(prefix.keys);
        let types: Vec<&str> = prefix.types.keys().map(String::as_str).collect();
        let memory = profile.bytes.map_or_else(
            || "unknown".to_owned(),
            |total| {
                let share = prefix.bytes as f64 / total.max(1) as f64 * 100.0;
                format!("{} {share:.0}%{}", bytes(prefix.bytes), sure(profile, prefix.bytes_margin, 0.0))
            },
        );
        table.row([
            escape_line(&prefix.name),
            count(prefix.keys),
            format!("{:.1}%{}", share * 100.0, sure(profile, share - low, high - share)),
            memory,
            format!("{:.0}%", prefix.without_ttl as f64 / prefix.keys.max(1) as f64 * 100.0),
            escape_line(&types.join(" ")),
        ]);
    }
    Some(with_more(table.render(view.printer), prefixes.len(), view))
}

/// What the sizes of a profile are: from an RDB they are estimated.
fn sizes(profile: &KeyspaceProfile) -> &'static str {
    if profile.sizes_are_of_rdb { "memory (estimated)" } else { "memory" }
}

/// By how many points a share may be off: only of a sample is there anything to say. The larger side counts.
fn sure(profile: &KeyspaceProfile, below: f64, above: f64) -> String {
    match profile.basis {
        Basis::Everything => String::new(),
        Basis::Sample => format!(" ±{:.1}", below.max(above) * 100.0),
    }
}

/// The largest keys.
pub fn largest(profile: &KeyspaceProfile, view: &View<'_>) -> Option<String> {
    if profile.largest.is_empty() {
        return None;
    }
    let shown: Vec<&BigKey> = profile.largest.iter().take(view.top).collect();
    // Ten rows that say the same are one.
    if let [first, .., last] = &shown[..]
        && shown.len() > 2
        && first.bytes.or(first.length).is_some()
        && shown.iter().all(|big| (&big.kind, big.bytes, big.length) == (&first.kind, first.bytes, first.length))
    {
        let size = first.bytes.map_or_else(|| "of one size".to_owned(), bytes);
        let names = format!("{} to {}", escape_line(&first.key), escape_line(&last.key));
        let all = format!(
            "largest keys: {} of type {}, {size} each ({names})",
            count(shown.len() as u64),
            escape_line(&first.kind)
        );
        return Some(view.printer.folded(&all));
    }
    let mut table =
        Table::new(&["largest keys", "type", sizes(profile), "length", "ttl"]).numbers(&[2, 3, 4]).cut(&[0]);
    for big in shown {
        table.row([
            escape_line(&big.key),
            escape_line(&big.kind),
            big.bytes.map_or_else(|| "-".to_owned(), bytes),
            big.length.map_or_else(|| "-".to_owned(), count),
            big.ttl_ms.map_or_else(|| "none".to_owned(), |ttl| span(std::time::Duration::from_millis(ttl))),
        ]);
    }
    Some(with_more(table.render(view.printer), profile.largest.len(), view))
}

fn with_more(text: String, total: usize, view: &View<'_>) -> String {
    match total.saturating_sub(view.top) {
        0 => text,
        more => format!("{text}\n{}", view.printer.paint(Style::Dim, &format!("… {more} more (`--top`)"))),
    }
}

/// The lists of a topic for JSON, by name.
pub fn json_of(report: &Report, topic: Topic, top: usize, sort: Option<Sort>) -> Vec<(&'static str, Value)> {
    match topic {
        Topic::Connections => {
            let clients = report.snapshot.answers.clients.got().map(|clients| {
                let list = groups(clients, sort).into_iter().take(top).map(|group| {
                    let name = if group.name.is_empty() { "(no name)" } else { &group.name };
                    json!({"owner": format!("{name} {}", group.from), "kind": group.kind, "clients": group.clients, "blocked": group.blocked,
                           "max_idle_seconds": group.idle, "output_bytes": group.output, "memory_bytes": group.memory,
                           "last_command": group.command})
                });
                ("clients", Value::Array(list.collect()))
            });
            let slow = report.snapshot.answers.slowlog.got().map(|entries| {
                let list = patterns(entries, sort).into_iter().take(top).map(|pattern| {
                    json!({"pattern": pattern.text, "entries": pattern.entries, "total_usec": pattern.usec,
                           "longest_usec": pattern.longest, "from": pattern.owner})
                });
                ("slow_commands", Value::Array(list.collect()))
            });
            clients.into_iter().chain(slow).collect()
        }
        Topic::Keyspace => report.snapshot.keyspace.got().map_or_else(Vec::new, |profile| {
            let prefixes = sorted(profile, sort).into_iter().take(top).map(|prefix| {
                let mut prefix = json!(prefix);
                // What nobody could ask for is not zero.
                if profile.bytes.is_none() && profile.seen > 0 {
                    prefix["bytes"] = Value::Null;
                }
                prefix
            });
            let prefixes: Vec<_> = prefixes.collect();
            let largest: Vec<_> = profile.largest.iter().take(top).collect();
            vec![("prefixes", json!(prefixes)), ("largest", json!(largest)), ("streams", json!(profile.streams))]
        }),
        _ => Vec::new(),
    }
}
