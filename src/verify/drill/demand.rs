//! What a drill demands of the machine.

use std::collections::BTreeMap;

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
