//! An object of a repository, read ahead of the thread that takes it.

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::storage::{Reader, StorageError};

/// Chunks that wait between a store and the unpacking: some hide a round trip.
const STORED_AHEAD: usize = 8;

/// An object that the runtime reads ahead.
pub(super) struct Feed {
    chunks: mpsc::Receiver<Result<Bytes, StorageError>>,
    reading: tokio::task::JoinHandle<Reader>,
    runtime: Handle,
}

impl Feed {
    /// Begins to read ahead. Must be called within a runtime.
    pub(super) fn of(reader: Reader) -> Self {
        Self::start(reader, Handle::current())
    }

    /// The next chunk; blocks.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, StorageError>> {
        self.chunks.blocking_recv()
    }

    fn start(mut reader: Reader, runtime: Handle) -> Self {
        let (sender, chunks) = mpsc::channel(STORED_AHEAD);
        let reading = runtime.spawn(async move {
            loop {
                let next = tokio::select! {
                    next = reader.next() => next.transpose(),
                    // Nobody takes more: a store that is away need not be waited for.
                    () = sender.closed() => None,
                };
                let Some(chunk) = next else { break };
                let is_last = chunk.is_err();
                if sender.send(chunk).await.is_err() || is_last {
                    break;
                }
            }
            reader
        });
        Self { chunks, reading, runtime }
    }

    /// Reads the object from the store once more, from an offset on; blocks.
    pub(super) fn back_to(self, offset: u64) -> Result<Self, StorageError> {
        let Self { chunks, reading, runtime } = self;
        drop(chunks);
        let reader = runtime.block_on(async {
            let mut reader = reading.await.map_err(|error| StorageError::other(error.to_string()))?;
            reader.back_to(offset).await?;
            Ok::<_, StorageError>(reader)
        })?;
        Ok(Self::start(reader, runtime))
    }
}
