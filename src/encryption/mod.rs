//! Client-side encryption of what is stored, in the age format (<https://age-encryption.org/v1>): to the public keys of recipients, or
//! with a passphrase. The stock `age` reads what is written here.
//!
//! ```text
//! backup    Recipients ─► seal: header, then chunks of 64 KiB, each with its own tag
//! reading   Identities ─► open: which key fits the header, then chunk by chunk
//! ```
//!
//! Secrets come from files alone, never from the command line, and nothing here prints one.

mod error;
mod identities;
mod recipients;

use age::secrecy::{ExposeSecret as _, SecretString};

pub use error::{EncryptionError, OpenError};
pub use identities::{Identities, Key, Unsealed, of_chunk};
pub use recipients::{Recipients, Sealing, in_words};

use crate::private_files::{self, Secret};

/// What is appended to the name of an encrypted object.
pub const EXTENSION: &str = ".age";

/// How a repository's objects are encrypted and read.
#[derive(Debug, Clone, Default)]
pub struct Encryption {
    /// To whom new backups are encrypted; `None`: they are not.
    pub to: Option<Recipients>,
    /// What opens encrypted backups.
    pub by: Identities,
}

/// A passphrase costs a guess so much: 2^17 rounds of scrypt, with 128 MiB of memory.
const WORK: u8 = 17;
/// More than this is not spent on a passphrase that somebody else has chosen the work for: 1 GiB.
const WORK_AT_MOST: u8 = 20;

/// One passphrase at a time is worked on, so that a backup of many shards does not need the memory many times.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The longest file with keys or a passphrase that is read, bytes.
const FILE_LIMIT: u64 = 64 * 1024;

/// The passphrase in a file: its content without one line break at the end.
fn passphrase_in(path: &std::path::Path) -> Result<SecretString, EncryptionError> {
    let text = secret_file("the passphrase file", path)?;
    let line = text.expose_secret();
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(EncryptionError::file("the passphrase file", path, "it is empty"));
    }
    if line.starts_with("AGE-SECRET-KEY-") {
        return Err(EncryptionError::file("the passphrase file", path, "it holds an identity, not a passphrase"));
    }
    Ok(SecretString::from(line.to_owned()))
}

/// A file whose content is secret. That others may read it is said; where secrets are mounted by a platform it is usual.
fn secret_file(what: &'static str, path: &std::path::Path) -> Result<SecretString, EncryptionError> {
    let Secret { text, is_open } =
        private_files::read_secret(path, FILE_LIMIT).map_err(|why| EncryptionError::file(what, path, why))?;
    if is_open {
        tracing::warn!("{what} {} can be read by every user of this machine: `chmod 600` closes it", path.display());
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests;
