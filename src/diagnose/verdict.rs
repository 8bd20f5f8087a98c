//! The verdict in one sentence: what is worst, and what to do.

use serde_json::Value;

use super::{OfText, Report};
use crate::explain::Status;
use crate::figures::counted;
use crate::finding::{Finding, Severity};
use crate::introspection::Mode;
use crate::replies::Watched;
use crate::rules::{NO_LOG, Topic};

/// The verdict in one sentence, without the status word.
pub fn sentence(report: &Report) -> String {
    sentence_with(report, &|_, value| plain(value))
}

/// The sentence with evidence shown for people: `show` gives the form of a value by its name.
pub fn sentence_with(report: &Report, show: &dyn Fn(&str, &Value) -> String) -> String {
    let judgement = &report.judgement;
    let incidents: Vec<&Finding> = judgement.findings.iter().filter(|finding| finding.caused_by.is_none()).collect();
    let loud = |finding: &&&Finding| worst_of(report, finding) > Severity::Info;
    match incidents.iter().find(loud) {
        Some(first) => {
            let of = |severity| incidents.iter().filter(|finding| worst_of(report, finding) == severity).count() as u64;
            let counts =
                [(of(Severity::Critical), "critical", "critical"), (of(Severity::Warning), "warning", "warnings")];
            let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
            let counts = counts.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
            let counts = counts.collect::<Vec<_>>().join(", ");
            let fix = first.fix.first().map(|fix| format!("; next: {fix}")).unwrap_or_default();
            format!("{counts}; worst: {} ({}: {}){fix}", first.title, first.id, short_evidence(first, show))
        }
        None => {
            let notes = match incidents.len() {
                0 => String::new(),
                1 => ", 1 note".to_owned(),
                n => format!(", {n} notes"),
            };
            if let Some(text) = report.text.as_ref().filter(|_| report.status() == Status::Unknown) {
                return not_enough(text);
            }
            if let Some(why) = report.keys_denied() {
                return format!("could not tell: {why}");
            }
            // Nobody expects a server to tell its log: those rules are not counted below the tables either.
            let skipped = judgement.skipped.iter().filter(|skipped| skipped.reason != NO_LOG).count();
            let passed = judgement.passed.len();
            if passed == 0 && incidents.is_empty() {
                return format!("nothing could be judged: {skipped} rules skipped");
            }
            if let Some(text) = &report.text {
                let seen = |topic: &&Topic| !text.not_looked_at.iter().any(|(other, _)| other == *topic);
                let topics: Vec<&str> = report.topics.iter().filter(seen).map(|topic| topic.name()).collect();
                let rest = text.not_looked_at.len();
                let rest =
                    if rest > 0 { format!(", {} not looked at", counted(rest as u64, "topic")) } else { String::new() };
                return format!("no warnings in what was read of {}{notes}{rest}", topics.join(", "));
            }
            let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
            if report.snapshot.server.mode == Mode::Sentinel {
                let watched = Watched::words(&report.snapshot.server.watches);
                return format!(
                    "this is a Sentinel without problems; it watches {watched}: to examine that server, use `redis+sentinel://host,host/NAME`"
                );
            }
            format!("no warnings: {passed} {} passed{notes}{skipped}", if passed == 1 { "rule" } else { "rules" })
        }
    }
}

/// Why a text gives no answer.
fn not_enough(text: &OfText) -> String {
    let lines = text.not_understood.lines;
    if text.mostly_dark {
        return format!("could not tell: {} not understood, more than were understood", counted(lines as u64, "line"));
    }
    let missing: Vec<String> =
        text.not_looked_at.iter().map(|(topic, missing)| format!("{} needs {missing}", topic.name())).collect();
    format!("not enough to tell: {}", missing.join("; "))
}

/// The severity of an incident: that of its worst part.
fn worst_of(report: &Report, root: &Finding) -> Severity {
    let symptoms = report.judgement.findings.iter().filter(|finding| finding.caused_by.as_deref() == Some(&root.id));
    symptoms.map(|finding| finding.severity).fold(root.severity, Severity::max)
}

/// The first three pieces of evidence. Of a log what it says is the cause, and not how often and when.
fn short_evidence(finding: &Finding, show: &dyn Fn(&str, &Value) -> String) -> String {
    let of_a_log = finding.evidence.contains_key("says");
    let telling =
        finding.evidence.iter().filter(|(name, _)| !(of_a_log && matches!(name.as_str(), "lines" | "first" | "last")));
    let parts: Vec<String> = telling.take(3).map(|(name, value)| format!("{name} {}", show(name, value))).collect();
    parts.join(", ")
}

/// A value without quotes and brackets.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}
