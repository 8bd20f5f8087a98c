//! Bytes, numbers and ids as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Lines;
use crate::rdb::visit::StreamId;

impl Lines {
    pub(super) fn comma(&mut self, first: bool) {
        if !first {
            self.text.push(',');
        }
    }

    /// `"name":"text"`, and `"name_b64"` where it is not UTF-8.
    pub(super) fn pair(&mut self, name: &str, bytes: &[u8]) {
        self.text.push_str(&format!("\"{name}\":{}", quoted(&String::from_utf8_lossy(bytes))));
        if std::str::from_utf8(bytes).is_err() {
            self.text.push_str(&format!(",\"{name}_b64\":\"{}\"", STANDARD.encode(bytes)));
        }
    }

    pub(super) fn element(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(&quoted(text)),
            Err(_) => {
                let lossy = quoted(&String::from_utf8_lossy(bytes));
                self.text.push_str(&format!("{{\"text\":{lossy},\"b64\":\"{}\"}}", STANDARD.encode(bytes)));
            }
        }
    }
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A number as JSON; what JSON has no number for is a text.
pub(super) fn number(value: f64) -> String {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.to_string(),
        None if value.is_nan() => "\"nan\"".to_owned(),
        None => if value > 0.0 { "\"inf\"" } else { "\"-inf\"" }.to_owned(),
    }
}

pub(super) fn written(id: StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}
