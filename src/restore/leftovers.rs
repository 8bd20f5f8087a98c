//! Temporary keys of interrupted restores, which are removed before another restore begins: they would go by themselves when their TTL
//! is over, and until then a target that is said to hold the backup holds them as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::{Command, CommandError, CommandFault, Connection, Node};
use crate::replies::{Database, Reply};
use crate::restore::typed::token_of;

/// Keys that one SCAN looks at.
const AT_ONCE: usize = 1000;
/// A scan that never ends is given up when it has asked so many times as often as it should, and [`MORE`].
const TIMES: u64 = 4;
const MORE: u64 = 1000;

/// Removes the temporary keys from each primary of a target: see [`remove_from`]. `connection`: the one to the target.
///
/// # Errors
/// As [`remove_from`].
pub async fn remove(
    node: &Node,
    connection: &mut Connection,
    databases: &BTreeMap<u64, Database>,
    tokens: &BTreeSet<u64>,
) -> Result<u64, CommandError> {
    if node.parts.is_empty() {
        return remove_from(connection, databases, tokens).await;
    }
    let mut removed = 0;
    for primary in node.each() {
        let mut connection = primary.connect().await.map_err(|error| CommandError {
            command: "SCAN".to_owned(),
            fault: CommandFault::Disconnected { reason: error.to_string() },
        })?;
        removed += remove_from(&mut connection, databases, tokens).await?;
    }
    Ok(removed)
}

/// Removes the temporary keys whose names are made of one of these `tokens`, from databases that hold keys; gives how many there were.
///
/// # Errors
/// The connection broke, or our user may not do that.
async fn remove_from(
    connection: &mut Connection,
    databases: &BTreeMap<u64, Database>,
    tokens: &BTreeSet<u64>,
) -> Result<u64, CommandError> {
    let mut removed = 0;
    for (database, facts) in databases {
        connection.query(&Command::new("SELECT").arg(*database)).await?;
        let mut cursor = b"0".to_vec();
        let mut asked = 0;
        loop {
            let scan = Command::new("SCAN").arg(&cursor).arg("MATCH").arg("*}redis-ops:*").arg("COUNT").arg(AT_ONCE);
            let (next, names) = page(connection.query(&scan).await?)?;
            let ours: Vec<&Vec<u8>> =
                names.iter().filter(|name| token_of(name).is_some_and(|token| tokens.contains(&token))).collect();
            // One by one: in a cluster they are in several slots.
            let unlinks: Vec<Command> = ours.iter().map(|name| Command::new("UNLINK").arg(name)).collect();
            for answer in connection.pipeline(&unlinks).await? {
                match answer {
                    Ok(Reply::Integer(n)) => removed += n.unsigned_abs(),
                    Ok(_) => {}
                    Err(error) => {
                        return Err(CommandError { command: "UNLINK".to_owned(), fault: error.fault("UNLINK") });
                    }
                }
            }
            asked += 1;
            cursor = next;
            if cursor == b"0" || asked > (facts.keys / AT_ONCE as u64).saturating_mul(TIMES) + MORE {
                break;
            }
        }
    }
    connection.query(&Command::new("SELECT").arg(0)).await?;
    Ok(removed)
}

/// Where a scan goes on, and the names that it gave.
fn page(answer: Reply) -> Result<(Vec<u8>, Vec<Vec<u8>>), CommandError> {
    let cursor = answer.items().first().and_then(Reply::bytes).map(<[u8]>::to_vec);
    let names = answer.items().get(1).map(Reply::items).unwrap_or_default();
    let names = names.iter().filter_map(|name| name.bytes().map(<[u8]>::to_vec)).collect();
    cursor.map(|cursor| (cursor, names)).ok_or_else(|| CommandError {
        command: "SCAN".to_owned(),
        fault: CommandFault::Protocol { reason: "it names no cursor".to_owned() },
    })
}
