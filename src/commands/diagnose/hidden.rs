//! `--hide-keys`: names of keys are hidden in what is known, before anybody writes it down.
//!
//! In a finished text a name cannot be told from what merely looks like it: a key named `0` is in every number.

use serde_json::Value;

use crate::diagnose::Report;
use crate::finding::Finding;
use crate::introspection::Part;
use crate::introspection::keyspace::KeyspaceProfile;
use crate::printer::words::Keys;
use crate::replies::SlowEntry;

/// Evidence that names a key or a part of one.
const NAMES_KEYS: &[&str] = &[
    "key",
    "prefix",
    "example",
    "examples",
    "example_with",
    "example_without",
    "stream",
    "list",
    "longest",
    "tag",
    "group",
    "lagging_group",
];
/// Evidence that begins with a command and goes on with its arguments.
const COMMAND_LINES: &[&str] = &["pattern"];
/// Evidence of several names among other words.
const SENTENCES: &[&str] = &["prefixes"];
/// What is followed by the name of a key in a fix.
const BEFORE_KEYS: &[&str] = &["UNLINK", "EXPIRE", "PEXPIRE", "XTRIM", "XAUTOCLAIM", "(EXPIRE", "--pattern"];

/// The report with a hash in place of every name of a key.
pub fn hidden(report: &Report, keys: Keys) -> Report {
    let mut report = report.clone();
    if let Part::Got(profile) = &mut report.snapshot.keyspace {
        of_profile(profile, keys);
    }
    let answers = &mut report.snapshot.answers;
    for log in [&mut answers.slowlog, &mut answers.large_replies] {
        if let Part::Got(entries) = log {
            entries.iter_mut().for_each(|entry| of_entry(entry, keys));
        }
    }
    let judgement = &mut report.judgement;
    let muted = judgement.muted.iter_mut().map(|muted| &mut muted.finding);
    judgement.findings.iter_mut().chain(muted).for_each(|finding| of_finding(finding, keys));
    report
}

fn hash(text: &str, keys: Keys) -> String {
    if text.is_empty() { String::new() } else { keys.show(text.as_bytes()) }
}

/// A hash in place of every name in a profile.
pub fn of_profile(profile: &mut KeyspaceProfile, keys: Keys) {
    let one = |name: &mut String| *name = hash(name, keys);
    for prefix in &mut profile.prefixes {
        one(&mut prefix.name);
        prefix.example_with_ttl.iter_mut().for_each(one);
        prefix.example_without_ttl.iter_mut().for_each(one);
    }
    profile.largest.iter_mut().map(|big| &mut big.key).for_each(one);
    for stream in &mut profile.streams {
        one(&mut stream.key);
        stream.groups.iter_mut().map(|group| &mut group.name).for_each(one);
    }
    profile.longest_name.iter_mut().map(|(name, _)| name).for_each(one);
    profile.hash_tag.iter_mut().map(|(tag, _)| tag).for_each(one);
    profile.hottest.iter_mut().map(|hot| &mut hot.key).for_each(one);
}

/// A command and what it was told: the name of the command stays.
fn of_entry(entry: &mut SlowEntry, keys: Keys) {
    entry.arguments.iter_mut().for_each(|argument| *argument = hash(argument, keys));
}

fn of_finding(finding: &mut Finding, keys: Keys) {
    for (name, value) in &mut finding.evidence {
        match name.as_str() {
            name if NAMES_KEYS.contains(&name) => of_value(value, keys),
            // The rule C49 names a command with its arguments, C25 and C07 the command alone.
            name if COMMAND_LINES.contains(&name) || name == "command" => of_command_line(value, keys),
            name if SENTENCES.contains(&name) => of_sentence(value, keys),
            _ => {}
        }
    }
    let remedies = finding.remedies.iter_mut().map(|remedy| &mut remedy.command);
    for fix in finding.fix.iter_mut().chain(remedies) {
        *fix = of_fix(fix, keys);
    }
}

fn of_value(value: &mut Value, keys: Keys) {
    match value {
        Value::String(text) => *text = hash(text, keys),
        Value::Array(items) => items.iter_mut().for_each(|item| of_value(item, keys)),
        _ => {}
    }
}

fn of_command_line(value: &mut Value, keys: Keys) {
    if let Value::String(text) = value
        && let Some((command, arguments)) = text.split_once(' ')
    {
        *text = format!("{command} {}", hash(arguments, keys));
    }
}

/// `user: and User: (case)`: the names, not the words between them.
fn of_sentence(value: &mut Value, keys: Keys) {
    if let Value::String(text) = value
        && let Some((one, rest)) = text.split_once(" and ")
    {
        let (other, why) = rest.rsplit_once(" (").unwrap_or((rest, ""));
        let why = if why.is_empty() { String::new() } else { format!(" ({why}") };
        *text = format!("{} and {}{why}", hash(one, keys), hash(other, keys));
    }
}

/// The word behind one that is followed by a key; a name with spaces stands in quotes. What is to be filled in stays.
fn of_fix(fix: &str, keys: Keys) -> String {
    let mut hidden = String::with_capacity(fix.len());
    let (mut rest, mut key_follows) = (fix, false);
    while !rest.is_empty() {
        let (word, after) = first_word(rest);
        let plain = word.trim_matches(['"', '\'']);
        match key_follows && !word.starts_with('<') {
            true => hidden.push_str(&hash(plain, keys)),
            false => hidden.push_str(word),
        }
        key_follows = BEFORE_KEYS.contains(&word);
        // What a consumer group is called tells as much as a key.
        let space = after.len() - after.trim_start_matches(' ').len();
        hidden.push_str(&after[..space]);
        rest = &after[space..];
    }
    hidden
}

/// A word, whole where it is quoted, and what stands behind it.
fn first_word(text: &str) -> (&str, &str) {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    let end = match quote {
        None => text.find(' '),
        Some(quote) => {
            let mut escaped = false;
            let inside = text.char_indices().skip(1).find(|(_, character)| {
                let ends = *character == quote && !escaped;
                escaped = *character == '\\' && !escaped;
                ends
            });
            inside.map(|(at, _)| at + 1)
        }
    };
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_key_is_hidden_where_it_stands_and_nowhere_else() {
        let keys = Keys::Hidden;
        let zero = keys.show(b"0");
        assert_eq!(of_fix("EXPIRE 0 60 NX", keys), format!("EXPIRE {zero} 60 NX"));
        assert_eq!(of_fix("XTRIM 0 MAXLEN ~ 10000 (deletes)", keys), format!("XTRIM {zero} MAXLEN ~ 10000 (deletes)"));
        assert_eq!(of_fix("UNLINK \"a \\\" b\" (once)", keys), format!("UNLINK {} (once)", keys.show(b"a \\\" b")));
        assert_eq!(of_fix("CONFIG SET maxmemory 100mb", keys), "CONFIG SET maxmemory 100mb");
        assert_eq!(of_fix("UNLINK <key> (once)", keys), "UNLINK <key> (once)");
        let mut value = Value::from("KEYS user:*");
        of_command_line(&mut value, keys);
        assert_eq!(value, format!("KEYS {}", keys.show(b"user:*")));
        let mut value = Value::from("user: and User: (case)");
        of_sentence(&mut value, keys);
        assert_eq!(value, format!("{} and {} (case)", keys.show(b"user:"), keys.show(b"User:")));
    }
}
