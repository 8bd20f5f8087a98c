//! The end of every command: the JSON envelope, errors as people read them, and the exit status.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::junit::{self, Case};
use super::nagios;
use super::outcome::{Format, Outcome};
use super::page::{self, Answer};
use crate::explain::{Fault, Hint, Result, Status};
use crate::printer::words::{escape_lines, redact_urls};
use crate::printer::{Printer, Style};

/// Version of the JSON envelope. Fields are added without changing it.
pub const SCHEMA_VERSION: u32 = 1;

/// What a failure means, where the error itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command does something: not done is 2.
    Acts,
    /// The command answers a question: no answer is 3.
    Answers,
}

impl Kind {
    fn failure(self) -> Status {
        match self {
            Self::Acts => Status::Failed,
            Self::Answers => Status::Unknown,
        }
    }
}

/// Objects of a long list that are written at once.
const AT_ONCE: usize = 64;

/// Writes the objects of a list, each in lines of its own.
fn answer_objects(objects: &[Box<str>], printer: &Printer) -> io::Result<()> {
    for (index, some) in objects.chunks(AT_ONCE).enumerate() {
        let mut text = String::new();
        for (at, object) in some.iter().enumerate() {
            text.push_str(if index + at == 0 { "\n    " } else { ",\n    " });
            let object: Value = serde_json::from_str(object)?;
            text.push_str(&format!("{object:#}").replace('\n', "\n    "));
        }
        printer.answer(&text)?;
    }
    Ok(())
}

/// Which command ended, and how its answer is wanted.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Name of the command; `None`: the command line was not understood that far.
    pub command: Option<&'static str>,
    /// What a failure means.
    pub kind: Kind,
    /// The form of the answer.
    pub format: Format,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Whether a signal asked to stop: an error that follows is its consequence.
    pub interrupted: bool,
    /// A hint in the words of the command line.
    pub words: fn(&Hint) -> String,
    /// The file that the answer is written to as a page as well, see [`page::file::checked`]; `None`: no page is wanted.
    pub page: Option<PathBuf>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an answer.
    Status(Status),
    /// With the exit code of a program that was run for somebody.
    Of(u8),
    /// By a signal.
    Interrupted,
}

impl Envelope {
    /// Shows the result, and returns how the command ended. `now` is the end of `duration_seconds`.
    pub fn close(&self, result: Result<Outcome>, now: DateTime<Utc>, printer: &Printer) -> End {
        let mut outcome = result.unwrap_or_else(|error| Outcome::new(Status::Ok).error(error));
        outcome.error = outcome.error.map(|error| self.consequence_of_a_signal(error));
        let trouble = outcome.error.as_ref().map(|error| Trouble::of(error, self.words, printer));
        let status = match &trouble {
            Some(trouble) if !outcome.error_is_answer => {
                outcome.status.and(trouble.status.unwrap_or(self.kind.failure()))
            }
            _ => outcome.status,
        };
        let passed = outcome.exit.filter(|_| trouble.is_none());
        let interrupted = trouble.as_ref().is_some_and(|trouble| trouble.code == "interrupted");
        let written = match &self.page {
            Some(file) => self.write_page(file, &outcome, status, trouble.as_ref(), now),
            None => Ok(()),
        };

        if let Err(lost) = self.show(outcome, status, trouble.as_ref(), now, printer) {
            printer.trouble(&format!("error: cannot write the answer to stdout\n  Caused by: {lost}"));
            return End::Status(status.and(self.kind.failure()));
        }
        match (&self.page, &written) {
            (Some(file), Ok(())) => printer.say(&escape_lines(&format!("the page is in {}", file.display()))),
            (_, Err(error)) => printer.trouble(&Trouble::of(error, self.words, printer).render(printer)),
            (None, Ok(())) => {}
        }
        match passed {
            _ if interrupted => End::Interrupted,
            // The answer stands, and the page that was asked for does not.
            _ if written.is_err() => End::Status(status.and(Status::Unknown)),
            Some(code) => End::Of(code),
            None => End::Status(status),
        }
    }

    /// The status and the JSON answer, for those who are told how it ended.
    pub fn told(&self, result: &Result<Outcome>, now: DateTime<Utc>, printer: &Printer) -> (Status, String) {
        let (status, fields, error) = match result {
            Ok(outcome) => (outcome.status, outcome.fields.clone(), outcome.error.as_ref()),
            Err(error) => (Status::Ok, Map::new(), Some(error)),
        };
        let trouble = error.map(|error| Trouble::of(error, self.words, printer));
        let status = match &trouble {
            Some(trouble) => status.and(trouble.status.unwrap_or(self.kind.failure())),
            None => status,
        };
        (status, format!("{:#}\n", self.object(fields, status, trouble.as_ref(), now)))
    }

    fn consequence_of_a_signal(&self, error: Fault) -> Fault {
        if self.interrupted && error.code() != "interrupted" { error.after_a_signal() } else { error }
    }

    fn show(
        &self,
        outcome: Outcome,
        status: Status,
        trouble: Option<&Trouble>,
        now: DateTime<Utc>,
        printer: &Printer,
    ) -> io::Result<()> {
        match self.format {
            Format::Json if outcome.list.is_some() => {
                let Outcome { mut fields, list, .. } = outcome;
                let (name, objects) = list.unwrap_or_default();
                fields.shift_insert(0, name.to_owned(), Value::Array(Vec::new()));
                let text = format!("{:#}\n", self.object(fields, status, trouble, now));
                let place = format!("\n  \"{name}\": [");
                match text.split_once(&place) {
                    Some((before, behind)) if !objects.is_empty() => {
                        printer.answer(&format!("{before}{place}"))?;
                        answer_objects(&objects, printer)?;
                        printer.answer(&format!("\n  {behind}"))
                    }
                    _ => printer.answer(&text),
                }
            }
            Format::Json => printer.answer(&format!("{:#}\n", self.object(outcome.fields, status, trouble, now))),
            Format::Ndjson => {
                for lines in outcome.list.iter().flat_map(|(_, objects)| objects.chunks(AT_ONCE)) {
                    printer.answer(&(lines.join("\n") + "\n"))?;
                }
                for line in outcome.lines {
                    printer.answer(&format!("{line}\n"))?;
                }
                // An object a line is all there is, unless something went wrong: then the last line says so.
                match trouble {
                    Some(_) => printer.answer(&format!("{}\n", self.object(Map::new(), status, trouble, now))),
                    None => Ok(()),
                }
            }
            // Whoever asked for these reads stdout and nothing else.
            Format::Nagios if trouble.is_some() => {
                let line = nagios::line(status, &trouble.map_or_else(String::new, Trouble::sentence), &[]);
                printer.answer(&format!("{line}\n"))
            }
            Format::Junit if trouble.is_some() => {
                let command = self.command.unwrap_or("redis-ops");
                let case = Case {
                    class: command.to_owned(),
                    name: command.to_owned(),
                    verdict: status.into(),
                    sentence: trouble.map_or_else(String::new, Trouble::sentence),
                    details: trouble.and_then(|trouble| trouble.hint.clone()).unwrap_or_default(),
                };
                printer.answer(&format!("{}\n", junit::document(&format!("redis-ops {command}"), &[case], None)))
            }
            _ => {
                if !outcome.text.is_empty() {
                    printer.answer(&format!("{}\n", outcome.text.trim_end_matches('\n')))?;
                }
                if let Some(trouble) = trouble {
                    printer.trouble(&trouble.render(printer));
                }
                Ok(())
            }
        }
    }

    fn write_page(
        &self,
        file: &Path,
        outcome: &Outcome,
        status: Status,
        trouble: Option<&Trouble>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let Value::Object(object) = self.object(outcome.fields.clone(), status, trouble, now) else { return Ok(()) };
        let list = outcome.list.as_ref().map(|(_, objects)| objects.as_slice()).unwrap_or_default();
        page::file::write(file, &page::page(&Answer { object: &object, list, headline: outcome.headline.as_ref() }))
    }

    fn object(
        &self,
        fields: Map<String, Value>,
        status: Status,
        trouble: Option<&Trouble>,
        now: DateTime<Utc>,
    ) -> Value {
        let milliseconds = (now - self.started_at).num_milliseconds().max(0);
        let mut object = Map::new();
        object.insert("schema_version".into(), SCHEMA_VERSION.into());
        object.insert("command".into(), self.command.into());
        object.insert("status".into(), json!(status));
        object.insert("tool_version".into(), env!("CARGO_PKG_VERSION").into());
        object.insert("started_at".into(), crate::times::text(self.started_at).into());
        object.insert("duration_seconds".into(), (milliseconds as f64 / 1000.0).into());
        object.extend(fields);
        if let Some(trouble) = trouble {
            object.insert("error".into(), trouble.json());
        }
        Value::Object(object)
    }
}

/// An error, ready to be shown.
struct Trouble {
    code: &'static str,
    status: Option<Status>,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Trouble {
    /// The message and its causes in one line.
    fn sentence(&self) -> String {
        let mut words = vec![self.message.as_str()];
        words.extend(self.causes.iter().map(String::as_str));
        words.join(": ")
    }

    fn of(error: &Fault, words: fn(&Hint) -> String, printer: &Printer) -> Self {
        let meaning = error.meaning();
        let mut messages: Vec<String> = Vec::new();
        for cause in error.chain() {
            let message = printer.without_secrets(&redact_urls(&cause.to_string()));
            // Some libraries put their cause into their own words and give it as the cause too.
            if !messages.last().is_some_and(|last| last.ends_with(&message)) {
                messages.push(message);
            }
        }
        let message = messages.remove(0);
        Self {
            code: meaning.code,
            status: meaning.status,
            message,
            causes: messages,
            hint: meaning.hint.as_ref().map(words),
        }
    }

    fn json(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "causes": self.causes, "hint": self.hint })
    }

    fn render(&self, printer: &Printer) -> String {
        let mut text = format!("{} {}", printer.paint_trouble(Style::Red, "error:"), escape_lines(&self.message));
        for cause in &self.causes {
            text.push_str(&format!("\n  Caused by: {}", escape_lines(cause)));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n\n{} {}", printer.paint_trouble(Style::Green, "hint:"), escape_lines(hint)));
        }
        text
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
