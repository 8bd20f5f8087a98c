//! What keeps a backup from being encrypted, or from being opened.

use std::io;
use std::path::Path;

use crate::explain::{Explain, Hint, Meaning};

/// Why something cannot be encrypted or opened. No secret is part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// A file with keys or a passphrase cannot be used.
    #[error("cannot use {what} {path}: {why}")]
    File {
        /// What the file is for.
        what: &'static str,
        /// The path as it was given.
        path: String,
        /// Why, in words.
        why: String,
    },
    /// A secret identity stands where a recipient is expected.
    #[error("{place} is a secret identity (AGE-SECRET-KEY-…), not a recipient (age1…); it is not shown here")]
    IdentityAsRecipient {
        /// Where it stands.
        place: String,
    },
    /// What stands where a recipient is expected is none.
    #[error("{place} is not a recipient: {why}")]
    NoRecipient {
        /// Where it stands.
        place: String,
        /// Why, in words.
        why: String,
    },
    /// There is nobody to encrypt to.
    #[error("{place} names no recipient")]
    Nobody {
        /// Where one was looked for.
        place: String,
    },
    /// Nothing was given that could open it.
    #[error("it is encrypted {to}, and no {needed} was given")]
    NothingGiven {
        /// To whom, in words.
        to: String,
        /// `identity` or `passphrase`.
        needed: &'static str,
    },
    /// What was given does not open it.
    #[error("it is encrypted {to}; {given} does not open it")]
    DoesNotOpen {
        /// To whom, in words.
        to: String,
        /// What was given: the public keys of the identities, or the passphrase's file.
        given: String,
        /// Whether a passphrase is needed.
        by_passphrase: bool,
    },
    /// The passphrase would need more work than is spent on one.
    #[error("opening it takes 2^{0} rounds of scrypt; at most 2^{most} are allowed", most = super::WORK_AT_MOST)]
    TooMuchWork(u8),
    /// The encrypted bytes were changed, or are none.
    #[error("the encrypted data is damaged: {0}")]
    Damaged(String),
    /// The encrypted bytes end too early.
    #[error("the encrypted data ends too early")]
    Truncated,
}

impl EncryptionError {
    pub(super) fn file(what: &'static str, path: &Path, why: impl Into<String>) -> Self {
        Self::File { what, path: path.display().to_string(), why: why.into() }
    }

    /// The stable name in JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::IdentityAsRecipient { .. } | Self::NoRecipient { .. } | Self::Nobody { .. } => {
                "usage"
            }
            Self::NothingGiven { .. } => "identity_needed",
            Self::DoesNotOpen { .. } | Self::TooMuchWork(_) => "wrong_identity",
            Self::Damaged(_) => "corrupt",
            Self::Truncated => "truncated",
        }
    }

    /// Whether the stored bytes are to blame, and not what was given to open them.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Truncated)
    }

    /// Whether the stored bytes may be to blame: a header that was changed looks as if it were for another key.
    pub fn may_be_damage(&self) -> bool {
        self.is_damage() || matches!(self, Self::DoesNotOpen { .. } | Self::TooMuchWork(_))
    }
}

impl Explain for EncryptionError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        match self {
            Self::Damaged(_) | Self::Truncated => meaning,
            Self::File { .. } => meaning.unknown(),
            Self::IdentityAsRecipient { .. } => meaning.unknown().hint(
                "`age-keygen -y FILE` prints the recipient of an identity; an identity that was typed is in the shell history: make \
                 another one with `age-keygen`",
            ),
            Self::NoRecipient { .. } | Self::Nobody { .. } => meaning
                .unknown()
                .hint("a recipient is the public key that `age-keygen` prints: `age1` and 58 more letters and digits"),
            Self::NothingGiven { needed: "passphrase", .. } => meaning.unknown().hint(Hint::GivePassphrase),
            Self::NothingGiven { .. } => meaning.unknown().hint(Hint::GiveIdentity),
            Self::DoesNotOpen { by_passphrase: true, .. } => meaning.unknown().hint(Hint::OtherPassphrase),
            Self::DoesNotOpen { .. } => meaning.unknown().hint(Hint::OtherIdentity),
            Self::TooMuchWork(_) => meaning.unknown().hint("decrypt the object with `age`, and use the file"),
        }
    }
}

/// Why the beginning of encrypted bytes cannot be read.
#[derive(Debug)]
pub enum OpenError {
    /// They do not come.
    Io(io::Error),
    /// They cannot be opened.
    Encryption(EncryptionError),
}

impl From<EncryptionError> for OpenError {
    fn from(error: EncryptionError) -> Self {
        Self::Encryption(error)
    }
}
