//! What was seen of the credentials: what messages about the store may say of them.

use std::sync::{Mutex, PoisonError};

use super::Reason;

/// What was seen of the credentials: for messages. Each lock is held for one copy, never over an await.
#[derive(Debug, Default)]
pub(super) struct Seen {
    key_id: Mutex<Option<String>>,
    fault: Mutex<Option<Reason>>,
}

impl Seen {
    /// The id of the key that requests are signed with, which is no secret.
    pub(super) fn key_id(&self) -> Option<String> {
        self.key_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why there are no credentials, if the last attempt to get some failed.
    pub(super) fn fault(&self) -> Option<Reason> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what the last attempt to get credentials gave: the id of the key, or why there is none.
    pub(super) fn note(&self, key_id: Option<String>, fault: Option<Reason>) {
        *self.key_id.lock().unwrap_or_else(PoisonError::into_inner) = key_id;
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}
