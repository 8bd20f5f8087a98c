//! What is no RDB, told by its first bytes: named for what it is, with the way from it to an RDB.

mod folder;
mod signature;
#[cfg(test)]
mod tests;

use crate::explain::{Explain, Hint, Meaning};
use crate::rdb::Scanner;
use crate::rdb::visit::{Entry, Interest, Visit};

pub(super) use folder::of_folder;

/// The first bytes that are looked at; aux fields stand among them.
pub(super) const LOOKED_AT: usize = 64 << 10;

/// What was found in place of the RDB that was asked for, undamaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is {what}, not an RDB")]
pub struct Foreign {
    what: String,
    way: Hint,
}

impl Foreign {
    fn new(what: impl Into<String>, way: impl Into<Hint>) -> Self {
        Self { what: what.into(), way: way.into() }
    }

    /// An append-only file that begins with an RDB (`aof-use-rdb-preamble`): what was written since stands behind that as commands.
    pub fn aof_with_preamble() -> Self {
        Self::new("an append-only file that begins with an RDB and goes on with commands", Hint::StartAServer)
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        "not_an_rdb"
    }
}

impl Explain for Foreign {
    fn meaning(&self) -> Meaning {
        Meaning::of(self.code()).unknown().hint(self.way.clone())
    }
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct First {
    /// Whether the file is the base of a multi-part append-only file: increments belong to it.
    pub(super) is_aof_base: bool,
    /// When the RDB was begun, by the clock of its server, Unix milliseconds (aux field `ctime`); `None`: it does not say.
    pub(super) created_ms: Option<i64>,
}

/// Looks at the first bytes of a file, unpacked; `packed`: with what they were packed. What is merely unknown passes: the pass that reads
/// it says
/// what is wrong with it.
///
/// # Errors
/// The file is known to be something else.
pub(super) fn look(first: &[u8], packed: Option<&str>) -> Result<First, Foreign> {
    let first = &first[..first.len().min(LOOKED_AT)];
    if let Some(mut foreign) = signature::of(first) {
        if let Some(codec) = packed {
            foreign.what = format!("{} inside {codec}", foreign.what);
        }
        return Err(foreign);
    }
    let (mut scanner, mut aux) = (Scanner::new(), Aux::default());
    // The pass that reads the file reports what is wrong with it.
    let _ = scanner.push(first, &mut aux);
    // In the aux fields of Redis 4.0 to 6.2; from 7.0 on the base of a multi-part file has one of its own.
    if aux.preamble {
        return Err(Foreign::aof_with_preamble());
    }
    Ok(First { is_aof_base: aux.base, created_ms: aux.created.and_then(|seconds| seconds.checked_mul(1000)) })
}

/// Whether what stands behind the end of an RDB are commands: the RDB is the beginning of an append-only file then. `start`: the first
/// bytes of it.
pub fn are_commands(start: &[u8]) -> bool {
    signature::is_resp_command(start)
}

/// Aux fields that an append-only file has, and when an RDB was begun, Unix seconds.
#[derive(Default)]
struct Aux {
    preamble: bool,
    base: bool,
    created: Option<i64>,
    ended: bool,
}

impl Visit for Aux {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"aof-preamble" if !self.ended => self.preamble = value == b"1",
            b"aof-base" if !self.ended => self.base = value == b"1",
            b"ctime" if !self.ended => {
                self.created = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok())
            }
            _ => {}
        }
    }

    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        self.ended = true;
        Interest::default()
    }
}
