//! How feeding a target ended, and why a target was not fed.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::primary::FeedError;
use crate::connection::{CommandError, ConnectError, WAIT_UNTIL_LOADED};
use crate::explain::{Explain, Hint, Interrupted, Meaning};
use crate::figures::{count, counted};
use crate::introspection::SentinelMet;

use super::conditions::NO_CERTIFICATE;
use super::left::{Holds, Left};
use super::{Attached, Load};
use crate::restore::SourceError;
use crate::restore::unsaved::{TARGET_CHANGED, stop_writers};

/// A target that has loaded the whole RDB, and is a primary again.
#[derive(Debug)]
pub struct Fed {
    /// Bytes of the RDB.
    pub bytes: u64,
    /// From the first byte fed to the target's acknowledgement.
    pub elapsed: Duration,
    /// From the first byte fed to the last.
    pub transfer: Duration,
    /// How the target was asked to take the RDB in.
    pub load: Load,
    /// Where the target came from.
    pub peer: SocketAddr,
    /// At most so many write commands of others ran between the last look at a target whose data was saved, and its being a replica.
    pub unsaved: u64,
    /// What the target holds, and settings of it that could not be put back.
    pub left: Left,
}

impl Fed {
    pub(super) fn new(bytes: u64, load: Load, attached: Attached, left: Left) -> Self {
        let Attached { peer, loaded, unsaved } = attached;
        Self { bytes, elapsed: loaded.elapsed, transfer: loaded.transfer, load, peer, unsaved, left }
    }
}

/// A target that was not fed, and what became of it.
#[derive(Debug)]
pub struct ReplicaError {
    /// Why the target was not fed.
    pub fault: ReplicaFault,
    /// How the target was left.
    pub left: Left,
}

/// Why a target was not fed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaFault {
    /// The target cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The target does not answer what we have to know first.
    #[error(transparent)]
    Target(CommandError),
    /// The target is a Sentinel.
    #[error(transparent)]
    Sentinel(#[from] SentinelMet),
    /// The target is a replica already: of somebody else.
    #[error("the target is a replica")]
    NotAPrimary,
    /// The target held nothing when the restore was planned, and holds something now.
    #[error("the target was empty when the restore was planned, and now holds {} and {}", counted(*keys, "key"), counted(*functions, "function library"))]
    NotEmpty {
        /// Keys in all databases.
        keys: u64,
        /// Libraries of functions that the target held when it was looked at again.
        functions: u64,
    },
    /// Others wrote to the target after its safety backup began.
    #[error("other clients wrote to the target after its safety backup began")]
    Unsaved,
    /// The target was started anew, or is another server than the one of the plan.
    #[error("the target is not the server that the restore was planned for: its run id has changed")]
    OtherServer,
    /// The target is loading its own data.
    #[error("the target is loading its data set")]
    Loading,
    /// We cannot listen.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address that was to be listened on.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The target replicates by TLS, and we have no certificate to show.
    #[error("{NO_CERTIFICATE}")]
    NoCertificate,
    /// Our certificate cannot be used.
    #[error("cannot use the certificate of this machine: {0}")]
    Certificate(String),
    /// The target refused `REPLICAOF`: the ACL, a cluster, a service that blocks the command.
    #[error("the target does not replicate from redis-ops")]
    Refused(#[source] CommandError),
    /// The target did not connect to us.
    #[error("the target could not reach redis-ops at {advertised} within {}{}", humantime::format_duration(*waited), turned_away.map(|peer| format!(
        "; a connection from {peer} sent the target's replication id and was refused: it did not come from the target's address and port (`--advertise` allows others)"
    )).unwrap_or_default())]
    NotReached {
        /// The address that the target was told.
        advertised: String,
        /// How long we waited.
        waited: Duration,
        /// Where a connection came from that named the target's replication id, and is not known to be the target's.
        turned_away: Option<SocketAddr>,
    },
    /// It came, and did not come to speak TLS with us: mostly it does not trust our certificate.
    #[error(
        "the target connected to {advertised}, but the TLS handshake failed ({reason}): the certificate of this machine must be signed by a CA that the target trusts (its `tls-ca-cert-file`)"
    )]
    NoTls {
        /// The address that the target was told.
        advertised: String,
        /// Why the handshake failed.
        reason: String,
    },
    /// Nobody would lead the target back if we died.
    #[error(
        "cannot prepare the guard process that makes the target a primary again if this restore dies; nothing was changed on the target"
    )]
    NoGuard(#[source] std::io::Error),
    /// The source of the RDB broke.
    #[error("the source of the RDB failed after {} of {} bytes", count(*sent), count(*length))]
    Source {
        /// Why the source failed.
        #[source]
        error: SourceError,
        /// Bytes that the target got.
        sent: u64,
        /// Bytes that it should have got.
        length: u64,
    },
    /// The transfer broke.
    #[error(transparent)]
    Feed(FeedError),
    /// The target has acknowledged, but somebody has changed its role in the meantime.
    #[error("the target has loaded the RDB, but its role was changed from outside: {0}")]
    TakenOver(String),
    /// The target has loaded everything, but is still a replica; [`Left::problem`] says why.
    #[error("the target has loaded the RDB, but could not be made a primary again")]
    NotPrimaryAgain,
    /// We were asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl ReplicaError {
    pub(super) fn untouched(fault: ReplicaFault) -> Self {
        Self { fault, left: Left::untouched() }
    }

    /// Whether the target is as it was, and merely this way is barred: another method may be used.
    pub fn may_go_another_way(&self) -> bool {
        let barred = matches!(
            self.fault,
            ReplicaFault::Listen { .. }
                | ReplicaFault::NoCertificate
                | ReplicaFault::Certificate(_)
                | ReplicaFault::Refused(_)
                | ReplicaFault::NotReached { .. }
                | ReplicaFault::NoTls { .. }
                | ReplicaFault::NoGuard(_)
        );
        barred && (self.left.holds == Holds::Untouched || self.left.is_primary())
    }

    /// Whether the target turned out not to be as the plan saw it, and so was not told anything.
    pub fn is_other_than_planned(&self) -> bool {
        let changed = matches!(
            self.fault,
            ReplicaFault::NotEmpty { .. }
                | ReplicaFault::Unsaved
                | ReplicaFault::OtherServer
                | ReplicaFault::NotAPrimary
        );
        changed && self.left.leaves_it_free()
    }

    /// The stable name of this error in JSON answers.
    pub fn code(&self) -> &'static str {
        self.fault.meaning().code
    }
}

impl Explain for ReplicaFault {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Target(error) | Self::Refused(error) => error.meaning(),
            Self::Sentinel(met) => met.meaning(),
            Self::NotAPrimary => Meaning::of("read_only"),
            Self::NotEmpty { .. } => Meaning::of("target_not_empty"),
            Self::Unsaved => Meaning::of(TARGET_CHANGED).hint(stop_writers()),
            Self::OtherServer => Meaning::of("restarted"),
            Self::Loading => Meaning::of("loading").hint(WAIT_UNTIL_LOADED),
            Self::Listen { .. } => Meaning::of("cannot_listen"),
            Self::NoCertificate | Self::Certificate(_) | Self::NoTls { .. } => Meaning::of("certificate"),
            Self::NotReached { .. } => Meaning::of("not_reached"),
            Self::NoGuard(_) => Meaning::of("no_guard").hint(Hint::OtherStateFolder),
            Self::Source { error, .. } => error.meaning(),
            Self::Feed(error) => error.meaning(),
            Self::TakenOver(_) | Self::NotPrimaryAgain => Meaning::of("role_changed"),
            Self::Cancelled => Interrupted.meaning(),
        }
    }
}

impl Explain for ReplicaError {
    fn meaning(&self) -> Meaning {
        self.fault.meaning()
    }
}

impl fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        match &self.left.holds {
            Holds::Untouched => Ok(()),
            _ => write!(f, "; {}", self.left),
        }
    }
}

impl std::error::Error for ReplicaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}
