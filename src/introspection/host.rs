//! The machine below the server, where it is ours: what `/sys` and `/proc` say.

mod containers;
mod process;
mod processor;

use std::fs;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(super) use process::process_of;
pub(super) use processor::Processor;

/// Settings of the kernel that a server suffers from. `None` where they cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostFacts {
    /// The chosen word of `transparent_hugepage/enabled`: `always`, `madvise`, `never`.
    pub transparent_huge_pages: Option<String>,
    /// `vm.overcommit_memory`: 0, 1 or 2.
    pub overcommit_memory: Option<u64>,
    /// Bytes of the process that are swapped out.
    pub swapped_bytes: Option<u64>,
    /// Memory that the container of the process may have.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// Processes in the container, and how many it may have.
    #[serde(default)]
    pub processes: Option<(u64, u64)>,
    /// Connections that wait at the server's port until it accepts them, at most at the times when somebody looked.
    #[serde(default)]
    pub waiting_connections: Option<u64>,
    /// Connections that may wait at any port, `net.core.somaxconn`.
    #[serde(default)]
    pub somaxconn: Option<u64>,
    /// The longest time that a busy loop was held up, in microseconds; `None` where none was run.
    #[serde(default)]
    pub longest_pause_us: Option<u64>,
}

impl HostFacts {
    /// Reads them. `process` is that of the server ([`process_of`]).
    pub fn read(process: Option<u64>) -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let group = process.and_then(|process| text(&format!("/proc/{process}/cgroup"))).unwrap_or_default();
        let number = |path: &str| text(path).and_then(|line| line.trim().parse().ok());
        let chosen = |line: String| line.split('[').nth(1)?.split(']').next().map(str::to_owned);
        Self {
            transparent_huge_pages: text("/sys/kernel/mm/transparent_hugepage/enabled").and_then(chosen),
            overcommit_memory: text("/proc/sys/vm/overcommit_memory").and_then(|line| line.trim().parse().ok()),
            swapped_bytes: process
                .and_then(swapped)
                .or_else(|| text("/proc/meminfo").and_then(|text| without_swap(&text))),
            memory_limit: containers::memory_limit(&group, &text),
            processes: containers::processes(&group, &text),
            waiting_connections: None,
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            longest_pause_us: None,
        }
    }

    /// Runs a busy loop for so long, and remembers how long it was held up at most. Blocks, and keeps one processor busy.
    pub fn measure_pauses(&mut self, duration: Duration) {
        let begun = Instant::now();
        let (mut last, mut longest) = (begun, Duration::ZERO);
        while last - begun < duration {
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
        }
        self.longest_pause_us = Some(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Connections that wait at a port of this machine until its server accepts them; `None` where nobody listens there.
pub fn waiting_at(port: u16) -> Option<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
    tables.filter_map(|table| waiting_in(&table, port)).max()
}

/// A row of the table: number, own address, other address, state (0A listens), queues in hexadecimal: what is to be sent and what waits.
fn waiting_in(table: &str, port: u16) -> Option<u64> {
    let rows = table.lines().skip(1).filter_map(|row| {
        let mut words = row.split_whitespace().skip(1);
        let (own, _, state, queues) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let listens = state == "0A" && u16::from_str_radix(own.rsplit_once(':')?.1, 16).ok()? == port;
        listens.then(|| u64::from_str_radix(queues.split_once(':')?.1, 16).ok())?
    });
    rows.max()
}

/// Of a machine without swap nothing is swapped out.
fn without_swap(memory: &str) -> Option<u64> {
    let total = memory.lines().find_map(|line| line.strip_prefix("SwapTotal:"))?;
    (total.trim().trim_end_matches("kB").trim() == "0").then_some(0)
}

fn swapped(process: u64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmSwap:")).map(str::trim);
    let kilobytes: u64 = field?.trim_end_matches("kB").trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_at_a_port_is_in_the_row_of_who_listens_there() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:18EB 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:18EB 0100007F:C000 01 00000000:00000009 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n";
        assert_eq!((waiting_in(table, 6379), waiting_in(table, 6380)), (Some(5), None));
        assert_eq!(waiting_in("", 6379), None);
    }
}
