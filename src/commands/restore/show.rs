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
use crate::restore::plan::{Refused, chosen_none};
use crate::restore::tally::FailedKey;
use crate::restore::{Ended, Level, Plan, Report};

/// Names that are shown in a sentence.
const NAMED: usize = 3;

/// ` (`a`, `b`, …)` or nothing.
fn names(keys: &[FailedKey], shown: Keys) -> String {
    let names: Vec<String> = keys.iter().take(NAMED).map(|key| format!("`{}`", shown.show(&key.name()))).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" ({}{})", names.join(", "), if keys.len() > NAMED { ", …" } else { "" }),
    }
}

/// A refusal whose text names the keys that it is about.
pub fn with_names(mut refused: Refused, context: &Context) -> Refused {
    refused.text.push_str(&names(&std::mem::take(&mut refused.keys), context.keys));
    refused
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
    let status = outcome.status.and(Status::Warning);
    Outcome { status, ..outcome }.field("warnings", &warnings)
}

/// The plan, line by line, and the verdict; `foreseen`: how the restore ends, as far as the plan knows.
pub fn plan(plan: &Plan, sides: &Sides, foreseen: Status, keys: Keys, printer: &Printer) -> String {
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
    let mut methods = Table::new(&["method", "time", "why not"]).numbers(&[1]);
    for candidate in &plan.methods {
        let seconds = match candidate.seconds {
            None => "?".to_owned(),
            Some(seconds) if seconds < 1.0 => "under 1 s".to_owned(),
            Some(seconds) if seconds < 59.5 => format!("about {seconds:.0} s"),
            Some(seconds) => {
                let time = std::time::Duration::try_from_secs_f64(seconds).unwrap_or(std::time::Duration::MAX);
                format!("about {}", words::span(time))
            }
        };
        let flag = candidate.flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
        let against = candidate.against.as_deref().map(words::escape_lines).unwrap_or_default();
        methods.row([candidate.method.name().to_owned(), seconds, against + &flag]);
    }
    let (status, sentence) = match (plan.refusal(), plan.method) {
        (Some(line), _) => {
            let names = names(&line.keys, keys);
            let why = words::escape_lines(&line.text);
            (Status::Failed, format!("{} does not go into {}: {why}{names}", sides.backup, sides.target))
        }
        (None, Some(method)) => {
            let into = format!("{} goes into {} by `{}`", sides.backup, sides.target, method.name());
            let warned =
                if foreseen == Status::Warning { "; not all of it as it is in the backup: see above" } else { "" };
            (foreseen, format!("{into}: {}{warned}", plan.why))
        }
        (None, None) => (Status::Failed, format!("{} does not go into {}: {}", sides.backup, sides.target, plan.why)),
    };
    let verdict = verdict(printer, status, &sentence);
    format!("{}\n\n{}\n\n{verdict}", table.render(printer), methods.render(printer))
}

/// What was done, and the verdict.
pub fn report(report: &Report, sides: &Sides, proof: bool, context: &Context) -> String {
    let tally = &report.tally;
    let mut table = Table::pairs();
    let mut row = |name: &str, keys: u64| {
        if keys > 0 {
            table.row([name.to_owned(), words::count(keys)]);
        }
    };
    row("in the backup", report.in_backup.unwrap_or(0));
    row("restored", tally.restored);
    row("left: they were there", tally.skipped_existing);
    row("of those left, written by others meanwhile", tally.written_meanwhile);
    row("left by choice", tally.skipped_by_choice);
    row("expired", tally.expired);
    row("of those expired, restored before", report.expired_since);
    row("failed", tally.failed);
    row("lost", tally.lost);
    row("of those restored, lost in part", report.lost_in_part);
    row("of those restored, rebuilt", tally.rebuilt);
    row("of those restored, written over another value", tally.overwritten);
    row("records of modules lost", report.lost_module_data);
    row("bytes behind the end of the RDB, left out", report.trailing_bytes);
    row("not known", tally.unknown);
    row("not reached", if matches!(report.ended, Ended::NotLoaded(_)) { 0 } else { report.not_reached().unwrap_or(0) });
    row("functions", tally.functions.restored);
    row("function libraries left", tally.functions.skipped);
    row("temporary keys of the interrupted run, removed", tally.leftovers);
    let evicted = report.evicted().unwrap_or(0);
    row(if report.was_empty { "of those restored, evicted meanwhile" } else { "evicted meanwhile" }, evicted);
    if let Some(taken) = &report.taken_back {
        row("taken back", taken.removed);
        row("left: changed since", taken.left);
    }
    let mut text = table.render(&context.printer);
    let named = tally.failures.iter().chain(&tally.lost_keys).chain(&tally.rebuilt_keys);
    for key in named.chain(&tally.overwritten_keys).chain(&tally.written_meanwhile_keys).take(10) {
        let name = context.keys.show(&key.name());
        text.push_str(&format!("\n  {name} (database {}): {}", key.database, words::escape_lines(&key.reason)));
    }
    for setting in report.fed.iter().flat_map(|fed| &fed.not_put_back) {
        text.push_str(&format!("\n  a setting of the target could not be put back: `CONFIG SET {setting}`"));
    }
    if report.others_wrote == Some(true) {
        text.push_str("\n  others wrote to the target during the restore");
    }
    if let Some(why) = report.durable.why_not() {
        text.push_str(&format!("\n  not on disk: {}", words::escape_lines(why)));
    }
    let status = report.status();
    let by = format!("by method `{}` ", report.method.name());
    let Sides { backup, target, .. } = sides;
    let keys = words::counted(tally.restored, "key");
    let time = words::span(std::time::Duration::from_secs_f64(report.seconds));
    let mut sentence = match (&report.ended, status) {
        (Ended::Complete, Status::Unknown) => format!("nothing was restored: {}", chosen_none(tally.skipped_by_choice)),
        (Ended::Complete, Status::Ok) => format!("{keys} of {backup} restored into {target} {by}in {time}"),
        (Ended::Complete, Status::Warning) => {
            format!("{keys} of {backup} restored into {target} {by}in {time}; see above for the others")
        }
        (Ended::NotLoaded(_), _) => "not complete: what the target holds is said below".to_owned(),
        (Ended::Complete, _) if report.evicted().is_some_and(|keys| keys > 0) => {
            let evicted = words::count(report.evicted().unwrap_or(0));
            format!("not complete: the target took {keys}, and threw {evicted} away to make room")
        }
        _ if report.taken_back.is_some() => "not complete: what was restored is taken back".to_owned(),
        _ => format!("not complete: {keys} of {backup} restored into {target} in {time}"),
    };
    if !proof && matches!(status, Status::Ok | Status::Warning) {
        sentence.push_str("; the target was not compared with the backup (`--no-proof`)");
    }
    format!("{text}\n{}", verdict(&context.printer, status, &sentence))
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
