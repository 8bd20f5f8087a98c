//! A node of a stream: a listpack with a master entry, whose field names entries may share, and the entries.
//!
//! ```text
//! master   count  deleted  num-fields  field …  0
//! entry    flags  ms-diff  seq-diff  [num-fields  field value …]   lp-count
//!                                    [value …]      if the entry has the master's fields
//! ```
//! Redis `t_stream.c`, `streamAppendItem`. Deleted entries (flag 1) keep their content until their node is rewritten.

use xxhash_rust::xxh3::xxh3_128;

use super::Teller;
use super::element::{Bad, Element, bad};
use super::listpack::Listpack;
use crate::rdb::oddity::OddityKind;
use crate::rdb::visit::{LONG_FIELD, Piece, StreamId, Visit};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
pub(super) const SHORT: &str = "stream node ends within an entry";
pub(super) const FLAGS: &str = "flags of a stream entry that are no number";
pub(super) const NO_NUMBER: &str = "text where a stream node has a number";
pub(super) const MASTER_END: &str = "stream node without the end of its master entry";
pub(super) const ENTRY_COUNT: &str = "stream entry with a wrong count behind it";
pub(super) const TOO_MANY_FIELDS: &str = "stream entry claims more fields than its node has bytes";

/// What a node is found to be.
#[derive(Debug)]
pub(super) struct Node {
    key: StreamId,
    /// The last living entry, of this node or of one before it.
    pub(super) last: Option<StreamId>,
    /// How many living entries it has.
    pub(super) living: u64,
    /// What is odd in it though it can be read on past, and at which of its bytes: flags, order, count.
    pub(super) odd: [Option<(OddityKind, usize)>; 3],
}

impl Node {
    pub(super) fn new(key: StreamId, last: Option<StreamId>) -> Self {
        Self { key, last, living: 0, odd: [None; 3] }
    }

    pub(super) fn walk<V: Visit>(&mut self, blob: &[u8], teller: &mut Teller<'_, V>) -> Result<(), Bad> {
        let mut walk = Listpack::new(blob)?;
        let (count, deleted) = (number(&mut walk)?, number(&mut walk)?);
        let n_fields = count_of(&mut walk)?;
        let fields_at = walk.position();
        // At most a sixteenth of what the node has bytes.
        let mut long_fields = Vec::new();
        for _ in 0..n_fields {
            if let Element::Bytes(field) = element(&mut walk)?
                && field.len() > LONG_FIELD
                && teller.pieces
            {
                long_fields.push(xxh3_128(field));
            }
        }
        let at = walk.position();
        if number(&mut walk)? != 0 {
            return bad(at, MASTER_END);
        }

        let mut dead = 0_i64;
        loop {
            let at = walk.position();
            let Some(flags) = walk.next()? else { break };
            let Some(flags) = flags.integer() else { return bad(at, FLAGS) };
            let difference = (number(&mut walk)?, number(&mut walk)?);
            let same = is_same(flags);
            let n = if same { n_fields } else { count_of(&mut walk)? };
            let (id, is_alive) = self.note(flags, difference, at);
            dead += i64::from(!is_alive);
            let told = is_alive && teller.pieces;
            if told {
                teller.visit.piece(Piece::StreamEntry { id, n_fields: n as u64 });
            }
            let names = (same && told).then(|| Names { walk: Listpack::at(blob, fields_at), long: long_fields.iter() });
            contents(&mut walk, names, same, n, told, teller)?;
            let at = walk.position();
            let expected = if same { n + 3 } else { 2 * n + 4 };
            if usize::try_from(number(&mut walk)?) != Ok(expected) {
                return bad(at, ENTRY_COUNT);
            }
        }
        self.count((count, deleted), dead);
        Ok(())
    }

    /// An entry with these flags, whose id differs so from the node's, begins here: its id, and whether it lives.
    pub(super) fn note(&mut self, flags: i64, difference: (i64, i64), at: usize) -> (StreamId, bool) {
        if flags & !(DELETED | SAME_FIELDS) != 0 {
            self.odd[0].get_or_insert((OddityKind::StreamFlags, at));
        }
        let ms = self.key.ms.wrapping_add(difference.0.cast_unsigned());
        let seq = self.key.seq.wrapping_add(difference.1.cast_unsigned());
        let id = StreamId { ms, seq };
        let is_alive = flags & DELETED == 0;
        if is_alive {
            if self.last.is_some_and(|last| last >= id) {
                self.odd[1].get_or_insert((OddityKind::StreamOrder, at));
            }
            self.last = self.last.max(Some(id));
            self.living += 1;
        }
        (id, is_alive)
    }

    /// The node has ended: it says that so many live and so many are deleted, and so many were found deleted.
    pub(super) fn count(&mut self, said: (i64, i64), dead: i64) {
        if (i64::try_from(self.living), dead) != (Ok(said.0), said.1) {
            self.odd[2] = Some((OddityKind::StreamNodeCount, 6));
        } else if self.living == 0 {
            self.odd[2] = Some((OddityKind::EmptyStreamNode, 6));
        }
    }
}

/// Whether an entry of these flags has the fields of the master entry.
pub(super) fn is_same(flags: i64) -> bool {
    flags & SAME_FIELDS != 0
}

/// The fields of the master entry, and the hashes of those that are long.
struct Names<'a, 'h> {
    walk: Listpack<'a>,
    long: std::slice::Iter<'h, u128>,
}

impl<'a> Names<'a, '_> {
    /// The next field; its hash is told if it has one.
    fn next<V: Visit>(&mut self, teller: &mut Teller<'_, V>) -> Result<Element<'a>, Bad> {
        let field = element(&mut self.walk)?;
        if let Element::Bytes(bytes) = field
            && bytes.len() > LONG_FIELD
            && let Some(hash) = self.long.next()
        {
            teller.visit.long_field(*hash);
        }
        Ok(field)
    }
}

/// Reads fields and values of an entry.
fn contents<'a, V: Visit>(
    walk: &mut Listpack<'a>,
    mut names: Option<Names<'a, '_>>,
    same: bool,
    n: usize,
    told: bool,
    teller: &mut Teller<'_, V>,
) -> Result<(), Bad> {
    let (mut left, mut right) = ([0; 20], [0; 20]);
    for _ in 0..n {
        let field = match &mut names {
            Some(names) => names.next(teller)?,
            None if same => Element::Integer(0),
            None => element(walk)?,
        };
        let value = element(walk)?;
        if told {
            let (field, value) = (field.text(&mut left), value.text(&mut right));
            teller.visit.piece(Piece::StreamField { field, value });
        }
    }
    Ok(())
}

fn element<'a>(walk: &mut Listpack<'a>) -> Result<Element<'a>, Bad> {
    let at = walk.position();
    match walk.next()? {
        Some(element) => Ok(element),
        None => bad(at, SHORT),
    }
}

fn number(walk: &mut Listpack<'_>) -> Result<i64, Bad> {
    let at = walk.position();
    match element(walk)?.integer() {
        Some(number) => Ok(number),
        None => bad(at, NO_NUMBER),
    }
}

/// A number of fields: no more than the node has bytes.
fn count_of(walk: &mut Listpack<'_>) -> Result<usize, Bad> {
    let at = walk.position();
    match usize::try_from(number(walk)?) {
        Ok(n) if n <= walk.size() => Ok(n),
        _ => bad(at, TOO_MANY_FIELDS),
    }
}
