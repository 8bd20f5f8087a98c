//! Says what a reply is by its shape: the command that it answers is often not in the text.

use crate::replies::{DeniedAccess, LatencyEvent, Reply, SlowEntry};

use super::known;
use super::markup;
use super::raw;

/// A reply, recognised.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Pairs of INFO, also of its sections.
    Info(Vec<(String, String)>),
    /// Pairs of INFO of several servers, by their addresses.
    Nodes(Vec<(String, Vec<(String, String)>)>),
    /// Lines of CLIENT LIST.
    Clients(Vec<String>),
    Slowlog(Vec<SlowEntry>),
    Latency(Vec<LatencyEvent>),
    Denied(Vec<DeniedAccess>),
    Settings(Vec<(String, String)>),
    MemoryStats(Vec<(String, String)>),
    /// Texts that have lines of their own.
    Texts(Vec<String>),
}

/// What this reply answers; `None` where its shape is none of the known ones.
pub(super) fn recognised(reply: &Reply) -> Option<Answer> {
    of_pairs(reply)
        .or_else(|| slowlog(reply))
        .or_else(|| latency(reply))
        .or_else(|| keyed(reply))
        .or_else(|| of_several(reply))
        .or_else(|| inner(reply, 0))
        .or_else(|| texts(reply))
}

/// INFO within what a program put around it: `{"redis": {"info": {"used_memory": 1}}}`, or that of each node of a cluster.
fn inner(reply: &Reply, depth: usize) -> Option<Answer> {
    /// Values around it, at most.
    const AROUND: usize = 4;
    let Reply::Map(pairs) = reply else { return None };
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (name, value) in pairs.iter().filter(|(_, value)| depth < AROUND && matches!(value, Reply::Map(_))) {
        let answer = of_pairs(value).filter(|answer| matches!(answer, Answer::Info(_)));
        match answer.or_else(|| inner(value, depth + 1)) {
            Some(Answer::Info(fields)) => found.push((name.text()?, fields)),
            Some(Answer::Nodes(nodes)) => found.extend(nodes),
            _ => {}
        }
    }
    let is_address = |name: &str| name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match found.iter().all(|(name, _)| is_address(name)) {
        _ if found.is_empty() => None,
        true => Some(Answer::Nodes(found)),
        false => Some(Answer::Info(found.into_iter().flat_map(|(_, fields)| fields).collect())),
    }
}

/// Names and values: in a map, or in turn.
fn of_pairs(reply: &Reply) -> Option<Answer> {
    let pairs = reply.pairs();
    // CONFIG and INFO share the name `maxmemory`: most of them decide.
    let count = |is: fn(&str) -> bool| pairs.iter().filter(|(name, _)| is(name)).count();
    let (info, settings, stats) =
        (count(known::is_info), count(known::is_setting), count(|name| known::of_memory_stats(name).is_some()));
    let half = pairs.len().div_ceil(2);
    let texts = || pairs.iter().filter_map(|(name, value)| Some((name.clone(), written(value)?))).collect();
    match () {
        () if pairs.is_empty() => None,
        () if stats > 2 => Some(Answer::MemoryStats(texts())),
        () if info > settings && info >= half => Some(Answer::Info(texts())),
        () if settings > 0 && settings >= half.min(2) => Some(Answer::Settings(texts())),
        () => sections(reply),
    }
}

/// INFO as a map of its sections.
fn sections(reply: &Reply) -> Option<Answer> {
    let Reply::Map(pairs) = reply else { return None };
    let mut fields = Vec::new();
    for (name, inner) in pairs {
        if known::section(&name.text()?).is_some() {
            fields.extend(inner.pairs().into_iter().filter_map(|(name, value)| Some((name, written(value)?))));
        }
    }
    (!fields.is_empty()).then_some(Answer::Info(fields))
}

/// Pairs that are written one by one: `{"Key": "used_memory", "Value": "1"}`, `["used_memory", "1"]`, and lists of such.
fn keyed(reply: &Reply) -> Option<Answer> {
    const NAMES: &[&str] = &["Key", "key", "Name", "name", "field", "metric"];
    const VALUES: &[&str] = &["Value", "value"];
    fn gather(reply: &Reply, depth: usize, fields: &mut Vec<(String, String)>) {
        let first = |names: &[&str]| names.iter().find_map(|name| reply.field(name));
        let pair = match reply {
            Reply::Map(_) => first(NAMES).zip(first(VALUES)),
            Reply::Array(items) if items.len() == 2 => Some((&items[0], &items[1])),
            _ => None,
        };
        let pair =
            pair.and_then(|(name, value)| Some((name.text().filter(|name| known::is_info(name))?, written(value)?)));
        match pair {
            Some(pair) => fields.push(pair),
            None if depth < 3 => reply.items().iter().for_each(|item| gather(item, depth + 1, fields)),
            None => {}
        }
    }
    let mut fields = Vec::new();
    gather(reply, 0, &mut fields);
    (!fields.is_empty()).then_some(Answer::Info(fields))
}

/// A value as INFO writes it: redis-py reads the pairs of `db0` into a dictionary of their own.
fn written(value: &Reply) -> Option<String> {
    match value {
        Reply::Map(pairs) => {
            let pair = |(name, value): &(Reply, Reply)| Some(format!("{}={}", name.text()?, value.text()?));
            Some(pairs.iter().filter_map(pair).collect::<Vec<_>>().join(","))
        }
        Reply::Nil => None,
        other => other.text(),
    }
}

fn slowlog(reply: &Reply) -> Option<Answer> {
    let entry = |entry: &Reply| match entry {
        // redis-py: {'id': …, 'start_time': …, 'duration': …, 'command': b'…'}.
        Reply::Map(_) => {
            let command = entry.field("command")?;
            let words = match command {
                Reply::Array(words) => words.clone(),
                other => other.text()?.split(' ').map(Reply::from).collect(),
            };
            let number = |names: &[&str]| names.iter().find_map(|name| entry.field(name)).cloned();
            let fields =
                [number(&["id"])?, number(&["start_time", "timestamp"])?, number(&["duration"])?, Reply::Array(words)];
            let address =
                entry.field("client_address").or_else(|| entry.field("client")).cloned().unwrap_or(Reply::Nil);
            Some(Reply::Array(fields.into_iter().chain([address]).collect()))
        }
        Reply::Array(fields) => {
            let numbers = fields.len() >= 4 && fields[..3].iter().all(|field| field.integer().is_some());
            (numbers && matches!(fields[3], Reply::Array(_))).then(|| entry.clone())
        }
        _ => None,
    };
    let entries: Vec<Reply> = reply.items().iter().filter_map(entry).collect();
    (!entries.is_empty()).then(|| Answer::Slowlog(SlowEntry::parse_list(&Reply::Array(entries))))
}

/// LATENCY LATEST: names of events, each with its moment and two lengths.
fn latency(reply: &Reply) -> Option<Answer> {
    let events = LatencyEvent::parse_list(reply);
    let known = events.iter().filter(|event| raw::is_event(&event.name)).count();
    (known > 0 && known == events.len()).then_some(Answer::Latency(events))
}

/// Lists of maps: ACL LOG, CLIENT LIST.
fn of_several(reply: &Reply) -> Option<Answer> {
    let denied = DeniedAccess::parse_list(reply);
    if !denied.is_empty() {
        return Some(Answer::Denied(denied));
    }
    let client = |entry: &Reply| {
        let pairs = entry.pairs();
        let is_one = pairs.iter().any(|(name, _)| name == "id") && pairs.iter().any(|(name, _)| name == "addr");
        let line: Vec<String> = pairs
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.text().unwrap_or_default().split(' ').next()?)))
            .collect();
        is_one.then(|| line.join(" "))
    };
    let clients: Vec<String> = reply.items().iter().filter_map(client).collect();
    (!clients.is_empty()).then_some(Answer::Clients(clients))
}

/// Texts with lines of their own: INFO as a quoted string, a line of a log within JSON, messages of an exported chat.
fn texts(reply: &Reply) -> Option<Answer> {
    let mut texts = Vec::new();
    gather_texts(reply, 0, &mut texts);
    // Chats and pages keep what was written with their own marks.
    let texts: Vec<String> = texts.into_iter().map(|text| without_escapes(markup::without_markup(text))).collect();
    (!texts.is_empty()).then_some(Answer::Texts(texts))
}

/// Names under which programs keep what was said.
const SAID: &[&str] = &["log", "line", "message", "msg", "MESSAGE", "text", "content", "info", "result", "stdout"];

fn gather_texts(reply: &Reply, depth: usize, texts: &mut Vec<String>) {
    /// Values around a text, at most.
    const AROUND: usize = 6;
    match reply {
        Reply::Bytes(_) if depth == 0 => texts.extend(reply.text()),
        Reply::Map(pairs) => {
            for (name, value) in pairs {
                let is_said = name.text().is_some_and(|name| SAID.contains(&name.as_str()));
                match value {
                    Reply::Map(_) | Reply::Array(_) if depth < AROUND => gather_texts(value, depth + 1, texts),
                    Reply::Map(_) | Reply::Array(_) => {}
                    // Whatever it is called: a text of several lines is an answer.
                    value => texts.extend(value.text().filter(|text| is_said || text.trim_end().contains('\n'))),
                }
            }
        }
        Reply::Array(items)
            if depth == 0 && items.iter().all(|item| !matches!(item, Reply::Map(_) | Reply::Array(_))) =>
        {
            texts.extend(items.iter().filter_map(Reply::text));
        }
        Reply::Array(items) if depth < AROUND => {
            let inner = items.iter().filter(|item| matches!(item, Reply::Map(_) | Reply::Array(_)));
            inner.for_each(|item| gather_texts(item, depth + 1, texts));
        }
        _ => {}
    }
}

/// Slack escapes three characters, and nothing else.
fn without_escapes(text: String) -> String {
    match text.contains("&gt;") || text.contains("&lt;") || text.contains("&amp;") {
        true => markup::with_entities(&text),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::literal;
    use super::*;

    fn of(text: &str) -> Option<Answer> {
        recognised(&literal::read(text).value?)
    }

    #[test]
    fn replies_are_known_by_their_shape() {
        let info = of("{'redis_version': '7.0.0', 'maxmemory': 0, 'db0': {'keys': 5, 'expires': 2}}");
        let Some(Answer::Info(fields)) = info else { panic!("INFO: {info:?}") };
        assert!(fields.contains(&("db0".into(), "keys=5,expires=2".into())));
        assert!(
            matches!(of("{\"Server\": {\"redis_version\": \"7.0.0\"}, \"Memory\": {\"used_memory\": 1}}"), Some(Answer::Info(fields)) if fields.len() == 2)
        );
        assert!(
            matches!(of("['maxmemory', '0', 'maxmemory-policy', 'noeviction']"), Some(Answer::Settings(pairs)) if pairs.len() == 2)
        );
        assert!(matches!(of("{'maxmemory': '0', 'maxmemory-policy': 'noeviction'}"), Some(Answer::Settings(_))));
        assert!(
            matches!(of("[[14, 1700000000, 52000, ['KEYS', '*'], '10.0.0.1:5', '']]"), Some(Answer::Slowlog(entries)) if entries[0].command == "KEYS")
        );
        assert!(
            matches!(of("[{'id': 14, 'start_time': 1700000000, 'duration': 52000, 'command': b'KEYS *'}]"), Some(Answer::Slowlog(entries)) if entries[0].usec == 52000)
        );
        assert!(
            matches!(of("[{'id': '7', 'addr': '10.0.0.1:5', 'name': ''}]"), Some(Answer::Clients(lines)) if lines == ["id=7 addr=10.0.0.1:5 name="])
        );
        assert!(
            matches!(of("[['count', 3, 'reason', 'auth', 'username', 'app', 'age-seconds', '1.0']]"), Some(Answer::Denied(entries)) if entries[0].count == 3)
        );
        assert!(matches!(
            of("{'peak.allocated': 9, 'total.allocated': 8, 'startup.allocated': 1}"),
            Some(Answer::MemoryStats(_))
        ));
        assert!(
            matches!(of("{\"log\": \"1:M # x\\n\", \"stream\": \"stdout\"}"), Some(Answer::Texts(texts)) if texts == ["1:M # x\n"])
        );
        assert!(
            matches!(of("{\"redis\": {\"info\": {\"memory\": {\"used_memory\": 1}}}}"), Some(Answer::Info(fields)) if fields.len() == 1)
        );
        assert!(
            matches!(of("{\"output\": \"used_memory:1\\nrole:master\"}"), Some(Answer::Texts(texts)) if texts.len() == 1)
        );
        for text in [
            r#"{"Key": "used_memory", "Value": "1"}"#,
            "[used_memory, 1]",
            r#"[[{"Key": "used_memory", "Value": 1}], [{"Key": "nothing", "Value": 1}]]"#,
            "[('used_memory', 1)]",
        ] {
            assert!(
                matches!(of(text), Some(Answer::Info(fields)) if fields == [("used_memory".into(), "1".into())]),
                "{text}"
            );
        }
        for text in [
            r#"[{"type": "message", "user": "U1", "text": "used_memory:1\nrole:master"}]"#,
            r#"{"value": [{"body": {"contentType": "html", "content": "<p>used_memory:1<br>role:master</p>"}}]}"#,
            r#"{"labels": {"app": "redis"}, "line": "used_memory:1\nrole:master", "timestamp": "2026"}"#,
        ] {
            let answer = of(text);
            let Some(Answer::Texts(texts)) = &answer else { panic!("{text}: {answer:?}") };
            assert_eq!(texts.len(), 1, "{texts:?}");
            assert_eq!(texts[0].trim(), "used_memory:1\nrole:master");
        }
        assert_eq!(of("[1, 2]").and_then(|answer| matches!(answer, Answer::Slowlog(_)).then_some(())), None);
    }
}
