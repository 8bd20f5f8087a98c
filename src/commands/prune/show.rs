//! What a prune would do, or has done: a table with the reason for each backup, and the same in JSON.

use serde_json::{Map, Value, json};

use super::Settings;
use crate::commands::Context;
use crate::commands::table::{Table, verdict};
use crate::explain::{Explain as _, Hint, Status};
use crate::printer::{Printer, Style, words};
use crate::repository::{BackupId, Leftover, MANIFEST, RepositoryError};
use crate::retention::{Done, Fate, LEFT_FOR, Plan, Planned, Policy, Report, Span, UNLIMITED, Why};
use crate::storage::StorageError;

/// So many objects that stay are named; the others are counted.
const NAMED: usize = 10;

/// What would become of each backup, and of what is left of backups that failed.
pub(super) fn plan(settings: &Settings, plan: &Plan, place: &str, context: &Context) -> String {
    let mut text = head(settings, plan, &context.printer);
    text.extend(tables(plan, None, context));
    text.extend(would_stay(plan).into_iter().map(|line| context.printer.folded(&words::escape(line.as_bytes()))));
    let (kept, gone, bytes) = counts(plan);
    let left = plan.left.iter().filter(|left| !left.is_kept).count() as u64;
    let would = if settings.dry_run { "would be removed" } else { "to remove" };
    let mut sentence = format!("{} kept, {gone} {would}", words::counted(kept, "backup"));
    if gone > 0 {
        sentence.push_str(&format!(" ({})", words::bytes(bytes)));
    }
    if left > 0 {
        sentence.push_str(&format!(", and what is left of {}", words::counted(left, "unfinished backup")));
    }
    sentence.push_str(&format!(", in {}", words::escape(place.as_bytes())));
    text.push(verdict(&context.printer, would_end(plan), &sentence));
    text.join("\n")
}

/// How a prune by this plan would end: files that are not of the backups stay, and are a warning.
pub(super) fn would_end(plan: &Plan) -> Status {
    let leaves = |backup: &Planned| !backup.is_kept() && !backup.foreign.is_empty();
    if plan.backups.iter().any(leaves) { Status::Warning } else { Status::Ok }
}

/// What would stay in the folders of the backups that go, a line each.
fn would_stay(plan: &Plan) -> Vec<String> {
    let gone = plan.backups.iter().filter(|backup| !backup.is_kept());
    named(
        gone.flat_map(|backup| &backup.foreign)
            .map(|key| format!("would stay: {key}: not part of the backup"))
            .collect(),
    )
}

/// What became of each backup.
pub(super) fn report(settings: &Settings, plan: &Plan, report: &Report, place: &str, context: &Context) -> String {
    let mut text = head(settings, plan, &context.printer);
    text.extend(tables(plan, Some(report), context));
    text.extend(stays(report).into_iter().map(|line| context.printer.folded(&words::escape(line.as_bytes()))));
    let removed = |done: &[Done]| done.iter().filter(|done| matches!(done.fate, Fate::Removed)).count() as u64;
    let (kept, gone, _) = counts(plan);
    let kept_after = report.backups.iter().filter(|done| is_there(&done.fate)).count() as u64;
    let kept = (kept + kept_after).saturating_sub(report.changed.len() as u64);
    let mut sentence = format!(
        "{} of {gone} removed, {}, {} kept",
        removed(&report.backups),
        freed(report),
        words::counted(kept, "backup"),
    );
    if removed(&report.left) > 0 {
        let left = words::counted(removed(&report.left), "unfinished backup");
        sentence.push_str(&format!("; what was left of {left} is gone"));
    }
    sentence.push_str(&format!(", in {}", words::escape(place.as_bytes())));
    let status = super::status(report);
    text.push(verdict(&context.printer, status, &sentence));
    text.join("\n")
}

/// Whether a backup that was to go is as it was.
fn is_there(fate: &Fate) -> bool {
    match fate {
        Fate::Kept(_) | Fate::AtWork | Fate::NotReached | Fate::NothingInstead(_) => true,
        Fate::Left(left) => left.iter().any(|left| left.key.ends_with(&format!("/{MANIFEST}"))),
        Fate::Removed | Fate::Gone | Fate::Failed(_) => false,
    }
}

/// What the removal has brought: room, unless the bucket keeps versions.
pub fn freed(report: &Report) -> String {
    let bytes = words::bytes(report.bytes);
    match report.hidden {
        0 => format!("{bytes} freed"),
        _ => format!("{bytes} hidden (the bucket keeps versions: they stay until its lifecycle rules remove them)"),
    }
}

/// Whose policy it is, and what it says.
fn head(settings: &Settings, plan: &Plan, printer: &Printer) -> Vec<String> {
    let from = &settings.from;
    let mut lines = match plan.instances.as_slice() {
        [] => vec![format!("policy from {from}: keep {}", plan.policy)],
        names => vec![format!("policy of {} from {from}: keep {}", names.join(", "), plan.policy)],
    };
    if !plan.others.is_empty() {
        lines.push(format!("left alone, because the policy does not cover them: {}", plan.others.join(", ")));
    }
    lines.iter().map(|line| printer.folded(&words::escape(line.as_bytes()))).collect()
}

fn counts(plan: &Plan) -> (u64, u64, u64) {
    plan.backups.iter().fold((0, 0, 0), |(kept, gone, bytes), backup| match backup.is_kept() {
        true => (kept + 1, gone, bytes),
        false => (kept, gone + 1, bytes + backup.bytes),
    })
}

fn tables(plan: &Plan, report: Option<&Report>, context: &Context) -> Vec<String> {
    let mut text = Vec::new();
    if !plan.backups.is_empty() {
        let mut table = Table::new(&["", "backup", "keys", "stored", "reason"]).numbers(&[2, 3]).optional(&[2, 3]);
        for backup in &plan.backups {
            let fate = report.and_then(|report| fate_of(&report.backups, &backup.instance, backup.id));
            let (word, style) = action(backup.is_kept(), fate);
            let keys = backup.keys.map_or_else(|| "?".to_owned(), words::count);
            let name = format!("{}/{}", backup.instance, backup.id);
            table.painted_row(style, [word.to_owned(), name, keys, words::bytes(backup.bytes), reasons(backup, fate)]);
        }
        text.push(table.render(&context.printer));
    }
    if !plan.left.is_empty() {
        let mut table = Table::new(&["", "unfinished backup", "objects", "uploads", "stored", "silent for", "reason"])
            .numbers(&[2, 3, 4])
            .optional(&[6]);
        for left in &plan.left {
            let fate = report.and_then(|report| fate_of(&report.left, &left.instance, left.id));
            let (word, style) = action(left.is_kept, fate);
            let silent = left.silent.and_then(|time| time.to_std().ok()).map_or_else(|| "?".to_owned(), words::span);
            let held = match (&left.held, fate) {
                (_, Some(Fate::Kept(why))) => words::escape(why.to_string().as_bytes()),
                (Some(held), _) => words::escape(held.to_string().as_bytes()),
                (None, _) => String::new(),
            };
            table.painted_row(
                style,
                [
                    word.to_owned(),
                    format!("{}/{}", left.instance, left.id),
                    left.objects.to_string(),
                    left.uploads.to_string(),
                    words::bytes(left.bytes),
                    silent,
                    held,
                ],
            );
        }
        text.push(table.render(&context.printer));
    }
    text
}

fn fate_of<'a>(done: &'a [Done], instance: &str, id: BackupId) -> Option<&'a Fate> {
    done.iter().find(|done| done.instance == instance && done.id == id).map(|done| &done.fate)
}

/// What becomes or became of a backup, in the words of the JSON.
fn action(is_kept: bool, fate: Option<&Fate>) -> (&'static str, Style) {
    match fate {
        _ if is_kept => ("keep", Style::Green),
        None => ("remove", Style::Yellow),
        Some(Fate::Removed) => ("removed", Style::Yellow),
        Some(Fate::Gone) => ("gone", Style::Yellow),
        Some(Fate::Kept(_) | Fate::AtWork) => ("keep", Style::Green),
        Some(Fate::Left(_) | Fate::Failed(_) | Fate::NotReached | Fate::NothingInstead(_)) => ("stays", Style::Red),
    }
}

fn reasons(backup: &Planned, fate: Option<&Fate>) -> String {
    let own = backup.verdict.iter().map(|why| words::escape(why.to_string().as_bytes())).collect::<Vec<_>>().join(", ");
    match fate {
        Some(Fate::Kept(why)) => words::escape(why.to_string().as_bytes()),
        Some(Fate::AtWork) => "another process is using it".to_owned(),
        Some(Fate::Gone) => "another process removed it".to_owned(),
        Some(Fate::NothingInstead(id)) => format!("{id}, which was to stay instead, was removed by another process"),
        Some(Fate::NotReached) => format!("{own}; not reached"),
        // Two backups of an instance may each be the last of their kind.
        _ if backup.by_key && backup.is_kept() => format!("{own} (read key by key: counted separately)"),
        _ => own,
    }
}

/// What stays although it should be gone, a line each.
fn stays(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for done in report.backups.iter().chain(&report.left) {
        match &done.fate {
            Fate::Left(left) => lines.extend(left.iter().map(|left| format!("stays: {}: {}", left.key, left.error))),
            Fate::Failed(error) => lines.push(format!("stays: {}/{}: {}", done.instance, done.id, chain(error))),
            _ => {}
        }
    }
    lines.extend(report.changed.iter().map(|(instance, id)| {
        format!("changed: another process removed {instance}/{id}, which was to stay: planned again without it")
    }));
    lines.extend(report.foreign.iter().map(|key| format!("stays: {key}: not part of the backup")));
    named(lines)
}

fn named(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > NAMED {
        let more = words::counted((lines.len() - NAMED) as u64, "object");
        lines.truncate(NAMED);
        lines.push(format!("stays: {more} more"));
    }
    lines
}

fn chain(error: &RepositoryError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// The code, the words and the hint for what was not removed.
pub(super) fn why_incomplete(report: &Report) -> (&'static str, String, Option<Hint>) {
    let all = || report.backups.iter().chain(&report.left);
    let count = all()
        .filter(|done| matches!(done.fate, Fate::Left(_) | Fate::Failed(_) | Fate::NothingInstead(_)))
        .count() as u64;
    let left: Vec<&Leftover> =
        all().filter_map(|done| if let Fate::Left(left) = &done.fate { Some(left) } else { None }).flatten().collect();
    let failed = all().find_map(|done| if let Fate::Failed(error) = &done.fate { Some(error) } else { None });
    let errors: Vec<&StorageError> = left.iter().map(|left| &left.error).collect();
    let gone = all().find_map(|done| if let Fate::NothingInstead(id) = &done.fate { Some(id) } else { None });
    let gone = gone.map(|id| format!("{id}, which was to stay, was removed by another process"));
    let first = errors.first().map(ToString::to_string).or(failed.map(chain)).or(gone);
    let why = first.filter(|first| !first.is_empty()).map(|first| format!(": {first}")).unwrap_or_default();
    let words = format!("{} could not be removed{why}", words::counted(count, "backup"));
    let locked = errors.iter().any(|error| matches!(error, StorageError::Locked(_)));
    let code = if locked {
        "object_locked"
    } else {
        errors.first().map_or_else(|| failed.map_or("failed", RepositoryError::code), |error| error.code())
    };
    let hint = errors.first().and_then(|error| error.meaning().hint);
    (code, words, hint)
}

/// The policy as JSON: 0 keeps none by that rule, and `"unlimited"` is all.
pub fn policy_json(policy: &Policy, from: &str) -> Value {
    let count = |count: u64| if count == UNLIMITED { json!("unlimited") } else { json!(count) };
    json!({
        "from": from,
        "keep_last": count(policy.last),
        "keep_hourly": count(policy.hourly),
        "keep_daily": count(policy.daily),
        "keep_weekly": count(policy.weekly),
        "keep_monthly": count(policy.monthly),
        "keep_yearly": count(policy.yearly),
        "keep_within": policy.within.map(|within| within.to_string()),
        "keep_within_seconds": policy.within.and_then(Span::seconds),
        "keep_safety_seconds": policy.safety.as_secs(),
    })
}

/// The fields `instances`, `others`, `backups` and `left` of the answer.
pub fn plan_json(plan: &Plan, report: Option<&Report>) -> Map<String, Value> {
    let backups: Vec<Value> = plan
        .backups
        .iter()
        .map(|backup| {
            let fate = report.and_then(|report| fate_of(&report.backups, &backup.instance, backup.id));
            let reasons: Vec<String> = match fate {
                Some(Fate::Kept(why)) => vec![why.to_string()],
                _ => backup.verdict.iter().map(Why::to_string).collect(),
            };
            json!({
                "id": backup.id.to_string(),
                "instance": backup.instance,
                "purpose": backup.purpose,
                "keys": backup.keys,
                "stored_bytes": backup.bytes,
                "action": action(backup.is_kept(), fate).0,
                "reasons": reasons,
                "foreign": backup.foreign,
                "objects_left": objects_left(fate),
            })
        })
        .collect();
    let left: Vec<Value> = plan
        .left
        .iter()
        .map(|left| {
            let fate = report.and_then(|report| fate_of(&report.left, &left.instance, left.id));
            json!({
                "id": left.id.to_string(),
                "instance": left.instance,
                "objects": left.objects,
                "uploads": left.uploads,
                "stored_bytes": left.bytes,
                "silent_seconds": left.silent.map(|silent| silent.num_seconds().max(0)),
                "action": action(left.is_kept, fate).0,
                "reason": match fate {
                    Some(Fate::Kept(why)) => Some(why.to_string()),
                    _ => left.held.as_ref().map(ToString::to_string),
                },
                "objects_left": objects_left(fate),
            })
        })
        .collect();
    let fields = [
        ("instances", json!(plan.instances)),
        ("others", json!(plan.others)),
        ("backups", json!(backups)),
        ("left", json!(left)),
        ("left_after_seconds", json!(LEFT_FOR.num_seconds())),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Objects that stay, with the store's reason.
pub fn objects_left(fate: Option<&Fate>) -> Vec<Value> {
    match fate {
        Some(Fate::Left(left)) => left
            .iter()
            .map(|left| json!({ "key": left.key, "reason": left.error.to_string(), "code": left.error.code() }))
            .collect(),
        Some(Fate::Failed(error)) => vec![json!({ "key": Value::Null, "reason": chain(error), "code": error.code() })],
        _ => Vec::new(),
    }
}

/// The field `removed` of the answer.
pub fn report_json(report: &Report) -> Value {
    let removed = |done: &[Done]| done.iter().filter(|done| matches!(done.fate, Fate::Removed)).count();
    json!({
        "backups": removed(&report.backups),
        "unfinished": removed(&report.left),
        "objects": report.objects,
        "bytes": report.bytes,
        "hidden": report.hidden,
        "uploads": report.uploads,
        "foreign": report.foreign,
        "changed": report.changed.iter().map(|(instance, id)| format!("{instance}/{id}")).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::commands::screens;
    use crate::commands::which::Place;
    use crate::repository::BegunBy;
    use crate::repository::manifest::Purpose;
    use crate::retention::{Hold, Left, Rule, Wanted};

    #[test]
    fn the_screen_of_a_prune_that_cannot_do_all() {
        let backup = |id: &str, bytes, verdict: Vec<Why>| Planned {
            instance: "redis-prod".to_owned(),
            id: id.parse().expect("an id"),
            purpose: Some(Purpose::Scheduled),
            bytes,
            keys: Some(1_234_567),
            identity: None,
            is_good: true,
            by_key: false,
            foreign: Vec::new(),
            verdict,
        };
        let reader = BegunBy { host: "backup-7".to_owned(), pid: 4711 };
        let held = |hold| Why::Held(hold);
        let backups = vec![
            backup("2026-11-23-01-00", 3 << 30, vec![Why::Rule(Rule::Last), Why::Rule(Rule::Daily), Why::Last]),
            backup("2026-11-22-01-00", 3 << 30, vec![Why::Rule(Rule::Daily), Why::NewestVerified]),
            backup("2026-11-21-01-00", 3 << 30, vec![Why::NoRule]),
            backup("2026-11-20-01-00", 3 << 30, vec![Why::NoRule]),
            backup("2026-11-19-01-00", 3 << 30, vec![held(Hold::Pinned("audit".to_owned()))]),
            backup("2026-11-18-01-00-2", 3 << 30, vec![Why::NoRule]),
        ];
        let left = vec![Left {
            instance: "redis-prod".to_owned(),
            id: "2026-11-17-01-00".parse().expect("an id"),
            objects: 2,
            bytes: 1 << 30,
            uploads: 1,
            silent: Some(TimeDelta::hours(146)),
            is_published: false,
            is_kept: false,
            held: None,
        }];
        let policy = Policy { last: 1, daily: 2, ..Policy::default() };
        let plan = Plan {
            policy: policy.clone(),
            instances: vec!["redis-prod".to_owned()],
            others: vec!["staging".to_owned()],
            backups,
            left,
            is_repository: true,
        };
        let settings = Settings {
            place: Place {
                location: "/backups".parse().expect("a place"),
                s3: Box::default(),
                encryption: Default::default(),
            },
            wanted: Wanted::All,
            policy,
            from: "`backup.retention` in /etc/redis-ops/config.yaml".to_owned(),
            dry_run: true,
            turns: crate::operations::Turns::default(),
        };
        let done = |id: &str, fate| Done { instance: "redis-prod".to_owned(), id: id.parse().expect("an id"), fate };
        let error = StorageError::Locked("AccessDenied: Access Denied because object protected by object lock.".into());
        let key = "redis-prod/2026-11-20-01-00/manifest.json".to_owned();
        let report = Report {
            objects: 4,
            bytes: 4 << 30,
            backups: vec![
                done("2026-11-21-01-00", Fate::Removed),
                done("2026-11-20-01-00", Fate::Left(vec![Leftover { key, error }])),
                done("2026-11-18-01-00-2", Fate::Kept(held(Hold::BeingRead(reader)))),
            ],
            left: vec![done("2026-11-17-01-00", Fate::Removed)],
            ..Report::default()
        };
        screens::check("prune-plan", |printer| {
            self::plan(&settings, &plan, "file:///backups", &screens::context(printer))
        });
        screens::check("prune", |printer| {
            self::report(&settings, &plan, &report, "file:///backups", &screens::context(printer))
        });
    }
}
