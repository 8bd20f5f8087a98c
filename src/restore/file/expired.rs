//! Keys of a backup whose time has passed, for a restore to disk: the file holds them, and a primary that loads it drops them.

use tokio_util::sync::CancellationToken;

use crate::dataset::pass::{self, Feed};
use crate::dataset::{Dataset, Scanned};
use crate::figures::{count, counted};
use crate::progress::Hidden;
use crate::rdb::visit::{Entry, Interest, Visit};
use crate::restore::clock::now_ms;

/// Bytes of an RDB that a plan reads only to count them.
const READ_TO_COUNT: u64 = 1 << 30;

/// What becomes of so many keys, in words; `None`: there are none. Not fewer and not more, where that is all that is known.
pub fn in_words((least, most): (u64, u64)) -> Option<String> {
    let keys = match (least, most) {
        (_, 0) => return None,
        (1, 1) => return Some("1 key has expired: a primary drops it when it loads the file".to_owned()),
        (least, most) if least == most => counted(most, "key"),
        (0, most) => format!("up to {}", counted(most, "key")),
        (least, most) => format!("between {} and {}", count(least), counted(most, "key")),
    };
    Some(format!("{keys} have expired: a primary drops them when it loads the file"))
}

/// How many have expired by our clock, at least and at most. What the census does not tell exactly is counted, unless that takes long.
pub(super) async fn so_far(source: &Dataset, cancel: &CancellationToken) -> (u64, u64) {
    let now_ms = now_ms();
    let known = source.census().await.map(|census| census.expiry.until(now_ms));
    match known {
        Some((least, most)) if least == most => (least, most),
        Some(between) if source.raw_bytes().is_none_or(|bytes| bytes > READ_TO_COUNT) => between,
        known => counted_in(source, now_ms, cancel).await.map_or(known.unwrap_or_default(), |keys| (keys, keys)),
    }
}

/// `None`: it cannot be read, which the restore itself says.
async fn counted_in(source: &Dataset, now_ms: i64, cancel: &CancellationToken) -> Option<u64> {
    let raw = source.whole(cancel).await.ok()?;
    let scanned = Scanned::by(Expired { now_ms, keys: 0 }, 0);
    let passed = pass::run(Feed::Raw(raw), scanned, &Hidden::default(), cancel).await.ok()?;
    Some(passed.taker.finish().ok()?.0.keys)
}

/// Counts the keys that expire until a moment, in Unix milliseconds.
struct Expired {
    now_ms: i64,
    keys: u64,
}

impl Visit for Expired {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.keys += u64::from(entry.expire_ms.is_some_and(|at| at <= self.now_ms));
        Interest::default()
    }
}
