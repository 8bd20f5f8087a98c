//! Writes an RDB: header, aux fields, functions, databases, keys, end and checksum.

use bytes::{Bytes, BytesMut};

use super::server::Expiry;
use crate::rdb::dump::Checked;
use crate::rdb::opcode::{AUX, EOF, EXPIRE_MS, KEY_META_OR_SLOT_IMPORT, SELECT_DB};
use crate::rdb::{Crc64, Dialect, ValueType};

/// The largest chunk that is handed out.
const CHUNK: usize = 1 << 20;
/// Below this, more is collected first.
const WORTHWHILE: usize = 256 << 10;

/// An RDB under way.
#[derive(Default)]
pub(super) struct Encoder {
    out: BytesMut,
    crc: Crc64,
    version: Option<u16>,
}

impl Encoder {
    /// `REDIS0011` or `VALKEY080`.
    pub(super) fn header(&mut self, version: u16) {
        self.version = Some(version);
        let text = match Dialect::of_footer(version.into()) {
            Dialect::Redis => format!("REDIS{version:04}"),
            Dialect::Valkey => format!("VALKEY{version:03}"),
        };
        self.put(text.as_bytes());
    }

    /// What the header says.
    pub(super) fn version(&self) -> Option<u16> {
        self.version
    }

    pub(super) fn aux(&mut self, name: &str, value: &str) {
        self.put(&[AUX]);
        self.string(name.as_bytes());
        self.string(value.as_bytes());
    }

    /// The body of `FUNCTION DUMP`, which is what stands in an RDB: opcode and source of each library.
    pub(super) fn functions(&mut self, body: &[u8]) {
        self.put(body);
    }

    pub(super) fn database(&mut self, index: u32) {
        self.put(&[SELECT_DB]);
        self.length(index.into());
    }

    pub(super) fn key(&mut self, key: &[u8], expiry: Expiry, payload: &Checked<'_>) {
        self.begin(key, expiry, payload.key_meta, payload.value_type);
        self.put(payload.body);
    }

    /// A key up to its value, of which the bytes follow by [`Encoder::body`].
    pub(super) fn begin(&mut self, key: &[u8], expiry: Expiry, key_meta: Option<&[u8]>, value_type: ValueType) {
        if let Expiry::At(ms) = expiry {
            self.put(&[EXPIRE_MS]);
            self.put(&ms.to_le_bytes());
        }
        if let Some(meta) = key_meta {
            self.put(&[KEY_META_OR_SLOT_IMPORT]);
            self.put(meta);
        }
        self.put(&[value_type.0]);
        self.string(key);
    }

    /// The next bytes of a value.
    pub(super) fn body(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }

    /// The end of the file, with the checksum over everything before.
    pub(super) fn end(&mut self) {
        self.put(&[EOF]);
        let crc = self.crc.value();
        self.out.extend_from_slice(&crc.to_le_bytes());
    }

    /// A chunk, if there is one worth handing out; with `all` whatever is left.
    pub(super) fn take(&mut self, all: bool) -> Option<Bytes> {
        if self.out.is_empty() || (!all && self.out.len() < WORTHWHILE) {
            return None;
        }
        Some(self.out.split_to(self.out.len().min(CHUNK)).freeze())
    }

    fn string(&mut self, bytes: &[u8]) {
        self.length(bytes.len() as u64);
        self.put(bytes);
    }

    /// Writes a length as `rdbSaveLen` in `rdb.c` does.
    fn length(&mut self, length: u64) {
        match (u32::try_from(length), length) {
            (_, 0..64) => self.put(&[length as u8]),
            (_, 64..16_384) => self.put(&(0x4000 | length as u16).to_be_bytes()),
            (Ok(length), _) => {
                self.put(&[0x80]);
                self.put(&length.to_be_bytes());
            }
            (Err(_), _) => {
                self.put(&[0x81]);
                self.put(&length.to_be_bytes());
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_length(length: u64, expected: &[u8]) {
        let mut encoder = Encoder::default();
        encoder.length(length);
        assert_eq!(encoder.out, expected, "{length}");
    }

    #[test]
    fn lengths_have_four_forms() {
        check_length(0, &[0]);
        check_length(63, &[63]);
        check_length(64, &[0x40, 64]);
        check_length(16_383, &[0x7f, 0xff]);
        check_length(16_384, &[0x80, 0, 0, 0x40, 0]);
        check_length(u32::MAX.into(), &[0x80, 255, 255, 255, 255]);
        check_length(1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn metadata_of_a_key_stands_between_its_expiry_and_its_type() {
        use crate::rdb::dump;
        // No class at all: the smallest metadata there is.
        let payload = dump::payload(crate::rdb::ValueType::STRING, Some(&[0]), b"\x01v", 13);
        let mut encoder = Encoder::default();
        encoder.key(b"k", Expiry::At(1), &dump::check(&payload).unwrap());
        assert_eq!(encoder.out, &b"\xfc\x01\0\0\0\0\0\0\0\xf3\0\0\x01k\x01v"[..]);
    }

    #[test]
    fn the_smallest_file_of_each_dialect() {
        for (version, magic) in [(9, &b"REDIS0009"[..]), (12, b"REDIS0012"), (80, b"VALKEY080")] {
            let mut encoder = Encoder::default();
            encoder.header(version);
            encoder.end();
            let file = encoder.take(true).unwrap();
            assert!(file.starts_with(magic) && file[magic.len()] == 255 && file.len() == magic.len() + 9, "{file:?}");
        }
    }
}
