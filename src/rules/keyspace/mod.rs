//! K01–K17: what the keys are like, how much they are used, and how they are spread over a cluster.

mod from_info;
mod from_keys;
mod spread;
mod usage;

use super::rule::{RULE, Rule, Topic};

/// What the rules of this topic share.
const K: Rule = Rule { topic: Topic::Keyspace, ..RULE };

/// The rules about keys.
pub(super) const RULES: &[&[Rule]] = &[from_info::RULES, from_keys::RULES, usage::RULES, spread::RULES];

/// A name as it can be typed into redis-cli.
pub(super) fn quoted(key: &str) -> String {
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'' && byte != b'\\');
    if plain && !key.is_empty() { key.to_owned() } else { format!("\"{}\"", key.replace('"', "\\\"")) }
}
