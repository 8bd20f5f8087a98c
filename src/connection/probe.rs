//! A look at a port that does not answer as it was spoken to: is it a Redis in plain text, or one that speaks TLS?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::Tls;
use crate::blocking;

/// How long a look at the port may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Whether a Redis answers in plain text, whatever it says. Asked on a connection of its own.
pub(super) async fn speaks_plain_text(peer: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(peer).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut first = [0; 5];
        stream.read_exact(&mut first).await?;
        std::io::Result::Ok(first)
    };
    let answer = timeout_at(Instant::now() + LIMIT, asked).await;
    // `+PONG`, or `-NOAUTH`, `-DENIED`, `-LOADING`, `-ERR max number of clients reached`.
    matches!(answer, Ok(Ok([b'+', b'P', ..] | [b'-', b'A'..=b'Z', b'A'..=b'Z', ..])))
}

/// Whether somebody speaks TLS, whatever comes of it. Asked on a connection of its own.
pub(super) async fn speaks_tls(peer: SocketAddr) -> bool {
    let anybody = Tls { insecure: true, ..Tls::default() };
    let Ok((config, _)) = blocking::run(move || anybody.client_config()).await else { return false };
    let asked = async {
        let stream = TcpStream::connect(peer).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::from(peer.ip()), stream).await
    };
    match timeout_at(Instant::now() + LIMIT, asked).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            matches!(cause, Some(rustls::Error::AlertReceived(_) | rustls::Error::InvalidCertificate(_)))
        }
        Err(_) => false,
    }
}
