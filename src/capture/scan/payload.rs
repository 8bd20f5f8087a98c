//! What FUNCTION DUMP answers: libraries as they stand in an RDB, a version, and a checksum over both.

use super::error::ScanError;
use crate::rdb::crc64;
use crate::rdb::dump::FOOTER_LENGTH;

/// Libraries whose checksum is right.
pub(super) struct Functions {
    /// The version of the RDB format that the server writes.
    pub(super) version: u16,
    bytes: Vec<u8>,
}

impl Functions {
    /// Takes an answer apart (`functions.c`, `functionDumpCommand`). No library: there is nothing before the footer.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, ScanError> {
        let fail = |reason: &str| ScanError::Payload { reason: reason.to_owned() };
        let (signed, stored) =
            bytes.split_last_chunk::<8>().ok_or_else(|| fail("the payload of the functions is too short"))?;
        let (_, version) =
            signed.split_last_chunk::<2>().ok_or_else(|| fail("the payload of the functions is too short"))?;
        if u64::from_le_bytes(*stored) != crc64(signed) {
            return Err(fail("the checksum of the functions is wrong"));
        }
        Ok(Self { version: u16::from_le_bytes(*version), bytes })
    }

    /// As it stands in an RDB: opcode and source of each library.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - FOOTER_LENGTH]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_crc(bytes: &[u8]) -> Vec<u8> {
        [bytes, &crc64(bytes).to_le_bytes()].concat()
    }

    #[test]
    fn libraries_are_what_stands_before_the_footer() {
        for body in [&b""[..], b"\xf5\x03abc"] {
            let functions = Functions::parse(with_crc(&[body, b"\x0b\x00"].concat())).unwrap();
            assert_eq!((functions.version, functions.body()), (11, body));
        }
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        let bytes = with_crc(b"\xf5\x03abc\x0b\x00");
        for length in 0..bytes.len() {
            assert!(Functions::parse(bytes[..length].to_vec()).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(Functions::parse(flipped).is_err(), "{at}");
        }
    }
}
