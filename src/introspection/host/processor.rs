//! How long threads were ready to run and had to wait for a processor: `/proc/…/schedstat`.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The threads whose waiting is part of the time that a PING takes: ours, and the server's where it runs on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Processor {
    server: Option<u64>,
}

impl Processor {
    /// `server`: the process of a server on this machine ([`super::process_of`]); without one only we are looked at.
    pub fn of(server: Option<u64>) -> Self {
        Self { server }
    }

    /// How long they have waited since they began; 0 where the system does not tell.
    pub fn waited(self) -> Duration {
        // A server answers in its first thread.
        let server = self.server.map(|process| of_thread(Path::new(&format!("/proc/{process}"))));
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        threads.map(|thread| of_thread(&thread.path())).chain(server).sum()
    }
}

fn of_thread(folder: &Path) -> Duration {
    let text = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
    Duration::from_nanos(waited_in(&text).unwrap_or(0))
}

/// Nanoseconds on a processor, nanoseconds waiting for one, turns.
fn waited_in(text: &str) -> Option<u64> {
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_is_the_time_of_waiting() {
        assert_eq!(waited_in("1573431 8144942 2\n"), Some(8_144_942));
        assert_eq!((waited_in(""), waited_in("7")), (None, None));
        let before = Processor::of(None).waited();
        assert!(Processor::of(Some(u64::MAX)).waited() >= before);
    }
}
