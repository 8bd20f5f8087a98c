//! What a rule's function reads is what the table says: its limits by their names, and the questions whose answers it needs. Both are
//! read from the source, since no made-up snapshot enters every branch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::super::*;
use crate::introspection::Question;

/// The source of the rules: by file, its functions by name, and its text without comments and tests.
struct Sources {
    files: BTreeMap<PathBuf, (BTreeMap<String, String>, String)>,
}

impl Sources {
    fn read() -> Self {
        let (mut open, mut files) = (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules")], BTreeMap::new());
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).expect("src/rules can be read") {
                let path = entry.expect("an entry of src/rules").path();
                if path.is_dir() && !path.ends_with("cases") {
                    open.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).expect("a source file");
                    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                    let code: Vec<&str> =
                        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
                    files.insert(path, (functions(&code), code.join("\n")));
                }
            }
        }
        Self { files }
    }

    /// The file of a rule, and all that its function runs through in the files of the rules.
    fn of_rule(&self, id: &str) -> (&Path, String) {
        let mark = format!("id: \"{id}\"");
        let (path, (_, text)) =
            self.files.iter().find(|(_, (_, text))| text.contains(&mark)).expect("a rule of the table");
        let entry = text.split(&mark).nth(1).and_then(|rest| rest.split("examine: ").nth(1)).expect("a function");
        let name = entry.split(',').next().unwrap_or_default();
        assert!(name.chars().all(is_of_a_name), "{id}: `examine` names a function of its file");
        let mut seen = BTreeSet::new();
        let mut body = String::new();
        self.run_through(path, name, &mut seen, &mut body);
        assert!(!body.is_empty(), "{id}: {name} is in its file");
        (path, body)
    }

    fn run_through(&self, file: &Path, name: &str, seen: &mut BTreeSet<(PathBuf, String)>, body: &mut String) {
        // A method of the case; else the file's own function before one of the same name elsewhere.
        let (name, is_method) = name.strip_prefix('.').map_or((name, false), |name| (name, true));
        let places = self
            .files
            .iter()
            .filter(|(path, (functions, _))| functions.contains_key(name) && (!is_method || path.ends_with("case.rs")));
        let Some((path, (functions, _))) = places.max_by_key(|(path, _)| *path == file) else { return };
        if !seen.insert((path.clone(), name.to_owned())) {
            return;
        }
        let text = &functions[name];
        body.push_str(text);
        for called in called(text) {
            self.run_through(path, called, seen, body);
        }
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The functions of a file by name, each with its text: up to the brace below its first letter.
fn functions(code: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, line) in code.iter().enumerate() {
        let Some((before, rest)) =
            line.split_once("fn ").filter(|(before, _)| before.trim().is_empty() || before.trim().starts_with("pub"))
        else {
            continue;
        };
        let name: String = rest.chars().take_while(|c| is_of_a_name(*c)).collect();
        let indent = &before[..before.len() - before.trim_start().len()];
        let end = format!("{indent}}}");
        let length = code[at..].iter().position(|line| *line == end).unwrap_or(0);
        found.insert(name, code[at..=at + length].join("\n"));
    }
    found
}

/// Names before an opening parenthesis; of a method with the point before it.
fn called(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('(').map(|(at, _)| {
        let before = &text[..at];
        let begin = before.rfind(|c| !is_of_a_name(c)).map_or(0, |last| last + 1);
        &before[begin - usize::from(before[..begin].ends_with('.'))..]
    })
}

/// The literals that are handed to a function.
fn handed<'a>(text: &'a str, function: &'a str) -> impl Iterator<Item = &'a str> {
    let calls = text.match_indices(function).filter(|(at, _)| !text[..*at].ends_with(is_of_a_name));
    calls.filter_map(|(at, _)| text[at + function.len()..].strip_prefix("(\"")?.split('"').next())
}

#[test]
fn every_limit_that_a_rule_reads_is_its_own_and_every_limit_is_read() {
    let sources = Sources::read();
    for rule in all() {
        let (file, body) = sources.of_rule(rule.id);
        let grades = called(&body).any(|name| matches!(name, ".grade" | ".grade_low"));
        for name in handed(&body, "limit").filter(|name| !(grades && matches!(*name, "warning" | "critical"))) {
            assert!(rule.limit(name).is_some(), "{} reads the limit `{name}`, which it does not have", rule.id);
        }
        assert!(
            !grades || rule.limit("warning").or(rule.limit("critical")).is_some(),
            "{} has nothing to grade by",
            rule.id
        );
        // Names that are handed on as words stand in the file besides its tables.
        let text = &sources.files[file].1;
        for (name, _) in rule.limits {
            let word = format!("\"{name}\"");
            let in_tables = text.matches(&format!("({word}, ")).count();
            let read = body.contains(&word) || grades && matches!(*name, "warning" | "critical");
            assert!(read || text.matches(&word).count() > in_tables, "{}: nobody reads the limit `{name}`", rule.id);
        }
    }
}

#[test]
fn every_rule_asks_what_it_reads_and_reads_what_it_asks() {
    let sources = Sources::read();
    let mut asked = BTreeSet::new();
    for rule in all() {
        let (_, body) = sources.of_rule(rule.id);
        // A chain may go over several lines.
        let body: String = body.split_whitespace().collect();
        let read =
            body.split("answers.").skip(1).map(|rest| rest.split(|c| !is_of_a_name(c)).next().unwrap_or_default());
        let asks: BTreeSet<String> = rule.asks.iter().copied().map(place).collect();
        assert_eq!(asks, read.map(str::to_owned).collect(), "{}: what it asks, and what it reads", rule.id);
        asked.extend(asks);
    }
    let answers = serde_json::to_value(crate::introspection::Answers::default()).expect("answers are data");
    let places: BTreeSet<String> = answers.as_object().expect("one place each").keys().cloned().collect();
    assert_eq!(asked, places, "a question that no rule needs costs every server a command");
}

/// Where the answer to a question is kept: `LargeReplies` in `large_replies`.
fn place(question: Question) -> String {
    let name = format!("{question:?}");
    let word = |c: char| if c.is_uppercase() { format!("_{}", c.to_lowercase()) } else { c.to_string() };
    name.chars().map(word).collect::<String>().trim_start_matches('_').to_owned()
}
