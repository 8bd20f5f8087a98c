//! A way to a store that can be cut, silenced and slowed down while it is used.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the way is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As if it were not there.
    Open,
    /// Every connection is cut, and new ones are as soon as they are there.
    Cut,
    /// Connections stay, and nothing moves.
    Silent,
    /// So many bytes a second go to the store.
    Slow(u64),
}

/// Stands before a port of this machine. It ends when it is dropped.
pub struct Proxy {
    port: u16,
    way: Arc<Mutex<Way>>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    /// Before the server of this URL, `http://127.0.0.1:PORT`.
    pub fn before(endpoint: &str) -> Self {
        Self::at(0, endpoint)
    }

    /// The same at this port; 0: any that is free.
    pub fn at(port: u16, endpoint: &str) -> Self {
        let target = endpoint.strip_prefix("http://").expect("a plain URL").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, ended) = (Arc::new(Mutex::new(Way::Open)), Arc::new(AtomicBool::new(false)));
        let (shared, end) = (Arc::clone(&way), Arc::clone(&ended));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                if *shared.lock().unwrap() == Way::Cut {
                    continue;
                }
                let Ok(store) = TcpStream::connect(&target) else { continue };
                for (from, to, is_up) in
                    [(client.try_clone().unwrap(), store.try_clone().unwrap(), true), (store, client, false)]
                {
                    let (way, ended) = (Arc::clone(&shared), Arc::clone(&end));
                    std::thread::spawn(move || carry(from, to, is_up, &way, &ended));
                }
            }
        });
        Self { port, way, ended }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the way another one, at once.
    pub fn become_(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Makes the way another one for this time.
    pub fn for_a_while(&self, way: Way, time: Duration) {
        self.become_(way);
        std::thread::sleep(time);
        self.become_(Way::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_up: bool, way: &Mutex<Way>, ended: &AtomicBool) {
    let mut buffer = [0; 8 << 10];
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let cut = |from: &TcpStream, to: &TcpStream| {
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    };
    loop {
        if ended.load(Ordering::Relaxed) {
            return cut(&from, &to);
        }
        let now = *way.lock().unwrap();
        match now {
            Way::Cut => return cut(&from, &to),
            Way::Silent => {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            Way::Open | Way::Slow(_) => {}
        }
        match from.read(&mut buffer) {
            Ok(0) => {
                drop(to.shutdown(Shutdown::Write));
                return;
            }
            Ok(length) => {
                if to.write_all(&buffer[..length]).is_err() {
                    return cut(&from, &to);
                }
                if let (Way::Slow(rate), true) = (now, is_up) {
                    std::thread::sleep(Duration::from_secs_f64(length as f64 / rate as f64));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return cut(&from, &to),
        }
    }
}
