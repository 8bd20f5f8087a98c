//! M01–M34: memory, eviction, fragmentation.

mod buffers;
mod eviction;
mod fragmentation;
mod machine;
mod told;
mod usage;

use super::Rule;
pub(super) use usage::days_to_full;

/// The rules about memory.
pub(super) const RULES: &[&[Rule]] =
    &[usage::RULES, machine::RULES, fragmentation::RULES, buffers::RULES, eviction::RULES, told::RULES];

/// Mebibytes, for limits.
const MIB: f64 = (1 << 20) as f64;
/// Gibibytes, for limits.
const GIB: f64 = (1 << 30) as f64;

/// A setting of `maxmemory` that leaves room: a third more, in whole mebibytes, so that what filled it is three quarters of it.
fn more_memory(limit: u64) -> String {
    format!("CONFIG SET maxmemory {}mb", limit.saturating_add(limit / 3).div_ceil(1 << 20).max(1))
}
