//! Findings as a page shows them: what it is, what it rests on, why it matters, and how it is mended.

use maud::{Markup, html};
use serde_json::Value;

use super::parts::{label, tag, text_of, value};
use crate::printer::words::escape_line;

/// Findings, in their order. `of` sets apart the findings of several servers on one page.
pub fn findings(findings: &[Value], of: &str) -> Markup {
    let anchor = |id: &str| findings.iter().position(|finding| finding["id"] == id).map(|at| anchor(of, at));
    html! { @for (at, finding) in findings.iter().enumerate() { (one(finding, &self::anchor(of, at), &anchor)) } }
}

fn anchor(of: &str, at: usize) -> String {
    format!("finding{of}-{}", at + 1)
}

fn one(finding: &Value, id: &str, anchor: &dyn Fn(&str) -> Option<String>) -> Markup {
    let severity = text_of(finding, "severity");
    let (_, class) = super::parts::status_word(&severity);
    let fixes = finding["fix"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        article.finding.(format!("edge-{class}")) id=(id) {
            h3 { (tag(&severity)) " " (text_of(finding, "id")) " " (text_of(finding, "title")) }
            @if let Some(cause) = finding["caused_by"].as_str() {
                p.note {
                    "Explained by "
                    @if let Some(at) = anchor(cause) { a href=(format!("#{at}")) { (escape_line(cause)) } } @else { (escape_line(cause)) }
                    "."
                }
            }
            @if let Some(evidence) = finding["evidence"].as_object().filter(|evidence| !evidence.is_empty()) {
                dl.pairs { @for (name, found) in evidence { dt { (label(name)) } dd { (value(name, found)) } } }
            }
            @if !text_of(finding, "threshold").is_empty() { p { strong { "Fires when " } (text_of(finding, "threshold")) "." } }
            @if !text_of(finding, "why").is_empty() { p { strong { "Why: " } (text_of(finding, "why")) } }
            @if !fixes.is_empty() {
                p { strong { (if fixes.len() == 1 { "Fix" } else { "Fixes" }) } }
                ol { @for fix in fixes { li { (fix_of(fix.as_str().unwrap_or_default(), finding)) } } }
            }
            @if !text_of(finding, "source").is_empty() { p.note { "Source: " (text_of(finding, "source")) } }
        }
    }
}

/// A fix, with what it does, what it may cost, and how it is undone.
fn fix_of(fix: &str, finding: &Value) -> Markup {
    let remedies = finding["remedies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let remedy = remedies.iter().find(|remedy| remedy["command"] == fix);
    html! {
        code { (escape_line(fix)) }
        @if let Some(remedy) = remedy {
            dl.pairs.remedy {
                @for (name, field) in [("does", "does"), ("may cost", "costs"), ("to undo", "undo")] {
                    @let text = text_of(remedy, field);
                    @if !text.is_empty() { dt { (name) } dd { (text) } }
                }
            }
        }
    }
}
