//! What opens encrypted backups. The files are read when something has to be opened, and not before: a machine that only lists or checks
//! backups needs no key.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::{DecryptError, Decryptor, scrypt, x25519};
use age_core::format::{FileKey, Stanza};

use super::recipients::in_words;
use super::{EncryptionError, ONE_AT_A_TIME, OpenError, Recipients, WORK_AT_MOST, passphrase_in, secret_file};

/// Files with what opens encrypted backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// Files with identities, each of one or more.
    pub files: Vec<PathBuf>,
    /// A file with a passphrase.
    pub passphrase_file: Option<PathBuf>,
}

/// The key that has opened something, by its public name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The identity of this recipient.
    Of(String),
    /// The passphrase, which has no public name.
    Passphrase,
}

impl Key {
    /// The recipient, or `passphrase`: the word in JSON answers.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Of(recipient) => recipient,
            Self::Passphrase => "passphrase",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(recipient) => write!(f, "the identity of {recipient}"),
            Self::Passphrase => f.write_str("the passphrase"),
        }
    }
}

/// The content of encrypted bytes, decrypted as it is read.
pub type Unsealed<R> = age::stream::StreamReader<R>;

impl Identities {
    /// Begins to read what is encrypted, and says which key has opened it; `to`: the public keys that its manifest names. Blocks.
    ///
    /// # Errors
    /// Nothing was given that opens it, a file cannot be read, or the encrypted bytes are damaged or do not come.
    pub fn open<R: BufRead>(&self, stored: R, to: &[String]) -> Result<(Unsealed<R>, Key), OpenError> {
        // Without a key nothing need be asked of the store.
        self.must_be_given(to)?;
        let decryptor = Decryptor::new_buffered(stored).map_err(of_header)?;
        match decryptor.is_scrypt() {
            true => self.with_passphrase(decryptor, to),
            false => self.with_keys(decryptor, to),
        }
    }

    /// All of a small encrypted text.
    ///
    /// # Errors
    /// As [`Identities::open`].
    pub fn opened(&self, stored: &[u8], to: &[String]) -> Result<Vec<u8>, EncryptionError> {
        let unsealed = self.open(stored, to).and_then(|(mut reader, _)| {
            let mut plain = Vec::with_capacity(stored.len());
            reader.read_to_end(&mut plain).map_err(of_chunk)?;
            Ok(plain)
        });
        unsealed.map_err(|error| match error {
            OpenError::Encryption(error) => error,
            OpenError::Io(error) => EncryptionError::Damaged(error.to_string()),
        })
    }

    /// Refuses where nothing was given that could open what is encrypted to these recipients. That it does is known once it was tried.
    ///
    /// # Errors
    /// [`EncryptionError::NothingGiven`].
    pub fn must_be_given(&self, to: &[String]) -> Result<(), EncryptionError> {
        let (is_given, needed) = match to {
            [] => (self.passphrase_file.is_some(), "passphrase"),
            _ => (!self.files.is_empty(), "identity"),
        };
        if is_given { Ok(()) } else { Err(EncryptionError::NothingGiven { to: in_words(to), needed }) }
    }

    /// The passphrase as what new backups are encrypted with.
    ///
    /// # Errors
    /// There is none, or its file cannot be read.
    pub fn same_passphrase(&self) -> Result<Recipients, EncryptionError> {
        self.must_be_given(&[])?;
        let path = self.passphrase_file.as_deref().unwrap_or(Path::new(""));
        Ok(Recipients::of_passphrase(passphrase_in(path)?))
    }

    fn with_keys<R: BufRead>(&self, decryptor: Decryptor<R>, to: &[String]) -> Result<(Unsealed<R>, Key), OpenError> {
        let mut keys = Vec::new();
        for file in &self.files {
            keys.extend(identities_in(file)?);
        }
        let noted = RefCell::new(None);
        let noting: Vec<Noting<'_>> = keys.iter().map(|key| Noting { key, noted: &noted }).collect();
        let opened = decryptor.decrypt(noting.iter().map(|key| key as &dyn age::Identity));
        let unsealed = opened.map_err(|error| match error {
            DecryptError::NoMatchingKeys => {
                let names: Vec<String> = keys.iter().map(|key| key.to_public().to_string()).collect();
                let given = match names.as_slice() {
                    [one] => format!("the identity of {one}"),
                    several => format!("none of the identities of {}", several.join(", ")),
                };
                EncryptionError::DoesNotOpen { to: in_words(to), given, by_passphrase: false }.into()
            }
            error => of_header(error),
        })?;
        let name = noted.into_inner().unwrap_or_default();
        Ok((unsealed, Key::Of(name)))
    }

    fn with_passphrase<R: BufRead>(
        &self,
        decryptor: Decryptor<R>,
        to: &[String],
    ) -> Result<(Unsealed<R>, Key), OpenError> {
        let Some(path) = &self.passphrase_file else {
            return Err(EncryptionError::NothingGiven { to: in_words(to), needed: "passphrase" }.into());
        };
        let mut identity = scrypt::Identity::new(passphrase_in(path)?);
        identity.set_max_work_factor(WORK_AT_MOST);
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity));
        let unsealed = opened.map_err(|error| match error {
            DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys => {
                let given = format!("the passphrase in {}", path.display());
                EncryptionError::DoesNotOpen { to: in_words(to), given, by_passphrase: true }.into()
            }
            error => of_header(error),
        })?;
        Ok((unsealed, Key::Passphrase))
    }
}

/// An identity that says so when it has opened something.
struct Noting<'a> {
    key: &'a x25519::Identity,
    noted: &'a RefCell<Option<String>>,
}

impl age::Identity for Noting<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let unwrapped = self.key.unwrap_stanza(stanza);
        if let Some(Ok(_)) = unwrapped {
            *self.noted.borrow_mut() = Some(self.key.to_public().to_string());
        }
        unwrapped
    }
}

/// The identities in a file. No line of it is repeated.
fn identities_in(path: &Path) -> Result<Vec<x25519::Identity>, EncryptionError> {
    let what = "the identity file";
    let wrong = |why: String| EncryptionError::file(what, path, why);
    let text: SecretString = secret_file(what, path)?;
    let text = text.expose_secret();
    if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ENCRYPTED FILE") {
        return Err(wrong("it is encrypted itself: decrypt it first (`age -d`)".to_owned()));
    }
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys.push(line.parse().map_err(|_| wrong(format!("line {number} {}", instead(line))))?);
    }
    if keys.is_empty() {
        return Err(wrong("it holds no identity (AGE-SECRET-KEY-…)".to_owned()));
    }
    Ok(keys)
}

/// What stands where an identity is expected.
fn instead(line: &str) -> &'static str {
    match line {
        line if line.starts_with("age1") => "is a recipient (age1…), not an identity (AGE-SECRET-KEY-…)",
        line if line.starts_with("AGE-PLUGIN-") => "is an identity of a plugin, which redis-ops does not support",
        line if line.starts_with("AGE-SECRET-KEY-PQ-") => {
            "is a post-quantum identity, which redis-ops does not support"
        }
        line if line.starts_with("-----BEGIN") => "begins an SSH or PEM key, which redis-ops does not support",
        line if line.starts_with("AGE-SECRET-KEY-") => "is an identity with a typing error, or cut off",
        _ => "is not an identity (AGE-SECRET-KEY-…)",
    }
}

/// What is wrong with the beginning of encrypted bytes.
fn of_header(error: DecryptError) -> OpenError {
    let damaged = |what: &str| EncryptionError::Damaged(what.to_owned()).into();
    match error {
        DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => EncryptionError::Truncated.into(),
        DecryptError::Io(error) if error.kind() == io::ErrorKind::InvalidData => damaged("its header is malformed"),
        DecryptError::Io(error) => OpenError::Io(error),
        DecryptError::ExcessiveWork { required, .. } => EncryptionError::TooMuchWork(required).into(),
        DecryptError::InvalidMac => damaged("the checksum of its header is wrong"),
        DecryptError::UnknownFormat => damaged("its header is not that of an age file of version 1"),
        DecryptError::InvalidHeader => damaged("its header is malformed"),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            damaged("its header cannot be decrypted")
        }
        _ => damaged("its header is of a kind that redis-ops does not know"),
    }
}

/// What is wrong with a chunk behind the header; what the reader below said comes back as it was.
pub fn of_chunk(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => EncryptionError::Truncated.into(),
        io::ErrorKind::InvalidData => EncryptionError::Damaged("a chunk fails its authentication".to_owned()).into(),
        _ => OpenError::Io(error),
    }
}
