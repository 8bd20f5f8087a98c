//! The last moment before anything is overwritten or removed: asks, and takes the safety backup.

use super::{Instance, SafetyBackup, again};
use crate::backup;
use crate::capture::source::{ReadFrom, choose};
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::commands::Context;
use crate::commands::question::confirm;
use crate::connection::replication;
use crate::explain::{Fault, Result};
use crate::printer::words;
use crate::repository::BegunBy;
use crate::repository::manifest::Purpose;
use crate::restore::{Existing, Options, TargetFacts};

/// Asks, and takes the safety backup, unless nothing is overwritten or removed. `reaching`: see [`super::Settings::reaching`].
pub async fn before_write(
    instance: &Instance,
    reaching: &[String],
    options: &Options,
    target: &TargetFacts,
    context: &Context,
) -> Result<()> {
    let keys = target.keys();
    if !options.existing.overwrites() || keys == 0 || options.resume {
        return Ok(());
    }
    let what = match options.existing {
        Existing::ReplaceAll => "All of them are removed.",
        _ => "Those of the backup's names are overwritten.",
    };
    confirm(context, &format!("{} holds {}. {what}", target.address, words::counted(keys, "key"))).await?;
    let SafetyBackup::Into(place) = &instance.safety else { return Ok(()) };
    let repository = place.open().await?;
    let chosen = choose(&instance.server.node, ReadFrom::Primary).await?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let options = backup::Options {
        method: backup::Method::Auto,
        stale: false,
        instance: instance.server.instance.clone(),
        purpose: Purpose::Safety,
        labels: Default::default(),
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: std::env::temp_dir(), limit: 1_000_000_000 },
        replication: replication::Options { silence: chosen.node.silence, ..Default::default() },
        now: context.now,
        by: BegunBy { host, pid: std::process::id() },
    };
    let progress = context.bar();
    let taken = backup::run(&options, &chosen, &repository, progress.as_ref(), &context.cancel).await;
    progress.finish();
    let taken =
        taken.map_err(|failed| Fault::from(failed.error).context("take the safety backup: nothing was written"))?;
    let id = format!("{}/{}", taken.manifest.instance, taken.manifest.id);
    let line = again::back(&instance.server, reaching, place, &id);
    context.printer.say(&format!("safety backup {id} is taken; `{line}` brings it back"));
    Ok(())
}
