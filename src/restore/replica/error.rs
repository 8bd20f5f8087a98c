//! How feeding a target ended, and what the target holds then.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::primary::{FeedError, Loaded};
use crate::connection::{CommandError, ConnectError, WAIT_UNTIL_LOADED};
use crate::explain::{Explain, Hint, Interrupted, Meaning};
use crate::figures::{count, counted};
use crate::introspection::SentinelMet;
use crate::replies::{Database, Info};

use super::Load;
use super::conditions::NO_CERTIFICATE;
use super::target::{Changed, Recovery};
use crate::restore::SourceError;

/// A target that has loaded the whole RDB, and is a primary again.
#[derive(Debug)]
pub struct Fed {
    /// Bytes of the RDB.
    pub bytes: u64,
    /// From the first byte fed to the target's acknowledgement.
    pub elapsed: Duration,
    /// From the first byte fed to the last.
    pub transfer: Duration,
    /// How it was asked to take it in.
    pub load: Load,
    /// Where the target came from.
    pub peer: SocketAddr,
    /// What it holds, and what of its settings could not be put back.
    pub left: Left,
}

impl Fed {
    pub(super) fn new(bytes: u64, load: Load, peer: SocketAddr, loaded: Loaded, left: Left) -> Self {
        Self { bytes, elapsed: loaded.elapsed, transfer: loaded.transfer, load, peer, left }
    }
}

/// A target that was not fed, and what became of it.
#[derive(Debug)]
pub struct ReplicaError {
    /// Why.
    pub fault: ReplicaFault,
    /// How the target was left.
    pub left: Left,
}

/// Why a target was not fed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaFault {
    /// We cannot talk to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer what we have to know first.
    #[error(transparent)]
    Target(CommandError),
    /// It is a Sentinel.
    #[error(transparent)]
    Sentinel(#[from] SentinelMet),
    /// It is a replica already: of somebody else.
    #[error("the target is a replica")]
    NotAPrimary,
    /// It is loading its own data.
    #[error("the target is loading its data set")]
    Loading,
    /// We cannot listen.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// It replicates by TLS, and we have no certificate to show.
    #[error("{NO_CERTIFICATE}")]
    NoCertificate,
    /// Our certificate cannot be used.
    #[error("our certificate cannot be used: {0}")]
    Certificate(String),
    /// It refused `REPLICAOF`: the ACL, a cluster, a service that blocks it.
    #[error("the target does not replicate from us")]
    Refused(#[source] CommandError),
    /// It did not come.
    #[error("the target could not reach us at {advertised} within {}{}", humantime::format_duration(*waited), turned_away.map(|peer| format!(
        "; a connection from {peer} named the target's replication id and was turned away: it did not come from the \
         target's address and port (`--advertise` allows others)"
    )).unwrap_or_default())]
    NotReached {
        /// What it was told.
        advertised: String,
        /// How long we waited.
        waited: Duration,
        /// Somebody who knew its replication id came from there, and is not known to be it.
        turned_away: Option<SocketAddr>,
    },
    /// It came, and did not come to speak TLS with us: mostly it does not trust our certificate.
    #[error(
        "the target came to {advertised}, and its TLS handshake with us failed ({reason}): our certificate has to be of an authority that \
         it trusts (its `tls-ca-cert-file`)"
    )]
    NoTls {
        /// What it was told.
        advertised: String,
        /// Why.
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
        /// Why.
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
    /// It has acknowledged, but somebody has made it something else in the meantime.
    #[error("the target has loaded the RDB, but somebody else changed its role: {0}")]
    TakenOver(String),
    /// It has loaded everything, but is still a replica; [`Left::problem`] says why.
    #[error("the target has loaded the RDB, but could not be made a primary again")]
    NotPrimaryAgain,
    /// We were asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// How the target was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What it is, as far as we could see.
    pub holds: Holds,
    /// Keys by database before we began.
    pub before: BTreeMap<u32, Database>,
    /// `true`: a primary. `None`: it does not answer.
    pub primary: Option<bool>,
    /// Its replication offset when we left it; it grows when somebody writes.
    pub offset: Option<u64>,
    /// Changes with a restart.
    pub run_id: Option<String>,
    /// Changes when it becomes a replica, and when it becomes a primary again.
    pub replid: Option<String>,
    /// What is in the way of its being a primary, or why it does not answer.
    pub problem: Option<String>,
    /// Settings of ours that it still has.
    pub not_put_back: Vec<Changed>,
}

/// What the target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Nothing was asked of it: it is as it was.
    Untouched,
    /// Keys by database, as its INFO counts them now.
    Keys(BTreeMap<u32, Database>),
    /// It does not say.
    Unknown,
}

impl Left {
    pub(super) fn new(before: &Info, recovery: Recovery, not_put_back: Vec<Changed>) -> Self {
        let now = recovery.info;
        let databases = |info: &Info| info.databases();
        Self {
            holds: now.as_ref().map_or(Holds::Unknown, |now| Holds::Keys(databases(now))),
            before: databases(before),
            primary: now.as_ref().map(|now| now.get("role") == Some("master")),
            offset: now.as_ref().and_then(|now| now.u64("master_repl_offset")),
            run_id: now.as_ref().and_then(|now| now.get("run_id")).map(str::to_owned),
            replid: now.as_ref().and_then(|now| now.text("master_replid")).map(str::to_owned),
            problem: recovery.problem,
            not_put_back,
        }
    }

    fn untouched() -> Self {
        Self {
            holds: Holds::Untouched,
            before: BTreeMap::new(),
            primary: None,
            offset: None,
            run_id: None,
            replid: None,
            problem: None,
            not_put_back: Vec::new(),
        }
    }

    pub(super) fn is_primary(&self) -> bool {
        self.primary == Some(true)
    }

    /// Nothing is left to do.
    pub(super) fn is_as_it_was(&self) -> bool {
        self.is_primary() && self.not_put_back.is_empty()
    }
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

impl fmt::Display for Left {
    /// One sentence: what the target is now, what it holds, what is left to do by hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |databases: &BTreeMap<u32, Database>| databases.values().map(|database| database.keys).sum::<u64>();
        match self.primary {
            Some(true) => write!(f, "the target is a primary")?,
            Some(false) => write!(f, "the target is still a replica")?,
            None if self.holds == Holds::Untouched => return write!(f, "nothing was changed on the target"),
            None => write!(f, "the target does not answer")?,
        }
        match &self.holds {
            Holds::Keys(now) => {
                write!(f, " and holds {} ({} before)", counted(sum(now), "key"), count(sum(&self.before)))?
            }
            _ => write!(f, " and held {} before", counted(sum(&self.before), "key"))?,
        }
        if let Some(problem) = &self.problem {
            write!(f, "; {problem}")?;
        }
        for changed in &self.not_put_back {
            write!(f, "; left to do: `CONFIG SET {} {}`", changed.name, changed.before)?;
        }
        Ok(())
    }
}
