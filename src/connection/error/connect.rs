//! There is no connection: why.

use std::fmt;
use std::time::Duration;

use super::ServerError;
use super::command::{WAIT_UNTIL_LOADED, longer};
use crate::connection::TlsFault;
use crate::explain::{Explain, Hint, Meaning};

/// There is no connection to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// Which server, for people: `redis-prod (10.0.0.1:6379)`. Never with a secret.
    pub target: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed the last time.
    pub fault: ConnectFault,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// The name of the host has no address, or the name service gave no answer.
    Dns {
        /// The name that was looked up.
        host: String,
        /// What the name service said.
        reason: String,
    },
    /// Nothing listens there (`ECONNREFUSED`).
    Refused,
    /// No way there: no route, no such socket file, no right to open it.
    Unreachable {
        /// What the system said.
        reason: String,
    },
    /// The TLS files given to us cannot be used: nothing was sent to the server.
    TlsSettings {
        /// Which file, and why.
        reason: String,
    },
    /// The TLS handshake failed: certificate, name, version, or no TLS at the other end.
    Tls {
        /// What made it fail.
        fault: TlsFault,
        /// What the handshake said.
        reason: String,
    },
    /// TLS was spoken to a Redis that answers in plain text.
    PlainPort,
    /// Plain text was spoken to a port that wants TLS.
    TlsPort,
    /// No answer in time.
    Timeout {
        /// What we were waiting for.
        phase: Phase,
        /// The time that the whole attempt had.
        after: Duration,
    },
    /// The server does not accept who we are.
    Authentication {
        /// In which way.
        fault: AuthenticationFault,
        /// The server's own words; empty if it was not asked.
        text: String,
    },
    /// We are known, but may not do what a connection needs (`SELECT`).
    NoPermission {
        /// The command that the ACL forbids.
        command: String,
        /// The ACL rule that is missing: `+select`.
        rule: String,
        /// The server's own words.
        text: String,
    },
    /// The server is reading its data set from disk, and answers little else than `INFO` meanwhile.
    Loading,
    /// `maxclients` is reached.
    MaxClients,
    /// The server talks to its own host only (`protected-mode`).
    ProtectedMode,
    /// A script or function runs for too long, and the server answers nothing else.
    Busy {
        /// The server's own words.
        text: String,
    },
    /// The server closed the connection before it was usable.
    Disconnected {
        /// What we were waiting for.
        phase: Phase,
    },
    /// There is something, but it does not speak the Redis protocol.
    Protocol {
        /// The beginning of what came, escaped.
        got: String,
    },
    /// No Sentinel named a primary.
    Sentinel {
        /// What each of them said.
        reason: String,
    },
    /// Another error reply of the server, such as `ERR DB index is out of range`.
    Server {
        /// The command that was refused.
        command: String,
        /// The server's answer.
        error: ServerError,
    },
}

/// In which way a server did not accept us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationFault {
    /// The server asks for a password, and we have none (`NOAUTH`).
    PasswordRequired,
    /// The server does not know this user with this password (`WRONGPASS`; it does not say which of the two is wrong).
    Rejected,
    /// We sent a password, and the server has none.
    NoPasswordConfigured,
    /// We have a user name, and no password for it.
    PasswordMissing,
    /// We have a user name, and the server (older than 6.0) knows no users.
    UsersUnknown,
}

/// What a connection goes through before it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Dns,
    /// The TCP or unix socket connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// What we tell about ourselves, where no password is part of it.
    Handshake,
    /// The same with `AUTH`.
    Auth,
    /// The first `PING`.
    Ping,
}

impl ConnectError {
    /// The stable name of this error in JSON answers.
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }

    /// Whether our own settings cannot be used: then nothing was asked, and nothing is known of the server.
    pub fn is_of_settings(&self) -> bool {
        matches!(self.fault, ConnectFault::TlsSettings { .. })
    }
}

impl ConnectFault {
    /// The stable name of this fault in JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dns { .. } => "dns_failed",
            Self::Refused => "connection_refused",
            Self::Unreachable { .. } => "unreachable",
            Self::TlsSettings { .. } => "tls_settings",
            Self::Tls { .. } => "tls_failed",
            Self::PlainPort => "plain_port",
            Self::TlsPort => "tls_port",
            Self::Timeout { .. } => "timeout",
            Self::Authentication { .. } => "authentication_failed",
            Self::NoPermission { .. } | Self::ProtectedMode => "permission_denied",
            Self::Loading => "loading",
            Self::MaxClients => "too_many_clients",
            Self::Busy { .. } => "busy",
            Self::Disconnected { .. } => "disconnected",
            Self::Protocol { .. } => "protocol_error",
            Self::Sentinel { .. } => "sentinel_failed",
            Self::Server { .. } => "server_error",
        }
    }

    /// Whether trying again a moment later can help. What the server said about us stays true.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Dns { .. }
                | Self::Refused
                | Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::MaxClients
                | Self::Disconnected { .. }
                | Self::Sentinel { .. }
        )
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_of_settings() {
            return write!(f, "the TLS settings for {} cannot be used: {}", self.target, self.fault);
        }
        write!(f, "cannot connect to {}: {}", self.target, self.fault)?;
        if self.attempts > 1 { write!(f, " ({} attempts)", self.attempts) } else { Ok(()) }
    }
}

impl std::error::Error for ConnectError {}

impl Explain for ConnectError {
    fn meaning(&self) -> Meaning {
        let hint = match &self.fault {
            ConnectFault::Refused => Hint::OtherInstance,
            ConnectFault::Dns { .. } => Hint::words("check the name of the host"),
            ConnectFault::Unreachable { .. } => {
                Hint::words("check the address, the network, and for a socket its permissions")
            }
            ConnectFault::TlsSettings { .. } => return Meaning::of(self.code()).unknown().hint(Hint::TlsFiles),
            ConnectFault::Tls { fault, .. } => match fault {
                TlsFault::UnknownIssuer => Hint::TlsAuthority,
                TlsFault::OtherName => Hint::TlsName,
                TlsFault::OursIsWanted => Hint::TlsOwnCertificate,
                TlsFault::OursIsRefused => Hint::words(
                    "the server's `tls-ca-cert-file` must contain the CA that signed the client certificate; the server's log says more",
                )
                .and(Hint::TlsOwnCertificate),
                TlsFault::Expired => Hint::words("the server needs a new certificate: set `tls-cert-file` and `tls-key-file`"),
                TlsFault::NotYetValid => Hint::words("compare the clock of this machine with that of the server"),
                TlsFault::Version1 => Hint::words("the server needs a new certificate"),
                TlsFault::Other => Hint::TlsTrust,
            },
            ConnectFault::PlainPort => Hint::PlainPort(address_in(&self.target)),
            ConnectFault::TlsPort => Hint::TlsPort(address_in(&self.target)),
            ConnectFault::Timeout { after, .. } => {
                Hint::words("check the network").and(Hint::WaitLonger(longer(*after)))
            }
            ConnectFault::Authentication { fault, .. } => match fault {
                AuthenticationFault::PasswordRequired | AuthenticationFault::PasswordMissing => Hint::GivePassword,
                AuthenticationFault::Rejected => Hint::OtherPassword,
                AuthenticationFault::NoPasswordConfigured => Hint::NoPassword,
                AuthenticationFault::UsersUnknown => Hint::words("leave out the user name"),
            },
            ConnectFault::NoPermission { rule, text, .. } => Hint::grant(rule, text),
            ConnectFault::Loading => Hint::words(WAIT_UNTIL_LOADED),
            ConnectFault::MaxClients => {
                Hint::words("`CONFIG SET maxclients` raises the limit; `CLIENT LIST` shows who is connected")
            }
            ConnectFault::ProtectedMode => {
                Hint::words("connect from the server's own host, or give its default user a password")
            }
            ConnectFault::Protocol { .. } => Hint::TlsOrNot,
            ConnectFault::Sentinel { .. } => Hint::words("check the addresses of the Sentinels and the service name"),
            ConnectFault::Busy { .. } => Hint::words("`SCRIPT KILL` or `FUNCTION KILL` ends the script"),
            ConnectFault::Disconnected { .. } | ConnectFault::Server { .. } => return Meaning::of(self.code()),
        };
        Meaning::of(self.code()).hint(hint)
    }
}

/// The address in a target, which may stand behind the name of an instance: `redis-prod (10.0.0.1:6379)`.
fn address_in(target: &str) -> String {
    let address = target.strip_suffix(')').and_then(|target| target.rsplit_once('(')).map(|(_, address)| address);
    address.unwrap_or(target).to_owned()
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { host, reason } => write!(f, "no address for `{host}`: {reason}"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable { reason } => f.write_str(reason),
            Self::TlsSettings { reason } => f.write_str(reason),
            Self::Tls { reason, .. } => write!(f, "TLS: {reason}"),
            Self::PlainPort => f.write_str("this port does not use TLS, but TLS was requested"),
            Self::TlsPort => f.write_str("this port uses TLS, but TLS was not requested"),
            Self::Timeout { phase, after } => {
                write!(f, "no answer within {} while {phase}", humantime::format_duration(*after))
            }
            Self::Authentication { fault, text } if text.is_empty() => fault.fmt(f),
            Self::Authentication { fault, text } => write!(f, "{fault}: {text}"),
            Self::NoPermission { command, rule, .. } => {
                write!(f, "no permission to run `{command}`: the ACL rule `{rule}` is missing")
            }
            Self::Loading => f.write_str("the server is loading its data set"),
            Self::MaxClients => f.write_str("the server has reached its maximum number of clients"),
            Self::ProtectedMode => {
                f.write_str("the server is in protected mode and accepts connections from its own host only")
            }
            Self::Busy { text } => write!(f, "the server is busy with a script: {text}"),
            Self::Disconnected { phase } => write!(f, "the server closed the connection while {phase}"),
            Self::Protocol { got } => write!(f, "the server does not speak the Redis protocol: it sent `{got}`"),
            Self::Sentinel { reason } => write!(f, "no Sentinel named a primary: {reason}"),
            Self::Server { command, error } => write!(f, "`{command}` failed: {error}"),
        }
    }
}

impl fmt::Display for AuthenticationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PasswordRequired => "the server requires a password, and none was given",
            Self::Rejected => "the server rejected the user name or password",
            Self::NoPasswordConfigured => "a password was given, but this user has no password on the server",
            Self::PasswordMissing => "a user name was given, but no password",
            Self::UsersUnknown => "a user name was given, but the server is older than 6.0 and has no users",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "looking up the name",
            Self::Tcp => "connecting",
            Self::Tls => "in the TLS handshake",
            Self::Handshake => "in the handshake",
            Self::Auth => "authenticating",
            Self::Ping => "waiting for the answer to PING",
        })
    }
}
