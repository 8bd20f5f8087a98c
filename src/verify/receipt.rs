//! Receipts: what was proven of a backup, when and how; and which backup was restored into a server last.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Level, Report};
use crate::explain::Status;
use crate::finding::{Finding, Severity};
use crate::repository::manifest::Manifest;
use crate::repository::{BackupId, Listed, Receipt, Repository, RepositoryError};
use crate::times;

/// Kind of the receipts of verifications.
pub const VERIFY: &str = "verify";

/// Kind of the receipts of restores.
pub const RESTORE: &str = "restore";

/// Findings that a receipt says in words; an object with a thousand of them is as bad as one with a few.
const FOUND: usize = 10;

/// When each level was last proven good, by its name. Every receipt carries what the ones before it have proven, so that the
/// newest tells it all; one that found damage carries nothing on.
type Proven = BTreeMap<String, DateTime<Utc>>;

/// What a verification proved, as it is stored.
fn content(
    report: &Report,
    is_encrypted: bool,
    (level, status, findings): (Level, Status, &[Finding]),
    proven_at: &Proven,
) -> Value {
    json!({
        "level": level.name(),
        "status": status,
        "proves": if status <= Status::Warning { level.proves(is_encrypted) } else { "" },
        "tool_version": env!("CARGO_PKG_VERSION"),
        "checked": report.checked,
        "findings": findings.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(),
        "found": each_once(findings.iter().filter(|finding| finding.severity > Severity::Info)
            .map(|finding| finding.title.clone())).into_iter().take(FOUND).collect::<Vec<_>>(),
        "drill": report.drill.as_ref().filter(|_| level == Level::Drill),
        "proven_at": proven_at.iter().map(|(level, at)| (level, times::text(*at))).collect::<BTreeMap<_, _>>(),
        "rto_seconds": report.drill.as_ref().filter(|_| level == Level::Drill).map(|drill| drill.rto_seconds),
    })
}

/// Writes a receipt of a verification that went to the bytes of a backup. The lowest level proves too little to be worth one, unless it
/// has found damage, or no longer finds what it had found.
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
    let id = manifest.id;
    // A drill that could not be held says nothing against what was read for it: a server that is too old is the machine's trouble.
    let (level, status, findings) = match report.before_drill() {
        (read, findings) if level == Level::Drill && report.status == Status::Unknown && read <= Status::Warning => {
            (Level::Structure, read, findings)
        }
        _ => (level, report.status, report.findings.clone()),
    };
    if level < Level::Checksum && status == Status::Unknown {
        return Ok(());
    }
    let before = repository.verified(&manifest.instance, id).await?;
    // What a level has found stands until that level, or a higher one, finds nothing: a lower one does not look there.
    let found_at = before.as_ref().filter(|before| before.text("status") == Some("failed")).map(level_of);
    if found_at.is_some_and(|found| status != Status::Failed && (status == Status::Unknown || level < found)) {
        return Ok(());
    }
    // Names and lengths alone are worth a receipt where they are news.
    let is_news = found_at.is_some() != (status == Status::Failed);
    if level < Level::Checksum && !is_news {
        return Ok(());
    }
    let proven_at = proven(before.as_ref(), level, status, now);
    let receipt = Receipt {
        time: now,
        content: content(report, manifest.encryption.is_some(), (level, status, &findings), &proven_at),
    };
    repository.write_receipt(&manifest.instance, id, VERIFY, &receipt).await
}

/// The level that a verification was made at; the highest, where it does not say one that we know.
fn level_of(receipt: &Receipt) -> Level {
    let named = |level: &Level| receipt.text("level") == Some(level.name());
    Level::ALL.into_iter().find(named).unwrap_or(Level::Drill)
}

fn proven(before: Option<&Receipt>, level: Level, status: Status, now: DateTime<Utc>) -> Proven {
    let mut proven = match status {
        Status::Failed => Proven::new(),
        _ => before.map(proven_before).unwrap_or_default(),
    };
    if status <= Status::Warning {
        let reached = Level::ALL.into_iter().filter(|one| (Level::Checksum..=level).contains(one));
        proven.extend(reached.map(|level| (level.name().to_owned(), now)));
    }
    proven
}

fn proven_before(receipt: &Receipt) -> Proven {
    let proven = receipt.content.get("proven_at").cloned().unwrap_or_default();
    serde_json::from_value(proven).unwrap_or_default()
}

/// When each level was last shown to be good, for programs.
pub fn proven_shown(newest: &Receipt) -> BTreeMap<String, String> {
    proven_before(newest).into_iter().map(|(level, at)| (level, times::text(at))).collect()
}

/// In their order, each text once.
fn each_once(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// What a verification has found, in words; of a receipt of an earlier version the names of the findings.
pub fn found(receipt: &Receipt) -> Vec<String> {
    let texts = |field| {
        let list = receipt.content.get(field).and_then(Value::as_array)?;
        Some(each_once(list.iter().filter_map(Value::as_str).map(str::to_owned)))
    };
    texts("found")
        .or_else(|| Some(texts("findings")?.iter().map(|id| id.replace('_', " ")).collect()))
        .unwrap_or_default()
}

/// When a level was last proven good, as the newest receipt of a backup says.
pub fn proven_at(newest: &Receipt, level: Level) -> Option<DateTime<Utc>> {
    proven_before(newest).get(level.name()).copied()
}

/// The highest level that was ever proven good, and when last.
pub fn highest(newest: &Receipt) -> Option<(Level, DateTime<Utc>)> {
    Level::ALL.into_iter().rev().find_map(|level| Some((level, proven_at(newest, level)?)))
}

/// Seconds that the drill of this time took until a server served; `None` where its receipt does not say.
///
/// # Errors
/// If the place cannot be asked.
pub async fn rto_seconds(
    repository: &Repository,
    instance: &str,
    id: BackupId,
    at: DateTime<Utc>,
) -> Result<Option<f64>, RepositoryError> {
    let receipt = repository.receipt_of(instance, id, VERIFY, at).await?;
    Ok(receipt.and_then(|receipt| receipt.content.get("rto_seconds")?.as_f64()))
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
/// another run id: then the name of the instance tells. A restore of a part does not count: the server does not hold the backup.
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
            // One of an earlier version does not say.
            if receipt.content.get("everything") == Some(&Value::Bool(false)) {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// One verification after the other, each with the receipt of the one before.
    fn after(all: &[(&str, Level, Status)]) -> Receipt {
        let mut newest: Option<Receipt> = None;
        for (at, level, status) in all {
            let proven_at = proven(newest.as_ref(), *level, *status, time(at));
            newest = Some(Receipt { time: time(at), content: json!({ "proven_at": proven_at }) });
        }
        newest.expect("a receipt")
    }

    #[test]
    fn a_quick_look_does_not_hide_what_was_proven_before() {
        let drilled = ("2024-01-01T00:00:00Z", Level::Drill, Status::Ok);
        let newest = after(&[drilled, ("2024-01-02T00:00:00Z", Level::Checksum, Status::Warning)]);
        assert_eq!(proven_at(&newest, Level::Checksum), Some(time("2024-01-02T00:00:00Z")));
        assert_eq!(proven_at(&newest, Level::Structure), Some(time("2024-01-01T00:00:00Z")));
        assert_eq!(highest(&newest), Some((Level::Drill, time("2024-01-01T00:00:00Z"))));
        // Who could not tell has proven nothing, and refuted nothing.
        let newest = after(&[drilled, ("2024-01-02T00:00:00Z", Level::Drill, Status::Unknown)]);
        assert_eq!(highest(&newest), Some((Level::Drill, time("2024-01-01T00:00:00Z"))));
    }

    #[test]
    fn damage_ends_every_proof() {
        let drilled = ("2024-01-01T00:00:00Z", Level::Drill, Status::Ok);
        let damaged = ("2024-01-02T00:00:00Z", Level::Checksum, Status::Failed);
        assert_eq!(highest(&after(&[drilled, damaged])), None);
        let again = ("2024-01-03T00:00:00Z", Level::Structure, Status::Ok);
        assert_eq!(highest(&after(&[drilled, damaged, again])), Some((Level::Structure, time(again.0))));
    }
}
