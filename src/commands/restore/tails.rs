//! A restore of a backup whose shards are led to one moment by their streams: makes a backup of that moment, and restores that like any other;
//! or the RDBs alone, where that is wanted.

use super::{Settings, Tails, as_it_lies};
use crate::commands::table::Table;
use crate::commands::which::Backup;
use crate::commands::{Context, Outcome};
use crate::explain::{Context as _, Fault, Hint, Result, Status};
use crate::moment;
use crate::operations::{ScratchFound, ScratchOptions, applied_before, apply_tails, find_scratch};
use crate::printer::words;
use crate::repository::Repository;
use crate::repository::manifest::Manifest;

/// A backup that has tails.
pub struct Led {
    repository: Repository,
    manifest: Manifest,
}

/// The backup, if it has tails.
pub async fn of(backup: &Backup, context: &Context) -> Result<Option<Led>> {
    let Backup::Stored { place, id, instance } = backup else { return Ok(None) };
    let repository = place.open().await?;
    let found = repository.resolve(id, instance.as_deref()).await?;
    let manifest = context.interruptible(async { Ok(repository.load(&found.instance, found.id).await?) }).await?;
    Ok(manifest.tail_bytes().map(|_| Led { repository, manifest }))
}

/// Restores it as the settings say: with its tails, or without.
pub async fn run(settings: &Settings, led: &Led, context: &Context) -> Result<Outcome> {
    match &settings.tails {
        Tails::Applied(scratch) => applied(settings, led, scratch, context).await,
        Tails::LeftOut => left_out(settings, &led.manifest, context).await,
    }
}

/// The RDBs alone.
async fn left_out(settings: &Settings, manifest: &Manifest, context: &Context) -> Result<Outcome> {
    let skew = manifest.skew_of_bases().map(|skew| format!(", at most {skew:.1} s apart"));
    let tails = words::bytes(manifest.tail_bytes().unwrap_or_default());
    let warning = format!(
        "`--without-tails`: the shards are from different moments{}; {tails} of stream that lead to one moment are not restored",
        skew.unwrap_or_default()
    );
    context.printer.say(&format!("warning: {warning}"));
    let mut outcome = as_it_lies(settings, context).await?;
    outcome.status = outcome.status.and(Status::Warning);
    let mut warnings = vec![serde_json::Value::from(warning)];
    if let Some(serde_json::Value::Array(others)) = outcome.fields.get("warnings") {
        warnings.extend(others.iter().cloned());
    }
    Ok(outcome.field("warnings", warnings))
}

/// RDBs and streams, by way of a throwaway server.
async fn applied(settings: &Settings, led: &Led, scratch: &ScratchOptions, context: &Context) -> Result<Outcome> {
    let Led { repository, manifest } = led;
    let name = format!("{}/{}", manifest.instance, manifest.id);
    if let Some(made) = applied_before(repository, manifest).await? {
        let made = format!("{}/{}", made.instance, made.id);
        context.printer.say(&format!("the replication streams of {name} were applied before: restoring {made}"));
        return as_it_lies(&of_backup(settings, made), context).await;
    }
    let finding = find_scratch(scratch, &manifest.shards).await.map_err(Fault::from);
    let found = finding.map_err(|fault| {
        let hint = fault.meaning().hint;
        let fault = fault.context(format!("cannot apply the replication streams of {name}"));
        fault.hint(hint.map_or(Hint::WithoutTails, |hint| hint.and(Hint::WithoutTails)))
    })?;
    let table = table(manifest, &found, context);
    // What the target takes of the RDBs it takes of the moment: the same servers have written both.
    if settings.plan {
        let checking = async { Ok(moment::check_tails(repository, manifest, &context.cancel).await?) };
        context.interruptible(checking).await.with_context(|| format!("cannot read the streams of {name}"))?;
        let planned = as_it_lies(settings, context).await?;
        let sentence = "the target was looked at as for the RDBs of the backup, without the streams behind them";
        return Ok(planned.above(&format!("{table}\n{sentence}\n")));
    }
    if let super::Target::Server(_) = &settings.target {
        let as_planned = Settings { plan: true, ..settings.clone() };
        let planned = as_it_lies(&as_planned, context)
            .await
            .with_context(|| format!("cannot restore {name}; its streams were not applied"))?;
        if planned.status == Status::Failed {
            return Ok(planned);
        }
    }
    context.printer.say(&table);
    let progress = context.bar();
    let cancel = &context.cancel;
    let taken = apply_tails(repository, manifest, &found, scratch, context.now, progress.as_ref(), cancel).await;
    progress.finish();
    let made = taken.with_context(|| format!("cannot apply the replication streams of {name}"))?;
    let made = format!("{}/{}", made.instance, made.id);
    context.printer.say(&format!("the moment of all shards is stored as the backup {made}"));
    as_it_lies(&of_backup(settings, made), context).await
}

/// The same restore, of another backup of the repository.
fn of_backup(settings: &Settings, id: String) -> Settings {
    let backup = match &settings.backup {
        Backup::Stored { place, instance, .. } => {
            Backup::Stored { place: place.clone(), id, instance: instance.clone() }
        }
        file => file.clone(),
    };
    Settings { backup, ..settings.clone() }
}

fn table(manifest: &Manifest, found: &ScratchFound, context: &Context) -> String {
    let mut table = Table::pairs();
    table.row(["backup", &format!("{}/{}", manifest.instance, manifest.id)]);
    if let Some(barrier) = &manifest.barrier {
        table.row(["moment", &format!("one for all shards, {}", crate::times::text(barrier.at))]);
    }
    table.row(["streams", &words::bytes(manifest.tail_bytes().unwrap_or_default())]);
    let available = found.available.map(|bytes| format!(", {} are available", words::bytes(bytes)));
    let memory = format!("about {} of memory{}", words::bytes(found.needed), available.unwrap_or_default());
    table.row(["by way of", &format!("a throwaway server, {}: {memory}", found.name())]);
    table.render(&context.printer)
}
