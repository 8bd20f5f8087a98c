//! The command lines that lead on from a restore: one goes on, one begins anew, one proves, one undoes, one brings back what was there.
//!
//! A line is printed exactly as it must be typed: with everything that decides which keys go where, with the options that say how the
//! server and the store are reached, and with `--yes` where the command would ask. What is secret is never in it: that comes from the
//! environment, a file or the settings, as before.

use super::{Backup, Instance, SafetyBackup, Settings};
use crate::commands::which::{File, Place, Server};
use crate::restore::replica::Advertise;
use crate::restore::{Asked, Existing, Method, Ttl};

/// Makes the lines of one restore.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    /// What was typed.
    pub settings: &'a Settings,
    /// Where it goes to.
    pub instance: &'a Instance,
    /// The backup's exact name, for `latest` may be another by then.
    pub name: &'a str,
}

impl Again<'_> {
    /// Goes on with the restore that was cut off. What was removed before need not be removed again.
    pub fn resume(&self, method: Method) -> String {
        let mut words = self.begin();
        words.option("--method", method.name());
        match self.settings.options.existing {
            existing @ (Existing::Fail | Existing::Skip) => words.option("--on-conflict", existing.name()),
            existing @ Existing::Replace => {
                words.option("--on-conflict", existing.name());
                self.add_safety(&mut words);
            }
            Existing::MustBeEmpty | Existing::ReplaceAll => {}
        }
        self.add_choices(&mut words);
        words.flag("--resume");
        words.text()
    }

    /// Begins anew where there is nothing to go on with. What the target `holds` under the backup's names is written over, or stays
    /// where that was asked for.
    pub fn anew(&self, holds: bool) -> String {
        self.anew_by(self.settings.options.method, holds)
    }

    /// The same by another method.
    pub fn anew_by(&self, method: Asked, holds: bool) -> String {
        self.anew_over(method, holds, self.settings.options.existing == Existing::ReplaceAll)
    }

    /// Removes all that the target holds, and begins anew.
    pub fn over_all(&self) -> String {
        self.anew_over(self.settings.options.method, true, true)
    }

    fn anew_over(&self, method: Asked, holds: bool, all: bool) -> String {
        let mut words = self.begin();
        match method {
            Asked::Only(Method::Restore | Method::Commands) => words.option("--method", method.name()),
            // A server that loads a file itself keeps nothing of what it held.
            Asked::Only(Method::Replica) if !holds || all => {
                words.option("--method", method.name());
                self.add_listening(&mut words);
            }
            Asked::Only(Method::Replica) | Asked::Auto => {}
        }
        if self.settings.options.allow_replica_resync {
            words.flag("--allow-replica-resync");
        }
        let keeps = self.settings.options.existing == Existing::Skip;
        match (holds, all) {
            (false, _) => {}
            (true, true) => words.flag("--replace-all"),
            (true, false) => {
                let existing = if keeps { Existing::Skip } else { Existing::Replace };
                words.option("--on-conflict", existing.name());
            }
        }
        if holds && (all || !keeps) {
            self.add_safety(&mut words);
            words.flag("--yes");
        }
        self.add_choices(&mut words);
        words.text()
    }

    /// Compares the target with the whole backup.
    pub fn verify(&self) -> String {
        let mut words = self.source("verify");
        words.option("--instance", &self.instance.server.as_typed());
        words.text()
    }

    /// Makes the target a primary again: see [`undo`].
    pub fn undo(&self) -> String {
        undo(&self.instance.server, &self.settings.reaching)
    }

    fn source(&self, command: &str) -> Words {
        let mut words = Words::of(command, &self.settings.reaching);
        match &self.settings.backup {
            Backup::Stored { place, .. } => {
                words.option("-r", &place.location.to_string());
                words.option("--backup-id", self.name);
            }
            Backup::File(File::Stdin) => words.option("--file", "-"),
            Backup::File(File::Path(path)) => words.option("--file", &path.display().to_string()),
        }
        words
    }

    fn begin(&self) -> Words {
        let mut words = self.source("restore");
        words.option("--target-instance", &self.instance.server.as_typed());
        words
    }

    /// Where the target reaches us.
    fn add_listening(&self, words: &mut Words) {
        if let Some(listen) = self.instance.listen {
            words.option("--listen", &listen.to_string());
        }
        if let Some(Advertise { host, port }) = &self.instance.advertise {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            words.option("--advertise", &format!("{host}{port}"));
        }
    }

    /// Where what is overwritten or removed goes to first.
    fn add_safety(&self, words: &mut Words) {
        match (&self.instance.safety, &self.settings.backup) {
            (SafetyBackup::Into(place), Backup::File(_)) => words.option("-r", &place.location.to_string()),
            (SafetyBackup::Declined, _) | (SafetyBackup::NotNeeded, Backup::File(_)) => {
                words.flag("--no-safety-backup");
            }
            (SafetyBackup::Into(_) | SafetyBackup::NotNeeded, Backup::Stored { .. }) => {}
        }
    }

    /// Which keys, and how.
    fn add_choices(&self, words: &mut Words) {
        let choices = &self.settings.options.choices;
        let chosen = &choices.selection;
        chosen.keys.iter().for_each(|glob| words.option("--keys", &glob.to_string()));
        chosen.exclude.iter().for_each(|glob| words.option("--exclude", &glob.to_string()));
        chosen.databases.iter().for_each(|from| words.option("--db", &format!("{from}:{}", choices.database(*from))));
        chosen.types.iter().for_each(|name| words.option("--type", &name.to_string()));
        if choices.ttl != Ttl::Keep {
            words.option("--ttl", choices.ttl.name());
        }
        if self.settings.options.accept_loss {
            words.flag("--accept-loss");
        }
    }
}

/// Makes a server a primary again that an interrupted restore left as a replica. `reaching`: see [`Settings::reaching`].
pub fn undo(server: &Server, reaching: &[String]) -> String {
    let mut words = Words::of("restore", reaching);
    words.flag("--undo");
    words.option("--target-instance", &server.as_typed());
    words.text()
}

/// Brings back what the safety backup `name` in `place` holds.
pub fn back(server: &Server, reaching: &[String], place: &Place, name: &str) -> String {
    let mut words = Words::of("restore", reaching);
    words.option("-r", &place.location.to_string());
    words.option("--backup-id", name);
    words.option("--target-instance", &server.as_typed());
    words.flag("--replace-all");
    words.flag("--yes");
    words.text()
}

/// The words of a line.
struct Words(Vec<String>);

impl Words {
    fn of(command: &str, reaching: &[String]) -> Self {
        let mut words = Self(vec!["redis-ops".to_owned(), command.to_owned()]);
        reaching.iter().for_each(|word| words.push(word));
        words
    }

    fn push(&mut self, word: &str) {
        self.0.push(quoted(word));
    }

    fn flag(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn option(&mut self, name: &str, value: &str) {
        self.flag(name);
        self.push(value);
    }

    fn text(self) -> String {
        self.0.join(" ")
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
