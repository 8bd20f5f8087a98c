//! What a comparison has found, as words, tables and JSON.

use serde_json::{Map, Value, json};

use super::super::answer::{Answer, findings_lines, findings_table};
use super::super::{Comparison, FailOn};
use crate::commands::Context;
use crate::commands::nagios::Number;
use crate::commands::table::Table;
use crate::comparison::{Difference, Differences, Example};
use crate::dataset::DatasetError;
use crate::examination;
use crate::explain::{Fault, Result, Status};
use crate::printer::words;
use crate::verify::comparing;

/// The backup is damaged (no), or newer than we know (could not tell).
pub(super) fn unfit(
    answer: &mut Answer,
    class: &str,
    what: &str,
    error: DatasetError,
    context: &Context,
) -> Result<()> {
    let (status, finding) = match error {
        DatasetError::Damaged { finding, .. } => (Status::Failed, *finding),
        DatasetError::NotUnderstood { up_to, .. } => (Status::Unknown, examination::not_understood(up_to)),
        error => return Err(Fault::from(error).context(format!("cannot compare {what}"))),
    };
    answer.status = answer.status.and(status);
    answer.sentence = match status {
        Status::Failed => format!("{what}: the backup is damaged: {}", words::escape(finding.title.as_bytes())),
        _ => format!("{what}: could not tell: the backup is newer than this version of redis-ops supports"),
    };
    answer.text.extend(findings_table(std::slice::from_ref(&finding), &context.printer));
    answer.case(class, what, status, &answer.sentence.clone(), findings_lines(std::slice::from_ref(&finding)));
    if let Some(Value::Array(findings)) = answer.fields.get_mut("findings") {
        findings.push(json!(finding));
    } else {
        answer.field("findings", [finding]);
    }
    answer.field("comparison", Value::Null);
    Ok(())
}

/// The counts, the examples and the verdict.
pub(super) fn judge(
    answer: &mut Answer,
    class: &str,
    (what, sides): (&str, &Sides),
    (compared, is_fuzzy): (&comparing::Comparison, bool),
    asked: &Comparison,
    context: &Context,
) {
    let differences = &compared.differences;
    let functions_differ = compared.functions.as_ref().is_some_and(|functions| !functions.equal);
    let is_no = asked.fail_on.iter().any(|kind| match kind {
        FailOn::Missing => differences.missing > 0,
        FailOn::Extra => differences.extra > 0,
        FailOn::Different => differences.different() > 0 || functions_differ,
        FailOn::Any => !compared.is_equal(),
    });
    let chosen = !asked.keys.is_empty() || asked.database.is_some();
    let nothing = differences.equal == 0 && differences.expired == 0 && compared.is_equal();
    let nothing_checked = chosen && nothing;
    let status = match is_no {
        true => Status::Failed,
        // Nothing is equal to nothing: that proves nothing.
        false if nothing_checked => Status::Unknown,
        false if compared.functions_unread.is_some() => Status::Warning,
        false => Status::Ok,
    };
    answer.status = answer.status.and(status);
    let keys = (differences.expired > 0).then(|| words::count(differences.expired));
    let fields = (compared.expired_fields > 0).then(|| words::counted(compared.expired_fields, "hash field"));
    let expired: String = keys.iter().chain(&fields).map(|what| format!(", {what} expired since")).collect();
    let sentence = if nothing_checked {
        format!(
            "{what}: nothing was checked: neither side has a key that matches (`--keys`, `-n`, the database of the URL)"
        )
    } else if compared.is_equal() {
        format!("{what}: equal, {}{expired}", words::counted(differences.equal, "key"))
    } else {
        let functions = if functions_differ { others(compared) } else { String::new() };
        format!(
            "{what}: {} different{}, {} only in {}, {} only in {}; {} equal ({:.2}%){expired}{functions}",
            words::count(differences.different()),
            in_what(differences),
            words::count(differences.missing),
            sides.left,
            words::count(differences.extra),
            sides.right,
            words::count(differences.equal),
            // Rounded down: what is not all is not 100%.
            (differences.ratio() * 10_000.0).floor() / 100.0,
        )
    };
    answer.sentence = sentence;
    if compared.functions_unread.is_some() {
        answer.sentence.push_str("; function libraries could not be read, and are not compared");
    }
    if is_fuzzy && !compared.is_equal() {
        answer.sentence.push_str("; read key by key: concurrent writes may be among the differences");
    }
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    answer.text.extend(table(compared, sides, limit, context));
    answer.text.extend(compared.not_compared().map(|what| format!("not compared: {what}")));
    let mut json = to_json(compared, limit, context);
    json["consistency"] = if is_fuzzy { "fuzzy" } else { "point_in_time" }.into();
    answer.field("comparison", json);
    let details: Vec<String> = named(compared, limit)
        .map(|(name, database, key)| format!("{name}: {} (database {database})", context.keys.show(key)))
        .collect();
    answer.case(class, what, status, &answer.sentence.clone(), details.join("\n"));
    let kinds = [
        ("missing", differences.missing, FailOn::Missing),
        ("extra", differences.extra, FailOn::Extra),
        ("different", differences.different(), FailOn::Different),
    ];
    answer.numbers.push(Number::count("equal", differences.equal, ""));
    answer.numbers.extend(kinds.map(|(name, keys, kind)| {
        let number = Number::count(name, keys, "");
        let is_no = asked.fail_on.iter().any(|asked| *asked == kind || *asked == FailOn::Any);
        if is_no { number.critical(0.0) } else { number }
    }));
}

/// Which nodes have other function libraries than they should.
fn others(compared: &comparing::Comparison) -> String {
    let nodes = compared.functions.as_ref().map(|functions| functions.differing.join(", ")).unwrap_or_default();
    if nodes.is_empty() { ", functions differ".to_owned() } else { format!(", functions differ on {nodes}") }
}

/// Thousands of keys that differ in their expiry alone are another trouble than one that holds another value.
fn in_what(differences: &Differences) -> String {
    let kinds = [
        ("type", differences.different_type),
        ("value", differences.different_value),
        ("expiry", differences.different_expiry),
    ];
    let kinds = kinds.into_iter().filter(|(_, keys)| *keys > 0);
    let kinds: Vec<String> = kinds.map(|(name, keys)| format!("{} in {name}", words::count(keys))).collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

/// The first keys that are named: those that differ before those that one side lacks, which are many where a part is missing.
fn first(compared: &comparing::Comparison, limit: usize) -> impl Iterator<Item = &Example> {
    let is_on_both = |example: &&Example| !matches!(example.difference, Difference::Missing | Difference::Extra);
    let examples = &compared.differences.examples;
    let others = examples.iter().filter(move |example| !is_on_both(example));
    examples.iter().filter(is_on_both).chain(others).take(limit)
}

fn named(compared: &comparing::Comparison, limit: usize) -> impl Iterator<Item = (&'static str, u64, &[u8])> {
    first(compared, limit).map(|example| (example.difference.name(), example.key.0, example.key.1.as_slice()))
}

/// The two sides of a comparison, as a sentence names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    /// What ought to be there: `the backup`.
    pub left: String,
    /// What is there: `the instance`.
    pub right: String,
}

fn table(compared: &comparing::Comparison, sides: &Sides, limit: usize, context: &Context) -> Option<String> {
    let mut table = Table::new(&["difference", "db", "key"]).numbers(&[1]).cut(&[2]);
    let mut shown = 0;
    for Example { difference, key: (database, key), .. } in first(compared, limit) {
        let difference = match difference {
            Difference::Missing => format!("only in {}", sides.left),
            Difference::Extra => format!("only in {}", sides.right),
            other => format!("other {}", other.name()),
        };
        table.row([difference, database.to_string(), context.keys.show(key)]);
        shown += 1;
    }
    if table.is_empty() {
        return None;
    }
    let differences = &compared.differences;
    let more = (differences.missing + differences.extra + differences.different()).saturating_sub(shown);
    let mut text = table.render(&context.printer);
    if more > 0 {
        text.push_str(&format!("\n… {} more", words::count(more)));
    }
    Some(text)
}

/// A comparison as JSON.
pub fn to_json(compared: &comparing::Comparison, limit: usize, context: &Context) -> Value {
    let differences = &compared.differences;
    let by_key: Vec<Value> = named(compared, limit)
        .map(|(difference, database, key)| {
            let mut object = Map::new();
            context.keys.insert(&mut object, key);
            object.insert("database".to_owned(), database.into());
            object.insert("difference".to_owned(), difference.into());
            object.into()
        })
        .collect();
    json!({
        "is_equal": compared.is_equal(),
        "equal": differences.equal,
        "missing": differences.missing,
        "extra": differences.extra,
        "different": differences.different(),
        "different_by": {
            "type": differences.different_type,
            "value": differences.different_value,
            "expiry": differences.different_expiry,
        },
        "expired": differences.expired,
        "expired_fields": compared.expired_fields,
        "ratio": differences.ratio(),
        "functions": compared.functions.as_ref().map(|functions| json!({
            "expected": functions.left, "found": functions.right, "equal": functions.equal, "differing": functions.differing,
        })),
        "not_compared": compared.not_compared(),
        "buckets": { "compared": compared.buckets.0, "differing": compared.buckets.1 },
        "looked_at": crate::times::of_millis(compared.look_ms),
        "by_key": by_key,
    })
}
