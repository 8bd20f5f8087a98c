//! A report for machines: fields of JSON, a line for Nagios, JUnit.

use serde_json::{Map, Value, json};

use super::lists;
use super::view::View;
use crate::commands::junit::{self, Case, Verdict};
use crate::commands::nagios;
use crate::commands::nagios::Number;
use crate::diagnose::{Report, facts, object, plain, sentence};
use crate::explain::Status;
use crate::finding::Severity;

/// What the JSON object holds, in order.
pub fn fields(report: &Report, subject: &str, view: &View<'_>) -> Vec<(&'static str, Value)> {
    let server = &report.snapshot.server;
    let mut all_facts = Map::new();
    for topic in &report.topics {
        let mut own = object(&facts(&report.snapshot, *topic));
        own.extend(
            lists::json_of(report, *topic, view.top, view.sort)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        if !own.is_empty() {
            all_facts.insert(topic.name().to_owned(), own.into());
        }
    }
    let receipt = report.snapshot.receipt;
    let known = !server.version.is_empty();
    let mut fields = vec![
        ("instance", subject.into()),
        ("server", if known { json!(server) } else { Value::Null }),
        ("profile", json!({"name": report.profile.0, "guessed": !report.profile.1})),
        ("verdict", sentence(report).into()),
        ("findings", json!(report.judgement.findings)),
        ("skipped", json!(report.judgement.skipped)),
        ("muted", json!(report.judgement.muted)),
        ("passed", json!(report.judgement.passed)),
        ("facts", all_facts.into()),
        (
            "probe",
            json!({"commands": receipt.commands, "pings": receipt.pings, "seconds": receipt.seconds,
                   "keyspace_hits_added": receipt.keyspace_hits_added}),
        ),
    ];
    if let Some(text) = &report.text {
        let not_looked_at = text.not_looked_at.iter();
        let not_looked_at: Vec<Value> =
            not_looked_at.map(|(topic, missing)| json!({"topic": topic, "missing": missing})).collect();
        fields.push(("read", json!(text.read)));
        fields.push((
            "not_understood",
            json!({"lines": text.not_understood.lines, "numbers": text.not_understood.numbers}),
        ));
        fields.push(("not_looked_at", not_looked_at.into()));
    }
    fields
}

/// The answer in one line: the state, the sentence, and numbers behind a bar.
pub fn one_line(report: &Report, status: Status) -> String {
    let info = &report.snapshot.info;
    let number = |name: &'static str, unit| Some(Number::count(name, info.u64(name)?, unit));
    let numbers: Vec<Number> = [
        number("used_memory", "B").map(|number| number.at_most(info.u64("maxmemory"))),
        number("connected_clients", "").map(|number| number.at_most(info.u64("maxclients"))),
        number("evicted_keys", "c"),
        number("rejected_connections", "c"),
    ]
    .into_iter()
    .flatten()
    .collect();
    nagios::line(status, &sentence(report), &numbers)
}

/// The answer as JUnit's XML: each rule is a case that failed, was skipped, or is good.
pub fn junit(report: &Report, subject: &str) -> String {
    let judgement = &report.judgement;
    let case = |id: &str, verdict, sentence: &str, details: String| {
        let rule = crate::rules::all().find(|rule| rule.id == id);
        Case {
            class: rule.map_or_else(|| "diagnose".to_owned(), |rule| format!("diagnose.{}", rule.topic.name())),
            name: rule.map_or_else(|| id.to_owned(), |rule| format!("{id}: {}", rule.title)),
            verdict,
            sentence: sentence.to_owned(),
            details,
        }
    };
    let findings = judgement.findings.iter().map(|finding| {
        let evidence: Vec<String> =
            finding.evidence.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        let details = format!("{}\nfix: {}", evidence.join(", "), finding.fix.join("; "));
        let verdict = if finding.severity > Severity::Info { Verdict::Failed } else { Verdict::Good };
        case(&finding.id, verdict, &finding.title, details)
    });
    let skipped = judgement.skipped.iter().map(|rule| case(rule.id, Verdict::Skipped, &rule.reason, String::new()));
    let passed = judgement.passed.iter().map(|id| case(id, Verdict::Good, "", String::new()));
    let cases: Vec<Case> = findings.chain(skipped).chain(passed).collect();
    junit::document(&format!("redis-ops diagnose {subject}"), &cases, None)
}
