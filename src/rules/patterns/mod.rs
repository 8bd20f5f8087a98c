//! A01–A23: what applications get wrong, read from the names and times to live of their keys and from what they call.

mod calls;
mod growth;
mod names;
mod purposes;

use super::rule::{RULE, Rule, Topic};

/// What the rules of this topic share.
const A: Rule = Rule { topic: Topic::Patterns, ..RULE };

/// The rules about usage patterns.
pub(super) const RULES: &[&[Rule]] = &[purposes::RULES, names::RULES, calls::RULES, growth::RULES];
