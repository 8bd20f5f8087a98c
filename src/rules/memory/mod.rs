//! M01–M34: memory, eviction, fragmentation.

mod buffers;
mod eviction;
mod fragmentation;
mod machine;
mod told;
mod usage;

use super::{Case, Rule};
pub(super) use usage::days_to_full;

/// The rules about memory.
pub(super) const RULES: &[&[Rule]] =
    &[usage::RULES, machine::RULES, fragmentation::RULES, buffers::RULES, eviction::RULES, told::RULES];

/// Mebibytes, for limits.
const MIB: f64 = (1 << 20) as f64;
/// Gibibytes, for limits.
const GIB: f64 = (1 << 30) as f64;

/// The share of the machine's memory that a server may have: the rest is for forks, buffers and the system.
const SHARE_OF_MACHINE: f64 = 0.8;

/// What gives the data more room: a limit that is a third higher, in whole mebibytes, so that what filled it is three quarters of it; less
/// where the machine has not that much, and none where it has nothing left.
fn more_memory(case: &Case<'_>, limit: u64) -> String {
    let wanted = limit.saturating_add(limit / 3);
    let most = case.machine_memory().map_or(u64::MAX, |memory| (memory as f64 * SHARE_OF_MACHINE) as u64);
    if most < limit.saturating_add(limit / 10) {
        return "less data, or a larger machine: this one has no memory left for a higher maxmemory".to_owned();
    }
    let megabytes = if wanted <= most { wanted.div_ceil(1 << 20) } else { most >> 20 };
    format!("CONFIG SET maxmemory {}mb (undo: CONFIG SET maxmemory {limit})", megabytes.max(1))
}

/// A limit for the buffers of all clients (7.0): a share of `maxmemory`, or, where there is none, twice what they have now.
fn limit_for_clients(case: &Case<'_>, percent: u64) -> Option<String> {
    if !case.knows(7, 0) {
        return None;
    }
    let limit = match case.maxmemory() {
        Ok(_) => format!("{percent}%"),
        Err(_) => format!("{}mb", (case.number_or_zero("mem_clients_normal").saturating_mul(2) >> 20).max(64)),
    };
    Some(format!(
        "CONFIG SET maxmemory-clients {limit} (disconnects the clients with the largest buffers above that; undo: 0)"
    ))
}
