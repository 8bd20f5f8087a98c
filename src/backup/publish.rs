//! From what was captured to a backup: the census beside it, and the manifest last.

use chrono::Utc;

use tokio_util::sync::CancellationToken;

use super::{BackupError, Made, Options, Report, abandon, within_grace};
use crate::capture::{CaptureError, Inspected};
use crate::examination;
use crate::figures::counted;
use crate::introspection::ServerFacts;
use crate::repository::manifest::{FORMAT_VERSION, Manifest, Server, Shard, Structure, StructureState};
use crate::repository::{CENSUS, Draft, Repository};
use crate::status::Status;

/// Writes what is left of a backup; it exists when this returns.
///
/// # Errors
/// Then there is none, and what was uploaded was removed.
pub(super) async fn publish(
    options: &Options,
    repository: &Repository,
    draft: Draft,
    made: Made,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    let mut manifest = manifest(options, &draft, &made);
    if let Some(census) = &made.stored.inspected.census {
        let rest = bytes::Bytes::from(crate::census::encode(census));
        let sha256 = crate::codec::Sha256Digest::of(&rest);
        let object = draft.object_name(CENSUS);
        match within_grace(draft.put_small(&object, rest), cancel).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(abandon(repository, draft, error.into()).await),
            None => return Err(abandon(repository, draft, CaptureError::Interrupted.into()).await),
        }
        let summary = manifest.census.get_or_insert_with(|| examination::summarize(census));
        (summary.object, summary.sha256) = (Some(object), Some(sha256));
    }
    manifest.finished_at = Utc::now();
    // The manifest goes last, so that an interrupted backup is no backup.
    let manifest = match within_grace(repository.commit(&draft, manifest), cancel).await {
        Some(Ok(manifest)) => manifest,
        Some(Err(error)) => return Err(abandon(repository, draft, error.into()).await),
        None => return Err(abandon(repository, draft, CaptureError::Interrupted.into()).await),
    };
    let mut warnings = warnings(&made.stored.inspected);
    if made.stale {
        warnings.push("it was read from a replica that has lost its primary: it may be old".to_owned());
    }
    warnings.extend(made.warnings);
    let status = if warnings.is_empty() { Status::Ok } else { Status::Warning };
    Ok(Report { manifest, source: made.source, warnings, status })
}

fn warnings(inspected: &Inspected) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(error) = inspected.not_understood {
        warnings.push(format!(
            "the RDB is newer than this version knows ({error}): its bytes are stored and whole, without a census"
        ));
    }
    if inspected.trailing_bytes > 0 {
        warnings.push(format!(
            "{} behind the end of the RDB are stored as well",
            counted(inspected.trailing_bytes, "byte")
        ));
    }
    warnings
}

fn manifest(options: &Options, draft: &Draft, made: &Made) -> Manifest {
    let inspected = &made.stored.inspected;
    Manifest {
        format_version: FORMAT_VERSION,
        id: draft.id().to_string(),
        instance: options.instance.clone(),
        created_at: options.now,
        finished_at: options.now,
        kind: "rdb".to_owned(),
        purpose: options.purpose,
        consistency: made.consistency,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: options.labels.clone(),
        server: made.server.clone(),
        compression: options.codec.name().to_owned(),
        encryption: None,
        shards: vec![Shard {
            index: 0,
            slots: made.slots.clone(),
            node: made.node.clone(),
            replid: made.replid.clone(),
            offset: made.offset,
            rdb_version: inspected.rdb_version,
            aux: inspected.aux.clone(),
            object: made.object.clone(),
            raw_bytes: inspected.raw_bytes + inspected.trailing_bytes,
            stored_bytes: made.stored.stored_bytes,
            raw_sha256: made.stored.raw_sha256.clone(),
            stored_sha256: made.stored.stored_sha256.clone(),
            crc64: inspected.crc64(),
            frames: made.stored.frames,
        }],
        census: inspected.census.as_ref().map(examination::summarize),
        structure: Structure {
            state: if inspected.not_understood.is_some() {
                StructureState::NotUnderstood
            } else {
                StructureState::Verified
            },
            understood_up_to: inspected.structure.understood_up_to,
        },
        findings: Vec::new(),
        needs: None,
        module_aux: None,
        stale: made.stale,
    }
}

/// A server as it stands in a manifest.
pub(super) fn server(facts: &ServerFacts) -> Server {
    Server {
        name: facts.name.clone(),
        version: facts.version.clone(),
        run_id: facts.run_id.clone(),
        mode: facts.mode.as_str().to_owned(),
        role: facts.role.as_str().to_owned(),
        os: facts.os.clone(),
        maxmemory: facts.maxmemory,
        maxmemory_policy: facts.maxmemory_policy.clone(),
        modules: facts.modules.clone(),
    }
}
