//! What a command found, before it becomes text, JSON or an exit code.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::explain::{Fault, Status};

/// The form of the answer on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    Table,
    /// One JSON object.
    Json,
    /// JSON objects, one a line.
    Ndjson,
    /// One line for Nagios and its kin.
    Nagios,
    /// Prometheus' text format.
    Prometheus,
    /// JUnit's XML, for CI.
    Junit,
}

impl Format {
    /// Whether errors belong into the answer.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson)
    }

    /// The format as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Nagios => "nagios",
            Self::Prometheus => "prometheus",
            Self::Junit => "junit",
        }
    }
}

/// What a page says above the answer, and JSON in other words or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// The verdict, as the last line of the answer for people says it.
    pub sentence: String,
    /// The repository; for an answer that does not say of itself what it is about, the backup or the file; `None`: neither was read.
    pub place: Option<String>,
}

/// What a command found. Beside an error there may be results: a restore that stopped halfway says what the target holds.
#[derive(Debug)]
pub struct Outcome {
    /// The answer; where there is an error, the worse of the two counts.
    pub status: Status,
    /// What the command adds to the JSON object, in this order.
    pub fields: Map<String, Value>,
    /// A long list: its name, and its objects as text, which takes a fifth of the memory. It is the first of the fields, and in `ndjson`
    /// a line each.
    pub list: Option<(&'static str, Vec<Box<str>>)>,
    /// For `ndjson`: the objects, one a line.
    pub lines: Vec<Value>,
    /// The answer in the format that was asked for, unless that is JSON. Ends with the verdict line; empty: nothing to say.
    pub text: String,
    /// What a page says above the answer.
    pub headline: Option<Headline>,
    /// What went wrong, if something did.
    pub error: Option<Fault>,
    /// The error is what the answer tells, and changes nothing about its status.
    pub error_is_answer: bool,
    /// The exit code of a command that was run for somebody, in place of that of the status.
    pub exit: Option<u8>,
}

impl Outcome {
    /// An answer without a word.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            fields: Map::new(),
            list: None,
            lines: Vec::new(),
            text: String::new(),
            headline: None,
            error: None,
            error_is_answer: false,
            exit: None,
        }
    }

    /// Adds a field to the JSON object.
    ///
    /// # Panics
    /// Where the value cannot be JSON: a map whose keys are no strings.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("results are made of what JSON can say");
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Adds several fields to the JSON object, in their order.
    #[must_use]
    pub fn with_all(mut self, fields: Map<String, Value>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Sets the answer for people, or in another format that is text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Says in one sentence what the answer is, for a page, and where that was found.
    #[must_use]
    pub fn headline(mut self, sentence: impl Into<String>, place: Option<String>) -> Self {
        self.headline = Some(Headline { sentence: sentence.into(), place });
        self
    }

    /// Puts text before the answer for people.
    #[must_use]
    pub fn above(mut self, text: &str) -> Self {
        self.text.insert_str(0, text);
        self
    }

    /// Passes an exit code of another program through.
    #[must_use]
    pub fn exits_with(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// Says what went wrong beside the results.
    #[must_use]
    pub fn error(mut self, error: Fault) -> Self {
        self.error = Some(error);
        self
    }

    /// Tells of an error that is what was asked for: that the server is down, where the question was whether it is up.
    #[must_use]
    pub fn telling(mut self, error: Fault) -> Self {
        self.error_is_answer = true;
        self.error(error)
    }
}
