//! A real Sentinel that watches a server.

use std::time::Duration;

use super::redis_server::{Client, RedisServer, free_port};

/// A Sentinel. Killed when dropped.
pub struct Sentinel {
    child: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    /// Watches a server as `mymaster`, with this quorum. `None` (and "skipped" is said) if no server is installed.
    pub fn of(server: &RedisServer, quorum: u32) -> Option<Self> {
        Self::with_settings(server, quorum, "")
    }

    /// The same, with more lines in its settings.
    pub fn with_settings(server: &RedisServer, quorum: u32, more: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} {quorum}\nsentinel down-after-milliseconds mymaster 60000\n{more}",
            folder.path().display(),
            server.port()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("written");
        let null = std::process::Stdio::null;
        let mut command = std::process::Command::new(&server.installed().path);
        command.arg(&file).arg("--sentinel").stdin(null()).stdout(null()).stderr(null());
        let sentinel = Self { child: command.spawn().expect("it starts"), port, _folder: folder };
        for _ in 0..500 {
            if Client::tcp(port).and_then(|mut client| client.ask(&[b"PING"])).is_ok() {
                return Some(sentinel);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the Sentinel does not answer");
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
