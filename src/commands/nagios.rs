//! One line for Nagios and its kin: the state, a sentence, and numbers behind a bar (Monitoring Plugins' guidelines). Its exit
//! codes are ours: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

use crate::explain::Status;

/// The line about our own work. Numbers have a name, a value and a unit (`s`, `B`, or nothing).
pub fn line(status: Status, sentence: &str, numbers: &[(&str, f64, &str)]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|(name, value, unit)| format!("'{name}'={value}{unit}")).collect();
    about("REDIS-OPS", status, sentence, &numbers)
}

/// The line about a service, with numbers as the guidelines write them.
pub fn about(service: &str, status: Status, sentence: &str, numbers: &[String]) -> String {
    let state = match status {
        Status::Ok => "OK",
        Status::Warning => "WARNING",
        Status::Failed => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    };
    // A bar begins the numbers, and a line end the long text.
    let sentence = sentence.replace('|', "/").replace(['\n', '\r'], " ");
    if numbers.is_empty() {
        format!("{service} {state} - {sentence}")
    } else {
        format!("{service} {state} - {sentence} | {}", numbers.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_cannot_be_broken_by_its_sentence() {
        let numbers = [("age", 93_600.5, "s"), ("keys", 3.0, "")];
        assert_eq!(line(Status::Failed, "a|b\nc", &numbers), "REDIS-OPS CRITICAL - a/b c | 'age'=93600.5s 'keys'=3");
        assert_eq!(line(Status::Ok, "good", &[]), "REDIS-OPS OK - good");
    }
}
