//! JUnit's XML, as CI systems read it: a suite of cases, each good, failed or impossible to tell.

use crate::explain::Status;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it is about: an instance.
    pub class: String,
    /// What was asked.
    pub name: String,
    /// The answer. A warning is good, and its words are kept.
    pub status: Status,
    /// One line.
    pub sentence: String,
    /// More lines; may be empty.
    pub details: String,
}

/// The document. `seconds` is the time of all.
pub fn document(suite: &str, cases: &[Case], seconds: f64) -> String {
    let count = |status| cases.iter().filter(|case| case.status == status).count();
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\"",
        cases.len(),
        count(Status::Failed),
        count(Status::Unknown),
    );
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites {totals}>\n"));
    text.push_str(&format!("  <testsuite name=\"{}\" {totals}>\n", escape(suite)));
    for case in cases {
        let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escape(&case.class), escape(&case.name));
        let message = escape(&case.sentence);
        let details = escape(&case.details);
        match case.status {
            Status::Ok => text.push_str(&format!("{head}/>\n")),
            Status::Warning => {
                let out = if details.is_empty() { message } else { format!("{message}\n{details}") };
                text.push_str(&format!("{head}>\n      <system-out>{out}</system-out>\n    </testcase>\n"));
            }
            Status::Failed => text.push_str(&format!(
                "{head}>\n      <failure message=\"{message}\">{details}</failure>\n    </testcase>\n"
            )),
            Status::Unknown => text
                .push_str(&format!("{head}>\n      <error message=\"{message}\">{details}</error>\n    </testcase>\n")),
        }
    }
    text.push_str("  </testsuite>\n</testsuites>");
    text
}

/// Text for an attribute or between tags. XML 1.0 has no way to write most control characters: they are shown escaped.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, status: Status, sentence: &str) -> Case {
        Case { class: "a<b".into(), name: name.into(), status, sentence: sentence.into(), details: String::new() }
    }

    #[test]
    fn what_failed_and_what_nobody_knows_are_told_apart() {
        let cases = [
            case("one", Status::Ok, "good"),
            case("two", Status::Failed, "3 \"missing\" & more"),
            case("three", Status::Unknown, "newer\u{1}"),
            case("four", Status::Warning, "no checksum"),
        ];
        let text = document("verify", &cases, 1.5);
        for part in [
            "<testsuite name=\"verify\" tests=\"4\" failures=\"1\" errors=\"1\" time=\"1.500\">",
            "<testcase classname=\"a&lt;b\" name=\"one\"/>",
            "<failure message=\"3 &quot;missing&quot; &amp; more\"></failure>",
            "<error message=\"newer\\u{1}\"></error>",
            "<system-out>no checksum</system-out>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
