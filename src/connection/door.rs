//! Why a connection that was opened gave no answer: what is known of it, and what a look at its port tells.

use std::net::SocketAddr;
use std::sync::Arc;

use super::tls::{Ours, missed_certificate};
use super::{ConnectFault, Phase, Stream, probe};

/// What is known of a connection before it is spoken on, for when it fails.
pub(super) struct Door {
    peer: Option<SocketAddr>,
    /// With TLS: what the server made of our certificate.
    ours: Option<Arc<Ours>>,
}

impl Door {
    pub(super) fn of(stream: &Stream) -> Self {
        Self { peer: stream.peer_addr(), ours: stream.ours().cloned() }
    }

    /// The fault, or a better one: why the first words were not answered.
    pub(super) async fn explain(&self, fault: ConnectFault) -> ConnectFault {
        let closed =
            matches!(fault, ConnectFault::Disconnected { phase: Phase::Handshake | Phase::Auth | Phase::Ping });
        match (&self.ours, self.peer) {
            // With TLS 1.3 the verdict on our certificate comes after our side of the handshake is done, and may be lost.
            (Some(ours), _) if closed && ours.is_missed() => {
                let (fault, reason) = missed_certificate();
                ConnectFault::Tls { fault, reason }
            }
            (None, Some(peer)) if closed || matches!(fault, ConnectFault::Protocol { .. }) => {
                match probe::speaks_tls(peer).await {
                    true => ConnectFault::TlsPort,
                    false => fault,
                }
            }
            _ => fault,
        }
    }
}
