//! `lock run`: a command that runs as long as its lock is held.

use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::super::{Context, Format, Outcome};
use super::{Job, in_words};
use crate::connection::Connection;
use crate::explain::{Context as _, Failure, Hint, Interrupted, Result, Status};
use crate::lock::{self, Claim};
use crate::process_group::{Group, code_of};
use crate::repository::BegunBy;
use crate::times;

/// How often a lock that another has is tried for.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// How long a command may take to end once it is asked to.
const LONGEST_GRACE: Duration = Duration::from_secs(10);

/// Takes the lock, runs the command, and releases. The exit code is the command's.
pub async fn run(job: &Job, context: &Context) -> Result<Outcome> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| Failure::new("failed", format!("cannot make a token: {error}")))?;
    let claim = Claim { key: job.key.clone(), token: hex::encode(token), ttl: job.ttl };
    let (connection, since) = context.interruptible(acquired(job, &claim, context)).await?;

    // A sixth of its life is left when the lock counts as lost: so long may the command take to end.
    let grace = (job.ttl / 6).min(LONGEST_GRACE);
    let begun = Instant::now();
    let outcome = under(job, &claim, connection, since, grace, context).await;
    match job.server.node.connect().await {
        Ok(mut connection) => {
            if let Err(error) = lock::release(&mut connection, &claim.key, &claim.token).await {
                context.printer.say(&format!("the lock was not released; it expires by itself: {error}"));
            }
        }
        Err(error) => context.printer.say(&format!("the lock was not released; it expires by itself: {error}")),
    }
    let code = outcome?;
    let status = if code == 0 { Status::Ok } else { Status::Failed };
    Ok(Outcome::new(status)
        .field("key", &job.key)
        .field("exit_code", code)
        .field("seconds", begun.elapsed().as_secs_f64())
        .exits_with(code))
}

/// Waits for the lock, and gives the connection over which it was taken.
async fn acquired(job: &Job, claim: &Claim, context: &Context) -> Result<(Connection, Instant)> {
    let failed = || format!("cannot take the lock {}", job.key);
    let mut connection = job.server.node.connect().await.with_context(failed)?;
    let by = BegunBy::own();
    let holder = format!("process {} on host {}, since {}", by.pid, by.host, times::text(context.now));
    let begun = Instant::now();
    loop {
        if let Some(since) = lock::acquire(&mut connection, claim, &holder).await.with_context(failed)? {
            return Ok((connection, since));
        }
        let left = job.wait.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let found = lock::look(&mut connection, &job.key).await.with_context(failed)?;
            // Data of an application, or a lock without an end: no time brings it to an end.
            let stays = found.as_ref().is_some_and(|found| found.holder.is_none() && found.left.is_none());
            let text = match found {
                Some(found) => in_words(&job.key, &found),
                // It was released just now.
                None => format!("{} was held by another client a moment ago", job.key),
            };
            let failure = Failure::new("locked", text.escape_debug().to_string());
            return Err(failure.hint(if stays { Hint::OtherKey } else { Hint::WaitForKey }).into());
        }
        sleep(TRY_AGAIN.min(left)).await;
    }
}

/// Runs the command, and ends it if the lock is lost or a signal comes.
async fn under(
    job: &Job,
    claim: &Claim,
    connection: Connection,
    since: Instant,
    grace: Duration,
    context: &Context,
) -> Result<u8> {
    let (program, arguments) = job.command.split_first().ok_or_else(|| Failure::new("usage", "no command"))?;
    let mut command = process::Command::new(program);
    command.args(arguments).env("REDIS_OPS_LOCK_KEY", &claim.key).env("REDIS_OPS_LOCK_TOKEN", &claim.token);
    // A group of its own is not in the foreground: the first read from a terminal would stop it.
    if job.on_terminal {
        command.stdin(Stdio::null());
    }
    let shown = program.to_string_lossy().escape_debug().to_string();
    // Stdout holds our one object then.
    if matches!(context.format, Format::Json | Format::Ndjson) {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned();
        command.stdout(Stdio::from(stderr.with_context(|| format!("cannot run `{shown}`"))?));
    }
    // Ctrl-Z would stop us and not the command, and the lock would lapse under it.
    let mut stop_asked = signal(SignalKind::from_raw(Signal::TSTP.as_raw())).ok();
    let cannot = || format!("cannot start `{shown}`; nothing was run, and the lock is released");
    // What means something to the command is passed on: it would end us, and the lock would lapse under the command.
    let mut others = [Signal::USR1, Signal::USR2, Signal::ALARM]
        .map(|number| (number, signal(SignalKind::from_raw(number.as_raw())).ok()));
    let mut group = Group::start(&mut command).with_context(cannot)?;
    let mut keeping = std::pin::pin!(lock::keep(&job.server.node, connection, claim, since, grace));
    let lost = |why: String| {
        let text = format!("the lock {} was lost while `{shown}` was running, which was ended: {why}", job.key);
        Failure::new("lock_lost", text)
    };
    loop {
        let asked = async {
            match &mut stop_asked {
                Some(asked) => asked.recv().await.unwrap_or(()),
                None => std::future::pending().await,
            }
        };
        let passed_on = next_of(&mut others);
        tokio::select! {
            biased;
            ended = group.child.wait() => {
                return Ok(code_of(ended.with_context(|| format!("cannot wait for `{shown}`"))?));
            }
            () = context.cancel.cancelled() => {
                // The command may take its time to end: the lock is its own until then.
                let is_lost = tokio::select! {
                    biased;
                    _ = group.end(LONGEST_GRACE) => None,
                    why = &mut keeping => Some(why),
                };
                return Err(match is_lost {
                    None => Interrupted.into(),
                    Some(why) => {
                        group.kill().await;
                        lost(why).into()
                    }
                });
            }
            why = &mut keeping => {
                group.end(grace).await;
                return Err(lost(why).into());
            }
            number = passed_on => group.signal(number),
            () = asked => {
                let words = format!("`{shown}` is not stopped: while it stood still the lock would lapse; Ctrl-C ends it");
                context.printer.say(&words);
            }
        }
    }
}

/// The next of these signals.
async fn next_of(signals: &mut [(Signal, Option<tokio::signal::unix::Signal>)]) -> Signal {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if let Some(signal) = signal
                && signal.poll_recv(context).is_ready()
            {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
