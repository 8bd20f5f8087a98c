//! The command lines that lead on from a restore that was cut off: one goes on, one begins anew, one proves.

use super::{Backup, Existing, Instance, Method as Asked, OnConflict, SafetyBackup, Settings, Ttl};
use crate::restore::Method;

/// What is to be typed: all that decides which keys go where, and how, since another choice would be another restore. Where the
/// repository needs more than its address, that is taken from settings and environment as before. `name`: the backup's exact one, for
/// `latest` may be another by then.
pub fn resume_line(settings: &Settings, instance: &Instance, name: &str, method: Method) -> String {
    let mut words = begin("restore", settings, name);
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
    add("--target-instance", instance.server.as_typed());
    add("--method", method.name().to_owned());
    match &instance.existing {
        Existing::Keep(Some(OnConflict::Fail), _) => add("--on-conflict", "fail".to_owned()),
        Existing::Keep(Some(OnConflict::Skip), _) => add("--on-conflict", "skip".to_owned()),
        Existing::Keep(Some(OnConflict::Replace), _) => add("--on-conflict", "replace".to_owned()),
        // What was removed need not be removed again.
        Existing::Keep(None, _) | Existing::RemoveAll(_) => {}
    }
    add_choices(&mut words, settings);
    words.push("--resume".to_owned());
    words.join(" ")
}

/// What begins anew where there is nothing to go on with. What the target `holds` under the backup's names is written over, or stays
/// where that was asked for.
pub fn anew_line(settings: &Settings, instance: &Instance, name: &str, holds: bool) -> String {
    let mut words = begin("restore", settings, name);
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
    add("--target-instance", instance.server.as_typed());
    match instance.method {
        Asked::Restore => add("--method", "restore".to_owned()),
        Asked::Commands => add("--method", "commands".to_owned()),
        // A server that loads a file itself keeps nothing of what it held.
        Asked::Replica if !holds => add("--method", "replica".to_owned()),
        Asked::Replica | Asked::Auto => {}
    }
    if holds {
        let (Existing::Keep(_, safety) | Existing::RemoveAll(safety)) = &instance.existing;
        if matches!(instance.existing, Existing::Keep(Some(OnConflict::Skip), _)) {
            add("--on-conflict", "skip".to_owned());
        } else {
            add("--on-conflict", "replace".to_owned());
            match (safety, &settings.backup) {
                (SafetyBackup::Into(place), Backup::File(_)) => add("-r", place.location.to_string()),
                (SafetyBackup::Declined, _) | (SafetyBackup::NotNeeded, Backup::File(_)) => {
                    words.push("--no-safety-backup".to_owned());
                }
                (SafetyBackup::Into(_) | SafetyBackup::NotNeeded, Backup::Stored { .. }) => {}
            }
        }
    }
    add_choices(&mut words, settings);
    words.join(" ")
}

/// What compares the target with the whole backup.
pub fn verify_line(settings: &Settings, instance: &Instance, name: &str) -> String {
    let mut words = begin("verify", settings, name);
    words.extend(["--instance".to_owned(), quoted(&instance.server.as_typed())]);
    words.join(" ")
}

fn begin(command: &str, settings: &Settings, name: &str) -> Vec<String> {
    let mut words = vec!["redis-ops".to_owned(), command.to_owned()];
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
    match &settings.backup {
        Backup::Stored { place, .. } => {
            add("-r", place.location.to_string());
            add("--backup-id", name.to_owned());
        }
        Backup::File(file) => add("--file", file.to_string()),
    }
    words
}

/// Which keys, and how.
fn add_choices(words: &mut Vec<String>, settings: &Settings) {
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
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
