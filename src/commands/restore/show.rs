//! A plan and a report as people read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::again::Again;
use crate::commands::Context;
use crate::commands::table::{Table, verdict};
use crate::explain::{Failure, Fault, Hint, Interrupted, Status};
use crate::printer::words::{self, Keys};
use crate::printer::{Printer, Style};
use crate::restore::plan::Refused;
use crate::restore::replica::Left;
use crate::restore::shortfall::{Lead, Shortfall};
use crate::restore::tally::FailedKey;
use crate::restore::{Asked, BackupFacts, Ended, Level, Method, Plan, Report, TargetFacts};

/// Names that are shown in a sentence.
const NAMED: usize = 3;

/// The name of a key, or what stands for it with `--hide-keys`.
fn name_of(key: &FailedKey, keys: Keys) -> String {
    let bytes = key.key_b64.as_ref().and_then(|text| STANDARD.decode(text).ok());
    keys.show(bytes.as_deref().unwrap_or(key.key.as_bytes()))
}

/// ` (`a`, `b`, …)` or nothing.
fn names(keys: &[FailedKey], shown: Keys) -> String {
    let names: Vec<String> = keys.iter().take(NAMED).map(|key| format!("`{}`", name_of(key, shown))).collect();
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
    fn hide(value: &mut Value, keys: Keys) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| hide(item, keys)),
            // As a `FailedKey` is written.
            Value::Object(fields) if fields.contains_key("key") && fields.contains_key("reason") => {
                if let Ok(key) = FailedKey::deserialize(&Value::Object(fields.clone())) {
                    fields.remove("key_b64");
                    fields.insert("key".to_owned(), name_of(&key, keys).into());
                }
            }
            Value::Object(fields) => fields.values_mut().for_each(|field| hide(field, keys)),
            _ => {}
        }
    }
    let mut json = serde_json::to_value(value).expect("plans and results are made of what JSON can say");
    if context.keys == Keys::Hidden {
        hide(&mut json, context.keys);
    }
    json
}

/// The plan, line by line, and the verdict.
pub fn plan(plan: &Plan, backup: &BackupFacts, target: &TargetFacts, keys: Keys, printer: &Printer) -> String {
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
    let mut methods = Table::new(&["method", "takes", "against it"]).numbers(&[1]);
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
            (Status::Failed, format!("the restore is refused: {}{names}", words::escape_lines(&line.text)))
        }
        (None, Some(method)) => {
            let into = format!("{} goes into {} by `{}`", backup.name, target.address, method.name());
            (Status::Ok, format!("{into}: {}", plan.why))
        }
        (None, None) => (Status::Failed, plan.why.clone()),
    };
    let verdict = verdict(printer, status, &sentence);
    format!("{}\n\n{}\n\n{verdict}", table.render(printer), methods.render(printer))
}

/// What was done, and the verdict.
pub fn report(report: &Report, proof: bool, context: &Context) -> String {
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
    row("temporary keys of the interrupted run, removed", tally.leftovers);
    row("evicted meanwhile", report.evicted().unwrap_or(0));
    if let Some(taken) = &report.taken_back {
        row("taken back", taken.removed);
        row("left: changed since", taken.left);
    }
    let mut text = table.render(&context.printer);
    for key in
        tally.failures.iter().chain(&tally.lost_keys).chain(&tally.rebuilt_keys).chain(&tally.overwritten_keys).take(10)
    {
        let name = name_of(key, context.keys);
        text.push_str(&format!("\n  {name} (database {}): {}", key.database, words::escape_lines(&key.reason)));
    }
    for setting in report.fed.iter().flat_map(|fed| &fed.not_put_back) {
        text.push_str(&format!("\n  a setting of the target could not be put back: `CONFIG SET {setting}`"));
    }
    if let Some(why) = report.durable.why_not() {
        text.push_str(&format!("\n  not on disk: {}", words::escape_lines(why)));
    }
    let status = report.status();
    let by = format!("by method `{}` ", report.method.name());
    let keys = words::counted(tally.restored, "key");
    let time = words::span(std::time::Duration::from_secs_f64(report.seconds));
    let mut sentence = match (&report.ended, status) {
        (Ended::Complete, Status::Warning) if report.chose_nothing() => {
            let in_backup = words::counted(tally.skipped_by_choice, "key");
            format!(
                "nothing was restored: of {in_backup} in the backup none is what `--keys`, `--exclude`, `--db` and `--type` choose"
            )
        }
        (Ended::Complete, Status::Ok) => format!("{keys} restored {by}in {time}"),
        (Ended::Complete, Status::Warning) => format!("{keys} restored {by}in {time}; see above for the others"),
        (Ended::NotLoaded(_), _) => "not complete: what the target holds is said below".to_owned(),
        _ => format!("not complete: {keys} restored in {time}"),
    };
    if !proof && !report.chose_nothing() && matches!(status, Status::Ok | Status::Warning) {
        sentence.push_str("; the target was not compared with the backup (`--no-proof`)");
    }
    format!("{text}\n{}", verdict(&context.printer, status, &sentence))
}

/// Why the restore is not complete, if it is not, with the line that leads on.
pub fn failure(report: &Report, again: &Again<'_>) -> Option<Fault> {
    let Shortfall { code, message, lead } = report.shortfall()?;
    let resume = format!("`{}` goes on", again.resume(report.method));
    let after_feeding = |left: &Left, method| match left.leaves_it_free() {
        true => {
            let holds = report.after.is_none_or(|after| after.keys > 0);
            format!("`{}` begins anew", again.anew_by(method, holds))
        }
        false => format!("`{}` makes it a primary again", again.undo()),
    };
    let interrupted = |lead: Option<String>| {
        let words = lead.map_or(message.clone(), |lead| format!("{message}; {lead}"));
        Some(Fault::from(Interrupted).context(words))
    };
    let hint: Hint = match lead {
        Lead::InterruptedAt { resumable } => return interrupted(resumable.then_some(resume)),
        Lead::InterruptedFeed(left) => {
            return interrupted(Some(after_feeding(left, again.settings.options.method)));
        }
        Lead::Nothing => return Some(Failure::new(code, message).into()),
        Lead::Resume(None) => resume.into(),
        Lead::Resume(Some(first)) => first.and(format!("then {resume}")),
        Lead::First(hint) => hint,
        Lead::BeginAnew => Hint::BeginAnew.and(format!("`{}` begins anew", again.anew(true))),
        Lead::OverKeysOfOthers => {
            format!("somebody else has written them since: `{}` writes over them", again.anew(true)).into()
        }
        Lead::OverLibrariesOfOthers => {
            let line = again.anew(true);
            format!("somebody else has loaded them since: `{line}` loads those of the backup in their place").into()
        }
        Lead::KeyByKey(left) => {
            let line = after_feeding(left, Asked::Only(Method::Restore));
            let words = match left.primary {
                Some(true) => {
                    format!(
                        "what it was fed was verified before: its log says what it did not like; {line}, key by key"
                    )
                }
                _ => format!("the target's log says what happened; {line}"),
            };
            words.into()
        }
    };
    Some(Failure::new(code, message).hint(hint).into())
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
