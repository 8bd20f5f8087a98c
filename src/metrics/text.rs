//! Prometheus' text format: families in the order in which they were first named, each with one TYPE.

use std::fmt::Write as _;

/// A text in the making.
#[derive(Debug, Default)]
pub struct Text {
    families: Vec<Family>,
}

#[derive(Debug)]
struct Family {
    name: String,
    kind: &'static str,
    help: String,
    samples: String,
}

impl Text {
    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, "gauge", help, &[], value);
    }

    /// A sample; the first of its name says of which kind the family is.
    pub fn sample(&mut self, name: &str, kind: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        let at = self.families.iter().position(|family| family.name == name).unwrap_or_else(|| {
            let family = Family { name: name.to_owned(), kind, help: help.to_owned(), samples: String::new() };
            self.families.push(family);
            self.families.len() - 1
        });
        write_sample(&mut self.families[at].samples, name, labels, value);
    }

    /// A `_sum` or `_count` of a family that has a sample already.
    pub fn part(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: f64) {
        if let Some(family) = self.families.iter_mut().find(|family| family.name == name) {
            write_sample(&mut family.samples, &format!("{name}{suffix}"), labels, value);
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        let mut text = String::new();
        for family in self.families {
            let Family { name, kind, help, samples } = family;
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"));
        }
        text
    }
}

/// Backslash, quote and line end as the format asks for it. Other control characters, which a terminal would obey, are spelt out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => safe.push_str("\\\\"),
            '"' => safe.push_str("\\\""),
            '\n' => safe.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(safe, "\\\\x{:02x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

fn write_sample(samples: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    samples.push_str(name);
    for (at, (label, text)) in labels.iter().enumerate() {
        samples.push_str(if at == 0 { "{" } else { "," });
        let _ = write!(samples, "{label}=\"{}\"", escaped(text));
    }
    if !labels.is_empty() {
        samples.push('}');
    }
    let _ = writeln!(samples, " {value}");
}
