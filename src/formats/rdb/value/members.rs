//! Finds a member that stands twice in one value.

mod spool;

use xxhash_rust::xxh3::xxh3_64;

use super::element::Element;
use spool::Spool;

/// So few are compared one with each other.
const FEW: usize = 12;
/// Buffers larger than this many members are given back.
const KEEP: usize = 1 << 15;

/// Members of one value: 64 bits of each, so that among 2 million members two look alike once in ten million values.
///
/// Memory: eight bytes a member, and four while they are compared. Those of a value that has more than is held wait in a temporary
/// file, eight bytes each; what does not get there is not compared, and counted.
#[derive(Debug, Default)]
pub(crate) struct Members {
    tags: Vec<u64>,
    once: Vec<u64>,
    twice: Vec<u64>,
    most: usize,
    spool: Option<Box<Spool>>,
    /// No file could be had, or it is full.
    is_full: bool,
    not_compared: u64,
}

impl Members {
    /// Holds at most so many members of a value in memory.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// A value begins.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.tags.clear();
        (self.spool, self.is_full) = (None, false);
    }

    #[inline]
    pub(crate) fn add(&mut self, tag: u64) {
        if self.tags.len() == self.most {
            self.put_away();
        }
        if self.is_full {
            self.not_compared += 1;
        } else {
            self.tags.push(tag);
        }
    }

    /// Makes room in memory.
    #[cold]
    fn put_away(&mut self) {
        if self.is_full {
            return;
        }
        let put = match &mut self.spool {
            Some(spool) => spool.put(&mut self.tags),
            none => Spool::new().and_then(|spool| none.insert(Box::new(spool)).put(&mut self.tags)),
        };
        match put {
            Ok(()) => self.tags.clear(),
            Err(_) => self.is_full = true,
        }
    }

    /// Adds a member as text.
    #[inline]
    pub(crate) fn add_text(&mut self, text: &[u8]) {
        self.add(xxh3_64(text));
    }

    /// Adds a member of a packed value. Servers compare a number and its decimal text as equal.
    #[inline]
    pub(crate) fn add_element(&mut self, element: Element<'_>) {
        match element {
            Element::Integer(value) => self.add(spread(value)),
            Element::Bytes(text) => match canonical(text) {
                Some(value) => self.add(spread(value)),
                None => self.add_text(text),
            },
        }
    }

    /// The value is complete: how many members came again.
    pub(crate) fn finish(&mut self) -> u64 {
        let found = match self.spool.take() {
            Some(spool) if spool.len() > 0 => self.compare_spooled(*spool),
            _ => self.compare_held(),
        };
        self.tags.clear();
        self.is_full = false;
        if self.tags.capacity() > KEEP {
            (self.tags, self.once, self.twice) = (Vec::new(), Vec::new(), Vec::new());
        }
        found
    }

    fn compare_held(&mut self) -> u64 {
        if self.tags.len() <= FEW { self.compare_few() } else { self.compare() }
    }

    /// Compares those that share their highest bits, so many at a time as are held in memory.
    fn compare_spooled(&mut self, mut spool: Spool) -> u64 {
        let held = self.tags.len() as u64;
        if spool.put(&mut self.tags).is_err() {
            self.not_compared += held;
        }
        let parts = (2 * spool.len()).div_ceil(self.most.max(1) as u64).next_power_of_two().max(2);
        let bits = parts.trailing_zeros();
        let (mut found, mut seen) = (0, 0);
        for part in 0..parts {
            // Of a part that cannot be read, or of which somebody made too many, nothing is known.
            if spool.part(bits, part, &mut self.tags, 2 * self.most).is_ok() {
                seen += self.tags.len() as u64;
                found += self.compare_held();
            }
        }
        self.not_compared += spool.len() - seen;
        found
    }

    /// Members that were not compared, of all values.
    pub(crate) fn not_compared(&self) -> u64 {
        self.not_compared
    }

    fn compare_few(&self) -> u64 {
        let is_again = |at: usize| self.tags[..at].contains(&self.tags[at]);
        (1..self.tags.len()).filter(|at| is_again(*at)).count() as u64
    }

    /// A member that has a bit of its own among 16 times as many has no like; the few others are sorted.
    fn compare(&mut self) -> u64 {
        let bits = (self.tags.len() * 16).next_power_of_two().trailing_zeros();
        let place = |tag: u64| {
            let bit = tag >> (64 - bits);
            ((bit / 64) as usize, 1 << (bit % 64))
        };
        for map in [&mut self.once, &mut self.twice] {
            map.clear();
            map.resize(1 << (bits - 6), 0);
        }
        let mut collisions = 0;
        for tag in &self.tags {
            let (word, bit) = place(*tag);
            let both = self.once[word] & bit;
            collisions |= both;
            self.twice[word] |= both;
            self.once[word] |= bit;
        }
        if collisions == 0 {
            return 0;
        }
        let twice = &self.twice;
        self.tags.retain(|tag| {
            let (word, bit) = place(*tag);
            twice[word] & bit != 0
        });
        self.tags.sort_unstable();
        self.tags.array_windows::<2>().filter(|[one, other]| one == other).count() as u64
    }
}

/// Another number for each number, with its high bits well mixed.
#[inline]
fn spread(value: i64) -> u64 {
    value.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The number that a text is, if servers would write that number so (Redis `util.c`, `string2ll`).
#[inline]
fn canonical(text: &[u8]) -> Option<i64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] if text.len() <= 20 => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(elements: &[Element<'_>]) -> u64 {
        let mut members = Members::new(1000);
        members.begin();
        elements.iter().for_each(|element| members.add_element(*element));
        members.finish()
    }

    #[test]
    fn a_number_and_its_text_are_one_member() {
        use Element::{Bytes, Integer};
        assert_eq!(found(&[]), 0);
        assert_eq!(found(&[Bytes(b"a"), Bytes(b"b"), Bytes(b""), Integer(0)]), 0);
        assert_eq!(found(&[Bytes(b"a"), Bytes(b"a"), Bytes(b"a")]), 2);
        assert_eq!(found(&[Bytes(b"-12"), Integer(-12)]), 1);
        assert_eq!(found(&[Bytes(b"0"), Integer(0)]), 1);
        assert_eq!(found(&[Bytes(b"-9223372036854775808"), Integer(i64::MIN)]), 1);
        assert_eq!(found(&[Bytes(b"012"), Bytes(b"+12"), Bytes(b"-0"), Bytes(b"12 "), Integer(12), Integer(0)]), 0);
        assert_eq!(found(&[Bytes(b"9223372036854775808"), Integer(i64::MIN)]), 0);
    }

    #[test]
    fn one_in_many_is_found_in_memory_or_not() {
        for n in [2, 12, 13, 100, 5000] {
            let mut members = Members::new(6000);
            for again in [0, 1, 3] {
                members.begin();
                (0..n).for_each(|value| members.add_element(Element::Integer(value * 64)));
                (0..again.min(n)).for_each(|value| members.add_element(Element::Integer(value * 64)));
                assert_eq!(members.finish(), again.min(n).cast_unsigned(), "{n} and {again}");
            }
        }
        for most in [500, 4999, 5000] {
            let mut members = Members::new(most);
            for again in [0, 1, 3, 2000] {
                members.begin();
                (0..5000).for_each(|value: i64| members.add_element(Element::Integer(value)));
                (0..again).for_each(|value| members.add_element(Element::Bytes(value.to_string().as_bytes())));
                (0..again).for_each(|value| members.add_element(Element::Integer(value * 2)));
                assert_eq!(members.finish(), 2 * again.cast_unsigned(), "{most} and {again}");
            }
            assert_eq!(members.not_compared(), 0);
        }
    }

    #[test]
    fn what_is_made_to_fall_together_is_counted_where_it_is_not_compared() {
        let mut members = Members::new(10);
        members.begin();
        // All of one part.
        (0..100).for_each(|tag| members.add(tag));
        members.add(0);
        assert_eq!((members.finish(), members.not_compared()), (0, 101));
        members.begin();
        (0..9).for_each(|_| members.add(7));
        assert_eq!((members.finish(), members.not_compared()), (8, 101));
    }
}
