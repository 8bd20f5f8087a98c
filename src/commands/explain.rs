//! `redis-ops explain`: what a rule of diagnose means, without a server.

use super::{Context, Outcome};
use crate::explain::{Misuse, Result, Status};
use crate::rules::{self, Rule, RuleSettings};

/// Complete settings of `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The rule, as it was typed; `None`: all of them.
    pub rule: Option<String>,
}

/// Prints what is known of a rule, or lists all rules.
///
/// # Errors
/// There is no such rule.
pub async fn run(settings: &Settings, _context: &Context) -> Result<Outcome> {
    let Some(typed) = &settings.rule else { return Ok(all()) };
    let rule = rules::by_id(typed.trim()).ok_or_else(|| unknown(typed))?;
    let threshold = RuleSettings::default().threshold_text(&rule.facts());
    let limits: serde_json::Map<String, serde_json::Value> =
        rule.limits.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Ok(Outcome::new(Status::Ok)
        .field("id", rule.id)
        .field("topic", rule.topic)
        .field("title", rule.title)
        .field("reads", rule.reads)
        .field("threshold", &threshold)
        .field("limits", limits)
        .field("why", rule.why)
        .field("fix", rule.fix)
        .field("remedies", rule.remedies())
        .field("caused_by", rule.because_of)
        .field("source", rule.source)
        .text(rule.explanation(&threshold)))
}

/// Every rule, a line each, by topic.
fn all() -> Outcome {
    let mut text = String::new();
    let mut listed = Vec::new();
    for topic in rules::Topic::ALL {
        text.push_str(&format!("{}\n", topic.name()));
        for rule in of_topic(topic) {
            text.push_str(&format!("  {}  {}\n", rule.id, rule.title));
            listed.push(serde_json::json!({"id": rule.id, "topic": rule.topic, "title": rule.title}));
        }
    }
    text.push_str("\n`redis-ops explain RULE` explains one\n");
    Outcome::new(Status::Ok).field("rules", listed).text(text)
}

fn of_topic(topic: rules::Topic) -> Vec<&'static Rule> {
    let mut of_topic: Vec<&Rule> = rules::all().filter(|rule| rule.topic == topic).collect();
    of_topic.sort_unstable_by_key(|rule| rule.id);
    of_topic
}

/// Every rule, for `docs/rules.md`.
pub fn all_as_markdown() -> String {
    let mut text = String::from(
        "# The rules of diagnose\n\n\
         Written by `redis-ops man --reference docs`; `redis-ops explain RULE` says the same on a terminal. \
         Limits are those without settings; `diagnose.thresholds` overrides them, and `diagnose.mute` silences a rule.\n",
    );
    let settings = RuleSettings::default();
    for topic in rules::Topic::ALL {
        text.push_str(&format!("\n## {}\n", topic.name()));
        for rule in of_topic(topic) {
            text.push_str(&format!("\n### {} {}\n\n", rule.id, plain_in_markdown(rule.title)));
            let mut line = |name: &str, value: &str| {
                if !value.is_empty() {
                    text.push_str(&format!("- {name}: {value}\n"));
                }
            };
            line("reads", &plain_in_markdown(rule.reads));
            line("fires when", &plain_in_markdown(&settings.threshold_text(&rule.facts())));
            line("why", &plain_in_markdown(rule.why));
            for command in rule.fix {
                line("fix", &format!("`{command}`"));
            }
            line("often caused by", &rule.because_of.join(", "));
            line("source", &plain_in_markdown(rule.source));
            let limits: Vec<String> = rule.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            if !limits.is_empty() {
                line("settings", &format!("`diagnose.thresholds.{}: {{{}}}`", rule.id, limits.join(", ")));
            }
        }
    }
    text
}

/// Text that Markdown shows as it stands; what is in backticks already stays so.
fn plain_in_markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        in_code ^= character == '`';
        if !in_code && matches!(character, '*' | '<' | '[') {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

fn unknown(typed: &str) -> Misuse {
    let known: Vec<&Rule> = rules::all().collect();
    let topic = typed.chars().next().map(|letter| letter.to_ascii_uppercase());
    let mut near: Vec<&str> = known.iter().filter(|rule| rule.id.chars().next() == topic).map(|rule| rule.id).collect();
    near.sort_unstable();
    let hint = if near.is_empty() {
        let first: Vec<String> = rules::Topic::ALL
            .into_iter()
            .filter_map(|topic| {
                let rule = known.iter().find(|rule| rule.topic == topic)?;
                Some(format!("{} for {}", &rule.id[..1], topic.name()))
            })
            .collect();
        format!("a rule is a letter and a number: {}", first.join(", "))
    } else {
        format!("there are {}", near.join(" "))
    };
    Misuse::usage(format!("there is no rule `{}`", typed.trim())).hint(hint)
}
