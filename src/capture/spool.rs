//! What waits for a store that is slow or away: some memory, then a file, up to a limit.
//!
//! A primary drops a replica that takes nothing for `repl-timeout`. So the replication link is read on while the store is away: what
//! comes is checked and compressed as ever, and waits here. From half of the limit on the link is read only as much as its primary
//! must see ([`Gate`]); when all is full, and nothing moves for the whole of `repl-timeout`, the capture ends with that reason.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::incoming::CaptureError;
use crate::blocking;

/// Waits in memory before a file is used, bytes.
const MEMORY: usize = 4 << 20;
/// A file is given back to the system when so many bytes of it were read.
const SEGMENT: u64 = 16 << 20;
/// Read from a file at once, bytes.
const CHUNK: u64 = 512 << 10;
/// Taken from the link at a time while it is only kept alive, bytes: a kernel tells the sender of room only when a good deal of its
/// buffer has become free.
const SIP: u64 = 2 << 20;

/// Where bytes may wait, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooling {
    /// The folder for the file, which has no name there.
    pub folder: PathBuf,
    /// Bytes at most; 0: no file.
    pub limit: u64,
}

impl Spooling {
    /// Some memory and no file.
    pub fn none() -> Self {
        Self { folder: PathBuf::new(), limit: 0 }
    }
}

struct Shared {
    spooling: Spooling,
    state: Mutex<State>,
    /// Something came, or nothing more will.
    filled: Notify,
    /// Something was taken: for the thread that brings, and for the gate.
    drained: Condvar,
    relieved: Notify,
}

#[derive(Default)]
struct State {
    memory: VecDeque<Bytes>,
    in_memory: usize,
    segments: VecDeque<Segment>,
    /// Bytes in files that were not taken yet.
    spooled: u64,
    /// No file can be written any more.
    is_broken: bool,
    is_waiting: bool,
    all_came: bool,
    is_abandoned: bool,
}

struct Segment {
    file: Arc<File>,
    written: u64,
    taken: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue of bytes with both of its ends, and the gate for what feeds it.
pub(super) fn queue(spooling: Spooling, repl_timeout: Duration) -> (Inlet, Outlet, Gate) {
    let shared = Arc::new(Shared {
        spooling,
        state: Mutex::default(),
        filled: Notify::new(),
        drained: Condvar::new(),
        relieved: Notify::new(),
    });
    let gate = Gate { shared: Arc::clone(&shared), repl_timeout, passed: 0, last: Instant::now() };
    (Inlet(Arc::clone(&shared)), Outlet(shared), gate)
}

/// The end of a plain thread.
pub(super) struct Inlet(Arc<Shared>);

impl Inlet {
    /// Brings bytes; waits while all is full. False if nobody takes them any more.
    pub(super) fn push(&self, bytes: Bytes) -> bool {
        let shared = &*self.0;
        let mut state = shared.state();
        loop {
            if state.is_abandoned {
                return false;
            }
            if state.spooled == 0 {
                // All was taken: memory is enough again.
                state.segments.clear();
            }
            if state.segments.is_empty() && (state.memory.is_empty() || state.in_memory + bytes.len() <= MEMORY) {
                state.in_memory += bytes.len();
                state.memory.push_back(bytes);
                shared.filled.notify_one();
                return true;
            }
            if !state.is_broken && state.spooled + bytes.len() as u64 <= shared.spooling.limit {
                drop(state);
                // Only this end writes: the other one is not held up meanwhile.
                let written = self.write(&bytes);
                state = shared.state();
                match written {
                    Ok(()) => {
                        shared.filled.notify_one();
                        return true;
                    }
                    Err(error) => {
                        state.is_broken = true;
                        tracing::warn!("cannot write to the spool in {}: {error}", shared.spooling.folder.display());
                    }
                }
                continue;
            }
            state.is_waiting = true;
            state = shared.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.is_waiting = false;
        }
    }

    fn write(&self, bytes: &Bytes) -> io::Result<()> {
        let shared = &*self.0;
        let tail = {
            let state = shared.state();
            let tail = state.segments.back().filter(|segment| segment.written < SEGMENT);
            tail.map(|segment| (Arc::clone(&segment.file), segment.written))
        };
        let (file, at) = match tail {
            Some(tail) => tail,
            None => (Arc::new(tempfile::tempfile_in(&shared.spooling.folder)?), 0),
        };
        file.write_all_at(bytes, at)?;
        let mut state = shared.state();
        let length = bytes.len() as u64;
        state.spooled += length;
        match state.segments.back_mut() {
            Some(segment) if Arc::ptr_eq(&segment.file, &file) => segment.written += length,
            _ => state.segments.push_back(Segment { file, written: length, taken: at }),
        }
        Ok(())
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.state().all_came = true;
        self.0.filled.notify_one();
    }
}

/// The asynchronous end.
pub(super) struct Outlet(Arc<Shared>);

impl Outlet {
    /// The next bytes, in the order in which they came; `None` at the end.
    pub(super) async fn pop(&mut self) -> io::Result<Option<Bytes>> {
        let shared = &*self.0;
        loop {
            let part = {
                let mut state = shared.state();
                if let Some(bytes) = state.memory.pop_front() {
                    state.in_memory -= bytes.len();
                    drop(state);
                    self.tell();
                    return Ok(Some(bytes));
                }
                let part = state.segments.front().filter(|segment| segment.taken < segment.written);
                let part = part.map(|segment| (Arc::clone(&segment.file), segment.taken, segment.written));
                if part.is_none() && state.all_came {
                    return Ok(None);
                }
                part
            };
            match part {
                Some((file, at, end)) => return self.take(file, at, (end - at).min(CHUNK)).await.map(Some),
                None => shared.filled.notified().await,
            }
        }
    }

    async fn take(&self, file: Arc<File>, at: u64, length: u64) -> io::Result<Bytes> {
        let bytes = blocking::run(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut bytes, at).map(|()| Bytes::from(bytes))
        })
        .await?;
        {
            let mut state = self.0.state();
            state.spooled -= length;
            if let Some(segment) = state.segments.front_mut() {
                segment.taken += length;
                // The last one may be written to just now, unless it is full.
                if segment.taken == segment.written && segment.written >= SEGMENT {
                    state.segments.pop_front();
                }
            }
        }
        self.tell();
        Ok(bytes)
    }

    fn tell(&self) {
        self.0.drained.notify_one();
        self.0.relieved.notify_one();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.state().is_abandoned = true;
        self.tell();
    }
}

/// Holds back the reader of the link, but never for so long that the primary drops the link.
pub(super) struct Gate {
    shared: Arc<Shared>,
    repl_timeout: Duration,
    /// Bytes since the last pause.
    passed: u64,
    last: Instant,
}

impl Gate {
    /// Passes on at once as long as there is room; while more than half of it is taken, [`SIP`] bytes each third of `repl-timeout`.
    pub(super) async fn pass(&mut self, bytes: u64) {
        self.passed += bytes;
        if !self.is_under_pressure() {
            (self.passed, self.last) = (0, Instant::now());
            return;
        }
        let until = self.last + self.repl_timeout / 3;
        while self.passed >= SIP && self.is_under_pressure() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Either something was taken, or it is time for the next sip.
            let _ = timeout(left, self.shared.relieved.notified()).await;
        }
        if self.passed >= SIP {
            (self.passed, self.last) = (0, Instant::now());
        }
    }

    /// Waits for `sending`, which ends when there is room. An error if there is none for the whole of `repl-timeout`.
    pub(super) async fn room<T>(&self, sending: impl Future<Output = T>) -> Result<T, CaptureError> {
        tokio::pin!(sending);
        loop {
            match timeout(self.repl_timeout, &mut sending).await {
                Ok(sent) => return Ok(sent),
                Err(_) if self.shared.state().is_waiting => {
                    let state = self.shared.state();
                    return Err(CaptureError::SpoolFull {
                        folder: self.shared.spooling.folder.clone(),
                        held: state.spooled,
                        waited: self.repl_timeout,
                    });
                }
                // What is slow is our own work, not the store.
                Err(_) => {}
            }
        }
    }

    fn is_under_pressure(&self) -> bool {
        let state = self.shared.state();
        match self.shared.spooling.limit {
            0 => state.is_waiting,
            limit => state.is_waiting || state.spooled > limit / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn spooling(folder: &Path, limit: u64) -> Spooling {
        Spooling { folder: folder.to_owned(), limit }
    }

    #[tokio::test]
    async fn everything_comes_out_in_order_and_nothing_is_left_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (inlet, mut outlet, _) = queue(spooling(folder.path(), 100 << 20), Duration::from_secs(60));
        let frame = |number: u32| Bytes::from(number.to_le_bytes().repeat(100_000 + (number as usize * 7919) % 50_000));
        let brought = std::thread::spawn(move || (0..150).all(|number| inlet.push(frame(number))));
        // The thread is through before anything is taken: most of it went through files.
        assert!(tokio::task::spawn_blocking(|| brought.join().unwrap()).await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
        let expected: Vec<u8> = (0..150).flat_map(|number| frame(number).to_vec()).collect();
        let mut found = Vec::new();
        while let Some(bytes) = outlet.pop().await.unwrap() {
            found.extend_from_slice(&bytes);
        }
        assert!(found == expected, "{} bytes of {}", found.len(), expected.len());
    }

    #[tokio::test]
    async fn what_comes_and_goes_for_long_takes_no_more_than_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let (inlet, mut outlet, _) = queue(spooling(folder.path(), 8 << 20), Duration::from_secs(60));
        let brought =
            std::thread::spawn(move || (0..200_u8).all(|number| inlet.push(Bytes::from(vec![number; 1 << 20]))));
        let (mut next, mut within) = (0_u64, 0_u64);
        while let Some(bytes) = outlet.pop().await.unwrap() {
            for byte in bytes.iter() {
                assert_eq!(u64::from(*byte), next);
                within += 1;
                if within == 1 << 20 {
                    (next, within) = (next + 1, 0);
                }
            }
            assert!(outlet.0.state().spooled <= 8 << 20);
        }
        assert_eq!(next, 200);
        assert!(brought.join().unwrap());
    }

    #[tokio::test]
    async fn a_full_spool_lets_sips_pass_and_ends_what_cannot_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let third = Duration::from_millis(100);
        let (inlet, outlet, mut gate) = queue(spooling(folder.path(), 1 << 20), third * 3);
        std::thread::spawn(move || (0..20).all(|_| inlet.push(Bytes::from(vec![0; 1 << 20]))));
        while !gate.is_under_pressure() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let begun = Instant::now();
        for _ in 0..6 {
            gate.pass(1 << 20).await;
        }
        // Six MiB are three sips: the pauses behind each are a third of repl-timeout at most.
        assert!(begun.elapsed() >= third * 2, "{:?}", begun.elapsed());
        let stuck = gate.room(std::future::pending::<()>()).await.unwrap_err();
        assert!(matches!(stuck, CaptureError::SpoolFull { .. }), "{stuck}");
        drop(outlet);
    }

    #[test]
    fn without_a_folder_there_is_memory_and_a_warning() {
        let (inlet, outlet, _) = queue(spooling(Path::new("/nowhere/at/all"), 1 << 30), Duration::from_secs(60));
        let brought = std::thread::spawn(move || (0..8).all(|_| inlet.push(Bytes::from(vec![0; 1 << 20]))));
        std::thread::sleep(Duration::from_millis(50));
        drop(outlet);
        assert!(!brought.join().unwrap(), "what nobody takes ends");
    }
}
