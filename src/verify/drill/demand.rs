//! What a drill demands of the machine, and how much memory the machine has.

use std::collections::BTreeMap;
use std::path::Path;

use crate::capture::Inspected;
use crate::repository::manifest::Shard;

/// What is demanded of the machine, as a multiple of the memory that the source used.
const MEMORY_FACTOR: f64 = 1.3;

/// Memory that a server needs for an RDB that does not say how much the source used, as a multiple of its length: an RDB takes 0.4
/// to 0.7 of the memory.
const RAW_FACTOR: u64 = 5;
const RAW_DIVISOR: u64 = 2;

/// What one shard, or a file, needs.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Bytes of memory that its source used.
    used_memory: u64,
    /// Bytes of the RDB.
    raw_bytes: u64,
}

/// Bytes that a machine must have free.
pub(super) struct Needed {
    pub(super) memory: u64,
    /// Bytes of disk.
    pub(super) room: u64,
}

impl Demand {
    /// What the manifest of a shard says.
    pub fn of(shard: &Shard) -> Self {
        Self { used_memory: used_memory(&shard.aux, shard.raw_bytes), raw_bytes: shard.raw_bytes }
    }

    /// The bytes that the largest of these takes: one is loaded at a time.
    pub(super) fn of_the_largest(demands: impl Iterator<Item = Self>) -> Needed {
        let (mut memory, mut room) = (0, 0);
        for demand in demands {
            memory = demand.used_memory.max(memory);
            room = demand.raw_bytes.max(room);
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let memory = (memory as f64 * MEMORY_FACTOR) as u64;
        Needed { memory, room }
    }

    /// What inspecting a file has shown that lies in the folder already.
    pub fn of_copied(inspected: &Inspected) -> Self {
        Self { used_memory: used_memory(&inspected.aux, inspected.raw_bytes), raw_bytes: 0 }
    }
}

/// Bytes of memory that the source used, as the RDB says, or as its length lets guess.
fn used_memory(aux: &BTreeMap<String, String>, raw_bytes: u64) -> u64 {
    let named = aux.get("used-mem").and_then(|bytes| bytes.parse().ok());
    named.unwrap_or_else(|| raw_bytes.saturating_mul(RAW_FACTOR) / RAW_DIVISOR)
}

/// Bytes of memory that can be used without swapping; the limit of a container counts. `None` where nobody says.
pub(super) fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let machine = kib.saturating_mul(1024);
    Some(container_available(Path::new("/sys/fs/cgroup")).map_or(machine, |limit| limit.min(machine)))
}

/// What the control group (version 2) leaves; its page cache can be given back.
fn container_available(folder: &Path) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}
