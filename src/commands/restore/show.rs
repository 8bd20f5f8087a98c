//! A plan and a report as people read them.

use serde::Serialize;
use serde_json::Value;

use super::sides::Sides;
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::Status;
use crate::printer::words::{self, Keys};
use crate::printer::{Printer, Style};
use crate::restore::plan::Refused;
use crate::restore::tally::FailedKey;
use crate::restore::{Level, Plan, Report};

/// Names that are shown in a sentence.
const NAMED: usize = 3;
/// Keys that are named below the counts.
const NAMED_BELOW: usize = 10;

/// ` (`a`, `b`, …)` or nothing.
fn names(keys: &[FailedKey], shown: Keys) -> String {
    let names: Vec<String> = keys.iter().take(NAMED).map(|key| format!("`{}`", shown.show(&key.name()))).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" ({}{})", names.join(", "), if keys.len() > NAMED { ", …" } else { "" }),
    }
}

/// A refusal whose text names the keys that it is about.
pub fn with_names(refused: Refused, context: &Context) -> Refused {
    refused.with_all(|keys| names(keys, context.keys))
}

/// As JSON, with `--hide-keys` without the names of keys.
pub fn hidden(value: &impl Serialize, context: &Context) -> Value {
    let mut json = serde_json::to_value(value).expect("plans and results are made of what JSON can say");
    context.keys.hide(&mut json);
    json
}

/// Adds what was odd about a file to an answer that is good otherwise.
pub fn with_warnings(source: &Dataset, outcome: Outcome, context: &Context) -> Outcome {
    let warnings = source.around().warnings("are not restored");
    if warnings.is_empty() {
        return outcome;
    }
    warnings.iter().for_each(|warning| context.printer.say(&format!("warning: {warning}")));
    let status = outcome.status.and(around(source));
    Outcome { status, ..outcome }.field("warnings", &warnings)
}

/// Whether something is odd about a file, which the verdict of an answer has to say as well.
pub fn around(source: &Dataset) -> Status {
    if source.around().warnings("").is_empty() { Status::Ok } else { Status::Warning }
}

/// Which key has opened an encrypted backup, in words.
pub fn opened_by(source: &Dataset) -> Option<String> {
    source.opened_by().map(|key| format!("the backup was encrypted; {key} opened it"))
}

/// Adds the key that has opened an encrypted backup.
pub fn with_key(outcome: Outcome, source: &Dataset) -> Outcome {
    match source.opened_by() {
        Some(key) => outcome.field("opened_by", key.as_str()),
        None => outcome,
    }
}

/// What was looked at for a plan, line by line.
pub fn lines(plan: &Plan, keys: Keys, printer: &Printer) -> String {
    table_of(plan, keys).render(printer)
}

fn table_of(plan: &Plan, keys: Keys) -> Table {
    let mut table = Table::new(&["", "check", "what"]);
    for line in &plan.lines {
        let (style, word) = match line.level {
            Level::Ok => (Style::Green, "ok"),
            Level::Unknown => (Style::Yellow, "unknown"),
            Level::Warning => (Style::Yellow, "warning"),
            Level::Refused => (Style::Red, "refused"),
        };
        let mut text = words::escape_lines(&line.text) + &names(&line.keys, keys);
        if let Some(flag) = line.flag {
            text.push_str(&format!(" ({flag})"));
        }
        table.painted_row(style, [word.to_owned(), line.code.to_owned(), text]);
    }
    table
}

/// The plan, line by line, and the verdict; `foreseen`: how the restore ends, as far as the plan knows.
pub fn plan(plan: &Plan, sides: &Sides, foreseen: Status, keys: Keys, printer: &Printer) -> String {
    let named = |about: &[FailedKey]| names(about, keys);
    let (status, sentence) = plan.sentence(&sides.backup, &sides.target, foreseen, named);
    let verdict = verdict(printer, status, &words::escape_lines(&sentence));
    format!("{}\n\n{verdict}", tables(plan, keys, printer))
}

/// The plan of a restore that goes on: it is no verdict yet.
pub fn plan_of_run(plan: &Plan, sides: &Sides, foreseen: Status, keys: Keys, printer: &Printer) -> String {
    let (_, sentence) = plan.sentence(&sides.backup, &sides.target, foreseen, |about| names(about, keys));
    let sentence = sentence.replacen(" would be restored ", " is restored ", 1);
    format!("{}\n\nplan: {}", tables(plan, keys, printer), words::escape_lines(&sentence))
}

fn tables(plan: &Plan, keys: Keys, printer: &Printer) -> String {
    let mut methods = Table::new(&["method", "time", "why not"]).numbers(&[1]);
    for candidate in &plan.methods {
        let flag = candidate.flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
        let against = candidate.against.as_deref().map(words::escape_lines).unwrap_or_default();
        methods.row([candidate.method.name().to_owned(), candidate.time(), against + &flag]);
    }
    format!("{}\n\n{}", lines(plan, keys, printer), methods.render(printer))
}

/// What was done, and what there is to say about single keys; the verdict is [`Report::sentence`].
pub fn report(report: &Report, context: &Context) -> String {
    let mut table = Table::pairs();
    for (name, number) in report.counts() {
        table.row([name.to_owned(), words::count(number)]);
    }
    let mut text = table.render(&context.printer);
    for key in report.named().take(NAMED_BELOW) {
        let name = context.keys.show(&key.name());
        text.push_str(&format!("\n  {name} (database {}): {}", key.database, words::escape_lines(&key.reason)));
    }
    for remark in report.remarks() {
        text.push_str(&format!("\n  {}", words::escape_lines(&remark)));
    }
    text
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
