//! A restore to a file or a folder: what a server that is not running reads at its start.

use std::sync::Arc;

use super::source;
use super::{Settings, Target};
use crate::capture::Inspected;
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::examination;
use crate::explain::{Hint, Misuse, Result, Status};
use crate::printer::{Printer, words};
use crate::progress::Progress;
use crate::restore;
use crate::restore::file::{Destination, Restored, Written};

/// Writes the RDB as it is, once the whole of it was verified.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    if !settings.options.choices.selection.is_everything() {
        return Err(Misuse::usage("a file is written as it is: keys cannot be chosen").into());
    }
    if matches!(settings.target, Target::Stdout) {
        may_go_to_stdout(context)?;
    }
    let source = source::open(&settings.backup, context).await?;
    if !source.can_be_read_again() {
        return Err(
            Misuse::usage("standard input can be read only once, and the backup has to be verified first").into()
        );
    }
    let progress: Arc<dyn Progress> = Arc::from(context.bar());
    let place = match &settings.target {
        Target::File(path) => Destination::File(path.clone()),
        Target::Folder(path) => Destination::Folder(path.clone()),
        Target::Stdout | Target::Server(_) => to_stdout(&context.printer),
    };
    let ended = restore::file::restore(&source, place, progress.clone(), &context.cancel).await;
    progress.finish();
    let Restored { inspected, written } = ended?;
    Ok(source::with_warnings(&source, answer(&source, &inspected, &written, &settings.target, context), context))
}

/// Stdout is the RDB, and nothing else.
fn may_go_to_stdout(context: &Context) -> Result<(), Misuse> {
    if context.format.is_json() {
        return Err(Misuse::usage("stdout cannot be both the RDB and JSON").hint(Hint::NotStdout));
    }
    if context.printer.width().is_some() {
        return Err(Misuse::usage("an RDB is not for a terminal").hint(Hint::IntoAPipe));
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

fn answer(source: &Dataset, inspected: &Inspected, written: &Written, target: &Target, context: &Context) -> Outcome {
    let next = match target {
        Target::File(_) => "; a server that is started with it as its `dbfilename` has them",
        Target::Folder(_) => "; a server that is started with this `dir` has them, with `appendonly yes` or without",
        Target::Stdout | Target::Server(_) => "",
    };
    let mut table = Table::pairs();
    for file in &written.files {
        table.row(["written", &file.display().to_string()]);
    }
    let mut text = table.render(&context.printer);
    for warning in &written.warnings {
        text.push_str(&format!("\n{warning}"));
    }
    let findings = examination::structure(&inspected.oddities, &inspected.needs, inspected.broken.as_ref());
    let status = if inspected.trailing_bytes > 0 || !findings.is_empty() { Status::Warning } else { Status::Ok };
    for finding in &findings {
        let line = crate::commands::show::finding_line(finding, context.keys);
        text.push_str(&format!("\nits structure has a finding: {} ({})", words::escape(line.as_bytes()), finding.why));
    }
    if inspected.trailing_bytes > 0 {
        let left_out = words::counted(inspected.trailing_bytes, "byte");
        text.push_str(&format!("\n{left_out} behind the end of the RDB are left out"));
    }
    let (keys, bytes) = (words::counted(inspected.keys, "key"), words::bytes(written.bytes));
    let sentence = format!("{} is written: {keys}, {bytes}{next}", source.name());
    text.push_str(&format!("\n{}", verdict(&context.printer, status, &sentence)));
    let files: Vec<String> = written.files.iter().map(|file| file.display().to_string()).collect();
    if written.files.is_empty() {
        context.printer.say(&text);
        text.clear();
    }
    Outcome::new(status)
        .field("backup_id", source.id())
        .field("result", serde_json::json!({
            "method": "file", "in_backup": inspected.keys, "restored": inspected.keys, "files": files, "bytes": written.bytes,
            "warnings": written.warnings, "trailing_bytes": inspected.trailing_bytes,
            "findings": findings,
        }))
        .field("proof", ())
        .text(text)
}
