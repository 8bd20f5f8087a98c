//! A DUMP payload: taken apart, decoded, and brought into the form of every target.

use redis_ops::census::Counter;
use redis_ops::rdb::dump::{Checked, NotPossible, Target, check, decode_value, payload, transcode};
use redis_ops::rdb::visit::{Entry, EntryEnd, Interest, Piece, Visit};
use redis_ops::rdb::{Dialect, RdbError, ValueType};

use super::sealed;

/// One of every form.
const TARGETS: [(&str, &str); 11] = [
    ("redis", "2.8"),
    ("redis", "4.0"),
    ("redis", "6.2"),
    ("redis", "7.0"),
    ("redis", "7.2"),
    ("redis", "8.0"),
    ("redis", "8.6"),
    ("redis", "8.8"),
    ("redis", "8.10"),
    ("valkey", "9.0"),
    ("valkey", "9.2"),
];

/// The bytes are a payload whose checksum is put right.
pub fn dump(data: &[u8]) {
    let bytes = sealed(data);
    let Ok(checked) = check(&bytes) else { return };
    let Checked { version, key_meta, value_type, body } = checked;
    if checked.dialect() == Dialect::Redis {
        assert_eq!(payload(value_type, key_meta, body, version), bytes, "put together again");
    }
    let content = counted(value_type, checked.dialect(), version.into(), body);
    for (product, version_of) in TARGETS {
        let target = Target::of(product, version_of).expect("a target we know");
        let name = format!("type {} for {product} {version_of}", value_type.0);
        match (transcode(value_type, checked.dialect(), version.into(), body, &target), &content) {
            (Ok(made), Ok((_, digest))) => {
                let (form, number) = (target.dialect, target.rdb_version);
                assert!(target.accepts(made.value_type, form, number), "{name}: not taken");
                let again = counted(made.value_type, form, number, &made.body);
                let (n_elements, again) = again.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(n_elements, made.n_elements, "{name}");
                if made.lost.is_empty() {
                    assert_eq!(again, *digest, "{name}: the content has changed");
                }
            }
            (Ok(_), Err(error)) => panic!("{name}: taken in spite of {error}"),
            (Err(NotPossible::Damaged(error)), _) => assert!(content.is_err(), "{name}: {error}"),
            (Err(NotPossible::Kind(_)), _) => {}
        }
    }
}

/// How many elements a value has, and its digest.
fn counted(value_type: ValueType, dialect: Dialect, version: u32, body: &[u8]) -> Result<(u64, u128), RdbError> {
    // Valkey's fields may expire at zero, which in Redis means never: they expire a millisecond later there. Both are long
    // past, and left out.
    let mut counter = Counter::of_everything(0).fields_expired_before(2);
    counter.header(dialect, version);
    counter.entry(&Entry {
        database: 0,
        key: b"k",
        value_type,
        expire_ms: None,
        idle_seconds: None,
        frequency: None,
        key_meta: None,
        value_offset: 0,
    });
    let n_elements = decode_value(value_type, dialect, version, body, &mut Pieces(&mut counter))?;
    counter.entry_end(&EntryEnd { raw_length: body.len() as u64, n_elements });
    Ok((n_elements, counter.finish().digest))
}

/// Hands on pieces alone.
struct Pieces<'c>(&'c mut Counter);

impl Visit for Pieces<'_> {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        unreachable!("one value has no keys")
    }
    fn piece(&mut self, piece: Piece<'_>) {
        self.0.piece(piece);
    }
    fn long_field(&mut self, hash: u128) {
        self.0.long_field(hash);
    }
}
