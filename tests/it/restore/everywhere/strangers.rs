//! Who else connects to our port while a target is fed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::stored::{Stored, backup_from, check, with_each};
use crate::support::redis_server::{Installed, RedisServer, free_port};

/// A target that takes its time to load.
fn slow(installed: &Installed) -> RedisServer {
    RedisServer::builder().version(installed).arg("key-load-delay", "200").start().unwrap()
}

const NOBODY: &str = "9999999999999999999999999999999999999999";

/// What a stranger says, and all that it may hear.
const TALKS: [(&str, &str); 5] = [
    ("PING\r\nREPLCONF listening-port 1 capa eof capa psync2\r\nPSYNC ? -1\r\n", "+PONG\r\n+OK\r\n"),
    ("PING\r\nPSYNC 9999999999999999999999999999999999999999 1\r\n", "+PONG\r\n"),
    ("SYNC\r\n", ""),
    ("GET / HTTP/1.1\r\n\r\n", ""),
    ("REPLCONF ACK 1\r\n", ""),
];

/// Everything that comes back for `words`; `None`: nobody listens there.
fn talk(port: u16, words: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A connection that is closed at once may break the write.
    let _ = stream.write_all(words.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn restore_among_strangers(stored: &Stored, target: &RedisServer) {
    assert!(TALKS[1].0.contains(NOBODY));
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let ended = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        let strangers: Vec<_> = TALKS
            .iter()
            .map(|(words, _)| {
                let ended = &ended;
                scope.spawn(move || {
                    let mut heard = Vec::new();
                    while !ended.load(Ordering::Relaxed) {
                        heard.extend(talk(port, words));
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    heard
                })
            })
            .collect();
        let more = ["--method", "replica", "--listen", &listen, "--json"];
        let running = stored.restoring(target, &more).spawn();
        target.wait_for("it loads", |target| target.cli(&["INFO", "persistence"]).contains("\nloading:1"));
        // The target has come: now nobody else is answered at all.
        for (words, _) in TALKS {
            assert_eq!(talk(port, words).as_deref(), Some(""), "{words:?} to {}", target.installed().name);
        }
        let run = running.wait();
        ended.store(true, Ordering::Relaxed);
        for (stranger, (words, may_hear)) in strangers.into_iter().zip(TALKS) {
            let heard = stranger.join().unwrap();
            assert!(!heard.is_empty(), "{words:?} was said at least once");
            // Whole answers or a beginning of them, where the connection was closed under it.
            assert!(heard.iter().all(|answer| may_hear.starts_with(answer.as_str())), "{words:?}: {heard:?}");
        }
        run
    });
    let answer = (run.code, run.json());
    check(&answer, 0, "replica");
    assert_eq!(answer.1["proof"]["equal"], 2_000, "{}", answer.1);
    assert_eq!(target.info("role"), "master");
}

#[test]
fn who_else_connects_hears_not_one_byte_of_the_backup_and_the_restore_ends_well() {
    with_each(|installed| restore_among_strangers(&backup_from(installed, 2_000, 3_000), &slow(installed)));
}
