//! JUnit's XML, as CI systems read it: a suite of cases, each good, failed, impossible to tell, or skipped.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::explain::Status;
use crate::printer::words::escape_lines;

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Good. Words that come with it are kept: a warning is good.
    Good,
    Failed,
    /// Could not tell.
    Unknown,
    /// Not looked at.
    Skipped,
}

impl From<Status> for Verdict {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok | Status::Warning => Self::Good,
            Status::Failed => Self::Failed,
            Status::Unknown => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it is about: an instance. May be empty.
    pub class: String,
    /// What was asked.
    pub name: String,
    pub verdict: Verdict,
    /// The answer in one line; may be empty where it is good.
    pub sentence: String,
    /// More lines; may be empty.
    pub details: String,
}

/// The document. `time` is that of all; `None`: not known.
pub fn document(suite: &str, cases: &[Case], time: Option<Duration>) -> String {
    let mut all = TestSuite::new(suite);
    all.time = time;
    all.add_test_cases(cases.iter().map(of_case));
    let mut report = Report::new(suite);
    report.time = time;
    report.add_test_suite(all);
    report.to_string().expect("XML of text that has no control characters is written to memory").trim_end().to_owned()
}

fn of_case(case: &Case) -> TestCase {
    // XML 1.0 has no way to write most control characters: they are shown escaped.
    let (sentence, details) = (escape_lines(&case.sentence), escape_lines(&case.details));
    let mut status = match case.verdict {
        Verdict::Good => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    // Of a good case there is no message: its words stand in `system-out`.
    let said = [sentence.as_str(), details.as_str()].into_iter().filter(|words| !words.is_empty());
    let said = said.collect::<Vec<_>>().join("\n");
    if case.verdict != Verdict::Good {
        status.set_message(sentence);
        if !details.is_empty() {
            status.set_description(details);
        }
    }
    let mut written = TestCase::new(escape_lines(&case.name), status);
    if !case.class.is_empty() {
        written.set_classname(escape_lines(&case.class));
    }
    if case.verdict == Verdict::Good && !said.is_empty() {
        written.set_system_out(said);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, verdict: Verdict, sentence: &str) -> Case {
        Case { class: "a<b".into(), name: name.into(), verdict, sentence: sentence.into(), details: String::new() }
    }

    #[test]
    fn what_failed_and_what_nobody_knows_are_told_apart() {
        let cases = [
            case("one", Verdict::Good, ""),
            case("two", Verdict::Failed, "3 \"missing\" & more"),
            case("three", Verdict::Unknown, "newer\u{1}"),
            case("four", Verdict::from(Status::Warning), "no checksum"),
            case("five", Verdict::Skipped, "not asked"),
        ];
        let text = document("verify", &cases, Some(Duration::from_millis(1500)));
        for part in [
            "<testsuite name=\"verify\" tests=\"5\" skipped=\"1\" errors=\"1\" failures=\"1\" time=\"1.500\">",
            "<testcase name=\"one\" classname=\"a&lt;b\"/>",
            "<failure message=\"3 &quot;missing&quot; &amp; more\"/>",
            "<error message=\"newer\\u{1}\"/>",
            "<system-out>no checksum</system-out>",
            "<skipped message=\"not asked\"/>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
