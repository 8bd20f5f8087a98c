//! A backup whose shards are read one after the other, from servers that are there only meanwhile.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::captured::{Made, capture_node};
use super::held::Held;
use super::options::Options;
use super::report::{BackupError, Report};
use super::{abandon, begin, publish, with_heartbeat};
use crate::capture::source::Chosen;
use crate::progress::Progress;
use crate::repository::manifest::{Barrier, Moment, Server, Shard};
use crate::repository::{Draft, Repository};

/// A backup that is being put together. It exists once [`Assembly::publish`] has returned.
pub struct Assembly<'a> {
    options: Options,
    repository: &'a Repository,
    draft: Draft,
    made: Vec<Made>,
}

impl<'a> Assembly<'a> {
    /// Reserves an id.
    ///
    /// # Errors
    /// The repository refuses.
    pub async fn begin(
        options: Options,
        repository: &'a Repository,
        cancel: &CancellationToken,
    ) -> Result<Self, BackupError> {
        let draft = begin(&options, repository, cancel).await?;
        Ok(Self { options, repository, draft, made: Vec::new() })
    }

    /// Where what is there only meanwhile may lie.
    pub fn folder(&self) -> &Path {
        &self.options.spool.folder
    }

    /// Waits for other work, while others see that somebody is at work on the backup.
    pub async fn alive_while<T>(&self, work: impl Future<Output = T>) -> T {
        with_heartbeat(&self.draft, work).await
    }

    /// Reads the next shard: one that stands for `shard`, which a server `of_source` held.
    ///
    /// # Errors
    /// Then there is no backup, and what was uploaded was removed.
    pub async fn add(
        mut self,
        chosen: &Chosen,
        shard: &Shard,
        of_source: &Server,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Self, BackupError> {
        let stem = format!("shard-{:04}", self.made.len());
        let options = Options { stem, ..self.options.clone() };
        let work = capture_node(&options, chosen, None, &self.draft, progress, cancel);
        match with_heartbeat(&self.draft, work).await {
            Ok(made) => {
                let (slots, node, server) = (shard.slots.clone(), shard.node.clone(), of_source.clone());
                self.made.push(Made { slots, node, server, ..made });
                Ok(self)
            }
            Err(error) => Err(abandon(self.repository, self.draft, error).await),
        }
    }

    /// Removes what was uploaded.
    pub async fn give_up(self) {
        let discarded = self.repository.discard(self.draft).await;
        for object in &discarded.left {
            tracing::warn!("{} is no part of any backup, and could not be removed: {}", object.key, object.error);
        }
    }

    /// Publishes the backup. `barrier`: the moment at which the shards were held, if they are of one moment.
    ///
    /// # Errors
    /// Then there is no backup, and what was uploaded was removed.
    pub async fn publish(
        self,
        barrier: Option<Barrier>,
        moment: Option<Moment>,
        cancel: &CancellationToken,
    ) -> Result<Report, BackupError> {
        let held = barrier.map(|barrier| Held::Before(barrier, moment));
        let whole = publish::Whole { gaps: Vec::new(), held };
        publish::publish(&self.options, self.repository, self.draft, self.made, whole, cancel).await
    }
}
