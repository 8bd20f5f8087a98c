//! Which keys open encrypted backups, and to whom new ones are encrypted.

use std::path::{Path, PathBuf};

use super::Resolver;
use crate::cli::env;
use crate::encryption::{EncryptionError, Identities, Recipients};
use crate::explain::{Explain as _, Misuse};

/// To whom a backup is to be encrypted, as it was typed.
pub(super) struct EncryptTo<'a> {
    pub(super) recipients: &'a [String],
    pub(super) file: Option<&'a Path>,
}

impl Resolver<'_> {
    /// What opens encrypted backups. No file is read here: most commands need no key.
    pub(super) fn identities(&self) -> Result<Identities, Misuse> {
        let block = self.file.encryption()?.unwrap_or_default();
        let files = match (self.global.identities.as_slice(), self.environment.path(env::IDENTITY)) {
            ([], Some(path)) => vec![path],
            ([], None) => block.identity_file.into_iter().collect(),
            (typed, _) => typed.to_vec(),
        };
        let passphrase_file = self.global.passphrase_file.clone().or(block.passphrase_file);
        // A name that is no file is shown; the secret itself must not be.
        let is_secret = |path: &PathBuf| path.to_string_lossy().to_ascii_uppercase().contains("AGE-SECRET-KEY-");
        if files.iter().chain(&passphrase_file).any(is_secret) {
            let text = "the name of a file that holds the identity is expected, not the identity itself (it is not shown here)";
            return Err(Misuse::usage(text).hint(
                "write the identity into a file that only you can read; others may have seen it in `ps` or in the shell's history: make a new one",
            ));
        }
        Ok(Identities { files, passphrase_file })
    }

    /// To whom new backups are encrypted as the settings say; `None`: they are not.
    pub(super) fn recipients(&self) -> Result<Option<Recipients>, Misuse> {
        let Some(block) = self.file.encryption()? else { return Ok(None) };
        let recipients = match (&block.recipients, &block.recipients_file, &block.passphrase_file) {
            (Some(recipients), ..) => Recipients::of_keys(recipients, "`backup.encryption.recipients` in the settings"),
            (None, Some(path), _) => Recipients::of_file(path),
            (None, None, Some(path)) => Recipients::of_passphrase_file(path),
            (None, None, None) => return Ok(None),
        };
        recipients.map(Some).map_err(|error| misuse(&error, Misuse::settings))
    }

    /// To whom the backup is encrypted that a command line asks for. What was typed goes before the settings.
    pub(super) fn encrypt_to(&self, typed: &EncryptTo<'_>) -> Result<Option<Recipients>, Misuse> {
        let passphrase = self.global.passphrase_file.as_deref();
        if passphrase.is_some() && (!typed.recipients.is_empty() || typed.file.is_some()) {
            return Err(Misuse::usage("a backup is encrypted to recipients or with a passphrase, not both")
                .hint("remove `--passphrase-file`, or `--encrypt-to` and `--encrypt-to-file`"));
        }
        let recipients = match (typed.recipients, typed.file, passphrase) {
            (recipients @ [_, ..], ..) => Recipients::of_keys(recipients, "`--encrypt-to`"),
            ([], Some(path), _) => Recipients::of_file(path),
            ([], None, Some(path)) => Recipients::of_passphrase_file(path),
            ([], None, None) => {
                let recipients = self.recipients()?;
                if recipients.is_none() && self.file.encryption()?.is_some() {
                    return Err(Misuse::settings("`backup.encryption` does not say to whom backups are encrypted")
                        .hint("add `recipients`, `recipients_file` or `passphrase_file`, or use `--encrypt-to`"));
                }
                return Ok(recipients);
            }
        };
        recipients.map(Some).map_err(|error| misuse(&error, Misuse::usage))
    }
}

fn misuse(error: &EncryptionError, make: fn(String) -> Misuse) -> Misuse {
    let misuse = make(error.to_string());
    match error.meaning().hint {
        Some(hint) => misuse.hint(hint),
        None => misuse,
    }
}
