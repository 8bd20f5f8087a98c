//! `--html FILE`: the answer of a command as one page that needs nothing else, for a ticket, a mail or a bucket.
//!
//! A page is a pure function of the JSON answer, and shows what that holds: `--hide-keys` and everything else that is decided before is
//! decided for pages too. There is no script in it, and nothing that a browser would fetch: a content security policy forbids both. Foreign
//! text goes through [`parts`], which escapes what could drive or deceive a reader, and through maud, which escapes HTML.

mod chart;
mod days;
mod diagnose;
pub mod file;
mod findings;
mod list;
mod parts;
mod show;
mod status;
mod verify;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::outcome::Headline;
use crate::printer::words::escape_line;
use parts::{moment, span, status_word, text_of};

/// Everything between the first and the last letter that is no answer.
const STYLE: &str = include_str!("style.css");

/// Nothing may be fetched, and nothing may run.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// What a page is made of.
pub struct Answer<'a> {
    /// The JSON answer.
    pub object: &'a Map<String, Value>,
    /// The objects of its long list, which are not in it.
    pub list: &'a [Box<str>],
    /// What JSON does not say, or not in one sentence.
    pub headline: Option<&'a Headline>,
}

/// What a command shows of its answer.
struct Body {
    /// What was looked at: an instance, a backup, a file; the name of the repository where it was all of that.
    subject: String,
    /// Pairs beside the time and the version.
    about: Vec<(&'static str, String)>,
    sections: Markup,
}

/// The whole page.
pub fn page(answer: &Answer<'_>) -> String {
    let whole = Value::Object(answer.object.clone());
    let command = text_of(&whole, "command");
    let body = match command.as_str() {
        "diagnose" => diagnose::body(&whole),
        "show" => show::body(&whole),
        "verify" => verify::body(&whole),
        "list" => list::body(&whole, answer),
        _ => status::body(&whole),
    };
    let repository = answer.headline.and_then(|headline| headline.place.as_deref()).map(escape_line);
    let subject = match (body.subject.is_empty(), &repository) {
        (true, Some(place)) => place.clone(),
        (true, None) => format!("redis-ops {command}"),
        (false, _) => body.subject.clone(),
    };
    let mut status = text_of(&whole, "status");
    // What worked and found the worst says so, as on a terminal.
    if command == "diagnose" && status == "failed" && whole.get("error").is_none() {
        "critical".clone_into(&mut status);
    }
    let (word, class) = status_word(&status);
    let version = text_of(&whole, "tool_version");
    let mut about: Vec<(&str, String)> = Vec::new();
    about.extend(repository.filter(|place| *place != subject).map(|place| ("repository", place)));
    about.extend(body.about);
    about.push(("time", moment(&text_of(&whole, "started_at"))));
    about.push(("took", whole["duration_seconds"].as_f64().map(span).unwrap_or_default()));
    about.push(("tool", format!("redis-ops {version}")));
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="generator" content=(format!("{}{version}", file::GENERATOR));
                // Without it a browser asks the bucket for /favicon.ico.
                link rel="icon" href="data:,";
                title { (word) ": " (subject) " - redis-ops " (command) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "redis-ops " (command) }
                    h1 { (subject) }
                    p.verdict.(class) { strong { (word) } (sentence(&whole, answer)) }
                    dl.meta { @for (name, text) in &about { div { dt { (name) } dd { (text) } } } }
                }
                main { (error(&whole)) (body.sections) }
                footer { p { "Times are UTC. Sizes are in units of 1024. Made by redis-ops " (version) "; the page holds all that it shows." } }
            }
        }
    };
    document.into_string()
}

/// The verdict in one sentence.
fn sentence(answer: &Value, of: &Answer<'_>) -> String {
    let error = answer.get("error").map(|error| text_of(error, "message"));
    let said = of.headline.map(|headline| escape_line(&headline.sentence));
    let verdict = Some(text_of(answer, "verdict")).filter(|verdict| !verdict.is_empty());
    said.or(verdict).or(error).map(|sentence| format!(": {sentence}")).unwrap_or_default()
}

/// Why there is no answer, or not all of it.
fn error(answer: &Value) -> Markup {
    let Some(error) = answer.get("error") else { return Markup::default() };
    html! {
        h2 { "Error" }
        p { strong { (text_of(error, "message")) } }
        @for cause in error["causes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            p { "Caused by: " (escape_line(cause)) }
        }
        @if !text_of(error, "hint").is_empty() { p { strong { "Hint " } (text_of(error, "hint")) } }
        p.note { "Code: " code { (text_of(error, "code")) } }
    }
}

#[cfg(test)]
mod tests;
