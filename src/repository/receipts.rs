//! Receipts in the store: written beside a backup, and found again.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::error::Doing;
use super::receipt::written_at;
use super::{BackupId, Listed, Receipt, Repository, RepositoryError, check_instance, layout};
use crate::storage::{ObjectInfo, StorageError};

/// Most bytes of a receipt.
const RECEIPT_LIMIT: u64 = 1 << 20;
/// So many receipts are read of one backup where the clocks disagree about which is the newest.
const CONTENDERS: usize = 16;

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

    /// What the receipts of verifications say of a backup: see [`Repository::verified_by`]; `None` if there is none.
    ///
    /// # Errors
    /// If the place cannot be asked.
    pub async fn verified(&self, instance: &str, id: BackupId) -> Result<Option<Receipt>, RepositoryError> {
        check_instance(instance)?;
        let prefix = layout::folder(instance, id) + layout::RECEIPTS;
        let objects = self.storage.list(&prefix).await.doing("list", &prefix)?;
        self.verified_by(&layout::folder(instance, id), &objects).await
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
            Err(StorageError::NotFound) => Ok(None),
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
                Err(StorageError::NotFound) => {}
                Err(error) => return Err(error).doing("read", &key),
            }
        }
        Ok(receipts)
    }

    /// The verification that stands, by the receipts among the objects of one backup. That is the newest; where two clocks
    /// disagree about which is the newest (the one that named the receipts and that of the store), damage stands, and then a receipt that
    /// is there and cannot be read ([`Receipt::is_unreadable`]): nothing good hides it that is not later by both.
    pub(super) async fn verified_by(
        &self,
        folder: &str,
        objects: &[ObjectInfo],
    ) -> Result<Option<Receipt>, RepositoryError> {
        let mut stands: Option<Receipt> = None;
        for (time, key) in newest_by_some_clock(folder, objects).into_iter().take(CONTENDERS) {
            let receipt = match self.storage.get(&key, RECEIPT_LIMIT).await {
                Ok(body) => match serde_json::from_slice(&body).map(|content| Receipt::read(time, content)) {
                    Ok(receipt) if receipt.has_known_status() => receipt,
                    Ok(receipt) => {
                        let status = receipt.text("status").unwrap_or("nothing");
                        Receipt::unreadable(time, &format!("its status is `{}`", status.escape_debug()))
                    }
                    Err(error) => Receipt::unreadable(time, &format!("it is not JSON: {error}")),
                },
                Err(StorageError::NotFound) => continue,
                Err(error @ StorageError::Unavailable(_)) => return Err(error).doing("read", &key),
                Err(error) => Receipt::unreadable(time, &error.to_string()),
            };
            if stands.as_ref().is_none_or(|other| other.weight() < receipt.weight()) {
                stands = Some(receipt);
            }
        }
        Ok(stands)
    }
}

/// The receipts of verifications of which no other is the later one by both clocks, the newest by its name first.
pub(super) fn newest_by_some_clock(folder: &str, objects: &[ObjectInfo]) -> Vec<(DateTime<Utc>, String)> {
    let timed = |object: &ObjectInfo| {
        let named = written_at("verify", folder, object)?;
        Some((named, object.modified.unwrap_or(named), object.key.clone()))
    };
    let mut all: Vec<_> = objects.iter().filter_map(timed).collect();
    all.sort();
    let mut newest = Vec::new();
    let mut latest_in_store = None;
    for (named, stored, key) in all.into_iter().rev() {
        // Those before it have later names.
        if latest_in_store.is_none_or(|latest| stored > latest) {
            latest_in_store = Some(stored);
            newest.push((named, key));
        }
    }
    newest
}
