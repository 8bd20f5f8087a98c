//! P27: the backup that a server of Redis 8.10 keeps on its own disk, and that nobody takes away.

use super::super::case::Case;
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::P;
use crate::introspection::Question;

pub(super) const RULES: &[Rule] = &[Rule {
    id: "P27",
    title: "the server's own backup is left on its disk",
    reads: "BACKUP STATUS (Redis 8.10)",
    asks: &[Question::Backup],
    limits: &[("warning", 86_400.0)],
    threshold: "a sealed backup, or one that was never sealed, is {warning} s old; also a backup that failed",
    why: "a sealed backup takes disk space until it is removed, one that is not sealed grows with every write, and no other can start",
    fix: &[
        "BACKUP CLEANUP (8.10; copy the files that `BACKUP LIST` names first)",
        "BACKUP SEAL (8.10; then copy the files that `BACKUP LIST` names)",
        "BACKUP ABORT (8.10; removes the unfinished backup)",
        "CONFIG SET backup-sealed-ttl 86400 (8.10; the server then removes a sealed backup after a day)",
    ],
    source: "Redis 8.10, BACKUP HELP",
    weight: 45,
    examine: left_behind,
    ..P
}];

fn left_behind(case: &Case<'_>) -> Judged {
    let backup = case.snapshot.answers.backup.need("BACKUP STATUS")?;
    let now = case.snapshot.server_seconds();
    let (since, sealed) = match backup.state.as_str() {
        "idle" if backup.error.is_empty() => return Ok(None),
        "sealed" => (backup.ended_at.max(backup.started_at), true),
        _ => (backup.started_at, false),
    };
    let failed = !backup.error.is_empty();
    let seconds = now.saturating_sub(since);
    if !failed && (since == 0 || (seconds as f64) < case.limit("warning")) {
        return Ok(None);
    }
    let finding = case.warning().evidence("state", backup.state.as_str());
    let finding = if since > 0 { finding.evidence("seconds", seconds) } else { finding };
    if failed {
        let finding = finding.evidence("error", backup.error.as_str());
        return Ok(Some(finding.fix("BACKUP ABORT (8.10; removes the unfinished backup)")));
    }
    Ok(Some(match sealed {
        true => finding
            .fix("BACKUP CLEANUP (8.10; copy the files that `BACKUP LIST` names first)")
            .fix("CONFIG SET backup-sealed-ttl 86400 (8.10; the server then removes a sealed backup after a day)"),
        false => finding
            .fix("BACKUP SEAL (8.10; then copy the files that `BACKUP LIST` names)")
            .fix("BACKUP ABORT (8.10; removes the unfinished backup)"),
    }))
}
