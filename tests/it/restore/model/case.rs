//! One case: a data set and its backup, a target, the choices of a restore, and what goes wrong meanwhile.

use std::collections::BTreeMap;
use std::fmt;

/// One restore, and everything around it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Numbers in the list of servers of this run.
    pub source: usize,
    pub target: usize,
    pub backup: Contents,
    pub target_holds: Contents,
    pub origin: Origin,
    pub method: &'static str,
    pub choices: Choices,
    pub existing: Existing,
    pub accept_loss: bool,
    pub is_proven: bool,
    /// A safety backup is taken before something is overwritten or removed.
    pub is_safe: bool,
    /// Bytes a second, so that a disturbance finds something to disturb.
    pub rate: Option<u32>,
    pub disturbance: Disturbance,
}

#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub keys: Vec<Key>,
    pub libraries: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Key {
    pub database: u64,
    pub name: Blob,
    pub data: Data,
    pub expiry: Expiry,
}

#[derive(Debug, Clone)]
pub enum Data {
    Text(Blob),
    List(Vec<Blob>),
    Set(Vec<Blob>),
    Hash(Vec<Field>),
    Zset(Vec<(Blob, &'static str)>),
    Stream(Stream),
    /// As many elements as force another encoding, and several commands.
    Many {
        of: &'static str,
        count: usize,
        length: usize,
    },
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: Blob,
    pub value: Blob,
    pub expiry: Expiry,
}

#[derive(Debug, Clone)]
pub struct Stream {
    pub entries: usize,
    /// Every n-th entry is deleted again; all of them with 1.
    pub deleted: Option<usize>,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone)]
pub struct Group {
    /// Entries that each consumer has read.
    pub consumers: Vec<usize>,
    pub acknowledged: bool,
}

/// When something expires; in a target only what is far away counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    Never,
    /// In many years.
    Far(u16),
    /// Before the restore begins; it is in the backup all the same.
    Passed,
    /// So many milliseconds after the backup was begun: before the restore, while it goes on, or after it.
    Near(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Backup,
    File,
}

#[derive(Debug, Clone)]
pub struct Choices {
    pub keys: Vec<&'static str>,
    pub exclude: Vec<&'static str>,
    pub databases: BTreeMap<u64, Option<u64>>,
    pub types: Vec<&'static str>,
    pub ttl: Ttl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    Keep,
    Shift,
    Strip,
}

/// What is said about what the target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    Fail,
    Skip,
    Replace,
    ReplaceAll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    None,
    /// The tool gets a signal so many milliseconds after its start, or after its first write.
    Signal {
        name: &'static str,
        of_the_first_write: bool,
        after: u64,
    },
    /// Somebody else writes a key, of the backup or another one, so many milliseconds after the tool's start.
    Stranger {
        of_the_backup: bool,
        after: u64,
    },
}

/// Bytes that are shown as far as somebody wants to read them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(40)];
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl Choices {
    /// Whether every key is wanted.
    pub fn are_all(&self) -> bool {
        self.keys.is_empty() && self.exclude.is_empty() && self.databases.is_empty() && self.types.is_empty()
    }

    /// Where a database goes; `None`: it is not wanted.
    pub fn database(&self, number: u64) -> Option<u64> {
        match self.databases.get(&number) {
            Some(to) => Some(to.unwrap_or(number)),
            None => self.databases.is_empty().then_some(number),
        }
    }
}

impl Case {
    /// The options of the restore, without what is restored where.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["--method".to_owned(), self.method.to_owned()];
        let mut add = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        self.choices.keys.iter().for_each(|glob| add("--keys", glob));
        self.choices.exclude.iter().for_each(|glob| add("--exclude", glob));
        self.choices.types.iter().for_each(|name| add("--type", name));
        for (from, to) in &self.choices.databases {
            add("--db", &to.map_or_else(|| from.to_string(), |to| format!("{from}:{to}")));
        }
        match self.choices.ttl {
            Ttl::Keep => {}
            Ttl::Shift => add("--ttl", "shift"),
            Ttl::Strip => add("--ttl", "strip"),
        }
        if let Some(rate) = self.rate {
            add("--rate", &rate.to_string());
        }
        match self.existing {
            Existing::Nothing => {}
            Existing::Fail => add("--on-conflict", "fail"),
            Existing::Skip => add("--on-conflict", "skip"),
            Existing::Replace => add("--on-conflict", "replace"),
            Existing::ReplaceAll => words.push("--replace-all".to_owned()),
        }
        let overwrites = matches!(self.existing, Existing::Replace | Existing::ReplaceAll);
        let flags = [
            (self.accept_loss, "--accept-loss"),
            (!self.is_proven, "--no-proof"),
            (overwrites, "--yes"),
            (overwrites && !self.is_safe, "--no-safety-backup"),
        ];
        words.extend(flags.into_iter().filter(|(said, _)| *said).map(|(_, flag)| flag.to_owned()));
        words
    }
}
