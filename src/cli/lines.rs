//! The command lines that lead on from a restore: the one place that knows how they are typed.
//!
//! A line is printed exactly as it must be typed: with everything that decides which keys go where, with the options that say how the
//! server and the store are reached, and with `--yes` where the command would ask for what it did before. What is secret is never in it: that comes from the
//! environment, a file or the settings, as before.

use std::net::SocketAddr;

use crate::commands::which::{Backup, File, Server};
use crate::operations::SafetyBackup;
use crate::restore::replica::Advertise;
use crate::restore::{Asked, CommandLine, Existing, Method, Next, Options, Over, Rate, Ttl};

/// What was typed for one restore.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The options that say how server and store are reached, word by word; see `Resolver::reaching`.
    pub reaching: Vec<String>,
    /// The backup or the file that is restored.
    pub backup: Backup,
    /// The server that it is restored into.
    pub server: Server,
    /// The backup of that server before its keys are overwritten or removed.
    pub safety: SafetyBackup,
    /// Which keys, how, and what becomes of those that are there.
    pub options: Options,
    /// Where we listen, as `--listen` says it.
    pub listen: Option<SocketAddr>,
    /// Where the target reaches us, as `--advertise` says it.
    pub advertise: Option<Advertise>,
}

impl CommandLine for Lines {
    fn typed(&self, next: Next<'_>, backup: &str) -> String {
        match next {
            Next::Resume(method) => self.resume(method, self.options.rate.and_then(Rate::bytes), backup),
            Next::ResumeAt(method, rate) => self.resume(method, rate, backup),
            Next::Anew(method, over) => self.anew(method, over, backup),
            Next::Verify => self.source("verify", backup).option("--instance", &self.server()),
            Next::Holds => {
                let words = self.source("verify", backup).option("--instance", &self.server());
                words.option("--fail-on", "missing").option("--fail-on", "different")
            }
            Next::Undo => self.begin().flag("--undo").option("--target-instance", &self.server()),
            Next::BringBack(safety) => self.bring_back(safety),
        }
        .text()
    }

    fn selection(&self) -> String {
        let chosen = &self.options.choices.selection;
        Words(Vec::new())
            .options("--keys", &chosen.keys)
            .options("--exclude", &chosen.exclude)
            .options("--db", &chosen.databases)
            .options("--type", &chosen.types)
            .text()
    }
}

impl Lines {
    /// What was removed before need not be removed again.
    fn resume(&self, method: Method, rate: Option<u64>, backup: &str) -> Words {
        let words = self.restore(backup).option("--method", method.name());
        let existing = self.options.existing;
        let words = match existing {
            Existing::Fail | Existing::Skip => words.option("--on-conflict", existing.name()),
            Existing::Replace => self.add_safety(words.option("--on-conflict", existing.name())),
            Existing::MustBeEmpty | Existing::ReplaceAll => words,
        };
        self.add_typed(words, rate).flag("--resume")
    }

    fn anew(&self, method: Asked, over: Over, backup: &str) -> Words {
        let mut words = self.restore(backup);
        words = match method {
            Asked::Only(Method::Restore | Method::Commands) => words.option("--method", method.name()),
            // A server that loads a file itself keeps nothing of what it held.
            Asked::Only(Method::Replica) if !matches!(over, Over::Names | Over::Asking | Over::Missing) => {
                self.add_listening(words.option("--method", method.name()))
            }
            Asked::Only(Method::Replica) | Asked::Auto => words,
        };
        if self.options.allow_replica_resync {
            words = words.flag("--allow-replica-resync");
        }
        words = match (over, self.options.existing) {
            (Over::Nothing, _) => words,
            (Over::Missing, _) | (Over::Names | Over::Asking, Existing::Skip) => {
                words.option("--on-conflict", Existing::Skip.name())
            }
            (Over::Names, _) => self.add_safety(words.option("--on-conflict", Existing::Replace.name())).flag("--yes"),
            (Over::Asking, _) => self.add_safety(words.option("--on-conflict", Existing::Replace.name())),
            (Over::Everything, _) => self.add_safety(words.flag("--replace-all")).flag("--yes"),
        };
        self.add_typed(words, self.options.rate.and_then(Rate::bytes))
    }

    fn bring_back(&self, safety: &str) -> Words {
        let words = match &self.safety {
            SafetyBackup::Into(place) => self.begin().option("-r", &place.location.to_string()),
            SafetyBackup::NotNeeded | SafetyBackup::Declined => self.begin(),
        };
        let words = words.option("--backup-id", safety).option("--target-instance", &self.server());
        words.flag("--replace-all")
    }

    /// The server as it is typed. A user that an option names is not named again.
    fn server(&self) -> String {
        let mut server = self.server.clone();
        if self.reaching.iter().any(|word| word == "--username") {
            server.node.credentials.username = None;
        }
        server.as_typed()
    }

    fn begin(&self) -> Words {
        Words::of("restore", &self.reaching)
    }

    fn restore(&self, backup: &str) -> Words {
        self.source("restore", backup).option("--target-instance", &self.server())
    }

    fn source(&self, command: &str, backup: &str) -> Words {
        let words = Words::of(command, &self.reaching);
        match &self.backup {
            Backup::Stored { place, .. } => {
                words.option("-r", &place.location.to_string()).option("--backup-id", backup)
            }
            Backup::File(File::Stdin) => words.option("--file", "-"),
            Backup::File(File::Path(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                words.option("--file", &path.display().to_string())
            }
        }
    }

    /// Where the target reaches us.
    fn add_listening(&self, mut words: Words) -> Words {
        if let Some(listen) = self.listen {
            words = words.option("--listen", &listen.to_string());
        }
        if let Some(Advertise { host, port }) = &self.advertise {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            words = words.option("--advertise", &format!("{host}{port}"));
        }
        words
    }

    /// Where what is overwritten or removed goes to first.
    fn add_safety(&self, words: Words) -> Words {
        match (&self.safety, &self.backup) {
            (SafetyBackup::Into(place), Backup::File(_)) => words.option("-r", &place.location.to_string()),
            (SafetyBackup::Declined, _) | (SafetyBackup::NotNeeded, Backup::File(_)) => {
                words.flag("--no-safety-backup")
            }
            // The repository of the backup takes it.
            (SafetyBackup::Into(_) | SafetyBackup::NotNeeded, Backup::Stored { .. }) => words,
        }
    }

    /// What else was typed, in every line that repeats the restore: which keys and how, how fast, and what is not looked at.
    fn add_typed(&self, words: Words, rate: Option<u64>) -> Words {
        let mut words = self.add_choices(words).options("--rate", rate);
        if self.options.skip_verify {
            words = words.flag("--skip-verify");
        }
        if !self.options.proof {
            words = words.flag("--no-proof");
        }
        words
    }

    /// Which keys, and how.
    fn add_choices(&self, words: Words) -> Words {
        let choices = &self.options.choices;
        let chosen = &choices.selection;
        let databases = chosen.databases.iter().map(|from| format!("{from}:{}", choices.database(*from)));
        let mut words = words
            .options("--keys", &chosen.keys)
            .options("--exclude", &chosen.exclude)
            .options("--db", databases)
            .options("--type", &chosen.types);
        if choices.ttl != Ttl::Keep {
            words = words.option("--ttl", choices.ttl.name());
        }
        if self.options.accept_loss {
            words = words.flag("--accept-loss");
        }
        words
    }
}

/// The words of a line.
struct Words(Vec<String>);

impl Words {
    fn of(command: &str, reaching: &[String]) -> Self {
        let ours = ["redis-ops", command].map(str::to_owned);
        Self(ours.into_iter().chain(reaching.iter().map(|word| quoted(word))).collect())
    }

    fn flag(mut self, name: &str) -> Self {
        self.0.push(name.to_owned());
        self
    }

    fn option(self, name: &str, value: &str) -> Self {
        let mut words = self.flag(name);
        words.0.push(quoted(value));
        words
    }

    fn options(self, name: &str, values: impl IntoIterator<Item: ToString>) -> Self {
        values.into_iter().fold(self, |words, value| words.option(name, &value.to_string()))
    }

    fn text(self) -> String {
        self.0.join(" ")
    }
}

/// As a shell reads it as one word.
pub(super) fn quoted(word: &str) -> String {
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
