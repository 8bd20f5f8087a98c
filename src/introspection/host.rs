//! The machine below the server, where it is ours: what `/sys` and `/proc` say.

use std::fs;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Settings of the kernel that a server suffers from. `None` where they cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostFacts {
    /// The chosen word of `transparent_hugepage/enabled`: `always`, `madvise`, `never`.
    pub transparent_huge_pages: Option<String>,
    /// `vm.overcommit_memory`: 0, 1 or 2.
    pub overcommit_memory: Option<u64>,
    /// Bytes of the process that are swapped out.
    pub swapped_bytes: Option<u64>,
    /// The longest time that a busy loop was held up, in microseconds; `None` where none was run.
    #[serde(default)]
    pub longest_pause_us: Option<u64>,
}

impl HostFacts {
    /// Reads them. `process` is the server's process id, as INFO says it; it may be one of another name space, so its
    /// command is checked.
    pub fn read(process: Option<u64>) -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let chosen = |line: String| line.split('[').nth(1)?.split(']').next().map(str::to_owned);
        Self {
            transparent_huge_pages: text("/sys/kernel/mm/transparent_hugepage/enabled").and_then(chosen),
            overcommit_memory: text("/proc/sys/vm/overcommit_memory").and_then(|line| line.trim().parse().ok()),
            swapped_bytes: process
                .and_then(swapped)
                .or_else(|| text("/proc/meminfo").and_then(|text| without_swap(&text))),
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

/// Of a machine without swap nothing is swapped out.
fn without_swap(memory: &str) -> Option<u64> {
    let total = memory.lines().find_map(|line| line.strip_prefix("SwapTotal:"))?;
    (total.trim().trim_end_matches("kB").trim() == "0").then_some(0)
}

fn swapped(process: u64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let name = field("Name:")?;
    if !name.contains("redis") && !name.contains("valkey") {
        return None;
    }
    let kilobytes: u64 = field("VmSwap:")?.trim_end_matches("kB").trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}
