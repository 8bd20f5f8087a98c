//! Ctrl-C at every stage: nothing is published, nothing is left.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Folder, backup};
use crate::support::fake_primary::{Act, FakePrimary, counted, full_resync, tiny_rdb};
use crate::support::s3::S3Server;

/// Starts a backup of a primary that stops at some point, waits until it has come there, and interrupts it.
#[track_caller]
fn check(primary: &FakePrimary, reached: &str, signal: &str, code: i32) {
    let folder = Folder::new();
    let running = backup(&primary.url(), &folder.text(), &["--json"]).spawn();
    let begun = std::time::Instant::now();
    while !primary.heard().iter().any(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case(reached))) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the primary never heard {reached}");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(signal);
    let run = running.wait();
    assert_eq!(run.code, code, "{}", run.everything());
    assert_eq!(run.json()["error"]["code"], "interrupted", "{}", run.text());
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn while_the_server_answers_nothing() {
    check(&super::primary().on("INFO", [Act::Silence]).start(), "INFO", "INT", 130);
}

#[test]
fn while_the_server_saves() {
    check(&super::primary().on("PSYNC", [Act::send("\n\n"), Act::Silence]).start(), "PSYNC", "INT", 130);
}

#[test]
fn in_the_middle_of_the_stream() {
    let rdb = tiny_rdb();
    let half = counted(&rdb)[..10].to_vec();
    let acts = [Act::send(full_resync(1)), Act::send(half), Act::Silence];
    check(&super::primary().on("PSYNC", acts.clone()).start(), "PSYNC", "INT", 130);
    check(&super::primary().on("PSYNC", acts).start(), "PSYNC", "TERM", 143);
}

/// The way to a store, and whether it carries something.
pub(super) struct Wire {
    pub endpoint: String,
    /// Nothing comes through any more.
    pub dead: Arc<AtomicBool>,
    /// Something was sent that does not come through.
    pub holds: Arc<AtomicBool>,
}

/// A wire to a store that can be made to carry nothing any more. It lives as long as the process.
pub(super) fn wire(to: &S3Server) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let to = to.endpoint().trim_start_matches("http://").to_owned();
    let wire = Wire { endpoint, dead: Arc::default(), holds: Arc::default() };
    let (dead, holds) = (Arc::clone(&wire.dead), Arc::clone(&wire.holds));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(store) = TcpStream::connect(&to) else { return };
            let pairs = [(client.try_clone(), store.try_clone()), (Ok(store), Ok(client))];
            for (from, to) in pairs {
                let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
                let (dead, holds) = (Arc::clone(&dead), Arc::clone(&holds));
                std::thread::spawn(move || {
                    let mut buffer = [0; 16 << 10];
                    while let Ok(length @ 1..) = from.read(&mut buffer) {
                        while dead.load(Ordering::Relaxed) {
                            holds.store(true, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(50));
                        }
                        if to.write_all(&buffer[..length]).is_err() {
                            return;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    wire
}

#[test]
fn a_second_signal_does_not_wait_for_an_orderly_end() {
    let half = counted(&tiny_rdb())[..10].to_vec();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let primary =
            super::primary().on("PSYNC", [Act::send(full_resync(1)), Act::send(half.clone()), Act::Silence]).start();
        let store = S3Server::start();
        let Wire { endpoint, dead, holds } = wire(&store);
        let run = backup(&primary.url(), &store.location("redis"), &[]);
        let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value));
        let mut running = run.env("AWS_ENDPOINT_URL_S3", endpoint).spawn();
        let begun = std::time::Instant::now();
        while !primary.heard().iter().any(|words| words.first().is_some_and(|word| word.eq_ignore_ascii_case("PSYNC")))
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "the primary never heard PSYNC");
            std::thread::sleep(Duration::from_millis(5));
        }
        // What was begun cannot be removed: nobody answers.
        dead.store(true, Ordering::Relaxed);
        running.signal(signal);
        running.wait_until_it_says("stopping and cleaning up");
        let begun = std::time::Instant::now();
        while !holds.load(Ordering::Relaxed) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never tried to clean up");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!running.has_ended(), "it waits for the answer");
        running.signal(signal);
        let begun = std::time::Instant::now();
        let run = running.wait();
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        assert_eq!(run.code, code, "{}", run.everything());
        assert!(run.stderr.ends_with("stopped at once, without cleaning up\n"), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn nobody_reads_the_answer() {
    let Some(server) = crate::support::redis_server::RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    let run = backup(&server.url(), &folder.text(), &[]).without_reader().run();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    folder.the("manifest.json");
}
