//! Real servers: started with their own port, socket, folder and log, and killed when dropped, also when a test fails.
//!
//! ```ignore
//! let Some(server) = RedisServer::start() else { return };            // says "skipped" if this machine has none
//! server.ok(&["SET", "a", "1"]);                                      // by a blocking client of its own, over its unix socket
//! let text = server.cli(&["INFO", "server"]);                         // as `redis-cli` would print it
//! let url = server.url();                                             // redis://127.0.0.1:PORT
//!
//! on_each(&servers(), |installed| {                                   // every version on this machine, a few at a time
//!     let server = RedisServer::builder().version(installed).start();
//! });
//! RedisServer::builder().arg("maxmemory", "10mb").password("secret").tls(Certificates::new()).start()
//! RedisServer::builder().dump(path).arg("key-load-delay", "1000").start_loading()
//! ```
//!
//! What a server has unless told otherwise: no password, no persistence (`save ""`), no diskless delay, `127.0.0.1` only.

mod certificates;
mod resp;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

pub use certificates::Certificates;
pub use resp::{Client, Reply};

/// How long a server may take to answer. Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server version on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// `redis-server-7.0`, `valkey-server-9.1`; `redis-server` for the one on PATH.
    pub name: String,
    pub path: PathBuf,
}

impl Installed {
    /// Whether it is of a name such as `valkey` or `6.2`.
    pub fn is(&self, part: &str) -> bool {
        self.name.contains(part)
    }
}

/// All versions: in `bin/` of `REDIS_OPS_SERVERS` (default `~/.cache/redis-ops-servers`), sorted by name, and the one on PATH unless it is
/// one of them. Says "skipped" if there is none.
pub fn servers() -> Vec<Installed> {
    let mut found = Vec::new();
    if let Ok(entries) = std::fs::read_dir(servers_folder().join("bin")) {
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("redis-server") || name.starts_with("valkey-server") {
                found.push(Installed { name, path: entry.path() });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(default) = on_path("redis-server").or_else(|| on_path("valkey-server")) {
        let real = |path: &Path| path.canonicalize().ok();
        if !found.iter().any(|other| real(&other.path) == real(&default.path)) {
            found.insert(0, default);
        }
    }
    if found.is_empty() {
        super::skip("redis-server");
    }
    found
}

/// Runs a test with several versions, a few at a time: most of such a test is waiting for its servers. Says at the end which have failed.
pub fn on_each(versions: &[Installed], test: impl Fn(&Installed) + Sync) {
    const AT_ONCE: usize = 5;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(versions.len()) {
            scope.spawn(|| {
                while let Some(installed) = versions.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(installed)));
                    if ended.is_err() {
                        failed.lock().expect("no thread panics with it").push(&installed.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics with it");
    assert!(failed.is_empty(), "failed with {failed:?}, as is said above");
}

/// As [`on_each`], for a test that is async: each version has a runtime of its own.
pub fn on_each_async(versions: &[Installed], test: impl AsyncFn(&Installed) + Sync) {
    on_each(versions, |installed| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(test(installed));
    });
}

/// The installed version with this name, such as `valkey-server-9.1`. Says "skipped" if it is not there.
pub fn server_named(name: &str) -> Option<Installed> {
    let path = servers_folder().join("bin").join(name);
    if path.exists() {
        return Some(Installed { name: name.to_owned(), path });
    }
    super::skip(name);
    None
}

fn servers_folder() -> PathBuf {
    match std::env::var_os("REDIS_OPS_SERVERS") {
        Some(folder) => folder.into(),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/redis-ops-servers"),
    }
}

fn on_path(name: &str) -> Option<Installed> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .map(|path| Installed { name: name.to_owned(), path })
}

/// A running server. Killed when dropped.
pub struct RedisServer {
    child: Child,
    dir: tempfile::TempDir,
    installed: Installed,
    port: u16,
    tls_port: Option<u16>,
    certificates: Option<Certificates>,
    password: Option<String>,
}

/// How a server is to be started.
#[derive(Default)]
pub struct Builder {
    installed: Option<Installed>,
    arguments: Vec<String>,
    dump: Option<PathBuf>,
    password: Option<String>,
    certificates: Option<Certificates>,
    clock_ahead: Option<i64>,
    clock_step: Option<i64>,
}

impl Builder {
    /// Which version; else the one on PATH, else the first of [`servers`].
    pub fn version(mut self, installed: &Installed) -> Self {
        self.installed = Some(installed.clone());
        self
    }

    /// One setting, as in the settings file: `.arg("maxmemory", "10mb")`. The last one wins. A value is split at spaces, as in the
    /// file; `""` is an empty value.
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.arguments.push(format!("--{name}"));
        if value.is_empty() {
            self.arguments.push(String::new());
        }
        self.arguments.extend(value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned));
        self
    }

    /// `requirepass`; [`RedisServer::cli`] knows it too.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.arg("requirepass", password)
    }

    /// Its clock is so many seconds ahead of that of this machine; negative: behind. Look for [`shifts_clocks`] first.
    pub fn clock_ahead(mut self, seconds: i64) -> Self {
        self.clock_ahead = Some(seconds);
        self
    }

    /// With each look at its clock so many microseconds more have passed, as on a machine that is too busy to look twice within a
    /// millisecond. Look for [`shifts_clocks`] first.
    pub fn clock_step(mut self, microseconds: i64) -> Self {
        self.clock_step = Some(microseconds);
        self
    }

    /// Starts with a copy of this file as its `dump.rdb`.
    pub fn dump(mut self, path: impl AsRef<Path>) -> Self {
        self.dump = Some(path.as_ref().to_owned());
        self
    }

    /// A TLS port beside the plain one. Clients need no certificate unless `.arg("tls-auth-clients", "yes")`. Not every build has TLS:
    /// see [`RedisServer::has_tls`].
    pub fn tls(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Starts it, and waits until it answers `PING`. `None` (and "skipped" is said) if no server is installed.
    ///
    /// # Panics
    /// If it does not start; with its log.
    #[track_caller]
    pub fn start(self) -> Option<RedisServer> {
        self.start_until(|reply| matches!(reply, Reply::Simple(_)) || is_error(reply, "NOAUTH"))
    }

    /// Starts it, and waits only until it answers at all: `-LOADING` will do.
    #[track_caller]
    pub fn start_loading(self) -> Option<RedisServer> {
        self.start_until(|_| true)
    }

    #[track_caller]
    fn start_until(self, is_ready: impl Fn(&Reply) -> bool) -> Option<RedisServer> {
        let installed = self.installed.clone().or_else(|| on_path("redis-server")).or_else(|| servers().pop());
        let Some(installed) = installed else {
            super::skip("redis-server");
            return None;
        };
        // Between finding a free port and using it, somebody else may take it.
        for _ in 0..10 {
            let mut server = self.launch(&installed);
            if server.wait_until(&is_ready) {
                return Some(server);
            }
            let log = server.log();
            assert!(log.contains("ddress already in use"), "{} did not start: {log}", installed.name);
        }
        panic!("no free port for {}", installed.name);
    }

    fn launch(&self, installed: &Installed) -> RedisServer {
        let dir = tempfile::Builder::new().prefix("redis-ops-").tempdir().expect("a temporary folder");
        if let Some(dump) = &self.dump {
            std::fs::copy(dump, dir.path().join("dump.rdb")).expect("the dump can be copied");
        }
        let (port, tls_port) = (free_port(), self.certificates.as_ref().map(|_| free_port()));
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut command = Command::new(&installed.path);
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--unixsocket", &path("redis.sock")]);
        command.args(["--dir", &dir.path().display().to_string(), "--logfile", &path("log"), "--daemonize", "no"]);
        command.args(["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]);
        if let (Some(certificates), Some(port)) = (&self.certificates, tls_port) {
            certificates.write_to(dir.path());
            command.args(["--tls-port", &port.to_string(), "--tls-ca-cert-file", &path("ca.pem")]);
            command.args(["--tls-cert-file", &path("server.pem"), "--tls-key-file", &path("server.key")]);
            command.args(["--tls-auth-clients", "no"]);
        }
        command.args(&self.arguments);
        for (name, value) in [("CLOCK_AHEAD", self.clock_ahead), ("CLOCK_STEP", self.clock_step)] {
            if let (Some(value), Some(library)) = (value, shifted_clock()) {
                command.env("LD_PRELOAD", library).env(name, value.to_string());
            }
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", installed.path.display()));
        let (certificates, password) = (self.certificates.clone(), self.password.clone());
        RedisServer { child, dir, installed: installed.clone(), port, tls_port, certificates, password }
    }
}

fn is_error(reply: &Reply, code: &str) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with(code))
}

/// Whether servers with another clock can be had here; says "skipped" if not.
pub fn shifts_clocks() -> bool {
    let can = shifted_clock().is_some();
    if !can {
        super::skip("a C compiler, for a server with another clock");
    }
    can
}

/// The library that shifts the clock of a process, made once; it lies in a folder of this build.
pub fn shifted_clock() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/shifted_clock.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (made, library) = (folder.join(format!("clock.{}", std::process::id())), folder.join("shifted_clock.so"));
        let done = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&made).arg(&source).output().ok()?;
        // Other tests may do the same at this moment.
        (done.status.success() && std::fs::rename(&made, &library).is_ok()).then_some(library)
    };
    MADE.get_or_init(make).as_deref()
}

/// A port that nothing listened on a moment ago, and no other test was given: a replica goes on looking for a primary that has ended, and
/// would find another test's server there.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        if GIVEN.lock().expect("nobody panics with it").insert(port) {
            return port;
        }
    }
}

impl RedisServer {
    /// A server as it comes. `None` (and "skipped" is said) if none is installed.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::builder().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Whether a build can speak TLS. Asked to, without a certificate, it ends at once: a build that can misses the certificate; one that
    /// cannot does not know the option, or (8.10 without the TLS module) has no connections of that type.
    pub fn has_tls(installed: &Installed) -> bool {
        let output = Command::new(&installed.path).args(["--port", "0", "--tls-port", "1"]).output();
        output.is_ok_and(|output| {
            let said = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&said).contains("No tls-cert-file")
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The TLS port, if it was started with [`Builder::tls`].
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// `redis://127.0.0.1:PORT`, without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its working folder: `dump.rdb`, `log`, and with TLS `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read(self.dir.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// A blocking client of its own, authenticated with the password given to the builder.
    #[track_caller]
    pub fn client(&self) -> Client {
        let mut client = Client::unix(&self.socket()).expect("the server takes connections");
        if let Some(password) = &self.password {
            client.ask(&[b"AUTH", password.as_bytes()]).expect("an answer to AUTH");
        }
        client
    }

    /// Asks one command, and returns its reply.
    #[track_caller]
    pub fn reply(&self, command: &[&str]) -> Reply {
        let words: Vec<_> = command.iter().map(|word| word.as_bytes()).collect();
        self.client().ask(&words).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Asks one command, and returns its reply as `redis-cli` prints it to a pipe: errors too, arrays one element a line.
    #[track_caller]
    pub fn cli(&self, command: &[&str]) -> String {
        self.reply(command).to_string()
    }

    /// Asks one command that must not fail.
    ///
    /// # Panics
    /// If the reply is an error.
    #[track_caller]
    pub fn ok(&self, command: &[&str]) -> String {
        match self.reply(command) {
            Reply::Error(text) => panic!("{command:?}: {text}"),
            reply => reply.to_string(),
        }
    }

    /// `SAVE`, once the save of an earlier backup has ended: the server notices that only a moment later.
    #[track_caller]
    pub fn save(&self) {
        self.wait_for("SAVE to go through", |server| server.cli(&["SAVE"]) == "OK");
    }

    /// A field of `INFO everything`; empty if there is none.
    #[track_caller]
    pub fn info(&self, field: &str) -> String {
        let text = self.ok(&["INFO", "everything"]);
        let prefix = format!("{field}:");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().trim().to_owned()
    }

    /// Sends many commands in one pipeline. None may fail.
    #[track_caller]
    pub fn pipe<'a>(&self, commands: impl IntoIterator<Item = Vec<&'a [u8]>>) {
        self.client().pipe(commands).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Writes strings `key:0` … with values of this length that LZF cannot shorten much.
    #[track_caller]
    pub fn fill(&self, n_keys: usize, value_length: usize) {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let pairs: Vec<(String, Vec<u8>)> = (0..n_keys)
            .map(|index| {
                let value = std::iter::repeat_with(|| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                });
                (format!("key:{index}"), value.take(value_length).collect())
            })
            .collect();
        self.pipe(pairs.iter().map(|(key, value)| vec![b"SET".as_slice(), key.as_bytes(), value]));
    }

    /// Waits until something holds, and panics with `what` if it never does.
    #[track_caller]
    pub fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; log: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// `SHUTDOWN NOSAVE`, and waits until it has ended.
    ///
    /// # Panics
    /// If it goes on for three minutes.
    #[track_caller]
    pub fn shut_down(&mut self) {
        let begun = Instant::now();
        let mut client = self.client();
        client.send(&[b"SHUTDOWN", b"NOSAVE"]).expect("SHUTDOWN can be sent");
        while matches!(self.child.try_wait(), Ok(None)) {
            assert!(begun.elapsed() < Duration::from_secs(180), "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until(&mut self, is_ready: &impl Fn(&Reply) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // The socket lies in our own folder: nobody else can answer there.
            let answer = Client::unix(&self.socket()).and_then(|mut client| client.ask(&[b"PING"]));
            if answer.is_ok_and(|reply| is_ready(&reply)) {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} gave no answer within {PATIENCE:?}: {}", self.installed.name, self.log());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
