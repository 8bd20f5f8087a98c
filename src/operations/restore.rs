//! A restore as a whole: safety backup → restore → proof → receipt.

use std::time::Instant;

use super::proof::{self, Proof};
use super::reading;
use super::safety::{self, Safety};
use crate::dataset::{Backup, Dataset};
use crate::explain::{Result, Status};
use crate::repository::Receipt;
use crate::restore::{self, Method, Phases, Planned, Report, Watcher};
use crate::verify::receipt;

/// What somebody has agreed to, beyond the plan.
pub struct Agreed<'a> {
    /// How the backup gets into the target.
    pub method: Method,
    /// How what the target holds is saved first.
    pub safety: Safety<'a>,
    /// Name of the target's instance, for the safety backup and the receipt.
    pub instance: &'a str,
}

/// How a restore as a whole ended.
pub struct Ended {
    /// What became of every key.
    pub report: Report,
    /// What the comparison with the target said; `None`: it was not wanted, or not all of the backup was restored.
    pub proof: Option<Proof>,
    /// Seconds that each phase took.
    pub phases: Phases,
}

impl Ended {
    /// How all of it went. From here on the report knows of writes that were seen while the target was read back, too: they are no part of
    /// what the restore itself says.
    pub fn settle(&mut self, planned: &Planned) -> Status {
        if let Some(Proof::Compared(found)) = &self.proof {
            self.report.others_wrote = found.afterwards.others_wrote;
        }
        let mut status = self.report.status();
        if !planned.plan.reservations().is_empty() {
            status = status.and(Status::Warning);
        }
        self.proof.as_ref().map_or(status, |proof| status.and(proof.status()))
    }

    /// Why all of it ends with a warning, where what is said last (the proof, or the report without one) does not say it itself.
    pub fn reservations(&self, planned: &Planned) -> Vec<String> {
        let mut reasons: Vec<String> = planned.plan.reservations().into_iter().map(str::to_owned).collect();
        let Self { report, proof, .. } = self;
        reasons.extend(report.libraries_that_differ());
        let is_proven = matches!(proof, Some(Proof::Compared(found)) if found.status() == Status::Ok);
        if is_proven && report.others_wrote == Some(true) {
            reasons.push("other clients wrote to the target meanwhile".to_owned());
        }
        if is_proven && reasons.is_empty() {
            reasons.push("see the table above".to_owned());
        }
        reasons
    }
}

/// Carries out a restore that was planned and agreed to.
///
/// # Errors
/// The safety backup cannot be taken, or the restore does not begin: nothing of the backup was written. Or all of it was, and the
/// comparison broke off. The error says which, and what leads on.
pub async fn restore(planned: &Planned, agreed: &Agreed<'_>, watcher: &Watcher<'_>) -> Result<Ended> {
    let is_resumable = |ended: &Ended| !ended.report.is_complete();
    reading::marked(&planned.request.source, step_by_step(planned, agreed, watcher), is_resumable).await
}

async fn step_by_step(planned: &Planned, agreed: &Agreed<'_>, watcher: &Watcher<'_>) -> Result<Ended> {
    // Before the first key is overwritten or removed: what cannot be saved is not touched.
    let saved = safety::take(planned, agreed.instance, &agreed.safety, watcher).await?;

    if !planned.request.options.resume {
        planned.forget_written().await;
    }
    let mut report = restore::carry_out(planned, agreed.method, saved.as_ref(), watcher).await?;

    if report.is_complete() {
        planned.supersede(&report).await;
    }

    // A restore that is not complete needs no comparison to say so.
    let begun = Instant::now();
    let wanted = planned.request.options.proof && report.is_complete() && !report.chose_nothing();
    let proof = match wanted {
        true => {
            let line = proof::proving_line(planned, &report);
            let unproven = planned.note_written(&report, line).await;
            let proof = proof::prove(planned, &report, watcher).await;
            // Where it broke off, what is missing is still the proof: the note stays, and with it the line that proves.
            let proof = proof?;
            if let Some(unproven) = unproven {
                unproven.settled().await;
            }
            Some(proof)
        }
        false => None,
    };
    if let Some(Proof::Compared(found)) = &proof {
        report.turned = found.afterwards.turned.clone();
        report.expire(found.counts.expired, found.counts.expired_fields);
    }
    let proof_seconds = begun.elapsed().as_secs_f64();
    watcher.progress.finish();

    if report.is_complete() {
        leave_receipt(planned, agreed, &report, proof.as_ref(), watcher).await;
        if let Dataset::Backup(Backup { repository, manifest, .. }) = &planned.request.source
            && !planned.may_be_resumed_elsewhere().await
        {
            repository.forget_interrupted(&manifest.instance, manifest.id).await;
        }
    }
    let phases = Phases { verify: planned.verify_seconds, load: report.seconds, proof: proof_seconds };
    Ok(Ended { report, proof, phases })
}

/// Leaves a receipt beside the backup: what was restored where. A receipt that cannot be written is worth a word, not a failure.
async fn leave_receipt(
    planned: &Planned,
    agreed: &Agreed<'_>,
    report: &Report,
    proof: Option<&Proof>,
    watcher: &Watcher<'_>,
) {
    let Dataset::Backup(Backup { repository, manifest, .. }) = &planned.request.source else { return };
    let proven = proof.is_some_and(|proof| matches!(proof, Proof::Compared(found) if found.status() == Status::Ok));
    let counts = proof.and_then(|proof| match proof {
        Proof::Compared(found) => Some(found.counts),
        Proof::None(_) => None,
    });
    let content = serde_json::json!({
        "target": { "instance": agreed.instance, "run_id": planned.target.server.run_id },
        "method": report.method.name(),
        "restored": report.tally.restored,
        // Who compares the server later looks for a backup of which it holds everything.
        "everything": planned.request.options.choices.selection.is_everything() && !report.chose_nothing(),
        "proven": proven,
        "kept": report.tally.skipped_existing,
        "lost": report.tally.lost + report.lost_in_part,
        "functions_lost": report.tally.functions.lost,
        // What the proof has found to be another than in the backup; `null`: there was none.
        "differ": counts.map(|counts| counts.missing + counts.different + counts.announced.missing + counts.announced.different),
        "tool_version": env!("CARGO_PKG_VERSION"),
    });
    let written = Receipt { time: chrono::Utc::now(), content };
    if let Err(error) = repository.write_receipt(&manifest.instance, manifest.id, receipt::RESTORE, &written).await {
        watcher.voice.say(&format!("the receipt of the restore cannot be written: {error}"));
    }
}
