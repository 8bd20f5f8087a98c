//! Carries complete files of the spool into the repository, one after the other. A store that is away is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::spool::{self, Complete, Head, Spool};
use super::{ArchiveError, sealing};
use crate::blocking;
use crate::repository::segment::Previous;
use crate::repository::{Archiver, LastMark, Repository, RepositoryError};

/// How often it is looked whether a sign is due.
const SIGN_PERIOD: Duration = Duration::from_secs(5);

/// How often an archiver gives a sign.
const SIGN_EVERY: TimeDelta = TimeDelta::seconds(30);

/// The pauses between attempts to reach a store that is away.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

/// What has come into the repository.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub segments: u64,
    pub raw_bytes: u64,
    pub stored_bytes: u64,
    /// The last offset.
    pub to: Option<u64>,
    /// The last mark, microseconds.
    pub last_mark_us: Option<i64>,
}

/// Carries files into the repository.
pub struct Keeper {
    pub repository: Repository,
    pub instance: String,
    pub shard: u32,
    pub spool: Arc<Spool>,
    pub head: Option<Head>,
    /// Bytes of complete files that wait.
    pub waiting: Arc<AtomicU64>,
    /// The newest mark that was seen.
    pub last_mark: watch::Receiver<Option<LastMark>>,
    /// Set when whoever waits for the store is to give up: what is left stays in the spool.
    pub give_up: CancellationToken,
    /// When the last sign was given.
    pub signed_at: Option<DateTime<Utc>>,
    /// Set when nothing more can be carried.
    pub stop: CancellationToken,
}

impl Keeper {
    /// Carries files until there are no more.
    ///
    /// # Errors
    /// Another archiver writes the archive, or a file cannot be read.
    pub async fn run(mut self, mut work: mpsc::Receiver<Complete>) -> Result<Kept, ArchiveError> {
        let mut kept = Kept::default();
        let mut signs = tokio::time::interval(SIGN_PERIOD);
        loop {
            let next = tokio::select! {
                next = work.recv() => next,
                _ = signs.tick() => {
                    // An idle instance is followed as well. A store that is away is the next segment's trouble.
                    if let Err(RepositoryError::Locked(why)) = self.give_sign().await {
                        self.stop.cancel();
                        return Err(ArchiveError::Locked(why));
                    }
                    continue;
                }
            };
            let Some(next) = next else { break };
            match self.carry(next, &mut kept).await {
                Ok(true) => {}
                Ok(false) => return Ok(kept),
                Err(error) => {
                    self.stop.cancel();
                    return Err(error);
                }
            }
        }
        let ended = Archiver { ended: true, ..self.sign() };
        if let Some(LastMark { mark, .. }) = &ended.last_mark
            && kept.to == Some(mark.offset)
        {
            kept.last_mark_us = kept.last_mark_us.max(Some(mark.time_us));
        }
        if let Err(error) = self.repository.write_archiver(&self.instance, self.shard, &ended).await {
            tracing::debug!("the end of the archiver cannot be noted: {error}");
        }
        Ok(kept)
    }

    fn sign(&self) -> Archiver {
        let last_mark = self.last_mark.borrow().clone();
        Archiver { last_mark, ..Archiver::own(&self.spool.token, self.repository.now()) }
    }

    /// `false`: given up, the file stays.
    async fn carry(&mut self, work: Complete, kept: &mut Kept) -> Result<bool, ArchiveError> {
        let (spool, spooled, head) = (self.spool.clone(), work.spooled.clone(), self.head.clone());
        let sealed = blocking::run(move || {
            let joins = spool::joins(spool.folder(), &spooled)?;
            sealing::seal(spool.folder(), &spooled, joins.or(head).as_ref())
        });
        let sealed = sealed.await;
        let sealed = sealed.map_err(|error| self.disk(&error))?;
        let (index, body, database) = (sealed.index, bytes::Bytes::from(sealed.body), sealed.database);
        let mut attempt = 0;
        loop {
            match self.store(&index, &body).await {
                Ok(()) => break,
                Err(error) if may_pass(&error) => {
                    if attempt == 0 {
                        tracing::warn!("the archive waits for the store: {error}");
                    }
                    let pause = PAUSES[attempt.min(PAUSES.len() - 1)];
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.give_up.cancelled() => return Ok(false),
                    }
                    attempt += 1;
                }
                Err(RepositoryError::Locked(why)) => return Err(ArchiveError::Locked(why)),
                Err(error) => return Err(error.into()),
            }
        }
        if attempt > 0 {
            tracing::warn!("the store answers again: the archive goes on, and nothing is lost");
        }
        kept.segments += 1;
        kept.raw_bytes += index.to - index.from;
        kept.stored_bytes += body.len() as u64;
        kept.to = Some(index.to);
        kept.last_mark_us = index.marks.last().map(|mark| mark.time_us).or(kept.last_mark_us);
        let previous =
            Previous { replid: index.replid.clone(), from: index.from, raw_sha256: index.raw_sha256.clone() };
        let head = Head { replid: index.replid, offset: index.to, database, previous: Some(previous), gap: None };
        self.head = Some(head.clone());
        let (spool, spooled) = (self.spool.clone(), work.spooled);
        let removed = blocking::run(move || {
            // In this order: a file whose segment is not written down is carried once more, to the same name.
            spool::write_head(spool.folder(), &head)?;
            spool::remove(spool.folder(), &spooled)
        });
        removed.await.map_err(|error| self.disk(&error))?;
        self.waiting.fetch_sub(work.bytes, Ordering::Relaxed);
        Ok(true)
    }

    async fn store(
        &mut self,
        index: &crate::repository::segment::Index,
        body: &bytes::Bytes,
    ) -> Result<(), RepositoryError> {
        self.give_sign().await?;
        self.repository.create_segment(&self.instance, self.shard, index, body.clone()).await
    }

    /// Says that the archive is written still, if the last sign is old enough, and nobody else has said so meanwhile.
    async fn give_sign(&mut self) -> Result<(), RepositoryError> {
        let now = self.repository.now();
        if self.signed_at.is_some_and(|at| now - at < SIGN_EVERY) {
            return Ok(());
        }
        must_be_ours(&self.repository, &self.instance, self.shard, &self.spool.token).await?;
        self.repository.write_archiver(&self.instance, self.shard, &self.sign()).await?;
        self.signed_at = Some(now);
        Ok(())
    }

    fn disk(&self, error: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::Spool { folder: self.spool.folder().display().to_string(), error: error.to_string() }
    }
}

/// Says that the archive is ours, if nobody else writes it.
///
/// # Errors
/// [`RepositoryError::Locked`], or what the place says.
pub async fn claim(repository: &Repository, instance: &str, shard: u32, token: &str) -> Result<(), RepositoryError> {
    must_be_ours(repository, instance, shard, token).await?;
    repository.ready_for_archives(repository.now()).await?;
    repository.write_archiver(instance, shard, &Archiver::own(token, repository.now())).await?;
    // Of two that come at the same moment the one that wrote first sees the other.
    must_be_ours(repository, instance, shard, token).await?;
    repository.clear_archive(instance, shard).await
}

/// Checks that nobody else writes the archive.
///
/// # Errors
/// [`RepositoryError::Locked`], or what the place says.
pub async fn must_be_ours(
    repository: &Repository,
    instance: &str,
    shard: u32,
    token: &str,
) -> Result<(), RepositoryError> {
    match repository.archiver(instance, shard).await? {
        Some(other) if other.token != token && other.is_at_work(repository.now()) => {
            let seen = crate::times::text(other.seen_at);
            Err(RepositoryError::Locked(format!("process {} on {}, last seen at {seen}", other.pid, other.host)))
        }
        _ => Ok(()),
    }
}

/// Whether the store may take it later.
fn may_pass(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Storage { .. })
}
