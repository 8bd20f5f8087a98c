//! Asks a target whether it takes the function libraries of a backup, before anything else is written: a server that loads a file whose
//! functions it cannot compile exits, and one that hangs in them never comes back. `FUNCTION LOAD` answers with an error instead, also
//! where a library does not end (Redis `function_lua.c`, `LOAD_TIMEOUT_MS`).
//!
//! Each library is loaded and deleted again in one transaction: nobody ever sees it.

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::{Command, CommandError, CommandFault, Connection, Head as Answer, Lane};
use crate::figures::counted;
use crate::rdb::oddity::logs_while_it_loads;
use crate::rdb::visit::{Entry, Interest, Visit};
use crate::replies::Reply;
use crate::restore::replay::assemble::{Libraries, name_of};
use crate::restore::target_format::TargetFormat;

/// Bytes of sources that are kept; what is longer is not asked about before.
const SOURCES_KEPT: usize = 16 << 20;

/// Sources of the libraries of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// One by one.
    pub libraries: Vec<Vec<u8>>,
    /// The shard that each was found in first.
    shards: Vec<usize>,
    /// The shard that is being read.
    shard: usize,
    bytes: usize,
}

impl Sources {
    /// Keeps another one. Every shard of a cluster has the same ones: they are kept once.
    pub fn add(&mut self, source: &[u8]) {
        if self.libraries.iter().any(|kept| kept == source) {
            return;
        }
        if self.bytes + source.len() <= SOURCES_KEPT {
            self.bytes += source.len();
            self.libraries.push(source.to_vec());
            self.shards.push(self.shard);
        }
    }

    /// What comes next is of another shard.
    pub fn next_shard(&mut self) {
        self.shard += 1;
    }
}

/// Collects the libraries of a file, which stand before its keys, and wants no more then.
#[derive(Debug, Default)]
pub struct Head {
    /// What was found.
    pub sources: Sources,
    /// Goes on behind the keys: the libraries of the other shards are not those of the first.
    pub reads_on: bool,
    pub(super) keys_begin: bool,
}

impl Visit for Head {
    fn next_shard(&mut self) {
        self.sources.next_shard();
    }

    fn function(&mut self, source: &[u8]) {
        self.sources.add(source);
    }

    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        self.keys_begin = true;
        Interest::default()
    }

    fn stopped(&self) -> bool {
        self.keys_begin && !self.reads_on
    }
}

/// A function of the backup whose name another library of the target has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The library of the backup.
    pub library: String,
    /// The function's name.
    pub function: String,
    /// The library of the target that has it.
    pub by: String,
    /// The library of the backup registers it: the name stands where it is registered. Else it is quoted there, and may be any other text.
    pub is_registered: bool,
}

/// The function of the backup whose name a library of the target has that is not of the same name. `present`: the names of the target's
/// functions by library. Nothing is asked: only the target itself knows what a library registers.
pub fn taken(sources: &Sources, present: &BTreeMap<String, BTreeSet<String>>) -> Option<Taken> {
    let ours: BTreeSet<&[u8]> = sources.libraries.iter().map(|source| name_of(source)).collect();
    let others = present.iter().filter(|(library, _)| !ours.contains(library.as_bytes()));
    let functions: Vec<(&String, &String)> =
        others.flat_map(|(library, names)| names.iter().map(move |name| (name, library))).collect();
    let found = |is_registered: bool| {
        sources.libraries.iter().find_map(|source| {
            let names = if is_registered { registered(source) } else { quoted(source) };
            let is_taken = |name: &str| names.iter().any(|ours| ours.eq_ignore_ascii_case(name.as_bytes()));
            let (function, by) = functions.iter().find(|(name, _)| is_taken(name))?;
            let library = String::from_utf8_lossy(name_of(source)).into_owned();
            Some(Taken { library, function: (*function).clone(), by: (*by).clone(), is_registered })
        })
    };
    found(true).or_else(|| found(false))
}

/// What stands in quotes in a source.
fn quoted(source: &[u8]) -> BTreeSet<&[u8]> {
    source.split(|byte| matches!(byte, b'\'' | b'"')).collect()
}

/// What stands in quotes directly behind `register_function(` or `function_name =`.
fn registered(source: &[u8]) -> BTreeSet<&[u8]> {
    let parts: Vec<&[u8]> = source.split(|byte| matches!(byte, b'\'' | b'"')).collect();
    let named = parts.windows(2).filter(|pair| {
        let before = pair[0].trim_ascii_end();
        let before = before.strip_suffix(b"(").unwrap_or(before).trim_ascii_end();
        let assigned = before.strip_suffix(b"=").is_some_and(|name| name.trim_ascii_end().ends_with(b"function_name"));
        assigned || before.ends_with(b"register_function")
    });
    named.map(|pair| pair[1]).collect()
}

/// Names of libraries that are shown in a sentence.
const LIBRARIES_NAMED: usize = 3;

/// That so many function libraries differ, by name, as part of a sentence.
pub fn differing(n: u64, names: &[String]) -> String {
    let named: Vec<&str> = names.iter().take(LIBRARIES_NAMED).map(String::as_str).collect();
    let differ = if n == 1 { "differs" } else { "differ" };
    let more = if n > named.len() as u64 { ", …" } else { "" };
    format!("{} {differ}: `{}`{more}", counted(n, "function library"), named.join("`, `"))
}

/// A library that the target does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Name of the library.
    pub name: String,
    /// The target's own words.
    pub reason: String,
}

/// Why a library is not given to a Valkey that would crash of it, as a part of a sentence.
pub const WOULD_CRASH: &str = "it writes to the log while it loads, which crashes this version of Valkey";

/// Asks. Libraries of a name that the target has (`present`) are asked about under another name: the target's could not be brought back.
///
/// # Errors
/// The connection broke.
pub async fn ask(
    lane: &mut Lane,
    sources: &Sources,
    present: &BTreeSet<String>,
    format: TargetFormat,
) -> Result<Vec<Rejected>, CommandError> {
    let mut rejected = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (source, shard) in sources.libraries.iter().zip(&sources.shards) {
        let name = String::from_utf8_lossy(name_of(source)).into_owned();
        let reason = match names.get(&name) {
            Some(first) if first != shard => {
                Some(format!("shard {shard} has other code of it than shard {first}, whose code is loaded"))
            }
            Some(_) => Some("the backup has this library twice".to_owned()),
            None if format.crashes_of_logs() && logs_while_it_loads(source) => Some(WOULD_CRASH.to_owned()),
            None if present.contains(&name) => try_beside(lane, source, &name).await?,
            None => try_to_load(lane, source, &name).await?,
        };
        names.entry(name.clone()).or_insert(*shard);
        rejected.extend(reason.map(|reason| Rejected { name, reason }));
    }
    Ok(rejected)
}

/// The libraries that the target has, with their sources.
///
/// # Errors
/// The connection broke.
pub async fn sources(connection: &mut Connection) -> Result<Libraries, CommandError> {
    let answers = connection.pipeline(&[Command::of(&["FUNCTION", "LIST", "WITHCODE"])]).await?;
    let Some(Ok(list)) = answers.into_iter().next() else { return Ok(Libraries::Unknown) };
    let library = |library: &Reply| {
        let field = |name| Some(library.field(name)?.bytes()?.to_vec());
        Some((field("library_name")?, field("library_code")?))
    };
    Ok(Libraries::Are(list.items().iter().filter_map(library).collect()))
}

/// The same of a library whose name the target has, under another name. Names of functions that the target has are judged elsewhere.
async fn try_beside(lane: &mut Lane, source: &[u8], name: &str) -> Result<Option<String>, CommandError> {
    let beside = format!("redis_ops_{:016x}", getrandom::u64().unwrap_or_default());
    let Some(renamed) = renamed(source, name, &beside) else { return Ok(None) };
    let reason = try_to_load(lane, &renamed, &beside).await?;
    Ok(reason.filter(|reason| !reason.ends_with("already exists")))
}

/// A library with another name in its first line; `None`: the name does not stand there as it is.
fn renamed(source: &[u8], name: &str, other: &str) -> Option<Vec<u8>> {
    let line = source.iter().position(|byte| *byte == b'\n')?;
    let named = format!("name={name}");
    let at = source[..line].windows(named.len()).position(|window| window == named.as_bytes())?;
    Some([&source[..at], b"name=", other.as_bytes(), &source[at + named.len()..]].concat())
}

/// Why it cannot be loaded, if it cannot. The reason quotes what stands in the library, which need not be text.
async fn try_to_load(lane: &mut Lane, source: &[u8], name: &str) -> Result<Option<String>, CommandError> {
    const LOAD: &str = "FUNCTION LOAD";
    let (load, delete) = ([&b"FUNCTION"[..], b"LOAD", source], [&b"FUNCTION"[..], b"DELETE", name.as_bytes()]);
    lane.send(&[vec![&b"MULTI"[..]], load.to_vec(), delete.to_vec(), vec![&b"EXEC"[..]]]).await?;
    let mut refused = None;
    for _ in 0..3 {
        if let Answer::Error(error) = lane.head(LOAD).await? {
            refused.get_or_insert(error);
        }
    }
    let executed = lane.head("EXEC").await?;
    if let Some(error) = refused {
        // That our user may not ask is nothing that is wrong with the library.
        if let fault @ CommandFault::NoPermission { .. } = error.fault(LOAD) {
            return Err(CommandError { command: LOAD.to_owned(), fault });
        }
        return Ok(Some(error.to_string()));
    }
    let Answer::Array(results) = executed else {
        return Ok(Some("unexpected reply of the target to the command".to_owned()));
    };
    let mut rejected = None;
    for at in 0..results {
        match lane.head(LOAD).await? {
            Answer::Error(error) if at == 0 => rejected = Some(error.to_string()),
            Answer::Bulk(mut left) => {
                while left > 0 {
                    left -= lane.piece(left, LOAD).await?.len() as u64;
                }
                lane.end(LOAD).await?;
            }
            _ => {}
        }
    }
    Ok(rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_another_library_of_the_target_has_is_known_beforehand() {
        let present: BTreeMap<String, BTreeSet<String>> =
            [("other".to_owned(), ["F1".to_owned()].into()), ("mine".to_owned(), ["f2".to_owned()].into())].into();
        let found = |source: &str| {
            let mut sources = Sources::default();
            sources.add(source.as_bytes());
            taken(&sources, &present).map(|taken| (taken.library, taken.by, taken.is_registered))
        };
        let sure = Some(("mine".to_owned(), "other".to_owned(), true));
        assert_eq!(found("#!lua name=mine\nredis.register_function('f1', function() end)"), sure);
        assert_eq!(found("#!lua name=mine\nredis.register_function{ function_name = \"f1\", callback = f }"), sure);
        assert_eq!(found("#!lua name=mine\nserver.register_function ( 'f1' , f)"), sure);
        let perhaps = Some(("mine".to_owned(), "other".to_owned(), false));
        assert_eq!(found("#!lua name=mine\nlocal key = 'f1'"), perhaps);
        // A library of that name is replaced, or stays: its functions take no name.
        assert_eq!(found("#!lua name=mine\nredis.register_function('f2', f)"), None);
        assert_eq!(found("#!lua name=mine\nredis.register_function('f3', f)"), None);
    }
}
