//! The order in which servers keep members of a packed sorted set, and fields of a packed hash that expire.

use super::element::Element;
use crate::rdb::oddity::OddityKind;

/// Members of a sorted set ascend by score, then by name.
#[derive(Debug, Default)]
pub(super) struct ScoreOrder<'a> {
    last: Option<(f64, Element<'a>)>,
}

impl<'a> ScoreOrder<'a> {
    /// False if this member belongs before the one before it.
    #[inline]
    pub(super) fn follows(&mut self, score: f64, member: Element<'a>) -> bool {
        let follows = match self.last {
            // The same name twice is another fault.
            Some((last, name)) if last == score => name.text(&mut [0; 20]) <= member.text(&mut [0; 20]),
            Some((last, _)) => last < score,
            None => true,
        };
        self.last = Some((score, member));
        follows
    }
}

/// Up to so many fields, and bytes of the longest, a hash stays packed when it is loaded (`hash-max-listpack-entries`,
/// `hash-max-listpack-value` by default); then the order matters.
const PACKED_FIELDS: u64 = 512;
const PACKED_BYTES: usize = 64;

/// Fields ascend by expiry; those without one come last.
#[derive(Debug, Default)]
pub(super) struct ExpiryOrder {
    last: i64,
    count: u64,
    longest: usize,
    broken_at: Option<usize>,
}

impl ExpiryOrder {
    #[inline]
    pub(super) fn add(&mut self, expire_ms: Option<i64>, field: Element<'_>, value: Element<'_>, at: usize) {
        let expiry = expire_ms.unwrap_or(i64::MAX);
        if expiry < self.last {
            self.broken_at.get_or_insert(at);
        }
        self.last = expiry;
        self.count += 1;
        self.longest = self.longest.max(field.length()).max(value.length());
    }

    /// What is odd, and where.
    pub(super) fn broken(&self) -> Option<(OddityKind, usize)> {
        let stays_packed = self.count <= PACKED_FIELDS && self.longest <= PACKED_BYTES;
        let kind = if stays_packed { OddityKind::FieldExpiryOrder } else { OddityKind::LargeFieldExpiryOrder };
        self.broken_at.map(|at| (kind, at))
    }
}
