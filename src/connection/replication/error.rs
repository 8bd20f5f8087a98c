//! What can go wrong while a server sends us its data set.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::connection::error::longer;
use crate::connection::stream::{is_closed, words};
use crate::connection::{CommandFault, ConnectError, ServerError, WAIT_UNTIL_LOADED};
use crate::explain::{Explain, Hint, Meaning};

/// A resynchronization that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationError {
    /// Which server, for people. Never with a secret.
    pub target: String,
    /// Why the resynchronization failed.
    pub fault: ReplicationFault,
}

/// Where in a resynchronization we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `REPLCONF`: telling what we can.
    Handshake,
    /// `PSYNC` was sent: the server waits for its delay, forks, saves.
    WaitingForSnapshot,
    /// Its RDB is on the way: this many bytes are here.
    Receiving(u64),
    /// Behind its RDB: commands are read.
    Following,
}

/// Why a resynchronization failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicationFault {
    /// There is no connection.
    Connect(ConnectError),
    /// The ACL forbids it.
    NoPermission {
        /// The command that the ACL forbids.
        command: String,
        /// The rule that is missing: `+psync`.
        rule: String,
        /// The server's own words.
        text: String,
    },
    /// The server gives its data set to nobody: `PSYNC` and `SYNC` are unknown, renamed, or blocked by a service in words of its own.
    Unsupported {
        /// The server's own words, to the first of the two.
        text: String,
    },
    /// The server is reading its data set from disk.
    Loading,
    /// A replica whose own link to its primary is down has nothing consistent to give.
    NoPrimaryLink {
        /// The server's own words.
        text: String,
    },
    /// The server could not fork or save.
    SnapshotFailed {
        /// The server's own words.
        text: String,
    },
    /// Another error reply.
    Refused {
        /// The command that was refused.
        command: String,
        /// The server's answer.
        error: ServerError,
    },
    /// An answer that replication does not know.
    Protocol {
        /// How far the resynchronization had come.
        stage: Stage,
        /// The beginning of what came, escaped.
        got: String,
    },
    /// Nothing came for too long.
    Silent {
        /// How far the resynchronization had come.
        stage: Stage,
        /// How long we waited.
        waited: Duration,
    },
    /// The server gives signs of life, and does not begin to send.
    NeverBegins {
        /// How long we waited.
        waited: Duration,
    },
    /// Bytes come, but so few that the RDB would never end.
    Dribbles {
        /// How far the resynchronization had come.
        stage: Stage,
        /// How many bytes came.
        n_bytes: u64,
        /// In which time: that in which nobody but the server was waited for.
        waited: Duration,
    },
    /// The server is shutting down, and waits for its replicas to have everything: we hung up, so that it need not wait for us.
    ShuttingDown {
        /// How far the resynchronization had come.
        stage: Stage,
    },
    /// The connection ended too early.
    Disconnected {
        /// How far the resynchronization had come.
        stage: Stage,
        /// The length of the RDB, where the server announced it.
        expected: Option<u64>,
        /// What the system or TLS said, if the connection was not just closed.
        reason: Option<String>,
        /// The longest time for which we ourselves did not read. A server drops a replica that makes no progress for
        /// `repl-timeout`, or for which it must hold back more than `client-output-buffer-limit` allows.
        unread: Duration,
    },
}

/// From here on our own slowness is worth a word in the error. The server's own limit is 60 s by default.
const WORTH_A_WORD: Duration = Duration::from_secs(5);

impl ReplicationError {
    /// The stable name of this error in JSON answers.
    pub fn code(&self) -> &'static str {
        match &self.fault {
            ReplicationFault::Connect(error) => error.code(),
            ReplicationFault::NoPermission { .. } => "permission_denied",
            ReplicationFault::Unsupported { .. } => "replication_unsupported",
            ReplicationFault::Loading => "loading",
            ReplicationFault::NoPrimaryLink { .. } => "no_primary_link",
            ReplicationFault::SnapshotFailed { .. } => "snapshot_failed",
            ReplicationFault::Refused { error, command } => error.fault(command).code(),
            ReplicationFault::Protocol { .. } => "protocol_error",
            ReplicationFault::Silent { .. }
            | ReplicationFault::NeverBegins { .. }
            | ReplicationFault::Dribbles { .. } => "timeout",
            ReplicationFault::ShuttingDown { .. } => "shutting_down",
            ReplicationFault::Disconnected { .. } => "disconnected",
        }
    }
}

impl ReplicationError {
    /// Whether this server, or what stands before it, lets us have its data by replication neither now nor later: its ACL forbids it,
    /// or nobody may. Then reading key by key is the way.
    pub fn is_for_good(&self) -> bool {
        matches!(self.fault, ReplicationFault::NoPermission { .. } | ReplicationFault::Unsupported { .. })
    }

    /// Whether the server is a replica that has lost its primary.
    pub fn is_no_primary_link(&self) -> bool {
        matches!(self.fault, ReplicationFault::NoPrimaryLink { .. })
    }
}

/// What the system said about a connection that ended, if it was not just closed.
pub(super) fn reason_of(error: &io::Error) -> Option<String> {
    (!is_closed(error)).then(|| words(error))
}

/// What an error reply to `PSYNC`, `SYNC` or `REPLCONF` means where it is the very answer to the command. Services refuse in words
/// that each of them makes up (`command not support`, `forbidden`, `not available`, …): what a server does not say to be of the
/// moment is a refusal for good.
pub fn refusal(command: &str, error: &ServerError) -> ReplicationFault {
    match failure(command, error) {
        ReplicationFault::Refused { .. } if !is_of_the_moment(error) => {
            ReplicationFault::Unsupported { text: error.to_string() }
        }
        fault => fault,
    }
}

/// What an error reply means that comes after the server has begun to make its snapshot.
pub(super) fn failure(command: &str, error: &ServerError) -> ReplicationFault {
    let text = error.text.clone();
    match error.fault(command) {
        CommandFault::NoPermission { rule, text } => {
            ReplicationFault::NoPermission { command: command.to_owned(), rule, text }
        }
        CommandFault::Unknown { text } => ReplicationFault::Unsupported { text },
        CommandFault::Loading => ReplicationFault::Loading,
        _ if matches!(error.code.as_str(), "NOMASTERLINK" | "MASTERDOWN") => ReplicationFault::NoPrimaryLink { text },
        _ if text.to_ascii_lowercase().contains("bgsave") => ReplicationFault::SnapshotFailed { text },
        _ => ReplicationFault::Refused { command: command.to_owned(), error: error.clone() },
    }
}

/// Whether a refusal may be another one a moment later, by its code or by what is in its words.
fn is_of_the_moment(error: &ServerError) -> bool {
    const CODES: &[&str] = &["BUSY", "TRYAGAIN", "CLUSTERDOWN", "OOM", "MISCONF", "NOAUTH", "MOVED", "ASK", "INPROG"];
    const WORDS: &[&str] = &[
        "in progress",
        "try again",
        "retry",
        "later",
        "temporar",
        "failover",
        "failing over",
        "loading",
        "starting",
        "pending output",
        "out of memory",
        "number of clients",
        "fork",
    ];
    let text = error.text.to_ascii_lowercase();
    CODES.contains(&error.code.as_str()) || WORDS.iter().any(|words| text.contains(words))
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake => f.write_str("in the handshake"),
            Self::WaitingForSnapshot => f.write_str("while waiting for its snapshot"),
            Self::Receiving(n_bytes) => write!(f, "at byte {n_bytes} of its RDB"),
            Self::Following => f.write_str("in its replication stream"),
        }
    }
}

impl fmt::Display for ReplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            ReplicationFault::Connect(error) => error.fmt(f),
            fault => write!(f, "cannot replicate from {}: {fault}", self.target),
        }
    }
}

/// The silence of a full resync is a long one: the server makes a snapshot first.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

impl std::error::Error for ReplicationError {}

impl Explain for ReplicationError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        match &self.fault {
            ReplicationFault::Connect(error) => error.meaning(),
            ReplicationFault::NoPermission { rule, text, .. } => meaning.hint(Hint::grant(rule, text)),
            ReplicationFault::Unsupported { .. } => meaning.hint(Hint::ReadByKey),
            ReplicationFault::Loading => meaning.hint(WAIT_UNTIL_LOADED),
            ReplicationFault::NoPrimaryLink { .. } => meaning.hint(Hint::ReadPrimary),
            ReplicationFault::SnapshotFailed { .. } => {
                meaning.hint("see the server's log; often the cause is too little memory for a fork, or no disk space")
            }
            ReplicationFault::Silent { waited, .. } => meaning.hint(
                Hint::words("is the server busy, or does a firewall drop idle connections?")
                    .and(Hint::WaitLonger(if *waited < FIVE_MINUTES { "5m" } else { longer(*waited) })),
            ),
            ReplicationFault::NeverBegins { .. } => meaning.hint(Hint::WaitForSnapshot),
            ReplicationFault::Dribbles { .. } => {
                meaning.hint("the network or a proxy is too slow")
            }
            ReplicationFault::ShuttingDown { .. } => {
                meaning.hint("run the backup again when the server is back, or back up another node now")
            }
            ReplicationFault::Disconnected { .. } => meaning.hint(
                "the server's log says why it closed the connection; `client-output-buffer-limit replica` and `repl-timeout` are common causes",
            ),
            ReplicationFault::Refused { .. } | ReplicationFault::Protocol { .. } => meaning,
        }
    }
}

impl fmt::Display for ReplicationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::NoPermission { command, rule, .. } => {
                write!(f, "no permission to run `{command}`: the ACL rule `{rule}` is missing")
            }
            Self::Unsupported { text } => write!(f, "the server does not offer replication: {text}"),
            Self::Loading => f.write_str("the server is loading its data set"),
            Self::NoPrimaryLink { text } => write!(f, "the replica has no link to its primary: {text}"),
            Self::SnapshotFailed { text } => write!(f, "the server could not make a snapshot: {text}"),
            Self::Refused { command, error } => write!(f, "`{command}` failed: {error}"),
            Self::Protocol { stage, got } => write!(f, "unexpected reply {stage}: `{got}`"),
            Self::Silent { stage, waited } => {
                write!(f, "the server was silent for {} {stage}", humantime::format_duration(*waited))
            }
            Self::NeverBegins { waited } => {
                let waited = humantime::format_duration(*waited);
                write!(f, "the server sent keep-alives for {waited}, but no data")
            }
            Self::Dribbles { stage, n_bytes, waited } => {
                let waited = humantime::format_duration(*waited);
                write!(f, "the server sent only {n_bytes} bytes in {waited} {stage}")
            }
            Self::ShuttingDown { stage } => {
                write!(
                    f,
                    "the server is shutting down {stage}: redis-ops closed the connection so that the server does not wait for it"
                )
            }
            Self::Disconnected { stage, expected, reason, unread } => {
                let what = if reason.is_some() { "broke" } else { "was closed" };
                write!(f, "the connection {what} {stage}")?;
                if let Some(expected) = expected {
                    write!(f, ", which has {expected}")?;
                }
                if let Some(reason) = reason {
                    write!(f, ": {reason}")?;
                }
                if *unread >= WORTH_A_WORD {
                    let seconds = Duration::from_secs(unread.as_secs());
                    write!(
                        f,
                        "; redis-ops had not read for {}, and a server disconnects replicas that do not keep up (`repl-timeout`, \
                         `client-output-buffer-limit replica`)",
                        humantime::format_duration(seconds)
                    )?;
                }
                Ok(())
            }
        }
    }
}
