//! A restore to a file or a folder: what a server that is not running reads at its start.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{Settings, Target, show};
use crate::commands::table::{Table, verdict};
use crate::commands::which;
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Hint, Misuse, Result, Status};
use crate::operations;
use crate::printer::{Printer, words};
use crate::progress::Progress;
use crate::restore;
use crate::restore::file::{Destination, Restored, expired_in_words};
use crate::restore::plan::Plan;

/// Writes the RDB as it is, once the whole of it was verified.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let place = match &settings.target {
        Target::File(path) => Destination::File(path.clone()),
        Target::Folder(path) => Destination::Folder(path.clone()),
        Target::Stdout | Target::Server(_) => {
            if !settings.plan {
                may_go_to_stdout(context)?;
            }
            to_stdout(&context.printer)
        }
    };
    let source = which::open(&settings.backup, context).await?;
    if settings.plan {
        let plan = restore::file::plan(&source, place, &context.cancel).await?;
        return Ok(planned(&source, &plan, settings, context));
    }
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let work = restore::file::restore(&source, place, progress.clone(), &context.cancel);
    let ended = operations::read_marked(&source, work).await;
    progress.finish();
    let outcome = answer(&source, &ended?, &settings.target, context);
    Ok(show::with_warnings(&source, with_sides(outcome, &source, &settings.target, context), context))
}

/// The answer with what is restored, and where to.
fn with_sides(outcome: Outcome, source: &Dataset, target: &Target, context: &Context) -> Outcome {
    let path = match target {
        Target::File(path) | Target::Folder(path) => Some(path.display().to_string()),
        Target::Stdout | Target::Server(_) => None,
    };
    let (_, backup) = super::sides::backup(source, context.now);
    show::with_key(outcome, source)
        .field("backup", backup)
        .field("target", json!({ "path": path }))
        .field("safety_backup", ())
}

/// What would be written, with nothing done.
fn planned(source: &Dataset, plan: &Plan, settings: &Settings, context: &Context) -> Outcome {
    let status = plan.foreseen_on_disk().and(show::around(source));
    let into = match &settings.target {
        Target::File(path) | Target::Folder(path) => path.display().to_string(),
        Target::Stdout | Target::Server(_) => "stdout".to_owned(),
    };
    let with = if status == Status::Ok { "" } else { ", with warnings: see above" };
    let sentence = words::escape_lines(&format!("{} would be written to {into}{with}", source.name()));
    let text = format!(
        "{}\n\n{}",
        show::lines(plan, context.keys, &context.printer),
        verdict(&context.printer, status, &sentence)
    );
    let outcome =
        Outcome::new(status).field("backup_id", source.id()).field("plan", show::hidden(plan, context)).text(text);
    show::with_warnings(source, with_sides(outcome, source, &settings.target, context), context)
}

/// Stdout is the RDB, and nothing else.
fn may_go_to_stdout(context: &Context) -> Result<(), Misuse> {
    if context.format.is_json() {
        return Err(Misuse::usage("stdout cannot be both the RDB and JSON").hint(Hint::NotStdout));
    }
    if context.printer.width().is_some() {
        return Err(Misuse::usage("stdout is a terminal, but an RDB is binary").hint(Hint::IntoAPipe));
    }
    Ok(())
}

fn to_stdout(printer: &Printer) -> Destination {
    let printer = printer.clone();
    Destination::Pipe(Box::new(move |piece| {
        printer.answer_bytes(piece)?;
        // Half an RDB is none: here a reader that has stopped reading is a failure.
        match printer.reader_has_gone() {
            true => Err(std::io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }))
}

fn answer(source: &Dataset, restored: &Restored, target: &Target, context: &Context) -> Outcome {
    let Restored { inspected, written } = restored;
    let mut table = Table::pairs();
    for file in &written.files {
        table.row(["written", &file.display().to_string()]);
    }
    let mut text = table.render(&context.printer);
    for warning in &written.warnings {
        text.push_str(&format!("\n{warning}"));
    }
    for finding in &restored.findings() {
        let line = crate::commands::show::finding_line(finding, context.keys);
        text.push_str(&format!("\nits structure has a finding: {} ({})", words::escape(line.as_bytes()), finding.why));
    }
    if let Some(words) = expired_in_words((restored.expired(), restored.expired())) {
        text.push_str(&format!("\n{words}"));
    }
    if inspected.trailing_bytes > 0 {
        let left_out = words::counted(inspected.trailing_bytes, "byte");
        text.push_str(&format!("\n{left_out} after the end of the RDB are left out"));
    }
    if !inspected.is_version_known() {
        let version = inspected.rdb_version;
        text.push_str(&format!(
            "\nRDB version {version} is newer than this version of redis-ops supports: only a server that writes it can load it"
        ));
    }
    let next = match target {
        _ if !inspected.is_version_known() => String::new(),
        Target::File(path) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            format!("; to load it: `redis-server --dir {} --dbfilename {name}`", folder.display())
        }
        Target::Folder(path) => format!(
            "; to load it: `redis-server --dir {} --appendonly yes` (with `--appendonly no`, the server loads dump.rdb from the same folder)",
            path.display()
        ),
        Target::Stdout | Target::Server(_) => String::new(),
    };
    let (keys, bytes) = (words::counted(inspected.keys, "key"), words::bytes(written.bytes));
    let into = match target {
        Target::File(path) | Target::Folder(path) => format!(" to {}", path.display()),
        Target::Stdout | Target::Server(_) => String::new(),
    };
    if let Some(opened) = show::opened_by(source) {
        text.push_str(&format!("\n{opened}: what is written here is decrypted"));
    }
    let sentence = format!("{} is written{into}: {keys}, {bytes}{next}", source.name());
    let status = restored.status().and(show::around(source));
    text.push_str(&format!("\n{}", verdict(&context.printer, status, &sentence)));
    // Stdout is the RDB's.
    if written.files.is_empty() {
        context.printer.say(&std::mem::take(&mut text));
    }
    let outcome = Outcome::new(status).field("backup_id", source.id());
    outcome.field("result", restored.json()).field("proof", ()).text(text)
}
