//! What a data set contains: counts, sizes, expiries, and a digest that does not depend on order or encoding.
//!
//! [`Counter`] is a visitor of an RDB ([`crate::rdb::visit::Visit`]); it makes a [`Census`]. Below it stands [`Digester`], which
//! makes a [`Record`] of every key and hands it to a [`Sink`]: counting is one, comparing key by key is another. A
//! [`Choice`] says which keys count and with which expiry; [`Selection`] is the one that users type. [`encode`] and
//! [`decode`] are the form of `census.bin`.
//!
//! # The digest, version 1
//!
//! Equal data have equal digests, whichever server wrote them, in whatever order and encoding. It guards against loss and
//! change by accident; somebody who constructs collisions of XXH3 can deceive it.
//!
//! `H` is XXH3-128 with seed 0, a number of 128 bits. Hashed are rows of bytes, in which
//!
//! * `u64` is eight bytes, `u128` sixteen, both little-endian, a negative number in two's complement;
//! * `str` is its length as `u64`, then its bytes;
//! * `name` is a `str` if it has at most 128 bytes, else its length as `u64`, then the `u128` of its `H`: a file may name a
//!   field once for a million elements, and a sink that hashes it with each of them need not read it again;
//! * `opt` is one byte 0 for nothing, or one byte 1 and the `u64`;
//! * `id` of a stream is `u64` milliseconds, `u64` sequence number;
//! * `sum` of things is how many there are as `u64`, then the sum of their hashes modulo 2^128 as `u128`.
//!
//! The **content hash** of a key is
//!
//! ```text
//! H( u64 database · str key · str type · opt expiry in Unix ms · u64 count · u128 value )
//! ```
//!
//! and the digest of a data set is the sum of the content hashes of its keys modulo 2^128; 0 for none. The `type` is what
//! `TYPE` says, with `module:` and nine characters for a module's ([`KeyType`]). `count` and `value` are by type:
//!
//! | type | count | value |
//! |---|---|---|
//! | string | its bytes | `H(bytes)` |
//! | list | elements | `H` of all elements as `str`, head first |
//! | set | members | sum of `H(str member)` |
//! | hash | fields | sum of `H(name field · opt expiry · str value)` |
//! | zset | members | sum of `H(str member · u64 score)`, the score as the bits of a double, -0 as 0 |
//! | stream | entries | see below |
//! | array | elements | `H` of all elements, ascending, as `u64 index`, a byte 0 and `str text`, or a byte 1 and the bits of a double as with scores; then `u64` insert index, 2^64-1 for none. An integer is its decimal text |
//! | gcra | 1 | `H(u64 value)` |
//! | module | parts | `H` of all parts in order: a byte 1 and `u64` signed, 2 and `u64` unsigned, 3 and four bytes of a float, 4 and the eight of a double, 5 and `str` |
//! | vectorset | elements | see below |
//!
//! **Streams:** `H( u128 entries · id last · sum groups )`, where
//!
//! ```text
//! entries   H of all entries in order: id · u64 number of fields · (name field · str value) of each
//! group     H( str name · id last delivered · sum consumers · sum pending · sum owned · sum released )
//! consumer  H( str name )
//! pending   H( id · u64 delivered in Unix ms · u64 times delivered )      all of the group
//! owned     H( name consumer · id )                                        which consumer has which of them
//! released  H( id )                                                       those that nobody has (Redis 8.8)
//! ```
//!
//! **Vector sets** are written in another order and with another graph after each load:
//! `H( u64 dimension · u64 configuration · u64 input dimension · u128 H(projection matrix) · sum elements )`, where an
//! element is `H( str name · str attributes · str vector · u64 last parameter)`; the last parameter holds norm and range
//! of the vector, those before it the graph. Input dimension and the hash of the matrix are 0 without a projection,
//! attributes are empty where there are none. A vector set that is not written as Redis 8 does is hashed as a module's value.
//!
//! **Left out**, because no restore by commands can bring it back or servers disagree: encodings, LRU and LFU, seen and
//! active times of consumers, entries added to a stream, its highest deleted id, entries read by a group, its idempotent
//! producers, key metadata of modules, aux fields, module data that belongs to no key.
//!
//! The **identity** of a key is `H(u64 database · str key)`. Of the 2^k buckets a key belongs into the one that the highest k
//! bits of its identity name; a bucket has the number of its keys and the sum of their content hashes. Counted are 2^16; a
//! file keeps 2^k with k such that 64 keys share one on average, and neighbours are added up to compare with fewer.
//!
//! **Functions** are not in the digest of the keys, so that a restore of some keys can be proven. Their own digest is the sum
//! of `H(str source)` of the *different* libraries (every shard of a cluster has all of them).

mod buckets;
mod choice;
mod counter;
mod digester;
mod expiry;
mod file;
mod functions;
mod glob;
mod key_type;
mod largest;
mod selection;
mod sponge;
mod stream;
mod topk;
mod totals;
mod value;
mod vectorset;
#[cfg(test)]
mod work;

pub use buckets::{Bucket, Buckets, index as bucket_index};
pub use choice::{Candidate, Choice, Chosen, Everything, Tally};
pub use counter::{Count, Counter};
pub use digester::{Digester, Record, Sink};
pub use expiry::{Expiry, SLOT_NAMES, SLOTS};
pub use file::{Malformed, decode, encode};
pub use functions::Functions;
pub use glob::Glob;
pub use key_type::KeyType;
pub use selection::{Selection, TypeFilter};
pub use totals::Census;

/// Version of the digest that is described above. Digests of different versions say nothing about each other.
pub const DIGEST_VERSION: u32 = 1;
