//! To whom new backups are encrypted.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use age::secrecy::SecretString;
use age::{Encryptor, scrypt, x25519};

use super::{EncryptionError, FILE_LIMIT, ONE_AT_A_TIME, WORK, passphrase_in};
use crate::private_files;

/// To whom backups are encrypted: public keys, or whoever knows a passphrase. Cheap to clone.
#[derive(Clone)]
pub struct Recipients(Arc<To>);

enum To {
    Keys(Vec<x25519::Recipient>),
    Passphrase(SecretString),
}

/// What is written into it comes out encrypted. It must be finished, or what came out counts as cut off.
pub type Sealing<W> = age::stream::StreamWriter<W>;

impl Recipients {
    /// Public keys, as they were typed; `place`: where they stand, for messages.
    ///
    /// # Errors
    /// There is none, or one is no public key.
    pub fn of_keys(typed: &[String], place: &str) -> Result<Self, EncryptionError> {
        let mut keys = Vec::new();
        for (number, text) in (1..).zip(typed) {
            let place = if typed.len() > 1 { format!("{place} (number {number})") } else { place.to_owned() };
            add(&mut keys, text.trim(), &place)?;
        }
        Self::of(keys, place)
    }

    /// A file with one public key on each line; blank lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// The file cannot be read, names none, or a line is no public key.
    pub fn of_file(path: &Path) -> Result<Self, EncryptionError> {
        let what = "the recipients file";
        let read =
            private_files::read_secret(path, FILE_LIMIT).map_err(|why| EncryptionError::file(what, path, why))?;
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(read.text.lines().map(str::trim)) {
            if !line.is_empty() && !line.starts_with('#') {
                add(&mut keys, line, &format!("line {number} of {}", path.display()))?;
            }
        }
        Self::of(keys, &path.display().to_string())
    }

    /// The passphrase in a file.
    ///
    /// # Errors
    /// The file cannot be read, or is empty.
    pub fn of_passphrase_file(path: &Path) -> Result<Self, EncryptionError> {
        Ok(Self::of_passphrase(passphrase_in(path)?))
    }

    pub(super) fn of_passphrase(passphrase: SecretString) -> Self {
        Self(Arc::new(To::Passphrase(passphrase)))
    }

    fn of(keys: Vec<x25519::Recipient>, place: &str) -> Result<Self, EncryptionError> {
        if keys.is_empty() {
            return Err(EncryptionError::Nobody { place: place.to_owned() });
        }
        Ok(Self(Arc::new(To::Keys(keys))))
    }

    /// The public keys; none: a passphrase.
    pub fn names(&self) -> Vec<String> {
        match &*self.0 {
            To::Keys(keys) => keys.iter().map(ToString::to_string).collect(),
            To::Passphrase(_) => Vec::new(),
        }
    }

    /// Encrypts what is written, into `out`. Blocks for a moment where the key is a passphrase.
    ///
    /// # Errors
    /// What `out` says.
    pub fn seal<W: Write>(&self, out: W) -> io::Result<Sealing<W>> {
        let encryptor = match &*self.0 {
            To::Keys(keys) => Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient)),
            To::Passphrase(passphrase) => {
                let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
        };
        encryptor.map_err(|error| io::Error::other(format!("cannot encrypt: {error:?}")))?.wrap_output(out)
    }

    /// All of a small text, encrypted.
    ///
    /// # Errors
    /// As [`Recipients::seal`].
    pub fn sealed(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut sealing = self.seal(Vec::with_capacity(plain.len() + 1024))?;
        sealing.write_all(plain)?;
        sealing.finish()
    }
}

/// As a person reads it behind "encrypted": `to age1…, age1…`, `with a passphrase`.
pub fn in_words(names: &[String]) -> String {
    if names.is_empty() { "with a passphrase".to_owned() } else { format!("to {}", names.join(", ")) }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(&self.names()))
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({self})")
    }
}

/// What is no public key is not repeated, unless it looks like one: it may be a secret.
fn add(keys: &mut Vec<x25519::Recipient>, text: &str, place: &str) -> Result<(), EncryptionError> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(EncryptionError::IdentityAsRecipient { place: place.to_owned() });
    }
    let why = match text.parse::<x25519::Recipient>() {
        Ok(key) if keys.contains(&key) => return Ok(()),
        Ok(key) => {
            keys.push(key);
            return Ok(());
        }
        Err(_) if text.starts_with("ssh-") => {
            "redis-ops encrypts to age keys (age1…), not to SSH keys; `age-keygen` makes one".to_owned()
        }
        Err(_) if text.starts_with("age1") && text.matches('1').count() > 1 && text.len() > 62 => {
            "redis-ops encrypts to X25519 keys alone, not to keys of plugins or to post-quantum keys".to_owned()
        }
        Err(why) if text.starts_with("age1") => {
            let shown: String = text.escape_debug().take(80).collect();
            format!("`{shown}`: {why}")
        }
        Err(_) => "it does not begin with `age1`".to_owned(),
    };
    Err(EncryptionError::NoRecipient { place: place.to_owned(), why })
}
