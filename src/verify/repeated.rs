//! Names of keys that stand in an RDB more than once: one pass remembers hashes of names alone, so another one looks the first of them up.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::VerifyError;
use crate::capture::Inspected;
use crate::dataset::{Dataset, DatasetError};
use crate::progress::Hidden;
use crate::rdb::OddityKind;
use crate::rdb::oddity::{NAME_KEPT, Named};
use crate::rdb::visit::{Entry, Interest, Visit};

/// Puts their names to the keys of these data that were found again. What can be read only once keeps them without.
///
/// # Errors
/// A signal came.
pub(super) async fn name(
    data: &Dataset,
    inspected: &mut Inspected,
    cancel: &CancellationToken,
) -> Result<(), VerifyError> {
    // Offsets are those of one RDB.
    if inspected.repeated.is_empty() || !data.can_be_read_again() || data.shards() != 1 {
        return Ok(());
    }
    let names = Names { wanted: inspected.repeated.clone(), found: Vec::new() };
    match data.read(names, &Hidden::default(), cancel).await {
        Ok(names) => inspected.oddities.name(OddityKind::DuplicateKey, names.found),
        Err(DatasetError::Interrupted) => return Err(VerifyError::Interrupted),
        // What stands there twice is known all the same.
        Err(error) => tracing::warn!("the names of the duplicate keys are unknown: {error}"),
    }
    Ok(())
}

/// Hears the names of the keys whose values begin at these offsets.
struct Names {
    wanted: BTreeSet<u64>,
    found: Vec<Named>,
}

impl Visit for Names {
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        if self.wanted.remove(&entry.value_offset) {
            self.found.push(Named {
                what: OddityKind::DuplicateKey.words(),
                offset: entry.value_offset,
                key: Some((entry.database, entry.key[..entry.key.len().min(NAME_KEPT)].to_vec())),
                library: None,
                numbers: None,
            });
        }
        Interest::default()
    }

    fn stopped(&self) -> bool {
        self.wanted.is_empty()
    }
}
