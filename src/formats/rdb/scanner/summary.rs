//! What is known at the end of a file.

use super::opcodes::{LARGE, is_huge};
use crate::rdb::opcode::Dialect;
use crate::rdb::visit::Checksum;

/// A file that was read to its end without damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Redis or Valkey flavour of the format.
    pub dialect: Dialect,
    /// Version in the header.
    pub version: u32,
    /// Whether its bytes are proven.
    pub checksum: Checksum,
    /// Bytes of the RDB, with the checksum.
    pub length: u64,
    /// Bytes behind it.
    pub trailing: u64,
    /// The first of them, at most 16.
    pub trailing_start: Vec<u8>,
    /// Keys in all databases.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Keys of slots that were still on their way to the server which wrote the file: copies that it did not show to anybody. They are
    /// not among [`Summary::keys`], and no visitor was told of them.
    pub arriving: u64,
    /// Aggregates without elements: servers from 6.2 on skip such keys when they load the file.
    pub empty_keys: u64,
    /// Offset of the first such value.
    pub first_empty_key: Option<u64>,
    /// Databases whose RESIZEDB does not agree with the keys found.
    pub hint_mismatches: u64,
    /// The first of them.
    pub first_hint_mismatch: Option<HintMismatch>,
}

/// A database with another number of keys than its RESIZEDB announces: legal, and odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HintMismatch {
    /// Number of the database.
    pub database: u64,
    /// Keys, and keys with expiry, as announced.
    pub announced: (u64, u64),
    /// Keys, and keys with expiry, as found.
    pub found: (u64, u64),
}

impl Summary {
    /// False where the version is newer than this reader, which understood the file all the same: no server of a version
    /// that it knows loads it.
    pub fn is_version_known(&self) -> bool {
        self.version <= self.dialect.newest_known()
    }
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            dialect: Dialect::Redis,
            version: 0,
            checksum: Checksum::NotInThisVersion,
            length: 0,
            trailing: 0,
            trailing_start: Vec::new(),
            keys: 0,
            expires: 0,
            arriving: 0,
            empty_keys: 0,
            first_empty_key: None,
            hint_mismatches: 0,
            first_hint_mismatch: None,
        }
    }
}

/// Counts while the file is read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    keys: u64,
    expires: u64,
    /// Keys of slots on their way here, and those with an expiry: found, and not counted.
    arriving: (u64, u64),
    empty_keys: u64,
    first_empty_key: Option<u64>,
    announced: Option<(u64, u64)>,
    /// The largest numbers announced for the database, where it was announced more than once.
    largest: (u64, u64),
    found: (u64, u64),
    hint_mismatches: u64,
    first_hint_mismatch: Option<HintMismatch>,
}

impl Tally {
    #[inline]
    pub(super) fn key(&mut self, expires: bool) {
        self.found.0 += 1;
        self.found.1 += u64::from(expires);
    }

    /// A key of a slot that is on its way here.
    pub(super) fn arriving_key(&mut self, expires: bool) {
        self.key(expires);
        self.arriving.0 += 1;
        self.arriving.1 += u64::from(expires);
    }

    #[cold]
    pub(super) fn empty_key(&mut self, offset: u64) {
        self.empty_keys += 1;
        self.first_empty_key.get_or_insert(offset);
    }

    pub(super) fn hint(&mut self, keys: u64, expires: u64) {
        self.announced = Some((keys, expires));
        // Beyond 2^62 nobody allocates.
        let allocated = |n: u64| if n < 1 << 62 { n } else { 0 };
        self.largest = (self.largest.0.max(allocated(keys)), self.largest.1.max(allocated(expires)));
    }

    /// No more keys of this database in this place. Gives a hint that was a large lie, and was not told as such when it came.
    pub(super) fn database_end(&mut self, database: u64) -> Option<(u64, u64)> {
        let is_lie = |announced: u64, found: u64| announced >= LARGE && !is_huge(announced) && announced / 2 > found;
        let (keys, expires) = std::mem::take(&mut self.largest);
        let lie = (is_lie(keys, self.found.0) || is_lie(expires, self.found.1)).then_some((keys, expires));
        self.keys += self.found.0;
        self.expires += self.found.1;
        if let Some(announced) = self.announced.filter(|announced| *announced != self.found) {
            self.hint_mismatches += 1;
            self.first_hint_mismatch.get_or_insert(HintMismatch { database, announced, found: self.found });
        }
        (self.announced, self.found) = (None, (0, 0));
        lie
    }

    pub(super) fn summary(&self, summary: Summary) -> Summary {
        Summary {
            keys: self.keys - self.arriving.0,
            expires: self.expires - self.arriving.1,
            arriving: self.arriving.0,
            empty_keys: self.empty_keys,
            first_empty_key: self.first_empty_key,
            hint_mismatches: self.hint_mismatches,
            first_hint_mismatch: self.first_hint_mismatch,
            ..summary
        }
    }
}
