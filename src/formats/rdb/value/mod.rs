//! Values: from every encoding to the pieces that do not depend on it.
//!
//! A [`Reader`] is made where a value begins and run over the bytes as they come. It holds what it needs to go on and no
//! more: strings pass through in parts, elements of plain encodings one by one; a packed blob (listpack, ziplist, intset,
//! zipmap) is checked as a whole, or one element after the other if it is a long one. Its inside is checked whether or not
//! anybody wants to hear the pieces.

mod array;
mod blob;
mod element;
mod elements;
mod intset;
mod listpack;
mod long;
mod members;
mod module;
mod nodes;
mod number;
mod order;
mod shape;
mod stream;
mod stream_node;
mod string;
mod template;
mod ziplist;
mod zipmap;

use super::cursor::{Cursor, Scratch};
use super::error::Stop;
use super::needs::Needs;
use super::oddity::{Oddity, OddityKind, Owner};
use super::opcode::Dialect;
use super::types::{Kind, ValueType};
use super::visit::{LONG_ELEMENT, Piece, Visit};
use members::Members;

pub(crate) use module::Opcodes;
pub(crate) use number::LATEST_EXPIRY;
pub(crate) use template::{Template, Templates};

/// What decoders share from value to value.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) first: Scratch,
    pub(crate) second: Scratch,
    pub(crate) templates: Templates,
    /// Most bytes of a piece that is held in memory.
    pub(crate) limit: u64,
    /// Packed values of more bytes are read element by element as they come.
    pub(crate) long_blob: u64,
    /// Elements of those that have more bytes may be told in parts.
    pub(crate) long_element: u64,
    /// What compares members with each other, if the reader reads on past what is odd.
    pub(crate) compared: Option<Box<Compared>>,
    pub(crate) needs: Needs,
    /// A string of the value that is read does not expand.
    unexpanded: Option<(u64, &'static str)>,
}

/// Names that may stand in one value only once.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Members, fields; pending entries of a group.
    pub(crate) members: Members,
    /// Groups of a stream.
    pub(crate) groups: Members,
    /// Consumers of a group.
    pub(crate) consumers: Members,
}

impl Compared {
    /// Compares at most so many members of one value.
    pub(crate) fn new(most: usize) -> Self {
        Self { members: Members::new(most), groups: Members::new(most / 16), consumers: Members::new(most / 16) }
    }

    /// What was not compared.
    pub(crate) fn not_compared(&self) -> u64 {
        self.members.not_compared() + self.groups.not_compared() + self.consumers.not_compared()
    }
}

impl Tools {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            first: Scratch::default(),
            second: Scratch::default(),
            templates: Templates::default(),
            limit,
            long_blob: long::LONG_BLOB,
            long_element: LONG_ELEMENT,
            compared: None,
            needs: Needs::default(),
            unexpanded: None,
        }
    }

    /// Gives memory back after a piece of unusual size.
    #[inline]
    pub(crate) fn trim(&mut self) {
        self.first.trim(1 << 18);
        self.second.trim(1 << 18);
    }
}

/// Where the inside of a value is told to, or that it is not.
pub(crate) struct Teller<'v, V> {
    pub(crate) visit: &'v mut V,
    pub(crate) pieces: bool,
    pub(crate) whose: Whose<'v>,
}

/// What is done about an oddity in the value that is read: end the reading, or tell it with the key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// The reader stops at what is damaged.
    Strict,
    /// The oddity is told, and the reading goes on. A DUMP payload has no owner.
    Told(Option<Owner<'a>>),
}

impl<V: Visit> Teller<'_, V> {
    #[inline]
    pub(crate) fn tell(&mut self, piece: Piece<'_>) {
        if self.pieces {
            self.visit.piece(piece);
        }
    }

    /// True if what is odd is told and read on past.
    pub(crate) fn reads_on(&self) -> bool {
        matches!(self.whose, Whose::Told(_))
    }

    /// Tells what is odd.
    ///
    /// # Errors
    /// `Corrupt`, if it is damage and the reader is a strict one.
    pub(crate) fn odd(&mut self, kind: OddityKind, offset: u64, numbers: Option<(u64, u64)>) -> Result<(), Stop> {
        self.odd_as(kind, kind.words(), offset, numbers)
    }

    /// Reports an oddity with words of its own.
    #[cold]
    pub(crate) fn odd_as(
        &mut self,
        kind: OddityKind,
        what: &'static str,
        offset: u64,
        numbers: Option<(u64, u64)>,
    ) -> Result<(), Stop> {
        match self.whose {
            Whose::Strict if kind.is_damage() => Err(Stop::corrupt(offset, what)),
            Whose::Strict => Ok(()),
            Whose::Told(owner) => {
                self.visit.oddity(&Oddity { kind, what, offset, owner, library: None, numbers });
                Ok(())
            }
        }
    }
}

/// Reads one value.
#[derive(Debug)]
pub(crate) struct Reader {
    body: Body,
    pieces: bool,
    n_elements: u64,
}

#[derive(Debug)]
enum Body {
    String(string::Passage),
    Elements(elements::Elements),
    Blob(blob::Blob, Option<Box<long::Collection>>),
    Nodes(nodes::Nodes),
    Stream(Box<stream::Stream>),
    Module(module::Module),
    Array(array::Array),
    Template(Box<template::Values>),
    Gcra,
}

impl Reader {
    /// A reader for a type whose kind is known, see [`ValueType::kind`].
    #[inline]
    pub(crate) fn new(value_type: ValueType, kind: Kind, dialect: Dialect, pieces: bool) -> Self {
        use elements::Elements;
        use shape::Shape;
        let body = match (value_type, kind) {
            (_, Kind::String) => Body::String(string::Passage::default()),
            (ValueType::LIST, _) => Body::Elements(Elements::new(Shape::List)),
            (ValueType::SET, _) => Body::Elements(Elements::new(Shape::Set)),
            (ValueType::ZSET, _) => Body::Elements(Elements::new(Shape::ZsetText)),
            (ValueType::HASH, _) => Body::Elements(Elements::new(Shape::Hash)),
            (ValueType::ZSET_2, _) => Body::Elements(Elements::new(Shape::ZsetBinary)),
            (_, Kind::Module) => Body::Module(module::Module::default()),
            (ValueType::HASH_ZIPMAP, _) => Body::Blob(blob::Blob::Zipmap, None),
            (ValueType::LIST_ZIPLIST, _) => Body::Blob(blob::Blob::ListZiplist, None),
            (ValueType::SET_INTSET, _) => Body::Blob(blob::Blob::Intset, None),
            (ValueType::ZSET_ZIPLIST, _) => Body::Blob(blob::Blob::ZsetZiplist, None),
            (ValueType::HASH_ZIPLIST, _) => Body::Blob(blob::Blob::HashZiplist, None),
            (ValueType::LIST_QUICKLIST, _) => Body::Nodes(nodes::Nodes::new(false)),
            (ValueType::LIST_QUICKLIST_2, _) => Body::Nodes(nodes::Nodes::new(true)),
            (ValueType::HASH_LISTPACK, _) => Body::Blob(blob::Blob::HashListpack, None),
            (ValueType::ZSET_LISTPACK, _) => Body::Blob(blob::Blob::ZsetListpack, None),
            (ValueType::SET_LISTPACK, _) => Body::Blob(blob::Blob::SetListpack, None),
            (ValueType::HASH_22, _) if dialect == Dialect::Valkey => {
                Body::Elements(Elements::new(Shape::HashExpiryBehind))
            }
            (ValueType::HASH_22, _) => Body::Elements(Elements::new(Shape::HashExpiryAbsolute)),
            (ValueType::HASH_23, _) => Body::Blob(blob::Blob::HashListpackExpiry, None),
            (ValueType::HASH_METADATA, _) => Body::Elements(Elements::new(Shape::HashExpiryRelative)),
            (ValueType::HASH_LISTPACK_EX, _) => Body::Blob(blob::Blob::HashListpackExpiryMinimum, None),
            (_, Kind::Stream) => Body::Stream(Box::new(stream::Stream::new(value_type.stream_form()))),
            (_, Kind::Array) => Body::Array(array::Array::default()),
            (_, Kind::Gcra) => Body::Gcra,
            // What is left are the hashes with a template. Kinds are named one by one, so that a new one has no reader by chance.
            (_, Kind::List | Kind::Set | Kind::Zset | Kind::Hash) => {
                Body::Template(Box::new(template::Values::new(value_type)))
            }
        };
        Self { body, pieces, n_elements: 0 }
    }

    /// Goes on; `Ok` once the value is complete.
    #[inline]
    pub(crate) fn run<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        visit: &mut V,
        whose: Whose<'_>,
    ) -> Result<(), Stop> {
        let teller = &mut Teller { visit, pieces: self.pieces, whose };
        cursor.tolerate(teller.reads_on());
        let read = self.read(cursor, tools, teller);
        cursor.tolerate(false);
        if let Some(unexpanded) = cursor.unexpanded() {
            tools.unexpanded.get_or_insert(unexpanded);
        }
        if read.is_ok()
            && let Some((at, what)) = tools.unexpanded.take()
        {
            teller.odd_as(OddityKind::UnreadableValue, what, at, None)?;
        }
        read
    }

    #[inline]
    fn read<V: Visit>(
        &mut self,
        cursor: &mut Cursor<'_>,
        tools: &mut Tools,
        teller: &mut Teller<'_, V>,
    ) -> Result<(), Stop> {
        let n = &mut self.n_elements;
        match &mut self.body {
            Body::String(string) => {
                *n = 1;
                string.run(cursor, &mut tools.first, teller.pieces, |part| teller.visit.piece(Piece::String(part)))
            }
            Body::Elements(elements) => elements.run(cursor, tools, teller, n),
            Body::Blob(blob, long) => blob.run(long, cursor, tools, teller, n),
            Body::Nodes(nodes) => nodes.run(cursor, tools, teller, n),
            Body::Stream(stream) => stream.run(cursor, tools, teller, n),
            Body::Module(module) => {
                *n = 1;
                module.run(cursor, tools, teller)
            }
            Body::Array(array) => array.run(cursor, tools, teller, n),
            Body::Template(values) => values.run(cursor, tools, teller, n),
            Body::Gcra => {
                *n = 1;
                let value = cursor.length()?;
                teller.tell(Piece::Gcra(value));
                cursor.commit();
                Ok(())
            }
        }
    }

    /// Elements so far; 1 for what has none.
    pub(crate) fn n_elements(&self) -> u64 {
        self.n_elements
    }
}
