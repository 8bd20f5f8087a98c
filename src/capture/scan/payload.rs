//! What DUMP answers: a value as it stands in an RDB, the version of that, and a checksum over both.

use super::ScanError;
use crate::rdb::{Dialect, crc64};

/// Version (two bytes) and checksum (eight) at the end.
const FOOTER: usize = 10;
/// Redis 8.6+: metadata of the key stands before its type.
const KEY_META: u8 = 243;

/// A payload whose checksum is right.
pub(super) struct Payload<'a> {
    /// The version of the RDB format.
    pub(super) version: u16,
    body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Takes an answer apart (`cluster.c`, `createDumpPayload`).
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ScanError> {
        let fail = |reason: &str| ScanError::Payload { reason: reason.to_owned() };
        let (body, footer) = bytes.split_last_chunk::<FOOTER>().ok_or_else(|| fail("it is too short"))?;
        let [version @ .., _, _, _, _, _, _, _, _] = footer;
        let stored = bytes.last_chunk::<8>().map(|crc| u64::from_le_bytes(*crc));
        if stored != Some(crc64(&bytes[..bytes.len() - 8])) {
            return Err(fail("its checksum is wrong"));
        }
        Ok(Self { version: u16::from_le_bytes(*version), body })
    }

    /// Type byte and value.
    ///
    /// # Errors
    /// If there is none, or if metadata stands before it, in which we cannot find our way.
    pub(super) fn value(&self) -> Result<(u8, &'a [u8]), ScanError> {
        let fail = |reason: &str| Err(ScanError::Payload { reason: reason.to_owned() });
        match self.body.split_first() {
            None => fail("it is empty"),
            Some((&KEY_META, _)) if Dialect::of_footer(self.version.into()) == Dialect::Redis => {
                fail("the key has metadata of a module, which only replication can read")
            }
            Some((value_type, value)) => Ok((*value_type, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DUMP` of the string `1` by Redis 7.0.15.
    const ONE: &[u8] = b"\x00\xc0\x01\x0a\x00";

    fn with_crc(bytes: &[u8]) -> Vec<u8> {
        [bytes, &crc64(bytes).to_le_bytes()].concat()
    }

    #[test]
    fn a_payload_is_a_value_and_a_version() {
        let bytes = with_crc(ONE);
        let payload = Payload::parse(&bytes).unwrap();
        assert_eq!((payload.version, payload.value().unwrap()), (10, (0, &b"\xc0\x01"[..])));
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: &str) {
        let result = Payload::parse(bytes).and_then(|payload| payload.value().map(drop));
        assert!(result.expect_err("it is no payload").to_string().contains(expected));
    }

    #[test]
    fn what_is_no_payload_says_why() {
        let bytes = with_crc(ONE);
        for length in 0..FOOTER {
            check_refused(&bytes[..length], "too short");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            check_refused(&flipped, "checksum is wrong");
        }
        check_refused(&with_crc(b"\x0a\x00"), "it is empty");
        check_refused(&with_crc(b"\xf3\x00\x00\xc0\x01\x0d\x00"), "metadata");
    }
}
