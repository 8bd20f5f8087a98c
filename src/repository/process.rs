//! What tells a process from any other, and what the system says of one.

use std::fs;

use serde::{Deserialize, Serialize};

/// What tells a process from any other: the boot of its kernel, its namespace of process ids, and when it started. A host name and a
/// process id alone are the same in many containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// Which boot of the machine: `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The target of `/proc/self/ns/pid`.
    pub namespace: String,
    /// Field 22 of `/proc/PID/stat`: clock ticks since boot.
    pub started: u64,
}

impl ProcessMark {
    /// The mark of this process; `None` where `/proc` does not say.
    pub(super) fn own() -> Option<Self> {
        let (boot, namespace) = place()?;
        Some(Self { boot, namespace, started: started(std::process::id())? })
    }
}

/// The name of this host.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whether a process of this number is there.
pub(super) fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // A process of another user is alive, too.
    pid.is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

/// The boot and the namespace of this process.
pub(super) fn place() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?.to_str()?.to_owned();
    Some((boot, namespace))
}

/// When a process started, in clock ticks since boot.
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything. Behind it comes field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // One that has ended, and that its parent has not asked for yet, is none any more.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(22 - 4)?.parse().ok()
}
