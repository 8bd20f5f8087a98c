//! Receipts: what was proven of a backup, when and how; and which backup was restored into a server last.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Level, Report};
use crate::repository::manifest::Manifest;
use crate::repository::{BackupId, Listed, Receipt, Repository, RepositoryError};
use crate::status::Status;

/// Kind of the receipts of verifications.
pub const VERIFY: &str = "verify";

/// Kind of the receipts of restores.
pub const RESTORE: &str = "restore";

/// What a verification proved, as it is stored.
pub fn content(report: &Report, level: Level) -> Value {
    json!({
        "level": level.name(),
        "status": report.status,
        "proves": if report.status <= Status::Warning { level.proves() } else { "" },
        "tool_version": env!("CARGO_PKG_VERSION"),
        "checked": report.checked,
        "findings": report.findings.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(),
        "drill": report.drill,
        "rto_seconds": report.drill.as_ref().map(|drill| drill.rto_seconds),
    })
}

/// Writes a receipt of a verification that went to the bytes of a backup; the lowest level proves too little to be worth one.
///
/// # Errors
/// If the place refuses.
pub async fn write(
    repository: &Repository,
    manifest: &Manifest,
    level: Level,
    report: &Report,
    now: DateTime<Utc>,
) -> Result<(), RepositoryError> {
    let Ok(id) = manifest.id.parse::<BackupId>() else { return Ok(()) };
    if level < Level::Checksum {
        return Ok(());
    }
    let receipt = Receipt { time: now, content: content(report, level) };
    repository.write_receipt(&manifest.instance, id, VERIFY, &receipt).await
}

/// Into which server a backup was restored: the field `target` of a restore's receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name in the repository.
    pub instance: String,
    /// `run_id` of INFO.
    #[serde(default)]
    pub run_id: String,
}

/// The backup that was restored into a server last, and when; `None` where no receipt says so. A server that was started again has
/// another run id: then the name of the instance tells.
///
/// # Errors
/// If the place cannot be asked.
pub async fn last_restored(
    repository: &Repository,
    target: &Target,
) -> Result<Option<(Listed, DateTime<Utc>)>, RepositoryError> {
    let mut last: Option<(Listed, DateTime<Utc>)> = None;
    for listed in repository.list(None).await?.into_iter().filter(|listed| listed.manifest().is_some()) {
        for receipt in repository.receipts(&listed, RESTORE).await? {
            let into = receipt.content.get("target").cloned().unwrap_or_default();
            let Ok(into) = serde_json::from_value::<Target>(into) else { continue };
            let is_same = into.instance == target.instance || (!into.run_id.is_empty() && into.run_id == target.run_id);
            if is_same && last.as_ref().is_none_or(|(_, time)| *time < receipt.time) {
                last = Some((listed.clone(), receipt.time));
            }
        }
    }
    Ok(last)
}
