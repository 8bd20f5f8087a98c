//! DUMP payloads: of a real server, made from files, and for older targets.

use redis_ops::rdb::dump::{self, Loss, Target, decode_value, transcode};
use redis_ops::rdb::visit::{Entry, EntryEnd, Interest, Piece, Visit};
use redis_ops::rdb::{Dialect, Kind, ValueType};

use super::recorder::scan_whole;
use crate::support::fixtures;

/// Payloads that redis-server 7.0.15 answered to DUMP.
const VECTORS: &[(&str, &str)] = &[
    ("00c0050a00632f5f66832fb351", "string 5"),
    ("00c0fd0a001b7169e0858ce006", "string -3"),
    ("00c2701101000a0001a408fe953095a5", "string 70000"),
    ("000d313039393531313632373737360a00dcd5c1feb95f4c57", "string 1099511627776"),
    (
        "00c30d320568656c6c6f68e02104016c6f0a00717dc65bab9fc980",
        "string hellohellohellohellohellohellohellohellohellohello",
    ),
    ("1201020d0d0000000300000101010201ff0a0066a372cd97ab5223", "list 0 1 2"),
    ("0b0e02000000030000000100020003000a00a5025ce26d6e4d1b", "set 1 2 3"),
    ("110f0f0000000200816d0283312e3504ff0a0049d9876078254e8a", "zset m=1.5"),
    ("100d0d0000000200816602817602ff0a0020f13d442354089d", "hash f=v"),
    (
        "13011000000000000000010000000000000001333300000013000201000101018166020001020100010001817602040100010101000102018166\
         02817602816702817702 0801ff02020101010000020101670101010100000000000000010000000000000001 7947ec05a2010000 0101\
         0163 7947ec05a2010000 01 00000000000000010000000000000001 0a00 1b5c790bec8fe9a7",
        "stream 1-1(f=v) 2-1(f=v g=w) last 2-1 group g pending 1-1 consumer c owns 1-1",
    ),
];

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text.replace([' ', '\n'], "")).unwrap()
}

/// Writes a value as a short sentence.
#[derive(Default)]
struct Sentence(String);

impl Visit for Sentence {
    fn piece(&mut self, piece: Piece<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let words = match piece {
            Piece::String(part) => format!(" {}", text(part)),
            Piece::ListElement(element) | Piece::SetMember(element) => format!(" {}", text(element)),
            Piece::ZsetMember { member, score } => format!(" {}={score}", text(member)),
            Piece::HashField { field, value, .. } => format!(" {}={}", text(field), text(value)),
            Piece::StreamEntry { id, .. } => format!(" {}-{}()", id.ms, id.seq),
            Piece::StreamField { field, value } => {
                let first = if self.0.ends_with("()") { "" } else { " " };
                self.0.pop();
                format!("{first}{}={})", text(field), text(value))
            }
            Piece::StreamInfo(info) => format!(" last {}-{}", info.last_id.ms, info.last_id.seq),
            Piece::StreamGroup { name, .. } => format!(" group {}", text(name)),
            Piece::StreamPending { id, .. } => format!(" pending {}-{}", id.ms, id.seq),
            Piece::StreamConsumer { name, .. } => format!(" consumer {}", text(name)),
            Piece::StreamOwned(id) => format!(" owns {}-{}", id.ms, id.seq),
            _ => String::new(),
        };
        self.0 += &words;
    }
}

#[test]
fn payloads_of_a_real_server_are_read_and_made_again() {
    for (payload, expected) in VECTORS {
        let payload = bytes(payload);
        let checked = dump::check(&payload).unwrap();
        assert_eq!((checked.version, checked.key_meta), (10, None));
        let kind = checked.value_type.kind(Dialect::Redis, 10).unwrap();
        let mut sentence = Sentence(kind.to_string());
        decode_value(checked.value_type, checked.dialect(), 10, checked.body, &mut sentence).unwrap();
        assert_eq!(sentence.0, *expected);
        assert_eq!(dump::payload(checked.value_type, None, checked.body, 10), payload);
    }
}

#[test]
fn a_payload_with_any_bit_flipped_or_cut_is_refused() {
    for (payload, sentence) in VECTORS {
        let payload = bytes(payload);
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(dump::check(&flipped).is_err(), "{sentence}: bit {bit}");
            // Also without the checksum there is an answer.
            let body = &flipped[1..flipped.len() - dump::FOOTER_LENGTH];
            _ = decode_value(ValueType(flipped[0]), Dialect::Redis, 15, body, &mut ());
        }
        (0..payload.len()).for_each(|end| assert!(dump::check(&payload[..end]).is_err()));
    }
}

#[test]
fn metadata_of_a_key_stands_before_the_type() {
    // One class of four bytes, a number, the end.
    let meta = [1, 0xaa, 0xbb, 0xcc, 0xdd, 2, 7, 0];
    let payload = dump::payload(ValueType::STRING, Some(&meta), b"\x01x", 13);
    let checked = dump::check(&payload).unwrap();
    assert_eq!((checked.key_meta, checked.body), (Some(&meta[..]), &b"\x01x"[..]));
    assert_eq!(payload[0], 243);
}

/// A value of a fixture: key, type, body, sentence.
type Value = (Vec<u8>, ValueType, Vec<u8>);

#[derive(Default)]
struct Values(Vec<Value>, Option<(Dialect, u32)>);

impl Visit for Values {
    fn header(&mut self, dialect: Dialect, version: u32) {
        self.1 = Some((dialect, version));
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.0.push((entry.key.to_vec(), entry.value_type, Vec::new()));
        Interest { raw: true, pieces: false }
    }
    fn raw(&mut self, bytes: &[u8]) {
        self.0.last_mut().unwrap().2.extend_from_slice(bytes);
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        assert_eq!(self.0.last().unwrap().2.len() as u64, end.raw_length);
    }
}

/// All pieces that the plain types can hold, sorted.
#[derive(Default)]
struct Pieces(Vec<String>, bool);

impl Visit for Pieces {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::HashField { field, value, .. } if !self.1 => self.0.push(format!("{field:?} {value:?}")),
            Piece::String(part) => match self.0.first_mut() {
                Some(before) => *before += &hex::encode(part),
                None => self.0.push(hex::encode(part)),
            },
            piece => self.0.push(format!("{piece:?}")),
        }
    }
}

fn pieces(value_type: ValueType, dialect: Dialect, version: u32, body: &[u8], expiries: bool) -> Vec<String> {
    let mut pieces = Pieces(Vec::new(), expiries);
    decode_value(value_type, dialect, version, body, &mut pieces).unwrap();
    pieces.0
}

#[test]
fn values_of_every_file_survive_transcoding_for_every_target() {
    let targets = [("redis", "6.2"), ("redis", "7.0"), ("redis", "8.0"), ("valkey", "9.1")];
    for fixture in fixtures::valid() {
        if fixture.rdb.len() > 12_000 {
            continue;
        }
        let mut values = Values::default();
        scan_whole(&fixture.rdb, &mut values).unwrap();
        let (dialect, version) = values.1.unwrap();
        for (key, value_type, body) in &values.0 {
            for (product, product_version) in targets {
                let target = Target::of(product, product_version).unwrap();
                let kind = value_type.kind(dialect, version).unwrap();
                let made = transcode(*value_type, dialect, version, body, &target);
                if kind == Kind::Module {
                    assert!(made.is_err());
                    continue;
                }
                let made = made.unwrap_or_else(|error| panic!("{} {key:?}: {error}", fixture.name));
                assert!(target.accepts(made.value_type, target.dialect, target.rdb_version), "{made:?}");
                if kind == Kind::Stream {
                    // Forms differ in what they say of groups; the entries are the same.
                    let entries = |pieces: Vec<String>| -> Vec<String> {
                        pieces.into_iter().filter(|piece| piece.contains("Entry") || piece.contains("Owned")).collect()
                    };
                    let again = pieces(made.value_type, target.dialect, target.rdb_version, &made.body, true);
                    assert_eq!(entries(again), entries(pieces(*value_type, dialect, version, body, true)));
                    continue;
                }
                let keeps = !made.lost.iter().any(|loss| matches!(loss, Loss::FieldExpiries(_)));
                let before = pieces(*value_type, dialect, version, body, keeps);
                let after = pieces(made.value_type, target.dialect, target.rdb_version, &made.body, keeps);
                assert!(before == after, "{} {key:?} for {product} {product_version}", fixture.name);
            }
        }
    }
}

#[test]
fn a_hash_with_a_field_twice_is_given_on_with_the_first() {
    let target = Target::of("redis", "6.2").unwrap();
    let made = transcode(ValueType::HASH, Dialect::Redis, 9, b"\x02\x01a\x011\x01a\x012", &target).unwrap();
    assert_eq!((made.body.as_slice(), made.lost.as_slice()), (&b"\x01\x01a\x011"[..], &[Loss::Duplicates(1)][..]));
}

#[test]
fn an_expiry_later_than_redis_can_write_down_is_lost_and_said() {
    let target = Target::of("redis", "8.0").unwrap();
    let late = [&b"\x01\x01f\x01v"[..], &(1_i64 << 48).to_le_bytes()].concat();
    let made = transcode(ValueType::HASH_22, Dialect::Valkey, 80, &late, &target).unwrap();
    assert_eq!((made.value_type, made.body.as_slice()), (ValueType::HASH, &b"\x01\x01f\x01v"[..]));
    assert_eq!(made.lost, [Loss::FieldExpiries(1)]);
}
