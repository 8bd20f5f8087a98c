//! How long the parts of an upload are, when nobody knows how long the object will be.
//!
//! S3 takes at most 10,000 parts of 5 MiB to 5 GiB for an object of at most 5 TiB. Small parts keep memory small, but 10,000
//! of 8 MiB end at 80 GiB: so parts grow on the way, and those that are too long for memory go through a file.

/// Bytes that the parts of one upload may take in memory: one that is being filled and those in flight.
const MEMORY: usize = 40 << 20;

/// Parts of the same length, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How many.
    pub parts: usize,
    /// Bytes in each.
    pub length: u64,
    /// Whether they go through a file in the spool folder instead of memory.
    pub spooled: bool,
}

/// How long each part is, by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSizes(Vec<Step>);

impl PartSizes {
    /// Sizes of one's own, for tests and odd stores.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// The length of part `number` (from 1) and whether it is spooled; `None` if there can be no such part.
    pub fn part(&self, number: usize) -> Option<(u64, bool)> {
        let mut before = 0;
        self.0.iter().find_map(|step| {
            before += step.parts;
            (number <= before && number > 0).then_some((step.length, step.spooled))
        })
    }

    /// How many parts of this length may be in flight besides the one that is being filled.
    pub(super) fn in_flight(length: u64, spooled: bool) -> usize {
        if spooled {
            // On disk there is one that is being filled and one in flight.
            return 1;
        }
        (MEMORY / usize::try_from(length.max(1)).unwrap_or(usize::MAX)).saturating_sub(1).max(1)
    }
}

impl Default for PartSizes {
    /// 78 GiB through memory, and 5 TiB in all: the spool folder holds at most two parts, 8 GiB at the very end.
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        let memory = |parts, length| Step { parts, length, spooled: false };
        let spooled = |parts, length| Step { parts, length, spooled: true };
        Self(vec![
            memory(5000, 8 * MIB),
            memory(2500, 16 * MIB),
            spooled(500, 256 * MIB),
            spooled(500, 1024 * MIB),
            spooled(500, 2048 * MIB),
            spooled(500, 3072 * MIB),
            spooled(500, 4096 * MIB),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_PARTS: usize = 10_000;

    // The limits are those in the S3 User Guide, "Amazon S3 multipart upload limits".
    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let sizes = PartSizes::default();
        let lengths: Vec<(u64, bool)> = (1..=MOST_PARTS).map(|number| sizes.part(number).unwrap()).collect();
        assert_eq!((sizes.part(0), sizes.part(MOST_PARTS + 1)), (None, None));
        assert!(lengths.iter().map(|(length, _)| length).sum::<u64>() >= 5 << 40);
        assert!(lengths.iter().all(|(length, _)| (5 << 20..=5 << 30).contains(length)));
    }

    #[test]
    fn eighty_gigabytes_need_no_spool_and_little_memory() {
        let sizes = PartSizes::default();
        let in_memory: Vec<u64> = (1..=MOST_PARTS)
            .filter_map(|number| sizes.part(number))
            .take_while(|part| !part.1)
            .map(|part| part.0)
            .collect();
        assert!(in_memory.iter().sum::<u64>() >= 80_000_000_000);
        for length in in_memory {
            assert!(length * (1 + PartSizes::in_flight(length, false) as u64) <= MEMORY as u64);
        }
    }
}
