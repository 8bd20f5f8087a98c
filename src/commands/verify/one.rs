//! Verifies one backup against its own manifest, or a file in its place.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::answer::{Answer, findings_lines, findings_table, hide_keys};
use super::{Level, Settings};
use crate::census::Census;
use crate::commands::nagios::Number;
use crate::commands::which::NO_CONDITIONS;
use crate::commands::{Context, contents, show};
use crate::dataset::{Backup, Dataset};
use crate::examination;
use crate::explain::{Context as _, Fault, Result, Status};
use crate::finding::{Finding, Severity};
use crate::operations::read_marked;
use crate::printer::words;
use crate::repository::manifest::{CensusSummary, Manifest};
use crate::verify::drill;
use crate::verify::{self, Report, receipt};

/// Verifies a backup as far as the settings say, and leaves a receipt.
pub async fn stored(settings: &Settings, backup: &Backup, context: &Context) -> Result<(Answer, Report)> {
    let Backup { repository, manifest, .. } = backup;
    let what = format!("{}/{}", manifest.instance, manifest.id);
    let work = examine(settings, backup, context);
    let report = match settings.level {
        // Looks at names and lengths, for a moment.
        Level::Manifest => work.await,
        _ => read_marked(&Dataset::Backup(backup.clone()), work).await,
    };
    let mut report = report.with_context(|| format!("cannot verify {what}"))?;
    if let Err(error) = receipt::write(repository, manifest, settings.level, &report, context.now).await {
        context.printer.say(&format!("warning: no receipt was written: {:#}", Fault::from(error)));
    }
    // Whether it is old is no question to the backup: it is not part of the receipt.
    let age = age(manifest, context.now);
    report.findings.extend(of_the_future(manifest, settings.max_age, context.now));
    report.findings.extend(too_old(age, settings.max_age));
    report.status = examination::status(&report.findings);
    hide_keys(&mut report.findings, context.keys);

    let contents = manifest.census.as_ref().filter(|_| settings.census);
    let contents = contents.map(|summary| (summary.clone(), report.census.as_ref()));
    let mut answer = answer(&report, settings.level, &what, contents, Some(backup), context);
    if let Some(slots) = manifest.slots_of_part() {
        answer.field("slots", slots);
        answer
            .sentence
            .push_str(&format!("; it is one shard of a cluster only (slots {})", words::escape(slots.as_bytes())));
    }
    answer.field("stale", manifest.stale);
    if manifest.stale {
        answer.sentence.push_str("; it was read from a replica that had lost its primary: its data may be old");
    }
    answer.repository = Some(repository.describe());
    answer.fields.shift_insert(0, "backup_id".to_owned(), manifest.id.to_string().into());
    answer.fields.shift_insert(1, "instance".to_owned(), manifest.instance.clone().into());
    answer.field("age_seconds", age.as_secs());
    let keeps_conditions = repository.keeps_conditions().await?;
    answer.field("keeps_conditions", keeps_conditions);
    if keeps_conditions == Some(false) {
        answer.text.push(context.printer.folded(NO_CONDITIONS));
    }
    let name = format!("{} {}", manifest.id, settings.level.name());
    answer.case(&manifest.instance, name, report.status, &answer.sentence.clone(), findings_lines(&report.findings));
    let number = Number::count("age", age.as_secs(), "s");
    answer.numbers.push(match settings.max_age {
        Some(limit) => number.critical(limit.as_secs_f64()),
        None => number,
    });
    Ok((answer, report))
}

async fn examine(settings: &Settings, backup: &Backup, context: &Context) -> Result<Report> {
    let progress = context.bar();
    let cancel = &context.cancel;
    let report = match settings.level {
        Level::Drill => {
            let options = drill_options(settings);
            verify::drilled(backup, &options, progress.as_ref(), cancel).await
        }
        level => verify::backup(backup, level, progress.as_ref(), cancel).await,
    };
    progress.finish();
    Ok(report?)
}

fn drill_options(settings: &Settings) -> drill::Options {
    let usual = drill::Options::new();
    drill::Options {
        binary: settings.server_binary.clone(),
        folder: settings.temporary.clone(),
        memory_limit: settings.memory.unwrap_or(usual.memory_limit),
        ..usual
    }
}

/// Verifies a file that somebody has.
pub async fn file(settings: &Settings, data: &Dataset, context: &Context) -> Result<Answer> {
    // There is no manifest that the bytes could be held against.
    let level = settings.level.max(Level::Structure);
    let progress = context.bar();
    let moment_ms = context.now.timestamp_millis();
    let drill = (level == Level::Drill).then(|| drill_options(settings));
    let found =
        verify::file(data, settings.census, drill.as_ref(), moment_ms, progress.as_ref(), &context.cancel).await;
    progress.finish();
    let mut found = found.with_context(|| format!("cannot verify {}", data.name()))?;
    hide_keys(&mut found.report.findings, context.keys);
    let census = found.report.census.as_ref().filter(|_| settings.census);
    let contents = census.map(|census| (examination::summarize(census), Some(census)));
    let mut answer = answer(&found.report, level, &data.name(), contents, None, context);
    answer.fields.shift_insert(0, "file".to_owned(), data.name().into());
    if let Some(inspected) = &found.inspected {
        answer.field("rdb", show::rdb_json(inspected));
    }
    let details = findings_lines(&found.report.findings);
    answer.case("file", data.name(), found.report.status, &answer.sentence.clone(), details);
    Ok(answer)
}

/// How old the data of a backup are.
pub fn age(manifest: &Manifest, now: DateTime<Utc>) -> Duration {
    // A clock that runs behind makes no backup from the future.
    (now - manifest.data_from()).to_std().unwrap_or_default()
}

/// The finding that nobody knows how old a backup is. Where an age was asked for, that is a no.
fn of_the_future(manifest: &Manifest, limit: Option<Duration>, now: DateTime<Utc>) -> Option<Finding> {
    let severity = if limit.is_some() { Severity::Critical } else { Severity::Warning };
    manifest.id.is_ahead(now).then(|| {
        Finding::new(severity, "backup_of_the_future", "the backup is dated in the future")
            .evidence("created_at", crate::times::text(manifest.created_at))
            .why("the clock of the machine that took it was ahead, so its age is unknown")
            .fix("set the clock of that machine, and take another backup; this one does not count as the latest")
    })
}

/// The finding that a backup is older than it may be.
pub fn too_old(age: Duration, limit: Option<Duration>) -> Option<Finding> {
    let limit = limit.filter(|limit| age > *limit)?;
    Some(
        Finding::new(
            Severity::Critical,
            "backup_too_old",
            format!("the backup is {} old; `--max-age` allows {}", words::span(age), words::span(limit)),
        )
        .evidence("age_seconds", age.as_secs())
        .evidence("limit_seconds", limit.as_secs())
        .threshold(format!("--max-age {}", words::span(limit)))
        .fix("take a backup, and find out why the last one was not taken"),
    )
}

/// The findings, what was looked at, and the verdict.
fn answer(
    report: &Report,
    level: Level,
    what: &str,
    contents: Option<(CensusSummary, Option<&Census>)>,
    backup: Option<&Backup>,
    context: &Context,
) -> Answer {
    let mut answer = Answer::new(report.status, sentence(report, level, what, backup));
    if let Some(key) = backup.and_then(Backup::opened_by) {
        answer.field("opened_by", key.as_str());
    }
    if let Some((summary, census)) = &contents {
        answer.text.push(contents::to_text(summary, *census, context));
    }
    answer.text.extend(findings_table(&report.findings, &context.printer));
    answer.field("level", level);
    answer.field("checked", &report.checked);
    answer.field("findings", &report.findings);
    if let Some(needs) = &report.needs {
        answer.field("needs", examination::needs_shown(needs));
        answer.text.extend(examination::needs_in_words(needs).map(|words| format!("to load this backup: {words}")));
    }
    if report.needs.is_some() {
        answer.field("module_aux", &report.module_aux);
        let told = report.module_aux.iter().map(|(module, records)| show::module_records(module, *records));
        answer.text.extend(told.map(|words| format!("module aux {words}")));
    }
    if let Some(drill) = &report.drill {
        answer.field("drill", drill);
        answer.numbers.push(Number::new("rto", drill.rto_seconds, "s"));
    }
    if let Some((summary, census)) = contents {
        answer.field("census", contents::to_json(&summary, census, context));
    }
    answer.numbers.push(Number::count("raw", report.checked.raw_bytes, "B"));
    answer
}

/// Notes that only a server can answer.
const OPEN: &[&str] = &["function_not_run", "function_may_not_end", "lua_script", "modules_not_asked"];

/// What tells more about notes of these kinds; empty: there is none.
fn drill_tells(report: &Report) -> String {
    match report.findings.iter().filter(|finding| OPEN.contains(&finding.id.as_str())).count() {
        0 => String::new(),
        1 => "; for the note above, `--level drill` tells".to_owned(),
        notes => format!("; for the {notes} notes above, `--level drill` tells"),
    }
}

/// The verdict in one line.
pub fn sentence(report: &Report, level: Level, what: &str, backup: Option<&Backup>) -> String {
    let is_encrypted = backup.is_some_and(|backup| backup.manifest.encryption.is_some());
    let opened = backup.and_then(Backup::opened_by).map(|key| format!("; {key} opened it")).unwrap_or_default();
    let reservations = report.findings.iter().filter(|finding| finding.severity == Severity::Warning).count() as u64;
    match report.status {
        Status::Ok => match &report.drill {
            Some(drill) => format!(
                "{what} is good: {} {} loaded it in {} and holds {}{}{opened}; RTO {}, peak memory {}; {}",
                drill.server,
                drill.version,
                words::span(Duration::from_secs_f64(drill.seconds.load)),
                words::counted(drill.keys, "key"),
                if drill.expired > 0 {
                    format!(" ({} had expired)", words::count(drill.expired))
                } else {
                    String::new()
                },
                words::span(Duration::from_secs_f64(drill.rto_seconds)),
                words::bytes(drill.peak_memory_bytes),
                level.leaves_open(is_encrypted),
            ),
            None => {
                let (proves, open, notes) =
                    (level.proves(is_encrypted), level.leaves_open(is_encrypted), drill_tells(report));
                format!("{what} is good: {proves}{opened}; {open}{notes}")
            }
        },
        Status::Warning => format!("{what} is complete, with {}{opened}", words::counted(reservations, "warning")),
        Status::Failed => {
            let worst = report.findings.iter().find(|finding| finding.severity == Severity::Critical);
            match worst.map(|finding| (finding.id.as_str(), finding.title.as_str())) {
                Some(("backup_too_old" | "backup_of_the_future", title)) => format!("{what}: {title}"),
                Some((_, title)) => format!("{what} is damaged: {}", words::escape(title.as_bytes())),
                None => format!("{what} is damaged"),
            }
        }
        Status::Unknown => {
            let why = report
                .findings
                .iter()
                .find(|finding| examination::status(std::slice::from_ref(finding)) == Status::Unknown);
            format!(
                "{what}: could not tell: {}",
                why.map_or("it is newer than this version of redis-ops supports", |finding| &finding.title)
            )
        }
    }
}
