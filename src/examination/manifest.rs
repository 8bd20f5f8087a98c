//! What a manifest says of an RDB, held against the RDB itself. What an older manifest does not say is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::census::{Census, DIGEST_VERSION};
use crate::figures;
use crate::finding::{Finding, Severity};
use crate::rdb::Needs;
use crate::repository::manifest::{
    CensusSummary, Consistency, DatabaseCount, Manifest, Purpose, Shard, StructureState,
};

/// The aux field that our own encoder writes into a backup by SCAN, and what stands there (`capture/scan.rs`).
const MADE_BY_SCAN: (&str, &str) = ("redis-ops-source", "scan");

/// What one RDB was found to be.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// Version of its header.
    pub rdb_version: u32,
    /// Its aux fields, as a manifest keeps them.
    pub aux: &'a BTreeMap<String, String>,
    /// How far it was understood; `None`: not to its end.
    pub understood_up_to: Option<u64>,
}

/// Compares one RDB with what its manifest says of it, beside its bytes (see [`super::object`]).
pub fn shard(manifest: &Manifest, shard: &Shard, told: &Told<'_>) -> Vec<Finding> {
    let mut findings = Differences::of(&shard.object);
    findings.compare("RDB version", &shard.rdb_version, &told.rdb_version);
    for (name, expected) in &shard.aux {
        let found = told.aux.get(name).map_or("none", String::as_str);
        findings.compare(&format!("aux field {name}"), expected.as_str(), found);
    }
    // A newer program understands more than the one that made the backup.
    let of_all = (manifest.shards.len() == 1).then_some(manifest.structure);
    let structures = shard.structure.into_iter().chain(of_all);
    for structure in structures.filter(|structure| structure.state != StructureState::NotUnderstood) {
        if let Some(found) = told.understood_up_to {
            findings.compare("bytes understood", &structure.understood_up_to, &found);
        }
    }
    let (name, value) = MADE_BY_SCAN;
    if told.aux.get(name).is_some_and(|found| found == value) && manifest.purpose != Purpose::Adopted {
        let said = shard.consistency.unwrap_or(manifest.consistency);
        findings.compare("consistency", &said, &Consistency::Fuzzy);
    }
    let mut findings = findings.found;
    // The manifest names the server of the first shard; the nodes of a cluster may have several versions while it is updated.
    if manifest.shards.len() == 1 {
        findings.extend(server(manifest, shard, told));
    }
    findings
}

/// Whether the server that the manifest names is the one that says in the RDB that it wrote it. Nothing of the data is wrong where it is
/// not: what the RDB says counts.
fn server(manifest: &Manifest, shard: &Shard, told: &Told<'_>) -> Option<Finding> {
    let found = told.aux.get("valkey-ver").or_else(|| told.aux.get("redis-ver"))?;
    let said = &manifest.server.version;
    (!said.is_empty() && said != found).then(|| {
        Finding::new(Severity::Warning, "manifest_mismatch", "the manifest and the RDB name different server versions")
            .evidence("object", shard.object.as_str())
            .evidence("of", "server version")
            .evidence("expected", said.as_str())
            .evidence("found", found.as_str())
            .why("the server was updated or replaced while the backup started, or the manifest was changed")
    })
}

/// Compares what is in all shards together with what the manifest says of that. `None`: not known.
pub fn contents(
    manifest: &Manifest,
    needs: &Needs,
    module_aux: &BTreeMap<String, u64>,
    census: Option<&Census>,
) -> Vec<Finding> {
    let mut findings = Differences::default();
    if let Some(said) = &manifest.needs {
        findings.compare("databases that are needed", &said.databases, &needs.databases);
        findings.compare("function libraries that are needed", &said.functions, &needs.functions);
        let modules: BTreeSet<&String> = needs.modules.iter().chain(module_aux.keys()).collect();
        findings.compare("modules that are needed", &said.modules.iter().collect(), &modules);
        // Another version of this program may know other servers.
        if manifest.tool_version == env!("CARGO_PKG_VERSION") {
            let found = super::oddities::needs(needs).version;
            let words = |version: &Option<String>| version.clone().unwrap_or_else(|| "any that is known".to_owned());
            findings.compare("oldest server that loads it", &words(&said.version), &words(&found));
        }
    }
    if let Some(said) = &manifest.module_aux {
        findings.compare("data of modules", said, module_aux);
    }
    let mut findings = findings.found;
    match (&manifest.census, census) {
        (Some(said), Some(found)) => findings.extend(self::census(said, found)),
        // Where the program that made the backup did not understand it there is none.
        (None, Some(_)) if manifest.structure.state != StructureState::NotUnderstood => findings.push(
            Finding::new(
                Severity::Warning,
                "could_not_tell",
                "the manifest has no census, so the keys were counted but not compared",
            )
            .why("a manifest of an RDB that could be read has a census: this manifest was changed")
            .fix("verify and restore another backup; `redis-ops list` shows them"),
        ),
        _ => {}
    }
    findings
}

/// Compares the keys that were found with what the manifest says of them.
pub fn census(expected: &CensusSummary, found: &Census) -> Vec<Finding> {
    let summary = super::summarize(found);
    let mut findings = Differences {
        id: "census_mismatch",
        title: "the census differs from the manifest's",
        ..Differences::default()
    };
    findings.compare("keys", &expected.keys, &summary.keys);
    findings.compare("keys with an expiry", &expected.expires, &summary.expires);
    findings.compare("functions", &expected.functions, &summary.functions);
    let databases = |census: &CensusSummary| {
        let one = |(number, count): (&_, &DatabaseCount)| {
            let expires = match count.expires {
                0 => String::new(),
                expires => format!(" ({} with an expiry)", figures::count(expires)),
            };
            format!("database {number}: {}{expires}", figures::counted(count.keys, "key"))
        };
        census.by_database.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let types = |types: &BTreeMap<String, u64>| {
        types.iter().map(|(name, number)| format!("{name} {}", figures::count(*number))).collect::<Vec<_>>().join(", ")
    };
    findings.compare("keys by database", &databases(expected), &databases(&summary));
    findings.compare("keys by type", &types(&expected.by_type), &types(&summary.by_type));
    findings.compare("bytes by type", &types(&expected.bytes_by_type), &types(&summary.bytes_by_type));
    if expected.digest.is_empty() {
        return findings.found;
    }
    if expected.digest_version == DIGEST_VERSION {
        findings.compare("content digest", expected.digest.as_str(), summary.digest.as_str());
        return findings.found;
    }
    let mut findings = findings.found;
    findings.push(
        Finding::new(
            Severity::Warning,
            "could_not_tell",
            "the manifest's content digest has another version, so the content was not compared with it",
        )
        .evidence("digest_version", expected.digest_version)
        .evidence("known", DIGEST_VERSION)
        .fix("use a redis-ops that supports this version of the digest"),
    );
    findings
}

/// The rest of a census, which lies beside the manifest, against the keys that were found. What is compared with a server rests on it.
pub fn census_object(object: &str, stored: &Census, found: &Census) -> Option<Finding> {
    let bits = stored.buckets.bits().min(found.buckets.bits());
    let is_same = stored.keys == found.keys
        && stored.digest_hex() == found.digest_hex()
        && stored.buckets.folded(bits) == found.buckets.folded(bits);
    (!is_same).then(|| {
        Finding::new(Severity::Critical, "census_mismatch", "the census beside the manifest does not match the RDB")
            .evidence("object", object)
            .why("the census is used to compare keys, for example with those of a server")
    })
}

/// Collects what differs.
struct Differences<'a> {
    id: &'static str,
    title: &'static str,
    object: Option<&'a str>,
    found: Vec<Finding>,
}

impl Default for Differences<'_> {
    fn default() -> Self {
        let title = "the manifest does not match the RDB";
        Self { id: "manifest_mismatch", title, object: None, found: Vec::new() }
    }
}

impl<'a> Differences<'a> {
    fn of(object: &'a str) -> Self {
        Self { object: Some(object), ..Self::default() }
    }

    fn compare<T: PartialEq + Debug + ?Sized>(&mut self, what: &str, expected: &T, found: &T) {
        if expected == found {
            return;
        }
        let words = |value: &T| format!("{value:?}").trim_matches('"').to_owned();
        let mut finding = Finding::new(Severity::Critical, self.id, self.title);
        if let Some(object) = self.object {
            finding = finding.evidence("object", object);
        }
        let finding = finding.evidence("of", what).evidence("expected", words(expected));
        self.found.push(finding.evidence("found", words(found)));
    }
}
