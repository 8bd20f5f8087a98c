//! What servers do with what is odd.

use serde::Serialize;

use super::OddityKind;
use super::server::{Line, Server};
use crate::rdb::types::ValueType;

/// What a server does with a file, or a value, that is odd; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The server loads the file, and the key can be read, changed and deleted.
    Takes,
    /// No server has been tried with it.
    Unknown,
    /// The server ends with an error message when it loads the file.
    Refuses,
    /// The server crashes when it loads the file or when the key is used, or does not load what it saved after that.
    Dies,
}

/// What a server does with an oddity of this kind in a value of this encoding (`None`: of the file). Of a version between two that
/// were tried it is the worse of the two; of one beyond all that were tried it is unknown, at best.
///
/// Servers that do not know the encoding at all are not asked: the file needs another one.
pub fn fate(kind: OddityKind, value_type: Option<ValueType>, server: &Server) -> Fate {
    let tried = server.lines.iter().map(|line| on(kind, value_type, *line)).max().unwrap_or(Fate::Unknown);
    if server.is_beyond { tried.max(Fate::Unknown) } else { tried }
}

fn on(kind: OddityKind, value_type: Option<ValueType>, line: Line) -> Fate {
    use Fate::{Dies, Refuses, Takes, Unknown};
    use OddityKind as Kind;
    type V = ValueType;
    // Valkey 9 looks into every packed value that it loads; others only if told to (`sanitize-dump-payload yes`).
    let looks_inside = line == Line::Valkey91;
    // Redis 8.10 counts the entries of streams.
    let counts_entries = line == Line::Redis810;
    let unless_looked_at = if looks_inside { Refuses } else { Dies };
    let value_type = value_type.unwrap_or(V::STRING);
    let is_plain = matches!(value_type, V::STRING | V::LIST | V::SET | V::ZSET | V::HASH | V::ZSET_2);
    match kind {
        Kind::DuplicateMember => match value_type {
            V::SET | V::ZSET | V::ZSET_2 | V::HASH_ZIPMAP => Refuses,
            V::ZSET_ZIPLIST | V::HASH_ZIPLIST if line == Line::Redis62 => Dies,
            V::ZSET_ZIPLIST | V::HASH_ZIPLIST => Refuses,
            _ => unless_looked_at,
        },
        Kind::ScoreNotANumber => match value_type {
            V::ZSET | V::ZSET_2 if line != Line::Redis62 => Refuses,
            _ => unless_looked_at,
        },
        // A compressed string that does not expand, in a value that is no packed one.
        Kind::UnreadableValue if is_plain => Refuses,
        Kind::UnreadableValue | Kind::PendingOwnership | Kind::StreamNodeCount => unless_looked_at,
        // They load it, do not find a member that is there, and add it again: then the set cannot be converted any more.
        Kind::UnsortedIntset => unless_looked_at,
        // They load it, and do not find all its members.
        Kind::UnsortedZset | Kind::LargeFieldExpiryOrder => Unknown,
        Kind::FieldExpiryText | Kind::FieldExpiryOrder | Kind::FieldExpiryRange => unless_looked_at,
        Kind::StreamLength if looks_inside || counts_entries => Refuses,
        // They load the wrong length and count on from there. When the last entry is deleted a length is left: they die of `XSETID`, and
        // from 7.0 on save a file that they refuse (`Stream length inconsistent with rax entries`).
        Kind::StreamLength => Dies,
        Kind::EmptyStreamNode | Kind::StreamCounters if counts_entries => Refuses,
        Kind::EmptyStreamNode | Kind::StreamCounters => Takes,
        Kind::EmptyIntset
        | Kind::EmptyStreamLength
        | Kind::EmptyListNode
        | Kind::UnreadableScore
        | Kind::DuplicateStreamNode
        | Kind::DuplicateGroup
        | Kind::DuplicateConsumer
        | Kind::DuplicatePending
        | Kind::ModuleValue
        | Kind::FunctionHeader
        | Kind::FunctionSyntax
        | Kind::EmptyArray
        | Kind::TemplateFields
        | Kind::DuplicateFunction => Refuses,
        // Of two elements of one index the later one counts.
        Kind::ArrayOrder | Kind::OddScoreText | Kind::StreamLastId | Kind::StreamOrder | Kind::StreamFlags => Takes,
        Kind::NegativeExpiry => Unknown,
        // It loads the key, with the first expiry in place of the last, which all others keep.
        Kind::ExpiryTwice if line == Line::Redis810 => Unknown,
        Kind::ExpiryTwice => Takes,
        Kind::DuplicateKey => Dies,
        // Redis 7.4 and 8.0 and Valkey 8.0 pass it by where the database has no table yet, and die where it held a key before: seen
        // with a replica of 8.0.
        Kind::HugeHint => Dies,
        // Read by nodes of a cluster alone, and those were not tried.
        Kind::SlotHint => match line {
            Line::Redis62 | Line::Redis70 | Line::Valkey80 | Line::Valkey81 => Takes,
            _ => Unknown,
        },
        Kind::SlotInfoAux => {
            if line.is_valkey() {
                Refuses
            } else {
                Takes
            }
        }
        // Nodes of a cluster load it; whether the server is one the file does not say.
        Kind::SlotImport => Unknown,
        Kind::SlotImportForm => Refuses,
        Kind::LuaScript => {
            if line == Line::Redis62 {
                Unknown
            } else {
                Takes
            }
        }
        Kind::OldFunction => {
            if line == Line::Redis70 {
                Unknown
            } else {
                Refuses
            }
        }
        // The server waits for its end for ever, and answers nobody.
        Kind::FunctionNeverEnds => Dies,
        // Valkey 9.1.2 dies of it, which is a bug of that server and no fault of the file: nothing is fed to it that is not known to be
        // safe.
        Kind::FunctionLogs if line == Line::Valkey91 => Unknown,
        Kind::FunctionLogs => Takes,
        Kind::FunctionMayNotEnd | Kind::FunctionNotRun => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(product: &str, version: &str) -> Server {
        Server::of(product, version).expect("a known product")
    }

    #[test]
    fn a_version_between_two_that_were_tried_gets_the_worse_fate() {
        let on = |product, version| fate(OddityKind::StreamLength, Some(ValueType::STREAM), &server(product, version));
        let cases = [
            ("redis", "6.2.14", Fate::Dies),
            ("redis", "7.0.15", Fate::Dies),
            ("redis", "7.2.6", Fate::Dies),
            ("redis", "8.0.6", Fate::Dies),
            ("redis", "8.4", Fate::Dies),
            ("redis", "8.10.2", Fate::Refuses),
            ("redis", "8.12", Fate::Refuses),
            ("redis", "6.0.16", Fate::Dies),
            ("valkey", "8.1.1", Fate::Dies),
            ("valkey", "9.0", Fate::Dies),
            ("valkey", "7.2", Fate::Dies),
        ];
        for (product, version, expected) in cases {
            assert_eq!(on(product, version), expected, "{product} {version}");
        }
    }

    #[test]
    fn what_is_beyond_all_that_was_tried_is_never_known_to_be_taken() {
        for kind in OddityKind::ALL {
            for (product, version) in [("redis", "9.0"), ("valkey", "9.2"), ("redis", "5.0"), ("keydb", "6.3")] {
                assert!(fate(kind, None, &server(product, version)) >= Fate::Unknown, "{kind:?} {product} {version}");
            }
        }
    }
}
