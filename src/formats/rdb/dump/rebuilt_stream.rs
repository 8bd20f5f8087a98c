//! A stream put together anew from its content, as a server writes it. Whatever contradicts itself is resolved: of two things of one
//! name or id the first counts, entries stand in the order of their ids, and every pending entry has exactly one owner.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::builder::{length, string};
use super::listpack::Listpack;
use crate::rdb::visit::{Piece, StreamId, StreamInfo, Visit};

/// A node ends with so many entries or bytes (the defaults of `stream-node-max-entries` and `stream-node-max-bytes`).
const ENTRIES_OF_A_NODE: usize = 100;
const BYTES_OF_A_NODE: usize = 4096;

const SAME_FIELDS: i64 = 2;

/// Collects the pieces of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamBuilder {
    text: Vec<u8>,
    words: Vec<Range<usize>>,
    entries: Vec<Entry>,
    info: StreamInfo,
    groups: Vec<Group>,
    /// What is told belongs to a group of a name that was told before.
    in_another: bool,
}

#[derive(Debug)]
struct Entry {
    id: StreamId,
    n_fields: u64,
    /// Its fields and values, by turns.
    words: Range<usize>,
}

#[derive(Debug)]
struct Group {
    name: Vec<u8>,
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: BTreeMap<StreamId, (i64, u64)>,
    consumers: Vec<Consumer>,
    /// To which of them what is told belongs.
    current: usize,
}

#[derive(Debug)]
struct Consumer {
    name: Vec<u8>,
    seen_ms: i64,
    active_ms: Option<i64>,
    owned: Vec<StreamId>,
}

impl StreamBuilder {
    /// Entries that it has.
    pub(super) fn n_entries(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The body, in the first, second or third form; see [`ValueType::stream_form`](crate::rdb::ValueType::stream_form).
    pub(super) fn body(&mut self, form: u8) -> Vec<u8> {
        self.resolve();
        let mut body = Vec::with_capacity(self.text.len() + 64 * self.entries.len());
        let nodes = self.nodes();
        length(&mut body, nodes.len() as u64);
        for (key, listpack) in nodes {
            string(&mut body, &raw(key));
            string(&mut body, &listpack);
        }
        let (first, last) = (self.entries.first(), self.entries.last());
        let last_id = last.map_or(self.info.last_id, |entry| entry.id.max(self.info.last_id));
        length(&mut body, self.n_entries());
        put_id(&mut body, last_id);
        if form >= 2 {
            put_id(&mut body, first.map_or_else(StreamId::default, |entry| entry.id));
            put_id(&mut body, self.info.max_deleted_id.unwrap_or_default().min(last_id));
            length(&mut body, self.info.entries_added.unwrap_or(0).max(self.n_entries()));
        }
        length(&mut body, self.groups.len() as u64);
        for group in &self.groups {
            group.put(&mut body, form);
        }
        body
    }

    fn resolve(&mut self) {
        // What was told in part only is damage, which the reader has said.
        self.entries.retain(|entry| entry.words.len() as u64 == 2 * entry.n_fields);
        self.entries.sort_by_key(|entry| entry.id);
        self.entries.dedup_by_key(|entry| entry.id);
        for group in &mut self.groups {
            let mut owned = HashSet::new();
            for consumer in &mut group.consumers {
                consumer.owned.retain(|id| group.pending.contains_key(id) && owned.insert(*id));
                consumer.owned.sort_unstable();
            }
            group.pending.retain(|id, _| owned.contains(id));
        }
    }

    fn nodes(&self) -> Vec<(StreamId, Vec<u8>)> {
        let mut nodes = Vec::new();
        let mut rest = &self.entries[..];
        while let Some(first) = rest.first() {
            let mut bytes = 0;
            let fits = |entry: &&Entry| {
                let fits = bytes < BYTES_OF_A_NODE;
                bytes += self.words[entry.words.clone()].iter().map(|word| word.len() + 2).sum::<usize>();
                fits
            };
            let n = rest.iter().take(ENTRIES_OF_A_NODE).take_while(fits).count();
            nodes.push((first.id, self.node(&rest[..n])));
            rest = &rest[n..];
        }
        nodes
    }

    /// The names of the first entry's fields are those of the node: Redis `t_stream.c`, `streamAppendItem`.
    fn node(&self, entries: &[Entry]) -> Vec<u8> {
        let mut node = Listpack::new();
        let key = entries[0].id;
        let names =
            |entry: &Entry| self.words[entry.words.clone()].iter().step_by(2).map(|word| &self.text[word.clone()]);
        node.add_integer(entries.len() as i64);
        node.add_integer(0);
        node.add_integer(entries[0].n_fields as i64);
        names(&entries[0]).for_each(|name| node.add(name));
        node.add_integer(0);
        for entry in entries {
            let same = entry.n_fields == entries[0].n_fields && names(entry).eq(names(&entries[0]));
            node.add_integer(if same { SAME_FIELDS } else { 0 });
            node.add_integer(entry.id.ms.wrapping_sub(key.ms).cast_signed());
            node.add_integer(entry.id.seq.wrapping_sub(key.seq).cast_signed());
            let n = entry.n_fields as i64;
            if !same {
                node.add_integer(n);
            }
            let words = self.words[entry.words.clone()].iter().skip(usize::from(same)).step_by(1 + usize::from(same));
            words.for_each(|word| node.add(&self.text[word.clone()]));
            node.add_integer(if same { n + 3 } else { 2 * n + 4 });
        }
        node.finish()
    }
}

impl Visit for StreamBuilder {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::StreamEntry { id, n_fields } => {
                self.entries.push(Entry { id, n_fields, words: self.words.len()..self.words.len() });
            }
            Piece::StreamField { field, value } => {
                for word in [field, value] {
                    let begin = self.text.len();
                    self.text.extend_from_slice(word);
                    self.words.push(begin..self.text.len());
                }
                if let Some(entry) = self.entries.last_mut() {
                    entry.words.end = self.words.len();
                }
            }
            Piece::StreamInfo(info) => self.info = *info,
            Piece::StreamGroup { name, last_id, entries_read } => {
                self.in_another = self.groups.iter().any(|group| group.name == name);
                if !self.in_another {
                    let (pending, consumers) = (BTreeMap::new(), Vec::new());
                    self.groups.push(Group {
                        name: name.to_vec(),
                        last_id,
                        entries_read,
                        pending,
                        consumers,
                        current: 0,
                    });
                }
            }
            piece if !self.in_another => {
                if let Some(group) = self.groups.last_mut() {
                    group.piece(piece);
                }
            }
            _ => {}
        }
    }
}

impl Group {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::StreamPending { id, delivered_ms, count } => {
                self.pending.entry(id).or_insert((delivered_ms, count));
            }
            Piece::StreamConsumer { name, seen_ms, active_ms } => {
                let known = self.consumers.iter().position(|consumer| consumer.name == name);
                self.current = known.unwrap_or_else(|| {
                    self.consumers.push(Consumer { name: name.to_vec(), seen_ms, active_ms, owned: Vec::new() });
                    self.consumers.len() - 1
                });
            }
            Piece::StreamOwned(id) => {
                if let Some(consumer) = self.consumers.get_mut(self.current) {
                    consumer.owned.push(id);
                }
            }
            _ => {}
        }
    }

    fn put(&self, body: &mut Vec<u8>, form: u8) {
        string(body, &self.name);
        put_id(body, self.last_id);
        if form >= 2 {
            // -1 where it is not known.
            length(body, self.entries_read.unwrap_or(u64::MAX));
        }
        length(body, self.pending.len() as u64);
        for (id, (delivered_ms, count)) in &self.pending {
            body.extend(raw(*id));
            body.extend(delivered_ms.to_le_bytes());
            length(body, *count);
        }
        length(body, self.consumers.len() as u64);
        for consumer in &self.consumers {
            string(body, &consumer.name);
            body.extend(consumer.seen_ms.to_le_bytes());
            if form >= 3 {
                body.extend(consumer.active_ms.unwrap_or(-1).to_le_bytes());
            }
            length(body, consumer.owned.len() as u64);
            consumer.owned.iter().for_each(|id| body.extend(raw(*id)));
        }
    }
}

/// An id as sixteen bytes.
fn raw(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn put_id(body: &mut Vec<u8>, id: StreamId) {
    length(body, id.ms);
    length(body, id.seq);
}
