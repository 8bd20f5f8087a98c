//! A pseudo-terminal of 100 columns with `redis-ops` on it: what a person at a keyboard sees, and what they type.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

/// No test waits longer for a word on the screen.
const LONGEST: Duration = Duration::from_secs(60);

/// A run of `redis-ops` on a terminal of its own.
pub struct Terminal {
    keyboard: File,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
    _home: TempDir,
}

impl Terminal {
    /// Starts a run; `ahead` stands in the input of the terminal before the process does.
    pub fn start(arguments: &[&str], ahead: &str) -> Self {
        let mut keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal"));
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("a pseudo-terminal that can be opened");
        let name = ptsname(&keyboard, Vec::new()).expect("its name").into_string().expect("a name in UTF-8");
        tcsetwinsize(&keyboard, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let screen = OpenOptions::new().read(true).write(true).open(name).expect("the other side");
        keyboard.write_all(ahead.as_bytes()).expect("typed ahead");

        let home = TempDir::new().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_redis-ops"));
        command.args(arguments).env_clear().env("TERM", "xterm").env("HOME", home.path()).current_dir(home.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let side = || screen.try_clone().expect("a stream");
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("redis-ops");
        // The last hands on the other side are those of the process: its end is then the end of the terminal.
        drop((command, screen));

        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut source, seen) = (keyboard.try_clone().expect("a stream"), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut some = [0; 4096];
            // Linux says EIO when the last process has left the terminal.
            while let Ok(read @ 1..) = source.read(&mut some) {
                seen.lock().expect("no reader panics").extend_from_slice(&some[..read]);
            }
        });
        Self { keyboard, child, shown, reader, _home: home }
    }

    /// All that was written to the terminal so far, the echo of what was typed among it.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("no reader panics")).into_owned()
    }

    /// Waits until these words were shown.
    #[track_caller]
    pub fn wait_for(&self, words: &str) {
        let begun = Instant::now();
        while !self.shown().contains(words) {
            assert!(begun.elapsed() < LONGEST, "`{words}` is not shown: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a key");
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a process").is_some()
    }

    /// Sends the process a signal, as the terminal does for Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    }

    /// Waits for the end: the exit code (128 + the number of a signal), and all that was shown.
    pub fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("a process");
        self.reader.join().expect("the reader");
        let shown = String::from_utf8_lossy(&self.shown.lock().expect("no reader panics")).into_owned();
        (status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), shown)
    }
}

/// A run on a terminal that is closed under it: the terminal, and the process. Nobody reads what is shown, so it must be little.
pub fn to_be_hung_up(arguments: &[&str], home: &std::path::Path) -> (File, Child) {
    let keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal"));
    grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("a pseudo-terminal that can be opened");
    let name = ptsname(&keyboard, Vec::new()).expect("its name").into_string().expect("a name in UTF-8");
    let screen = OpenOptions::new().read(true).write(true).open(name).expect("the other side");
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-ops"));
    command.args(arguments).env_clear().env("TERM", "xterm").env("HOME", home).current_dir(home);
    let side = || screen.try_clone().expect("a stream");
    let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("redis-ops");
    (keyboard, child)
}
