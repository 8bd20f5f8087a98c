//! M01–M37: memory, eviction, fragmentation.

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
    // A limit that was set far below what is used has to go above that, or nothing is gained.
    let used = case.snapshot.memory_against_limit().filter(|_| limit > 0);
    let needed = used.map_or(limit, |used| used.max(limit));
    let wanted = needed.saturating_add(needed / 3);
    let most = case.machine_memory().map_or(u64::MAX, |memory| (memory as f64 * SHARE_OF_MACHINE) as u64);
    if most < needed.saturating_add(needed / 10) || has_none_left(case) {
        return "less data, or a larger machine: this one has no memory left for a higher maxmemory".to_owned();
    }
    let megabytes = if wanted <= most { wanted.div_ceil(1 << 20) } else { most >> 20 };
    format!("CONFIG SET maxmemory {}mb (undo: CONFIG SET maxmemory {limit})", megabytes.max(1))
}

/// Whether the machine has no memory left for anybody: the process has its share already, or part of it is swapped out.
fn has_none_left(case: &Case<'_>) -> bool {
    let resident = case.number_or_zero("used_memory_rss") as f64;
    let swapped = case.snapshot.host.got().and_then(|host| host.swapped_bytes).unwrap_or(0);
    let full = case.machine_memory().is_ok_and(|memory| resident >= memory as f64 * SHARE_OF_MACHINE);
    full || swapped as f64 > 10.0 * MIB
}

/// A limit for the buffers of all clients (7.0), the same figure whichever rule asks for it: a share of `maxmemory`, or, where there is none,
/// twice what they have now.
pub(super) fn limit_for_clients(case: &Case<'_>) -> Option<String> {
    if !case.knows(7, 0) {
        return None;
    }
    let config = case.snapshot.answers.config.got();
    let present = config.and_then(|config| config.get("maxmemory-clients")).unwrap_or("0");
    let limit = match case.maxmemory() {
        Ok(_) => "10%".to_owned(),
        Err(_) => format!("{}mb", (case.number_or_zero("mem_clients_normal").saturating_mul(2) >> 20).max(64)),
    };
    Some(format!(
        "CONFIG SET maxmemory-clients {limit} (disconnects the clients with the largest buffers above that; undo: {present})"
    ))
}
