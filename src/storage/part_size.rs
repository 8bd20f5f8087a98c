//! How long the parts of an upload are, when nobody knows how long the object will be.
//!
//! S3 takes at most 10,000 parts of 5 MiB to 5 GiB for an object of at most 5 TiB, and some stores (R2) want all parts of one upload
//! to have one length. So the length is chosen before the first part, by what is expected; parts that are too long for memory go
//! through a file.

/// Bytes that the parts of one upload may take in memory: one that is being filled and those in flight.
const MEMORY: usize = 40 << 20;

/// The length for a fast link, which keeps memory small.
const SHORTEST: u64 = 8 << 20;
/// The length for a slow link, on which a part that breaks off costs minutes, and for one of which nothing is known: S3 takes none that
/// is shorter.
const SHORTEST_OF_ALL: u64 = 5 << 20;
/// A slow link carries fewer bytes a second.
const SLOW: u64 = 1_000_000;
/// Longer parts go through a file.
const LONGEST_IN_MEMORY: u64 = 20 << 20;
/// Parts that have one length; the others are there for an object that is much longer than expected.
const EQUAL: usize = 8000;
/// S3 takes no longer object.
const LARGEST: u64 = 5 << 40;

/// What is known of an object before its first byte. Nothing depends on its truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// About how many bytes there will be.
    pub bytes: u64,
    /// What the link to the store carries at least, bytes a second; `None`: nobody knows.
    pub bytes_per_second: Option<u64>,
}

/// Parts of the same length, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How many parts there are of this size.
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
    /// Steps of the caller's choosing: tests send many parts of an object that is small.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// Sizes for an object of about so many bytes: parts of one length, for there are stores (R2) that refuse others. Only an object
    /// that becomes twice as long as expected gets longer parts at its end, since it would not fit otherwise.
    pub fn for_expected(expected: Expected) -> Self {
        const MIB: u64 = 1 << 20;
        let doubled = expected.bytes.saturating_mul(2).min(LARGEST);
        let is_fast = expected.bytes_per_second.is_some_and(|rate| rate >= SLOW);
        let shortest = if is_fast { SHORTEST } else { SHORTEST_OF_ALL };
        let length = doubled.div_ceil(EQUAL as u64).next_multiple_of(MIB).max(shortest);
        let spooled = length > LONGEST_IN_MEMORY;
        let more = |parts, length: u64| Step { parts, length, spooled: true };
        Self(vec![
            Step { parts: EQUAL, length, spooled },
            more(400, length.max(256 * MIB)),
            more(400, length.max(1024 * MIB)),
            more(1200, length.max(4096 * MIB)),
        ])
    }

    /// The length of the first part and whether it is spooled.
    pub fn first(&self) -> (u64, bool) {
        self.part(1).unwrap_or((SHORTEST_OF_ALL, false))
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
    /// Sizes for an object of unknown length: 39 GiB in parts of 5 MiB, and 5 TiB in all; the spool folder holds at most two parts then.
    fn default() -> Self {
        Self::for_expected(Expected::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_PARTS: usize = 10_000;

    fn of(bytes: u64) -> Expected {
        Expected { bytes, bytes_per_second: None }
    }

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
    fn parts_have_one_length_until_twice_of_what_was_expected_has_come() {
        for expected in [0, 1 << 20, 30 << 30, 80_000_000_000, 1 << 40, 3 << 40, 5 << 40, u64::MAX] {
            let sizes = PartSizes::for_expected(of(expected));
            let (first, spooled) = sizes.first();
            let mut held = 0;
            for number in 1..=MOST_PARTS {
                let (length, _) = sizes.part(number).unwrap();
                if length != first {
                    break;
                }
                held += length;
            }
            assert!(held >= expected.saturating_mul(2).min(5 << 40), "{expected}: {held}");
            let all: u64 = (1..=MOST_PARTS).map(|number| sizes.part(number).unwrap().0).sum();
            assert!(all >= 5 << 40 && (5 << 20..=5 << 30).contains(&first), "{expected}");
            if !spooled {
                assert!(
                    first * (1 + PartSizes::in_flight(first, false) as u64) <= MEMORY as u64,
                    "{expected}: {first}"
                );
            }
        }
        assert!(!PartSizes::for_expected(of(60_000_000_000)).first().1, "sixty gigabytes need no spool");
    }

    #[test]
    fn a_slow_link_gets_the_shortest_parts_that_hold_what_is_expected() {
        let first = |bytes, rate| PartSizes::for_expected(Expected { bytes, bytes_per_second: Some(rate) }).first().0;
        assert_eq!((first(1 << 30, 40_000), first(1 << 30, 40_000_000)), (5 << 20, 8 << 20));
        assert_eq!(PartSizes::for_expected(of(1 << 30)).first().0, 5 << 20, "nothing is known of the link");
        assert_eq!(first(1 << 40, 40_000), first(1 << 40, 40_000_000));
    }
}
