//! What is odd in an RDB, as findings: each says which servers refuse the file, die of it, or take it.

use serde_json::{Map, Value, json};

use crate::finding::{Finding, Severity};
use crate::rdb::oddity::Seen;
use crate::rdb::types::ValueType;
use crate::rdb::{Fate, Needs, Oddities, OddityKind, Server, oddity};
use crate::repository::manifest;

/// A finding for each kind and encoding. Only servers that read the file's format are named, of all that we know if none does.
///
/// An oddity that some server dies of or refuses is critical; one that all servers are known to take, or a function that was not
/// compiled, is a note; what nobody has tried is a warning.
pub fn oddities(oddities: &Oddities, needs: &Needs) -> Vec<Finding> {
    let servers = match needs.servers() {
        none if none.is_empty() => Server::known(),
        servers => servers,
    };
    // The worst first.
    let worst = |kind, value_type| servers.iter().map(|server| oddity::fate(kind, value_type, server)).max();
    let mut seen: Vec<_> = oddities.iter().collect();
    seen.sort_by_key(|(kind, value_type, _)| std::cmp::Reverse(worst(*kind, *value_type)));
    let mut findings: Vec<Finding> =
        seen.into_iter().map(|(kind, value_type, seen)| finding(kind, value_type, seen, &servers)).collect();
    if oddities.members_not_compared > 0 {
        let title = "not all members of very large values were compared with each other";
        findings.push(
            Finding::new(Severity::Info, "members_not_compared", title)
                .evidence("members", oddities.members_not_compared),
        );
    }
    // Which modules those are, the needs say.
    if !needs.modules.is_empty() {
        findings.push(
            Finding::new(Severity::Info, "modules_not_asked", "module data was read, but not checked")
                .evidence("modules", needs.modules.iter().cloned().collect::<Vec<_>>().join(", "))
                .why("only the modules understand this data: a server that has them checks it while it loads the file")
                .fix("`redis-ops verify --level drill` loads it into a server that has them"),
        );
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The needs as answers show them: those of a manifest, and the servers that we know that read the format.
pub fn needs_shown(of: &Needs) -> Value {
    let mut shown = serde_json::to_value(needs(of)).expect("needs are made of what JSON can say");
    let servers: Vec<String> = of.servers().iter().map(|server| server.name().to_owned()).collect();
    shown["servers"] = servers.into();
    shown
}

/// The needs in words, where they are more than a server of today has: `19 databases, module vectorset`.
pub fn needs_in_words(needs: &Needs) -> Option<String> {
    let mut words = Vec::new();
    words.extend(self::needs(needs).version.map(|version| format!("{version} or newer")));
    if needs.databases > USUAL_DATABASES {
        words.push(format!("{} databases", needs.databases));
    }
    words.extend(needs.modules.iter().map(|name| format!("module type {name}")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// `databases` of a server by default.
const USUAL_DATABASES: u64 = 16;

/// The needs of an RDB as a manifest holds them.
pub fn needs(needs: &Needs) -> manifest::Needs {
    let servers = needs.servers();
    let all = servers.len() == Server::known().len();
    manifest::Needs {
        databases: needs.databases,
        modules: needs.modules.iter().cloned().collect(),
        version: servers.first().filter(|_| !all).map(|server| server.name().to_owned()),
        functions: needs.functions,
    }
}

fn finding(kind: OddityKind, value_type: Option<ValueType>, seen: &Seen, servers: &[Server]) -> Finding {
    let fates: Vec<(Fate, &str)> =
        servers.iter().map(|server| (oddity::fate(kind, value_type, server), server.name())).collect();
    let worst = fates.iter().map(|(fate, _)| *fate).max().unwrap_or(Fate::Unknown);
    let severity = match (worst, kind) {
        // Only a server can tell; most such code ends. No target gets it before it was asked.
        (
            _,
            OddityKind::FunctionNotRun
            | OddityKind::FunctionMayNotEnd
            | OddityKind::FunctionLogs
            | OddityKind::LuaScript,
        ) => Severity::Info,
        (Fate::Refuses | Fate::Dies, _) => Severity::Critical,
        (Fate::Unknown, _) => Severity::Warning,
        (Fate::Takes, _) => Severity::Info,
    };
    let mut finding = Finding::new(severity, kind.code(), kind.words());
    if let Some(first) = seen.first.first() {
        finding = finding.evidence("offset", first.offset).evidence("offset_in", "rdb");
        if let Some((database, _)) = &first.key {
            finding = finding.evidence("database", *database);
        }
        if first.what != kind.words() {
            finding = finding.evidence("what", first.what);
        }
    }
    finding = match kind {
        // Of these one finding stands for all.
        OddityKind::DuplicateKey => {
            let finding = finding.evidence("keys", again(seen));
            match names_of(seen) {
                names if names.is_empty() => finding,
                names => finding.evidence("first", names),
            }
        }
        _ => finding.evidence("count", seen.count).evidence("first", seen.first.iter().map(named).collect::<Vec<_>>()),
    };
    let named = |wanted: Fate| {
        let names: Vec<&str> = fates.iter().filter(|(fate, _)| *fate == wanted).map(|(_, name)| *name).collect();
        names.join(", ")
    };
    let mut why = Vec::new();
    for (fate, word) in
        [(Fate::Dies, "dies"), (Fate::Refuses, "refuses"), (Fate::Unknown, "unknown"), (Fate::Takes, "takes")]
    {
        let names = named(fate);
        if names.is_empty() {
            continue;
        }
        why.push(match fate {
            Fate::Dies if kind == OddityKind::FunctionNeverEnds => format!("{names} hang when they load it"),
            Fate::Dies => format!("{names} crash when they load it or use the key"),
            Fate::Refuses => format!("{names} end with an error when they load it"),
            Fate::Unknown => format!("it is unknown how {names} handle it"),
            Fate::Takes => format!("{names} take it"),
        });
        finding = finding.evidence(word, names);
    }
    let finding = finding.why(why.join("; "));
    match kind {
        OddityKind::FunctionNotRun | OddityKind::FunctionMayNotEnd | OddityKind::LuaScript => {
            finding.fix("`redis-ops verify --level drill` loads it into a server, which compiles them")
        }
        _ => finding,
    }
}

/// How often something came again.
fn again(seen: &Seen) -> u64 {
    seen.first.first().and_then(|first| first.numbers).map_or(seen.count, |(count, _)| count)
}

/// Keys that come again, where their names were looked up.
fn names_of(seen: &Seen) -> Vec<Value> {
    let known = seen.first.iter().filter(|first| first.key.as_ref().is_some_and(|(_, key)| !key.is_empty()));
    known.map(|first| named(&oddity::Named { numbers: None, ..first.clone() })).collect()
}

/// A key that is named: `key`, and `key_b64` beside it where it is not UTF-8.
fn named(named: &oddity::Named) -> Value {
    use base64::Engine as _;
    let mut object = Map::new();
    if let Some((database, key)) = &named.key {
        object.insert("database".to_owned(), (*database).into());
        object.insert("key".to_owned(), String::from_utf8_lossy(key).into());
        if std::str::from_utf8(key).is_err() {
            object.insert("key_b64".to_owned(), base64::engine::general_purpose::STANDARD.encode(key).into());
        }
    }
    if let Some(library) = &named.library {
        object.insert("library".to_owned(), String::from_utf8_lossy(library).into());
    }
    object.insert("offset".to_owned(), named.offset.into());
    object.insert("what".to_owned(), named.what.into());
    if let Some((announced, found)) = named.numbers {
        object.insert("numbers".to_owned(), json!([announced, found]));
    }
    Value::Object(object)
}
