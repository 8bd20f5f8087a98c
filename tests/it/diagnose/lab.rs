//! The laboratory: diagnoses as JSON, and what makes faults.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::support::redis_ops::{RedisOps, Run};
use crate::support::redis_server::{Client, RedisServer};
pub use crate::support::sentinel::Sentinel;

/// What a diagnosis said.
pub struct Diagnosis {
    pub json: Value,
    pub code: i32,
}

impl Diagnosis {
    /// Runs it with a settings file.
    #[track_caller]
    pub fn with_settings(server: &RedisServer, topic: &str, settings: &str, more: &[&str]) -> Self {
        let run = RedisOps::new().args(["diagnose", topic, "--json", "-i", &server.url()]).args(more);
        Self::of_run(&run.file("redis-ops.yaml", settings).run())
    }

    /// Runs `redis-ops diagnose TOPIC` with more arguments on a port.
    #[track_caller]
    pub fn of_port(port: u16, topic: &str, more: &[&str]) -> Self {
        let run = RedisOps::new()
            .args(["diagnose", topic, "--json", "-p", &port.to_string(), "-H", "127.0.0.1"])
            .args(more)
            .run();
        Self::of_run(&run)
    }

    #[track_caller]
    pub fn of(server: &RedisServer, topic: &str, more: &[&str]) -> Self {
        Self::of_port(server.port(), topic, more)
    }

    #[track_caller]
    pub fn of_run(run: &Run) -> Self {
        let text = String::from_utf8_lossy(&run.stdout);
        let json =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}\n{}", run.line, run.stderr));
        Self { json, code: run.code }
    }

    /// Rules that found something, in the order told.
    pub fn rules(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().expect("findings");
        findings.iter().filter_map(|finding| finding["id"].as_str()).collect()
    }

    /// Those above information, but for slow answers (C15): on a machine that runs other tests beside they are true, and `rules::cases`
    /// holds their limits.
    pub fn loud(&self) -> Vec<&str> {
        self.above_information().into_iter().filter(|id| *id != "C15").collect()
    }

    /// All above information: what the exit code rests on.
    pub fn above_information(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().expect("findings");
        let loud = findings.iter().filter(|finding| finding["severity"] != "info");
        loud.filter_map(|finding| finding["id"].as_str()).collect()
    }

    pub fn finding(&self, rule: &str) -> Option<&Value> {
        self.json["findings"].as_array().expect("findings").iter().find(|finding| finding["id"] == rule)
    }

    /// The first finding is this rule's; slow answers of a machine that runs other tests beside count only where they are asked for.
    #[track_caller]
    pub fn first_is(&self, rule: &str) -> &Value {
        let first = self.rules().into_iter().find(|id| *id != "C15" || rule == "C15");
        assert_eq!(first, Some(rule), "{:#}", self.json["findings"]);
        self.finding(rule).expect("it was first")
    }

    /// No finding of this rule at all, not even as information.
    #[track_caller]
    pub fn is_silent(&self, rule: &str) {
        assert!(!self.rules().contains(&rule), "{rule} is still there: {:#}", self.json["findings"]);
    }

    /// No finding of this rule above information.
    #[track_caller]
    pub fn has_gone(&self, rule: &str) {
        assert!(!self.loud().contains(&rule), "{rule} is still there: {:#}", self.json["findings"]);
    }
}

/// The fix commands of a finding that are Redis commands, as words.
pub fn fixes(finding: &Value) -> Vec<Vec<String>> {
    const COMMANDS: &[&str] = &[
        "BACKUP",
        "CONFIG",
        "CLIENT",
        "CLUSTER",
        "PEXPIRE",
        "EXPIRE",
        "UNLINK",
        "XTRIM",
        "BGSAVE",
        "BGREWRITEAOF",
        "SCRIPT",
        "SLOWLOG",
        "MEMORY",
        "ACL",
        "REPLICAOF",
    ];
    let fixes = finding["fix"].as_array().expect("fixes");
    let words = fixes.iter().filter_map(Value::as_str).map(words);
    // What holds a gap to be filled in is for a person.
    let typed = |words: &Vec<String>| !words.iter().any(|word| word.starts_with('<'));
    let command = |words: &Vec<String>| words.first().is_some_and(|first| COMMANDS.contains(&first.as_str()));
    words.filter(command).filter(typed).collect()
}

/// The fix commands that are for another server: its address, and the words.
pub fn fixes_elsewhere(finding: &Value) -> Vec<(String, Vec<String>)> {
    let fixes = finding["fix"].as_array().expect("fixes").iter().filter_map(Value::as_str);
    let elsewhere = fixes.filter_map(|fix| fix.strip_prefix("on ")?.split_once(": "));
    elsewhere.map(|(address, command)| (address.to_owned(), words(command))).collect()
}

/// A fix that is not typed into the server: one of them says these words, and the test then does just that.
#[track_caller]
pub fn follow(finding: &Value, words: &str) {
    let fixes = finding["fix"].as_array().expect("fixes");
    let says = fixes.iter().filter_map(Value::as_str).any(|fix| fix.contains(words));
    assert!(says, "no fix says `{words}`: {fixes:#?}");
}

/// Types what a finding says into the servers that it names.
#[track_caller]
pub fn apply_elsewhere(servers: &[&RedisServer], finding: &Value) {
    let fixes = fixes_elsewhere(finding);
    assert!(!fixes.is_empty(), "no fix can be applied: {finding:#}");
    for (address, words) in fixes {
        let server = servers.iter().find(|server| address.ends_with(&format!(":{}", server.port())));
        let server = server.unwrap_or_else(|| panic!("{address} is none of ours: {finding:#}"));
        server.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Splits as a shell does: quotes hold words together; what follows ` (` is a remark.
pub fn words(line: &str) -> Vec<String> {
    let line = line.split(" (").next().unwrap_or_default();
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Does what the fix commands say, as the person on call would: at least one must be a command of the server.
#[track_caller]
pub fn apply(server: &RedisServer, finding: &Value) {
    let fixes = fixes(finding);
    assert!(!fixes.is_empty(), "no fix can be applied: {finding:#}");
    for words in fixes {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.ok(&words);
    }
}

/// Repeats something in a thread until dropped.
pub struct Repeat {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Repeat {
    pub fn new(mut work: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                work();
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Repeats one command on a connection of its own, whatever is answered.
    pub fn command(server: &RedisServer, command: &[&str], pause: Duration) -> Self {
        let mut client = server.client();
        let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        Self::new(move || {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let _ = client.ask(&words);
            std::thread::sleep(pause);
        })
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connections that do nothing.
pub fn idle(server: &RedisServer, count: usize) -> Vec<Client> {
    (0..count).map(|_| Client::tcp(server.port()).expect("a connection")).collect()
}

/// Sends a command and never reads.
pub fn deaf(server: &RedisServer, request: &[u8], times: usize) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    for _ in 0..times {
        stream.write_all(request).expect("the server reads");
    }
    stream
}

/// A wire that holds every answer back for a while. Lives as long as the process; its threads end with their connections.
pub fn slow_wire(to: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (Ok(from_client), Ok(to_client)) = (client.try_clone(), client.try_clone()) else { return };
            let (Ok(from_server), Ok(to_server)) = (server.try_clone(), server.try_clone()) else { return };
            std::thread::spawn(move || carry(from_client, to_server, Duration::ZERO));
            std::thread::spawn(move || carry(from_server, to_client, delay));
        }
    });
    port
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut buffer = [0; 65536];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 {
            break;
        }
        std::thread::sleep(delay);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
