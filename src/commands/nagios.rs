//! One line for Nagios and its kin: the state, a sentence, and numbers behind a bar (Monitoring Plugins' guidelines). Its exit
//! codes are ours: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

use std::borrow::Cow;

use crate::explain::Status;

/// A number for a graph: `age=120s;;3600;0;`.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    name: Cow<'static, str>,
    value: f64,
    /// One of `s`, `ms`, `B`, `c` (it only grows), or nothing.
    unit: &'static str,
    /// From where on it is a warning.
    warning: Option<f64>,
    /// From where on it is critical.
    critical: Option<f64>,
    /// The largest that it can be.
    most: Option<f64>,
}

impl Number {
    #[allow(clippy::cast_precision_loss, reason = "numbers for a graph")]
    pub fn count(name: impl Into<Cow<'static, str>>, value: u64, unit: &'static str) -> Self {
        Self::new(name, value as f64, unit)
    }

    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, warning: None, critical: None, most: None }
    }

    /// It is a warning above this.
    pub fn warning(self, above: f64) -> Self {
        Self { warning: Some(above), ..self }
    }

    /// It is critical above this.
    pub fn critical(self, above: f64) -> Self {
        Self { critical: Some(above), ..self }
    }

    /// It cannot be larger than this; 0: no limit is known.
    #[allow(clippy::cast_precision_loss, reason = "numbers for a graph")]
    pub fn at_most(self, most: Option<u64>) -> Self {
        Self { most: most.filter(|most| *most > 0).map(|most| most as f64), ..self }
    }

    fn written(&self) -> String {
        let Self { name, value, unit, .. } = self;
        let [warning, critical, most] = [self.warning, self.critical, self.most]
            .map(|limit| limit.map(|limit| limit.to_string()).unwrap_or_default());
        format!("{name}={value}{unit};{warning};{critical};0;{most}")
    }
}

/// The line. Everything that this tool writes for Nagios begins with the same word.
pub fn line(status: Status, sentence: &str, numbers: &[Number]) -> String {
    let state = match status {
        Status::Ok => "OK",
        Status::Warning => "WARNING",
        Status::Failed => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    };
    // A bar begins the numbers, and a line end the long text.
    let sentence = sentence.replace('|', "/").replace(['\n', '\r'], " ");
    let numbers: Vec<String> = numbers.iter().map(Number::written).collect();
    if numbers.is_empty() {
        format!("REDIS-OPS {state} - {sentence}")
    } else {
        format!("REDIS-OPS {state} - {sentence} | {}", numbers.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_cannot_be_broken_by_its_sentence() {
        let numbers = [
            Number::new("age", 93_600.5, "s").critical(3600.0),
            Number::count("connected_clients", 3, "").warning(95.0).at_most(Some(100)),
            Number::count("used_memory", 7, "B").at_most(Some(0)),
        ];
        assert_eq!(
            line(Status::Failed, "a|b\nc", &numbers),
            "REDIS-OPS CRITICAL - a/b c | age=93600.5s;;3600;0; connected_clients=3;95;;0;100 used_memory=7B;;;0;"
        );
        assert_eq!(line(Status::Ok, "good", &[]), "REDIS-OPS OK - good");
    }
}
