//! Commands of others, each in a process group of its own, so that what they start ends with them.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The groups that run. Whoever leaves at once ends them first: a command under a lock must not outlive it.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Kills every group that runs.
pub fn kill_all() {
    for pid in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// A command that runs, the first of its process group.
#[derive(Debug)]
pub struct Group {
    /// The command itself.
    pub child: Child,
    pid: Option<Pid>,
}

impl Group {
    /// Starts the command in a group of its own.
    ///
    /// # Errors
    /// What the system says: no such program, no right to run it.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).extend(pid);
        Ok(Self { child, pid })
    }

    /// Sends a signal to every process of the group. One that is gone is no error.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Asks the group to end, and ends it after `grace`: then no process of it is left. Gives the exit of the command.
    pub async fn end(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let ended = timeout(grace, self.child.wait()).await;
        match ended {
            Ok(status) => {
                // Whatever it has started and left, too.
                self.signal(Signal::KILL);
                status.ok()
            }
            Err(_) => self.kill().await,
        }
    }

    /// Ends the group at once. Gives the exit of the command.
    pub async fn kill(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::KILL);
        self.child.wait().await.ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|pid| Some(*pid) != self.pid);
    }
}

/// The exit code of a process as a shell tells it: 128 and the number of the signal that ended it.
pub fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}
