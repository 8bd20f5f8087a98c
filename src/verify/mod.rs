//! Proves a backup good: manifest, presence, digests, structure.
//!
//! Each level holds the ones before it, and says what it proved and what it did not ([`Level::proves`], [`Level::leaves_open`]).

pub mod against;
pub mod comparing;
pub(crate) mod drill;
pub mod live;
pub(crate) mod of_server;
pub(crate) mod pass;
pub(crate) mod receipt;
pub mod view;
pub(crate) mod walk;

mod file;
mod level;
mod of_file;
mod reading;
mod repeated;
mod tails;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::census::{self, Census};
use crate::codec::Sha256Digest;
use crate::dataset::{self, CENSUS_LIMIT, DatasetError, Foreign, RawError, missing_object, sealed_damage};
use crate::examination::{self, Observed, Told};
use crate::explain::{Explain, Interrupted, Meaning, Status};
use crate::finding::{Finding, Severity};
use crate::progress::{Progress, Unit};
use crate::rdb::Needs;
use crate::repository::RepositoryError;
use crate::repository::manifest::{Manifest, Purpose, Shard, StructureState};
use crate::storage::StorageError;
use drill::DrillError;
use reading::{Looking, Read, drive};

pub use file::{FileReport, file};
pub use level::Level;
pub use of_file::COMPARED_KEYS;

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Objects whose presence and length were checked.
    pub objects: u64,
    /// Bytes read from the store.
    pub stored_bytes: u64,
    /// Bytes of RDB that were looked at.
    pub raw_bytes: u64,
    /// Compressed frames that were unpacked.
    pub frames: u64,
    /// Keys that were walked.
    pub keys: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// What was looked at.
    pub checked: Checked,
    /// What is wrong, or worth knowing.
    pub findings: Vec<Finding>,
    /// The census that was made, if the level makes one; of several shards all together.
    pub census: Option<Census>,
    /// What a server must have to load it, if the structure was looked at.
    pub needs: Option<Needs>,
    /// Records of module data outside of keys, by the names of their types.
    pub module_aux: BTreeMap<String, u64>,
    /// What the drill came to, if there was one.
    pub drill: Option<drill::Outcome>,
    /// Good, not good, or could not tell.
    pub status: Status,
}

/// Why there is no answer: the store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The records of a comparison cannot be written or read.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The bytes of a backup or a file do not come, or it is something else than an RDB.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// A backup or a file cannot be opened.
    #[error(transparent)]
    Dataset(DatasetError),
    /// The drill cannot begin.
    #[error(transparent)]
    Drill(#[from] DrillError),
    /// A signal ended the verification.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for VerifyError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Repository(error) => error.meaning(),
            Self::Storage(error) => error.meaning(),
            Self::File(error) => error.meaning(),
            Self::Raw(error) => error.meaning(),
            Self::Dataset(error) => error.meaning(),
            Self::Drill(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

impl From<DatasetError> for VerifyError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Interrupted => Self::Interrupted,
            DatasetError::Repository(error) => Self::Repository(error),
            DatasetError::Raw(error) => Self::Raw(error),
            error => Self::Dataset(error),
        }
    }
}

impl From<Foreign> for VerifyError {
    fn from(error: Foreign) -> Self {
        Self::Raw(error.into())
    }
}

/// Verifies one backup of a repository, up to [`Level::Structure`]; see [`drilled`] for more.
///
/// # Errors
/// If the store cannot be read. Damage is no error: it is the answer.
pub async fn backup(
    backup: &dataset::Backup,
    level: Level,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, VerifyError> {
    examine(backup, level.min(Level::Structure), None, progress, cancel).await
}

/// Verifies one backup, and loads it into a throwaway server, shard after shard.
///
/// # Errors
/// As [`backup`], and where the drill cannot begin: no server, too little memory or room.
pub async fn drilled(
    backup: &dataset::Backup,
    options: &drill::Options,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, VerifyError> {
    examine(backup, Level::Drill, Some(options), progress, cancel).await
}

async fn examine(
    backup: &dataset::Backup,
    level: Level,
    options: Option<&drill::Options>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, VerifyError> {
    let manifest = &backup.manifest;
    // Whether it can begin is known before an hour of reading.
    let drill = match options {
        Some(options) => {
            let drill = drill::Drill::prepare(options).await?;
            drill.must_fit(manifest.shards.iter().map(drill::Demand::of)).await?;
            Some(drill)
        }
        None => None,
    };
    let mut outcome = None;
    let mut checked = Checked::default();
    let (mut findings, beside) = presence(backup, level, &mut checked).await?;
    findings.extend(tails::presence(&backup.repository, manifest, &mut checked).await?);
    // Whoever has no key is told so at once; the checksums need none.
    let is_sealed = manifest.encryption.is_some() && level < Level::Structure;
    let (mut census, mut needs) = (None, None);
    let mut module_aux = BTreeMap::new();
    // What is missing or has another length need not be read to be wrong.
    if level > Level::Manifest && examination::status(&findings) != Status::Failed {
        let bytes = |shard: &Shard| if is_sealed { shard.stored_bytes } else { shard.raw_bytes };
        progress.phase("verifying", Unit::Bytes, Some(manifest.shards.iter().map(bytes).sum()));
        for shard in &manifest.shards {
            let mut is_first = true;
            let (mut read, room, began) = loop {
                let (room, copy) = room(drill.as_ref()).await?;
                let began = std::time::Instant::now();
                let looking = Looking::at(level, manifest.created_at.timestamp_millis(), copy);
                let read = match is_sealed {
                    true => as_stored(backup, shard, progress, cancel).await?,
                    false => unpacked(backup, shard, looking, progress, cancel).await?,
                };
                if !is_first || read.is_as_stored(manifest, shard) {
                    break (read, room, began);
                }
                is_first = false;
                tracing::warn!("{} arrived damaged; reading it again", shard.object);
            };
            if let Some(inspected) = &mut read.inspected {
                repeated::name(&dataset::Dataset::Backup(backup.clone()), inspected, cancel).await?;
            }
            let wrong = judge(manifest, shard, &read, &mut checked);
            let sound = examination::status(&wrong) != Status::Failed;
            if let Some(inspected) = &read.inspected {
                for (name, records) in &inspected.module_aux {
                    *module_aux.entry(name.clone()).or_default() += records;
                }
                needs = Some(match needs.take() {
                    Some(others) => inspected.needs.clone().merged(&others),
                    None => inspected.needs.clone(),
                });
            }
            let own = read.inspected.and_then(|inspected| inspected.census);
            if let (Some(said), Some(own), true) = (&shard.census, &own, sound) {
                findings.extend(examination::census(said, own));
            }
            if let (Some(room), Some(own), true) = (room, &own, sound) {
                let loaded = room.load(&manifest.server, own, began.elapsed(), progress, cancel).await?;
                findings.extend(loaded.findings.iter().cloned());
                outcome = Some(loaded.merged(outcome));
                progress.phase("verifying", Unit::Bytes, None);
            }
            findings.extend(wrong);
            census = merge(census, own);
        }
        findings.extend(tails::contents(&backup.repository, manifest, &mut checked, cancel).await?);
        if level == Level::Drill {
            findings.extend(tails::not_drilled(manifest));
        }
        if level >= Level::Structure
            && examination::status(&findings) != Status::Failed
            && let Some(needs) = &needs
        {
            findings.extend(examination::contents(manifest, needs, &module_aux, census.as_ref()));
            if let (Some((object, stored)), Some(found)) = (&beside, &census) {
                findings.extend(examination::census_object(object, stored, found));
            }
        }
    }
    if level >= Level::Structure {
        findings.extend(examination::cautions(manifest));
    }
    findings.extend(examination::lacks(manifest));
    // A look at the structure tells it anew.
    for known in examination::known(manifest) {
        if !findings.iter().any(|finding| finding.id == known.id) {
            findings.push(known);
        }
    }
    if manifest.shards.is_empty() {
        findings.push(examination::nothing_to_check());
    }
    let status = examination::status(&findings);
    Ok(Report { checked, findings, census, needs, module_aux, drill: outcome, status })
}

/// Reads a shard to its end. A key that does not open it may be right, and the object damaged: then that is the answer.
async fn unpacked(
    backup: &dataset::Backup,
    shard: &Shard,
    looking: Looking,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Read, VerifyError> {
    let error = match backup.open(shard).await {
        Ok(opened) => return drive(opened, looking, progress, cancel).await,
        Err(error) => error,
    };
    let DatasetError::Raw(RawError::Encryption(of_key)) = &error else { return Err(error.into()) };
    if !of_key.may_be_damage() {
        return Err(error.into());
    }
    let mut read = as_stored(backup, shard, progress, cancel).await?;
    if !read.is_as_stored(&backup.manifest, shard) {
        return Ok(read);
    }
    // The object is what was stored: its header came damaged, or was written so, or the key is another.
    match backup.open(shard).await {
        Ok(opened) => drive(opened, looking, progress, cancel).await,
        Err(DatasetError::Raw(RawError::Encryption(damage))) if damage.is_damage() => {
            read.trouble = Some(sealed_damage(&damage));
            Ok(read)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads an encrypted shard to its end without opening it.
async fn as_stored(
    backup: &dataset::Backup,
    shard: &Shard,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Read, VerifyError> {
    drive(backup.open_as_stored(shard).await?, Looking::Sealed, progress, cancel).await
}

impl Report {
    /// What was found without the drill, if there was one, and the answer that this is.
    pub fn before_drill(&self) -> (Status, Vec<Finding>) {
        let of_drill = self.drill.as_ref().map(|drill| drill.findings.as_slice()).unwrap_or_default();
        let findings: Vec<Finding> =
            self.findings.iter().filter(|finding| !of_drill.contains(finding)).cloned().collect();
        (examination::status(&findings), findings)
    }
}

/// A folder for a drill and the file in it into which the RDB is written, where there is to be a drill.
async fn room(drill: Option<&drill::Drill>) -> io::Result<(Option<drill::Room<'_>>, Option<File>)> {
    Ok(match drill {
        Some(drill) => Some(drill.room().await?).unzip(),
        None => (None, None),
    })
}

/// Whether every object is there in its length; and the census beside the manifest, by the name of its object, if it can be read.
async fn presence(
    backup: &dataset::Backup,
    level: Level,
    checked: &mut Checked,
) -> Result<(Vec<Finding>, Option<(String, Census)>), VerifyError> {
    let dataset::Backup { repository, manifest, .. } = backup;
    let mut findings = Vec::new();
    let mut census = None;
    for shard in &manifest.shards {
        let Some(length) = repository.object_length(manifest, &shard.object).await? else {
            findings.push(missing_object(&shard.object));
            continue;
        };
        checked.objects += 1;
        findings.extend(examination::object(shard, &Observed { stored_bytes: Some(length), ..Observed::default() }));
    }
    if let Some(summary) = &manifest.census
        && let (Some(object), Some(sha256)) = (&summary.object, &summary.sha256)
    {
        let mut got = repository.get_object(manifest, object, CENSUS_LIMIT).await;
        if got.as_ref().is_ok_and(|bytes| Sha256Digest::of(bytes) != *sha256) {
            // The way damages bytes as well.
            got = repository.get_object(manifest, object, CENSUS_LIMIT).await;
        }
        match got {
            Ok(bytes) if Sha256Digest::of(&bytes) == *sha256 => {
                checked.objects += 1;
                if manifest.encryption.is_some() && level < Level::Structure {
                    return Ok((findings, None));
                }
                match census::decode(&backup.content(bytes).await?) {
                    Ok(found) => census = Some((object.clone(), found)),
                    Err(error) => {
                        // One that is newer says nothing to us, and is not used.
                        let is_damage = error.meaning().code == "corrupt";
                        let severity = if is_damage { Severity::Critical } else { Severity::Info };
                        findings.push(
                            Finding::new(severity, "census_not_read", "cannot read the census beside the manifest")
                                .evidence("object", object.as_str())
                                .evidence("error", error.to_string()),
                        );
                    }
                }
            }
            Ok(_) => findings.push(
                Finding::new(Severity::Critical, "checksum_mismatch", "the object's SHA-256 differs")
                    .evidence("object", object.as_str()),
            ),
            Err(RepositoryError::Storage { source: StorageError::NotFound, .. }) => {
                findings.push(missing_object(object))
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((findings, census))
}

fn judge(manifest: &Manifest, shard: &Shard, read: &Read, checked: &mut Checked) -> Vec<Finding> {
    count(read, checked);
    let mut findings: Vec<Finding> =
        read.trouble.iter().map(|finding| finding.clone().evidence("object", shard.object.as_str())).collect();
    let mut observed = Observed::default();
    if let Some(seen) = &read.seen {
        observed.stored_sha256.clone_from(&seen.stored_sha256);
        observed.frames = Some(seen.frames).filter(|_| !read.is_sealed);
    }
    (observed.raw_bytes, observed.raw_sha256) = (read.raw_bytes, read.raw_sha256.clone());
    if let Some(inspected) = &read.inspected {
        observed.crc64 = Some(inspected.crc64());
        findings.extend(of_file::trailing(inspected));
        // A manifest that says so is a caution already.
        if inspected.not_understood.is_some() && manifest.structure.state != StructureState::NotUnderstood {
            findings.push(examination::not_understood(inspected.structure.understood_up_to));
        }
        let mut known = inspected.oddities.clone();
        if manifest.purpose != Purpose::Adopted {
            known.functions_were_loaded();
        }
        let mut odd = examination::oddities(&known, &inspected.needs);
        // What a server had loaded itself has been compiled by it.
        if manifest.purpose != Purpose::Adopted {
            let loaded = ["functions_not_run", "lua_script", "modules_not_asked"];
            odd.retain(|finding| !loaded.contains(&finding.id.as_str()));
        }
        odd.extend(of_file::not_sought(inspected, crate::capture::KEYS_COMPARED));
        findings.extend(odd.into_iter().map(|finding| finding.evidence("object", shard.object.as_str())));
    }
    findings.extend(examination::object(shard, &observed));
    // What is another file says other things.
    if let (Some(inspected), true) = (&read.inspected, examination::status(&findings) != Status::Failed) {
        let is_read = inspected.not_understood.is_none() && inspected.broken.is_none();
        let told = Told {
            rdb_version: inspected.rdb_version,
            aux: &inspected.aux,
            understood_up_to: is_read.then_some(inspected.structure.understood_up_to),
        };
        findings.extend(examination::shard(manifest, shard, &told));
    }
    findings
}

fn count(read: &Read, checked: &mut Checked) {
    if let Some(seen) = &read.seen {
        checked.stored_bytes += seen.stored_bytes;
        checked.frames += seen.frames;
    }
    checked.raw_bytes += read.raw_bytes.unwrap_or_default();
    checked.keys += read.inspected.as_ref().map_or(0, |inspected| inspected.keys);
}

fn merge(all: Option<Census>, one: Option<Census>) -> Option<Census> {
    match (all, one) {
        (Some(all), Some(one)) => Some(all.merged(&one)),
        (all, one) => all.or(one),
    }
}
