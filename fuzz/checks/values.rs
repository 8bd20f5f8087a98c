//! One value: alone, and as the only key of a file.

use redis_ops::rdb::dump::decode_value;
use redis_ops::rdb::visit::{Entry, Interest, Piece, Visit};
use redis_ops::rdb::{Dialect, ErrorKind, Scanner, ValueType};

use super::hearing::Hearing;
use super::{AMPLIFICATION, length};

/// Dialects and versions in which types mean different things.
const FORMS: [(Dialect, u32, &[u8]); 5] = [
    (Dialect::Redis, 15, b"REDIS0015"),
    (Dialect::Redis, 14, b"REDIS0014"),
    (Dialect::Redis, 12, b"REDIS0012"),
    (Dialect::Redis, 9, b"REDIS0009"),
    (Dialect::Valkey, 80, b"VALKEY080"),
];

/// Types whose value is one string with a structure of its own.
pub const PACKED: [u8; 9] = [9, 10, 11, 12, 13, 16, 17, 20, 23];

/// The first byte is the type, the second says in which form of the format, the others are the value.
pub fn values(data: &[u8]) {
    let [value_type, form, body @ ..] = data else { return };
    value(ValueType(*value_type), FORMS[usize::from(*form) % FORMS.len()], body);
}

/// The first byte names a packed type, the others are what is packed; or a chain of such, or the first node of a stream.
pub fn packed(data: &[u8]) {
    let Some((&how, blob)) = data.split_first() else { return };
    let mut body = Vec::new();
    let how = usize::from(how);
    let value_type = match PACKED.get(how) {
        Some(value_type) => *value_type,
        // A list of one ziplist, or one listpack.
        None if how % 4 == 0 => {
            body.push(1);
            14
        }
        None if how % 4 == 1 => {
            body.extend([1, 2]);
            18
        }
        // A hash with field expiry, the least of which stands before it.
        None if how % 4 == 2 => {
            body.extend([0; 8]);
            25
        }
        None => {
            body.extend([1, 16]);
            body.extend([0; 16]);
            15
        }
    };
    length(&mut body, blob.len());
    body.extend_from_slice(blob);
    if value_type == 15 {
        // Living entries and last id, and no groups. The number of entries is the one that was told.
        let mut count = Entries(0);
        _ = decode_value(ValueType(15), Dialect::Redis, 9, &body, &mut count);
        length(&mut body, count.0);
        length(&mut body, u32::MAX as usize);
        body.extend([0, 0]);
    }
    value(ValueType(value_type), FORMS[2], &body);
}

struct Entries(usize);

impl Visit for Entries {
    fn piece(&mut self, piece: Piece<'_>) {
        self.0 += usize::from(matches!(piece, Piece::StreamEntry { .. }));
    }
}

fn value(value_type: ValueType, (dialect, version, header): (Dialect, u32, &[u8]), body: &[u8]) {
    let mut told = Hearing::new(false, true);
    let entry = Entry {
        database: 0,
        key: b"k",
        value_type,
        expire_ms: None,
        idle_seconds: None,
        frequency: None,
        key_meta: None,
        value_offset: 0,
    };
    told.entry(&entry);
    let result = decode_value(value_type, dialect, version, body, &mut told);
    assert!(told.heard <= body.len() as u64 * AMPLIFICATION, "{} bytes told of {}", told.heard, body.len());

    if value_type.kind(dialect, version).is_none() {
        // In a file it would be an opcode, or is as unknown there.
        assert!(result.is_err(), "type {} is unknown, and read", value_type.0);
        return;
    }

    let mut file = header.to_vec();
    file.extend([value_type.0, 1, b'k']);
    let value_offset = file.len() as u64;
    file.extend_from_slice(body);
    file.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut only = Only { hearing: Hearing::new(false, true), entry };
    let mut scanner = Scanner::new();
    let scanned = scanner.push(&file, &mut only).and_then(|()| scanner.finish());
    match (result, scanned) {
        (Ok(_), scanned) => {
            assert!(scanned.is_ok(), "type {}: {scanned:?} in a file, {result:?} alone", value_type.0);
            assert_eq!(told.digest(), only.hearing.digest(), "type {} is told differently in a file", value_type.0);
            assert_eq!(told.string_digest(), only.hearing.string_digest());
        }
        (Err(error), in_file) => {
            assert!(error.offset <= body.len() as u64);
            match error.kind {
                // In the file the value goes on with what follows, whatever that makes of it.
                ErrorKind::Truncated => {}
                // The limit of a value alone is higher than that of one in a file.
                ErrorKind::TooLarge { .. } => assert!(in_file.is_err()),
                ErrorKind::Corrupt("bytes behind the value") => {
                    assert!(in_file.err().is_none_or(|later| later.offset >= value_offset + error.offset));
                }
                kind => assert_eq!(
                    in_file.map_err(|error| (error.offset, error.kind)).map(|_| ()),
                    Err((value_offset + error.offset, kind)),
                    "type {}",
                    value_type.0
                ),
            }
        }
    }
}

/// Hears one key's value and nothing of the file around it.
struct Only<'e> {
    hearing: Hearing,
    entry: Entry<'e>,
}

impl Visit for Only<'_> {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        self.hearing.entry(&self.entry)
    }
    fn piece(&mut self, piece: Piece<'_>) {
        self.hearing.piece(piece);
    }
    fn long_field(&mut self, hash: u128) {
        self.hearing.long_field(hash);
    }
}
