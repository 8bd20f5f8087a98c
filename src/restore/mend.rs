//! What becomes of a value that contradicts itself: a payload of it is never sent as it stands, for a server may die of it.
//!
//! The value is rebuilt from its content, as a server would have found it: of two members of one name the first counts, since that is the
//! one a server finds in a packed value (Redis `t_hash.c`, `t_zset.c`: searched from the head).

use crate::rdb::OddityKind as Kind;
use crate::restore::target_format::Loss;

/// How a value that contradicts itself is restored; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mended {
    /// The rebuilt value says the same in another form.
    Same,
    /// The rebuilt value says what a server would have found, without what contradicts that.
    Changed,
    /// A part of the value, or all of it, is lost.
    Lost(Loss),
}

impl Mended {
    /// The mending for this oddity; `None`: the oddity is none of a value.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::OddScoreText
            | Kind::UnsortedZset
            | Kind::UnsortedIntset
            | Kind::FieldExpiryText
            | Kind::FieldExpiryOrder
            | Kind::LargeFieldExpiryOrder => Self::Same,
            Kind::ScoreNotANumber => Self::Lost(Loss::Score),
            Kind::PendingOwnership => Self::Lost(Loss::PendingEntries),
            Kind::UnreadableValue | Kind::UnreadableScore | Kind::DuplicateStreamNode | Kind::ModuleValue => {
                Self::Lost(Loss::Damaged)
            }
            Kind::NegativeExpiry
            | Kind::ExpiryTwice
            | Kind::DuplicateKey
            | Kind::HugeHint
            | Kind::SlotHint
            | Kind::SlotInfoAux
            | Kind::SlotImport
            | Kind::SlotImportForm
            | Kind::LuaScript
            | Kind::FunctionHeader
            | Kind::TemplateFields
            | Kind::DuplicateFunction
            | Kind::OldFunction
            | Kind::FunctionSyntax
            | Kind::FunctionNeverEnds
            | Kind::FunctionLogs
            | Kind::FunctionMayNotEnd
            | Kind::FunctionNotRun => return None,
            // Whatever else is odd in a value, and what may be added: the content that could be read is what counts.
            _ => Self::Changed,
        })
    }

    /// Why the whole key is lost; `None`: at least a part of it is restored.
    pub fn loses_all(self) -> Option<Loss> {
        match self {
            Self::Lost(loss) if !loss.is_in_part() => Some(loss),
            _ => None,
        }
    }
}

/// Why nothing of a hash is left that had a field twice.
pub const FIRST_EXPIRED: &str = "of two fields of one name the first counts, and it has expired, as all others have";
