//! Our own certificate, and whether the server has asked for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Our certificate, if one was given. Notes that the server asks: what it says about the answer is lost when it closes the connection
/// before its alert is read.
#[derive(Debug)]
pub(in crate::connection) struct Ours {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Ours {
    pub(super) fn new(key: Option<CertifiedKey>) -> Self {
        Self { key: key.map(Arc::new), asked: AtomicBool::new(false) }
    }

    /// The server has asked for a certificate, and there is none.
    pub(in crate::connection) fn is_missed(&self) -> bool {
        self.key.is_none() && self.asked.load(Ordering::Relaxed)
    }

    /// The server has seen our certificate.
    pub(in crate::connection) fn was_shown(&self) -> bool {
        self.key.is_some() && self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Ours {
    fn resolve(&self, _root_hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
