//! CRC64 as Redis computes it: polynomial 0xad93d23594c935a9 ("Jones"), reflected, beginning at zero, nothing xored.
//!
//! The check value of `123456789` is 0xe9c6d914c4b8d9ca (Redis `crc64.c`; the comment there shows another initial value,
//! but every caller begins at zero).

use crc_fast::{CrcAlgorithm, Digest};

/// A running CRC64.
#[derive(Clone)]
pub struct Crc64(Digest);

impl Crc64 {
    /// Of no bytes: zero.
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Adds the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc64({:016x})", self.value())
    }
}

/// The CRC64 of one slice.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn it_equals_a_loop_over_bits_at_every_length_and_cut() {
        let bytes: Vec<u8> = (0..600_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut slow = 0_u64;
        for (length, byte) in bytes.iter().enumerate() {
            assert_eq!(crc64(&bytes[..length]), slow, "{length} bytes");
            let mut halves = Crc64::new();
            halves.update(&bytes[..length / 3]);
            halves.update(&bytes[length / 3..length]);
            assert_eq!(halves.value(), slow, "{length} bytes in two parts");
            slow ^= u64::from(*byte);
            for _ in 0..8 {
                slow = if slow & 1 == 1 { slow >> 1 ^ 0x95ac_9329_ac4b_c9b5 } else { slow >> 1 };
            }
        }
    }
}
