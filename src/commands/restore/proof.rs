//! The proof after a restore: the target is read back as one moment of its data, and compared with what was sent.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Settings;
use super::again::Again;
use super::carry_out::Work;
use super::sent;
use crate::capture::source::{ReadFrom, choose};
use crate::commands::Context;
use crate::commands::table::verdict;
use crate::commands::verify::compare;
use crate::dataset::{Backup, Dataset};
use crate::explain::{Context as _, Fault, Interrupted, Result, Status};
use crate::printer::words;
use crate::repository::Receipt;
use crate::restore::target_format::Loss;
use crate::restore::{BackupFacts, Existing, Report};
use crate::verify::comparing::{self, View};
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

/// What need not be as in the backup, because the plan or the report has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Announced {
    /// Keys that the target cannot hold at all.
    missing: u64,
    /// Keys that were there and stayed, keys of which a part is lost, and keys that were rebuilt.
    different: u64,
    /// Keys of which a part is lost that the comparison leaves out: what it expects has no expiry of fields that the target cannot keep.
    unseen: u64,
}

impl Announced {
    fn of(report: &Report, facts: &BackupFacts) -> Self {
        let tally = &report.tally;
        // Of a key that stands there twice one is there.
        let twice = facts.survey.as_ref().and_then(|survey| survey.losses.get(&Loss::Twice)).copied().unwrap_or(0);
        let fields = facts.survey.as_ref().and_then(|survey| survey.losses.get(&Loss::FieldExpiry)).copied();
        let unseen = fields.unwrap_or(0).min(report.lost_in_part);
        let different = tally.skipped_existing + report.lost_in_part - unseen + tally.rebuilt + twice;
        Self { missing: tally.lost.saturating_sub(twice), different, unseen }
    }
}

/// Compares the target with the backup, with the choices applied; once more over a new connection where one broke on the way.
///
/// # Errors
/// As a person is to read it, with the line that proves it: the restore is done, and not proven.
pub async fn prove(work: &Work<'_>, report: &mut Report, settings: &Settings) -> Result<Proof> {
    let cancel = &work.context.cancel;
    let mut tried = compared(work, report).await;
    if let Err(error) = &tried
        && !cancel.is_cancelled()
        && is_broken_link(error)
    {
        work.context.printer.say(&format!("the connection broke ({error:#}); comparing once more"));
        tried = compared(work, report).await;
    }
    let error = match tried {
        Ok(proof) => return Ok(proof),
        Err(error) => error,
    };
    let line = proving_line(work, report, settings);
    let node = &work.instance.server.node;
    let done = format!("restore {} into {node}: the restore is done, and not proven", work.facts.name);
    Err(match cancel.is_cancelled() || error.is::<Interrupted>() {
        true => Fault::from(Interrupted).context(format!("{done}; `{line}` proves it")),
        false => error.context(done).and_hint(format!("`{line}` proves it")),
    })
}

/// Whether a new connection may do better.
fn is_broken_link(error: &Fault) -> bool {
    matches!(error.code(), "disconnected" | "timeout" | "connection_refused" | "unreachable")
}

/// A comparison with the whole backup where all of it is there and nothing else; else the restore that ends in its own proof.
fn proving_line(work: &Work<'_>, report: &Report, settings: &Settings) -> String {
    let Work { instance, options, target: before, facts, .. } = work;
    let stayed = before.keys() > 0 && options.existing != Existing::ReplaceAll && !report.was_empty;
    let again = Again { settings, instance, name: &facts.name };
    match options.choices.is_everything() && !stayed && Announced::of(report, facts) == Announced::default() {
        true => again.verify(),
        false => again.anew(true),
    }
}

/// # Errors
/// If the target or the backup cannot be read.
async fn compared(work: &Work<'_>, report: &mut Report) -> Result<Proof> {
    let Work { source, instance, options, target: before, facts, context, .. } = work;
    if !source.can_be_read_again() {
        return Ok(Proof::none("standard input cannot be read again", context));
    }
    context.printer.say("the data is back; comparing it with the backup");
    let node = &instance.server.node;
    let chosen = choose(node, ReadFrom::Itself).await.with_context(|| format!("look at {node}"))?;
    let announced = Announced::of(&*report, facts);
    // What was there before, and stayed, is no difference. What an interrupted run has brought was not there before.
    let stayed = before.keys() > 0 && options.existing != Existing::ReplaceAll && !report.was_empty;
    // A key that had expired has left the target's key of that name as it was.
    let leaves_expired = stayed && report.tally.expired > 0;
    let as_it_is = options.choices.is_everything() && announced == Announced::default() && !leaves_expired;
    let expected = match as_it_is {
        true => View::Everything,
        false => View::Mapped(Arc::new(sent::by(work))),
    };
    // Libraries that were there before and stayed are no difference; nor are those that the target cannot have.
    let had_none = before.functions.as_ref().is_some_and(|names| names.is_empty());
    let settings = comparing::Options {
        memory_limit: comparing::MEMORY_LIMIT,
        folder: std::env::temp_dir(),
        examples: EXAMPLES,
        ttl_tolerance: std::time::Duration::ZERO,
        functions: options.choices.selection.is_everything()
            && report.tally.functions.lost == 0
            && (had_none || options.existing == Existing::ReplaceAll),
    };
    let (compared, is_fuzzy) =
        compare::with_views(source, &chosen, (&expected, &View::Everything), &settings, &**work.progress, context)
            .await
            .with_context(|| format!("compare {node} with {}", source.name()))?;

    // Others may have written after the restore had ended, and before the target was read.
    if report.others_wrote != Some(true) {
        report.look_for_others(node).await;
    }
    let found = Found::of(&compared, announced, stayed, report.others_wrote == Some(true));
    let mut json = compare::to_json(&compared, EXAMPLES, context);
    json["consistency"] = if is_fuzzy { "fuzzy" } else { "point_in_time" }.into();
    found.put_into(&mut json);
    let status = found.status();
    Ok(Proof { json, status, text: verdict(&context.printer, status, &found.sentence()) })
}

/// What the comparison came to, with what was announced taken off.
#[derive(Debug, Clone, Copy)]
struct Found {
    equal: u64,
    missing: u64,
    different: u64,
    extra: u64,
    functions: bool,
    announced: Announced,
    others_wrote: bool,
}

impl Found {
    fn of(compared: &comparing::Comparison, announced: Announced, stayed: bool, others_wrote: bool) -> Self {
        let differences = &compared.differences;
        let announced = Announced {
            missing: announced.missing.min(differences.missing),
            different: announced.different.min(differences.different()),
            unseen: announced.unseen.min(differences.equal),
        };
        Self {
            equal: differences.equal - announced.unseen,
            missing: differences.missing - announced.missing,
            different: differences.different() - announced.different,
            extra: if stayed { 0 } else { differences.extra },
            functions: compared.functions.is_none_or(|functions| functions.equal),
            announced,
            others_wrote,
        }
    }

    /// What the comparison does not know of itself.
    fn put_into(&self, json: &mut Value) {
        let Announced { missing, different, unseen } = self.announced;
        json["announced"] = json!({ "missing": missing, "different": different + unseen });
        if unseen > 0 {
            let all = self.different + different + unseen;
            (json["is_equal"], json["equal"], json["different"]) = (false.into(), self.equal.into(), all.into());
            json["different_by"]["value"] = (json["different_by"]["value"].as_u64().unwrap_or(0) + unseen).into();
            let others = ["missing", "extra"].iter().filter_map(|name| json[name].as_u64()).sum::<u64>();
            json["ratio"] = (self.equal as f64 / (self.equal + all + others).max(1) as f64).into();
        }
    }

    fn status(&self) -> Status {
        let odd = self.extra > 0 || self.announced != Announced::default();
        match (self.functions, self.missing > 0 || self.different > 0) {
            (false, _) => Status::Failed,
            // Others were seen to write: what they changed or removed is no fault of the restore.
            (true, true) if self.others_wrote => Status::Warning,
            (true, true) => Status::Failed,
            (true, false) if odd => Status::Warning,
            (true, false) => Status::Ok,
        }
    }

    fn sentence(&self) -> String {
        let Self { announced, .. } = self;
        let mut parts = Vec::new();
        let mut part = |keys: u64, what: &str| {
            if keys > 0 {
                parts.push(format!("{} {what}", words::count(keys)));
            }
        };
        let others = |what: &'static str, and: &'static str| if self.others_wrote { and } else { what };
        part(self.missing, others("missing", "missing, and others have written meanwhile"));
        part(self.different, others("different", "different, and others have written meanwhile"));
        part(self.extra, "that are not in the backup");
        part(announced.missing, "missing as announced");
        part(announced.different, "different as announced");
        if !self.functions {
            parts.push("other functions".to_owned());
        }
        if parts.is_empty() && announced.unseen > 0 {
            let losses = if announced.unseen == 1 { "loss" } else { "losses" };
            let (all, of) = (words::counted(self.equal + announced.unseen, "key"), words::count(announced.unseen));
            return format!(
                "proof: equal but for {of} announced {losses}: the target holds {all}, and of {of} not all that is in the backup"
            );
        }
        if announced.unseen > 0 {
            parts.push(format!("{} equal but for an announced loss", words::count(announced.unseen)));
        }
        if parts.is_empty() {
            return match self.equal {
                0 => "proof: there is no key in the backup, and none in the target".to_owned(),
                1 => "proof: the target holds the one key as it is in the backup".to_owned(),
                keys => format!("proof: the target holds all {} keys as they are in the backup", words::count(keys)),
            };
        }
        parts.push(format!("{} equal", words::count(self.equal)));
        format!("proof: {}", parts.join(", "))
    }
}

/// Leaves a receipt beside the backup: what was restored where. One that cannot be written is worth a word, not a failure.
pub async fn leave_receipt(work: &Work<'_>, report: &Report, proof: Option<&Proof>) {
    let Dataset::Backup(Backup { repository, manifest }) = work.source else { return };
    let content = json!({
        "target": { "instance": work.instance.server.instance, "run_id": work.target.server.run_id },
        "method": report.method.name(),
        "restored": report.tally.restored,
        "proven": proof.is_some_and(|proof| proof.status == Status::Ok && !proof.json.is_null()),
        "tool_version": env!("CARGO_PKG_VERSION"),
    });
    let written = Receipt { time: chrono::Utc::now(), content };
    if let Err(error) = repository.write_receipt(&manifest.instance, manifest.id, receipt::RESTORE, &written).await {
        work.context.printer.say(&format!("the receipt of the restore cannot be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(missing: u64, different: u64, extra: u64) -> Found {
        let announced = Announced::default();
        Found { equal: 9, missing, different, extra, functions: true, announced, others_wrote: false }
    }

    #[test]
    fn only_what_was_announced_or_written_by_others_is_no_failure() {
        assert_eq!(found(0, 0, 0).status(), Status::Ok);
        assert_eq!(found(0, 0, 0).sentence(), "proof: the target holds all 9 keys as they are in the backup");
        assert_eq!(found(0, 0, 1).status(), Status::Warning);
        assert_eq!(found(1, 0, 0).status(), Status::Failed);
        assert_eq!(found(0, 1, 0).status(), Status::Failed);
        let others = Found { others_wrote: true, ..found(0, 1, 0) };
        assert_eq!(others.status(), Status::Warning);
        assert_eq!(others.sentence(), "proof: 1 different, and others have written meanwhile, 9 equal");
        assert_eq!(Found { others_wrote: true, ..found(1, 0, 0) }.status(), Status::Warning);
        assert_eq!(Found { others_wrote: true, functions: false, ..found(1, 0, 0) }.status(), Status::Failed);
        assert_eq!(Found { functions: false, ..found(0, 0, 0) }.status(), Status::Failed);
        let announced = Announced { missing: 2, different: 1, unseen: 0 };
        let announced = Found { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        assert_eq!(announced.sentence(), "proof: 2 missing as announced, 1 different as announced, 9 equal");
        let announced = Announced { unseen: 2, ..Announced::default() };
        let announced = Found { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        let words =
            "proof: equal but for 2 announced losses: the target holds 11 keys, and of 2 not all that is in the backup";
        assert_eq!(announced.sentence(), words);
        let bad = Found { missing: 1, ..announced };
        assert_eq!(bad.status(), Status::Failed);
        assert_eq!(bad.sentence(), "proof: 1 missing, 2 equal but for an announced loss, 9 equal");
    }
}
