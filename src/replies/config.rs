//! CONFIG GET: settings by name. Secrets are dropped before anybody can show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reply;

/// Settings whose value is a secret; `user` lines hold password hashes.
const SECRETS: &[&str] = &[
    "requirepass",
    "masterauth",
    "primaryauth",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "user",
    "masteruser",
];

/// Settings of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    values: BTreeMap<String, String>,
}

/// A class of `client-output-buffer-limit`, in bytes and seconds; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputBufferLimit {
    /// The connection is closed at once above it.
    pub hard: u64,
    /// The connection is closed when it stays above it …
    pub soft: u64,
    /// … for this many seconds.
    pub soft_seconds: u64,
}

impl Config {
    /// Parses an answer. Of a password only whether there is one is kept, as `requirepass-set`.
    pub fn parse(reply: &Reply) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in reply.pairs() {
            let Some(text) = value.text() else { continue };
            if name == "requirepass" {
                values.insert("requirepass-set".to_owned(), if text.is_empty() { "no" } else { "yes" }.to_owned());
            }
            if !SECRETS.contains(&name.as_str()) {
                values.insert(name, text);
            }
        }
        Self { values }
    }

    /// The value of a setting as the server wrote it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A setting that is a number.
    pub fn u64(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A setting that is a number and may be negative.
    pub fn i64(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// A `yes` or `no` setting; `local` counts as neither.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }

    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The output buffer limit of `normal`, `replica` (named `slave` before and by most servers) or `pubsub`.
    pub fn output_buffer_limit(&self, class: &str) -> Option<OutputBufferLimit> {
        let words: Vec<&str> = self.get("client-output-buffer-limit")?.split_whitespace().collect();
        let wanted = |name: &str| name == class || (class == "replica" && name == "slave");
        words.chunks_exact(4).find(|chunk| wanted(chunk[0])).and_then(|chunk| {
            Some(OutputBufferLimit {
                hard: chunk[1].parse().ok()?,
                soft: chunk[2].parse().ok()?,
                soft_seconds: chunk[3].parse().ok()?,
            })
        })
    }

    /// The shortest and longest window of `save`, in seconds; `None` where saving is off.
    pub fn save_windows(&self) -> Option<(u64, u64)> {
        let words = self.get("save")?.split_whitespace();
        let seconds: Vec<u64> = words.step_by(2).filter_map(|word| word.parse().ok()).collect();
        Some((*seconds.iter().min()?, *seconds.iter().max()?))
    }
}

impl FromIterator<(String, String)> for Config {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(values: T) -> Self {
        Self { values: values.into_iter().filter(|(name, _)| !SECRETS.contains(&name.as_str())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_secrets_dropped() {
        let reply = Reply::Array(vec![
            "maxmemory".into(),
            "100".into(),
            "requirepass".into(),
            "hunter2".into(),
            "masterauth".into(),
            "hunter2".into(),
            "save".into(),
            "3600 1 300 100 60 10000".into(),
            "client-output-buffer-limit".into(),
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60".into(),
        ]);
        let config = Config::parse(&reply);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.get("requirepass-set"), Some("yes"));
        assert_eq!(config.u64("maxmemory"), Some(100));
        assert_eq!(config.save_windows(), Some((60, 3600)));
        assert_eq!(config.output_buffer_limit("replica").map(|limit| limit.soft), Some(67_108_864));
        assert_eq!(config.output_buffer_limit("normal"), Some(OutputBufferLimit::default()));
        assert_eq!(config.output_buffer_limit("invented"), None);
        assert_eq!(Config::parse(&Reply::Array(vec!["save".into(), "".into()])).save_windows(), None);
    }
}
