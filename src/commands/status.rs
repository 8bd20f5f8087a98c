//! `redis-ops status`: how it stands with the backups of every instance, on one screen.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::instances::Only;
use super::nagios::{self, Number};
use super::table::{Table, verdict};
use super::turns;
use super::which::Place;
use super::{Context, Format, Outcome};
use crate::explain::{Failure, Result, Status};
use crate::operations::condition::{self, Condition, Expected, Proof, schedule};
use crate::operations::turn::of_others;
use crate::printer::{Printer, words};
use crate::repository::{FoundLock, Repository};
use crate::retention::Policy;
use crate::storage::Location;
use crate::times;

/// So many holes are named of an instance; the others are counted.
const HOLES_NAMED: usize = 3;
/// Locks that are looked at at the same time.
const AT_ONCE: usize = 16;

/// Complete settings of `status`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the backups are.
    pub place: Place,
    /// Only of this instance; `None`: of all.
    pub instance: Option<String>,
    /// The instances of the settings: they are shown even without a backup, and schedule and policy are theirs. Empty: of all.
    pub known: Vec<String>,
    /// The cron line of the settings; `None`: there is none, or backups are switched off.
    pub schedule: Option<String>,
    /// The policy of the settings.
    pub policy: Option<Policy>,
    /// The oldest that the last good backup may be.
    pub max_age: Option<Duration>,
    /// The longest time since a backup was found good.
    pub max_unverified: Option<Duration>,
}

/// Looks, and says what is wrong: a last good backup that is too old or missing, or damage in all of them, is exit 2; one that was not
/// verified for too long, or that its schedule names and nobody has taken, or was only ever begun, exit 1; manifests that cannot be read
/// just now, and nothing else, exit 3.
///
/// # Errors
/// The repository cannot be asked; the schedule of the settings is none.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let cron = settings.schedule.as_deref().map(schedule).transpose()?;
    let repository = settings.place.open().await?;
    let expected =
        |instance: &str| match settings.known.is_empty() || settings.known.iter().any(|name| name == instance) {
            true => Expected { schedule: cron.clone(), policy: settings.policy.clone() },
            false => Expected::default(),
        };
    let named = match &settings.instance {
        Some(name) => vec![name.clone()],
        None => settings.known.clone(),
    };
    let conditions = condition::look(&repository, settings.instance.as_deref(), &named, &expected).await?;
    let has_backups = conditions
        .iter()
        .any(|one| one.backups + one.unreadable + one.left > 0 || !one.running.is_empty() || one.denied.is_some());
    if !has_backups && let Some(name) = &settings.instance {
        let only = Only { name: name.clone(), of_settings: settings.known.clone() };
        if let Some(error) = only.missing(&repository).await? {
            return Ok(Outcome::new(Status::Unknown).error(error));
        }
    }
    // A bucket has no folders, and of an empty folder nobody knows what it is: where nothing is looked at nothing is good.
    let is_s3 = matches!(settings.place.location, Location::S3 { .. });
    if !has_backups && (is_s3 || conditions.is_empty()) && repository.marker().await?.is_none() {
        let text = format!("no repository at {}", repository.describe());
        let error = Failure::new("not_found", text)
            .hint("correct the name of the repository; the first `backup` creates a repository");
        return Ok(Outcome::new(Status::Unknown).error(error.into()));
    }
    let now = repository.now();
    let mut judged: Vec<Judged<'_>> = conditions.iter().map(|one| Judged::of(one, settings, now)).collect();
    look_for_locks(&repository, &mut judged).await;
    let has_limit = settings.max_age.is_some() || settings.max_unverified.is_some();
    // Where all backups are gone nothing is young enough.
    let (status, sentence) = match judged.is_empty() && has_limit {
        true => (Status::Unknown, format!("nothing was checked: there is no backup in {}", repository.describe())),
        false => (
            judged.iter().fold(Status::Ok, |status, one| status.and(one.status)),
            sentence(&judged, &repository.describe()),
        ),
    };
    let text = match context.format {
        Format::Nagios => one_line(&judged, status, &sentence, settings.max_age, now),
        _ => screen(&judged, status, &sentence, now, &context.printer),
    };
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    Ok(Outcome::new(status)
        .field("instances", judged.iter().map(|one| one.json(now)).collect::<Vec<_>>())
        .field("stored_bytes", conditions.iter().map(|one| one.stored_bytes).sum::<u64>())
        .field("max_age_seconds", seconds(settings.max_age))
        .field("max_unverified_seconds", seconds(settings.max_unverified))
        .text(text)
        .headline(sentence, Some(repository.describe())))
}

/// Whether it is a server that is backed up. What a restore has saved of a server before it wrote there does not make it one.
fn is_backed_up(found: &Condition, settings: &Settings) -> bool {
    !found.only_safety || settings.known.contains(&found.instance)
}

/// That all backups of an instance are damaged, in words; `None`: one may be good.
fn lost(found: &Condition) -> Option<String> {
    if !found.all_damaged {
        return None;
    }
    Some(match &found.doubtful {
        Some(newest) => format!("the newest backup, {}, is damaged; no good backup exists", newest.id),
        None => format!(
            "{} {}; no good backup exists",
            words::counted(found.broken, "manifest"),
            if found.broken == 1 { "is damaged or is not its own" } else { "are damaged or are not their own" }
        ),
    })
}

/// That nothing of an instance can be taken for a backup, in words, and what that is worth; `None`: something can, or it has nothing at all.
fn without_backup(found: &Condition) -> Option<(Status, String)> {
    if let Some(why) = lost(found) {
        return Some((Status::Failed, why));
    }
    if found.backups > 0 {
        return None;
    }
    if found.unreadable > 0 {
        let manifests = words::counted(found.unreadable, "manifest");
        return Some((Status::Unknown, format!("{manifests} cannot be read: whether a good backup exists is unknown")));
    }
    let is_begun = found.left > 0 && found.running.is_empty();
    is_begun.then(|| (Status::Warning, "no backup was ever finished".to_owned()))
}

/// An instance, and what is wrong with its backups.
struct Judged<'a> {
    found: &'a Condition,
    /// Whether it is one of those that are counted, with a row of its own.
    counts: bool,
    status: Status,
    /// What is wrong, a sentence each, without the name of the instance.
    reasons: Vec<String>,
    /// The lock of the instance, and what it says.
    lock: Option<(FoundLock, String)>,
}

impl<'a> Judged<'a> {
    fn of(found: &'a Condition, settings: &Settings, now: DateTime<Utc>) -> Self {
        let (mut status, mut reasons) = (Status::Ok, Vec::new());
        let mut say = |worse: Status, reason: String| {
            status = status.and(worse);
            reasons.push(reason);
        };
        if let Some(error) = &found.denied {
            let status = Status::Unknown;
            let reasons = vec![format!("its folder cannot be read: {error}")];
            return Self { found, counts: true, status, reasons, lock: None };
        }
        // What ought to be younger than a limit and is not: how old it is, if it is at all.
        let too_old = |limit: Option<Duration>, at: Option<DateTime<Utc>>| {
            let limit = limit?;
            let is_over = |at| TimeDelta::from_std(limit).is_ok_and(|limit| now - at > limit);
            let is_wrong = at.is_none_or(is_over);
            is_wrong.then(|| (at.map(|at| age(at, now)), words::span(limit)))
        };
        let is_backed_up = is_backed_up(found, settings);
        let max_age = settings.max_age.filter(|_| is_backed_up);
        match too_old(max_age, found.last_good.as_ref().map(|good| good.from)) {
            Some((None, _)) => say(Status::Failed, "there is no good backup".to_owned()),
            Some((Some(age), limit)) => {
                say(Status::Failed, format!("the last good backup is {age} old; `--max-age` is {limit}"));
            }
            None => {}
        }
        // Without a limit as well: what cannot be restored is no backup.
        if max_age.is_none()
            && let Some((status, why)) = without_backup(found)
        {
            say(status, why);
        }
        let max_unverified = settings.max_unverified.filter(|_| is_backed_up);
        match too_old(max_unverified, found.last_verified.as_ref().map(|proof| proof.at)) {
            Some((None, _)) => say(Status::Warning, "no backup was ever verified".to_owned()),
            Some((Some(age), limit)) => {
                say(Status::Warning, format!("no backup was verified for {age}; `--max-unverified` is {limit}"));
            }
            None => {}
        }
        if let Some(missed) = found.missed {
            say(
                Status::Warning,
                format!("the backup that was due at {} is missing", missed.format("%Y-%m-%d %H:%M UTC")),
            );
        }
        let counts = is_backed_up || settings.instance.as_ref() == Some(&found.instance);
        Self { found, counts, status, reasons, lock: None }
    }

    fn json(&self, now: DateTime<Utc>) -> Value {
        let found = self.found;
        let seconds = |at: DateTime<Utc>| (now - at).num_seconds().max(0);
        let proof = |proof: &Proof| {
            json!({
                "backup_id": proof.id.to_string(),
                "at": times::text(proof.at),
                "age_seconds": seconds(proof.at),
                "level": proof.level,
                "rto_seconds": proof.rto_seconds,
            })
        };
        json!({
            "instance": found.instance,
            "status": self.status,
            "reasons": self.reasons,
            "backups": found.backups,
            "only_safety": found.only_safety,
            "unreadable": found.unreadable,
            "stored_bytes": found.stored_bytes,
            "last_good": found.last_good.as_ref().map(|good| json!({
                "backup_id": good.id.to_string(),
                "at": times::text(good.at),
                "age_seconds": seconds(good.from),
                "keys": good.keys,
                "raw_bytes": good.raw_bytes,
                "stored_bytes": good.stored_bytes,
            })),
            "doubtful": found.doubtful.as_ref().map(|one| json!({
                "backup_id": one.id.to_string(),
                "at": times::text(one.at),
                "why": one.doubt(),
            })),
            "last_verified": found.last_verified.as_ref().map(proof),
            "last_drill": found.last_drill.as_ref().map(proof),
            "next_due": found.next_due.map(times::text),
            "missed": found.missed.map(times::text),
            "growth": found.growth.map(|growth| json!({ "since": times::text(growth.since), "raw_bytes": growth.raw_bytes })),
            "holes": found.holes,
            "running": found.running.iter().map(|one| json!({
                "backup_id": one.id.to_string(), "host": one.host, "pid": one.pid,
            })).collect::<Vec<_>>(),
            "lock": self.lock.as_ref().map(|(found, _)| turns::to_json(found)),
            "left": found.left,
            "pinned": found.pinned,
        })
    }
}

/// Who holds the locks; those of many instances are looked at side by side.
async fn look_for_locks(repository: &Repository, judged: &mut [Judged<'_>]) {
    let names: Vec<String> = judged.iter().map(|one| one.found.instance.clone()).collect();
    let looks = stream::iter(names).map(async |name| of_others(repository, &name).await).buffered(AT_ONCE);
    let found: Vec<_> = looks.collect().await;
    judged.iter_mut().zip(found).for_each(|(one, lock)| one.lock = lock);
}

fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    words::span((now - at).to_std().unwrap_or_default())
}

fn sentence(judged: &[Judged<'_>], place: &str) -> String {
    let bad: Vec<String> = judged
        .iter()
        .filter(|one| one.status != Status::Ok)
        .map(|one| format!("{}: {}", one.found.instance, one.reasons.join("; ")))
        .collect();
    if !bad.is_empty() {
        return words::escape(bad.join("; ").as_bytes());
    }
    let counted = || judged.iter().filter(|one| one.counts);
    let backups = counted().map(|one| one.found.backups).sum();
    let bytes = counted().map(|one| one.found.stored_bytes).sum();
    format!(
        "{} with {}, {}, in {}",
        words::counted(counted().count() as u64, "instance"),
        words::counted(backups, "backup"),
        words::bytes(bytes),
        words::escape(place.as_bytes())
    )
}

fn screen(judged: &[Judged<'_>], status: Status, sentence: &str, now: DateTime<Utc>, printer: &Printer) -> String {
    let mut text = Vec::new();
    if judged.iter().any(|one| one.counts) {
        let headings =
            ["instance", "last good", "verified", "drill", "next due", "keys", "size", "growth", "backups", "stored"];
        let mut table = Table::new(&headings).numbers(&[5, 6, 8, 9]).optional(&[7, 5, 9, 8, 4, 6]);
        for one in judged.iter().filter(|one| one.counts) {
            table.row(row(one.found, now));
        }
        text.push(table.render(printer));
    }
    let mut notes = Vec::new();
    for one in judged {
        let Condition { instance, holes, running, left, unreadable, .. } = one.found;
        if !one.counts {
            let (backups, bytes) = (one.found.backups, words::bytes(one.found.stored_bytes));
            let backups = words::counted(backups, "safety backup");
            notes.push(format!("{instance}: no backups, except {backups} that restores have taken ({bytes})"));
        }
        let mut named: Vec<String> = holes.iter().take(HOLES_NAMED).cloned().collect();
        if holes.len() > HOLES_NAMED {
            named.push(format!("{} more", holes.len() - HOLES_NAMED));
        }
        if !named.is_empty() {
            notes.push(format!("{instance}: {}", named.join(", ")));
        }
        for at_work in running {
            let by =
                at_work.host.as_ref().map_or_else(|| "by an unknown process".to_owned(), |host| format!("on {host}"));
            let pid = at_work.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
            notes.push(format!("{instance}: backup {} is being made {by}{pid}", at_work.id));
        }
        notes.extend(one.lock.iter().map(|(_, words)| words.clone()));
        if *left > 0 {
            notes.push(format!("{instance}: {} never finished", words::counted(*left, "backup")));
        }
        if let Some(doubtful) = one.found.doubtful.as_ref().filter(|_| lost(one.found).is_none()) {
            notes.push(format!("{instance}: {} is not known to be good: {}", doubtful.id, doubtful.doubt()));
        }
        if *unreadable > 0 {
            notes.push(format!("{instance}: {} cannot be read", words::counted(*unreadable, "manifest")));
        }
    }
    text.extend(notes.into_iter().map(|line| printer.folded(&words::escape(line.as_bytes()))));
    text.push(verdict(printer, status, sentence));
    text.join("\n")
}

fn row(found: &Condition, now: DateTime<Utc>) -> [String; 10] {
    let ago = |at: DateTime<Utc>| format!("{} ago", age(at, now));
    let never = || "never".to_owned();
    let nothing = || "-".to_owned();
    let good = found.last_good.as_ref();
    [
        words::escape(found.instance.as_bytes()),
        good.map_or_else(never, |good| ago(good.from)),
        found.last_verified.as_ref().map_or_else(never, |proof| ago(proof.at)),
        found.last_drill.as_ref().map_or_else(never, |drill| {
            let rto = drill.rto_seconds.map(|seconds| format!(" ({seconds:.1} s)")).unwrap_or_default();
            format!("{}{rto}", ago(drill.at))
        }),
        found
            .next_due
            .map_or_else(nothing, |due| format!("in {}", words::span((due - now).to_std().unwrap_or_default()))),
        good.map_or_else(nothing, |good| good.keys.map_or_else(|| "?".to_owned(), words::count)),
        good.map_or_else(nothing, |good| words::bytes(good.raw_bytes)),
        found.growth.map_or_else(nothing, |growth| {
            let sign = if growth.raw_bytes < 0 { '-' } else { '+' };
            let time = found.last_good.as_ref().map_or(TimeDelta::zero(), |good| good.at - growth.since);
            format!(
                "{sign}{} in {}",
                words::bytes(growth.raw_bytes.unsigned_abs()),
                words::span(time.to_std().unwrap_or_default())
            )
        }),
        words::count(found.backups),
        words::bytes(found.stored_bytes),
    ]
}

fn one_line(
    judged: &[Judged<'_>],
    status: Status,
    sentence: &str,
    max_age: Option<Duration>,
    now: DateTime<Utc>,
) -> String {
    let age = |one: &Judged<'_>| {
        let good = one.found.last_good.as_ref()?;
        let seconds = u64::try_from((now - good.from).num_seconds()).unwrap_or(0);
        let number = Number::count(format!("{}_age", one.found.instance), seconds, "s");
        Some(match max_age {
            Some(limit) => number.critical(limit.as_secs_f64()),
            None => number,
        })
    };
    nagios::line(status, sentence, &judged.iter().filter_map(age).collect::<Vec<Number>>())
}
