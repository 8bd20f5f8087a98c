//! Lines of a server's log that say what went wrong, and the same words where a client or the kernel says them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Client, ClientKind};

/// Characters kept of a line.
const EXAMPLE: usize = 200;

/// What a line means. The server's words stand in [`WORDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogEvent {
    /// A replica was disconnected at its output buffer limit.
    ReplicaOutputBuffer,
    /// Another client was.
    ClientOutputBuffer,
    /// The kernel refused a child process.
    ForkFailed,
    /// The file of a save cannot be opened.
    FileNotWritable,
    /// There is no room for a save or the append-only file.
    DiskFull,
    /// The append-only file waits for the disk.
    DiskSlow,
    /// A save failed; why stands in another line.
    SaveFailed,
    /// A client was told MISCONF.
    Misconf,
    /// A file could not be loaded.
    NotLoaded,
    /// The primary refused the replica's password, or it sent none.
    PrimaryRefusedPassword,
    /// The link to the primary broke.
    PrimaryLost,
    /// A replica could not connect to its primary.
    NotConnected,
    /// A replica tries to: the line names its primary.
    Connecting,
    /// The Sentinels agree that a primary is down.
    PrimaryDown,
    /// They agree that it is back.
    PrimaryBack,
    /// They made another server the primary.
    PrimarySwitched,
    /// They could not.
    FailoverFailed,
    /// A client was told READONLY.
    ReadOnly,
    /// A replica asked for all data.
    FullResync,
    /// The process got no memory, or was killed for it.
    OutOfMemory,
    /// A client was told OOM.
    WritesRefused,
    /// There are no more file descriptors or connections.
    TooManyConnections,
    /// The cluster does not serve.
    ClusterFailed,
    /// Somebody speaks HTTP to the server.
    Attack,
    /// The server crashed.
    Crashed,
    /// MEMORY DOCTOR found something; the example holds the headings of all that it found.
    MemoryDoctor,
}

/// Words by which a line is known, all of them; the first row that fits counts.
const WORDS: &[(LogEvent, &[&str])] = &[
    (LogEvent::ForkFailed, &["fork", "Cannot allocate memory"]),
    (LogEvent::ForkFailed, &["fork", "Resource temporarily unavailable"]),
    (LogEvent::DiskFull, &["No space left on device"]),
    (LogEvent::DiskFull, &["Short write while writing to the AOF file"]),
    (LogEvent::FileNotWritable, &["Failed opening", "RDB file"]),
    (LogEvent::FileNotWritable, &["for saving: Permission denied"]),
    (LogEvent::FileNotWritable, &["for saving: Read-only file system"]),
    (LogEvent::DiskSlow, &["AOF fsync is taking too long"]),
    (LogEvent::SaveFailed, &["Background saving error"]),
    (LogEvent::Misconf, &["MISCONF"]),
    (LogEvent::NotLoaded, &["Bad file format reading the append only file"]),
    (LogEvent::NotLoaded, &["Short read or OOM loading DB"]),
    (LogEvent::NotLoaded, &["Can't handle RDB format version"]),
    (LogEvent::NotLoaded, &["Internal error in RDB reading"]),
    (LogEvent::NotLoaded, &["Unexpected end of file reading the append only file"]),
    (LogEvent::NotLoaded, &["Error reading the RDB preamble of the AOF file"]),
    (LogEvent::NotLoaded, &["Fatal error loading the DB"]),
    (LogEvent::NotLoaded, &["Wrong signature trying to load DB"]),
    (LogEvent::PrimaryRefusedPassword, &["Unable to AUTH to MASTER"]),
    (LogEvent::PrimaryRefusedPassword, &["Unable to AUTH to PRIMARY"]),
    (LogEvent::PrimaryRefusedPassword, &["MASTER aborted replication", "NOAUTH"]),
    (LogEvent::PrimaryRefusedPassword, &["Master replied", "NOAUTH"]),
    (LogEvent::PrimaryRefusedPassword, &["Error reply to PING from master", "NOAUTH"]),
    (LogEvent::PrimaryLost, &["Connection with master lost"]),
    (LogEvent::PrimaryLost, &["Connection with primary lost"]),
    (LogEvent::PrimaryLost, &["MASTER timeout: no data nor PING received"]),
    (LogEvent::PrimaryLost, &["Timeout connecting to the MASTER"]),
    (LogEvent::NotConnected, &["Unable to connect to MASTER"]),
    (LogEvent::NotConnected, &["Unable to connect to PRIMARY"]),
    // The connection never came about: replication.c, syncWithMaster.
    (LogEvent::NotConnected, &["Error condition on socket for SYNC"]),
    (LogEvent::Connecting, &["Connecting to MASTER "]),
    (LogEvent::Connecting, &["Connecting to PRIMARY "]),
    (LogEvent::FailoverFailed, &["-failover-abort-"]),
    (LogEvent::PrimaryDown, &["+odown master "]),
    (LogEvent::PrimaryBack, &["-odown master "]),
    (LogEvent::PrimarySwitched, &["+switch-master "]),
    (LogEvent::ReadOnly, &["READONLY You can't write against a read only"]),
    (LogEvent::FullResync, &["Full resync requested by"]),
    (LogEvent::FullResync, &["Starting BGSAVE for SYNC"]),
    (LogEvent::OutOfMemory, &["Out Of Memory allocating"]),
    (LogEvent::OutOfMemory, &["Out of memory: Kill", "redis"]),
    (LogEvent::OutOfMemory, &["Out of memory: Kill", "valkey"]),
    (LogEvent::OutOfMemory, &["Memory cgroup out of memory"]),
    (LogEvent::OutOfMemory, &["invoked oom-killer"]),
    (LogEvent::OutOfMemory, &["OOMKilled"]),
    (LogEvent::WritesRefused, &["OOM command not allowed"]),
    (LogEvent::TooManyConnections, &["Accepting client connection", "Too many open files"]),
    (LogEvent::TooManyConnections, &["Error registering fd event"]),
    (LogEvent::TooManyConnections, &["max number of clients reached"]),
    (LogEvent::ClusterFailed, &["Cluster state changed: fail"]),
    (LogEvent::ClusterFailed, &["CLUSTERDOWN"]),
    // redis-cli --cluster check.
    (LogEvent::ClusterFailed, &["[ERR] Not all 16384 slots are covered by nodes"]),
    (LogEvent::Attack, &["Possible SECURITY ATTACK detected"]),
    (LogEvent::Crashed, &["BUG REPORT START"]),
    (LogEvent::Crashed, &["crashed by signal"]),
    // object.c, getMemoryDoctorReport.
    (LogEvent::MemoryDoctor, &["Peak memory: ", "more than 150%"]),
    (LogEvent::MemoryDoctor, &["High total RSS: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["High allocator fragmentation: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["High allocator RSS overhead: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["High process RSS overhead: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["Big replica buffers: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["Big slave buffers: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["Big client buffers: ", "greater than"]),
    (LogEvent::MemoryDoctor, &["Many scripts: ", "more than 1000"]),
];

/// How often something was said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    pub count: u64,
    /// When the first time, in the log's own words; empty where no time stands.
    pub first: String,
    /// When the last time.
    pub last: String,
    /// The first line, cut.
    pub example: String,
}

/// What a log said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerLog {
    /// Lines of a server's log, and of others that mean something.
    pub lines: u64,
    pub events: BTreeMap<LogEvent, Seen>,
}

impl ServerLog {
    /// Takes a line; false where it is neither one of a server's log nor says what one would.
    pub fn take(&mut self, line: &str) -> bool {
        let own = of_a_server(line);
        let (at, message) = own.unwrap_or(("", line));
        let event = meaning(message);
        if own.is_none() && event.is_none() {
            return false;
        }
        self.lines += 1;
        if let Some(event) = event {
            let seen = self.events.entry(event).or_default();
            if seen.count == 0 {
                at.clone_into(&mut seen.first);
            }
            if event == LogEvent::MemoryDoctor && seen.example.len() < EXAMPLE {
                let gap = if seen.example.is_empty() { "" } else { "; " };
                seen.example.push_str(gap);
                seen.example.extend(heading(message).chars().take(EXAMPLE));
            } else if seen.count == 0 {
                seen.example = message.chars().take(EXAMPLE).collect();
            }
            seen.count += 1;
            at.clone_into(&mut seen.last);
        }
        true
    }
}

/// ` * High total RSS: This instance …` without what explains it, but with the allocator: what helps depends on it.
fn heading(message: &str) -> String {
    let heading = message.trim_start_matches([' ', '*']).split(": ").next().unwrap_or_default();
    let allocator = message.split_once("currently used allocator is \"").and_then(|(_, rest)| rest.split_once('"'));
    allocator.map_or_else(|| heading.to_owned(), |(name, _)| format!("{heading} (allocator {name})"))
}

fn meaning(message: &str) -> Option<LogEvent> {
    if message.contains("overcoming of output buffer limits") {
        let client = message.find("id=").and_then(|at| Client::parse(&message[at..]));
        let replica = client.is_some_and(|client| client.kind() == ClientKind::Replica);
        return Some(if replica { LogEvent::ReplicaOutputBuffer } else { LogEvent::ClientOutputBuffer });
    }
    WORDS.iter().find(|(_, words)| words.iter().all(|word| message.contains(word))).map(|(event, _)| *event)
}

/// Time and message of a line of a server's log: `4296:M 26 Oct 2024 02:18:27.717 # …`, without year and fraction before 2.8.
fn of_a_server(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Valkey can write names and values.
    if line.starts_with("pid=")
        && let Some((head, message)) = line.split_once(" message=")
    {
        let at = head.split_once("timestamp=\"").and_then(|(_, rest)| rest.split_once('"'));
        return Some((at.map_or("", |(at, _)| at), message.trim_matches('"')));
    }
    let (process, rest) = line.split_once(' ')?;
    let own = process.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).is_some_and(digits)
        || process.split_once(':').is_some_and(|(pid, role)| digits(pid) && matches!(role, "M" | "S" | "C" | "X"));
    let rest = if own { rest } else { line };
    // Day, month, perhaps a year, the time, a mark for the level.
    let mut end = 0;
    let mut words = Vec::new();
    for word in rest.splitn(6, ' ').take(5) {
        words.push(word);
        end += word.len() + 1;
        if matches!(word, "*" | "#" | "-" | ".") {
            break;
        }
    }
    let (mark, when) = words.split_last()?;
    let is_time = when.last().is_some_and(|time| time.len() >= 8 && time.as_bytes()[2] == b':');
    let is_day = when.first().is_some_and(|day| digits(day) && day.len() <= 2);
    if !matches!(*mark, "*" | "#" | "-" | ".") || !is_time || !is_day || !(3..=4).contains(&when.len()) {
        return None;
    }
    let at = rest.get(..end.saturating_sub(mark.len() + 2))?;
    Some((at, rest.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<(LogEvent, u64)> {
        let mut log = ServerLog::default();
        for line in text.lines() {
            let _ = log.take(line);
        }
        log.events.iter().map(|(event, seen)| (*event, seen.count)).collect()
    }

    #[test]
    fn lines_of_every_version_are_known_for_what_they_mean() {
        for (line, event) in [
            (
                "4296:M 26 Oct 02:18:27.717 # Client id=162 addr=10.0.0.219:55356 fd=39 flags=S omem=268443704 scheduled to be closed ASAP for overcoming of output buffer limits.",
                LogEvent::ReplicaOutputBuffer,
            ),
            (
                "[1] 26 Oct 02:18:27 # Client id=162 addr=10.0.0.219:55356 flags=N omem=7 scheduled to be closed ASAP for overcoming of output buffer limits.",
                LogEvent::ClientOutputBuffer,
            ),
            (
                "11:M 19 Sep 2024 05:50:17.014 # Can't save in background: fork: Cannot allocate memory",
                LogEvent::ForkFailed,
            ),
            (
                "545:C 19 Sep 2024 05:50:17.015 # Failed opening the temp RDB file temp-545.rdb (in server root dir /redis-data) for saving: Permission denied",
                LogEvent::FileNotWritable,
            ),
            ("19 Sep 2024 05:50:17.015 # Write error saving DB on disk: No space left on device", LogEvent::DiskFull),
            (
                "12094:S 07 Feb 06:03:17.086 # Unable to AUTH to MASTER: -ERR invalid password",
                LogEvent::PrimaryRefusedPassword,
            ),
            ("redis.exceptions.ResponseError: MISCONF Redis is configured to save RDB snapshots", LogEvent::Misconf),
            ("[ERR] Not all 16384 slots are covered by nodes.", LogEvent::ClusterFailed),
            ("[123.4] Out of memory: Killed process 123 (redis-server) total-vm:1kB", LogEvent::OutOfMemory),
            (
                "pid=1 role=master timestamp=\"26 Oct 2024 02:18:27.717\" level=warning message=\"Cluster state changed: fail\"",
                LogEvent::ClusterFailed,
            ),
        ] {
            assert_eq!(events(line), [(event, 1)], "{line}");
        }
    }

    #[test]
    fn what_the_memory_doctor_found_is_named() {
        let mut log = ServerLog::default();
        assert!(
            log.take(
                " * Peak memory: In the past this instance used more than 150% the memory that is currently using."
            )
        );
        assert!(log.take(" * High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4 (this means …)."));
        assert_eq!(log.events[&LogEvent::MemoryDoctor].example, "Peak memory; High total RSS");
    }

    #[test]
    fn a_line_of_a_server_counts_even_if_it_means_nothing() {
        let mut log = ServerLog::default();
        assert!(log.take("1:M 19 Sep 2024 05:50:17.014 * Ready to accept connections"));
        assert!(log.take("[7] 19 Sep 05:50:17 - Accepted 127.0.0.1:5"));
        for line in ["hello", "", "- item", "12 monkeys - a film", "1:M", "19 Sep", "Save the date: 19 Sep 2024"] {
            assert!(!log.take(line), "{line}");
        }
        assert_eq!((log.lines, log.events.len()), (2, 0));
        assert!(log.take("1:M 19 Sep 2024 05:50:17.014 # Cluster state changed: fail"));
        assert!(log.take("1:M 19 Sep 2024 06:50:17.014 # Cluster state changed: fail"));
        let seen = &log.events[&LogEvent::ClusterFailed];
        assert_eq!(
            (seen.count, seen.first.as_str(), seen.last.as_str()),
            (2, "19 Sep 2024 05:50:17.014", "19 Sep 2024 06:50:17.014")
        );
    }
}
