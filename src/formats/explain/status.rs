//! The answer of a command: yes, yes with warnings, no, could not tell.

use serde::Serialize;

/// How a command ended; the same for the exit code and for the JSON field `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Done, and the answer is yes: exit 0.
    Ok,
    /// Done, with warnings: exit 1.
    Warning,
    /// Could not tell, or not understood: exit 3.
    Unknown,
    /// Failed, or the answer is no: exit 2. The worst of all, so that a damaged backup among unknown ones is not hidden.
    Failed,
}

impl Status {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Failed => 2,
            Self::Unknown => 3,
        }
    }

    /// The worse of the two.
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}
