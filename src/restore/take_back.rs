//! The backup turned out bad while it was restored into an empty target: the keys that we created are taken back, those and
//! no others. Never FLUSHALL.
//!
//! If nobody else has written, they are all as we made them. Else each is compared with what was sent, and what differs, or
//! cannot be compared, is left and named.

use std::collections::{BTreeMap, BTreeSet};

use crate::blocking;
use crate::connection::{Command, CommandError, CommandFault, Connection, Head, Lane, Node};
use crate::replies::{Info, Reply};
use crate::restore::journal::{Created, CreatedKey, FUNCTIONS};
use crate::restore::replay::calls::Calls;
use crate::restore::replay::vocabulary::COMMANDS;
use crate::restore::tally::{FailedKey, NAMES_KEPT};

/// Keys that are removed in one go.
const AT_ONCE: usize = 1000;
/// What became of the keys that were created, and of function libraries.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct TakenBack {
    /// Keys that were removed again.
    pub removed: u64,
    /// The same by number of the target's database.
    #[serde(skip)]
    pub by_database: BTreeMap<u64, u64>,
    /// Removed function libraries.
    pub functions: u64,
    /// Keys that were gone already.
    pub gone: u64,
    /// Left, because they are not (or not for sure) as we made them.
    pub left: u64,
    /// The first of those.
    pub left_keys: Vec<FailedKey>,
}

impl TakenBack {
    /// Whether nothing had been written that could be taken back.
    pub fn is_nothing(&self) -> bool {
        self.removed + self.gone + self.left + self.functions == 0
    }
}

/// Commands that do not write, by the names of `INFO commandstats`: where the target does not say it (`COMMAND` was renamed, or is
/// forbidden).
const READS: &[&str] = &[
    "acl",
    "auth",
    "client",
    "cluster",
    "command",
    "config",
    "dbsize",
    "debug",
    "discard",
    "dump",
    "echo",
    "exec",
    "exists",
    "get",
    "function|dump",
    "function|list",
    "function|stats",
    "hello",
    "hget",
    "hgetall",
    "hlen",
    "info",
    "keys",
    "lastsave",
    "latency",
    "llen",
    "lrange",
    "memory",
    "mget",
    "monitor",
    "multi",
    "object",
    "ping",
    "psync",
    "pttl",
    "pubsub",
    "quit",
    "readonly",
    "replconf",
    "role",
    "scan",
    "scard",
    "select",
    "slowlog",
    "smembers",
    "strlen",
    "subscribe",
    "sync",
    "time",
    "ttl",
    "type",
    "unwatch",
    "wait",
    "watch",
    "xlen",
    "zcard",
    "zrange",
];

/// Whether somebody else has written between two looks at INFO: commands that write were called more often than we called them.
/// `None`: could not tell.
///
/// # Errors
/// The connection broke.
pub async fn others_wrote(
    connection: &mut Connection,
    before: &Info,
    after: &Info,
    ours: &Calls,
) -> Result<Option<bool>, CommandError> {
    // Hidden or never counted.
    let Some(grown) = ours.beyond(before, after) else { return Ok(None) };
    any_writes(connection, &grown).await
}

/// Whether one of these commands, named as in `INFO commandstats`, writes; `None`: could not tell.
///
/// # Errors
/// The connection broke.
pub async fn any_writes(connection: &mut Connection, names: &[impl AsRef<str>]) -> Result<Option<bool>, CommandError> {
    let first = |name: &str| name.split('|').next().unwrap_or_default().to_owned();
    let commands: Vec<Command> =
        names.iter().map(|name| Command::of(&["COMMAND", "INFO"]).arg(first(name.as_ref()))).collect();
    let answers = connection.pipeline(&commands).await?;
    let judged = names.iter().zip(answers).map(|(name, answer)| match answer {
        Ok(value) => Some(writes(&value)),
        Err(_) => writes_by_name(name.as_ref()),
    });
    Ok(judged.fold(Some(false), or))
}

/// Whether one of two is so.
pub fn or(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

/// Whether a command writes, as far as its name tells; `None`: we do not know it.
fn writes_by_name(name: &str) -> Option<bool> {
    let first = name.split('|').next().unwrap_or_default();
    let is_read = READS.contains(&name) || READS.contains(&first);
    // What we restore with and is no read is a write.
    let is_write = COMMANDS.iter().any(|command| command.name == name);
    (is_read || is_write).then_some(!is_read)
}

/// Whether COMMAND INFO says that a command writes.
fn writes(info: &Reply) -> bool {
    let flags = info.items().first().and_then(|command| command.items().get(2));
    let flags: BTreeSet<String> =
        flags.map(|flags| flags.items().iter().filter_map(|flag| flag.text()).collect()).unwrap_or_default();
    flags.contains("write")
}

/// Takes back the keys that were created, and closes the file of their names. `compare`: somebody else has written, so only keys
/// which still hold what was sent are removed.
///
/// # Errors
/// The connection broke; what is done so far is lost from sight.
pub async fn run(
    node: &Node,
    connection: &mut Connection,
    mut created: Created,
    compare: bool,
) -> Result<TakenBack, CommandError> {
    let mut done = TakenBack::default();
    let broken = |error: std::io::Error| CommandError {
        command: "UNLINK".to_owned(),
        fault: CommandFault::Protocol { reason: format!("the journal cannot be read: {error}") },
    };
    let (created, records) = blocking::run(move || {
        let records = created.records();
        (created, records)
    })
    .await;
    let mut records = records.map_err(broken)?;
    loop {
        let (behind, part) = blocking::run(move || {
            let part: Result<Vec<CreatedKey>, _> = records.by_ref().take(AT_ONCE).collect();
            (records, part)
        })
        .await;
        records = behind;
        let part = part.map_err(broken)?;
        if part.is_empty() {
            break;
        }
        let mut rest = &part[..];
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|record| record.database == first.database).count();
            if first.database == FUNCTIONS {
                delete_functions(connection, &rest[..same], &mut done).await?;
            } else {
                take(node, connection, &rest[..same], compare, &mut done).await?;
            }
            rest = &rest[same..];
        }
    }
    blocking::run(move || drop(created)).await;
    Ok(done)
}

/// Nobody can change a library in its place without replacing all of it: those that we loaded are ours.
async fn delete_functions(
    connection: &mut Connection,
    libraries: &[CreatedKey],
    done: &mut TakenBack,
) -> Result<(), CommandError> {
    let delete = |library: &CreatedKey| Command::of(&["FUNCTION", "DELETE"]).arg(&library.key);
    let commands: Vec<Command> = libraries.iter().map(delete).collect();
    let answers = connection.pipeline(&commands).await?;
    done.functions += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    Ok(())
}

async fn take(
    node: &Node,
    connection: &mut Connection,
    keys: &[CreatedKey],
    compare: bool,
    done: &mut TakenBack,
) -> Result<(), CommandError> {
    let Some(first) = keys.first() else { return Ok(()) };
    connection.query(&Command::new("SELECT").arg(first.database)).await?;
    let mut ours = Vec::new();
    if compare {
        let database = u32::try_from(first.database).unwrap_or_default();
        let mut lanes = Vec::new();
        for primary in node.each() {
            let lane = Node { database, ..primary }.connect_for_long_answers().await;
            lanes.push(lane.map_err(|error| CommandError {
                command: DUMP.to_owned(),
                fault: CommandFault::Disconnected { reason: error.to_string() },
            })?);
        }
        for key in keys {
            match checksum(&mut lanes[node.serving(&key.key)], &key.key).await? {
                Found::Value(crc64) if key.crc64 != 0 && crc64 == key.crc64.to_le_bytes() => ours.push(key),
                Found::Nothing => done.gone += 1,
                Found::Value(_) | Found::Refused => leave(key, done),
            }
        }
    } else {
        ours.extend(keys);
    }
    let commands: Vec<Command> = ours.iter().map(|key| Command::new("UNLINK").arg(&key.key)).collect();
    for (key, answer) in ours.iter().zip(connection.pipeline(&commands).await?) {
        match answer {
            Ok(Reply::Integer(0)) => done.gone += 1,
            Ok(_) => {
                done.removed += 1;
                *done.by_database.entry(key.database).or_default() += 1;
            }
            Err(_) => leave(key, done),
        }
    }
    Ok(())
}

const DUMP: &str = "DUMP";

/// What DUMP answers.
enum Found {
    /// A payload that ends with these bytes.
    Value([u8; 8]),
    Nothing,
    Refused,
}

/// The checksum at the end of a key's payload, however long that is.
async fn checksum(lane: &mut Lane, key: &[u8]) -> Result<Found, CommandError> {
    lane.send(&[vec![DUMP.as_bytes(), key]]).await?;
    let mut left = match lane.head(DUMP).await? {
        Head::Bulk(length) => length,
        Head::Nil => return Ok(Found::Nothing),
        _ => return Ok(Found::Refused),
    };
    let mut end = [0; 8];
    while left > 0 {
        let piece = lane.piece(left, DUMP).await?;
        left -= piece.len() as u64;
        let n = piece.len().min(8);
        end.rotate_left(n);
        end[8 - n..].copy_from_slice(&piece[piece.len() - n..]);
    }
    lane.end(DUMP).await?;
    Ok(Found::Value(end))
}

fn leave(key: &CreatedKey, done: &mut TakenBack) {
    done.left += 1;
    if done.left_keys.len() < NAMES_KEPT {
        done.left_keys.push(FailedKey::new(
            key.database,
            &key.key,
            "it has changed since the restore, or may have changed",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_judged_by_its_name_where_the_target_says_nothing() {
        for (name, expected) in [
            ("info", Some(false)),
            ("client|list", Some(false)),
            ("function|list", Some(false)),
            ("function|load", Some(true)),
            ("restore", Some(true)),
            ("xgroup|create", Some(true)),
            ("ft.create", None),
            ("function", None),
        ] {
            assert_eq!(writes_by_name(name), expected, "{name}");
        }
        assert_eq!([Some(false), None, Some(true)].into_iter().fold(Some(false), or), Some(true));
        assert_eq!([Some(false), None].into_iter().fold(Some(false), or), None);
    }
}
