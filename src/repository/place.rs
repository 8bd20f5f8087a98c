//! Where a repository lies, before anything was asked of the store.

use std::time::Duration;

use super::{Newest, Repository};
use crate::encryption::Encryption;
use crate::explain::{Context as _, Failure, Result};
use crate::storage::{self, Location, S3Options};

/// Where backups are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The bucket and prefix, or the folder.
    pub location: Location,
    /// How S3 is spoken to; says nothing for a folder.
    pub s3: Box<S3Options>,
    /// To whom its new backups are encrypted, and what opens those that are.
    pub encryption: Encryption,
}

impl Place {
    /// The repository in this place. Nothing is asked of the store yet.
    pub async fn open(&self) -> Result<Repository> {
        let storage =
            storage::open(&self.location, &self.s3).await.with_context(|| format!("cannot open {}", self.location))?;
        Ok(Repository::new(storage).with_encryption(self.encryption.clone()))
    }

    /// The instances that have backups here, if that can be said `within` this time.
    ///
    /// # Errors
    /// The place cannot be asked, or is too slow.
    pub async fn instances(&self, within: Duration) -> Result<Vec<String>> {
        let asked = async { Ok(self.open().await?.instances().await?) };
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| {
            let words = format!("{} has not answered within {} s", self.location, within.as_secs_f64());
            Err(Failure::new("timeout", words).into())
        })
    }

    /// How it stands with the backups of an instance, if that can be said `within` this time.
    ///
    /// # Errors
    /// The place cannot be asked, or is too slow.
    pub async fn newest(&self, instance: &str, within: Duration) -> Result<Newest> {
        let asked = async { Ok(self.open().await?.newest(instance).await?) };
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| {
            let words = format!("{} has not answered within {} s", self.location, within.as_secs_f64());
            Err(Failure::new("timeout", words).into())
        })
    }
}
