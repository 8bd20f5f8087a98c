//! Who else connects to the port gets nothing, and does not keep the target out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use redis_ops::connection::primary::{Caller, Listener};
use redis_ops::progress::Hidden;
use redis_ops::restore::replica::{self, Load, ReplicaOptions};
use tokio_util::sync::CancellationToken;

use super::{node, whole};
use crate::support::redis_server::{RedisServer, free_port, on_each_async, servers};
use crate::support::sample;

/// Everything that comes back for `words`, until the connection is closed.
fn talk(port: u16, words: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A connection that is closed at once may break the write.
    let _ = stream.write_all(words.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

const ID: &str = "0123456789012345678901234567890123456789";

#[track_caller]
fn check(port: u16, words: &str, expected: &str) {
    assert_eq!(String::from_utf8(talk(port, words)).unwrap(), expected, "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_name_the_replication_id_hears_nothing_of_the_data() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let port = listener.address().unwrap().port();
    let caller = Caller { replid: ID.to_owned(), addresses: None, ports: None };
    let recognising = tokio::spawn(async move { listener.recognise(&caller).await });
    tokio::task::spawn_blocking(move || {
        check(port, "PSYNC ? -1\r\n", "");
        check(port, "PING\r\nPSYNC ? -1\r\n", "+PONG\r\n");
        check(port, "PSYNC 9999999999999999999999999999999999999999 1\r\n", "");
        check(port, "SYNC\r\n", "");
        check(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "");
        check(port, "*100000\r\n", "");
        check(port, &"x".repeat(100_000), "");
        check(port, &format!("PSYNC {ID} 1 FAILOVER\r\n"), "");
        assert!(!recognising.is_finished(), "nobody of these is the target");
        let mut target = TcpStream::connect(("127.0.0.1", port)).unwrap();
        target.write_all(format!("PING\r\nREPLCONF capa eof\r\nPSYNC {ID} 77\r\n").as_bytes()).unwrap();
        let link = tokio::runtime::Handle::current().block_on(recognising).unwrap();
        assert_eq!(link.peer(), target.local_addr().unwrap());
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_the_replication_id_from_another_address_or_as_another_port_gets_no_byte_of_the_data() {
    let listener = Arc::new(Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap());
    let port = listener.address().unwrap().port();
    let recognising = |address: &str, ports: Option<Vec<u16>>| {
        let caller = Caller { replid: ID.to_owned(), addresses: Some(vec![address.parse().unwrap()]), ports };
        let listener = listener.clone();
        tokio::spawn(async move { listener.recognise(&caller).await })
    };
    let greeting = |own: u16| format!("PING\r\nREPLCONF listening-port {own}\r\nPSYNC {ID} 77\r\n");
    let turned_away =
        |words: String, answer: &'static str| tokio::task::spawn_blocking(move || check(port, &words, answer));

    let elsewhere = recognising("127.0.0.2", None);
    turned_away(greeting(7001), "+PONG\r\n+OK\r\n").await.unwrap();
    assert!(!elsewhere.is_finished() && listener.turned_away().is_some());
    elsewhere.abort();
    let _ = elsewhere.await;

    let here = recognising("127.0.0.1", Some(vec![7001, 7002]));
    turned_away(greeting(7003), "+PONG\r\n+OK\r\n").await.unwrap();
    turned_away(format!("PING\r\nPSYNC {ID} 77\r\n"), "+PONG\r\n").await.unwrap();
    assert!(!here.is_finished(), "none of these is the target");
    let mut target = TcpStream::connect(("127.0.0.1", port)).unwrap();
    target.write_all(greeting(7002).as_bytes()).unwrap();
    assert_eq!(here.await.unwrap().peer(), target.local_addr().unwrap());
}

#[test]
fn silent_strangers_do_not_keep_the_target_out_and_later_ones_get_no_byte() {
    on_each_async(&servers(), async |installed| {
        let source = RedisServer::builder().version(installed).start().unwrap();
        source.fill(20_000, 100);
        let rdb = sample::rdb(&source);
        let target = sample::builder(installed).arg("key-load-delay", "50").start().unwrap();
        let (node, port) = (node(&target), free_port());
        let listen = Some(format!("127.0.0.1:{port}").parse().unwrap());
        let options = ReplicaOptions { listen, ..ReplicaOptions::new(Load::Memory) };
        // They are there first: before the target is even told.
        let strangers = std::thread::spawn(move || {
            let begun = std::time::Instant::now();
            let mut found = Vec::new();
            while found.len() < 10 && begun.elapsed() < Duration::from_secs(20) {
                found.extend(TcpStream::connect(("127.0.0.1", port)));
            }
            found
        });
        let feeding = tokio::spawn(async move {
            replica::feed(&node, whole(&rdb), &options, &Hidden::default(), &CancellationToken::new()).await
        });
        target.wait_for("it loads", |target| target.info("loading") == "1");
        for words in ["", "PING\r\n", "PSYNC ? -1\r\n"] {
            assert!(talk(port, words).is_empty(), "{}: {words:?}", installed.name);
        }
        feeding.await.unwrap().unwrap_or_else(|error| panic!("{}: {error}", installed.name));
        assert_eq!(sample::contents(&target).0, {
            let copy = sample::builder(installed).dump(source.dir().join("dump.rdb")).start().unwrap();
            sample::contents(&copy).0
        });
        for mut stranger in strangers.join().unwrap() {
            let mut answer = Vec::new();
            let _ = stranger.read_to_end(&mut answer);
            assert!(answer.is_empty(), "{answer:?}");
        }
    });
}
