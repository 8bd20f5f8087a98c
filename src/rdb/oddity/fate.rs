//! What servers do with what is odd.

use serde::Serialize;

use super::{OddityKind, Server};
use crate::rdb::opcode::ValueType;

/// What a server does with a file, or a value, that is odd; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It loads the file, and the key can be read, changed and deleted.
    Takes,
    /// Nobody has tried.
    Unknown,
    /// It ends with an error message when it loads the file.
    Refuses,
    /// It crashes when it loads the file or when the key is used.
    Dies,
}

/// A version that was tried. Not tried, since nobody had them: Redis 7.2, whose loader is that of 7.0 with the types of 7.4 that it
/// knows (20 and 21), and Valkey 7.2, which was Redis 7.2.4 under another name: both get the worse of their neighbours. Valkey 9.0 stands
/// between 8.1, which looks into no packed value, and 9.1, which looks into each: it gets the worse of the two for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Redis62,
    Redis70,
    Redis74,
    Redis80,
    Redis810,
    Valkey80,
    Valkey81,
    Valkey91,
}

impl Line {
    pub(super) const REDIS: [((u32, u32), Self); 5] = [
        ((6, 2), Self::Redis62),
        ((7, 0), Self::Redis70),
        ((7, 4), Self::Redis74),
        ((8, 0), Self::Redis80),
        ((8, 10), Self::Redis810),
    ];
    pub(super) const VALKEY: [((u32, u32), Self); 3] =
        [((8, 0), Self::Valkey80), ((8, 1), Self::Valkey81), ((9, 1), Self::Valkey91)];

    /// The lines that a version is, or lies between; and whether it lies beyond all of them.
    pub(super) fn around(lines: &[((u32, u32), Self)], version: (u32, u32)) -> (Vec<Self>, bool) {
        let older = lines.iter().rev().find(|(of, _)| *of <= version);
        let newer = lines.iter().find(|(of, _)| *of >= version);
        let mut around: Vec<Self> = older.into_iter().chain(newer).map(|(_, line)| *line).collect();
        around.dedup();
        (around, older.is_none() || newer.is_none())
    }

    const fn is_valkey(self) -> bool {
        matches!(self, Self::Valkey80 | Self::Valkey81 | Self::Valkey91)
    }
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
    // Valkey 9 looks into every packed value that it loads; others only if told to (`sanitize-dump-payload yes`).
    let looks_inside = line == Line::Valkey91;
    // Redis 8.10 counts the entries of streams.
    let counts_entries = line == Line::Redis810;
    let unless_looked_at = if looks_inside { Refuses } else { Dies };
    let number = value_type.map_or(0, |value_type| value_type.0);
    match kind {
        Kind::DuplicateMember => match number {
            2 | 3 | 5 | 9 => Refuses,
            12 | 13 if line == Line::Redis62 => Dies,
            12 | 13 => Refuses,
            _ => unless_looked_at,
        },
        Kind::ScoreNotANumber => match number {
            3 | 5 if line != Line::Redis62 => Refuses,
            _ => unless_looked_at,
        },
        // A compressed string that does not expand, in a value that is no packed one.
        Kind::UnreadableValue if number <= 5 => Refuses,
        Kind::UnreadableValue | Kind::PendingOwnership | Kind::StreamNodeCount => unless_looked_at,
        // They load it, do not find a member that is there, and add it again: then the set cannot be converted any more.
        Kind::UnsortedIntset => unless_looked_at,
        // They load it, and do not find all its members.
        Kind::UnsortedZset | Kind::LargeFieldExpiryOrder => Unknown,
        Kind::FieldExpiryText | Kind::FieldExpiryOrder | Kind::FieldExpiryRange => unless_looked_at,
        Kind::StreamLength if looks_inside || counts_entries => Refuses,
        Kind::EmptyStreamNode | Kind::StreamCounters if counts_entries => Refuses,
        Kind::StreamLength | Kind::EmptyStreamNode | Kind::StreamCounters => Takes,
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
        | Kind::EmptyArray
        | Kind::TemplateFields
        | Kind::DuplicateFunction => Refuses,
        // Of two elements of one index the later one counts.
        Kind::ArrayOrder | Kind::OddScoreText | Kind::StreamLastId | Kind::StreamOrder | Kind::StreamFlags => Takes,
        Kind::NegativeExpiry => Unknown,
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
        Kind::FunctionNotRun => Unknown,
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
            ("redis", "7.0.15", Fate::Takes),
            ("redis", "7.2.6", Fate::Takes),
            ("redis", "8.0.6", Fate::Takes),
            ("redis", "8.4", Fate::Refuses),
            ("redis", "8.10.2", Fate::Refuses),
            ("redis", "8.12", Fate::Refuses),
            ("redis", "6.0.16", Fate::Unknown),
            ("valkey", "8.1.1", Fate::Takes),
            ("valkey", "9.0", Fate::Refuses),
            ("valkey", "7.2", Fate::Takes),
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
