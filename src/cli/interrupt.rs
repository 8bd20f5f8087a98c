//! SIGINT, SIGTERM, SIGQUIT (Ctrl-\) and SIGHUP (a terminal that was closed, an ssh that was lost): the first asks to clean up and stop,
//! the second leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::printer::Printer;
use crate::process_group;

/// How long the last line may take.
const LAST_WORD: std::time::Duration = std::time::Duration::from_millis(200);

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGQUIT: u8 = 3;
const SIGTERM: u8 = 15;

/// What signals have said so far.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    token: CancellationToken,
    number: Arc<AtomicU8>,
}

impl Interrupt {
    /// Begins to listen. Must be called within a runtime; fails where the system refuses the handlers.
    pub fn listen(printer: &Printer) -> std::io::Result<Self> {
        let interrupt = Self::default();
        let mut sigint = signal(SignalKind::interrupt())?;
        let mut sigterm = signal(SignalKind::terminate())?;
        let mut sigquit = signal(SignalKind::quit())?;
        // With `nohup` it is ignored, and stays so.
        let mut sighup = if is_ignored(SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
        // Nobody waits for it. With a handler a write beyond `ulimit -f` is an error like that of a full disk, after which we clean up;
        // without one it kills us.
        let too_long = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        let (listening, printer) = (interrupt.clone(), printer.clone());
        tokio::spawn(async move {
            let _too_long = too_long;
            loop {
                let number = tokio::select! {
                    _ = sigint.recv() => SIGINT,
                    _ = sigterm.recv() => SIGTERM,
                    _ = sigquit.recv() => SIGQUIT,
                    () = hung_up(&mut sighup) => SIGHUP,
                };
                if listening.token.is_cancelled() {
                    leave(number, printer);
                }
                listening.number.store(number, Ordering::Relaxed);
                printer.say("stopping and cleaning up; a second signal stops at once");
                listening.token.cancel();
            }
        });
        Ok(interrupt)
    }

    /// What commands watch.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        self.token.is_cancelled()
    }

    /// 129 after SIGHUP, 130 after SIGINT, 131 after SIGQUIT, 143 after SIGTERM.
    pub fn exit_code(&self) -> u8 {
        match self.number.load(Ordering::Relaxed) {
            0 => 128 + SIGINT,
            number => 128 + number,
        }
    }
}

/// Waits for SIGHUP; for ever where that is ignored.
async fn hung_up(sighup: &mut Option<tokio::signal::unix::Signal>) {
    match sighup {
        Some(sighup) => {
            sighup.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether whoever started us has told us to ignore a signal. Where the system does not say it, it is taken for ignored: a program under
/// `nohup` must not end with its terminal.
fn is_ignored(number: u8) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (number - 1) & 1 == 1)
}

/// Leaves at once: a second signal means that nobody waits for an orderly end.
#[allow(clippy::exit, reason = "the one place that may: nothing is left to return to")]
fn leave(number: u8, printer: Printer) -> ! {
    process_group::kill_all();
    // The reader of stderr may have stopped: a line that nobody takes must not hold us.
    let (done, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        printer.say("stopped at once, without cleaning up");
        let _ = done.send(());
    });
    let _ = told.recv_timeout(LAST_WORD);
    std::process::exit(i32::from(128 + number))
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::*;
    use crate::printer::Choices;

    #[tokio::test]
    async fn the_first_signal_cancels_and_names_the_exit_code() {
        let printer = Printer::over(Choices::plain(), Box::new(std::io::sink()), Box::new(std::io::sink()));
        let interrupt = Interrupt::listen(&printer).unwrap();
        assert!(!interrupt.came());
        // The handler is in place: the signal does not end the tests.
        kill_process(getpid(), Signal::TERM).unwrap();
        interrupt.token().cancelled().await;
        assert!(interrupt.came());
        assert_eq!(interrupt.exit_code(), 143);
    }
}
