//! What our user may do, of what a restore does: asked by `ACL DRYRUN`; where the user may not ask that, or the server does not know it (before
//! 7.0), by the commands themselves, with words that can do nothing.

use super::{Answer, needed};
use crate::connection::{Command, CommandError, Connection, Node, replication};
use crate::replies::AclUser;
use crate::restore::replay::vocabulary::KEY;

/// What our user may not do.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// The needed commands that the user may not call; `None`: the server does not say.
    pub(super) commands: Option<Vec<String>>,
    /// The needed commands that the user may not call with the key that was tried; `None`: the server does not say.
    pub(super) keys: Option<Vec<String>>,
    /// Its key patterns, unless they mean all keys.
    pub(super) patterns: Option<String>,
    /// The needed commands that the server does not have; `None`: the server does not say.
    pub(super) missing: Option<Vec<String>>,
}

/// Asks. `more`: further commands that are needed.
///
/// # Errors
/// The connection broke.
pub(super) async fn ask(
    node: &Node,
    connection: &mut Connection,
    (user, version): (Option<&str>, (u32, u32, u32)),
    more: &[&str],
) -> Result<Rights, CommandError> {
    let rights = match user {
        Some(user) => ask_acl(connection, user, more).await?,
        None => Rights::default(),
    };
    if rights.commands.is_some() {
        return Ok(rights);
    }
    let tried = try_commands(node, version, more).await.unwrap_or_default();
    Ok(Rights { patterns: rights.patterns, ..tried })
}

async fn ask_acl(connection: &mut Connection, user: &str, more: &[&str]) -> Result<Rights, CommandError> {
    let more: Vec<(&str, Vec<&str>)> = more.iter().map(|name| (*name, name.split('|').collect())).collect();
    let needed = needed().map(|(name, words)| (name, words.to_vec())).chain(more).collect::<Vec<_>>();
    let mut commands = vec![Command::of(&["ACL", "GETUSER", user])];
    for (_, command) in &needed {
        commands.push(Command::of(&["ACL", "DRYRUN", user]).arg(command));
    }
    let mut answers = connection.pipeline(&commands).await?.into_iter();
    let known = answers.next().and_then(Result::ok).and_then(|reply| AclUser::parse(&reply));
    let patterns = known.as_ref().map(|user| user.keys.clone());
    let patterns =
        patterns.filter(|keys| !keys.split(' ').any(|pattern| matches!(pattern, "~*" | "allkeys" | "%RW~*")));
    let everything = known.is_some_and(|user| user.commands == "+@all");
    let answers: Vec<Answer> = answers.collect();
    let (mut forbidden, mut refused, mut missing) = (Vec::new(), None, None);
    let mut told = everything;
    for ((name, _), answer) in needed.iter().zip(answers) {
        if let Err(error) = &answer
            && error.text.starts_with("Command '")
            && error.text.ends_with("not found")
        {
            let container = name.split('|').next().unwrap_or(name).to_owned();
            missing.get_or_insert_with(Vec::new).push(container);
        } else if let Ok(reply) = answer {
            told = true;
            missing.get_or_insert_with(Vec::new);
            let refused = refused.get_or_insert_with(Vec::new);
            // `OK`, or in words what is missing.
            let text = reply.text().unwrap_or_default();
            if text.contains("no permissions to run") {
                forbidden.push((*name).to_owned());
            } else if text.contains("no permissions to access") {
                refused.push((*name).to_owned());
            }
        }
    }
    Ok(Rights { commands: told.then_some(forbidden), keys: refused, patterns, missing })
}

/// Commands that no words keep from writing: they are only queued, for a transaction that never runs.
const WRITES: &[&str] = &["append", "rpush", "sadd"];

/// The words of a command with which it fails, or finds no key: for a server that checks the rights first.
fn harmless<'a>(name: &str, words: &[&'a str]) -> Vec<&'a str> {
    match name {
        "select" => vec!["SELECT", "x"],
        "restore" => vec!["RESTORE", KEY, "-1", "x"],
        "set" => vec!["SET", KEY, "x", "x"],
        "zadd" => vec!["ZADD", KEY, "x", "x"],
        "hset" => vec!["HSET", KEY, "x", "x", "x"],
        "xadd" => vec!["XADD", KEY, "x", "x", "x"],
        "function|load" => vec!["FUNCTION", "LOAD", "x"],
        // No library can have this name.
        "function|delete" => vec!["FUNCTION", "DELETE", "\u{1}"],
        "function|flush" => vec!["FUNCTION", "FLUSH", "x"],
        "replicaof" => vec!["REPLICAOF", "x", "x"],
        "bgsave" => vec!["BGSAVE", "x"],
        "flushall" => vec!["FLUSHALL", "x"],
        "replconf" => vec!["REPLCONF", "x"],
        "scan" => vec!["SCAN", "x"],
        _ => words.to_vec(),
    }
}

/// Tries the commands themselves, over a connection of its own; `None`: nothing was learned. Where a transaction may be begun, they are only
/// queued, and go with the connection. `PSYNC` has no harmless words on every server, and is tried in its own way.
async fn try_commands(node: &Node, version: (u32, u32, u32), more: &[&str]) -> Option<Rights> {
    let mut connection = node.connect().await.ok()?;
    let first = connection.pipeline(&[Command::new("EXEC"), Command::new("MULTI")]).await.ok()?;
    let queues = matches!(first.get(1), Some(Ok(_)));
    let more: Vec<(&str, Vec<&str>)> = more.iter().map(|name| (*name, name.split('|').collect())).collect();
    let all = needed().map(|(name, words)| (name, words.to_vec())).chain(more);
    let (known, tried): (Vec<_>, Vec<_>) = all
        .filter(|(name, _)| *name != "psync" && (queues || !WRITES.contains(name)))
        .partition(|(name, _)| matches!(*name, "exec" | "multi"));
    let commands: Vec<Command> = tried.iter().map(|(name, words)| Command::of(&harmless(name, words))).collect();
    let answers = connection.pipeline(&commands).await.ok()?;
    let mut rights =
        Rights { commands: Some(Vec::new()), keys: Some(Vec::new()), patterns: None, missing: Some(Vec::new()) };
    let of_transactions =
        ["exec", "multi"].into_iter().zip(first).filter(|(name, _)| known.iter().any(|(k, _)| k == name));
    for (name, answer) in of_transactions.chain(tried.iter().map(|(name, _)| *name).zip(answers)) {
        rights.note(name, &answer);
    }
    let forbidden = rights.commands.get_or_insert_default();
    // Who may not `SET` may hardly `APPEND`, and who may not `REPLCONF` hardly `PSYNC` where that is not told.
    if !queues && forbidden.iter().any(|name| name == "set") {
        forbidden.extend(WRITES.iter().map(|name| (*name).to_owned()));
    }
    let mut connection = node.connect().await.ok()?;
    let may_psync = replication::may_psync(&mut connection, version).await.ok().flatten();
    if matches!(may_psync, Some(Err(_))) || may_psync.is_none() && forbidden.iter().any(|name| name == "replconf") {
        forbidden.push("psync".to_owned());
    }
    // With which keys the user might call them is not known, and no key is promised.
    let with_keys =
        tried.iter().filter(|(name, words)| words.contains(&KEY) && forbidden.iter().any(|other| other == name));
    rights.keys.get_or_insert_default().extend(with_keys.map(|(name, _)| (*name).to_owned()));
    Some(rights)
}

impl Rights {
    /// What the answer of a server to a command says of our rights.
    fn note(&mut self, name: &str, answer: &Answer) {
        let Err(error) = answer else { return };
        // EXEC says it within other words: `EXECABORT Transaction discarded because of: NOPERM …`.
        let text = error.text.to_ascii_lowercase();
        let to = if text.contains("permissions to run") {
            &mut self.commands
        } else if text.contains("permissions to access") {
            &mut self.keys
        } else if text.starts_with("unknown command") {
            let container = name.split('|').next().unwrap_or(name).to_owned();
            self.missing.get_or_insert_with(Vec::new).push(container);
            return;
        } else {
            return;
        };
        to.get_or_insert_with(Vec::new).push(name.to_owned());
    }
}
