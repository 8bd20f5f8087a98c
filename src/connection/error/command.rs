//! A command got no answer, or an error for an answer.

use std::fmt;
use std::time::Duration;

use crate::explain::{Explain, Hint, Meaning};
use crate::figures::bytes;

/// What to do about a server that is loading.
pub const WAIT_UNTIL_LOADED: &str = "wait until loading ends: `INFO persistence` shows the progress";

/// An error reply, split at its first space: `WRONGTYPE` and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The first word: `ERR`, `NOPERM`, `BUSYKEY`, … Empty if the reply has none in capitals.
    pub code: String,
    /// The rest of the line.
    pub text: String,
}

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Which one: its name, with the subcommand where there is one (`CONFIG GET`). Never its arguments.
    pub command: String,
    pub fault: CommandFault,
}

/// Why a command failed. After [`Timeout`](Self::Timeout) and [`Disconnected`](Self::Disconnected) nobody knows whether it was
/// applied: such a command is never sent again by this layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// The ACL forbids it.
    NoPermission {
        /// The rule that is missing: `+config|get`; of keys and channels that of all, `~*` and `&*`, for which one it was the server does
        /// not say.
        rule: String,
        /// The server's own words.
        text: String,
    },
    /// The connection is not authenticated (any more).
    NotAuthenticated,
    /// The server does not know the command: too old, a proxy or service that blocks it, or renamed.
    Unknown {
        /// The server's own words.
        text: String,
    },
    /// The server is reading its data set from disk.
    Loading,
    /// The server is a replica, and replicas take no writes.
    ReadOnly,
    /// `maxmemory` is reached, and the eviction policy frees nothing.
    OutOfMemory,
    /// The server refuses writes because it cannot persist.
    Misconfigured {
        /// The server's own words.
        text: String,
    },
    /// A replica without its primary, which may not serve old data.
    MasterDown,
    /// The cluster does not serve this slot, or none.
    ClusterDown {
        /// The server's own words.
        text: String,
    },
    /// The slot of the key is served by another node.
    Moved {
        /// The slot that the server named.
        slot: u16,
        /// `host:port` of the other node; the host may be empty, which means the same host.
        address: String,
    },
    /// The key may be at another node already: the slot is on its way there.
    Ask {
        /// The slot that the server named.
        slot: u16,
        /// `host:port` of the other node.
        address: String,
    },
    /// The key is there already (`RESTORE` without `REPLACE`).
    BusyKey,
    /// A script or function runs for too long.
    Busy {
        /// The server's own words.
        text: String,
    },
    /// No answer in time.
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// The connection is gone.
    Disconnected {
        /// What the system said.
        reason: String,
    },
    /// The answer is not what the protocol allows.
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// More was sent than is taken: the connection was closed.
    ReplyTooLarge {
        /// The bytes that an answer, or the answers to what is asked together, may have.
        limit: u64,
    },
    /// Any other error reply.
    Server(ServerError),
}

impl ServerError {
    /// Splits an error line (without the leading `-`). A first word that is not in capitals is part of the text.
    pub fn parse(line: &str) -> Self {
        let line = line.trim_end();
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_code = !first.is_empty() && first.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if is_code {
            Self { code: first.to_owned(), text: rest.to_owned() }
        } else {
            Self { code: String::new(), text: line.to_owned() }
        }
    }

    /// What this reply means as the answer to `command` (a name as in [`CommandError::command`]).
    pub fn fault(&self, command: &str) -> CommandFault {
        let text = self.text.clone();
        match self.code.as_str() {
            "NOPERM" => CommandFault::NoPermission { rule: missing_rule(&self.text, command), text },
            "NOAUTH" => CommandFault::NotAuthenticated,
            "LOADING" => CommandFault::Loading,
            "READONLY" => CommandFault::ReadOnly,
            "OOM" => CommandFault::OutOfMemory,
            "MISCONF" => CommandFault::Misconfigured { text },
            "MASTERDOWN" => CommandFault::MasterDown,
            "CLUSTERDOWN" => CommandFault::ClusterDown { text },
            "BUSYKEY" => CommandFault::BusyKey,
            "BUSY" => CommandFault::Busy { text },
            "ERR" if is_unknown_command(&self.text) => CommandFault::Unknown { text },
            "MOVED" | "ASK" => match redirection(&self.text) {
                Some((slot, address)) if self.code == "MOVED" => CommandFault::Moved { slot, address },
                Some((slot, address)) => CommandFault::Ask { slot, address },
                None => CommandFault::Server(self.clone()),
            },
            _ => CommandFault::Server(self.clone()),
        }
    }
}

/// An example of a time limit that is longer than the one that was not enough.
pub(in crate::connection) fn longer(than: Duration) -> &'static str {
    let known = [("30s", 30), ("2m", 120), ("10m", 600), ("1h", 3600)];
    known.into_iter().find(|(_, seconds)| than < Duration::from_secs(*seconds)).map_or("1d", |(text, _)| text)
}

/// `ERR unknown command 'X'` (5.0 with backticks), and the same for subcommands (`unknown subcommand`, 7.0; before it
/// `Unknown subcommand or wrong number of arguments`).
fn is_unknown_command(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.starts_with("unknown command") || text.starts_with("unknown subcommand")
}

/// The slot and the address of a redirection: `3999 127.0.0.1:6381`.
fn redirection(text: &str) -> Option<(u16, String)> {
    let (slot, address) = text.split_once(' ')?;
    Some((slot.parse().ok()?, address.to_owned()))
}

/// The ACL rule that would allow what `NOPERM` forbade.
///
/// The texts (Redis `acl.c`, `getAclErrorMessage`; 6.x `server.c`, `processCommand`): `… to run the 'client|list' command`
/// (7.0; in 6.x `… the 'client' command or its subcommand`), `… to access one of the keys used as arguments`, and the same for
/// channels.
fn missing_rule(text: &str, command: &str) -> String {
    if let Some((_, rest)) = text.split_once("run the '")
        && let Some((name, _)) = rest.split_once('\'')
    {
        return format!("+{}", name.to_lowercase());
    }
    let words = text.to_ascii_lowercase();
    if words.contains("key") {
        return "~*".to_owned();
    }
    if words.contains("channel") {
        return "&*".to_owned();
    }
    format!("+{}", command.to_lowercase().replace(' ', "|"))
}

impl CommandError {
    /// The stable name of this error in JSON answers.
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }
}

impl CommandFault {
    /// The stable name of this fault in JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPermission { .. } => "permission_denied",
            Self::NotAuthenticated => "authentication_failed",
            Self::Unknown { .. } => "unknown_command",
            Self::Loading => "loading",
            Self::ReadOnly => "read_only",
            Self::OutOfMemory => "out_of_memory",
            Self::Misconfigured { .. } => "misconfigured",
            Self::MasterDown => "master_down",
            Self::ClusterDown { .. } => "cluster_down",
            Self::Moved { .. } | Self::Ask { .. } => "moved",
            Self::BusyKey => "already_exists",
            Self::Busy { .. } => "busy",
            Self::Timeout { .. } => "timeout",
            Self::Disconnected { .. } => "disconnected",
            Self::Protocol { .. } => "protocol_error",
            Self::ReplyTooLarge { .. } => "reply_too_large",
            Self::Server(_) => "server_error",
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.text.as_str()) {
            ("", text) => f.write_str(text),
            (code, "") => f.write_str(code),
            (code, text) => write!(f, "{code} {text}"),
        }
    }
}

impl std::error::Error for ServerError {}

impl Explain for ServerError {
    fn meaning(&self) -> Meaning {
        Meaning::of("server_error")
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.command, self.fault)
    }
}

impl std::error::Error for CommandError {}

impl Explain for CommandError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        match &self.fault {
            CommandFault::NoPermission { rule, text } => meaning.hint(Hint::grant(rule, text)),
            CommandFault::NotAuthenticated => meaning.hint(Hint::GivePassword),
            CommandFault::Loading => meaning.hint(WAIT_UNTIL_LOADED),
            CommandFault::ReadOnly => meaning.hint("name the primary: `INFO replication` shows its address"),
            CommandFault::OutOfMemory => meaning.hint("raise `maxmemory`, or free memory first"),
            CommandFault::Timeout { after } => meaning.hint(Hint::WaitLonger(longer(*after))),
            CommandFault::Unknown { .. }
            | CommandFault::Misconfigured { .. }
            | CommandFault::MasterDown
            | CommandFault::ClusterDown { .. }
            | CommandFault::Moved { .. }
            | CommandFault::Ask { .. }
            | CommandFault::BusyKey
            | CommandFault::Busy { .. }
            | CommandFault::Disconnected { .. }
            | CommandFault::Protocol { .. }
            | CommandFault::ReplyTooLarge { .. }
            | CommandFault::Server(_) => meaning,
        }
    }
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPermission { rule, .. } => write!(f, "no permission: the ACL rule `{rule}` is missing"),
            Self::NotAuthenticated => f.write_str("the connection is not authenticated"),
            Self::Unknown { text } => write!(f, "the server does not know this command: {text}"),
            Self::Loading => f.write_str("the server is loading its data set"),
            Self::ReadOnly => f.write_str("the server is a replica and refuses writes"),
            Self::OutOfMemory => f.write_str("the server has reached `maxmemory` and refuses writes"),
            Self::Misconfigured { text } => write!(f, "the server refuses writes: {text}"),
            Self::MasterDown => f.write_str("the replica has lost its primary and does not serve old data"),
            Self::ClusterDown { text } => write!(f, "the cluster is down: {text}"),
            Self::Moved { slot, address } => write!(f, "slot {slot} is served by {address}"),
            Self::Ask { slot, address } => write!(f, "slot {slot} is being moved to {address}"),
            Self::BusyKey => f.write_str("the key exists already"),
            Self::Busy { text } => write!(f, "the server is busy with a script: {text}"),
            Self::Timeout { after } => write!(f, "no answer within {}", humantime::format_duration(*after)),
            Self::Disconnected { reason } => write!(f, "the connection is gone: {reason}"),
            Self::Protocol { reason } => write!(f, "the reply violates the protocol: {reason}"),
            Self::ReplyTooLarge { limit } => {
                write!(f, "the reply is longer than the limit of {}", bytes(*limit))
            }
            Self::Server(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rule(command: &str, line: &str, expected: &str) {
        match ServerError::parse(line).fault(command) {
            CommandFault::NoPermission { rule, .. } => assert_eq!(rule, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_missing_acl_rule_is_named_from_the_words_of_every_server() {
        check_rule(
            "PSYNC",
            "NOPERM this user has no permissions to run the 'psync' command or its subcommand",
            "+psync",
        );
        check_rule("PSYNC", "NOPERM this user has no permissions to run the 'psync' command", "+psync");
        check_rule("PSYNC", "NOPERM User ops has no permissions to run the 'psync' command", "+psync");
        check_rule("CONFIG GET", "NOPERM User ops has no permissions to run the 'config|get' command", "+config|get");
        check_rule("CONFIG GET", "NOPERM something quite new", "+config|get");
        check_rule("GET", "NOPERM this user has no permissions to access one of the keys used as arguments", "~*");
        check_rule("GET", "NOPERM No permissions to access a key", "~*");
        check_rule("PUBLISH", "NOPERM No permissions to access a channel", "&*");
    }

    #[track_caller]
    fn check_code(line: &str, expected: &str) {
        assert_eq!(ServerError::parse(line).fault("GET").code(), expected, "{line}");
    }

    #[test]
    fn error_replies_become_their_variants() {
        check_code("LOADING Redis is loading the dataset in memory", "loading");
        check_code("READONLY You can't write against a read only replica.", "read_only");
        check_code("OOM command not allowed when used memory > 'maxmemory'.", "out_of_memory");
        check_code("MISCONF Redis is configured to save RDB snapshots, but", "misconfigured");
        check_code("MASTERDOWN Link with MASTER is down", "master_down");
        check_code("CLUSTERDOWN Hash slot not served", "cluster_down");
        check_code("MOVED 3999 127.0.0.1:6381", "moved");
        check_code("ASK 3999 :6381", "moved");
        check_code("MOVED nonsense", "server_error");
        check_code("NOAUTH Authentication required.", "authentication_failed");
        check_code("BUSYKEY Target key name already exists.", "already_exists");
        check_code("BUSY Redis is busy running a script.", "busy");
        check_code("ERR unknown command 'PSYNC', with args beginning with:", "unknown_command");
        check_code("ERR unknown command `PSYNC`, with args beginning with:", "unknown_command");
        check_code("ERR Unknown subcommand or wrong number of arguments for 'NO-TOUCH'.", "unknown_command");
        check_code("WRONGTYPE Operation against a key", "server_error");
        check_code("", "server_error");
    }

    #[test]
    fn an_error_reply_is_shown_as_the_server_wrote_it() {
        for line in ["ERR no such key", "WRONGTYPE Operation", "EXECABORT", "no code at all", "Err mixed"] {
            assert_eq!(ServerError::parse(line).to_string(), line);
        }
    }
}
