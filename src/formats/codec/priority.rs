//! Threads that work hard give way to the server they share a machine with.

/// How much nicer than usual our busy threads are. At 10 the scheduler gives a thread about a tenth of the time of one at 0
/// when both want to run, and all of it when the other does not.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Lowers the priority of the calling thread. That it cannot be is no error: it only costs the neighbours.
pub fn lower_priority() {
    // On Linux PRIO_PROCESS with 0 is the calling thread, not the process; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICER) {
        tracing::debug!(%error, "cannot lower the priority of a thread");
    }
}
