//! A restore to a file or a folder: what a server that is not running reads at its start.

use tokio_util::sync::CancellationToken;

use super::source;
use super::{Settings, Target};
use crate::capture::{Inspected, Inspector};
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome};
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Dataset, RawError, ReadError};
use crate::examination;
use crate::explain::{Context as _, Hint, Interrupted, Misuse, Result, Status};
use crate::printer::{Printer, words};
use crate::progress::{Progress, Unit};
use crate::rdb::visit::Checksum;
use crate::restore::RdbSource;
use crate::restore::file::{AofLayout, FileError, Written, to_dir, to_file, to_writer};

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
    let progress = context.bar();
    progress.phase("verifying", Unit::Bytes, source.raw_bytes());
    let feed = Feed::Raw(source.raw(0, &context.cancel).await?);
    let inspector = Inspector::without_census().judging();
    let inspected = match pass::run(feed, inspector, &*progress, &context.cancel).await {
        Err(ReadError::Interrupted) => return Err(Interrupted.into()),
        passed => passed.and_then(|passed| finish(passed.taker)),
    };
    let inspected = inspected.with_context(|| format!("verify {}: nothing was written", source.name()))?;
    let crc64 = match inspected.checksum {
        Checksum::Verified(crc) => Some(crc),
        Checksum::Absent | Checksum::NotInThisVersion => None,
    };
    let raw = source.raw(0, &context.cancel).await?;
    let rdb = RdbSource { length: inspected.raw_bytes, trailing: inspected.trailing_bytes, crc64, raw };
    let version = inspected.server().1.to_owned();
    let target = settings.target.clone();
    let (cancel, printer) = (context.cancel.clone(), context.printer.clone());
    let (written, progress) = tokio::task::spawn_blocking(move || {
        let written = match &target {
            Target::File(path) => to_file(path, rdb, false, &*progress, &cancel),
            Target::Folder(path) => to_dir(path, layout(&version), rdb, &*progress, &cancel),
            Target::Stdout | Target::Server(_) => to_stdout(&printer, rdb, &*progress, &cancel),
        };
        (written, progress)
    })
    .await?;
    progress.finish();
    if matches!(written, Err(FileError::Cancelled)) {
        return Err(Interrupted.into());
    }
    let written = written.with_context(|| format!("write {}", source.name()))?;
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

fn to_stdout(
    printer: &Printer,
    rdb: RdbSource,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Written, FileError> {
    let bytes = rdb.length;
    to_writer(rdb, progress, cancel, |piece| {
        printer.answer_bytes(piece)?;
        // Half an RDB is none: here a reader that has stopped reading is a failure.
        if printer.reader_has_gone() { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    })?;
    Ok(Written { files: Vec::new(), bytes, warnings: Vec::new() })
}

fn finish(inspector: Inspector) -> Result<Inspected, ReadError> {
    let inspected = inspector.finish()?;
    inspected.must_end_with_the_rdb().map_err(RawError::from)?;
    Ok(inspected)
}

/// The form for the server that wrote it; a newer one converts the older form when it starts.
fn layout(version: &str) -> AofLayout {
    AofLayout::of(crate::restore::target_format::version_numbers(version))
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
