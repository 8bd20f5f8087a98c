//! What errors mean that come from the standard library and from crates.

use std::io;

use tokio::task::JoinError;

use super::{Explain, FAILED, Meaning};

impl Explain for io::Error {
    fn meaning(&self) -> Meaning {
        match self.kind() {
            io::ErrorKind::NotFound => Meaning::of("not_found").hint(match std::env::current_dir() {
                Ok(folder) => {
                    format!("check the path: relative paths start at the current folder, {}", folder.display())
                }
                Err(_) => "check the path: relative paths start at the current folder".to_owned(),
            }),
            io::ErrorKind::PermissionDenied => Meaning::of("access_denied"),
            io::ErrorKind::AddrInUse => {
                Meaning::of("address_in_use").hint("another program already listens there: choose another port")
            }
            io::ErrorKind::AddrNotAvailable => Meaning::of("address_not_available")
                .hint("this machine has no such address: use `0.0.0.0` for all addresses"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Meaning::of("no_space"),
            _ => Meaning::of(FAILED),
        }
    }
}

/// A thread of ours that panicked, or was stopped because the runtime ended.
impl Explain for JoinError {
    fn meaning(&self) -> Meaning {
        if self.is_panic() { Meaning::bug() } else { Meaning::of(FAILED) }
    }
}

/// JSON of our own, which cannot be written or read back.
impl Explain for serde_json::Error {
    fn meaning(&self) -> Meaning {
        Meaning::of(FAILED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_has_a_code_by_its_kind() {
        for (kind, code) in [
            (io::ErrorKind::NotFound, "not_found"),
            (io::ErrorKind::PermissionDenied, "access_denied"),
            (io::ErrorKind::QuotaExceeded, "no_space"),
            (io::ErrorKind::Other, "failed"),
        ] {
            assert_eq!(io::Error::from(kind).meaning().code, code);
        }
    }
}
