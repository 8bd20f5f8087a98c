//! `redis-ops-repository.json` at the root: that this is a repository, in which format, since when, and whether its store keeps "only
//! if it is not there".
//!
//! The marker is its own probe, so that nothing has to be removed afterwards: it is written without a verdict, and then once more under
//! the condition that it is not there, with the verdict "not kept". A store that ignores the condition replaces it, and the verdict is
//! true; a store that keeps it refuses, and the verdict "kept" is written in its place. Repositories of earlier versions have no marker:
//! they are read as they are, and the next backup writes it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::Doing;
use super::{MARKER, REPOSITORY_FORMAT, Repository, RepositoryError, check_instance};
use crate::explain::Hint;
use crate::storage::{Reason, StorageError};

/// The name of an upload that is begun and given up, to see whether one would be taken.
const TRIED: &str = "redis-ops-plan";

/// Most bytes of a marker.
const MARKER_LIMIT: u64 = 16 * 1024;

/// What the marker says. Unknown fields are passed over on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Version of the repository's layout: see [`REPOSITORY_FORMAT`].
    pub format_version: u32,
    /// When it was written first.
    #[serde(serialize_with = "crate::times::serialize")]
    pub made_at: DateTime<Utc>,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Whether the store keeps "only if it is not there"; `None`: it was not found out yet.
    #[serde(default)]
    pub keeps_conditions: Option<bool>,
}

/// What is known of the marker in this process.
#[derive(Debug, Clone, Default)]
pub(super) enum Known {
    #[default]
    Unasked,
    Absent,
    Is(Marker),
}

impl Marker {
    fn new(now: DateTime<Utc>, keeps_conditions: Option<bool>) -> Self {
        let tool_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format_version: REPOSITORY_FORMAT, made_at: now, tool_version, keeps_conditions }
    }

    fn with(&self, keeps_conditions: bool) -> Self {
        Self { keeps_conditions: Some(keeps_conditions), ..self.clone() }
    }

    fn encode(&self) -> Result<bytes::Bytes, RepositoryError> {
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| RepositoryError::Inconsistent(error.to_string()))?;
        text.push(b'\n');
        Ok(text.into())
    }

    fn decode(bytes: &[u8]) -> Result<Self, RepositoryError> {
        #[derive(Deserialize)]
        struct Format {
            format_version: u64,
        }
        let no_marker = |error: serde_json::Error| RepositoryError::Marker(error.to_string());
        // Of a newer format nothing else is judged.
        let Format { format_version } = serde_json::from_slice(bytes).map_err(no_marker)?;
        if format_version > u64::from(REPOSITORY_FORMAT) {
            return Err(RepositoryError::NewerRepository(format_version));
        }
        serde_json::from_slice(bytes).map_err(no_marker)
    }
}

impl Repository {
    /// The marker; `None` where there is none, or where it may not be read. Asked once.
    ///
    /// # Errors
    /// [`RepositoryError::NewerRepository`], [`RepositoryError::Marker`], or what the place says.
    pub async fn marker(&self) -> Result<Option<Marker>, RepositoryError> {
        let mut known = self.known.lock().await;
        if matches!(*known, Known::Unasked) {
            *known = self.read_marker().await?.map_or(Known::Absent, Known::Is);
        }
        match &*known {
            Known::Is(marker) => Ok(Some(marker.clone())),
            Known::Absent | Known::Unasked => Ok(None),
        }
    }

    /// Makes sure that there is a marker, and tells whether the store keeps "only if it is not there". `None`: it could not be found
    /// out, because nobody may write the marker.
    ///
    /// # Errors
    /// As [`Repository::marker`], and if the place cannot be written to.
    pub(super) async fn establish(&self, now: DateTime<Utc>) -> Result<Option<bool>, RepositoryError> {
        let mut known = self.known.lock().await;
        let before = match &*known {
            Known::Is(marker) => Some(marker.clone()),
            Known::Absent | Known::Unasked => self.read_marker().await?,
        };
        let marker = match before {
            Some(marker) => marker,
            None => match self.make_marker(now).await? {
                Some(marker) => marker,
                None => return Ok(None),
            },
        };
        let marker = match marker.keeps_conditions {
            Some(_) => marker,
            None => match self.probe(&marker).await? {
                Some(kept) => marker.with(kept),
                None => return Ok(None),
            },
        };
        *known = Known::Is(marker.clone());
        Ok(marker.keeps_conditions)
    }

    /// Makes the repository: its marker, where there is none. Gives the marker, and whether it is new.
    ///
    /// # Errors
    /// As [`Repository::marker`], and if the marker may not or cannot be written.
    pub async fn init(&self, now: DateTime<Utc>) -> Result<(Marker, bool), RepositoryError> {
        let before = self.marker().await?;
        self.establish(now).await?;
        match (self.marker().await?, before) {
            (Some(marker), before) => Ok((marker, before.is_none())),
            // A backup goes on without the marker where its rights end at the folder of its instance; here nothing else was asked for.
            (None, _) => {
                let marker = Marker::new(now, self.storage.keeps_conditions_by_nature());
                self.storage.create(MARKER, marker.encode()?).await.doing("write", MARKER)?;
                Ok((marker, true))
            }
        }
    }

    async fn read_marker(&self) -> Result<Option<Marker>, RepositoryError> {
        match self.storage.get(MARKER, MARKER_LIMIT).await {
            Ok(bytes) => match Marker::decode(&bytes) {
                Err(error @ RepositoryError::Marker(_)) => Err(self.unless_it_has_everything(error).await),
                marker => marker.map(Some),
            },
            Err(StorageError::TooLarge { length, .. }) => {
                Err(RepositoryError::Marker(format!("it has {length} bytes")))
            }
            // Without the marker everything works but its memory.
            Err(
                StorageError::NotFound
                | StorageError::NoSuchPlace(_)
                | StorageError::AccessDenied(_)
                | StorageError::Archived(_),
            ) => Ok(None),
            Err(error) => Err(error).doing("read", MARKER),
        }
    }

    /// A marker that is none, unless the place answers whatever is asked: then it is no store at all.
    async fn unless_it_has_everything(&self, error: RepositoryError) -> RepositoryError {
        let mut name = [0; 16];
        if getrandom::fill(&mut name).is_err() {
            return error;
        }
        match self.storage.head(&format!("{}.{}", hex::encode(name), "json")).await {
            Ok(_) => {
                let words = format!(
                    "the server that answers for {} is not an S3 store: it returns an object for every name, like a web server \
                     that answers every request with a page",
                    self.describe()
                );
                let source = StorageError::NotAPlace(Reason::new(words).hint(Hint::OtherPlaceOrEndpoint));
                RepositoryError::Storage { doing: format!("read {MARKER}"), source }
            }
            Err(_) => error,
        }
    }

    /// Writes the first marker; `None` where that is not allowed: rights may end at the folder of an instance.
    async fn make_marker(&self, now: DateTime<Utc>) -> Result<Option<Marker>, RepositoryError> {
        let marker = Marker::new(now, self.storage.keeps_conditions_by_nature());
        match self.storage.create(MARKER, marker.encode()?).await {
            Ok(()) => Ok(Some(marker)),
            Err(StorageError::AccessDenied(_)) => Ok(None),
            // Another process was quicker, or the answer to our own write got lost.
            Err(error) => match self.read_marker().await {
                Ok(Some(marker)) => Ok(Some(marker)),
                Err(found @ (RepositoryError::NewerRepository(_) | RepositoryError::Marker(_))) => Err(found),
                _ if error.is_taken() => Err(self.in_its_place(error).await).doing("write", MARKER),
                _ => Err(error).doing("write", MARKER),
            },
        }
    }

    /// What stands where the marker belongs, where that is no file.
    async fn in_its_place(&self, taken: StorageError) -> StorageError {
        match self.storage.in_the_way(MARKER).await {
            Some(what) => {
                let hint = format!(
                    "remove or rename it: redis-ops keeps a file of that name in a repository ({})",
                    self.describe()
                );
                StorageError::NotAPlace(Reason::new(format!("{MARKER} is {what}")).hint(hint))
            }
            None => taken,
        }
    }

    async fn probe(&self, marker: &Marker) -> Result<Option<bool>, RepositoryError> {
        let kept = match self.storage.keeps_conditions(MARKER, marker.with(false).encode()?).await {
            Err(StorageError::AccessDenied(_)) => return Ok(None),
            kept => kept.doing("try to write", MARKER)?,
        };
        if kept && let Err(error) = self.storage.replace(MARKER, marker.with(true).encode()?).await {
            // Then the next backup tries again: one request, which the store refuses.
            tracing::debug!(%error, "cannot replace the marker");
        }
        Ok(Some(kept))
    }

    /// Tries to write backups of an instance without leaving anything but the marker, and tells how many bytes are free where the place
    /// knows.
    ///
    /// # Errors
    /// If it cannot be written to: why.
    pub async fn try_writing(&self, instance: &str, now: DateTime<Utc>) -> Result<Room, RepositoryError> {
        check_instance(instance)?;
        let folder = format!("{instance}/");
        let free = self.storage.try_writing(&folder).await.doing("write to", &folder)?;
        if free.is_some() {
            return Ok(Room { free, keeps_conditions: self.storage.keeps_conditions_by_nature() });
        }
        let keeps_conditions = self.establish(now).await?;
        if let Some(marker) = self.marker().await? {
            // The marker's own bytes under the condition that nothing is there: a user without the right to write learns that, and nothing
            // changes.
            self.storage.keeps_conditions(MARKER, marker.encode()?).await.doing("write", MARKER)?;
        }
        // Rights may end at the folder of an instance, or begin there.
        let key = format!("{folder}{TRIED}");
        let is_encrypted = self.storage.try_upload(&key).await.doing("write to", &folder)?;
        if !is_encrypted && let Some(marker) = self.marker().await? {
            // What the beginning of an upload does not say, an object does: ours is written once more as it is.
            self.storage.replace(MARKER, marker.encode()?).await.doing("write", MARKER)?;
        }
        Ok(Room { free, keeps_conditions })
    }
}

/// What was found out by [`Repository::try_writing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes; `None` where the place does not say.
    pub free: Option<u64>,
    /// Whether "only if it is not there" is kept; `None`: unknown, because the marker may not be written.
    pub keeps_conditions: Option<bool>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::{Memory, Storage};

    fn now() -> DateTime<Utc> {
        "2026-11-28T01:00:00.000Z".parse().unwrap()
    }

    #[tokio::test]
    async fn the_marker_remembers_whether_conditions_are_kept() {
        for (memory, kept) in [(Memory::new(), true), (Memory::ignoring_conditions(), false)] {
            let repository = Repository::new(Arc::new(memory.clone()));
            assert_eq!(repository.marker().await.unwrap(), None);
            assert_eq!(repository.establish(now()).await.unwrap(), Some(kept));
            let written = memory.get(MARKER, 1000).await.unwrap();
            let text: serde_json::Value = serde_json::from_slice(&written).unwrap();
            assert_eq!((&text["format_version"], &text["keeps_conditions"]), (&1.into(), &kept.into()));
            assert_eq!(text["made_at"], "2026-11-28T01:00:00.000Z");
            // Another process, another day: nothing is written any more.
            let again = Repository::new(Arc::new(memory.clone()));
            assert_eq!(again.establish(Utc::now()).await.unwrap(), Some(kept));
            assert_eq!(memory.get(MARKER, 1000).await.unwrap(), written);
            assert_eq!(memory.list("").await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_marker_without_a_verdict_gets_one() {
        let memory = Memory::ignoring_conditions();
        let undecided = Marker::new(now(), None).encode().unwrap();
        memory.create(MARKER, undecided).await.unwrap();
        let repository = Repository::new(Arc::new(memory));
        assert_eq!(repository.establish(Utc::now()).await.unwrap(), Some(false));
        assert_eq!(repository.marker().await.unwrap(), Some(Marker::new(now(), Some(false))));
    }

    #[tokio::test]
    async fn a_newer_repository_and_a_foreign_file_are_refused_by_name() {
        for (text, code, says) in [
            (r#"{"format_version": 2, "anything": []}"#, "unsupported_format", "format 2"),
            ("<html>", "corrupt", "redis-ops-repository.json"),
            ("", "corrupt", "redis-ops-repository.json"),
        ] {
            let memory = Memory::new();
            memory.create(MARKER, text.into()).await.unwrap();
            let repository = Repository::new(Arc::new(memory));
            for error in [
                repository.establish(now()).await.unwrap_err(),
                repository.list(None).await.unwrap_err(),
                repository.try_writing("prod", now()).await.unwrap_err(),
            ] {
                assert_eq!(error.code(), code, "{error}");
                assert!(error.to_string().contains(says), "{error}");
            }
        }
    }
}
