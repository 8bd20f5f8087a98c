//! `redis-ops diagnose`: what is wrong with a server, or with the data in a backup.

mod answer;
pub(super) mod hidden;
pub(super) mod incidents;
mod keys;
pub(super) mod lists;
pub(super) mod render;
mod settings;
mod small_print;
pub(super) mod view;

use std::io::Read as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::which::{File, Server};
use super::{Context, Format, Outcome};
use crate::blocking;
use crate::diagnose::{self, History, Past, Report};
use crate::explain::{Context as _, Hint, Misuse, Result, Status};
use crate::introspection::Part;
use crate::pasted;
use crate::printer::words::{Keys, span};
use crate::progress::{Hidden, Progress};
use crate::repository::Newest;
use crate::rules;

pub use settings::{Expect, FailOn, Mute, Origin, Rules, Settings, Sort, Topic, Via};
use view::View;

/// Between the two readings of the counters.
const WINDOW: Duration = Duration::from_secs(1);
/// Bytes of a text that are read at most: one more than what is taken, so that a longer one is known for what it is.
const TEXT_LIMIT: u64 = pasted::LIMIT + 1;

/// Diagnoses.
///
/// # Errors
/// The server cannot be reached or refuses INFO, the file cannot be read, the settings name a rule that does not exist.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let Some(pause) = settings.watch else {
        return Ok(context.interruptible(once(settings, context)).await?.0);
    };
    if matches!(context.format, Format::Json | Format::Junit) {
        return Err(Misuse::usage("`json` and `junit` write one document, which cannot be repeated")
            .hint(Hint::WatchFormats)
            .into());
    }
    let mut verdict = None;
    loop {
        let (mut outcome, text) = match context.interruptible(once(settings, context)).await {
            // A signal is how watching ends: the last verdict stands, whether the signal comes in a pause or during a look.
            Err(_) if context.cancel.is_cancelled() && verdict.is_some() => {
                return Ok(Outcome::new(verdict.unwrap_or(Status::Ok)));
            }
            looked => looked?,
        };
        verdict = Some(outcome.status);
        match context.format {
            Format::Ndjson => {
                let taken_at = crate::times::text(Utc::now());
                for mut line in std::mem::take(&mut outcome.lines) {
                    line["taken_at"] = taken_at.as_str().into();
                    context.printer.answer(&format!("{line}\n"))?;
                }
            }
            _ => {
                let clear = if context.printer.width().is_some() { "\u{1b}[H\u{1b}[2J" } else { "" };
                context.printer.answer(&format!("{clear}{text}\n"))?;
            }
        }
        if context.printer.reader_has_gone() {
            return Ok(outcome.text(""));
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(outcome.text("")),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Looks at the server once: the outcome, and its text.
async fn once(settings: &Settings, context: &Context) -> Result<(Outcome, String)> {
    let options = options(settings, context)?;
    let mut trend = Vec::new();
    let (report, subject) = match &settings.origin {
        Origin::Server(server) => {
            let history = history(settings, &server.instance).await;
            let since = settings.since.map(TimeDelta::from_std).transpose().unwrap_or(None);
            let now = Utc::now();
            let remembered = since.and_then(|age| history.as_ref()?.before(now, age).cloned());
            match (settings.since, &remembered) {
                (Some(_), None) => {
                    let words = "there is no saved earlier run of this instance: this run is compared with itself";
                    context.printer.say(words);
                }
                (Some(asked), Some(run)) if (now - run.taken_at).to_std().is_ok_and(|age| age < asked) => {
                    let age = span((now - run.taken_at).to_std().unwrap_or_default());
                    let asked = span(asked);
                    context.printer.say(&format!(
                        "no saved run of this instance is {asked} old: this run is compared with the oldest one, of {age} ago"
                    ));
                }
                _ => {}
            }
            let looks_at_keys = options.topics.iter().any(|topic| topic.looks_at_keys());
            let known = match settings.via {
                // Before the counters are read: a full resync counts in them.
                Via::Replication if looks_at_keys => Some(keys::streamed(&server.node, &options, context).await?),
                _ => None,
            };
            let runs = history.as_ref().map_or(&[][..], History::runs);
            let past = Past { compared: remembered.as_ref(), runs };
            let age = backup_age(settings, server, &options);
            let tell = |cost| keys::tell(cost, settings, context);
            // A sample is looked at in a moment.
            let progress: Box<dyn Progress> = match options.full && settings.watch.is_none() {
                true => context.bar(),
                false => Box::new(Hidden::default()),
            };
            let looked = diagnose::live(&server.node, &options, &past, known, age, &tell, progress.as_ref()).await;
            progress.finish();
            let mut report = looked?;
            as_typed(&mut report, server);
            if let Some(mut history) = history {
                trend = history.runs().iter().filter_map(|run| run.info.u64("used_memory")).collect();
                trend.extend(report.snapshot.info.u64("used_memory"));
                history.add(&report.snapshot);
                // A diagnosis is worth more than its memory of itself.
                if let Err(error) = blocking::run(move || history.write()).await {
                    tracing::warn!("cannot save this run: {error:#}");
                }
            }
            (report, server.instance.clone())
        }
        Origin::Text(files) => {
            let name = files.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let files = files.clone();
            // A pipe may be silent for long.
            let read_all = move || files.iter().map(read).collect::<Result<Vec<_>>>();
            let pasted = context.interruptible(blocking::run(read_all)).await?;
            let mut reports = diagnose::of_text(&pasted, &options).with_context(|| format!("cannot read {name}"))?;
            reports.iter_mut().for_each(name_the_server_of_a_text);
            return Ok(of_several(&reports, &name, settings, context));
        }
        Origin::Backup(backup) => keys::at_rest(backup, &options, context).await?,
    };
    Ok(outcome(&report, &subject, settings, context, &trend))
}

/// Names the server in every fix: a command is printed as it has to be typed.
pub(super) fn as_typed(report: &mut Report, server: &Server) {
    let as_typed = |fix: &mut String| {
        *fix = fix.replace("<this server>", &server.as_typed());
        // A pipe of it, or a command by it: for this server, not for the one that happens to listen here.
        if !fix.contains("--intrinsic-latency") {
            *fix = fix.replace("redis-cli", &server.redis_cli());
        }
        of_this_server(fix, &server.as_typed());
    };
    for finding in &mut report.judgement.findings {
        finding.fix.iter_mut().for_each(as_typed);
        finding.remedies.iter_mut().map(|remedy| &mut remedy.command).for_each(as_typed);
    }
}

/// Typed as it is printed a command would ask a server on this machine, and not the one that the text is of. A loopback address in a text is
/// of the machine that it was copied on.
fn name_the_server_of_a_text(report: &mut Report) {
    let address = report.text.as_ref().and_then(|text| text.address.as_deref());
    let host = address.and_then(|address| address.rsplit_once(':')).filter(|(_, port)| port.parse::<u16>().is_ok());
    let server = match host {
        Some((host, port)) if !host.starts_with("127.") && host != "localhost" && host != "::1" => {
            format!("redis://{host}:{port}")
        }
        _ => "<this server>".to_owned(),
    };
    for finding in &mut report.judgement.findings {
        let remedies = finding.remedies.iter_mut().map(|remedy| &mut remedy.command);
        finding.fix.iter_mut().chain(remedies).for_each(|fix| of_this_server(fix, &server));
    }
}

/// Lets a command of ours that a fix names ask the server that was examined, and not the one that it would ask by default.
fn of_this_server(fix: &mut String, server: &str) {
    let asks = ["redis-ops diagnose", "redis-ops health", "redis-ops backup"].iter().any(|own| fix.starts_with(own));
    let (command, remark) =
        fix.split_once(" (").map_or((fix.as_str(), None), |(command, remark)| (command, Some(remark)));
    if asks && ![" -i ", " --host ", " --instance "].iter().any(|option| command.contains(option)) {
        let remark = remark.map(|remark| format!(" ({remark}")).unwrap_or_default();
        *fix = format!("{command} -i {server}{remark}");
    }
}

fn options(settings: &Settings, context: &Context) -> Result<diagnose::Options> {
    settings.topic.can_sort_by(settings.sort)?;
    let topics = match settings.topic {
        Topic::All => rules::Topic::ALL.to_vec(),
        Topic::One(topic) => vec![topic],
    };
    let now = if settings.watch.is_some() { Utc::now() } else { context.now };
    let window = settings.window.unwrap_or(WINDOW);
    let (rules, restores) = (settings.rules.to_rules()?, settings.restores.clone());
    Ok(diagnose::Options { topics, window, full: settings.full, rules, now, restores })
}

/// Earlier runs of an instance, where a folder for them is named.
async fn history(settings: &Settings, instance: &str) -> Option<History> {
    let (folder, instance) = (settings.state_folder.clone()?, instance.to_owned());
    Some(blocking::run(move || History::open(&folder, &instance)).await)
}

/// How old the last backup is, where a topic wants to know and a repository is named.
async fn backup_age(settings: &Settings, server: &Server, options: &diagnose::Options) -> Part<Option<u64>> {
    let Some(place) = settings.repository.as_ref().filter(|_| options.topics.contains(&rules::Topic::Persistence))
    else {
        return Part::NotAsked;
    };
    match place.newest(&server.instance, server.node.timeout).await {
        Ok(newest) => age_of(Some(&newest), options.now),
        Err(error) => Part::Denied(format!("{error:#}")),
    }
}

/// Seconds since the last backup; a clock that goes wrong makes it no older than now.
pub(super) fn age_of(newest: Option<&Newest>, now: DateTime<Utc>) -> Part<Option<u64>> {
    let age = |newest: &Newest| {
        let from = newest.backup.as_ref()?.data_from();
        Some(u64::try_from((now - from).num_seconds()).unwrap_or(0))
    };
    newest.map_or(Part::NotAsked, |newest| Part::Got(age(newest)))
}

fn read(file: &File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file {
        File::Stdin => std::io::stdin().lock().take(TEXT_LIMIT).read_to_end(&mut bytes).context("cannot read stdin")?,
        File::Path(path) => std::fs::File::open(path)
            .and_then(|file| file.take(TEXT_LIMIT).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?,
    };
    Ok(bytes)
}

/// The outcome of a text: that of its server, or of the worst of its servers with all of them below.
fn of_several(reports: &[Report], name: &str, settings: &Settings, context: &Context) -> (Outcome, String) {
    let subject = |report: &Report| match report.text.as_ref().and_then(|text| text.address.as_deref()) {
        Some(address) => format!("{address} in {name}"),
        None => name.to_owned(),
    };
    let mut outcomes: Vec<(Outcome, String)> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        let mut subject = subject(report);
        if reports.len() > 1 && report.text.as_ref().is_some_and(|text| text.address.is_none()) {
            subject = format!("server {} in {name}", at + 1);
        }
        outcomes.push(outcome(report, &subject, settings, context, &[]));
    }
    // Of two that are equally bad the first one stands for the text.
    let order = |outcome: &Outcome| match outcome.status {
        Status::Ok => 0,
        Status::Unknown => 1,
        Status::Warning => 2,
        Status::Failed => 3,
    };
    let worst = (0..outcomes.len()).rev().max_by_key(|at| order(&outcomes[*at].0)).unwrap_or(0);
    if outcomes.len() < 2 {
        return outcomes.swap_remove(worst);
    }
    let servers: Vec<serde_json::Value> = outcomes.iter().map(|(outcome, _)| outcome.fields.clone().into()).collect();
    let lines: Vec<serde_json::Value> = outcomes.iter().flat_map(|(outcome, _)| outcome.lines.clone()).collect();
    let texts: Vec<String> = outcomes.iter().map(|(_, text)| text.clone()).collect();
    let (first, last) = (texts[worst].clone(), outcomes.len() - 1);
    let text = match context.format {
        Format::Nagios => first,
        // The verdict that counts stands last.
        _ if worst == last => texts.join("\n\n"),
        _ => {
            let mut ordered: Vec<String> = texts;
            let own = ordered.remove(worst);
            ordered.push(own);
            ordered.join("\n\n")
        }
    };
    let (mut outcome, _) = outcomes.swap_remove(worst);
    outcome = outcome.field("servers", servers).text(text.clone());
    outcome.lines = lines;
    (outcome, text)
}

fn outcome(report: &Report, subject: &str, settings: &Settings, context: &Context, trend: &[u64]) -> (Outcome, String) {
    let status = match (settings.fail_on, report.status()) {
        (FailOn::Critical, Status::Warning) | (FailOn::Never, Status::Warning | Status::Failed) => Status::Ok,
        (_, status) => status,
    };
    let hidden = (context.keys == Keys::Hidden).then(|| hidden::hidden(report, context.keys));
    let report = hidden.as_ref().unwrap_or(report);
    let top = usize::try_from(settings.top).unwrap_or(usize::MAX);
    let since = settings.since.and(report.snapshot.earlier.as_ref()).map(|earlier| earlier.seconds);
    let (printer, verbose) = (&context.printer, context.verbose);
    let view = View { printer, subject, top, sort: settings.sort, trend, since, verbose };
    let text = match context.format {
        Format::Nagios => answer::one_line(report, status),
        Format::Junit => answer::junit(report, subject),
        _ => render::render(report, status, &view),
    };
    let mut outcome = Outcome::new(status).text(text.clone());
    outcome.lines = report.judgement.findings.iter().map(|finding| serde_json::json!(finding)).collect();
    for (name, value) in answer::fields(report, subject, &view) {
        outcome = outcome.field(name, value);
    }
    (outcome, text)
}
