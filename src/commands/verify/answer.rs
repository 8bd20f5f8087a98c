//! What a verification found, and how it is shown: for people, as JSON, as JUnit's XML, as a line for Nagios.

use chrono::Utc;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::junit::{self, Case};
use crate::commands::nagios::{self, Number};
use crate::commands::outcome::Format;
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome};
use crate::explain::Status;
use crate::finding::{Finding, Severity};
use crate::printer::words::{self, Keys};
use crate::printer::{Printer, Style};

/// The answer, in all its forms.
pub struct Answer {
    /// Yes, no, or could not tell.
    pub status: Status,
    pub sentence: String,
    /// Tables and words above it, for people.
    pub text: Vec<String>,
    /// Fields of the JSON answer.
    pub fields: Map<String, Value>,
    /// For CI: one per question.
    pub cases: Vec<Case>,
    /// Numbers for monitoring.
    pub numbers: Vec<Number>,
    /// Where the backup is; `None`: it is a file.
    pub repository: Option<String>,
}

impl Answer {
    /// An answer of one line.
    pub fn new(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            text: Vec::new(),
            fields: Map::new(),
            cases: Vec::new(),
            numbers: Vec::new(),
            repository: None,
        }
    }

    /// Adds a field to the JSON object.
    pub fn field(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("results are made of what JSON can say");
        self.fields.insert(name.to_owned(), value);
    }

    /// Adds a question of its own, and its answer: the worse of all counts.
    pub fn case(&mut self, class: &str, name: impl Into<String>, status: Status, sentence: &str, details: String) {
        self.cases.push(Case {
            class: class.to_owned(),
            name: name.into(),
            verdict: status.into(),
            // That a case is good says enough.
            sentence: if status == Status::Ok { String::new() } else { sentence.to_owned() },
            details,
        });
    }

    /// In the format that was asked for.
    pub fn into_outcome(self, context: &Context) -> Outcome {
        let text = match context.format {
            Format::Nagios => nagios::line(self.status, &self.sentence, &self.numbers),
            Format::Junit => {
                let time = (Utc::now() - context.now).to_std().unwrap_or_default();
                junit::document("redis-ops verify", &self.cases, Some(time))
            }
            // The verdict is the answer; the rest of it is what `--quiet` spares.
            _ if context.printer.choices().quiet && self.status == Status::Ok => {
                verdict(&context.printer, self.status, &self.sentence)
            }
            _ => {
                let mut text = self.text;
                text.push(verdict(&context.printer, self.status, &self.sentence));
                text.join("\n\n")
            }
        };
        let mut outcome = Outcome::new(self.status).text(text).headline(self.sentence, self.repository);
        outcome.fields = self.fields;
        outcome
    }
}

/// Puts a hash in the place of the names of keys, where they are to be hidden.
pub fn hide_keys(findings: &mut [Finding], keys: Keys) {
    for named in findings.iter_mut().filter_map(|finding| finding.evidence.get_mut("first")) {
        keys.hide(named);
    }
}

/// Findings as a table; `None` where there are none. On a terminal what they rest on stands below each of them, long values cut;
/// in a pipe a finding is one line.
pub fn findings_table(findings: &[Finding], printer: &Printer) -> Option<String> {
    let headings = ["severity", "finding", "what", "evidence"];
    let mut table = Table::new(if printer.width().is_some() { &headings[..3] } else { &headings });
    for finding in findings {
        let (word, style) = match finding.severity {
            Severity::Critical => ("critical", Style::Red),
            Severity::Warning => ("warning", Style::Yellow),
            Severity::Info => ("info", Style::Dim),
        };
        let title = words::escape(finding.title.as_bytes());
        let evidence = finding.evidence.iter().map(|(name, value)| {
            // A place in a file is typed into other tools as it stands; what is counted is read.
            if let Some(named) = value.as_array() {
                return format!("{name} {}", names(named));
            }
            let counted = value.as_u64().filter(|_| name != "offset").map(words::count);
            let value = counted.unwrap_or_else(|| words::escape(plain(value).as_bytes()));
            let value = printer.width().map_or(value.clone(), |width| words::shorten(&value, usize::from(width) / 2));
            format!("{name} {value}")
        });
        let evidence: Vec<String> = evidence.collect();
        let (word, id) = (word.to_owned(), finding.id.clone());
        match printer.width() {
            Some(_) if evidence.is_empty() => table.painted_row(style, [word, id, title]),
            Some(_) => table.painted_row(style, [word, id, format!("{title}\n{}", evidence.join("\n"))]),
            None => table.painted_row(style, [word, id, title, evidence.join(", ")]),
        }
    }
    (!table.is_empty()).then(|| table.render(printer))
}

/// Findings as lines, for CI.
pub fn findings_lines(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let evidence: Vec<String> =
            finding.evidence.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        format!("{}: {} ({})", finding.id, finding.title, evidence.join(", "))
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The first that are named, for people: `cart:5 (db 0)`, and what is odd where that says more.
fn names(named: &[Value]) -> String {
    let name = |named: &Value| {
        let key = named["key"].as_str().map(|key| words::escape(key.as_bytes())).unwrap_or_default();
        let numbers = match named["numbers"].as_array().map(Vec::as_slice) {
            Some([announced, found]) if found.as_u64() != Some(0) => format!(": {announced}, not {found}"),
            _ => String::new(),
        };
        match (named["database"].as_u64(), named["library"].as_str()) {
            (Some(database), _) => format!("{key} (db {database}){numbers}"),
            (None, Some(library)) => format!("{}{numbers}", words::escape(library.as_bytes())),
            (None, None) => format!("byte {}{numbers}", named["offset"]),
        }
    };
    let shown: Vec<String> = named.iter().take(3).map(name).collect();
    format!("{}{}", shown.join(", "), if named.len() > 3 { ", …" } else { "" })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
