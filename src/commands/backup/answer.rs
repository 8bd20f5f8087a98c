//! What is shown of a backup that was taken, or that failed.

use std::time::Duration;

use crate::backup::{BackupError, Impact, Report, SourceReport};
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome};
use crate::encryption;
use crate::explain::{Fault, Result};
use crate::printer::words;
use crate::repository::manifest::Manifest;

/// A backup that has failed.
pub(super) struct Failed {
    pub(super) error: BackupError,
    /// Why, in place of what the run has met, where more was found out since.
    pub(super) because: Option<Fault>,
}

impl From<BackupError> for Failed {
    fn from(error: BackupError) -> Self {
        Self { error, because: None }
    }
}

/// `others`: warnings that say nothing of the backup itself; it is as good as any.
pub(super) fn show(
    report: Result<Report, Failed>,
    what: &str,
    others: Vec<String>,
    context: &Context,
) -> Result<Outcome> {
    let report = match report {
        Ok(report) => report,
        Err(Failed { error: failed, because }) => {
            for object in &failed.leftovers {
                context.printer.say(&format!(
                    "{}: {} ({})",
                    if failed.may_be_published {
                        "was not removed"
                    } else {
                        "could not be removed, and is not part of any backup"
                    },
                    object.key,
                    object.error
                ));
            }
            return Err(because.unwrap_or_else(|| failed.error.into()).context(match failed.backup_id {
                Some(id) if failed.may_be_published => {
                    format!(
                        "cannot {what} as {id}: it is unknown whether the backup was published; nothing was removed"
                    )
                }
                Some(id) => format!("cannot {what} as {id}: nothing was published"),
                None => format!("cannot {what}"),
            }));
        }
    };
    let manifest = &report.manifest;
    let raw: u64 = manifest.shards.iter().map(|shard| shard.raw_bytes).sum();
    let stored = manifest.stored_bytes();
    let mut table = Table::pairs();
    table.row(["backup", &format!("{}/{}", manifest.instance, manifest.id)]);
    let node = match manifest.shards.as_slice() {
        [one] => report.of_cluster.clone().unwrap_or_else(|| one.node.clone()),
        several => {
            let whole = format!("a cluster with {}", words::counted(several.len() as u64, "shard"));
            report.of_cluster.clone().unwrap_or(whole)
        }
    };
    table.row(["from", &format!("{} {} ({node})", manifest.server.name, manifest.server.version)]);
    match &manifest.census {
        Some(census) => {
            table.row([
                "keys",
                &format!("{}, {} with an expiry", words::count(census.keys), words::count(census.expires)),
            ]);
        }
        None => table.row(["keys", "unknown: the RDB could not be read to its end"]),
    }
    table.row([
        "size",
        &format!("{} as RDB, {} stored ({})", words::bytes(raw), words::bytes(stored), manifest.compression),
    ]);
    if let Some(to) = manifest.encrypted_to() {
        table.row(["encrypted", &encryption::in_words(to)]);
    }
    cost(&report.sources, &mut table);
    if let Some(moment) = moment(manifest) {
        table.row(["moment", &moment]);
    }
    let sentence = match (&report.warnings[..], &report.reservations[..]) {
        ([], []) => format!("{} is published and sound", manifest.id),
        // As a verification says it.
        ([], reservations) => format!(
            "{} is published and complete, with {}: {}",
            manifest.id,
            words::counted(reservations.len() as u64, "warning"),
            reservations.join("; ")
        ),
        (warnings, _) => format!("{} is published, but {}", manifest.id, warnings.join("; ")),
    };
    let text = format!("{}\n{}", table.render(&context.printer), verdict(&context.printer, report.status, &sentence));
    let outcome = Outcome::new(report.status).field("backup", manifest).field("source", whole(&report.sources));
    let outcome = match report.sources.as_slice() {
        several @ [_, _, ..] => outcome.field("sources", several),
        _ => outcome,
    };
    Ok(outcome.field("warnings", [report.warnings.as_slice(), &others].concat()).text(text))
}

/// Whether the shards of a cluster are of one moment, and why not.
fn moment(manifest: &Manifest) -> Option<String> {
    if let Some(barrier) = &manifest.barrier {
        let tails = words::bytes(manifest.tail_bytes().unwrap_or_default());
        let held = barrier.held_seconds * 1000.0;
        let at = crate::times::text(barrier.at);
        return Some(format!(
            "one for all shards, {at}: writes were held for {held:.0} ms; {tails} of stream lead there"
        ));
    }
    let apart = manifest.skew_seconds.map(|skew| format!("one per shard, at most {skew:.1} s apart"))?;
    Some(match &manifest.no_barrier {
        Some(why) => format!("{apart}: {why}"),
        None => apart,
    })
}

/// The sources of all shards as one; `None` for a file.
fn whole(sources: &[SourceReport]) -> Option<SourceReport> {
    let first = sources.first()?;
    if sources.len() == 1 {
        return Some(first.clone());
    }
    let sum =
        |of: fn(&SourceReport) -> Option<u64>| sources.iter().map(of).try_fold(0_u64, |sum, one| Some(sum + one?));
    let most = |of: fn(&SourceReport) -> Option<u64>| sources.iter().filter_map(of).max();
    let is_scan = |source: &&SourceReport| source.method == "scan";
    let method = sources.iter().find(is_scan).unwrap_or(first);
    Some(SourceReport {
        node: sources.iter().map(|source| source.node.as_str()).collect::<Vec<_>>().join(","),
        shard: None,
        why: None,
        method: method.method,
        transfer: method.transfer,
        seconds: sources.iter().map(|source| source.seconds).sum(),
        bytes_per_second: sources.iter().map(|source| source.bytes_per_second).sum(),
        keyspace_hits_added: sources.iter().map(|source| source.keyspace_hits_added).sum(),
        impact: Impact {
            fork_usec: most(|source| source.impact.fork_usec),
            cow_bytes: sum(|source| source.impact.cow_bytes),
        },
        ..first.clone()
    })
}

/// What the reading cost: rows of one source; of a cluster one row for each shard.
fn cost(sources: &[SourceReport], table: &mut Table) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate need not be exact")]
    let speed = |source: &SourceReport| {
        let rate = words::bytes(source.bytes_per_second as u64);
        let time = words::span(Duration::from_secs_f64(source.seconds));
        format!("{time}, {rate}/s, {}", source.transfer.unwrap_or("key by key"))
    };
    if sources.len() > 1 {
        for source in sources {
            let name = format!("shard {}", source.shard.unwrap_or_default());
            table.row([&name, &format!("{} ({}): {}", source.node, source.role, speed(source))]);
        }
        return;
    }
    for source in sources {
        table.row(["time", &speed(source)]);
        if let (Some(fork), Some(copied)) = (source.impact.fork_usec, source.impact.cow_bytes) {
            #[allow(clippy::cast_precision_loss, reason = "a time need not be exact")]
            let fork = fork as f64 / 1000.0;
            table.row([
                "cost",
                &format!("the fork blocked the server for {fork:.1} ms; {} copied on write", words::bytes(copied)),
            ]);
        }
    }
}
