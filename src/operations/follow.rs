//! An archiver with the backups that it needs: a stream leads nowhere without a base, so one is taken where a history begins, at the first
//! start and behind a gap.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::archive::{self, ArchiveError, Options, Report};
use crate::backup;
use crate::capture::source::choose;
use crate::capture::spool::Spooling;
use crate::codec::{self, Codec};
use crate::connection::replication;
use crate::explain::{Fault, Result};
use crate::progress::{Hidden, Voice};
use crate::repository::manifest::Purpose;
use crate::repository::{BegunBy, Repository};

/// Bytes that may wait on this machine's disk while the store is away.
const SPOOL_LIMIT: u64 = 1_000_000_000;

/// How often a base is tried that cannot be taken, and the pause before the next attempt.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_secs(30);

/// Follows an instance, and takes a base where its history begins. Gives the ids of these bases as well.
///
/// # Errors
/// As [`archive::run`]. A base that cannot be taken is said to the `voice`.
pub async fn follow(
    options: &Options,
    repository: &Repository,
    voice: &dyn Voice,
    cancel: &CancellationToken,
) -> Result<(Report, Vec<String>), ArchiveError> {
    let (anew, mut begins) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let following = async {
        let report = archive::run(options, repository, voice, anew, cancel).await;
        // Nobody waits for a base that nobody will follow.
        stop.cancel();
        report
    };
    let taking = async {
        let mut taken = Vec::new();
        while begins.recv().await.is_some() {
            taken.extend(base(options, repository, voice, &stop).await);
        }
        taken
    };
    let (report, taken) = tokio::join!(following, taking);
    report.map(|report| (report, taken))
}

/// Takes a base, and gives its id; `None`: it cannot be taken now.
async fn base(
    options: &Options,
    repository: &Repository,
    voice: &dyn Voice,
    stop: &CancellationToken,
) -> Option<String> {
    for attempt in 1..=ATTEMPTS {
        match take(options, repository, stop).await {
            Ok(id) => {
                voice.say(&format!("took the backup {id}: from then on, any moment that is archived can be restored"));
                return Some(id);
            }
            Err(_) if stop.is_cancelled() => return None,
            Err(error) => voice.say(&format!(
                "warning: the first backup failed (attempt {attempt} of {ATTEMPTS}): {error:#}; until a backup succeeds, nothing of this \
                 archive can be restored"
            )),
        }
        if attempt < ATTEMPTS {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return None,
            }
        }
    }
    None
}

async fn take(options: &Options, repository: &Repository, stop: &CancellationToken) -> Result<String> {
    let chosen = tokio::select! {
        chosen = choose(&options.node, options.wanted) => chosen?,
        () = stop.cancelled() => return Err(crate::explain::Interrupted.into()),
    };
    let wanted = backup::Options {
        stem: backup::WHOLE.to_owned(),
        method: backup::Method::Replication,
        stale: false,
        instance: options.instance.clone(),
        purpose: Purpose::Scheduled,
        labels: Default::default(),
        codec: Codec::GZIP,
        threads: codec::cores(),
        rate: None,
        spool: Spooling { folder: std::env::temp_dir(), limit: SPOOL_LIMIT },
        replication: replication::Options { silence: chosen.node.silence, ..Default::default() },
        now: chrono::Utc::now(),
        moment: None,
        by: BegunBy::own(),
    };
    let taken = backup::run(&wanted, &chosen, repository, &Hidden {}, stop).await;
    let taken = taken.map_err(|failed| Fault::from(failed.error))?;
    Ok(taken.manifest.id.to_string())
}
