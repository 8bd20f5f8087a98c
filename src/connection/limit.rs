//! A limit for what a server answers: what it sends is counted, and beyond the limit nothing more is taken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;

/// What a connection takes for an answer, or for the answers to what is asked together, unless it is told otherwise, in bytes. The
/// largest that is known to be good is a page of SCAN with names of 100 KiB.
pub const DEFAULT_REPLY_LIMIT: u64 = 32 << 20;

/// Counts what has come since something was sent last.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: AtomicU64,
    received: AtomicU64,
    exceeded: AtomicBool,
}

impl Gauge {
    pub(super) fn new() -> Arc<Self> {
        let (limit, received, exceeded) = (DEFAULT_REPLY_LIMIT.into(), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { limit, received, exceeded })
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether more came than is taken: the connection is of no use any more.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }
}

/// A stream whose answers are counted.
pub(super) struct Counted {
    pub(super) stream: Stream,
    pub(super) gauge: Arc<Gauge>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let n = (buf.filled().len() - before) as u64;
        let received = self.gauge.received.fetch_add(n, Ordering::Relaxed) + n;
        if received > self.gauge.limit() {
            self.gauge.exceeded.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("the answer is too large")));
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.gauge.received.store(0, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gauge.received.store(0, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
