//! Receipts in the store: written beside a backup, and found again.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::error::Doing;
use super::receipt::written_at;
use super::{BackupId, Listed, Receipt, Repository, RepositoryError, check_instance, layout};
use crate::storage::ObjectInfo;

/// Most bytes of a receipt.
const RECEIPT_LIMIT: u64 = 1 << 20;

impl Receipt {
    /// What lay in the store. Nothing in it was proven later than it was written.
    fn read(time: DateTime<Utc>, mut content: Value) -> Self {
        for (_, at) in content.get_mut("proven_at").and_then(Value::as_object_mut).into_iter().flatten() {
            let proven = at.as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
            if proven.is_some_and(|proven| proven > time) {
                *at = crate::times::text(time).into();
            }
        }
        Self { time, content }
    }
}

impl Repository {
    /// Writes a receipt of a `kind` (`verify`, `restore`) about a backup.
    ///
    /// # Errors
    /// If the kind cannot be a name, or the place refuses.
    pub async fn write_receipt(
        &self,
        instance: &str,
        id: BackupId,
        kind: &str,
        receipt: &Receipt,
    ) -> Result<(), RepositoryError> {
        check_instance(instance)?;
        check_instance(kind)?;
        let key = layout::folder(instance, id) + &layout::receipt_name(kind, receipt.time);
        let body = serde_json::to_vec_pretty(&receipt.content)
            .map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
        self.storage.create(&key, body.into()).await.doing("write", &key)
    }

    /// The newest receipt of a kind; `None` if there is none. One that cannot be read is passed over.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn newest_receipt(
        &self,
        instance: &str,
        id: BackupId,
        kind: &str,
    ) -> Result<Option<Receipt>, RepositoryError> {
        check_instance(instance)?;
        let prefix = layout::folder(instance, id) + layout::RECEIPTS;
        let objects = self.storage.list(&prefix).await.doing("list", &prefix)?;
        self.newest_of(&layout::folder(instance, id), &objects, kind).await
    }

    /// The receipt of a kind that was written at this time, to the millisecond; `None` if there is none, or none that can be read.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn receipt_of(
        &self,
        instance: &str,
        id: BackupId,
        kind: &str,
        time: DateTime<Utc>,
    ) -> Result<Option<Receipt>, RepositoryError> {
        check_instance(instance)?;
        let key = layout::folder(instance, id) + &layout::receipt_name(kind, time);
        match self.storage.get(&key, RECEIPT_LIMIT).await {
            Ok(body) => Ok(serde_json::from_slice(&body).ok().map(|content| Receipt { time, content })),
            Err(crate::storage::StorageError::NotFound) => Ok(None),
            Err(error) => Err(error).doing("read", &key),
        }
    }

    /// All receipts of a kind about a backup, newest first. One that cannot be read is passed over.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn receipts(&self, listed: &Listed, kind: &str) -> Result<Vec<Receipt>, RepositoryError> {
        self.receipts_among(&listed.instance, listed.id, &listed.objects, kind, usize::MAX).await
    }

    /// The same of the objects of a backup that were listed, and no more than so many.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn receipts_among(
        &self,
        instance: &str,
        id: BackupId,
        objects: &[ObjectInfo],
        kind: &str,
        limit: usize,
    ) -> Result<Vec<Receipt>, RepositoryError> {
        let folder = layout::folder(instance, id);
        let timed = |object: &ObjectInfo| Some((written_at(kind, &folder, object)?, object.key.clone()));
        let mut keys: Vec<_> = objects.iter().filter_map(timed).collect();
        keys.sort();
        let mut receipts = Vec::new();
        for (time, key) in keys.into_iter().rev().take(limit) {
            match self.storage.get(&key, RECEIPT_LIMIT).await.map(|body| serde_json::from_slice(&body)) {
                Ok(Ok(content)) => receipts.push(Receipt::read(time, content)),
                Ok(Err(error)) => tracing::warn!(%key, %error, "a receipt is not JSON"),
                Err(crate::storage::StorageError::NotFound) => {}
                Err(error) => return Err(error).doing("read", &key),
            }
        }
        Ok(receipts)
    }

    /// The newest receipt of a kind among the objects of one backup.
    pub(super) async fn newest_of(
        &self,
        folder: &str,
        objects: &[ObjectInfo],
        kind: &str,
    ) -> Result<Option<Receipt>, RepositoryError> {
        let timed = |object: &ObjectInfo| Some((written_at(kind, folder, object)?, object.key.clone()));
        let mut receipts: Vec<_> = objects.iter().filter_map(timed).collect();
        receipts.sort();
        while let Some((time, key)) = receipts.pop() {
            let body = self.storage.get(&key, RECEIPT_LIMIT).await;
            match body.map(|body| serde_json::from_slice(&body)) {
                Ok(Ok(content)) => return Ok(Some(Receipt::read(time, content))),
                Ok(Err(error)) => tracing::warn!(%key, %error, "a receipt is not JSON"),
                Err(crate::storage::StorageError::NotFound) => {}
                Err(error) => return Err(error).doing("read", &key),
            }
        }
        Ok(None)
    }
}
