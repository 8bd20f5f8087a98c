//! The bytes of an RDB, wherever they come from: produced ahead on other threads, taken chunk by chunk on a plain thread.

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

/// Chunks that wait between producer and consumer. With chunks of at most 1 MiB this bounds the memory.
const CHUNKS_AHEAD: usize = 8;

/// An RDB as a stream of chunks. The end of the chunks is the end of the stream; an error ends it, too.
#[derive(Debug)]
pub struct Raw {
    receiver: Receiver<Result<Bytes, RawError>>,
}

impl Raw {
    /// A stream and the end that feeds it. A feeder that finds the other end gone stops.
    pub fn channel() -> (Sender<Result<Bytes, RawError>>, Self) {
        let (sender, receiver) = bounded(CHUNKS_AHEAD);
        (sender, Self { receiver })
    }

    /// The next chunk; blocks, so never call it on a thread of the runtime. `None` at the end.
    pub fn next(&mut self) -> Option<Result<Bytes, RawError>> {
        self.receiver.recv().ok()
    }
}

/// Why the bytes of an RDB do not come.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The object cannot be read.
    #[error(transparent)]
    Storage(#[from] crate::storage::StorageError),
    /// A local file cannot be read.
    #[error(transparent)]
    File(#[from] std::io::Error),
}
