//! What can go wrong with a place for objects: what happened, and the one thing that may help.

use std::fmt;

use crate::explain::{Explain, Hint, Meaning};

/// What happened, in words; with the one thing that may help, where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    text: String,
    hint: Option<Hint>,
}

impl Reason {
    /// What happened. No secret may be in it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    /// Adds a hint that says what may help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// What can go wrong with a place for objects.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// No such object.
    #[error("the object does not exist")]
    NotFound,
    /// There is one of that name already.
    #[error("the object already exists")]
    AlreadyExists,
    /// There is one of that name, and it is not what was to be written: the place was asked.
    #[error("the object already exists, and another process wrote it")]
    Taken,
    /// The bucket or the folder is missing.
    #[error("{0} does not exist")]
    NoSuchPlace(Reason),
    /// Something is there, and it is no place for objects: a web server, a proxy's page, a file in place of a folder.
    #[error("{0}")]
    NotAPlace(Reason),
    /// We are not allowed to.
    #[error("access denied: {0}")]
    AccessDenied(Reason),
    /// The store holds the object for a time (object lock, a retention of the bucket): nobody can remove it before.
    #[error("held by the store: {0}")]
    Locked(Reason),
    /// The object was moved to an archive, and has to be brought back before it can be read.
    #[error("archived: {0}")]
    Archived(Reason),
    /// The store does not encrypt as it was asked to.
    #[error("{0}")]
    NotEncrypted(Reason),
    /// Longer than it may be.
    #[error("the object has {length} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Length of the object in bytes.
        length: u64,
        /// Most bytes that the caller accepts.
        limit: u64,
    },
    /// No room is left.
    #[error("no space left: {0}")]
    Full(Reason),
    /// The store cannot be reached, or breaks off; trying again later may help.
    #[error("storage unavailable: {0}")]
    Unavailable(Reason),
    /// Anything else, in the store's own words.
    #[error("{0}")]
    Other(Reason),
}

impl StorageError {
    /// Anything else, in the store's own words.
    pub fn other(reason: impl Into<Reason>) -> Self {
        Self::Other(reason.into())
    }

    /// The store cannot be reached, or breaks off.
    pub fn unavailable(reason: impl Into<Reason>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// There is one of that name.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::AlreadyExists | Self::Taken)
    }

    /// The stable code for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists | Self::Taken => "already_exists",
            Self::NoSuchPlace(_) => "no_such_bucket",
            Self::NotAPlace(_) => "not_a_store",
            Self::AccessDenied(_) => "access_denied",
            Self::Archived(_) => "archived",
            Self::Locked(_) => "object_locked",
            Self::NotEncrypted(_) => "not_encrypted",
            Self::TooLarge { .. } => "too_large",
            Self::Full(_) => "no_space",
            Self::Unavailable(_) | Self::Other(_) => "storage_unavailable",
        }
    }
}

impl Explain for StorageError {
    fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(self.code());
        let (reason, usual) = match self {
            Self::NotFound | Self::AlreadyExists | Self::Taken | Self::TooLarge { .. } => return meaning,
            Self::NoSuchPlace(reason) => (reason, Some(Hint::MakePlace)),
            Self::NotAPlace(reason) => (reason, Some(Hint::OtherPlaceOrEndpoint)),
            Self::AccessDenied(reason) => (
                reason,
                Some(Hint::words(
                    "the credentials need permission to list, get and put below the prefix, and to delete unfinished uploads",
                )),
            ),
            Self::Archived(reason) => (reason, Some(Hint::words("bring the object back from the archive first"))),
            Self::Locked(reason) => (
                reason,
                Some(Hint::words(
                    "the store removes nothing that its object lock or retention holds: prune again once the time is over",
                )),
            ),
            Self::Full(reason) => (reason, Some(Hint::MakeRoom)),
            Self::Unavailable(reason) => (reason, Some(Hint::words("check the store and the network, then try again"))),
            Self::NotEncrypted(reason) | Self::Other(reason) => (reason, None),
        };
        Meaning { hint: reason.hint.clone().or(usual), ..meaning }
    }
}
