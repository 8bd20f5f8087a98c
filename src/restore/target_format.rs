//! What a target can take: which value types as a payload, and what becomes of the others. Fact sheet: every server checks the
//! type and the version of a payload independently (Redis `cluster.c`, `verifyDumpPayload`; `rdb.h`, `rdbIsObjectType`).

use serde::{Deserialize, Serialize};

use crate::census::KeyType;
use crate::introspection::ServerFacts;
use crate::rdb::dump::Target;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::ValueType;
use crate::restore::module_types::{Has, ModuleTypes};

/// What a payload adds to a value: type, version, CRC64, and a margin; bytes.
pub const PAYLOAD_ADDS: u64 = 64;

/// Whether a value of so many bytes goes into a target with this `proto-max-bulk-len` in one piece.
pub fn fits(length: u64, longest_bulk: u64) -> bool {
    length.saturating_add(PAYLOAD_ADDS) <= longest_bulk
}

/// The smallest `proto-max-bulk-len` that takes a value of so many bytes, in whole MiB.
pub fn bulk_for(length: u64) -> u64 {
    length.saturating_add(PAYLOAD_ADDS).checked_next_multiple_of(1 << 20).unwrap_or(u64::MAX)
}

/// Of this Redis vector sets are known to have the form of 8.0.6.
pub const NEWEST_VECTOR_SETS: (u32, u32, u32) = (8, 10, u32::MAX);

/// What a target can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetFormat {
    /// Types and versions that the target reads.
    pub reads: Target,
    /// It knows expiry of hash fields (Redis 7.4, Valkey 9.0).
    pub field_expiry: bool,
    /// Its own version, for commands that came later.
    pub server: (u32, u32, u32),
    /// It is a Valkey of any version.
    pub is_valkey: bool,
    /// The types that its modules have.
    pub module_types: ModuleTypes,
}

/// How a value gets into the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// As it stands in the file.
    Payload,
    /// The value goes by typed commands; what is lost on the way, if anything.
    Commands(Option<Loss>),
    /// The value cannot get into the target.
    Impossible(Loss),
}

/// What cannot be brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The target knows no expiry of hash fields: they stay for ever.
    FieldExpiry,
    /// The target does not know the type at all.
    Type,
    /// Pending entries of a stream, whose message was deleted or which nobody owns.
    PendingEntries,
    /// Values of modules go as payload only; and a vector set of a newer Redis can kill an older one.
    Module,
    /// Entries of a stream that have no field.
    EmptyEntries,
    /// The target may know the type, and there are no typed commands for it here.
    NotByCommands,
    /// The value cannot be read to its end.
    Damaged,
    /// Members of a sorted set whose score is not a number.
    Score,
    /// The key stands in the backup twice.
    Twice,
    /// A value of a module that ends the server where the value is not what it expects, in a file that nobody vouches for.
    Untrusted,
}

impl Loss {
    /// Whether the key itself is restored all the same.
    pub fn is_in_part(self) -> bool {
        matches!(self, Self::FieldExpiry | Self::PendingEntries | Self::EmptyEntries | Self::Score)
    }

    /// In words, as part of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::FieldExpiry => "the target does not support expiry of hash fields: the fields would never expire",
            Self::PendingEntries => {
                "pending stream entries whose message was deleted, or which have no consumer, cannot be written by commands"
            }
            Self::EmptyEntries => "entries of a stream without any field cannot be written by commands",
            Self::Type => "the target does not know this type",
            Self::Untrusted => {
                "redis-ops did not capture this file, and a malformed value of this module crashes the server: the value is not sent"
            }
            Self::Damaged => "the value is damaged: no server accepts it, and it is unknown which part is right",
            Self::Score => "members whose score is not a number: no server keeps them",
            Self::Twice => {
                "the backup has this key twice (or in two databases that `--db` merges): only the first value is restored"
            }
            Self::NotByCommands => {
                "a value of this type is restored only as payload: method `restore` sends it to a target that supports the type"
            }
            Self::Module => {
                "a module's value or a vector set is restored only as payload, and only to a target that has the module, or the vector sets of Redis 8"
            }
        }
    }
}

impl TargetFormat {
    /// The format of a server, by the version that it names. A server of an unknown name counts as the Redis that it says it is
    /// compatible with.
    pub fn of(server: &ServerFacts) -> Self {
        let reads = Target::of(&server.name, &server.version)
            .or_else(|| Target::of("redis", &server.redis_version))
            .unwrap_or(Target { dialect: Dialect::Redis, rdb_version: 9 });
        let (server_version, is_valkey) = (server.version_numbers(), server.is_valkey());
        let redis_with_expiry = server.name != "redict" && reads.rdb_version >= 12;
        let field_expiry = reads.dialect == Dialect::Valkey || redis_with_expiry;
        let module_types = ModuleTypes::of(&server.modules);
        Self { reads, field_expiry, server: server_version, is_valkey, module_types }
    }

    /// The version of the RDB format that it writes itself, and accepts at the end of a payload; from 80 on Valkey's own.
    pub fn version(self) -> u32 {
        self.reads.rdb_version
    }

    /// Whether it crashes of a function library that writes to its log while it is loaded: seen with Valkey 9.1.2.
    pub fn crashes_of_logs(self) -> bool {
        self.is_valkey && self.server >= (9, 0, 0)
    }

    /// Whether it knows functions (Redis 7.0).
    pub fn has_functions(self) -> bool {
        self.reads.rdb_version >= 10
    }

    /// Whether it takes vector sets written by such a Redis: they are part of Redis 8, and elsewhere values of a module that is
    /// not there. Their form changed between 8.0.2 and 8.0.6 under the same number, and an older server that is given a newer
    /// one misreads lengths: it says `Bad data format`, or allocates all memory there is and dies (seen with 8.0.2). Since then it
    /// has stayed the same up to 8.10.
    pub fn takes_vector_sets_of(self, source: (u32, u32, u32)) -> bool {
        let has_them = !self.is_valkey && self.server >= (8, 0, 0);
        let of_one_form = self.server >= (8, 0, 6) && source <= NEWEST_VECTOR_SETS;
        has_them && (of_one_form || source <= self.server)
    }

    /// Whether one of its modules has this type, in the form that such a Redis writes.
    pub fn has_module_type(self, key_type: KeyType, source: (u32, u32, u32)) -> Has {
        match key_type {
            KeyType::Vectorset if self.takes_vector_sets_of(source) => Has::Yes,
            KeyType::Vectorset => Has::No,
            other => self.module_types.has(&other.to_string()),
        }
    }

    /// Whether it takes every payload of a file of this dialect and version as it stands.
    pub fn takes_all_of(self, dialect: Dialect, version: u32) -> bool {
        match (self.reads.dialect, dialect) {
            (Dialect::Redis, Dialect::Valkey) => false,
            (Dialect::Valkey, Dialect::Redis) => version <= 11,
            _ => version <= self.reads.rdb_version,
        }
    }

    /// How a value of this type gets into the target.
    pub fn route(self, value_type: ValueType, dialect: Dialect, version: u32) -> Route {
        if self.reads.accepts(value_type, dialect, version) {
            return Route::Payload;
        }
        self.by_commands(value_type)
    }

    /// How a value of this type gets into the target by typed commands.
    pub fn by_commands(self, value_type: ValueType) -> Route {
        let expires = value_type.has_field_expiry();
        match KeyType::of_encoding(value_type) {
            KeyType::Hash if expires && !self.field_expiry => Route::Commands(Some(Loss::FieldExpiry)),
            KeyType::String | KeyType::List | KeyType::Set | KeyType::Zset | KeyType::Hash | KeyType::Stream => {
                Route::Commands(None)
            }
            KeyType::Module(_) | KeyType::Vectorset => Route::Impossible(Loss::Module),
            _ if value_type.kind(self.reads.dialect, self.reads.rdb_version).is_some() => {
                Route::Impossible(Loss::NotByCommands)
            }
            _ => Route::Impossible(Loss::Type),
        }
    }
}

/// The numbers of a version such as `8.0.6`; 0 where it has none.
pub fn version_numbers(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, version: &str) -> TargetFormat {
        let info = format!("redis_version:{version}\nserver_name:{name}\nvalkey_version:{version}\n");
        let info = if name == "valkey" { info } else { format!("redis_version:{version}\n") };
        TargetFormat::of(&ServerFacts::from_info(&crate::replies::Info::parse(&info)))
    }

    #[test]
    fn every_server_takes_the_types_of_its_table() {
        let highest = |target: TargetFormat| {
            let reads = target.reads;
            (0..40).filter(|number| reads.accepts(ValueType(*number), reads.dialect, reads.rdb_version)).max()
        };
        for (name, version, format, type_, field_expiry) in [
            ("redis", "6.2.14", 9, 15, false),
            ("redis", "7.0.15", 10, 19, false),
            ("redis", "7.2.6", 11, 21, false),
            ("redis", "7.4.1", 12, 25, true),
            ("redis", "8.0.6", 12, 25, true),
            ("redis", "8.6.0", 13, 26, true),
            ("redis", "8.8.0", 14, 29, true),
            ("redis", "8.10.0", 15, 33, true),
            ("valkey", "8.1.1", 11, 21, false),
            ("valkey", "9.1.2", 80, 22, true),
        ] {
            let target = target(name, version);
            let found = (target.version(), highest(target), target.field_expiry);
            assert_eq!(found, (format, Some(type_), field_expiry), "{name} {version}");
        }
    }

    #[test]
    fn what_a_target_does_not_know_goes_by_commands_or_not_at_all() {
        let (old, new, valkey) = (target("redis", "6.2.14"), target("redis", "8.0.6"), target("valkey", "9.1.2"));
        let redis = |number| (ValueType(number), Dialect::Redis, 12);
        let check = |target: TargetFormat, (value, dialect, version), expected| {
            assert_eq!(target.route(value, dialect, version), expected, "{value:?} to {target:?}");
        };
        check(old, redis(18), Route::Commands(None));
        check(old, redis(25), Route::Commands(Some(Loss::FieldExpiry)));
        check(old, redis(21), Route::Commands(None));
        check(old, redis(12), Route::Payload);
        check(new, redis(25), Route::Payload);
        check(valkey, redis(25), Route::Commands(None));
        check(valkey, redis(21), Route::Payload);
        check(new, (ValueType(22), Dialect::Valkey, 80), Route::Commands(None));
        check(valkey, (ValueType(22), Dialect::Valkey, 80), Route::Payload);
        check(valkey, (ValueType(28), Dialect::Redis, 14), Route::Impossible(Loss::Type));
        assert!(new.takes_vector_sets_of((8, 0, 6)) && new.takes_vector_sets_of((8, 10, 2)));
        assert!(!new.takes_vector_sets_of((8, 11, 0)), "nobody has seen its form");
        assert!(!old.takes_vector_sets_of((8, 0, 2)) && !valkey.takes_vector_sets_of((8, 0, 2)));
        assert!(new.takes_all_of(Dialect::Redis, 11) && !new.takes_all_of(Dialect::Valkey, 80));
        assert!(valkey.takes_all_of(Dialect::Redis, 11) && !valkey.takes_all_of(Dialect::Redis, 12));
        assert!(!old.takes_all_of(Dialect::Redis, 10));
    }
}
