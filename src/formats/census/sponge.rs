//! Puts numbers and strings in a row and hashes the row: XXH3-128, seed 0.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::rdb::visit::LONG_FIELD;

/// Rows up to this length are hashed in one go; longer ones as a stream, with the same result.
const ROW: usize = 1024;

/// Takes what is put into it, in order. Nothing is allocated after the first use.
pub(super) struct Sponge {
    row: Vec<u8>,
    stream: Box<Xxh3Default>,
    streaming: bool,
}

impl Default for Sponge {
    fn default() -> Self {
        Self { row: Vec::with_capacity(ROW), stream: Box::new(Xxh3Default::new()), streaming: false }
    }
}

impl Sponge {
    /// Bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        #[cfg(test)]
        tests::count(bytes);
        if self.row.len() + bytes.len() > ROW {
            self.overflow(bytes);
        } else {
            self.row.extend_from_slice(bytes);
        }
    }

    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        if !self.streaming {
            self.stream.reset();
            self.streaming = true;
        }
        self.stream.update(&self.row);
        self.row.clear();
        if bytes.len() < ROW / 2 {
            self.row.extend_from_slice(bytes);
        } else {
            self.stream.update(bytes);
        }
    }

    /// A string: its length as eight bytes, then its bytes.
    #[inline]
    pub fn string(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// A name that many things may share: as a string, or if it is long its length as eight bytes and its hash, which the
    /// caller may know already.
    #[inline]
    pub fn name(&mut self, name: &[u8], known: Option<u128>) {
        if name.len() <= LONG_FIELD {
            self.string(name);
        } else {
            self.number(name.len() as u64);
            self.wide(known.unwrap_or_else(|| hash_of(name)));
        }
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Sixteen bytes, little-endian.
    #[inline]
    pub fn wide(&mut self, number: u128) {
        self.bytes(&number.to_le_bytes());
    }

    /// `None` as a byte 0, a number as a byte 1 and eight bytes.
    #[inline]
    pub fn optional(&mut self, number: Option<i64>) {
        match number {
            None => self.bytes(&[0]),
            Some(number) => {
                self.bytes(&[1]);
                self.bytes(&number.to_le_bytes());
            }
        }
    }

    /// The hash of everything since the last call; begins anew.
    #[inline]
    pub fn squeeze(&mut self) -> u128 {
        let hash = if self.streaming { self.squeeze_stream() } else { xxh3_128(&self.row) };
        self.row.clear();
        hash
    }

    #[cold]
    fn squeeze_stream(&mut self) -> u128 {
        self.streaming = false;
        self.stream.update(&self.row);
        self.stream.digest128()
    }

    /// Forgets what was put in.
    pub fn clear(&mut self) {
        self.row.clear();
        self.streaming = false;
    }
}

/// The hash of a name alone.
pub(super) fn hash_of(name: &[u8]) -> u128 {
    #[cfg(test)]
    tests::count(name);
    xxh3_128(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    thread_local! {
        /// Bytes that this thread hashed: tests run on threads of their own.
        pub(in crate::census) static HASHED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    pub(super) fn count(bytes: &[u8]) {
        HASHED.set(HASHED.get() + bytes.len() as u64);
    }

    #[test]
    fn however_a_row_is_cut_its_hash_is_that_of_the_whole() {
        let text: Vec<u8> = (0..10_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        let mut sponge = Sponge::default();
        for total in [0, 1, 16, 17, 128, 240, 241, 511, 512, 1023, 1024, 1025, 2048, 3000, 10_000] {
            for cut in [1, 3, 100, 511, 512, 513, 1024, 1025, 10_000] {
                for part in text[..total].chunks(cut) {
                    sponge.bytes(part);
                }
                assert_eq!(sponge.squeeze(), xxh3_128(&text[..total]), "{total} bytes in parts of {cut}");
            }
        }
    }
}
