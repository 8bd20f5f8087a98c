//! The throwaway server: found, started, waited for, asked, killed.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{RDB, ScratchError};
use crate::blocking;
use crate::connection::{Address, Command as Question, ConnectFault, Node, Retry};
use crate::replies::Info;

/// How long a server may take from its start to its first answer, be it only `-LOADING`.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of its log that are looked at.
const LOG_READ: usize = 64 << 10;

/// A server's program.
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
    /// `redis` or `valkey`.
    pub name: String,
    /// Its version, `8.0.1`.
    pub version: String,
}

impl Binary {
    /// Finds the program: the one that was named, or the first server in these folders.
    ///
    /// # Errors
    /// There is none, or what was named is none.
    pub fn find(named: Option<&Path>, folders: &[PathBuf]) -> Result<Self, ScratchError> {
        if let Some(path) = named {
            return Self::ask(path);
        }
        let names = ["redis-server", "valkey-server"];
        let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let mut found = candidates.filter(|path| path.is_file());
        found.find_map(|path| Self::ask(&path).ok()).ok_or(ScratchError::NoServer)
    }

    /// `Redis server v=7.0.15 sha=00000000:0 …`, `Valkey server v=8.0.1 …`.
    fn ask(path: &Path) -> Result<Self, ScratchError> {
        let not = |reason: String| ScratchError::NotAServer { path: path.to_owned(), reason };
        let output = Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| not(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned);
        let name = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        match version {
            Some(version) if text.contains(" server ") => Ok(Self { path: path.to_owned(), name, version }),
            _ => Err(not("its `--version` shows another program".to_owned())),
        }
    }
}

/// A server that came down.
#[derive(Debug)]
pub struct Ended {
    /// The line of its log that says most.
    pub log: String,
    /// Its exit status, in words.
    pub exit: String,
}

/// A running server. Killed when dropped, and when we are.
#[derive(Debug)]
pub struct Throwaway {
    child: Child,
    guard: Option<Child>,
    folder: PathBuf,
    began: Instant,
}

impl Throwaway {
    /// Starts a server in a folder; it loads the RDB that lies there, if one does. Waits for the system: see [`crate::blocking`].
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(binary: &Binary, folder: &Path, databases: u64) -> Result<Self, ScratchError> {
        let path = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new(&binary.path);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Of the environment a server needs nothing, and it may hold secrets.
        command.env_clear().env("LC_ALL", "C");
        command.args(["--port", "0", "--unixsocket", &path(SOCKET), "--unixsocketperm", "700"]);
        command.args(["--dir", &folder.display().to_string(), "--dbfilename", RDB, "--logfile", &path(LOG)]);
        command.args(["--daemonize", "no", "--save", "", "--appendonly", "no", "--maxmemory", "0"]);
        command.args(["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]);
        command.args(["--databases", &databases.to_string(), "--loglevel", "notice"]);
        // One that replicates from us hears nothing while it loads, and nothing that would count as offset afterwards.
        command.args(["--repl-timeout", "86400"]);
        // A Ctrl-C is meant for us: we end it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command
            .spawn()
            .map_err(|error| ScratchError::NotAServer { path: binary.path.clone(), reason: error.to_string() })?;
        let guard = guard(child.id(), folder);
        let server = Self { child, guard, folder: folder.to_owned(), began: Instant::now() };
        // When memory runs out it is this one that goes, not whatever else runs on the machine.
        if let Err(error) = fs::write(format!("/proc/{}/oom_score_adj", server.child.id()), "1000") {
            tracing::warn!("cannot mark the throwaway server as the first to kill when memory runs out: {error}");
        }
        Ok(server)
    }

    /// How to reach it.
    pub fn node(&self) -> Node {
        let mut node = Node::new(Address::Unix { path: self.folder.join(SOCKET) });
        node.retry = Retry::never();
        node.timeout = Duration::from_secs(60);
        node
    }

    /// Waits until it has loaded its data: how long that took, or how it ended.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ready(&mut self) -> Result<Result<Duration, Ended>, ScratchError> {
        let node = self.node();
        let mut has_answered = false;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let exit =
                    status.signal().map_or_else(|| status.to_string(), |number| format!("killed by signal {number}"));
                return Ok(Err(Ended { log: self.last_words().await, exit }));
            }
            match node.connect().await {
                Ok(_) => return Ok(Ok(self.began.elapsed())),
                Err(error) if matches!(error.fault, ConnectFault::Loading) => has_answered = true,
                Err(error) if !has_answered && self.began.elapsed() > PATIENCE => {
                    return Err(self.silent(&error).await);
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn info(&self) -> Result<Info, ScratchError> {
        let mut connection = match self.node().connect().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.silent(&error).await),
        };
        match connection.query(&Question::new("INFO")).await {
            Ok(answer) => Ok(Info::from_bytes(answer.bytes().unwrap_or_default())),
            Err(error) => Err(self.silent(&error).await),
        }
    }

    /// The error of a server that does not answer as it should: the words for it, and the end of the server's log.
    pub async fn silent(&self, words: &dyn std::fmt::Display) -> ScratchError {
        ScratchError::Silent(format!("{words}; the end of its log: {}", self.last_words().await))
    }

    /// The most memory that it had resident so far, bytes.
    pub async fn peak_rss(&self) -> Option<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = blocking::run(move || fs::read_to_string(file)).await.ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// What its log says last: of warnings the last three, for the reason stands above the farewell.
    async fn last_words(&self) -> String {
        let log = self.folder.join(LOG);
        let log = blocking::run(move || fs::read(log).unwrap_or_default()).await;
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_READ)..]).into_owned();
        let lines: Vec<&str> = tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let warnings = lines.iter().rev().filter(|line| line.contains(" # ") && !line.contains("overcommit"));
        let mut warnings: Vec<&str> = warnings.take(3).copied().collect();
        warnings.reverse();
        match (warnings.is_empty(), lines.last()) {
            (false, _) => warnings.join("; "),
            (true, Some(last)) => (*last).to_owned(),
            (true, None) => "nothing".to_owned(),
        }
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        // The guard goes first: afterwards the number of the child may be another process's.
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its socket and its log in the folder.
const SOCKET: &str = "s";
const LOG: &str = "log";

/// A shell that waits for our end, however we end: then it ends the server and removes the folder. Our end of its standard input
/// is closed by the kernel. Where there is no shell, only our own clean-up is left.
fn guard(pid: u32, folder: &Path) -> Option<Child> {
    let script = "read -r _; kill -9 \"$1\"; sleep 1; rm -rf -- \"$2\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "sh", &pid.to_string()]).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Not reached by the Ctrl-C that is meant for us.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| tracing::info!("no shell to guard the throwaway server: {error}")).ok()
}
