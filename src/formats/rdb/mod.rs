//! The RDB format: what `SAVE` writes, what a replica is sent, and what `DUMP` answers.
//!
//! # The format in ten minutes
//!
//! A file is a header, a sequence of records without any nesting or index, and a checksum:
//!
//! ```text
//! REDIS0011                                 magic word and version ("VALKEY080" from Valkey 9 on)
//! FA  "redis-ver" "7.2.6"                   aux fields: what the file says of itself
//! FE  00                                    all that follows belongs to database 0
//! FB  05 01                                 a hint: five keys, one with an expiry
//! FC  <int64 ms>  00  "session:1" "…"       an expiry, then type, key, value
//! 10  "user:1" <listpack>                   another type, key, value
//! FF  <CRC64>                               the end; zero means that no checksum was computed
//! ```
//!
//! **Records.** The first byte is an opcode (242 to 255, see [`opcode`]) or the type of a value (see [`types`]). Attributes (expiry, LRU,
//! LFU, metadata) stand before the key they belong to, and are gone after it. What is unknown cannot be skipped: a record
//! does not say how long it is.
//!
//! **Lengths** have one, two, five or nine bytes; the two highest bits of the first say which. `00` is six bits, `01` is 14
//! bits, `0x80` and `0x81` stand before 32 and 64 bits (big-endian). `11` is no length but an encoded string. (`cursor.rs`)
//!
//! **Strings** are a length and bytes, or a small integer (`C0` to `C2`) that stands for its decimal text, or LZF (`C3`,
//! compressed length, expanded length). Keys, members and whole packed values are strings alike. All other numbers are
//! little-endian.
//!
//! ```text
//! 05 h e l l o                five bytes
//! 41 2C …                     0x12C = 300 bytes follow
//! C1 39 30                    the 16 bits 0x3039: the text "12345"
//! C3 05 0C 00 61 E0 02 00     LZF, five bytes for twelve: the letter a, then eleven times what stands one byte before
//! ```
//!
//! **Values** of the same kind have many encodings, since a server writes down what it has in memory:
//!
//! | kind | element by element | packed into one string, or several |
//! |---|---|---|
//! | string | 0 | |
//! | list | 1 | 10 ziplist; 14 chain of ziplists; 18 chain of listpacks and plain elements |
//! | set | 2 | 11 integers; 20 listpack |
//! | sorted set | 3 (scores as text), 5 (as doubles) | 12 ziplist; 17 listpack |
//! | hash | 4; with field expiry 24, Valkey 22 | 9 zipmap; 13 ziplist; 16 listpack; 25 listpack with expiry |
//! | hash with a template (Redis 8.10) | 31, 32 | 29 from version 15 on, 30 |
//! | stream | | 15, 19, 21, 26, 27: listpacks, then ids, groups and what is pending |
//! | module | 7: framed, otherwise opaque | |
//! | array (Redis 8.8) | 28 | |
//! | rate limiter (Redis 8.8 built with it, 8.10) | 29 in version 14; 33 | |
//!
//! Element by element means a count, then strings: members, or field and value, or member and score. Packed means one
//! string whose inside is laid out as it is in the server's memory:
//!
//! ```text
//! listpack   u32 bytes, u16 elements, elements, FF       an element: head of 1 to 5 bytes (which says whether it is text or
//!                                                        number, and how long), text or number, its own length (to walk back)
//! ziplist    u32 bytes, u32 last, u16 elements, …, FF    an element: length of the one before it (to walk back), head, text
//!                                                        or number
//! intset     u32 width, u32 count, numbers               2, 4 or 8 bytes each, ascending
//! zipmap     count, (length, field, length, free, value) …, FF
//! ```
//!
//! Fields and values, members and scores take turns in them. A count of 65535 in a header means that nobody counted.
//! A **stream** is a chain of nodes, each an id and a listpack; within, entries are told by how they differ from the node's
//! first (`value/stream_node.rs`). Behind the nodes stand the last id and the groups, each with what is pending (id, time of
//! delivery, how often) and its consumers with the ids that each of them owns (`value/stream.rs`). A **module** writes
//! numbers and strings, an opcode before each, and opcode 0 at the end (`value/module.rs`).
//!
//! **Versions** grow by new numbers; a layout never changes under its number. Redis and Valkey parted at 11: the numbers 22,
//! 23, 242 and 243 mean other things in each, and the magic word tells which ([`Dialect`]). In a DUMP payload, which has no
//! magic word, the version does: Valkey counts from 80.
//!
//! **The checksum** is a CRC64 of all bytes before it (from version 5 on). What follows it is no part of the file: an
//! append-only file after its preamble, the end mark of a diskless transfer, or something odd.
//!
//! # What is here
//!
//! - [`Scanner`]: bytes in, events out ([`visit::Visit`]). Checks all structure, also inside values, and the checksum. Memory
//!   is bounded: strings of any length pass through, elements that nobody wants to hear too; a packed value, and an element
//!   that is told, is held whole, up to a limit.
//! - [`Tail`], [`Scanner::skim`]: length and checksum of what is not understood.
//! - [`dump`]: DUMP payloads: made, checked, decoded, and in another form for an older target.
//! - [`DuplicateKeys`]: the same key twice, which servers do not forgive.
//!
//! What is read here was written by others. A length is never believed before its bytes are there, except where it can be
//! bounded by them (LZF expands three bytes to at most 264). Checking the structure takes time linear in the bytes. What is
//! told may be longer: a stream's node, and a template of hashes, name their fields once, and a listener hears the names
//! again with every entry; of long ones it is told the hash as well, so that it need not read them again
//! ([`visit::Visit::long_field`]).
//!
//! # What is not checked
//!
//! The same member twice within one value (servers differ in what they do; [`dump::transcode`] reports it); the inside of a
//! module's value; what an LZF string without listener expands to (only that it expands to the length announced); the
//! content of the hints. Valkey 9.2's path hashes (type 23) and updates (opcode 242) are not understood: the layout is not
//! published.

mod crc64;
mod cursor;
pub mod dump;
mod duplicates;
mod error;
mod lzf;
pub mod module;
mod needs;
pub mod oddity;
pub mod opcode;
mod scanner;
mod spool;
mod tail;
mod text;
pub mod types;
mod value;
pub mod visit;

pub use crc64::{Crc64, crc64};
pub use duplicates::{DuplicateKeys, Duplicates, Repeated};
pub use error::{ErrorKind, RdbError};
pub use needs::Needs;
pub use oddity::{Fate, Oddities, Oddity, OddityKind, Server};
pub use opcode::Dialect;
pub use scanner::{HintMismatch, Scanner, Summary};
pub use spool::Spool;
pub use tail::Tail;
pub use types::{Kind, ValueType};
