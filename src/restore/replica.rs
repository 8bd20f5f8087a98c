//! Method `replica`: the target is told to replicate from us, we feed it the RDB, and it is made a primary again.
//!
//! The server's own load, at its own speed: atomic, exact, with functions, LRU/LFU, modules and values of any size. But it is the
//! one method that a bad stream kills the server with (`rdbReportError` exits; with the disk path its `dump.rdb` is the bad file
//! already). So: the caller of [`feed`] has verified the whole backup against this very target ([`refusals`] holds the rest of
//! the conditions), and exactly those bytes are sent. The last chunk goes out only when the source has ended well and the
//! checksum over everything is right: a source that breaks, even at its last byte, leaves the target without a whole RDB, and so
//! with what it had.
//!
//! The target is given a replication id of its own, not the backup's. With the original one a replica of the *original* primary
//! could be continued by the restored server (`+CONTINUE`) although their histories have parted, and would silently diverge. A
//! restored server is a new history: everybody resynchronizes in full.

mod changes;
mod conditions;
mod error;
pub mod guard;
mod left;
mod target;
mod undo;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::connection::primary::{self, Caller, FeedError, Listener, Loaded, Snapshot};
use crate::connection::{Address, Node};
use crate::introspection::{REPLID_MARK, Record};
use crate::progress::{Progress, Unit};
use crate::replies::Info;

use super::{RdbSource, SourceError};

pub use changes::Changed;
pub use conditions::{
    Content, Facts, Memory, NO_CERTIFICATE, Origin, Refusal, Wish, choose_load, not_accepted, refusals,
};
pub use error::{Fed, ReplicaError, ReplicaFault};
pub use guard::Safeguard;
pub use left::{Holds, Left, removed_by_itself};
pub use undo::{UndoError, Undone, left_behind, settle, undo};

pub(crate) use crate::introspection::{LeftBehind, Primary};

use guard::Guard;
use target::Target;

/// How long the target may take to connect to us.
pub const DEFAULT_REACH: Duration = Duration::from_secs(5);
/// How long the target may neither take nor send a byte. Twice its own `repl-timeout`.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(120);
/// Chunks between the source and the socket; the source has its own few.
const CHUNKS_AHEAD: usize = 2;
/// The offset at which the target's new history begins.
const FIRST_OFFSET: u64 = 1;

/// How the target takes the RDB in: the value of its `repl-diskless-load` while we feed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Into a file first (`disabled`): old data stays until the file is complete, then goes, then the file is loaded.
    Disk,
    /// Straight from the socket, if it is empty (`on-empty-db`): the fastest.
    Memory,
    /// Straight from the socket beside the old data, which is swapped out at the end (`swapdb`): needs memory for both.
    Swap,
}

impl Load {
    /// The setting's value.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Disk => "disabled",
            Self::Memory => "on-empty-db",
            Self::Swap => "swapdb",
        }
    }
}

/// Our certificate, for a target that replicates by TLS. It checks it against its own authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// A PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// A PEM file with its key.
    pub key: PathBuf,
}

/// The address that the target is told, where it is not the one we listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertise {
    /// A name or an IP address, as the target sees us.
    pub host: String,
    /// `None`: the port we listen on.
    pub port: Option<u16>,
}

/// How the target is fed.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    /// Where we listen; `None`: at our local address on the target's own connection, on any free port.
    pub listen: Option<SocketAddr>,
    /// What the target is told; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// Needed if the target has `tls-replication yes`, not used otherwise.
    pub certificate: Option<Certificate>,
    /// How the target takes the RDB in. The setting is put back afterwards.
    pub load: Load,
    /// How long the target may take to connect to us: see [`DEFAULT_REACH`].
    pub reach: Duration,
    /// How long the target may load without getting on: see [`DEFAULT_PATIENCE`].
    pub patience: Duration,
    /// What leads the target back if we die meanwhile; `None`: nothing does.
    pub safeguard: Option<Safeguard>,
    /// What the plan relies on, looked at once more directly before the target is told; `None`: nothing was planned.
    pub planned: Option<AsPlanned>,
}

/// What a plan relies on that may have changed since: reading a large backup takes hours.
#[derive(Debug, Clone, PartialEq)]
pub struct AsPlanned {
    /// The run id of the target; empty: it names none.
    pub run_id: String,
    /// The plan lets nothing of the target be replaced.
    pub must_be_empty: bool,
    /// The INFO of the target when its safety backup began: what others have written since would be lost. `None`: none was taken.
    pub saved: Option<Info>,
}

impl ReplicaOptions {
    /// Listens where the target sees us, without TLS.
    pub fn new(load: Load) -> Self {
        Self {
            listen: None,
            advertise: None,
            certificate: None,
            load,
            reach: DEFAULT_REACH,
            patience: DEFAULT_PATIENCE,
            safeguard: None,
            planned: None,
        }
    }
}

/// Feeds the target at `node` one verified RDB. What it held before is gone afterwards.
///
/// Whatever happens, it is a primary again and has its settings back when this returns, or the error says what is in the way. Do
/// not drop the future for that reason: cancel.
///
/// # Errors
/// See [`ReplicaFault`]; [`ReplicaError::left`] says what the target holds, and [`ReplicaError::may_go_another_way`] whether it
/// is as it was, so that another method may be used.
pub async fn feed(
    node: &Node,
    source: RdbSource,
    options: &ReplicaOptions,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Fed, ReplicaError> {
    let pinned = pinned(node).await.map_err(ReplicaError::untouched)?;
    let node = pinned.as_ref().unwrap_or(node);
    let mut target = Target::connect(node, options.patience).await.map_err(ReplicaError::untouched)?;
    let before = target.info().await.map_err(|error| ReplicaError::untouched(ReplicaFault::Target(error)))?;
    must_be_a_lone_primary(&before).map_err(ReplicaError::untouched)?;
    if let Some(planned) = &options.planned {
        target.must_be_as_planned(planned).await.map_err(ReplicaError::untouched)?;
    }
    let listening = listen(&mut target, options).await.map_err(ReplicaError::untouched)?;
    let Listening { listener, us, .. } = &listening;

    // Before anything is changed it is written down, and somebody is there who outlives us.
    let run_id = before.get("run_id").unwrap_or_default();
    let earlier = match &options.safeguard {
        Some(safeguard) => Record::find(&safeguard.state, run_id).await,
        None => None,
    };
    let earlier = earlier.as_ref().and_then(|record| record.changes.first());
    let change = target.planned_change(options.load, earlier).await;
    let guard = match &options.safeguard {
        Some(safeguard) => {
            let (target, us, changes) = (node.to_string(), us.clone(), change.iter().cloned().collect());
            let record = Record { run_id: run_id.to_owned(), target, us, changes, pid: Some(std::process::id()) };
            let posted = Guard::post(safeguard, node, listener, record, options.patience).await;
            Some(posted.map_err(|error| ReplicaError::untouched(ReplicaFault::NoGuard(error)))?)
        }
        None => None,
    };

    let length = source.length;
    let changed = target.change_loading(change.as_ref(), progress).await;
    let outcome = attach_and_feed(&mut target, &listening, source, options, progress, cancel).await;

    // From here on nothing returns early: however it went, the target is made a primary again and gets its settings back.
    let recovery = target.become_primary_again(us, options.patience).await;
    let not_put_back = target.put_back(changed).await;
    let left = Left::new(&before, recovery, not_put_back);
    match guard {
        Some(guard) if left.is_as_it_was() => guard.release().await,
        Some(guard) => guard.leave_alone().await,
        None => {}
    }
    // The port is free only now that the target has let go of it. Where it has not, the guard holds it on, and tries on.
    drop(listening);
    match outcome {
        Ok(attached) if left.is_primary() => Ok(Fed::new(length, options.load, attached, left)),
        Ok(_) => Err(ReplicaError { fault: ReplicaFault::NotPrimaryAgain, left }),
        Err(fault) => Err(ReplicaError { fault, left }),
    }
}

/// A member of a Sentinel group as the one server that it is now: the server that we make a replica we have to make a primary again, even
/// if the group has another primary by then.
async fn pinned(node: &Node) -> Result<Option<Node>, ReplicaFault> {
    if !matches!(node.address, Address::Sentinel { .. }) {
        return Ok(None);
    }
    let peer = node.open().await?.peer_addr();
    Ok(peer.map(|peer| Node { address: Address::tcp(peer.ip().to_string(), peer.port()), ..node.clone() }))
}

/// A target that has connected to us and loaded what it was fed.
struct Attached {
    peer: SocketAddr,
    loaded: Loaded,
    /// At most so many writes of others are lost: see [`Fed::unsaved`].
    unsaved: u64,
}

async fn attach_and_feed(
    target: &mut Target<'_>,
    listening: &Listening,
    source: RdbSource,
    options: &ReplicaOptions,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Attached, ReplicaFault> {
    if cancel.is_cancelled() {
        return Err(ReplicaFault::Cancelled);
    }
    let Listening { listener, us, addresses, ports } = listening;
    // The guard and the settings took a moment.
    let looked = match &options.planned {
        Some(planned) => target.must_be_as_planned(planned).await?,
        None => None,
    };
    progress.note(&format!("telling the target to replicate from {us}"));
    let replid = target.replicate_from(us).await.map_err(ReplicaFault::Refused)?;
    // A replica takes no writes.
    let unsaved = match &looked {
        Some(looked) => target.writes_of_others_since(looked).await,
        None => 0,
    };
    let caller = Caller { replid, addresses: addresses.clone(), ports: ports.clone() };
    let mut link = tokio::select! {
        link = listener.recognise(&caller) => link,
        () = tokio::time::sleep(options.reach) => {
            let (advertised, waited) = (us.to_string(), options.reach);
            if let Some(reason) = listener.no_tls() {
                return Err(ReplicaFault::NoTls { advertised, reason });
            }
            return Err(ReplicaFault::NotReached { advertised, waited, turned_away: listener.turned_away() });
        }
        () = cancel.cancelled() => return Err(ReplicaFault::Cancelled),
    };
    let peer = link.peer();
    progress.phase("loading", Unit::Bytes, Some(source.length));

    let snapshot = Snapshot { replid: new_replid(), offset: FIRST_OFFSET, length: source.length, is_exact: false };
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let pump = tokio::task::spawn_blocking(move || pump(source, &sender));
    let advance = |bytes| progress.advance(bytes);
    let loaded = tokio::select! {
        loaded = link.full_resync(&snapshot, chunks, &advance, options.patience) => loaded,
        never = listener.turn_everybody_away() => match never {},
        () = cancel.cancelled() => return Err(ReplicaFault::Cancelled),
    };
    match loaded {
        Ok(loaded) => {
            // The link is open until here, so that the target can say that it is up.
            target.must_follow(us).await?;
            Ok(Attached { peer, loaded, unsaved })
        }
        // The pump has let go of the channel, so it has ended; it knows why.
        Err(FeedError::SourceEnded { sent, length }) => match pump.await {
            Ok(Err(error)) => Err(ReplicaFault::Source { error, sent, length }),
            Ok(Ok(())) | Err(_) => Err(ReplicaFault::Source { error: SourceError::Length { length }, sent, length }),
        },
        Err(error) => Err(ReplicaFault::Feed(error)),
    }
}

/// Moves everything from the source to the socket's channel; blocks.
fn pump(source: RdbSource, sender: &mpsc::Sender<Bytes>) -> Result<(), SourceError> {
    for piece in source.pieces() {
        if sender.blocking_send(piece?).is_err() {
            // Nobody listens any more: they know why.
            break;
        }
    }
    Ok(())
}

/// The last look before anything is changed; [`refusals`] has judged the rest on facts that may be minutes old.
fn must_be_a_lone_primary(info: &Info) -> Result<(), ReplicaFault> {
    if info.get("role") != Some("master") {
        return Err(ReplicaFault::NotAPrimary);
    }
    if info.flag("loading") == Some(true) {
        return Err(ReplicaFault::Loading);
    }
    Ok(())
}

/// Where we wait for the target, and how it is known.
struct Listening {
    listener: Listener,
    /// What it is told.
    us: Primary,
    /// Addresses that the target may come from: see [`Caller::addresses`].
    addresses: Option<Vec<IpAddr>>,
    /// Ports that the target names as its own: see [`Caller::ports`].
    ports: Option<Vec<u16>>,
}

async fn listen(target: &mut Target<'_>, options: &ReplicaOptions) -> Result<Listening, ReplicaFault> {
    let tls = match (target.replicates_by_tls().await, options.certificate.clone()) {
        (true, None) => return Err(ReplicaFault::NoCertificate),
        (true, Some(files)) => {
            let read = tokio::task::spawn_blocking(move || primary::server_config(&files.certificate, &files.key));
            Some(
                read.await
                    .map_err(|error| ReplicaFault::Certificate(error.to_string()))?
                    .map_err(ReplicaFault::Certificate)?,
            )
        }
        (false, _) => None,
    };
    let (here, there) = target.addresses().await?.unwrap_or((Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()));
    let address = options.listen.unwrap_or(SocketAddr::new(here, 0));
    let failed = |error: std::io::Error| ReplicaFault::Listen { address, error };
    let listener = Listener::bind(address, tls).await.map_err(failed)?;
    let bound = listener.address().map_err(failed)?;
    // An address such as 0.0.0.0 is one to listen on, not one to go to.
    let visible = if bound.ip().is_unspecified() { here } else { bound.ip() };
    let us = match &options.advertise {
        Some(Advertise { host, port }) => Primary { host: host.clone(), port: port.unwrap_or(bound.port()) },
        None => Primary { host: visible.to_string(), port: bound.port() },
    };
    // Who is told another address of ours comes another way, and so from another address of its own.
    let addresses = match options.advertise {
        Some(_) => None,
        None => Some(target.comes_from(there, bound.ip()).await),
    };
    Ok(Listening { listener, us, addresses, ports: target.listening_ports().await })
}

/// 40 hex digits, as servers make them, of which the first are our mark. Without random numbers the time will do: it only has to be
/// new.
fn new_replid() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        bytes = now.as_nanos().to_le_bytes();
    }
    let mut replid = REPLID_MARK.to_owned() + &hex::encode(bytes);
    replid.truncate(40);
    replid
}
