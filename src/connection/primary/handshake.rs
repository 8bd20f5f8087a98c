//! Finds out whether who connected is the target: it must name the replication id that only the target and we know.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::link::Duplex;
use super::request::{Request, Requests};

/// Answers the greeting of a replica until its `PSYNC`, and goes on only if that names `replid`.
///
/// A target that was a primary offers to continue its own history, so it asks `PSYNC <its master_replid> <its offset + 1>`
/// (Redis 4.0+, `replicationCacheMasterUsingMyself`). Whoever asks for anything else is a stranger, and `None` is returned:
/// they saw `+PONG` and `+OK` at most. A first word that no replica says is not answered at all.
///
/// # Errors
/// The connection broke or ended.
pub(super) async fn recognise(stream: &mut dyn Duplex, replid: &str) -> io::Result<Option<Requests>> {
    let mut requests = Requests::default();
    let mut bytes = [0; 4096];
    loop {
        // Whoever sends nonsense is not answered.
        while let Some(request) = requests.next().map_err(io::Error::other)? {
            match request {
                Request::Ping => stream.write_all(b"+PONG\r\n").await?,
                // The target sends its `masterauth`. Any is right: we let nobody in by it.
                Request::Auth | Request::Options => stream.write_all(b"+OK\r\n").await?,
                Request::Psync { replid: asked } if asked == replid => return Ok(Some(requests)),
                Request::Psync { .. } | Request::Ack(_) | Request::Other => return Ok(None),
            }
        }
        stream.flush().await?;
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(None);
        }
        requests.push(&bytes[..length]);
    }
}
