//! The command line that goes on with an interrupted restore.

use super::{Backup, Existing, Instance, OnConflict, Settings, Ttl};
use crate::restore::Method;

/// What is to be typed: all that decides which keys go where, and how, since another choice would be another restore. Where the
/// repository needs more than its address, that is taken from settings and environment as before. `name`: the backup's exact one, for
/// `latest` may be another by then.
pub fn resume_line(settings: &Settings, instance: &Instance, name: &str, method: Method) -> String {
    let mut words: Vec<String> = vec!["redis-ops".into(), "restore".into()];
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
    match &settings.backup {
        Backup::Stored { place, .. } => {
            add("-r", place.location.to_string());
            add("--backup-id", name.to_owned());
        }
        Backup::File(file) => add("--file", file.to_string()),
    }
    add("--target-instance", instance.server.as_typed());
    add("--method", method.name().to_owned());
    match &instance.existing {
        Existing::Keep(Some(OnConflict::Fail), _) => add("--on-conflict", "fail".to_owned()),
        Existing::Keep(Some(OnConflict::Skip), _) => add("--on-conflict", "skip".to_owned()),
        Existing::Keep(Some(OnConflict::Replace), _) => add("--on-conflict", "replace".to_owned()),
        // What was removed need not be removed again.
        Existing::Keep(None, _) | Existing::RemoveAll(_) => {}
    }
    let chosen = &settings.selection;
    chosen.keys.iter().for_each(|glob| add("--keys", glob.clone()));
    chosen.exclude.iter().for_each(|glob| add("--exclude", glob.clone()));
    chosen.databases.iter().for_each(|map| add("--db", format!("{}:{}", map.from, map.to)));
    chosen.types.iter().for_each(|name| add("--type", name.clone()));
    match settings.ttl {
        Ttl::Keep => {}
        Ttl::Shift => add("--ttl", "shift".to_owned()),
        Ttl::Strip => add("--ttl", "strip".to_owned()),
    }
    if settings.accept_loss {
        words.push("--accept-loss".to_owned());
    }
    words.push("--resume".to_owned());
    words.join(" ")
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:@=,+%".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, shell) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("user:*", "'user:*'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shell);
        }
    }
}
