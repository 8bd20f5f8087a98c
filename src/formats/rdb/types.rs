//! The types of values: one table of what a type byte means, by dialect and version.
//!
//! A number means the same for ever where all dialects have it (up to 21). Above, Redis and Valkey go ways of their own, and Redis gave
//! one number (29) away twice. Sources: `rdb.h` of Redis 2.6 to 8.10 and of Valkey 9.2.

use std::fmt;

use super::opcode::Dialect;

/// The type byte of a value, understood only together with its [`Dialect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueType(pub u8);

impl ValueType {
    /// The number of a plain string: `RDB_TYPE_STRING` in `rdb.h`.
    pub const STRING: Self = Self(0);
    /// A list of plain strings.
    pub const LIST: Self = Self(1);
    /// A set of plain strings.
    pub const SET: Self = Self(2);
    /// A sorted set with ASCII scores.
    pub const ZSET: Self = Self(3);
    /// A hash of plain strings.
    pub const HASH: Self = Self(4);
    /// A sorted set with binary scores.
    pub const ZSET_2: Self = Self(5);
    /// A module's value without an end that can be found (Redis 4.0 release candidates).
    pub const MODULE: Self = Self(6);
    /// A module's value.
    pub const MODULE_2: Self = Self(7);
    /// A hash as zipmap.
    pub const HASH_ZIPMAP: Self = Self(9);
    /// A list as ziplist.
    pub const LIST_ZIPLIST: Self = Self(10);
    /// A set of integers.
    pub const SET_INTSET: Self = Self(11);
    /// A sorted set as ziplist.
    pub const ZSET_ZIPLIST: Self = Self(12);
    /// A hash as ziplist.
    pub const HASH_ZIPLIST: Self = Self(13);
    /// A list of ziplists.
    pub const LIST_QUICKLIST: Self = Self(14);
    /// A stream as Redis 5.0 writes it.
    pub const STREAM: Self = Self(15);
    /// A hash as listpack.
    pub const HASH_LISTPACK: Self = Self(16);
    /// A sorted set as listpack.
    pub const ZSET_LISTPACK: Self = Self(17);
    /// A list of listpacks and plain nodes.
    pub const LIST_QUICKLIST_2: Self = Self(18);
    /// A stream as Redis 7.0 writes it.
    pub const STREAM_2: Self = Self(19);
    /// A set as listpack.
    pub const SET_LISTPACK: Self = Self(20);
    /// A stream as Redis 7.2 writes it.
    pub const STREAM_3: Self = Self(21);
    /// Valkey: a hash with field expiry. Redis: the same by the release candidates of 7.4.
    pub const HASH_22: Self = Self(22);
    /// Valkey 9.2: a path hash. Redis: a hash with field expiry as listpack, by the release candidates of 7.4.
    pub const HASH_23: Self = Self(23);
    /// A hash with field expiry.
    pub const HASH_METADATA: Self = Self(24);
    /// A hash with field expiry as listpack.
    pub const HASH_LISTPACK_EX: Self = Self(25);
    /// A stream as Redis 8.6 writes it.
    pub const STREAM_4: Self = Self(26);
    /// A stream as Redis 8.8 writes it.
    pub const STREAM_5: Self = Self(27);
    /// An array (Redis 8.8).
    pub const ARRAY: Self = Self(28);
    /// Version 14: GCRA. From 15 on: a hash with its template inside, as listpack.
    pub const GCRA_14_OR_TEMPLATE_LISTPACK: Self = Self(29);
    /// A hash as listpack whose template stands in the file.
    pub const TEMPLATE_LISTPACK_REF: Self = Self(30);
    /// A hash with its template inside.
    pub const TEMPLATE_ARRAY: Self = Self(31);
    /// A hash whose template stands in the file.
    pub const TEMPLATE_ARRAY_REF: Self = Self(32);
    /// GCRA (Redis 8.10).
    pub const GCRA: Self = Self(33);
}

/// What is special about the encodings of one group; most have nothing special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// The value alone, element by element or packed.
    Plain,
    /// A type that only release candidates wrote; released servers refuse it in RESTORE.
    Candidate,
    /// A hash whose fields expire.
    FieldExpiry,
    /// A hash with field expiry as release candidates wrote it.
    FieldExpiryCandidate,
    /// A hash whose field names stand before its values.
    Template,
    /// A hash whose field names stand elsewhere in the file: no value on its own.
    TemplateElsewhere,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
struct Line {
    value_type: ValueType,
    /// The dialect that has the type; `None`: both.
    dialect: Option<Dialect>,
    /// The versions of the format in which it is written: first and last.
    versions: (u32, u32),
    kind: Kind,
    /// Whether the layout is known here.
    is_known: bool,
    group: Group,
}

const fn line(value_type: ValueType, dialect: Option<Dialect>, since: u32, kind: Kind, group: Group) -> Line {
    Line { value_type, dialect, versions: (since, u32::MAX), kind, is_known: true, group }
}

const ALL: Option<Dialect> = None;
const REDIS: Option<Dialect> = Some(Dialect::Redis);
const VALKEY: Option<Dialect> = Some(Dialect::Valkey);

/// By number, and of one number the newest last.
const TABLE: [Line; 35] = {
    use Group::{Candidate, FieldExpiry, FieldExpiryCandidate, Plain, Template, TemplateElsewhere};
    type V = ValueType;
    [
        line(V::STRING, ALL, 1, Kind::String, Plain),
        line(V::LIST, ALL, 1, Kind::List, Plain),
        line(V::SET, ALL, 1, Kind::Set, Plain),
        line(V::ZSET, ALL, 1, Kind::Zset, Plain),
        line(V::HASH, ALL, 1, Kind::Hash, Plain),
        line(V::ZSET_2, ALL, 8, Kind::Zset, Plain),
        Line { is_known: false, ..line(V::MODULE, ALL, 8, Kind::Module, Candidate) },
        line(V::MODULE_2, ALL, 8, Kind::Module, Plain),
        line(V::HASH_ZIPMAP, ALL, 1, Kind::Hash, Plain),
        line(V::LIST_ZIPLIST, ALL, 1, Kind::List, Plain),
        line(V::SET_INTSET, ALL, 1, Kind::Set, Plain),
        line(V::ZSET_ZIPLIST, ALL, 1, Kind::Zset, Plain),
        line(V::HASH_ZIPLIST, ALL, 1, Kind::Hash, Plain),
        line(V::LIST_QUICKLIST, ALL, 7, Kind::List, Plain),
        line(V::STREAM, ALL, 9, Kind::Stream, Plain),
        line(V::HASH_LISTPACK, ALL, 10, Kind::Hash, Plain),
        line(V::ZSET_LISTPACK, ALL, 10, Kind::Zset, Plain),
        line(V::LIST_QUICKLIST_2, ALL, 10, Kind::List, Plain),
        line(V::STREAM_2, ALL, 10, Kind::Stream, Plain),
        line(V::SET_LISTPACK, ALL, 11, Kind::Set, Plain),
        line(V::STREAM_3, ALL, 11, Kind::Stream, Plain),
        line(V::HASH_22, REDIS, 12, Kind::Hash, FieldExpiryCandidate),
        line(V::HASH_22, VALKEY, 80, Kind::Hash, FieldExpiry),
        line(V::HASH_23, REDIS, 12, Kind::Hash, FieldExpiryCandidate),
        line(V::HASH_METADATA, REDIS, 12, Kind::Hash, FieldExpiry),
        line(V::HASH_LISTPACK_EX, REDIS, 12, Kind::Hash, FieldExpiry),
        line(V::STREAM_4, REDIS, 13, Kind::Stream, Plain),
        line(V::STREAM_5, REDIS, 14, Kind::Stream, Plain),
        line(V::ARRAY, REDIS, 14, Kind::Array, Plain),
        Line { versions: (14, 14), ..line(V::GCRA_14_OR_TEMPLATE_LISTPACK, REDIS, 14, Kind::Gcra, Plain) },
        line(V::GCRA_14_OR_TEMPLATE_LISTPACK, REDIS, 15, Kind::Hash, Template),
        line(V::TEMPLATE_LISTPACK_REF, REDIS, 15, Kind::Hash, TemplateElsewhere),
        line(V::TEMPLATE_ARRAY, REDIS, 15, Kind::Hash, Template),
        line(V::TEMPLATE_ARRAY_REF, REDIS, 15, Kind::Hash, TemplateElsewhere),
        line(V::GCRA, REDIS, 15, Kind::Gcra, Plain),
    ]
};

/// Where the lines of a number begin and end in the table: a type is looked up once or more for every key.
const PLACES: [(u8, u8); 256] = {
    let mut places = [(0, 0); 256];
    let mut at = TABLE.len();
    while at > 0 {
        at -= 1;
        let number = TABLE[at].value_type.0 as usize;
        let end = if places[number].1 == 0 { at as u8 + 1 } else { places[number].1 };
        places[number] = (at as u8, end);
    }
    places
};

impl ValueType {
    #[inline]
    fn lines(self) -> &'static [Line] {
        let (begin, end) = PLACES[usize::from(self.0)];
        &TABLE[usize::from(begin)..usize::from(end)]
    }

    /// What users see, `None` for a number that this version of the dialect does not have or whose layout we do not
    /// know (type 6, Valkey's path hash).
    ///
    /// Numbers that all dialects have are accepted in every version: third parties write them under older version numbers, and
    /// servers check them independently of the version.
    #[inline]
    pub fn kind(self, dialect: Dialect, version: u32) -> Option<Kind> {
        let means = |line: &&Line| match line.dialect {
            None => true,
            Some(own) => own == dialect && line.versions.0 <= version && version <= line.versions.1,
        };
        self.lines().iter().find(means).filter(|line| line.is_known).map(|line| line.kind)
    }

    /// What users see where dialect and version are not known: the newest meaning of the number. `None` for a number that nobody has.
    pub fn newest_kind(self) -> Option<Kind> {
        self.lines().last().map(|line| line.kind)
    }

    /// The version of the format in which Redis began to write it; 0 for a number that Redis has not.
    pub fn first_version(self) -> u32 {
        let of_redis = self.lines().iter().filter(|line| line.dialect != VALKEY);
        of_redis.map(|line| line.versions.0).min().unwrap_or(0)
    }

    /// Whether the number means the same for all dialects and versions.
    pub fn is_common(self) -> bool {
        self.lines().iter().any(|line| line.dialect.is_none())
    }

    /// Whether a value of it can stand on its own, outside of its file, before a server that was released.
    pub fn stands_alone(self, dialect: Dialect) -> bool {
        let own = self.lines().iter().rfind(|line| line.dialect.is_none_or(|own| own == dialect));
        own.is_some_and(|line| matches!(line.group, Group::Plain | Group::FieldExpiry | Group::Template))
    }

    /// Whether the fields of the hash may have times to live of their own.
    pub fn has_field_expiry(self) -> bool {
        self.lines().iter().any(|line| matches!(line.group, Group::FieldExpiry | Group::FieldExpiryCandidate))
    }

    /// Whether it is a hash whose field names are told apart from its values.
    pub fn has_template(self) -> bool {
        self.lines().iter().any(|line| matches!(line.group, Group::Template | Group::TemplateElsewhere))
    }

    /// Which of the forms of a stream it is, 1 for the oldest; 0 for what is no stream.
    pub fn stream_form(self) -> u8 {
        match self {
            Self::STREAM => 1,
            Self::STREAM_2 => 2,
            Self::STREAM_3 => 3,
            Self::STREAM_4 => 4,
            Self::STREAM_5 => 5,
            _ => 0,
        }
    }
}

/// What `TYPE` says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A string of bytes.
    String,
    /// A list, whatever its encoding.
    List,
    /// A set, whatever its encoding.
    Set,
    /// A sorted set.
    Zset,
    /// A hash, whatever its encoding.
    Hash,
    /// A stream, whatever its encoding.
    Stream,
    /// A module's own type.
    Module,
    /// An array (Redis 8.8).
    Array,
    /// A rate limiter (Redis 8.8, built with it).
    Gcra,
}

impl Kind {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::String,
        Self::List,
        Self::Set,
        Self::Zset,
        Self::Hash,
        Self::Stream,
        Self::Module,
        Self::Array,
        Self::Gcra,
    ];

    /// The word that `TYPE` answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Module => "module",
            Self::Array => "array",
            Self::Gcra => "gcra",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a server that reads this version of this dialect has the kind, in whichever encoding.
    pub fn is_of(self, dialect: Dialect, version: u32) -> bool {
        let has = |line: &Line| line.dialect.is_none_or(|own| own == dialect) && line.versions.0 <= version;
        TABLE.iter().any(|line| line.kind == self && has(line))
    }

    /// Servers from 6.2 on skip a key of this kind that has no elements, and refuse it in RESTORE.
    pub const fn vanishes_when_empty(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Zset | Self::Hash | Self::Array)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_each_thing_once() {
        for pair in TABLE.windows(2) {
            let [one, other] = pair else { unreachable!("windows of two") };
            let place = |line: &Line| (line.value_type, line.dialect == VALKEY, line.versions.0);
            assert!(place(one) < place(other), "{one:?} {other:?}");
            // Two lines of one number are of two dialects, or of versions that follow each other.
            let apart = one.dialect != other.dialect && one.dialect.is_some() && other.dialect.is_some();
            assert!(
                one.value_type != other.value_type || apart || one.versions.1 < other.versions.0,
                "{one:?} {other:?}"
            );
        }
        for number in 0..=255 {
            let lines = ValueType(number).lines();
            let n = TABLE.iter().filter(|line| line.value_type.0 == number).count();
            assert_eq!((lines.len(), lines.iter().all(|line| line.value_type.0 == number)), (n, true), "{number}");
        }
    }

    /// As the headers of the servers have it: Redis `rdb.h`, `rdbIsObjectType`, of 7.2, 7.4, 8.6, 8.8 and 8.10, and Valkey's of 9.0.
    #[test]
    fn each_version_of_each_server_has_its_own_numbers() {
        let numbers = |dialect, version| {
            let known = (0..=255).filter(|number| ValueType(*number).kind(dialect, version).is_some());
            known.map(u32::from).collect::<Vec<_>>()
        };
        let common: Vec<u32> = (0..=5).chain(7..=7).chain(9..=21).collect();
        let with = |more: std::ops::RangeInclusive<u32>| common.iter().copied().chain(more).collect::<Vec<_>>();
        assert_eq!(numbers(Dialect::Redis, 11), common);
        assert_eq!(numbers(Dialect::Redis, 12), with(22..=25));
        assert_eq!(numbers(Dialect::Redis, 13), with(22..=26));
        assert_eq!(numbers(Dialect::Redis, 14), with(22..=29));
        assert_eq!(numbers(Dialect::Redis, 15), with(22..=33));
        assert_eq!(numbers(Dialect::Valkey, 80), with(22..=22));
        let gcra_or_template = ValueType::GCRA_14_OR_TEMPLATE_LISTPACK;
        assert_eq!(gcra_or_template.kind(Dialect::Redis, 14), Some(Kind::Gcra));
        assert_eq!(gcra_or_template.kind(Dialect::Redis, 15), Some(Kind::Hash));
    }

    #[test]
    fn a_kind_is_of_the_servers_that_have_one_of_its_encodings() {
        let of = |dialect, version| {
            let missing = Kind::ALL.into_iter().filter(|kind| !kind.is_of(dialect, version));
            missing.map(Kind::name).collect::<Vec<_>>()
        };
        assert_eq!(of(Dialect::Redis, 9), ["array", "gcra"]);
        assert_eq!(of(Dialect::Redis, 13), ["array", "gcra"]);
        assert_eq!(of(Dialect::Redis, 14), Vec::<&str>::new());
        assert_eq!(of(Dialect::Valkey, 80), ["array", "gcra"]);
    }

    #[test]
    fn groups_and_forms_are_told_by_the_table() {
        let numbers =
            |is: fn(ValueType) -> bool| (0..=255).filter(|number| is(ValueType(*number))).collect::<Vec<u8>>();
        assert_eq!(numbers(ValueType::has_field_expiry), [22, 23, 24, 25]);
        assert_eq!(numbers(ValueType::has_template), [29, 30, 31, 32]);
        assert_eq!(numbers(|own| own.stream_form() > 0), [15, 19, 21, 26, 27]);
        let streams = numbers(|own| own.newest_kind() == Some(Kind::Stream));
        assert_eq!(streams, numbers(|own| own.stream_form() > 0));
        let alone = |dialect| {
            let common = numbers(|own| own.newest_kind().is_some());
            common.into_iter().filter(|number| !ValueType(*number).stands_alone(dialect)).collect::<Vec<_>>()
        };
        assert_eq!(alone(Dialect::Redis), [6, 22, 23, 30, 32]);
        assert_eq!(
            (ValueType(33).first_version(), ValueType(22).first_version(), ValueType(99).first_version()),
            (15, 12, 0)
        );
    }
}
