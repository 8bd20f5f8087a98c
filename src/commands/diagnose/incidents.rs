//! What was found as people read it: incidents with their symptoms, evidence, and fixes.

use serde_json::Value;

use super::view::{View, escape_line};
use crate::diagnose::Report;
use crate::finding::{Finding, Severity};
use crate::printer::words::{bytes, count, shorten};
use crate::printer::{Printer, Style};

/// Fixes of a finding that are shown.
const FIXES_SHOWN: usize = 3;

/// A finding that nothing else explains, with its symptoms.
pub struct Incident<'a> {
    pub root: &'a Finding,
    pub symptoms: Vec<&'a Finding>,
    /// The worst severity among them.
    pub worst: Severity,
}

/// All incidents of a report.
pub fn all(report: &Report) -> Vec<Incident<'_>> {
    let findings = &report.judgement.findings;
    let roots = findings.iter().filter(|finding| finding.caused_by.is_none());
    roots
        .map(|root| {
            let symptoms = descendants(findings, &root.id);
            let worst = symptoms.iter().map(|finding| finding.severity).fold(root.severity, Severity::max);
            Incident { root, symptoms, worst }
        })
        .collect()
}

/// The incidents that are shown in the table: what is only worth knowing has a line of its own, unless somebody wants to know more.
pub fn loud<'a>(report: &'a Report, view: &View<'_>) -> Vec<Incident<'a>> {
    let mut incidents = all(report);
    incidents.retain(|incident| view.verbose || incident.worst > Severity::Info);
    incidents
}

/// The fixes of a finding; with `-v` what each does, may cost, and how it is undone, and why all that matters.
pub fn fixes(finding: &Finding, view: &View<'_>) -> Vec<String> {
    if !view.verbose {
        let mut lines: Vec<String> =
            finding.fix.iter().take(FIXES_SHOWN).map(|fix| format!("fix: {}", escape_line(fix))).collect();
        let more = finding.fix.len().saturating_sub(FIXES_SHOWN);
        if more > 0 {
            lines.push(format!("{more} more (-v)"));
        }
        return lines;
    }
    let mut lines = Vec::new();
    let why = [("why", &finding.why), ("fires when", &finding.threshold), ("source", &finding.source)];
    lines.extend(why.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}: {text}")));
    for (at, fix) in finding.fix.iter().enumerate() {
        lines.push(format!("fix: {}", escape_line(fix)));
        let Some(remedy) = finding.remedies.get(at) else { continue };
        let told = [("does", &remedy.does), ("costs", &remedy.costs), ("undo", &remedy.undo)];
        lines.extend(told.into_iter().map(|(name, text)| format!("  {name}: {}", escape_line(text))));
    }
    lines
}

/// Symptoms, and symptoms of symptoms.
pub fn descendants<'a>(findings: &'a [Finding], root: &str) -> Vec<&'a Finding> {
    let mut found: Vec<&Finding> = Vec::new();
    let mut names = vec![root.to_owned()];
    while let Some(name) = names.pop() {
        for finding in findings.iter().filter(|finding| finding.caused_by.as_deref() == Some(&name)) {
            if !found.iter().any(|other| other.id == finding.id) {
                names.push(finding.id.clone());
                found.push(finding);
            }
        }
    }
    found
}

/// How bad a finding is, in a word and a colour.
pub fn severity(severity: Severity) -> (&'static str, Style) {
    match severity {
        Severity::Critical => ("CRITICAL", Style::Red),
        Severity::Warning => ("WARNING", Style::Yellow),
        Severity::Info => ("note", Style::Dim),
    }
}

/// What a finding rests on, in one line.
pub fn evidence(finding: &Finding, view: &View<'_>) -> String {
    let parts = finding
        .evidence
        .iter()
        .map(|(name, value)| format!("{name} {}", cut(&escape_line(&shown(name, value)), view.printer)));
    parts.collect::<Vec<_>>().join(", ")
}

/// A name that would take more than half a line; a fix shows it whole.
pub fn cut(text: &str, printer: &Printer) -> String {
    printer.width().map_or_else(|| text.to_owned(), |width| shorten(text, usize::from(width) / 2))
}

/// Sizes are evident from the names of fields.
pub fn shown(name: &str, value: &Value) -> String {
    const SIZES: &[&str] = &["memory", "bytes", "omem", "buffers", "backlog_size", "limit", "mem_"];
    // A number that names something is not counted.
    if name == "slot" || name.ends_with("id") {
        return crate::diagnose::plain(value);
    }
    match value.as_u64() {
        Some(number) if number >= 10_000 && SIZES.iter().any(|size| name.contains(size)) => bytes(number),
        Some(number) => count(number),
        None => match value.as_f64() {
            Some(number) if number >= 10_000.0 => count(number.round() as u64),
            _ => crate::diagnose::plain(value),
        },
    }
}
