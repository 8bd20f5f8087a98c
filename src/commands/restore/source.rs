//! What is restored: a backup of a repository, or a file.

use crate::commands::which::{self, Backup};
use crate::commands::{Context, Outcome};
use crate::dataset::Dataset;
use crate::explain::{Failure, Misuse, Result, Status};
use crate::printer::words;

/// Finds the backup or the file, which has to be of one shard.
pub async fn open(backup: &Backup, context: &Context) -> Result<Dataset> {
    let source = which::open(backup, context).await?;
    match source.shards() {
        0 => {
            let words = format!("the manifest of {} names no shard: there is nothing to restore", source.name());
            Err(Failure::new("corrupt", words).into())
        }
        1 => Ok(source),
        _ => Err(Misuse::not_supported_yet("the restore of a backup of several shards").into()),
    }
}

/// Adds what was odd about a file to an answer that is good otherwise.
pub fn with_warnings(source: &Dataset, outcome: Outcome, context: &Context) -> Outcome {
    let around = source.around();
    let padding = around.padding.bytes();
    let mut warnings = Vec::new();
    if around.is_aof_base {
        let words = "the file is the base of a multi-part append-only file: later writes are in the increments beside it \
                     (`*.incr.aof`), and are not restored";
        warnings.push(words.to_owned());
    }
    if padding > 0 {
        warnings.push(format!("{} behind the compressed data are left out", words::counted(padding, "zero byte")));
    }
    if warnings.is_empty() {
        return outcome;
    }
    warnings.iter().for_each(|warning| context.printer.say(&format!("warning: {warning}")));
    let status = outcome.status.and(Status::Warning);
    Outcome { status, ..outcome }.field("warnings", &warnings)
}
