//! The digest once more, written down from the documentation of `census`, over whole values and in one go.

use redis_ops::rdb::visit::StreamId;
use xxhash_rust::xxh3::xxh3_128;

use super::model::{Group, Key, Part, Stream, Value};

/// A row of bytes.
#[derive(Default)]
pub struct Row(Vec<u8>);

impl Row {
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }
    pub fn u128(mut self, number: u128) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }
    pub fn str(self, bytes: &[u8]) -> Self {
        let mut row = self.u64(bytes.len() as u64);
        row.0.extend(bytes);
        row
    }
    pub fn name(self, bytes: &[u8]) -> Self {
        match bytes.len() {
            0..=128 => self.str(bytes),
            long => self.u64(long as u64).u128(xxh3_128(bytes)),
        }
    }
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    pub fn opt(self, number: Option<i64>) -> Self {
        match number {
            None => self.raw(&[0]),
            Some(number) => self.raw(&[1]).u64(number as u64),
        }
    }
    pub fn id(self, id: StreamId) -> Self {
        self.u64(id.ms).u64(id.seq)
    }
    pub fn sum(self, hashes: impl Iterator<Item = u128>) -> Self {
        let (count, sum) = hashes.fold((0, 0_u128), |(count, sum), hash| (count + 1, sum.wrapping_add(hash)));
        self.u64(count).u128(sum)
    }
    pub fn hash(self) -> u128 {
        xxh3_128(&self.0)
    }
}

fn added(hashes: impl Iterator<Item = u128>) -> u128 {
    hashes.fold(0, u128::wrapping_add)
}

fn bits(score: f64) -> u64 {
    if score == 0.0 { 0 } else { score.to_bits() }
}

pub fn digest(keys: &[Key]) -> u128 {
    added(keys.iter().map(content))
}

pub fn content(key: &Key) -> u128 {
    let (name, count, value) = value(&key.value);
    let row = Row::default().u64(key.database).str(&key.name).str(name.as_bytes()).opt(key.expire_ms);
    row.u64(count as u64).u128(value).hash()
}

pub fn identity(key: &Key) -> u128 {
    Row::default().u64(key.database).str(&key.name).hash()
}

/// Type, count and hash.
pub fn value(value: &Value) -> (String, usize, u128) {
    let row = Row::default;
    match value {
        Value::String(bytes) => ("string".into(), bytes.len(), row().raw(bytes).hash()),
        Value::List(elements) => {
            ("list".into(), elements.len(), elements.iter().fold(row(), |row, element| row.str(element)).hash())
        }
        Value::Set(members) => {
            ("set".into(), members.len(), added(members.iter().map(|member| row().str(member).hash())))
        }
        Value::Hash(fields) => {
            let hash = |(field, value, expiry): &(Vec<u8>, Vec<u8>, Option<i64>)| {
                row().name(field).opt(*expiry).str(value).hash()
            };
            ("hash".into(), fields.len(), added(fields.iter().map(hash)))
        }
        Value::Zset(members) => {
            let hash = |(member, score): &(Vec<u8>, f64)| row().str(member).u64(bits(*score)).hash();
            ("zset".into(), members.len(), added(members.iter().map(hash)))
        }
        Value::Stream(value) => ("stream".into(), value.entries.len(), stream(value)),
        Value::Module(id, parts) => {
            let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let name: String = (0..9).map(|at| letters[(id >> (58 - 6 * at) & 63) as usize] as char).collect();
            let whole = parts.iter().fold(row(), |row, part| match part {
                Part::Signed(number) => row.raw(&[1]).u64(*number as u64),
                Part::Unsigned(number) => row.raw(&[2]).u64(*number),
                Part::Float(number) => row.raw(&[3]).raw(&number.to_bits().to_le_bytes()),
                Part::Double(number) => row.raw(&[4]).u64(number.to_bits()),
                Part::String(bytes) => row.raw(&[5]).str(bytes),
            });
            (format!("module:{name}"), parts.len(), whole.hash())
        }
    }
}

fn stream(stream: &Stream) -> u128 {
    let entries = stream.entries.iter().fold(Row::default(), |row, (id, fields)| {
        let row = row.id(*id).u64(fields.len() as u64);
        fields.iter().fold(row, |row, (field, value)| row.name(field).str(value))
    });
    let groups = stream.groups.iter().map(group);
    Row::default().u128(entries.hash()).id(stream.last_id).sum(groups).hash()
}

fn group(group: &Group) -> u128 {
    let row = Row::default;
    let pending = group.pending.iter();
    let owned = pending.clone().filter_map(|one| Some(row().name(one.owner.as_ref()?).id(one.id).hash()));
    let released = pending.clone().filter(|one| one.owner.is_none()).map(|one| row().id(one.id).hash());
    row()
        .str(&group.name)
        .id(group.last_id)
        .sum(group.consumers.iter().map(|name| row().str(name).hash()))
        .sum(pending.map(|one| row().id(one.id).u64(one.delivered_ms as u64).u64(one.count).hash()))
        .sum(owned)
        .sum(released)
        .hash()
}
