//! A command: its name and its words, ready to be sent.

use redis::{Arg, Cmd, ToRedisArgs};

/// A command with its arguments. `Debug` shows the name only: an argument may be a password.
#[derive(Clone)]
pub struct Command(Cmd);

impl Command {
    /// A command without arguments so far. A subcommand is an argument.
    pub fn new(name: &str) -> Self {
        Self::of(&[name])
    }

    /// A command of these words: `["CONFIG", "GET", "dir"]`.
    pub fn of<W: AsRef<[u8]>>(words: &[W]) -> Self {
        let size = words.iter().map(|word| word.as_ref().len()).sum();
        let mut command = Cmd::with_capacity(words.len(), size);
        for word in words {
            command.arg(word.as_ref());
        }
        Self(command)
    }

    /// Adds an argument: text, bytes, or a number, which is written in decimal digits.
    #[must_use]
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.0.arg(argument);
        self
    }

    /// The name and the arguments.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.0.args_iter().filter_map(|word| match word {
            Arg::Simple(word) => Some(word),
            _ => None,
        })
    }

    /// The name for messages: the first word, and the second where the first is only a family. Never an argument.
    pub fn name(&self) -> String {
        const FAMILIES: &[&str] = &[
            "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
            "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO",
        ];
        let mut words = self.words().map(|word| String::from_utf8_lossy(word).to_ascii_uppercase());
        let first = words.next().unwrap_or_default();
        match words.next() {
            Some(second) if FAMILIES.contains(&first.as_str()) => format!("{first} {second}"),
            _ => first,
        }
    }

    /// As the `redis` crate sends it.
    pub(super) fn packed(&self) -> &Cmd {
        &self.0
    }

    /// As the `redis` crate takes it into a pipeline.
    pub(super) fn into_packed(self) -> Cmd {
        self.0
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Command").field(&self.name()).finish()
    }
}
