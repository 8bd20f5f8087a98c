//! How many bytes may be on their way to the target: the thread that makes commands waits until earlier ones have been sent.

use std::sync::{Condvar, Mutex, MutexGuard};

/// An account of bytes with a limit.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    closed: bool,
}

impl Budget {
    /// An account of which nothing is used yet.
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits until so much is free. A single piece above the limit gets through when nothing else is on its way. False once
    /// [`Budget::close`] was called.
    pub fn take(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        while !state.closed && state.used > 0 && state.used.saturating_add(bytes) > self.limit {
            state = self.freed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.used += bytes;
        !state.closed
    }

    /// Gives back the room of bytes that were sent.
    pub fn give_back(&self, bytes: usize) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(bytes);
        drop(state);
        self.freed.notify_all();
    }

    /// Nothing is sent any more: a thread that waits for room is told.
    pub fn close(&self) {
        self.lock().closed = true;
        self.freed.notify_all();
    }

    /// Whether [`Budget::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_above_the_limit_passes_alone_and_others_wait() {
        let budget = std::sync::Arc::new(Budget::new(10));
        assert!(budget.take(50), "alone it passes");
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || budget.take(1)
        });
        budget.give_back(50);
        assert!(waiting.join().unwrap());
        assert!(budget.take(9));
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || budget.take(1)
        });
        budget.close();
        assert!(!waiting.join().unwrap(), "closed");
        assert!(budget.is_closed());
    }
}
