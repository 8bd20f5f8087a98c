//! What of a stream is not an entry: last id, groups, consumers, pending entries.
//!
//! The file gives a group's pending entries with time and count first, and only then which consumer owns which. They are
//! added up as two sums, so that nothing has to be remembered to join them.

use super::sponge::{Sponge, hash_of};
use crate::rdb::visit::{LONG_FIELD, Piece, StreamId};

/// A number of things and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u64,
    hash: u128,
}

impl Sum {
    fn add(&mut self, hash: u128) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    fn put(self, into: &mut Sponge) {
        into.number(self.count);
        into.wide(self.hash);
    }
}

#[derive(Default)]
pub(super) struct StreamDigest {
    last_id: StreamId,
    groups: Sum,
    in_group: bool,
    group: Vec<u8>,
    group_last_id: StreamId,
    consumers: Sum,
    pending: Sum,
    owned: Sum,
    released: Sum,
    /// Name of the consumer whose entries come next; of a long name its hash.
    consumer: Vec<u8>,
    consumer_hash: Option<u128>,
}

impl StreamDigest {
    pub fn clear(&mut self) {
        self.last_id = StreamId::default();
        self.groups = Sum::default();
        self.in_group = false;
    }

    /// Takes the pieces of a stream that are neither entries nor fields.
    pub fn piece(&mut self, piece: Piece<'_>, sponge: &mut Sponge) {
        match piece {
            Piece::StreamInfo(info) => self.last_id = info.last_id,
            Piece::StreamGroup { name, last_id, .. } => {
                self.end_group(sponge);
                self.in_group = true;
                self.group.clear();
                self.group.extend_from_slice(name);
                self.group_last_id = last_id;
                (self.consumers, self.pending) = (Sum::default(), Sum::default());
                (self.owned, self.released) = (Sum::default(), Sum::default());
            }
            Piece::StreamPending { id, delivered_ms, count } => {
                put_id(id, sponge);
                sponge.bytes(&delivered_ms.to_le_bytes());
                sponge.number(count);
                self.pending.add(sponge.squeeze());
            }
            Piece::StreamConsumer { name, .. } => {
                self.consumer.clear();
                self.consumer.extend_from_slice(name);
                self.consumer_hash = (name.len() > LONG_FIELD).then(|| hash_of(name));
                sponge.string(name);
                self.consumers.add(sponge.squeeze());
            }
            Piece::StreamOwned(id) => {
                sponge.name(&self.consumer, self.consumer_hash);
                put_id(id, sponge);
                self.owned.add(sponge.squeeze());
            }
            Piece::StreamReleased(id) => {
                put_id(id, sponge);
                self.released.add(sponge.squeeze());
            }
            // Idempotent producers fade with time, and servers before 8.6 have none.
            _ => {}
        }
    }

    fn end_group(&mut self, sponge: &mut Sponge) {
        if !std::mem::take(&mut self.in_group) {
            return;
        }
        sponge.string(&self.group);
        put_id(self.group_last_id, sponge);
        for sum in [self.consumers, self.pending, self.owned, self.released] {
            sum.put(sponge);
        }
        self.groups.add(sponge.squeeze());
    }

    /// The hash of the whole, given that of its entries.
    pub fn finish(&mut self, entries: u128, sponge: &mut Sponge) -> u128 {
        self.end_group(sponge);
        sponge.wide(entries);
        put_id(self.last_id, sponge);
        self.groups.put(sponge);
        sponge.squeeze()
    }
}

fn put_id(id: StreamId, sponge: &mut Sponge) {
    sponge.number(id.ms);
    sponge.number(id.seq);
}
