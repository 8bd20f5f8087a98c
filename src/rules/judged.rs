//! What a rule's function answers.

use crate::finding::Finding;

/// A finding, or none, or why that cannot be said.
pub type Judged = Result<Option<Finding>, Skipped>;

/// Why a rule could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped(pub String);

impl From<String> for Skipped {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}
