//! The framing comes off, however the bytes are cut into reads.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

const MARK: [u8; MARK_LENGTH] = *b"0123456789abcdef0123456789abcdef01234567";

/// Gives each piece as one read, is not ready in between, and then ends (or stays silent).
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    ready: bool,
    silent_at_the_end: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.ready = !self.ready;
        if !self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.pieces.pop_front() {
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.pieces.push_front(rest);
                }
                Poll::Ready(Ok(()))
            }
            None if self.silent_at_the_end => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn payload(framing: Framing, first: &[u8], pieces: &[&[u8]], silent_at_the_end: bool) -> Payload {
    let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
    let mut wire = Wire::new(Stream::new(Pieces { pieces, ready: false, silent_at_the_end }));
    // What came in the same read as the header.
    wire.buffer.extend_from_slice(first);
    let header = Header { replid: None, offset: None, framing, rdb_only: true };
    Payload::new(wire, "a test".to_owned(), header, Duration::from_secs(60), Watch::nobody())
}

/// All of it, and how it ended.
async fn read(mut payload: Payload) -> (Vec<u8>, Result<(), ReplicationFault>) {
    let mut all = Vec::new();
    loop {
        match payload.next().await {
            Ok(Some(chunk)) => {
                assert!((1..=CHUNK_LENGTH).contains(&chunk.len()), "a chunk of {}", chunk.len());
                all.extend_from_slice(&chunk);
                assert_eq!(payload.given(), all.len() as u64);
            }
            Ok(None) => {
                assert!(payload.next().await.expect("the end stays the end").is_none());
                return (all, Ok(()));
            }
            Err(error) => return (all, Err(error.fault)),
        }
    }
}

#[track_caller]
fn check(framing: Framing, first: &[u8], pieces: &[&[u8]], expected: &[u8]) {
    for silent_at_the_end in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (all, end) = runtime.block_on(read(payload(framing, first, pieces, silent_at_the_end)));
        assert_eq!((all.as_slice(), end), (expected, Ok(())), "{first:?} {pieces:?}");
    }
}

/// 200 bytes, without the mark.
fn data() -> Vec<u8> {
    (0..200_u32).map(|index| (index * 7) as u8).collect()
}

#[test]
fn the_end_mark_may_be_split_over_two_reads_anywhere() {
    let stream = [data(), MARK.to_vec()].concat();
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        check(Framing::Marked(MARK), &[], &[first, second], &data());
        check(Framing::Marked(MARK), first, &[second], &data());
    }
}

#[test]
fn the_end_mark_may_come_byte_by_byte() {
    let stream = [data(), MARK.to_vec(), b"\n".to_vec()].concat();
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    check(Framing::Marked(MARK), &[], &bytes, &data());
}

#[test]
fn nothing_newlines_or_commands_may_follow_the_end_mark() {
    for rest in [b"".as_slice(), b"\n", b"\n\n\n", b"*1\r\n$4\r\nPING\r\n", &MARK] {
        let stream = [&data(), MARK.as_slice(), rest].concat();
        check(Framing::Marked(MARK), &[], &[&stream], &data());
        check(Framing::Marked(MARK), &stream, &[], &data());
    }
}

#[test]
fn beginnings_of_the_mark_in_the_data_are_data() {
    for n_bytes in 0..MARK_LENGTH {
        let data = [&MARK[..n_bytes], b"x", &MARK[..n_bytes]].concat();
        // What follows must not complete it by chance.
        let data = [data.as_slice(), b"y"].concat();
        let stream = [data.as_slice(), &MARK].concat();
        for at in 0..=stream.len() {
            let (first, second) = stream.split_at(at);
            check(Framing::Marked(MARK), &[], &[first, second], &data);
        }
    }
}

#[test]
fn an_rdb_may_be_empty_or_longer_than_many_chunks() {
    check(Framing::Marked(MARK), &[], &[&MARK], &[]);
    check(Framing::Counted(0), &[], &[], &[]);
    let long: Vec<u8> = (0..3 * CHUNK_LENGTH + 17).map(|index| (index % 251) as u8).collect();
    check(Framing::Marked(MARK), &long, &[&MARK], &long);
    check(Framing::Marked(MARK), &[], &[&[long.as_slice(), &MARK].concat()], &long);
    check(Framing::Counted(long.len() as u64), &long, &[], &long);
    check(Framing::Counted(long.len() as u64), &[], &[&long], &long);
}

#[test]
fn a_counted_rdb_ends_at_its_length_whatever_follows() {
    let stream = [data(), b"*1\r\n$4\r\nPING\r\n".to_vec()].concat();
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        check(Framing::Counted(200), &[], &[first, second], &data());
        check(Framing::Counted(200), first, &[second], &data());
    }
}

#[tokio::test]
async fn an_end_that_comes_too_early_says_where() {
    for length in 0..200 {
        let (all, end) = read(payload(Framing::Counted(200), &[], &[&data()[..length]], false)).await;
        assert_eq!(all, &data()[..length]);
        let Err(ReplicationFault::Disconnected { stage, expected, .. }) = end else { panic!("{length}: {end:?}") };
        assert_eq!((stage, expected), (Stage::Receiving(length as u64), Some(200)));
    }
    let stream = [data(), MARK.to_vec()].concat();
    for length in 0..stream.len() {
        let (all, end) = read(payload(Framing::Marked(MARK), &[], &[&stream[..length]], false)).await;
        assert!(data().starts_with(&all) && all.len() + MARK_LENGTH > length, "{length}");
        let Err(ReplicationFault::Disconnected { stage, expected, .. }) = end else { panic!("{length}: {end:?}") };
        assert_eq!((stage, expected), (Stage::Receiving(length as u64), None));
    }
}

#[tokio::test]
async fn silence_longer_than_the_limit_is_an_error_that_says_so() {
    let silence = Duration::from_millis(20);
    let (all, end) = read(Payload { silence, ..payload(Framing::Counted(200), &[], &[&data()[..150]], true) }).await;
    assert_eq!(all.len(), 150);
    assert_eq!(end, Err(ReplicationFault::Silent { stage: Stage::Receiving(150), waited: silence }));
}

#[tokio::test]
async fn an_error_names_our_own_slowness() {
    let mut payload = payload(Framing::Counted(200), &[], &[&data()[..150]], false);
    payload.next().await.expect("bytes");
    payload.left_at = Instant::now().checked_sub(Duration::from_secs(61)).expect("the machine is up for a minute");
    let error = payload.next().await.expect_err("it was closed");
    assert_eq!(
        error.to_string(),
        "cannot replicate from a test: the connection was closed at byte 150 of its RDB, which has 200; redis-ops had not read \
         for 1m 1s, and a server disconnects replicas that do not keep up (`repl-timeout`, `client-output-buffer-limit replica`)"
    );
}

#[test]
fn too_few_bytes_in_the_time_of_waiting_are_noticed_when_the_window_is_full() {
    let (window, second) = (Duration::from_secs(10), Duration::from_secs(1));
    // A byte a second.
    let mut pace = Pace::default();
    let ends: Vec<_> = (0..10).map(|_| pace.came(1, second, window)).collect();
    assert_eq!(ends.iter().flatten().collect::<Vec<_>>(), [&(10, window)]);
    assert!(ends[9].is_some());
    // As much as has to come, and each window for itself.
    let mut pace = Pace::default();
    assert_eq!(pace.came(10 * LEAST_RATE, window, window), None);
    assert_eq!(pace.came(10 * LEAST_RATE - 1, window, window), Some((10 * LEAST_RATE - 1, window)));
    // Who is not waited for may be as slow as we are.
    assert_eq!(pace.came(1, Duration::ZERO, window), None);
}
