//! The socket that the target connects to, and who else does.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::handshake::{self, Caller, Greeted};
use super::link::{Duplex, Link};

/// How long somebody may take to show that they are the target.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// How many connections may greet at the same time. More are dropped; the target tries again each second.
const GREETINGS_AT_ONCE: usize = 64;
/// A pause after `accept` failed (no file descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket for exactly one target.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    heard: Arc<Mutex<Heard>>,
}

/// What those told who came and were not let in.
#[derive(Debug, Default)]
struct Heard {
    turned_away: Option<SocketAddr>,
    no_tls: Option<String>,
}

impl Listener {
    /// Listens at `address` (port 0: any free one). With `tls` nobody gets a byte in the clear.
    ///
    /// # Errors
    /// The address is not ours, or the port is taken.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, tls: tls.map(TlsAcceptor::from), heard: Arc::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The last who knew the target's replication id and came from elsewhere, or as another.
    pub fn turned_away(&self) -> Option<SocketAddr> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).turned_away
    }

    /// Why the last one from the target's address did not come to speak TLS with us, in words: mostly what it has against our
    /// certificate.
    pub fn no_tls(&self) -> Option<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).no_tls.clone()
    }

    /// Waits, without an end, for the target: for the connection whose `PSYNC` names its replication id, from its address. Everybody else is dropped. Several may be heard at once, so that a silent stranger does not keep the target out.
    pub async fn recognise(&self, caller: &Caller) -> Link {
        let mut greetings: JoinSet<Option<Link>> = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) if greetings.len() < GREETINGS_AT_ONCE => {
                        greetings.spawn(greet(stream, peer, self.tls.clone(), caller.clone(), self.heard.clone()));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(greeted) = greetings.join_next() => {
                    if let Ok(Some(link)) = greeted {
                        return link;
                    }
                }
            }
        }
    }

    /// Closes every connection that comes, without a byte, for as long as it is polled: the target is already here.
    pub async fn turn_everybody_away(&self) -> std::convert::Infallible {
        loop {
            if self.socket.accept().await.is_err() {
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    caller: Caller,
    heard: Arc<Mutex<Heard>>,
) -> Option<Link> {
    let greeting = async {
        stream.set_nodelay(true)?;
        let mut stream: Box<dyn Duplex> = match tls {
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Box::new(stream),
                Err(error) => {
                    if caller.may_come_from(peer.ip()) {
                        heard.lock().unwrap_or_else(PoisonError::into_inner).no_tls = Some(error.to_string());
                    }
                    return Err(error);
                }
            },
            None => Box::new(stream),
        };
        let greeted = handshake::recognise(stream.as_mut(), peer.ip(), &caller).await?;
        std::io::Result::Ok((stream, greeted))
    };
    match tokio::time::timeout(GREETING_LIMIT, greeting).await {
        Ok(Ok((stream, Greeted::Target(requests)))) => return Some(Link::new(stream, requests, peer)),
        Ok(Ok((_, Greeted::NotWhereItIs))) => {
            heard.lock().unwrap_or_else(PoisonError::into_inner).turned_away = Some(peer);
            tracing::warn!(%peer, "refused a connection that sent the target's replication id but came from another address or port");
        }
        Ok(Ok((_, Greeted::Stranger))) | Err(_) => {
            tracing::warn!(%peer, "closed a connection to the replication port that was not from the target");
        }
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection to the replication port ended before it identified itself");
        }
    }
    None
}
