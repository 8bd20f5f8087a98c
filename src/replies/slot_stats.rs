//! CLUSTER SLOT-STATS (Valkey 8.0, Redis 8.2): what the slots of one node hold and cost.

use serde::{Deserialize, Serialize};

use super::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlotStats {
    pub slot: u16,
    /// Keys in it.
    pub keys: u64,
    /// Processor time spent on it in microseconds; only with `cluster-slot-stats-enabled yes`.
    pub cpu_usec: Option<u64>,
}

impl SlotStats {
    /// Parses an answer: pairs of a slot and its numbers by name. What is none is left out.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        let slot = |pair: &Reply| {
            let [slot, numbers] = pair.items() else { return None };
            let number = |name| u64::try_from(numbers.field(name)?.integer()?).ok();
            Some(Self {
                slot: u16::try_from(slot.integer()?).ok()?,
                keys: number("key-count")?,
                cpu_usec: number("cpu-usec"),
            })
        };
        reply.items().iter().filter_map(slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_in_both_protocols() {
        let flat = Reply::Array(vec!["key-count".into(), 7.into()]);
        let map = Reply::Map(vec![("key-count".into(), 1.into()), ("cpu-usec".into(), 90.into())]);
        let reply = Reply::Array(vec![
            Reply::Array(vec![12.into(), flat]),
            Reply::Array(vec![99.into(), map]),
            Reply::Array(vec![1.into()]),
        ]);
        let slots = SlotStats::parse_list(&reply);
        assert_eq!(slots.iter().map(|slot| (slot.slot, slot.keys)).collect::<Vec<_>>(), [(12, 7), (99, 1)]);
        assert_eq!((slots[0].cpu_usec, slots[1].cpu_usec), (None, Some(90)));
    }
}
