//! How far an operation is: a trait of the domain; how it is drawn is the business of `commands`.

/// What an operation tells about how far it is. Calls are cheap and may come from any thread.
pub trait Progress: Send + Sync {
    /// A new phase begins (`"reading"`, `"loading"`); `total` in `unit` where it is known.
    fn phase(&self, name: &str, unit: Unit, total: Option<u64>);
    /// This much more is done.
    fn advance(&self, amount: u64);
    /// A sentence worth saying in between (what was chosen, what is waited for).
    fn note(&self, text: &str);
    /// Somebody is asked on the terminal: what moves there goes away until the next phase begins.
    fn pause(&self) {}
    /// The operation has ended, well or badly: nothing more is drawn.
    fn finish(&self);
}

/// Where an operation says what it decides on the way: what it puts right, leaves out, or tries once more.
pub trait Voice: Send + Sync {
    /// Says one sentence to people, without a full stop at its end.
    fn say(&self, sentence: &str);

    /// Says what must be known even where nobody wants to hear more than errors: how to go back.
    fn insist(&self, sentence: &str) {
        self.say(sentence);
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Work is counted in bytes.
    Bytes,
    /// Work is counted in keys.
    Keys,
    /// Work is counted in backups.
    Backups,
}

/// Progress that nobody looks at: for tests, and where no bar is wanted.
#[derive(Debug, Default)]
pub struct Hidden {}

impl Progress for Hidden {
    fn phase(&self, _name: &str, _unit: Unit, _total: Option<u64>) {}
    fn advance(&self, _amount: u64) {}
    fn note(&self, _text: &str) {}
    fn finish(&self) {}
}

impl Voice for Hidden {
    fn say(&self, _sentence: &str) {}
}
