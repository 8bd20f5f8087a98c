//! The proof after a restore: the target is read back as one moment of its data, and compared with what was sent.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::source::Source;
use super::{Instance, Options};
use crate::capture::source::{ReadFrom, choose};
use crate::census::{Candidate, Chosen, KeyType};
use crate::commands::Context;
use crate::commands::backup::threads;
use crate::commands::table::verdict;
use crate::commands::verify::compare;
use crate::printer::words;
use crate::progress::Progress;
use crate::repository::Receipt;
use crate::restore::choices::Wanted;
use crate::restore::{Choices, Report, TargetFacts, Ttl};
use crate::status::Status;
use crate::verify::at_rest::AtRest;
use crate::verify::comparing::{self, Mapping, View};
use crate::verify::receipt;

/// Keys that are named where something differs.
const EXAMPLES: usize = 20;

/// What the proof came to.
pub struct Proof {
    /// For JSON; `null` where there is none.
    pub json: Value,
    /// The answer: no if a key is missing or differs, a warning if others have written as well.
    pub status: Status,
    /// The line for people.
    pub text: String,
}

impl Proof {
    fn none(why: &str, context: &Context) -> Self {
        let text = verdict(&context.printer, Status::Ok, &format!("no proof: {why}"));
        Self { json: Value::Null, status: Status::Ok, text }
    }
}

/// Compares the target with the backup, with the choices applied.
///
/// # Errors
/// If the target or the backup cannot be read: then the restore is done, and not proven.
pub async fn prove(
    source: &Source,
    instance: &Instance,
    options: &Options,
    before: &TargetFacts,
    report: &Report,
    progress: &dyn Progress,
    context: &Context,
) -> Result<Proof> {
    if options.choices.ttl != Ttl::Keep {
        return Ok(Proof::none("expiries were changed on the way; `redis-ops verify` compares the values", context));
    }
    if !source.can_be_read_again() {
        return Ok(Proof::none("standard input cannot be read again", context));
    }
    if report.tally.skipped_existing > 0 {
        return Ok(Proof::none("keys that were there already are not the backup's", context));
    }
    if report.tally.lost > 0 {
        return Ok(Proof::none("the plan has named what the target cannot hold", context));
    }
    context.printer.say("the data is back; comparing it with the backup");
    let node = &instance.server.node;
    let chosen = choose(node, ReadFrom::Itself).await.with_context(|| format!("look at {node}"))?;
    let data = match source {
        Source::Stored { repository, manifest } => AtRest::Backup { repository, manifest },
        Source::File(path) => AtRest::File(path),
    };
    let expected = match options.choices.is_everything() {
        true => View::Everything,
        false => View::Mapped(Arc::new(Sent { choices: options.choices.clone(), now_ms: super::replay_now() })),
    };
    let settings = comparing::Options {
        memory_limit: comparing::MEMORY_LIMIT,
        folder: std::env::temp_dir(),
        examples: EXAMPLES,
        ttl_tolerance: std::time::Duration::ZERO,
        threads: threads(),
        functions: options.choices.is_everything() && before.keys() == 0,
    };
    let (compared, is_fuzzy) =
        compare::with_views(&data, &chosen, (&expected, &View::Everything), &settings, progress, context)
            .await
            .with_context(|| format!("compare {node} with {}: the restore is done, and not proven", source.name()))?;

    let differences = &compared.differences;
    // What was there before, and stayed, is no difference.
    let extra = if before.keys() > 0 && !options.replace_all { 0 } else { differences.extra };
    let wrong = differences.missing + differences.different();
    let status = match (wrong, extra) {
        (0, 0) => Status::Ok,
        (0, _) => Status::Warning,
        _ => Status::Failed,
    };
    let sentence = match status {
        Status::Ok => format!(
            "proof: the target holds all {} as they are in the backup",
            words::counted(differences.equal, "key")
        ),
        Status::Warning => format!("proof: all is there, and {} that others wrote", words::counted(extra, "key")),
        _ => format!(
            "proof: {} missing, {} different (changed by others since?), {} equal",
            words::count(differences.missing),
            words::count(differences.different()),
            words::count(differences.equal),
        ),
    };
    let mut json = compare::to_json(&compared, EXAMPLES, context);
    json["consistency"] = if is_fuzzy { "fuzzy" } else { "point_in_time" }.into();
    Ok(Proof { json, status, text: verdict(&context.printer, status, &sentence) })
}

/// Leaves a receipt beside the backup: what was restored where. One that cannot be written is worth a word, not a failure.
pub async fn leave_receipt(
    source: &Source,
    instance: &Instance,
    target: &TargetFacts,
    report: &Report,
    proof: Option<&Proof>,
    context: &Context,
) {
    let Source::Stored { repository, manifest } = source else { return };
    let Ok(id) = manifest.id.parse() else { return };
    let content = json!({
        "target": { "instance": instance.server.instance, "run_id": target.server.run_id },
        "restored": report.tally.restored,
        "proven": proof.is_some_and(|proof| proof.status == Status::Ok && !proof.json.is_null()),
        "tool_version": env!("CARGO_PKG_VERSION"),
    });
    let written = Receipt { time: chrono::Utc::now(), content };
    if let Err(error) = repository.write_receipt(&manifest.instance, id, receipt::RESTORE, &written).await {
        context.printer.say(&format!("the receipt of the restore cannot be written: {error}"));
    }
}

/// What a restore with choices leaves in the target.
struct Sent {
    choices: Choices,
    now_ms: i64,
}

impl Mapping for Sent {
    fn database(&self, database: u64) -> u64 {
        self.choices.database(database)
    }

    fn choose(&self, candidate: &Candidate<'_>) -> Chosen {
        let &Candidate { database, key, key_type, expire_ms, .. } = candidate;
        // Modules were chosen before their name was known.
        let key_type = if matches!(key_type, KeyType::Module(_)) { KeyType::of_module(0) } else { key_type };
        match self.choices.decide(database, key, key_type, expire_ms, self.now_ms) {
            Wanted::Yes { expire_ms, .. } => Chosen::Take { expire_ms },
            Wanted::No => Chosen::Leave,
            Wanted::Expired => Chosen::Expired,
        }
    }
}
