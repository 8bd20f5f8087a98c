//! A stream of bytes to a server, over TCP, TLS or a unix socket, and how long each step of opening it took.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::tls::{Ours, fault_of, missed_certificate};
use super::{Address, ConnectFault, Phase, Tls, TlsFault, probe};
use crate::blocking;

/// What a stream can be made of.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A stream of bytes to a server, whatever carries it.
pub struct Stream {
    io: Box<dyn Io>,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    ours: Option<Arc<Ours>>,
}

/// How long each step of connecting took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up the name; `None` for an IP address or a unix socket.
    pub dns: Option<Duration>,
    /// The TCP connection, or that of the unix socket.
    pub tcp: Duration,
    /// The TLS handshake, without the time to read our own files.
    pub tls: Option<Duration>,
    /// One round trip with `AUTH`, `SELECT` and what else we tell about ourselves.
    pub auth: Duration,
    /// One round trip with `PING`.
    pub ping: Duration,
}

impl Stream {
    /// A stream made of anything that reads and writes; it has no addresses.
    pub fn new(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self { io: Box::new(io), local: None, peer: None, ours: None }
    }

    /// Our end of a TCP connection: the address under which this host reaches the server.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// The server's end of a TCP connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// With TLS: our certificate, and whether the server has asked for it.
    pub(super) fn ours(&self) -> Option<&Arc<Ours>> {
        self.ours.as_ref()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("local", &self.local).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Opens a stream before `deadline`; `after` is the time that the attempt had, for the error.
pub(super) async fn open(
    address: &Address,
    tls: Option<&Tls>,
    deadline: Instant,
    after: Duration,
) -> Result<(Stream, Phases), ConnectFault> {
    let mut phases = Phases::default();
    let (host, port) = match address {
        Address::Tcp { host, port } => (host.as_str(), *port),
        Address::Unix { path } => return open_unix(path, deadline, after).await,
        Address::Sentinel { .. } => {
            return Err(ConnectFault::Sentinel { reason: "a Sentinel named a Sentinel group".to_owned() });
        }
    };
    // Settings that cannot be used are told before the server is asked: they say nothing about it.
    let prepared = match tls {
        Some(tls) => Some(Prepared::of(tls, host).await?),
        None => None,
    };
    let addresses = resolve(host, port, deadline, after, &mut phases).await?;
    let begun = Instant::now();
    let tcp = connect_to_any(&addresses, deadline, after).await?;
    phases.tcp = begun.elapsed();
    let (local, peer) = (tcp.local_addr().ok(), tcp.peer_addr().ok());
    let ours = prepared.as_ref().map(|prepared| prepared.ours.clone());
    let io: Box<dyn Io> = match prepared {
        None => Box::new(tcp),
        Some(prepared) => Box::new(handshake(tcp, prepared, deadline, after, &mut phases).await?),
    };
    Ok((Stream { io, local, peer, ours }, phases))
}

async fn open_unix(path: &Path, deadline: Instant, after: Duration) -> Result<(Stream, Phases), ConnectFault> {
    let begun = Instant::now();
    let socket = timeout_at(deadline, UnixStream::connect(path))
        .await
        .map_err(|_| ConnectFault::Timeout { phase: Phase::Tcp, after })?
        .map_err(|error| not_connected(&error))?;
    Ok((Stream::new(socket), Phases { tcp: begun.elapsed(), ..Phases::default() }))
}

async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
    after: Duration,
    phases: &mut Phases,
) -> Result<Vec<SocketAddr>, ConnectFault> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let begun = Instant::now();
    let fail = |reason: String| ConnectFault::Dns { host: host.to_owned(), reason };
    let found: Vec<_> = timeout_at(deadline, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| ConnectFault::Timeout { phase: Phase::Dns, after })?
        .map_err(|error| fail(words(&error)))?
        .collect();
    phases.dns = Some(begun.elapsed());
    if found.is_empty() { Err(fail("the name has none".to_owned())) } else { Ok(found) }
}

/// Tries one address after the other. Each gets an equal share of the time that is left, so that a dead one (an IPv6 address
/// without a route, say) leaves time for the next.
async fn connect_to_any(
    addresses: &[SocketAddr],
    deadline: Instant,
    after: Duration,
) -> Result<TcpStream, ConnectFault> {
    let mut fault = ConnectFault::Timeout { phase: Phase::Tcp, after };
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let n_left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        fault = match timeout_at(Instant::now() + left / n_left, connect_tcp(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => not_connected(&error),
            Err(_) => ConnectFault::Timeout { phase: Phase::Tcp, after },
        };
    }
    Err(fault)
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// TLS settings that were read and can be used, for one host.
pub(super) struct Prepared {
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
    ours: Arc<Ours>,
}

impl Prepared {
    /// Reads the files.
    ///
    /// # Errors
    /// [`ConnectFault::TlsSettings`]
    pub(super) async fn of(tls: &Tls, host: &str) -> Result<Self, ConnectFault> {
        let settings = |reason: String| ConnectFault::TlsSettings { reason };
        let name = tls.name_for(host).map_err(settings)?;
        let files = tls.clone();
        let (config, ours) = blocking::run(move || files.client_config()).await.map_err(settings)?;
        Ok(Self { config: Arc::new(config), name, ours })
    }
}

/// A port that speaks TLS answers the first message at once. One in plain text waits for the end of a line: after this share of the
/// time that an attempt has, and at most a second, it is looked at.
const SILENT_SHARE: u32 = 4;

async fn handshake(
    tcp: TcpStream,
    prepared: Prepared,
    deadline: Instant,
    after: Duration,
    phases: &mut Phases,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectFault> {
    let begun = Instant::now();
    let peer = tcp.peer_addr().ok();
    let silent = (after / SILENT_SHARE).min(Duration::from_secs(1));
    let is_plain = async |pause: Duration| {
        tokio::time::sleep(pause).await;
        match peer {
            Some(peer) => probe::speaks_plain_text(peer).await,
            None => false,
        }
    };
    let connecting = TlsConnector::from(prepared.config).connect(prepared.name, tcp);
    let outcome = tokio::select! {
        outcome = timeout_at(deadline, connecting) => outcome,
        true = is_plain(silent) => return Err(ConnectFault::PlainPort),
    };
    match outcome {
        Ok(Ok(stream)) => {
            phases.tls = Some(begun.elapsed());
            Ok(stream)
        }
        Ok(Err(error)) => match tls_fault(&error, &prepared.ours) {
            Some(fault) => Err(fault),
            None if is_plain(Duration::ZERO).await => Err(ConnectFault::PlainPort),
            None => Err(ConnectFault::Tls { fault: TlsFault::Other, reason: no_tls(&error).to_owned() }),
        },
        Err(_) => Err(ConnectFault::Timeout { phase: Phase::Tls, after }),
    }
}

/// What the handshake failed of; `None`: the other side may not speak TLS at all.
fn tls_fault(error: &io::Error, ours: &Ours) -> Option<ConnectFault> {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let (fault, reason) = match cause {
        Some(rustls::Error::InvalidMessage(_)) => return None,
        Some(cause) => fault_of(cause, ours),
        None if is_closed(error) && ours.is_missed() => missed_certificate(),
        None if is_closed(error) => return None,
        None => (TlsFault::Other, words(error)),
    };
    Some(ConnectFault::Tls { fault, reason })
}

fn no_tls(error: &io::Error) -> &'static str {
    match is_closed(error) {
        true => "the server closed the connection during the handshake",
        false => "the server does not speak TLS on this port",
    }
}

fn not_connected(error: &io::Error) -> ConnectFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFault::Refused,
        io::ErrorKind::TimedOut => ConnectFault::Unreachable { reason: "no answer from the host".to_owned() },
        _ => ConnectFault::Unreachable { reason: words(error) },
    }
}

/// Whether an error means that the other side has closed the connection.
pub(super) fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected)
}

/// The system's words without the number: `No such file or directory (os error 2)` becomes `no such file or directory`.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
