//! To whom a backup is encrypted that is made on the way of a restore.

use crate::blocking;
use crate::encryption::Recipients;
use crate::explain::{Context as _, Result};
use crate::repository::Repository;
use crate::repository::manifest::Manifest;

/// Where the settings do not say to whom backups are encrypted, one that is made of an encrypted one, or in its place, is encrypted as that
/// one is: what was kept secret does not become readable by a restore.
///
/// # Errors
/// The passphrase of a backup that has one is not known.
pub(super) async fn encrypted_as(repository: Repository, manifest: &Manifest) -> Result<Repository> {
    let Some(to) = manifest.encrypted_to() else { return Ok(repository) };
    let mut encryption = repository.encryption().clone();
    if encryption.to.is_none() {
        let recipients = match to {
            [] => {
                let by = encryption.by.clone();
                blocking::run(move || by.same_passphrase()).await
            }
            keys => Recipients::of_keys(keys, "the manifest"),
        };
        encryption.to = Some(recipients.context("encrypt the backup")?);
    }
    Ok(repository.with_encryption(encryption))
}
