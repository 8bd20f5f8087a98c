//! Work that waits for a disk or keeps a processor busy, away from the threads that run async code.
//!
//! An async function that waits so stops every connection, timer and signal that shares its thread. So files are read and written, and
//! long buffers hashed, in a closure given to [`run`], on a thread that may wait. `/proc` and `/sys` are no disk: the kernel answers
//! from memory. `tests/it/blocking.rs` names the async functions that reach a disk otherwise.

use tokio::task::spawn_blocking;

/// Runs `work` on a thread that may wait, and returns its result. A panic goes on in the caller. Dropping the future does not end work that has begun.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap_or_else(|gone| std::panic::resume_unwind(gone.into_panic()))
}
