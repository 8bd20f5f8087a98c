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

/// The same numbers as OpenMetrics 1.0: there a counter is named without its `_total`, one without it is none, a quantile lies between 0
/// and 1, and the text says that it is whole.
pub fn openmetrics(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut help = String::new();
    let mut is_summary = false;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            // Of which kind it is stands in the next line.
            (Some("#"), Some("HELP"), Some(_), Some(said)) => said.clone_into(&mut help),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (name, kind) = match (kind, name.strip_suffix("_total")) {
                    ("counter", Some(name)) => (name, kind),
                    ("counter", None) => (name, "unknown"),
                    _ => (name, kind),
                };
                is_summary = kind == "summary";
                let _ = writeln!(lines, "# HELP {name} {help}\n# TYPE {name} {kind}");
            }
            _ => {
                let _ = match is_summary.then(|| with_quantile(line)).flatten() {
                    Some(line) => writeln!(lines, "{line}"),
                    None => writeln!(lines, "{line}"),
                };
            }
        }
    }
    lines.push_str("# EOF\n");
    lines
}

/// A sample of a summary with its percentile as a share of 1: redis_exporter calls the quantile 0.999 `99.9`.
fn with_quantile(line: &str) -> Option<String> {
    const LABEL: &str = "quantile=\"";
    // A quote within a label is escaped: these words stand nowhere else.
    let (before, rest) = line.split_at(line.rfind(LABEL)? + LABEL.len());
    let (percentile, behind) = rest.split_once('"')?;
    let quantile = (percentile.parse::<f64>().ok()? * 1e6).round() / 1e8;
    Some(format!("{before}{quantile:?}\"{behind}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_names_counters_without_total_and_says_that_it_is_whole() {
        let mut text = Text::default();
        text.gauge("redis_up", "Whether the server answers.", 1.0);
        text.sample("redis_commands_processed_total", "counter", "Commands.", &[], 5.0);
        text.sample("redis_total_error_replies", "counter", "Error replies.", &[], 2.0);
        let labels = [("cmd", "get"), ("quantile", "99.9")];
        text.sample("redis_latency_percentiles_usec", "summary", "Latencies.", &labels, 7.0);
        text.part("redis_latency_percentiles_usec", "_count", &labels[..1], 3.0);
        let expected = "# HELP redis_up Whether the server answers.\n# TYPE redis_up gauge\nredis_up 1\n\
            # HELP redis_commands_processed Commands.\n# TYPE redis_commands_processed counter\nredis_commands_processed_total 5\n\
            # HELP redis_total_error_replies Error replies.\n# TYPE redis_total_error_replies unknown\nredis_total_error_replies 2\n\
            # HELP redis_latency_percentiles_usec Latencies.\n# TYPE redis_latency_percentiles_usec summary\n\
            redis_latency_percentiles_usec{cmd=\"get\",quantile=\"0.999\"} 7\nredis_latency_percentiles_usec_count{cmd=\"get\"} 3\n# EOF\n";
        assert_eq!(openmetrics(&text.finish()), expected);
    }
}
