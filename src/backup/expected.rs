//! About how many bytes a backup will have, and what the link to the store carries: by the last backup of the same instance, else by the
//! server's memory. The parts of an upload get one length by it.

use std::time::Duration;

use super::options::Options;
use crate::repository::Repository;
use crate::repository::manifest::{Compression, Manifest};
use crate::storage::Expected;

/// The last backup is looked for no longer: nothing depends on it.
const LOOKING: Duration = Duration::from_secs(5);

/// A backup of fewer bytes tells nothing of the link: requests take longer than bytes.
const TELLING: u64 = 4 << 20;

/// A server rarely sends less than this part of its memory, compressed.
const LEAST_OF_MEMORY: u64 = 4;

/// The last backup of the instance, as far as it tells of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last {
    raw_bytes: u64,
    stored_bytes: u64,
    /// Whether that backup was compressed in the same way.
    same_codec: bool,
    bytes_per_second: Option<u64>,
}

impl Last {
    /// The last backup of the same instance; `None`: there is none, or the store does not name it quickly.
    pub(super) async fn of(options: &Options, repository: &Repository) -> Option<Self> {
        let newest = tokio::time::timeout(LOOKING, repository.newest_backup(&options.instance)).await;
        match newest {
            Ok(Ok(manifest)) => manifest.map(|manifest| Self::told_by(&manifest, &options.codec.into())),
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot read the size of the last backup");
                None
            }
            Err(_) => None,
        }
    }

    /// What one of so many shards has of it, if all are alike.
    pub(super) fn share(self, shards: u64) -> Self {
        let of = |bytes: u64| bytes / shards.max(1);
        Self { raw_bytes: of(self.raw_bytes), stored_bytes: of(self.stored_bytes), ..self }
    }

    fn told_by(manifest: &Manifest, codec: &Compression) -> Self {
        let sum = |bytes: fn(&crate::repository::manifest::Shard) -> u64| manifest.shards.iter().map(bytes).sum();
        let stored_bytes: u64 = sum(|shard| shard.stored_bytes);
        let took = (manifest.finished_at - manifest.created_at).num_seconds();
        let seconds = u64::try_from(took).unwrap_or_default().max(1);
        Self {
            raw_bytes: sum(|shard| shard.raw_bytes),
            stored_bytes,
            same_codec: manifest.compression == *codec,
            bytes_per_second: (stored_bytes >= TELLING).then_some(stored_bytes / seconds),
        }
    }
}

/// What to expect. `length`: the RDB's, where the server says it; `used_memory`: the server's, 0 where there is none.
pub(super) fn expected(last: Option<Last>, length: Option<u64>, used_memory: u64) -> Expected {
    let bytes = match (last.filter(|last| last.same_codec && last.raw_bytes > 0), length) {
        (Some(last), Some(length)) => {
            let scaled = u128::from(length) * u128::from(last.stored_bytes) / u128::from(last.raw_bytes);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        }
        (Some(last), None) => last.stored_bytes.max(used_memory / LEAST_OF_MEMORY),
        (None, Some(length)) => length,
        (None, None) => used_memory,
    };
    Expected { bytes, bytes_per_second: last.and_then(|last| last.bytes_per_second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn the_last_backup_tells_the_size_and_the_link_of_the_next() {
        let last = Last { raw_bytes: 60 * GB, stored_bytes: 20 * GB, same_codec: true, bytes_per_second: Some(40_000) };
        let other = Last { same_codec: false, ..last };
        for (last, length, used_memory, bytes) in [
            (None, None, 100 * GB, 100 * GB),
            (None, Some(60 * GB), 100 * GB, 60 * GB),
            (Some(last), Some(90 * GB), 100 * GB, 30 * GB),
            (Some(last), None, 70 * GB, 20 * GB),
            // The server has grown.
            (Some(last), None, 400 * GB, 100 * GB),
            (Some(last), None, 0, 20 * GB),
            // Its bytes were packed in another way.
            (Some(other), Some(90 * GB), 0, 90 * GB),
            (Some(other), None, 70 * GB, 70 * GB),
        ] {
            let found = expected(last, length, used_memory);
            assert_eq!(found, Expected { bytes, bytes_per_second: last.and(Some(40_000)) }, "{length:?} {used_memory}");
        }
    }
}
