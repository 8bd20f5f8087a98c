//! Completions: each shell loads its script, and Tab is pressed on a terminal.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::S3Server;
use crate::support::skip;

/// No shell takes longer to answer.
const LONGEST: Duration = Duration::from_secs(120);
const TO_THE_BEGINNING: &str = "\u{1}";
const TO_THE_END: &str = "\u{5}";
const KILL_LINE: &str = "\u{5}\u{15}";

/// An interactive shell on a terminal that `script` makes.
struct Shell {
    child: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    home: PathBuf,
    questions: u32,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shell {
    /// Starts a shell and runs a line of setting up; `None` where the shell or `script` is missing.
    fn start(line: &str, home: &Path, setting_up: &str) -> Option<Self> {
        let program = line.split(' ').next().unwrap_or_default();
        let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        for needed in [program, "script"] {
            if !is_there(needed) {
                skip(needed);
                return None;
            }
        }
        let built = Path::new(env!("CARGO_BIN_EXE_redis-ops")).parent().expect("a folder").to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("script");
        command.args(["-qec", line, "/dev/null"]).env_clear().current_dir(home);
        command.env("PATH", format!("{}:{path}", built.display())).env("HOME", home).env("TERM", "xterm");
        command.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("script starts");
        let keys = child.stdin.take().expect("piped");
        let mut screen = child.stdout.take().expect("piped");
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut shell = Self { child, keys, output, home: home.to_owned(), questions: 0 };
        shell.press("stty cols 200 rows 60\n");
        shell.press(&format!("{setting_up}\n"));
        assert_eq!(shell.line_of("ready"), "ready");
        Some(shell)
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the shell reads");
    }

    /// What a line becomes when Tab is pressed at its end.
    #[track_caller]
    fn completed(&mut self, line: &str) -> String {
        self.line_of(&format!("{line}\t"))
    }

    /// The line after these keys, as the shell understands it: it becomes the arguments of an `echo` into a file.
    #[track_caller]
    fn line_of(&mut self, keys: &str) -> String {
        self.questions += 1;
        let file = self.home.join(format!("line-{}", self.questions));
        self.press(&format!("{keys}{TO_THE_BEGINNING}echo {TO_THE_END} >line-{}\n", self.questions));
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some(line) = text.strip_suffix('\n') {
                return line.trim().to_owned();
            }
            assert!(
                begun.elapsed() < LONGEST,
                "no line for `{keys}`: {:?}",
                self.output.try_iter().collect::<Vec<_>>().concat()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether all of these are offered for a line.
    #[track_caller]
    fn offers(&mut self, line: &str, all: &[&str]) {
        while self.output.try_recv().is_ok() {}
        self.press(&format!("{line}\t\t"));
        let (begun, mut shown) = (Instant::now(), String::new());
        while !all.iter().all(|one| shown.contains(one)) {
            match self.output.recv_timeout(LONGEST.saturating_sub(begun.elapsed())) {
                Ok(bytes) => shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{all:?} are not offered for `{line}`: {shown:?}"),
            }
        }
        self.press(KILL_LINE);
    }
}

/// A home with settings that name two instances, and a repository with a backup of one of them.
fn home() -> Option<(tempfile::TempDir, String)> {
    let source = RedisServer::start()?;
    source.ok(&["SET", "a", "1"]);
    let home = tempfile::TempDir::new().unwrap();
    let repository = home.path().join("backups");
    let run =
        RedisOps::new().args(["backup", "-i", &source.url(), "--name", "redis-prod", "-r"]).arg(&repository).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let settings = "instances:\n  redis-prod:\n    host: 127.0.0.1\n    password: ${NEVER_SET}\n  redis-staging: { host: 127.0.0.1 }\n\
                    backup: { destination: backups }\n";
    std::fs::write(home.path().join("redis-ops.yaml"), settings).unwrap();
    let id = std::fs::read_dir(repository.join("redis-prod")).unwrap().next().unwrap().unwrap().file_name();
    Some((home, id.into_string().unwrap()))
}

/// Lines that every shell completes alike, and what they become.
fn lines(id: &str) -> Vec<(String, String)> {
    let pairs = [
        ("redis-ops diagn", "redis-ops diagnose"),
        ("redis-ops diagnose pers", "redis-ops diagnose persistence"),
        ("redis-ops restore --on-conf", "redis-ops restore --on-conflict"),
        ("redis-ops restore --on-conflict sk", "redis-ops restore --on-conflict skip"),
        ("redis-ops health -i redis-st", "redis-ops health -i redis-staging"),
        ("redis-ops restore --target-instance redis-p", "redis-ops restore --target-instance redis-prod"),
        ("redis-ops explain M0", "redis-ops explain M0"),
        ("redis-ops explain M06", "redis-ops explain M06"),
        ("redis-ops backup --compression zs", "redis-ops backup --compression zstd"),
        ("redis-ops list --format=nag", "redis-ops list --format=nagios"),
        ("redis-ops restore --backup-id lat", "redis-ops restore --backup-id latest"),
        ("redis-ops verify --file redis-o", "redis-ops verify --file redis-ops.yaml"),
    ];
    let mut lines: Vec<_> = pairs.iter().map(|(typed, is)| ((*typed).to_owned(), (*is).to_owned())).collect();
    let beginning = &id[..id.len() - 2];
    lines.push((format!("redis-ops show {beginning}"), format!("redis-ops show {id}")));
    lines
}

#[track_caller]
fn completes(shell: &mut Shell, id: &str) {
    for (typed, is) in lines(id) {
        assert_eq!(shell.completed(&typed), is, "{typed}");
    }
    shell.offers("redis-ops restore --method ", &["auto", "replica", "commands"]);
    shell.offers("redis-ops explain P0", &["P01", "P02"]);
    shell.offers("redis-ops ", &["backup", "restore", "completions"]);
}

#[test]
fn bash_completes() {
    let Some((home, id)) = home() else { return };
    let Some(mut bash) =
        Shell::start("bash --norc --noprofile -i", home.path(), "source <(redis-ops completions bash)")
    else {
        return;
    };
    completes(&mut bash, &id);
}

#[test]
fn zsh_completes_from_its_function_path() {
    let Some((home, id)) = home() else { return };
    let functions = home.path().join("functions");
    std::fs::create_dir(&functions).unwrap();
    let script = RedisOps::new().args(["completions", "zsh"]).run();
    std::fs::write(functions.join("_redis-ops"), script.text()).unwrap();
    let setting_up = "PS1='$ '; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D";
    let Some(mut zsh) = Shell::start("zsh -f -i", home.path(), setting_up) else { return };
    completes(&mut zsh, &id);
}

#[test]
fn fish_completes() {
    let Some((home, id)) = home() else { return };
    let Some(mut fish) = Shell::start("fish --no-config -i", home.path(), "redis-ops completions fish | source") else {
        return;
    };
    completes(&mut fish, &id);
}

#[test]
fn of_a_bucket_is_offered_what_the_last_list_showed_and_the_store_is_not_asked() {
    let Some(source) = RedisServer::start() else { return };
    let (store, state) = (S3Server::start(), tempfile::TempDir::new().unwrap());
    let place = store.location("redis");
    let run = |words: &[&str]| {
        let run = RedisOps::new().args(words).env("XDG_STATE_HOME", state.path());
        let run = store.env().iter().fold(run, |run, (name, value)| run.env(name, value));
        run.env("_CLAP_COMPLETE_INDEX", "4").env("_CLAP_IFS", "\n")
    };
    let tab = || {
        let requests = store.requests().len();
        let tab = run(&["--", "redis-ops", "show", "-r", &place, ""]).env("REDIS_OPS_COMPLETE", "bash").run();
        assert_eq!((tab.code, store.requests().len()), (0, requests), "{}", tab.stderr);
        tab.text().lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    };
    let backup = run(&["backup", "-i", &source.url(), "--name", "redis-prod", "-r", &place, "--json"]).run();
    let id = backup.json()["backup"]["id"].as_str().unwrap().to_owned();
    assert_eq!(tab(), ["latest"], "nobody has listed it yet");
    assert_eq!(run(&["list", "-r", &place]).run().code, 0);
    assert_eq!(tab(), ["latest".to_owned(), id]);
}
