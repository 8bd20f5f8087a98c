//! Slots of a cluster: which slot a key has, and sets of slots as nodes serve them.

use std::fmt;

/// All slots of a cluster.
pub const N_SLOTS: u64 = 16_384;

/// The slots that one node of a cluster serves, or those of a shard. `Display`: `0-5460,7000`, as in `CLUSTER NODES`; `none` for none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slots(Vec<(u16, u16)>);

impl Slots {
    /// The slots of these ranges, both ends included, in any order. Ranges that touch each other become one.
    pub fn of(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if u32::from(first) <= u32::from(*end) + 1 => *end = (*end).max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Whether they are all slots of a cluster.
    pub fn is_all(&self) -> bool {
        self.count() >= N_SLOTS
    }

    /// Whether a slot is among them.
    pub fn has(&self, slot: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }

    /// The ranges, both ends included, in ascending order.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The slots from 0 to 16,383 that are not among them.
    pub fn missing(&self) -> Self {
        let mut missing = Vec::new();
        let mut next = 0_u32;
        for (first, last) in &self.0 {
            if u32::from(*first) > next {
                missing.push((next as u16, first - 1));
            }
            next = u32::from(*last) + 1;
        }
        if u64::from(next) < N_SLOTS {
            missing.push((next as u16, (N_SLOTS - 1) as u16));
        }
        Self(missing)
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// The slot of a key: CRC16 (XMODEM) of what stands between the first `{` and the next `}` behind it, of the whole name where that is
/// empty or missing (cluster specification, "Hash tags").
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = memchr::memchr(b'{', key).and_then(|open| {
        let rest = &key[open + 1..];
        memchr::memchr(b'}', rest).filter(|length| *length > 0).map(|length| &rest[..length])
    });
    let crc =
        tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)]);
    crc % N_SLOTS as u16
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_that_servers_give_it() {
        // `CLUSTER KEYSLOT`, and the check value of the specification.
        for (key, slot) in [("123456789", 0x31c3), ("foo", 12182), ("x{foo}y", 12182), ("{foo}{bar}", 12182), ("", 0)] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(slot_of(b"foo{}{bar}"), slot_of(b"foo{}{bar}"));
        assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"), "an empty tag is none");
        assert_ne!(slot_of(b"a{b"), slot_of(b"b"));
    }

    #[test]
    fn ranges_that_touch_become_one_and_what_is_missing_is_named() {
        let slots = Slots::of(vec![(8192, 16383), (0, 8191)]);
        assert!(slots.is_all());
        assert_eq!((slots.to_string().as_str(), slots.missing().to_string().as_str()), ("0-16383", "none"));
        let slots = Slots::of(vec![(7000, 7000), (1, 5460)]);
        assert_eq!((slots.to_string().as_str(), slots.count()), ("1-5460,7000", 5461));
        assert_eq!(slots.missing().to_string(), "0,5461-6999,7001-16383");
        assert_eq!(Slots::default().missing().to_string(), "0-16383");
    }
}
