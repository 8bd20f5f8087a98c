//! Telling others how a run has ended: commands of the user, and a monitor. Whatever goes wrong with that changes no exit code.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::explain::Status;
use crate::ping::{Event, PingUrl};
use crate::printer::{Printer, words};
use crate::process_group::{Group, code_of};

/// How long a command of the user may take.
const LONGEST: Duration = Duration::from_secs(60);
/// How long it may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// So much of what it says is shown, bytes; the rest is read and dropped.
const SHOWN: usize = 4096;

/// Parts of the names of variables that hold passwords.
const PASSWORDS: [&str; 4] = ["PASSWORD", "PASSWD", "REDISCLI_AUTH", "PGPASS"];

/// Who is told, and how.
#[derive(Debug, Clone, Default)]
pub struct Telling {
    /// A command line for `sh`, run where the backup was published; the JSON answer is its stdin.
    pub on_success: Option<String>,
    /// The same where it was not.
    pub on_failure: Option<String>,
    /// A monitor that hears of the start and of the end.
    pub ping: Option<PingUrl>,
    /// The first ping, which nobody waits for before the end.
    started: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Telling {
    /// Nobody has been told anything yet.
    pub fn new(on_success: Option<String>, on_failure: Option<String>, ping: Option<PingUrl>) -> Self {
        Self { on_success, on_failure, ping, started: Arc::default() }
    }

    /// Whether anybody is to be told.
    pub fn is_wanted(&self) -> bool {
        self.on_success.is_some() || self.on_failure.is_some() || self.ping.is_some()
    }

    /// The work begins now. Nothing waits for this.
    pub fn begin(&self, printer: &Printer) {
        let Some(url) = self.ping.clone() else { return };
        let printer = printer.clone();
        let task = tokio::spawn(async move { tell(&url, Event::Start, "", &printer).await });
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// The work has ended: `answer` is the JSON answer. A signal ends the command of the user.
    pub async fn end(&self, status: Status, answer: &str, printer: &Printer, cancel: &CancellationToken) {
        let went_well = matches!(status, Status::Ok | Status::Warning);
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(started) = started {
            // A start that comes behind its end would be one that never ends.
            let _ = started.await;
        }
        if let Some(url) = &self.ping {
            let event = if went_well { Event::Success } else { Event::Failure };
            tell(url, event, answer, printer).await;
        }
        let (name, command) = match went_well {
            true => ("--on-success", &self.on_success),
            false => ("--on-failure", &self.on_failure),
        };
        if let Some(command) = command
            && let Err(why) = run(command, status, answer, printer, cancel).await
        {
            printer.trouble(&format!("warning: the command of `{name}` failed: {why}"));
        }
    }
}

async fn tell(url: &PingUrl, event: Event, report: &str, printer: &Printer) {
    if let Err(why) = url.tell(event, report).await {
        let of = match event {
            Event::Start => "the start",
            Event::Success => "the success",
            Event::Failure => "the failure",
        };
        printer.trouble(&format!("warning: {} could not be told of {of}: {why}", words::escape(url.host().as_bytes())));
    }
}

/// Runs a command of the user.
async fn run(
    command: &str,
    status: Status,
    answer: &str,
    printer: &Printer,
    cancel: &CancellationToken,
) -> Result<(), String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.env("REDIS_OPS_EXIT_CODE", status.exit_code().to_string());
    for (name, value) in std::env::vars_os() {
        let (as_name, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy());
        // Whatever a secret is called: what is hidden in messages is not handed on.
        let is_hidden = printer.without_secrets(&value) != value;
        // The command may use the store as well.
        let is_of_store = as_name.starts_with("AWS_");
        if PASSWORDS.iter().any(|part| as_name.contains(part)) || has_password(&value) || is_hidden && !is_of_store {
            shell.env_remove(name);
        }
    }
    let mut group = Group::start(&mut shell).map_err(|error| format!("cannot start `sh`: {error}"))?;
    let (input, out, err) = (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take());
    let answer = answer.to_owned();
    let writing = tokio::spawn(async move {
        if let Some(mut input) = input {
            // A command that does not read it is no fault.
            let _ = input.write_all(answer.as_bytes()).await;
        }
    });
    let (out, err) = (reading(out, printer.clone()), reading(err, printer.clone()));
    // One that ended this run is no reason against the command that tells of it.
    let stopped_before = cancel.is_cancelled();
    let stopping = async {
        match stopped_before {
            true => std::future::pending().await,
            false => cancel.cancelled().await,
        }
    };
    let ended = tokio::select! {
        ended = timeout(LONGEST, group.child.wait()) => Some(ended),
        () = stopping => None,
    };
    let Some(ended) = ended else {
        group.end(GRACE).await;
        return Err("a signal has ended it".to_owned());
    };
    let result = match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("exit {}", code_of(status))),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            group.end(GRACE).await;
            Err(format!("it had not ended after {}", words::span(LONGEST)))
        }
    };
    // What it has started in the background ends with it. If that holds the pipes all the same, what was said so far is enough.
    group.signal(Signal::TERM);
    let _ = timeout(Duration::from_millis(200), async { (out.await, err.await) }).await;
    writing.abort();
    result
}

/// Whether a text holds a URL with a password: `redis://:PASSWORD@HOST`.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|behind| {
        let authority = behind.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':'))
    })
}

/// Shows the beginning of what a command says, on stderr, and drops the rest.
fn reading(stream: Option<impl AsyncRead + Unpin + Send + 'static>, printer: Printer) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(mut stream) = stream else { return };
        let (mut buffer, mut left) = (vec![0; 16 << 10], SHOWN);
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let some = &buffer[..length.min(left)];
            left -= some.len();
            let text = words::escape_lines(&String::from_utf8_lossy(some));
            if !text.trim().is_empty() {
                printer.say(text.trim_end_matches('\n'));
            }
        }
    })
}
