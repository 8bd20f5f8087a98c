//! A pseudo-terminal with `redis-ops` on it: what a person at a keyboard sees, and what they type.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

/// No test waits longer for a word on the screen.
const LONGEST: Duration = Duration::from_secs(60);

/// Rows and columns of a terminal.
pub type Size = (u16, u16);

/// A run of `redis-ops` on a terminal of its own.
pub struct Terminal {
    keyboard: File,
    child: Child,
    /// A terminal emulator that was shown all of it, and all of it.
    shown: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    reader: Option<std::thread::JoinHandle<()>>,
    _home: TempDir,
}

fn winsize((rows, columns): Size) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn of_emulator((rows, columns): Size) -> (NonZeroU16, NonZeroU16) {
    (NonZeroU16::new(rows).expect("rows"), NonZeroU16::new(columns).expect("columns"))
}

impl Terminal {
    /// Starts a run on 24 rows of 100 columns; `ahead` stands in the input of the terminal before the process does.
    pub fn start(arguments: &[&str], ahead: &str) -> Self {
        Self::launch(Command::new(env!("CARGO_BIN_EXE_redis-ops")), (24, 100), arguments, &[], ahead)
    }

    /// Starts a run whose controlling terminal this is, so that it hears of a new size; `None` (and "skipped" is said) where the system
    /// lacks `setsid`.
    pub fn controlling(size: Size, arguments: &[&str], environment: &[(&str, &str)]) -> Option<Self> {
        let mut command = Command::new("setsid");
        if command.arg("--version").output().is_err() {
            super::skip("setsid");
            return None;
        }
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_redis-ops")]);
        Some(Self::launch(command, size, arguments, environment, ""))
    }

    fn launch(mut command: Command, size: Size, arguments: &[&str], environment: &[(&str, &str)], ahead: &str) -> Self {
        let mut keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal"));
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("a pseudo-terminal that can be opened");
        let name = ptsname(&keyboard, Vec::new()).expect("its name").into_string().expect("a name in UTF-8");
        tcsetwinsize(&keyboard, winsize(size)).expect("a size");
        let screen = OpenOptions::new().read(true).write(true).open(name).expect("the other side");
        keyboard.write_all(ahead.as_bytes()).expect("typed ahead");

        let home = TempDir::new().expect("a folder");
        command.args(arguments).env_clear().env("TERM", "xterm").env("HOME", home.path()).current_dir(home.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(environment.iter().copied());
        let side = || screen.try_clone().expect("a stream");
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("redis-ops");
        // The last hands on the other side are those of the process: its end is then the end of the terminal.
        drop((command, screen));

        let (rows, columns) = of_emulator(size);
        let shown = Arc::new(Mutex::new((vt100::Parser::new(rows, columns, 0), Vec::new())));
        let (mut source, seen) = (keyboard.try_clone().expect("a stream"), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut some = [0; 4096];
            // Linux says EIO when the last process has left the terminal.
            while let Ok(read @ 1..) = source.read(&mut some) {
                let (emulator, all) = &mut *seen.lock().expect("no reader panics");
                emulator.process(&some[..read]);
                all.extend_from_slice(&some[..read]);
            }
        });
        Self { keyboard, child, shown, reader: Some(reader), _home: home }
    }

    /// All that was written to the terminal so far, the echo of what was typed among it.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("no reader panics").1).into_owned()
    }

    /// What stands on the screen now.
    pub fn screen(&self) -> String {
        self.shown.lock().expect("no reader panics").0.screen().contents()
    }

    /// Whether the screen is one beside that which was there before, and has no cursor.
    pub fn is_taken(&self) -> bool {
        let shown = self.shown.lock().expect("no reader panics");
        shown.0.screen().alternate_screen() && shown.0.screen().hide_cursor()
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < LONGEST, "{what}: the screen is\n{screen}\n{:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until these words stand on the screen, and returns it.
    #[track_caller]
    pub fn wait_for_screen(&self, words: &str) -> String {
        self.wait_until(words, |screen| screen.contains(words))
    }

    /// Gives the terminal another size; the process is told by SIGWINCH.
    pub fn resize(&self, size: Size) {
        let (rows, columns) = of_emulator(size);
        self.shown.lock().expect("no reader panics").0.set_size(rows, columns);
        tcsetwinsize(&self.keyboard, winsize(size)).expect("a size");
    }

    /// Whether what is typed is echoed and edited by the terminal, as in a shell.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("the modes of a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
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
        self.signal(rustix::process::Signal::INT);
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a signal");
    }

    /// Waits for the end: the exit code (128 + the number of a signal), and all that was shown.
    pub fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("a process");
        self.reader.take().map(std::thread::JoinHandle::join).transpose().expect("the reader");
        (status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), self.shown())
    }
}

impl Drop for Terminal {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
