//! A small process of our own that outlives us: it holds the port that the target was told to replicate from, and makes the target a
//! primary again when we die. Another program that bound that port would own the target.
//!
//! ```text
//! us     post: writes the record, starts the guard ─ orders ─► "ready" ─► only now the target is changed
//!        all is as it was ─ "done" ─► the guard ends
//!        it cannot be led back, and we have said so ─ "alone" ─► the guard lets go of our stderr, and tries on
//! guard  hears nothing more: `REPLICAOF NO ONE`, settings back, the record is removed; only then the port is free
//! ```
//!
//! It is this very binary under a hidden subcommand. What it has to know, a password too, comes over its stdin, which is one end of a
//! pair of sockets; its stdout is the listening socket. Nothing is in its arguments or its environment. It leaves our session, so that
//! no terminal ends it, and it ends by itself: when it is told to, when the target is a primary, or after [`LONGEST`]. Its stderr is
//! ours: where we were killed, it says in our place what is to be typed, and a program that reads our stderr to its end waits for that.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::changes::Changed;
use super::target::Target;
use crate::connection::{Address, Credentials, Node, Secret, Tls};
use crate::explain::Status;
use crate::figures::counted;
use crate::introspection::{Change, Primary, Record, Recorded, record};
use crate::replies::Info;

/// The hidden subcommand. Not for people: it asks for its orders on stdin, and ends if they do not come.
pub const SUBCOMMAND: &str = "restore-guard";
/// How long the guard may take to say that it is there.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// How long the guard may take to end once it was told to.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long the guard tries to make a target a primary again that does not answer.
const LONGEST: Duration = Duration::from_secs(600);
/// A pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Orders are no longer than this many bytes.
const ORDERS_LIMIT: u64 = 1 << 20;
const READY: &[u8] = b"ready\n";
const DONE: &str = "done\n";
const ALONE: &str = "alone\n";

/// What makes a feed safe against our own death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safeguard {
    /// The folder of what restores leave on this machine.
    pub state: PathBuf,
    /// The program that is started as the guard: this one.
    pub program: PathBuf,
    /// What the guard says on stderr when it was needed; `None`: nothing.
    pub lines: Option<Lines>,
}

/// What is to be typed when a restore has died, as a whole line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// Begins anew where the target holds nothing.
    pub empty: String,
    /// Begins anew where it holds keys.
    pub holding: String,
    /// Makes the target a primary again.
    pub undo: String,
}

impl Safeguard {
    /// A safeguard whose guard is this program.
    ///
    /// # Errors
    /// The system does not say what this program is.
    pub fn here(state: &Path) -> io::Result<Self> {
        // Names this program also when its file was replaced by a newer one meanwhile.
        let running = PathBuf::from("/proc/self/exe");
        let program = if running.exists() { running } else { std::env::current_exe()? };
        Ok(Self { state: state.to_owned(), program, lines: None })
    }
}

/// The guard as we see it. Dropped without [`Guard::release`] it does its work.
pub(super) struct Guard {
    line: UnixStream,
    child: Child,
    recorded: Recorded,
}

impl Guard {
    /// Writes the record, and starts the guard. When this returns both would survive us.
    pub(super) async fn post(
        safeguard: &Safeguard,
        node: &Node,
        listener: impl AsFd,
        record: Record,
        patience: Duration,
    ) -> io::Result<Self> {
        let recorded = record.write(&safeguard.state).await?;
        let posted = async {
            let orders = Orders {
                node: Whom::of(node)?,
                us: record.us,
                lines: safeguard.lines.clone(),
                changes: record.changes,
                record: std::path::absolute(recorded.path())?,
                patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            };
            let (mut line, child) = start(&safeguard.program, listener.as_fd().try_clone_to_owned()?)?;
            let mut text = serde_json::to_vec(&orders).map_err(io::Error::other)?;
            text.push(b'\n');
            line.write_all(&text).await?;
            let mut answer = [0; READY.len()];
            let ready = tokio::time::timeout(READY_LIMIT, line.read_exact(&mut answer)).await;
            match ready {
                Ok(Ok(_)) if answer == *READY => Ok((line, child)),
                Ok(Err(error)) => Err(error),
                _ => Err(io::Error::other("the guard process does not say that it is ready")),
            }
        };
        match posted.await {
            Ok((line, child)) => Ok(Self { line, child, recorded }),
            Err(error) => {
                recorded.remove().await;
                Err(error)
            }
        }
    }

    /// All is as it was: the record goes, and the guard ends.
    pub(super) async fn release(self) {
        let Self { mut line, mut child, recorded } = self;
        recorded.remove().await;
        if line.write_all(DONE.as_bytes()).await.is_err() {
            tracing::debug!("the guard has ended before it was told to");
        }
        let begun = Instant::now();
        while begun.elapsed() < END_LIMIT && matches!(child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The target could not be led back, and we say so ourselves: the guard tries on without a word, and whoever reads our stderr to its
    /// end need not wait for it. The record stays.
    pub(super) async fn leave_alone(mut self) {
        if self.line.write_all(ALONE.as_bytes()).await.is_err() {
            tracing::debug!("the guard has ended before it was left alone");
        }
    }
}

fn start(program: &Path, listener: OwnedFd) -> io::Result<(UnixStream, Child)> {
    let (ours, its) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = Command::new(program);
    command.arg0("redis-ops").arg(SUBCOMMAND).env_clear().current_dir("/");
    // Where a system keeps its authorities.
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // What we were given by whoever started us, a lock of `flock` for one, ends with us: the guard outlives us. Our own files are closed
    // for it already.
    close_fds::set_fds_cloexec(3, &[]);
    // Stderr is ours: when we were killed it says there what we cannot say any more.
    command.stdin(Stdio::from(OwnedFd::from(its))).stdout(Stdio::from(listener));
    let child = command.spawn()?;
    Ok((UnixStream::from_std(ours)?, child))
}

/// What the guard is told. Not `Debug`: it holds a password.
#[derive(Serialize, Deserialize)]
struct Orders {
    node: Whom,
    us: Primary,
    changes: Vec<Change>,
    record: PathBuf,
    patience_ms: u64,
    /// What it says when it was needed.
    lines: Option<Lines>,
}

/// How the target is reached.
#[derive(Serialize, Deserialize)]
struct Whom {
    host: Option<(String, u16)>,
    socket: Option<PathBuf>,
    username: Option<String>,
    password: Option<String>,
    tls: Option<How>,
    timeout_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct How {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
    insecure: bool,
}

impl Whom {
    fn of(node: &Node) -> io::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        let (host, socket) = match &node.address {
            Address::Tcp { host, port } => (Some((host.clone(), *port)), None),
            Address::Unix { path } => (None, Some(std::path::absolute(path)?)),
            Address::Sentinel { .. } => return Err(io::Error::other("a group of servers is no server")),
        };
        let tls = node.tls.as_ref().map(|tls| {
            let (ca, certificate, key) = (absolute(&tls.ca)?, absolute(&tls.certificate)?, absolute(&tls.key)?);
            io::Result::Ok(How { ca, certificate, key, server_name: tls.server_name.clone(), insecure: tls.insecure })
        });
        Ok(Self {
            host,
            socket,
            username: node.credentials.username.clone(),
            password: node.credentials.password.as_ref().map(|password| password.expose().to_owned()),
            tls: tls.transpose()?,
            timeout_ms: u64::try_from(node.timeout.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn node(self) -> Option<Node> {
        let address = match (self.host, self.socket) {
            (Some((host, port)), _) => Address::Tcp { host, port },
            (None, Some(path)) => Address::Unix { path },
            (None, None) => return None,
        };
        let tls = self.tls.map(|tls| Tls {
            ca: tls.ca,
            certificate: tls.certificate,
            key: tls.key,
            server_name: tls.server_name,
            insecure: tls.insecure,
        });
        Some(Node {
            credentials: Credentials { username: self.username, password: self.password.map(Secret::new) },
            tls,
            timeout: Duration::from_millis(self.timeout_ms),
            ..Node::new(address)
        })
    }
}

/// The whole life of this process, if it is a guard; `None`: it was started by people. Blocks.
pub fn main(arguments: &[OsString]) -> Option<ExitCode> {
    if !matches!(arguments, [_, word] if word == SUBCOMMAND) {
        return None;
    }
    Some(match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {SUBCOMMAND}: {error}");
            ExitCode::from(Status::Unknown.exit_code())
        }
    })
}

/// The whole life of the guard, in its own process. Blocks.
///
/// # Errors
/// It was not started by a restore.
fn serve() -> io::Result<()> {
    let line = std::os::unix::net::UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let listener = std::net::TcpListener::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let not_ours = |_| io::Error::other("only a restore starts this command");
    line.local_addr().map_err(not_ours)?;
    listener.local_addr().map_err(not_ours)?;
    // Away from the terminal and from the group of the job that started us: what ends those must not end this. Fails where we are the
    // first of a group already, which is as good.
    let _ = rustix::process::setsid();
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A signal to the whole job is for the restore: it cleans up, and says that it is done.
        let _ignored =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit(), SignalKind::hangup()].map(signal);
        line.set_nonblocking(true)?;
        listener.set_nonblocking(true)?;
        let (mut line, listener) = (BufReader::new(UnixStream::from_std(line)?), TcpListener::from_std(listener)?);
        let mut text = String::new();
        (&mut line).take(ORDERS_LIMIT).read_line(&mut text).await?;
        let mut orders: Orders = serde_json::from_str(&text).map_err(io::Error::other)?;
        drop(text);
        line.write_all(READY).await?;

        let mut last = String::new();
        let told = (&mut line).take(ORDERS_LIMIT).read_line(&mut last).await;
        if told.is_ok() && last == DONE {
            return Ok(());
        }
        if told.is_ok() && last == ALONE {
            orders.lines = None;
            rustix::stdio::dup2_stderr(&nowhere)?;
        }
        tokio::select! {
            () = put_right(orders) => {}
            () = turn_everybody_away(&listener) => {}
        }
        Ok(())
    })
}

/// Makes the target a primary again and puts its settings back, as often as it takes; says what is to be typed then.
async fn put_right(orders: Orders) {
    let Orders { node, us, changes, record, patience_ms, lines } = orders;
    let Some(node) = node.node() else { return };
    let say = |words: String| {
        // The reader of our stderr may be gone as well.
        let _ = writeln!(std::io::stderr(), "redis-ops: the restore into {node} has died; {words}");
    };
    let patience = Duration::from_millis(patience_ms);
    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        if let Ok(mut target) = Target::connect(&node, patience).await {
            let recovery = target.become_primary_again(&us, patience).await;
            if recovery.info.as_ref().is_some_and(|info| info.get("role") == Some("master")) {
                if target.put_back(Changed::of(&changes)).await.is_empty() {
                    record::remove(record).await;
                    let databases = recovery.info.as_ref().map(Info::databases).unwrap_or_default();
                    let keys = databases.values().map(|database| database.keys).sum();
                    if let Some(Lines { empty, holding, .. }) = &lines {
                        let line = if keys == 0 { empty } else { holding };
                        let holds = counted(keys, "key");
                        let overwrites = if keys == 0 { "" } else { " and overwrites what is there" };
                        say(format!(
                            "the target is a primary again and has {holds}; `{line}` restores again from the start{overwrites}"
                        ));
                    }
                    return;
                }
            } else if recovery.is_somebody_elses() {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Some(Lines { undo, .. }) = &lines {
        say(format!("the target could not be made a primary again; `{undo}` does that"));
    }
}

/// Every connection, the target's as well, hears nothing: there is no restore any more.
async fn turn_everybody_away(listener: &TcpListener) {
    loop {
        if listener.accept().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
