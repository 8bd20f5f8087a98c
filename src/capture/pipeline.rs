//! From a stream of raw bytes to an object: checked, compressed, encrypted if it is to be, and uploaded on the way.
//!
//! ```text
//! reading (async) ─► inspect, hand to the compressor (thread) ─► frames by all cores ─► encrypt, SHA-256 (thread) ─► spool ─► upload (async)
//! ```
//!
//! Every arrow is bounded: a slow store fills the spool and then slows the reading, and memory stays flat. The upload is left
//! incomplete: whether the object may become visible is decided by who sees the whole.

use std::io::{self, BufWriter, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::incoming::{CaptureError, Source};
use super::inspect::{Inspected, Inspector};
use super::spool::{self, Gate, Inlet, Outlet, Spooling};
use crate::blocking;
use crate::codec::{Codec, Compressor, Frames, Sha256Digest, lower_priority};
use crate::dataset::pass::{self, Take};
use crate::encryption::Recipients;
use crate::progress::Progress;
use crate::storage::Upload;

/// Chunks of at most 256 KiB between the socket and the inspection: 16 MiB, so that a hiccup of the store does not at once
/// stop the reading of the socket.
const CHUNKS_AHEAD: usize = 64;

/// What has passed.
#[derive(Debug)]
pub struct Stored {
    /// What the RDB was found to be.
    pub inspected: Inspected,
    /// SHA-256 of all bytes that came, hex.
    pub raw_sha256: String,
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// SHA-256 of the object, hex.
    pub stored_sha256: String,
    /// Independent compressed frames.
    pub frames: u64,
}

/// Options of [`store`].
#[derive(Debug, Clone)]
pub struct Options {
    /// How it is compressed.
    pub codec: Codec,
    /// Threads that compress.
    pub threads: usize,
    /// At most so many raw bytes a second.
    pub rate: Option<u64>,
    /// Now, in Unix milliseconds.
    pub moment_ms: i64,
    /// For a source that does not wait: what may wait for the store, and the source's `repl-timeout`.
    pub spool: Option<(Spooling, Duration)>,
    /// To whom the compressed bytes are encrypted; `None`: they are not.
    pub recipients: Option<Recipients>,
}

/// Streams all of `source` into `upload`, checked and compressed. The upload is neither completed nor aborted here.
///
/// # Errors
/// The first thing that went wrong, not what followed from it.
pub async fn store(
    source: &mut dyn Source,
    upload: &mut dyn Upload,
    options: Options,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Stored, CaptureError> {
    let (raw_sender, raw_receiver) = mpsc::channel(CHUNKS_AHEAD);
    let (spooling, repl_timeout) = options.spool.clone().unwrap_or_else(|| (Spooling::none(), Duration::MAX));
    let (inlet, outlet, gate) = spool::queue(spooling, repl_timeout);
    let gate = options.spool.is_some().then_some(gate);
    let (compressor, frames) = Compressor::new(options.codec, options.threads)?;
    let inspection = spawn("inspect", move || inspect(raw_receiver, compressor, options.moment_ms))?;
    let recipients = options.recipients;
    let digestion = spawn("digest", move || digest(frames, inlet, recipients.as_ref()))?;

    let (read, written) = {
        let reading = read(source, raw_sender, options.rate, gate, progress);
        let work = async { tokio::join!(reading, write(outlet, upload)) };
        tokio::select! {
            ends = work => ends,
            // Dropping the work closes the channels: the threads end.
            () = cancel.cancelled() => return Err(CaptureError::Interrupted),
        }
    };
    let inspected = join(inspection).await;
    let digested = join(digestion).await;

    // What ended by the same signal as we has no fault of its own.
    if cancel.is_cancelled() {
        return Err(CaptureError::Interrupted);
    }
    // Each stage ends early when its neighbour does; the reason is with the one that did not merely find the other gone.
    let ((inspected, raw_sha256, frames), digested) = match (read, inspected, digested, written) {
        (Err(error), ..) => return Err(error),
        (_, Err(error), ..) if !is_stopped(&error) => return Err(error),
        (_, _, _, Err(error)) => return Err(error),
        (_, _, Err(error), _) if !is_stopped(&error) => return Err(error),
        (_, Err(error), ..) => return Err(error),
        (Ok(()), Ok(inspected), digested, Ok(())) => (inspected, digested),
    };
    let (stored_bytes, stored_sha256) = digested?;
    Ok(Stored { inspected, raw_sha256, stored_bytes, stored_sha256, frames })
}

fn is_stopped(error: &CaptureError) -> bool {
    matches!(error, CaptureError::Codec(error) if error.is_stopped())
}

async fn read(
    source: &mut dyn Source,
    sender: mpsc::Sender<Bytes>,
    rate: Option<u64>,
    mut gate: Option<Gate>,
    progress: &dyn Progress,
) -> Result<(), CaptureError> {
    let began = tokio::time::Instant::now();
    let mut total: u64 = 0;
    while let Some(chunk) = source.next().await? {
        let length = chunk.len() as u64;
        let sending = sender.send(chunk);
        let sent = match &gate {
            Some(gate) => gate.room(sending).await?,
            None => sending.await,
        };
        if sent.is_err() {
            // The inspection has ended: it says why.
            return Ok(());
        }
        progress.advance(length);
        total += length;
        if let Some(rate) = rate {
            #[allow(clippy::cast_precision_loss, reason = "a pause need not be exact")]
            let due = std::time::Duration::from_secs_f64(total as f64 / rate.max(1) as f64);
            tokio::time::sleep_until(began + due).await;
        }
        if let Some(gate) = &mut gate {
            gate.pass(length).await;
        }
    }
    Ok(())
}

async fn write(mut outlet: Outlet, upload: &mut dyn Upload) -> Result<(), CaptureError> {
    while let Some(bytes) = outlet.pop().await? {
        upload.write(bytes).await?;
    }
    Ok(())
}

fn inspect(
    mut receiver: mpsc::Receiver<Bytes>,
    compressor: Compressor,
    moment_ms: i64,
) -> Result<(Inspected, String, u64), CaptureError> {
    lower_priority();
    let inspector = Inspector::with_census(moment_ms).judging();
    let mut passing = Passing { inspector, sha256: Sha256Digest::new(), compressor };
    // A signal closes the channel.
    pass::drive(|| receiver.blocking_recv().map(Ok), &mut passing, &CancellationToken::new(), |_| {})?;
    let inspected = passing.inspector.finish()?;
    Ok((inspected, passing.sha256.finish(), passing.compressor.finish()?.frames))
}

/// What passes is looked into, hashed and compressed.
struct Passing {
    inspector: Inspector,
    sha256: Sha256Digest,
    compressor: Compressor,
}

impl Take for Passing {
    type Error = CaptureError;

    fn take(&mut self, chunk: &[u8]) -> Result<(), CaptureError> {
        self.sha256.update(chunk);
        self.inspector.push(chunk)?;
        Ok(self.compressor.push(chunk)?)
    }

    fn interrupted() -> CaptureError {
        CaptureError::Interrupted
    }
}

fn digest(mut frames: Frames, inlet: Inlet, recipients: Option<&Recipients>) -> Result<(u64, String), CaptureError> {
    let mut outgoing = Outgoing::into(inlet);
    let Some(recipients) = recipients else {
        lower_priority();
        while let Some(frame) = frames.next()? {
            if !outgoing.push(frame) {
                break;
            }
        }
        return Ok(outgoing.finish());
    };
    let encrypted = seal(&mut frames, recipients, outgoing);
    match encrypted {
        // The upload has ended: it says why.
        Err(CaptureError::File(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok((0, String::new())),
        encrypted => Ok(encrypted?.finish()),
    }
}

/// Encrypts frame after frame.
fn seal(frames: &mut Frames, recipients: &Recipients, outgoing: Outgoing) -> Result<Outgoing, CaptureError> {
    // A passphrase costs a moment of work, which the server must not wait for behind all other work of this machine.
    let mut sealing = recipients.seal(BufWriter::with_capacity(PIECE, outgoing))?;
    lower_priority();
    while let Some(frame) = frames.next()? {
        sealing.write_all(&frame)?;
    }
    Ok(sealing.finish()?.into_inner().map_err(|error| error.into_error())?)
}

/// Encrypted bytes go on in pieces of this length: those of `age` are short.
const PIECE: usize = 512 << 10;

/// What goes to the store, counted and hashed.
struct Outgoing {
    inlet: Inlet,
    length: u64,
    sha256: Sha256Digest,
}

impl Outgoing {
    fn into(inlet: Inlet) -> Self {
        Self { inlet, length: 0, sha256: Sha256Digest::new() }
    }

    /// False if the upload has ended: it says why.
    fn push(&mut self, bytes: Bytes) -> bool {
        self.length += bytes.len() as u64;
        self.sha256.update(&bytes);
        self.inlet.push(bytes)
    }

    /// How many bytes there were, and their digest.
    fn finish(self) -> (u64, String) {
        (self.length, self.sha256.finish())
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(Bytes::copy_from_slice(bytes)) {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Waits for a thread without holding up the runtime; its panic goes on here.
async fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
    blocking::run(|| handle.join()).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
