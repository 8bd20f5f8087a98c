//! From what was captured to a backup: the census beside it, and the manifest last.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::captured::Made;
use super::held::Held;
use super::options::Options;
use super::report::{BackupError, Report};
use super::{abandon, within_grace};
use crate::blocking;
use crate::capture::{CaptureError, Inspected};
use crate::census::Census;
use crate::encryption::Recipients;
use crate::examination;
use crate::explain::Status;
use crate::figures::counted;
use crate::finding::Severity;
use crate::repository::manifest::{
    Consistency, Encryption, FINDINGS_KEPT, FORMAT_VERSION, Kind, LEAST_FORMAT, Manifest, Moment, Needs, Purpose,
    Shard, Structure, StructureFinding, StructureState,
};
use crate::repository::{CENSUS, Draft, Repository};

/// What is said of all shards together.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// What a cluster may have held that is in none of them, in words.
    pub(super) gaps: Vec<String>,
    /// Whether they are of one moment; `None`: there is one shard.
    pub(super) held: Option<Held>,
}

/// Writes what is left of a backup; it exists when this returns. `made`: one for each shard, in the order of their numbers.
///
/// # Errors
/// Then there is none, and what was uploaded was removed.
pub(super) async fn publish(
    options: &Options,
    repository: &Repository,
    draft: Draft,
    mut made: Vec<Made>,
    whole: Whole,
    cancel: &CancellationToken,
) -> Result<Report, BackupError> {
    if options.purpose != Purpose::Adopted {
        made.iter_mut().for_each(|one| one.stored.inspected.oddities.functions_were_loaded());
    }
    let census = whole_census(&made);
    let mut manifest = manifest(options, &draft, &made, census.as_ref());
    let Whole { gaps, held } = whole;
    if let Some(held) = held.filter(|_| made.len() > 1) {
        held.told_in(&mut manifest);
    }
    manifest.lacks.extend(gaps.iter().cloned());
    if let Some(census) = &census {
        let rest = match beside(&draft, census).await {
            Ok(rest) => rest,
            Err(error) => return Err(abandon(repository, draft, error.into()).await),
        };
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
    if manifest.encryption.is_some() {
        keep_secret(&mut manifest);
    }
    // The manifest goes last, so that an interrupted backup is no backup.
    let manifest = match within_grace(repository.commit(&draft, manifest), cancel).await {
        Some(Ok(manifest)) => manifest,
        Some(Err(error)) => return Err(abandon(repository, draft, error.into()).await),
        None => return Err(abandon(repository, draft, CaptureError::Interrupted.into()).await),
    };
    let several = made.len() > 1;
    let apart = functions_apart(&made);
    let (mut said, mut sources) = (Vec::new(), Vec::new());
    for (index, one) in made.into_iter().enumerate() {
        let own: Vec<StructureFinding> =
            manifest.findings.iter().filter(|finding| finding.shard as usize == index).cloned().collect();
        let mut warnings = warnings(&one.stored.inspected, &own);
        if one.stale {
            warnings
                .push("the backup was read from a replica that has lost its primary: its data may be old".to_owned());
        }
        warnings.extend(one.warnings);
        let of_shard = |warning: String| if several { format!("shard {index}: {warning}") } else { warning };
        said.extend(warnings.into_iter().map(of_shard));
        sources.extend(one.source);
    }
    said.extend(gaps);
    said.extend(apart);
    let status = if said.is_empty() { Status::Ok } else { Status::Warning };
    let reservations =
        examination::cautions(&manifest).into_iter().filter(|finding| finding.severity == Severity::Warning);
    // Told already, with the names.
    let reservations = reservations.filter(|finding| finding.id != "functions_differ");
    let reservations = reservations.map(|finding| finding.title).collect();
    Ok(Report { manifest, of_cluster: None, sources, reservations, warnings: said, status })
}

/// The census as it is stored beside the manifest: encrypted as the backup is, since it names keys.
async fn beside(draft: &Draft, census: &Census) -> Result<bytes::Bytes, CaptureError> {
    let rest = crate::census::encode(census);
    let Some(recipients) = draft.recipients().cloned() else { return Ok(rest.into()) };
    Ok(blocking::run(move || recipients.sealed(&rest)).await?.into())
}

/// What the RDB says of itself. Scripts, which servers before Redis 7 put there, name keys: of an encrypted backup they are left out.
fn aux(inspected: &Inspected, is_encrypted: bool) -> BTreeMap<String, String> {
    let mut aux = inspected.aux.clone();
    if is_encrypted {
        // Scripts, and whatever else somebody has put there, may be of the data.
        aux.retain(|name, _| AUX_OF_SERVERS.contains(&name.as_str()));
    }
    aux
}

/// Aux fields in which servers say what they are, and where in their stream the data stand.
const AUX_OF_SERVERS: &[&str] = &[
    "redis-ver",
    "valkey-ver",
    "redis-bits",
    "ctime",
    "used-mem",
    "aof-base",
    "aof-preamble",
    "repl-stream-db",
    "repl-id",
    "repl-offset",
    "redis-ops-source",
];

/// Takes out what would tell whoever has no key whether a guess of the data is right: a few values are soon guessed where a digest of
/// the data says which. What is stored has its own digest, and the encryption tells of every changed byte.
fn keep_secret(manifest: &mut Manifest) {
    for shard in &mut manifest.shards {
        shard.raw_sha256.clear();
        shard.crc64 = None;
        shard.census.iter_mut().for_each(|census| census.digest.clear());
    }
    manifest.census.iter_mut().for_each(|census| census.digest.clear());
}

/// What is in all shards together; `None` where one of them was not understood.
fn whole_census(made: &[Made]) -> Option<Census> {
    let mut each = made.iter().map(|one| one.stored.inspected.census.as_ref());
    let first = each.next()??.clone();
    each.try_fold(first, |all, one| Some(all.merged(one?)))
}

/// Function libraries that are not the same on every shard, in words: every primary of a cluster ought to have all of them, and a restore
/// loads those of the first shard that has them everywhere.
fn functions_apart(made: &[Made]) -> Vec<String> {
    let mut by_name: BTreeMap<&[u8], BTreeMap<u128, Vec<usize>>> = BTreeMap::new();
    for (index, one) in made.iter().enumerate() {
        let Some(census) = &one.stored.inspected.census else { return Vec::new() };
        for (name, hash) in census.functions.sources() {
            by_name.entry(name).or_default().entry(hash).or_default().push(index);
        }
    }
    let mut apart = Vec::new();
    for (name, codes) in by_name {
        let name = name.escape_ascii();
        let mut codes: Vec<Vec<usize>> = codes.into_values().collect();
        codes.sort();
        let holding: BTreeSet<usize> = codes.iter().flatten().copied().collect();
        let lacking: Vec<usize> = (0..made.len()).filter(|index| !holding.contains(index)).collect();
        if let [first, others @ ..] = codes.as_slice()
            && !others.is_empty()
        {
            let (others, first) = (shards(&others.concat()), shards(first));
            apart.push(format!(
                "{others} and {first} have different code in the function library `{name}`: a restore loads the code of {first}"
            ));
        }
        if !lacking.is_empty() {
            apart.push(format!("{} lacked the function library `{name}`, which the others had", shards(&lacking)));
        }
    }
    apart
}

/// `shard 1`, `shards 1, 2`.
fn shards(numbers: &[usize]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let listed: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("{} {}", if numbers.len() == 1 { "shard" } else { "shards" }, listed.join(", "))
}

fn warnings(inspected: &Inspected, findings: &[StructureFinding]) -> Vec<String> {
    let lengths = examination::wrong_lengths(&inspected.oddities, &inspected.needs);
    let mut warnings: Vec<String> = findings.iter().chain(&lengths).map(in_words).collect();
    let many = warnings.len();
    if let Some(first) = warnings.first_mut() {
        // The others follow it, in one sentence.
        let head = if many == 1 { "a finding".to_owned() } else { counted(many as u64, "finding") };
        *first = format!("its structure has {head}: {first}");
    }
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
    if inspected.arriving > 0 {
        warnings.push(format!(
            "{} of slots that were still being moved to the node: these copies are not counted and are not restored",
            counted(inspected.arriving, "key")
        ));
    }
    if inspected.trailing_bytes > 0 {
        warnings.push(format!("it includes {} after the end of the RDB", counted(inspected.trailing_bytes, "byte")));
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
    words
}

/// A server that is known to load it, the oldest: `redis 7.4`. `None`: every one that we know, or none.
fn oldest_server(needs: &crate::rdb::Needs) -> Option<String> {
    let servers = needs.servers();
    let all = crate::rdb::Server::known().len();
    servers.first().filter(|_| servers.len() < all).map(|server| server.name().to_owned())
}

fn is_read(inspected: &Inspected) -> bool {
    inspected.not_understood.is_none() && inspected.broken.is_none()
}

/// AUX records of all shards, by module; `None` where one of them was not understood.
fn module_aux(made: &[Made]) -> Option<BTreeMap<String, u64>> {
    let mut sum = BTreeMap::new();
    for inspected in made.iter().map(|one| &one.stored.inspected) {
        if !is_read(inspected) {
            return None;
        }
        for (module, records) in &inspected.module_aux {
            *sum.entry(module.clone()).or_default() += records;
        }
    }
    Some(sum)
}

fn needs(made: &[Made]) -> Option<Needs> {
    let with_aux = module_aux(made)?;
    let mut each = made.iter().map(|one| &one.stored.inspected.needs);
    let first = each.next()?.clone();
    let needs = each.fold(first, |all, one| all.merged(one));
    let modules = needs.modules.iter().chain(with_aux.keys()).cloned();
    Some(Needs {
        databases: needs.databases,
        modules: modules.collect::<BTreeSet<_>>().into_iter().collect(),
        version: oldest_server(&needs),
        functions: needs.functions,
    })
}

fn structure(inspected: &Inspected, findings: &[StructureFinding]) -> Structure {
    Structure {
        state: match (inspected.not_understood, findings.is_empty()) {
            (Some(_), _) => StructureState::NotUnderstood,
            (None, false) => StructureState::Findings,
            (None, true) => StructureState::Verified,
        },
        understood_up_to: inspected.structure.understood_up_to,
    }
}

/// The worst of the shards. Of those that were read to their end it counts all bytes.
fn worst(structures: &[Structure]) -> Structure {
    let all = structures.iter().map(|structure| structure.understood_up_to).sum();
    let worst = |state| structures.iter().find(|structure| structure.state == state).copied();
    match (worst(StructureState::NotUnderstood), worst(StructureState::Findings)) {
        (Some(not_understood), _) => not_understood,
        (None, Some(findings)) => Structure { understood_up_to: all, ..findings },
        (None, None) => Structure { state: StructureState::Verified, understood_up_to: all },
    }
}

/// From the earliest to the latest of the shards; `None` where it is not known of one of them.
fn moment(made: &[Made]) -> Option<Moment> {
    let mut each = made.iter().map(|one| one.moment);
    let first = each.next()??;
    each.try_fold(first, |all, one| {
        let one = one?;
        Some(Moment { from: all.from.min(one.from), to: all.to.max(one.to) })
    })
}

/// Of several shards that are one moment each the whole is none.
fn consistency(made: &[Made]) -> Consistency {
    match made {
        [one] => one.consistency,
        several if several.iter().any(|one| one.consistency == Consistency::Fuzzy) => Consistency::Fuzzy,
        _ => Consistency::PointInTimePerShard,
    }
}

fn manifest(options: &Options, draft: &Draft, made: &[Made], census: Option<&Census>) -> Manifest {
    let several = made.len() > 1;
    let is_encrypted = draft.recipients().is_some();
    let (mut shards, mut findings, mut structures) = (Vec::new(), Vec::new(), Vec::new());
    for (index, one) in (0_u32..).zip(made) {
        let inspected = &one.stored.inspected;
        let mut own = examination::structure(&inspected.oddities, &inspected.needs, inspected.broken.as_ref());
        own.iter_mut().for_each(|finding| finding.shard = index);
        if is_encrypted {
            // The manifest is for everybody, and the names of keys are not.
            own.iter_mut().flat_map(|finding| &mut finding.places).for_each(|place| place.key = None);
        }
        let structure = structure(inspected, &own);
        structures.push(structure);
        findings.extend(own);
        shards.push(Shard {
            index,
            slots: one.slots.clone(),
            node: one.node.clone(),
            replid: one.replid.clone(),
            offset: one.offset,
            rdb_version: inspected.rdb_version,
            aux: aux(inspected, is_encrypted),
            object: one.object.clone(),
            raw_bytes: inspected.raw_bytes + inspected.trailing_bytes,
            stored_bytes: one.stored.stored_bytes,
            raw_sha256: one.stored.raw_sha256.clone(),
            stored_sha256: one.stored.stored_sha256.clone(),
            crc64: inspected.crc64(),
            frames: one.stored.frames,
            moment: one.moment,
            consistency: Some(one.consistency),
            structure: Some(structure),
            // One shard is the whole: its census is said once.
            census: inspected.census.as_ref().filter(|_| several).map(examination::summarize),
            keys_outside: inspected.arriving,
            tail: one.tail.clone(),
        });
    }
    findings.truncate(FINDINGS_KEPT);
    let moment = moment(made);
    let skew = moment.filter(|_| several).map(|moment| (moment.to - moment.from).as_seconds_f64());
    Manifest {
        // The lowest that says all: older versions read what they can.
        format_version: if made.iter().any(|one| one.tail.is_some()) { FORMAT_VERSION } else { LEAST_FORMAT },
        id: draft.id(),
        instance: options.instance.clone(),
        created_at: options.now,
        finished_at: options.now,
        kind: Kind::Rdb,
        purpose: options.purpose,
        consistency: consistency(made),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: options.labels.clone(),
        server: made.first().map(|one| one.server.clone()).unwrap_or_default(),
        compression: options.codec.into(),
        encryption: draft.recipients().map(|_| Encryption::Age),
        recipients: draft.recipients().map(Recipients::names),
        shards,
        moment,
        barrier: None,
        no_barrier: None,
        skew_seconds: skew,
        census: census.map(examination::summarize),
        structure: worst(&structures),
        findings,
        needs: needs(made),
        module_aux: module_aux(made),
        stale: made.iter().any(|one| one.stale),
        lacks: made.iter().flat_map(|one| one.lacks.clone()).collect(),
    }
}
