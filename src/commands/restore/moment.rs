//! A restore of a moment between two backups: chooses base and stream, makes a backup of the moment, and restores that like any other.

use chrono::{DateTime, Utc};

use super::{Settings, server, to_disk};
use crate::commands::table::{Table, verdict};
use crate::commands::which::Backup;
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Context as _, Hint, Misuse, Result, Status};
use crate::moment::{self, Moment, Shown, Wanted};
use crate::operations::{ScratchFound, ScratchOptions, find_scratch, materialise};
use crate::printer::words;

/// Which moment, and how it is reached.
#[derive(Debug, Clone)]
pub struct MomentWanted {
    /// Which moment is meant.
    pub wanted: Wanted,
    /// The throwaway server.
    pub scratch: ScratchOptions,
}

/// Restores a moment.
pub async fn run(settings: &Settings, wanted: &MomentWanted, context: &Context) -> Result<Outcome> {
    let Backup::Stored { place, id, instance } = &settings.backup else {
        return Err(Misuse::usage("a moment is restored from a repository, not from a file").into());
    };
    let is_of_backup = id == "latest" || id.starts_with(|first: char| first.is_ascii_digit());
    let named = match (id.split_once('/'), instance) {
        (Some((named, _)), _) => named.to_owned(),
        // The instance alone.
        (None, _) if !is_of_backup => id.clone(),
        (None, Some(instance)) => instance.clone(),
        (None, None) => {
            return Err(Misuse::usage("whose moment is meant is not clear")
                .hint(Hint::NameInstance(Vec::new()))
                .into());
        }
    };
    let repository = place.open().await?;
    let choosing = async { Ok(moment::choose(&repository, &named, &wanted.wanted).await?) };
    let moment = context.interruptible(choosing).await.with_context(|| format!("cannot choose a moment of {named}"))?;
    let shown = moment.shown();
    let base = Dataset::backup(&repository, moment.base.clone());
    base.must_open().await.with_context(|| format!("cannot read {}", base.name()))?;
    let found = find_scratch(&wanted.scratch, &moment.base.shards[..1]).await?;
    let table = table(&shown, &found, context);
    if settings.plan {
        // A damaged segment is found before anybody relies on it.
        let checking = async { Ok(moment::check(&repository, &moment, &context.cancel).await?) };
        context.interruptible(checking).await.with_context(|| format!("cannot read the archive of {named}"))?;
    }
    // What the target takes of the base it takes of the moment: the same server has written both.
    if let super::Target::Server(instance) = &settings.target {
        let base = Backup::Stored { place: place.clone(), id: shown.base.clone(), instance: Some(named.clone()) };
        let as_planned = Settings { backup: base, moment: None, plan: true, ..settings.clone() };
        let planned = server::run(&as_planned, instance, context).await.with_context(|| {
            format!("cannot restore offset {} of {named}; no backup of that moment was made", shown.offset)
        })?;
        if settings.plan || planned.status == Status::Failed {
            let planned = with_caveat(planned, &moment, (wanted, settings.plan), context);
            let sentence = format!(
                "offset {} of {named} can be reached from {}; the target was looked at as for that backup",
                words::count(shown.offset),
                shown.base
            );
            return Ok(planned.above(&format!("{table}\n{sentence}\n")).field("moment", &shown));
        }
    } else if settings.plan {
        let sentence = format!("offset {} of {named} can be reached from {}", words::count(shown.offset), shown.base);
        let text = format!("{table}\n{}", verdict(&context.printer, Status::Ok, &sentence));
        let outcome = Outcome::new(Status::Ok).field("moment", &shown).text(text);
        return Ok(with_caveat(outcome, &moment, (wanted, true), context));
    }
    context.printer.say(&table);
    let progress = context.bar();
    let taken =
        materialise(&repository, &moment, &found, &wanted.scratch, context.now, progress.as_ref(), &context.cancel)
            .await;
    progress.finish();
    let manifest = taken.with_context(|| format!("cannot bring a throwaway server to offset {}", shown.offset))?;
    let name = format!("{}/{}", manifest.instance, manifest.id);
    context.printer.say(&format!("the moment is stored as the backup {name}"));
    let backup = Backup::Stored { place: place.clone(), id: name, instance: instance.clone() };
    let settings = Settings { backup, moment: None, ..settings.clone() };
    let outcome = match &settings.target {
        super::Target::Server(instance) => server::run(&settings, instance, context).await,
        _ => to_disk::run(&settings, context).await,
    };
    outcome.map(|outcome| with_caveat(outcome.field("moment", &shown), &moment, (wanted, false), context))
}

/// Adds what is missing where a time was asked for at which nobody noted the offset: that is no quiet success, before and after.
fn with_caveat(
    mut outcome: Outcome,
    moment: &Moment,
    (wanted, plan): (&MomentWanted, bool),
    context: &Context,
) -> Outcome {
    let (Wanted::Time(asked), Some(silence)) = (&wanted.wanted, &moment.silence) else { return outcome };
    let shown = silence.shown();
    let text = |time: Option<DateTime<Utc>>| time.map_or_else(|| "an unknown time".to_owned(), crate::times::text);
    let is_done = if plan { "would be" } else { "is" };
    let caveat = format!(
        "the data {is_done} that of {}, not of {}: no archiver noted times from then to {}. Up to {} of the stream between them may belong \
         to the time that was asked for: `--to-offset` with an offset from {} to {}, or `--to-mark`, chooses a moment there",
        text(shown.from),
        crate::times::text(*asked),
        text(shown.to),
        words::bytes(silence.bytes()),
        shown.from_offset,
        shown.to_offset,
    );
    let mut warnings = outcome.fields.get("warnings").and_then(|all| all.as_array().cloned()).unwrap_or_default();
    warnings.push(caveat.clone().into());
    outcome.status = outcome.status.and(Status::Warning);
    match outcome.text.is_empty() {
        // Stdout is the RDB's.
        true => context.printer.say(&format!("warning: {caveat}")),
        false => outcome.text.push_str(&format!("\n{}", verdict(&context.printer, outcome.status, &caveat))),
    }
    outcome.field("warnings", warnings)
}

fn table(shown: &Shown, found: &ScratchFound, context: &Context) -> String {
    let mut table = Table::pairs();
    table.row(["base", &shown.base]);
    let segments = words::counted(shown.segments, "segment");
    table.row(["stream", &format!("{} in {segments}", words::bytes(shown.stream_bytes))]);
    table.row(["moment", &format!("offset {} of {}", shown.offset, shown.replid)]);
    let time = match (shown.not_before, shown.not_after) {
        (Some(from), Some(to)) => format!("between {} and {}", crate::times::text(from), crate::times::text(to)),
        (Some(from), None) => format!("not before {}", crate::times::text(from)),
        (None, Some(to)) => format!("before {}", crate::times::text(to)),
        (None, None) => "unknown: no mark is near".to_owned(),
    };
    table.row(["time", &format!("{time}, by the clock of the server")]);
    table.row([
        "after it",
        &match shown.lost_bytes {
            0 => "nothing in the archive".to_owned(),
            bytes => format!("{} of stream are not restored", words::bytes(bytes)),
        },
    ]);
    let available = found.available.map(|bytes| format!(", {} are available", words::bytes(bytes)));
    let memory = format!("about {} of memory{}", words::bytes(found.needed), available.unwrap_or_default());
    table.row(["by way of", &format!("a throwaway server, {}: {memory}", found.name())]);
    table.render(&context.printer)
}
