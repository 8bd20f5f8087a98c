//! From what was captured to a backup: the census beside it, and the manifest last.

use chrono::Utc;

use tokio_util::sync::CancellationToken;

use super::captured::Made;
use super::options::Options;
use super::report::{BackupError, Report};
use super::{abandon, within_grace};
use crate::capture::{CaptureError, Inspected};
use crate::examination;
use crate::explain::Status;
use crate::figures::counted;
use crate::finding::Severity;
use crate::repository::manifest::{
    FORMAT_VERSION, Kind, Manifest, Needs, Shard, Structure, StructureFinding, StructureState,
};
use crate::repository::{CENSUS, Draft, Repository};

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
    let mut warnings = warnings(&made.stored.inspected, &manifest.findings);
    if made.stale {
        warnings.push("the backup was read from a replica that has lost its primary: its data may be old".to_owned());
    }
    warnings.extend(made.warnings);
    let status = if warnings.is_empty() { Status::Ok } else { Status::Warning };
    let reservations =
        examination::cautions(&manifest).into_iter().filter(|finding| finding.severity == Severity::Warning);
    let reservations = reservations.map(|finding| finding.title).collect();
    Ok(Report { manifest, source: made.source, reservations, warnings, status })
}

fn warnings(inspected: &Inspected, findings: &[StructureFinding]) -> Vec<String> {
    let lengths = examination::wrong_lengths(&inspected.oddities, &inspected.needs);
    let mut warnings: Vec<String> = findings.iter().chain(&lengths).map(in_words).collect();
    // As a verification says it of the same bytes.
    let odd = examination::oddities(&inspected.oddities, &inspected.needs).into_iter();
    let odd = odd.filter(|finding| finding.severity == Severity::Warning);
    warnings.extend(odd.map(|finding| format!("its structure has a warning: {} ({})", finding.title, finding.why)));
    if inspected.oddities.not_compared > 0 && !findings.is_empty() {
        warnings
            .push(format!("{} were not compared with each other", counted(inspected.oddities.not_compared, "member")));
    }
    if let Some(error) = inspected.not_understood {
        warnings.push(format!(
            "the RDB is newer than this version of redis-ops supports ({error}): its bytes are stored completely, without a census"
        ));
    }
    if inspected.trailing_bytes > 0 {
        warnings
            .push(format!("{} after the end of the RDB are stored as well", counted(inspected.trailing_bytes, "byte")));
    }
    warnings
}

/// Keys that a warning names.
const NAMED: usize = 3;

/// What is wrong, with the keys and counts.
fn in_words(finding: &StructureFinding) -> String {
    let named = finding.places.iter().take(NAMED).filter_map(|place| {
        let database = place.database?;
        let Some(key) = place.key.as_ref() else { return Some(format!("a key of database {database}")) };
        Some(match (place.announced, place.found) {
            (Some(announced), Some(found)) => {
                format!("`{key}` of database {database} announces {announced}, but holds {found}")
            }
            _ => format!("`{key}` of database {database}"),
        })
    });
    let named: Vec<String> = named.collect();
    let mut words = finding.title.clone();
    if !named.is_empty() {
        words.push_str(&format!(": {}", named.join(", ")));
    }
    if finding.count > named.len().max(1) as u64 {
        words.push_str(&format!(" ({} in all)", counted(finding.count, "time")));
    }
    if !finding.why.is_empty() {
        words.push_str(&format!(" ({})", finding.why));
    }
    format!("its structure has a finding: {words}")
}

/// A server that is known to load it, the oldest: `redis 7.4`. `None`: every one that we know, or none.
fn oldest_server(needs: &crate::rdb::Needs) -> Option<String> {
    let servers = needs.servers();
    let all = crate::rdb::Server::known().len();
    servers.first().filter(|_| servers.len() < all).map(|server| server.name().to_owned())
}

fn needs(inspected: &Inspected) -> Option<Needs> {
    let needs = &inspected.needs;
    let modules = needs.modules.iter().chain(inspected.module_aux.keys()).cloned();
    let is_understood = inspected.not_understood.is_none() && inspected.broken.is_none();
    is_understood.then(|| Needs {
        databases: needs.databases,
        modules: modules.collect::<std::collections::BTreeSet<_>>().into_iter().collect(),
        version: oldest_server(needs),
        functions: needs.functions,
    })
}

fn manifest(options: &Options, draft: &Draft, made: &Made) -> Manifest {
    let inspected = &made.stored.inspected;
    let findings = examination::structure(&inspected.oddities, &inspected.needs, inspected.broken.as_ref());
    let structure = Structure {
        state: match (inspected.not_understood, findings.is_empty()) {
            (Some(_), _) => StructureState::NotUnderstood,
            (None, false) => StructureState::Findings,
            (None, true) => StructureState::Verified,
        },
        understood_up_to: inspected.structure.understood_up_to,
    };
    Manifest {
        format_version: FORMAT_VERSION,
        id: draft.id(),
        instance: options.instance.clone(),
        created_at: options.now,
        finished_at: options.now,
        kind: Kind::Rdb,
        purpose: options.purpose,
        consistency: made.consistency,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: options.labels.clone(),
        server: made.server.clone(),
        compression: options.codec.into(),
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
            moment: made.moment,
            consistency: Some(made.consistency),
            structure: Some(structure),
            // One shard is the whole: its census is said once.
            census: None,
            tail: None,
        }],
        moment: made.moment,
        census: inspected.census.as_ref().map(examination::summarize),
        structure,
        findings,
        needs: needs(inspected),
        module_aux: (inspected.not_understood.is_none() && inspected.broken.is_none())
            .then(|| inspected.module_aux.clone()),
        stale: made.stale,
        lacks: made.lacks.clone(),
    }
}
