//! Expiries of the fields of a hash: whether anything of it lives, until when, and how many have expired.

/// When the fields of a hash expire.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fields {
    /// A field has no expiry, or none has been read yet.
    pub(super) living: bool,
    /// At least one field never expires.
    pub(super) lasting: bool,
    /// The last of the others, Unix milliseconds.
    pub(super) last_ms: i64,
    /// Fields that have expired.
    pub(super) gone: u64,
}

impl Fields {
    pub(super) fn note(&mut self, expire_ms: Option<i64>, now_ms: i64) {
        match expire_ms {
            None => (self.living, self.lasting) = (true, true),
            Some(at) => {
                self.living |= at > now_ms;
                self.gone += u64::from(at <= now_ms);
                self.last_ms = self.last_ms.max(at);
            }
        }
    }
}
