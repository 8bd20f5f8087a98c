//! What can be asked of data at rest: its census, and a pass over all shards.

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::error::missing_object;
use super::pass::{self, Ended, Feed, Passed, Scanned};
use super::stored::promised;
use super::{Backup, Dataset, DatasetError, ReadError};
use crate::census::{self, Census, DIGEST_VERSION};
use crate::codec::Sha256Digest;
use crate::progress::Progress;
use crate::rdb::visit::Visit;
use crate::repository::RepositoryError;
use crate::repository::manifest::StructureState;
use crate::storage::StorageError;

/// `census.bin` may not be longer than this, in bytes.
pub const CENSUS_LIMIT: u64 = 16 << 20;

impl Dataset {
    /// Refuses a backup of which its manifest says already that nobody can look inside.
    ///
    /// # Errors
    /// [`DatasetError::NotUnderstood`].
    pub fn must_be_understood(&self) -> Result<(), DatasetError> {
        match self.manifest() {
            Some(manifest) if manifest.structure.state == StructureState::NotUnderstood => {
                Err(DatasetError::NotUnderstood { what: self.name(), up_to: manifest.structure.understood_up_to })
            }
            _ => Ok(()),
        }
    }

    /// The census that was made with the backup. `None` where there is none, it is damaged, or one whose digest says nothing to ours:
    /// then the data itself must be read.
    pub async fn census(&self) -> Option<Census> {
        let Self::Backup(backup) = self else { return None };
        let Backup { repository, manifest, .. } = backup;
        let summary = manifest.census.as_ref().filter(|summary| summary.digest_version == DIGEST_VERSION)?;
        let (object, sha256) = (summary.object.as_ref()?, summary.sha256.as_ref()?);
        let bytes = match repository.get_object(manifest, object, CENSUS_LIMIT).await {
            Ok(bytes) => bytes,
            // What was lost can be counted again.
            Err(error) => {
                tracing::warn!("the census of {} is not used: {error}", self.name());
                return None;
            }
        };
        // Without its key the census says nothing; the data itself will say which key is needed.
        if backup.must_be_openable().is_err() {
            return None;
        }
        match self.decoded(backup, bytes, sha256).await {
            // The digest of an encrypted one is only there.
            Some(census)
                if census.keys == summary.keys
                    && (summary.digest.is_empty() || census.digest_hex() == summary.digest) =>
            {
                Some(census)
            }
            _ => {
                tracing::warn!("the census of {} is damaged: the data itself is read", self.name());
                None
            }
        }
    }

    /// What lies beside the manifest, if it is what was written.
    async fn decoded(&self, backup: &Backup, bytes: Bytes, sha256: &str) -> Option<Census> {
        if Sha256Digest::of(&bytes) != *sha256 {
            return None;
        }
        let content = backup.content(bytes).await;
        let content = content.inspect_err(|error| tracing::debug!("the census of {}: {error}", self.name())).ok()?;
        census::decode(&content).ok()
    }

    /// Tells a visitor all that is in it, shard after shard. The bytes are held against the manifest on the way.
    ///
    /// # Errors
    /// The data are damaged, newer than this version knows, or cannot be read; or a signal came.
    pub async fn read<V: Visit + Send + 'static>(
        &self,
        mut visit: V,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<V, DatasetError> {
        self.must_be_understood()?;
        for number in 0..self.shards() {
            let object = self.manifest().and_then(|manifest| manifest.shards.get(number)).map(|shard| &*shard.object);
            let failed = |error| DatasetError::of_reading(error, self.name(), object);
            let opened = self.open(number, cancel).await.map_err(|error| self.lost(error, object))?;
            let opened = Box::new(opened);
            let passed: Passed<Scanned<V>> =
                pass::run(Feed::Opened(opened), Scanned::by(visit, 0), progress, cancel).await.map_err(failed)?;
            if passed.ended == Ended::Early {
                return Ok(passed.taker.into_visit());
            }
            visit = passed.taker.finish().map_err(failed)?.0;
            if let (Some(shard), Some(seen)) =
                (self.manifest().and_then(|manifest| manifest.shards.get(number)), passed.seen)
            {
                let stored = seen.stored_sha256.unwrap_or_default();
                let held = promised(shard).object(seen.stored_bytes, &stored);
                held.map_err(|error| failed(ReadError::Raw(error.into())))?;
            }
        }
        Ok(visit)
    }

    /// An object that the manifest names and the store does not have is damage of the backup.
    fn lost(&self, error: DatasetError, object: Option<&str>) -> DatasetError {
        match (error, object) {
            (
                DatasetError::Repository(RepositoryError::Storage { source: StorageError::NotFound, .. }),
                Some(object),
            ) => DatasetError::Damaged { what: self.name(), finding: Box::new(missing_object(object)) },
            (error, _) => error,
        }
    }
}
