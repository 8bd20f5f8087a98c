//! `redis-ops explain`: what a rule of diagnose means, without a server.

use super::{Context, Outcome};
use crate::explain::{Misuse, Result, Status};
use crate::rules::{self, Rule, RuleSettings};

/// All that it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The rule's number, as it was typed.
    pub rule: String,
}

/// Explains.
///
/// # Errors
/// There is no such rule.
pub async fn run(settings: &Settings, _context: &Context) -> Result<Outcome> {
    let rule = rules::by_id(settings.rule.trim()).ok_or_else(|| unknown(&settings.rule))?;
    let threshold = RuleSettings::default().threshold_text(rule);
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
        .field("caused_by", rule.because_of)
        .field("source", rule.source)
        .text(rule.explanation(&threshold)))
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
