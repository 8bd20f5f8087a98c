//! The built binary, as a user runs it: arguments in, both streams and the exit code out.
//!
//! ```ignore
//! RedisOps::new().args(["list", "-r", "/nowhere"]).stderr("error: …\n").exit(3);   // unset stdout means: empty
//! ```
//!
//! The binary is the one that was built with the tests, or what `REDIS_OPS_BINARY` names.
//!
//! The environment is clean: nothing of the machine's AWS, Redis or redis-ops settings, and a home of its own.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::schema;

/// No run of a test takes longer; one that does is ended and fails.
const LONGEST: Duration = Duration::from_secs(300);

/// One run of `redis-ops`, not started yet.
pub struct RedisOps {
    command: Command,
    home: TempDir,
    stdin: Vec<u8>,
    stdin_stays_open: bool,
    stdout: Option<String>,
    stderr: Option<String>,
    sink: Option<Stdio>,
}

/// How a run ended.
pub struct Run {
    /// What was typed, for messages.
    pub line: String,
    /// Exit code; 128 + the signal's number where a signal ended it.
    pub code: i32,
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// All of stderr.
    pub stderr: String,
}

/// A run that goes on.
pub struct Running {
    child: Child,
    line: String,
    _home: TempDir,
    /// Stdout and stderr; taken at the end.
    streams: Option<(Reading, Reading)>,
    _stdin: Option<std::process::ChildStdin>,
}

/// What has been read so far, and the thread that reads on.
struct Reading {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: std::thread::JoinHandle<()>,
}

impl RedisOps {
    /// A run without arguments.
    pub fn new() -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let built = || env!("CARGO_BIN_EXE_redis-ops").into();
        let mut command = Command::new(std::env::var_os("REDIS_OPS_BINARY").unwrap_or_else(built));
        command.env_clear().current_dir(home.path());
        // Only what a process needs to find programs and temporary files.
        for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Without these the AWS SDK asks the machine's own metadata service for credentials, and waits.
        command.env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        Self { command, home, stdin: Vec::new(), stdin_stays_open: false, stdout: None, stderr: None, sink: None }
    }

    /// A run by a user without any rights; `None` where the tests have no right to become one, or the system lacks `setpriv`.
    pub fn as_nobody() -> Option<Self> {
        let mut run = Self::new();
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let program = env!("CARGO_BIN_EXE_redis-ops");
        let can = Command::new("setpriv").args(nobody).args([program, "--version"]).stdout(Stdio::null()).status();
        if !can.is_ok_and(|status| status.success()) {
            return None;
        }
        std::os::unix::fs::chown(run.home.path(), Some(65534), Some(65534)).ok()?;
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(program).env_clear().current_dir(run.home.path());
        command.envs(run.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run.command = command;
        Some(run)
    }

    /// A run that may write no file longer than this many bytes, which is how a disk that fills up looks; `None` where the system lacks
    /// `prlimit`.
    pub fn with_files_of_at_most(bytes: u64) -> Option<Self> {
        let mut run = Self::new();
        let limit = format!("--fsize={bytes}");
        let can = Command::new("prlimit").args([&limit, "true"]).status();
        if !can.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(run.command.get_program()).env_clear().current_dir(run.home.path());
        command.envs(run.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run.command = command;
        Some(run)
    }

    /// The same run, started by this program; `None` where the system lacks it.
    pub fn under(mut self, program: &str) -> Option<Self> {
        let can = Command::new(program).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).status();
        if !can.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = Command::new(program);
        command.arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        command.current_dir(self.home.path());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        Some(self)
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in another folder.
    pub fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The folder that is its home and, unless [`RedisOps::dir`] says otherwise, the one it runs in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the home, such as `redis-ops.yaml`.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder above it")).expect("a folder in the home");
        std::fs::write(path, content).expect("a file in the home");
        self
    }

    /// What is read from stdin; nothing unless said.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Stdin stays open behind what is read from it, as long as the run is held; those bytes must fit into a pipe.
    pub fn stdin_stays_open(mut self) -> Self {
        self.stdin_stays_open = true;
        self
    }

    /// What must be on stdout, exactly.
    pub fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = Some(text.into());
        self
    }

    /// What must be on stderr, exactly.
    pub fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = Some(text.into());
        self
    }

    /// Nobody reads stdout any more, as behind `| head -0`.
    pub fn without_reader(self) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.into(writer)
    }

    /// Stdout leads elsewhere, and is not captured.
    pub fn into(mut self, sink: impl Into<Stdio>) -> Self {
        self.sink = Some(sink.into());
        self
    }

    /// Runs, and compares both streams and the exit code. A stream of which nothing was said must be empty.
    #[track_caller]
    pub fn exit(mut self, code: i32) {
        let (stdout, stderr) = (self.stdout.take().unwrap_or_default(), self.stderr.take().unwrap_or_default());
        let run = self.run();
        assert_eq!(run.text(), stdout, "stdout of {}\nstderr: {}", run.line, run.stderr);
        assert_eq!(run.stderr, stderr, "stderr of {}", run.line);
        assert_eq!(run.code, code, "exit code of {}", run.line);
    }

    /// Runs to the end.
    #[track_caller]
    pub fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Runs to the end, and reads the one JSON object on stdout; `--json` is added.
    #[track_caller]
    pub fn json(self) -> (i32, serde_json::Value) {
        let run = self.arg("--json").run();
        (run.code, run.json())
    }

    /// Begins, and lets it run.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let line = describe(&self.command);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(sink) = self.sink {
            self.command.stdout(sink);
        }
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("start {line}: {error}"));
        // The end of the pipe that the command holds would keep it open.
        drop(self.command);
        let streams = Some((reading(child.stdout.take()), reading(child.stderr.take())));
        let (mut input, bytes) = (child.stdin.take().expect("a pipe"), self.stdin);
        let stdin = if self.stdin_stays_open {
            input.write_all(&bytes).expect("a pipe takes a few bytes");
            Some(input)
        } else {
            // Whoever does not read stdin must not stop the test.
            std::thread::spawn(move || drop(input.write_all(&bytes)));
            None
        };
        Running { child, line, _home: self.home, streams, _stdin: stdin }
    }
}

fn describe(command: &Command) -> String {
    let words: Vec<OsString> = command.get_args().map(OsStr::to_owned).collect();
    format!("redis-ops {}", words.join(OsStr::new(" ")).to_string_lossy())
}

fn reading(stream: Option<impl Read + Send + 'static>) -> Reading {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    let thread = std::thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            shared.lock().expect("no reader panics").extend_from_slice(&buffer[..length]);
        }
    });
    Reading { bytes, thread }
}

impl Reading {
    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("no reader panics").clone()
    }

    fn until_the_end(self) -> Vec<u8> {
        self.thread.join().expect("a reader");
        self.bytes.lock().expect("no reader panics").clone()
    }
}

impl Running {
    /// Sends a signal: `INT`, `TERM`, `KILL`, `STOP`, `CONT`, `TSTP`, …
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let signal = match name {
            "HUP" => rustix::process::Signal::HUP,
            "INT" => rustix::process::Signal::INT,
            "TERM" => rustix::process::Signal::TERM,
            "KILL" => rustix::process::Signal::KILL,
            "STOP" => rustix::process::Signal::STOP,
            "CONT" => rustix::process::Signal::CONT,
            "TSTP" => rustix::process::Signal::TSTP,
            "QUIT" => rustix::process::Signal::QUIT,
            "USR1" => rustix::process::Signal::USR1,
            "USR2" => rustix::process::Signal::USR2,
            "ALRM" => rustix::process::Signal::ALARM,
            other => panic!("no test sends {other}"),
        };
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, signal).unwrap_or_else(|error| panic!("signal {}: {error}", self.line));
    }

    /// Its standard input ends: see [`RedisOps::stdin_stays_open`].
    pub fn close_stdin(&mut self) {
        self._stdin = None;
    }

    /// Waits until it hears signals.
    #[track_caller]
    pub fn wait_until_it_hears(&mut self) {
        const OF_INT: u64 = 1 << 1;
        let (begun, path) = (Instant::now(), format!("/proc/{}/status", self.id()));
        let hears = || {
            let text = std::fs::read_to_string(&path).ok()?;
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            Some(u64::from_str_radix(caught.trim(), 16).ok()? & OF_INT != 0)
        };
        while hears() != Some(true) {
            assert!(!self.has_ended() && begun.elapsed() < LONGEST, "{} hears no signal", self.line);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said something on stderr, and returns all it has said there.
    #[track_caller]
    pub fn wait_until_it_says(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let ended = self.has_ended();
            let said = String::from_utf8_lossy(&self.streams.as_ref().expect("not ended").1.so_far()).into_owned();
            if said.contains(words) {
                return said;
            }
            assert!(!ended && begun.elapsed() < LONGEST, "{} has not said `{words}`: {said}", self.line);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until what it has written to stdout so far is as it should be.
    #[track_caller]
    pub fn wait_until_it_answers(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let ended = self.has_ended();
            let said = String::from_utf8_lossy(&self.streams.as_ref().expect("not ended").0.so_far()).into_owned();
            if is_so(&said) {
                return;
            }
            assert!(!ended && begun.elapsed() < LONGEST, "{} has not answered {what}: {said}", self.line);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_some()
    }

    /// Waits until one of two ends: how that ended, whether it was this one, and the one that goes on.
    #[track_caller]
    pub fn or(mut self, mut other: Self) -> (Run, bool, Self) {
        let begun = Instant::now();
        loop {
            if self.has_ended() {
                return (self.wait(), true, other);
            }
            if other.has_ended() {
                return (other.wait(), false, self);
            }
            assert!(begun.elapsed() < LONGEST, "neither {} nor {} has ended", self.line, other.line);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end; gives the most bytes of memory as well that it had, as it was seen 5 ms before at the latest: `VmHWM` without
    /// the pages of the program's own file, which a debug build has 90 MB of, and the system may drop.
    #[track_caller]
    pub fn wait_and_weigh(mut self) -> (Run, u64) {
        let status = format!("/proc/{}/status", self.id());
        let mut most = 0;
        while !self.has_ended() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let kib = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().trim_end_matches(" kB").parse::<u64>().ok()
            };
            if let (Some(peak), Some(program)) = (kib("VmHWM:"), kib("RssFile:")) {
                most = most.max(peak.saturating_sub(program) << 10);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        (self.wait(), most)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Run {
        use std::os::unix::process::ExitStatusExt as _;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                break status;
            }
            if begun.elapsed() > LONGEST {
                drop(self.child.kill());
                panic!("{} has not ended after {LONGEST:?}", self.line);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let (stdout, stderr) = self.streams.take().expect("it ends once");
        let stdout = stdout.until_the_end();
        let stderr = String::from_utf8(stderr.until_the_end()).expect("stderr is UTF-8");
        Run { line: std::mem::take(&mut self.line), code, stdout, stderr }.follows_its_schema()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, most of the time.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Run {
    /// Stdout as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is UTF-8")
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            panic!("stdout of {}: {error}\n{}\nstderr: {}", self.line, self.text(), self.stderr)
        })
    }

    /// Whatever a test looks at: an answer in JSON is as the schema of its command says.
    #[track_caller]
    fn follows_its_schema(self) -> Self {
        let answer = serde_json::from_slice(&self.stdout).ok();
        let answer = answer.filter(|answer: &serde_json::Value| answer.get("schema_version").is_some());
        if let Some(Err(why)) = answer.as_ref().map(schema::check) {
            panic!("the answer of {} is not as docs/json says: {why}", self.line);
        }
        self
    }

    /// Both streams, to look for what must not be there.
    pub fn everything(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), self.stderr)
    }
}
