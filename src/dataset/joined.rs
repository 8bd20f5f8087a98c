//! The shards of a backup as one RDB: under the header of the first, one after the other, with one end and one checksum. What reads a
//! whole backup key by key need not know how many servers it came from.

use std::io;
use std::thread;

use bytes::{Bytes, BytesMut};
use crossbeam_channel::Sender;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Dataset, DatasetError, Raw, RawError, Reopen};
use crate::blocking;
use crate::rdb::Crc64;
use crate::rdb::opcode::{AUX, EOF, next_shard};

/// Bytes of the magic word and the version.
const HEADER: usize = 9;
/// Bytes of the end: its opcode, and the checksum.
const END: usize = 9;

impl Dataset {
    /// The bytes of all shards as one RDB, which ends only if each shard is what the manifest names; of one shard its own bytes.
    ///
    /// # Errors
    /// As [`Dataset::open`], for the first shard; that another one cannot be read is told on the way.
    pub async fn whole(&self, cancel: &CancellationToken) -> Result<Raw, DatasetError> {
        match self.shards() {
            0 | 1 => self.raw(0, cancel).await,
            n => {
                let (data, first, runtime) = (self.clone(), self.raw(0, cancel).await?, Handle::current());
                Ok(blocking::run(move || joined(data, first, n, runtime)).await.map_err(RawError::from)?)
            }
        }
    }

    /// Opens the whole once more, from a thread that may block; `None` for a pipe. Must be called within a runtime.
    pub fn reopen_whole(&self) -> Option<Reopen> {
        match self.shards() {
            0 | 1 => self.reopen(0),
            n => {
                let (data, runtime) = (self.clone(), Handle::current());
                let mut first = self.reopen(0)?;
                Some(Box::new(move || Ok(joined(data.clone(), first()?, n, runtime.clone())?)))
            }
        }
    }
}

/// Another thread reads the shards; the next is opened when the one before has ended.
fn joined(data: Dataset, first: Raw, n: usize, runtime: Handle) -> io::Result<Raw> {
    let (feeder, raw) = Raw::channel();
    let mut first = Some(first);
    let mut open = move |index: usize| match first.take() {
        Some(first) => Ok(first),
        None => {
            let _inside = runtime.enter();
            let mut open = data.reopen(index).ok_or_else(|| io::Error::other("it can be read only once"))?;
            open()
        }
    };
    thread::Builder::new().name("shards".to_owned()).spawn(move || {
        if let Err(error) = join(&mut open, n, &feeder) {
            // Nobody listens where the reader has enough.
            let _ = feeder.send(Err(error));
        }
    })?;
    Ok(raw)
}

fn join(
    open: &mut impl FnMut(usize) -> Result<Raw, RawError>,
    n: usize,
    feeder: &Sender<Result<Bytes, RawError>>,
) -> Result<(), RawError> {
    let mut crc = Crc64::new();
    for index in 0..n {
        let mut raw = open(index)?;
        let mut header = if index == 0 { 0 } else { HEADER };
        if index > 0 {
            let mark = mark();
            crc.update(&mark);
            if feeder.send(Ok(mark)).is_err() {
                return Ok(());
            }
        }
        let mut held = BytesMut::new();
        while let Some(chunk) = raw.next() {
            let mut chunk = chunk?;
            let skipped = header.min(chunk.len());
            let _ = chunk.split_to(skipped);
            header -= skipped;
            for piece in behind(&mut held, chunk) {
                crc.update(&piece);
                if feeder.send(Ok(piece)).is_err() {
                    return Ok(());
                }
            }
        }
        if held.first() != Some(&EOF) || held.len() != END {
            return Err(io::Error::other(format!("shard {index} does not end as an RDB with a checksum")).into());
        }
    }
    crc.update(&[EOF]);
    let end = [&[EOF][..], &crc.value().to_le_bytes()].concat();
    let _ = feeder.send(Ok(end.into()));
    Ok(())
}

/// Tells the reader that another shard begins: an aux field without a value.
fn mark() -> Bytes {
    let name = next_shard();
    [&[AUX, name.len() as u8][..], name, &[0]].concat().into()
}

/// What may go on, now that this chunk has come: all but the last bytes, which may be the end.
fn behind(held: &mut BytesMut, mut chunk: Bytes) -> Vec<Bytes> {
    if chunk.len() < END {
        held.extend_from_slice(&chunk);
        let out = held.len().saturating_sub(END);
        let out = held.split_to(out).freeze();
        return if out.is_empty() { Vec::new() } else { vec![out] };
    }
    let last = chunk.split_off(chunk.len() - END);
    let before = std::mem::replace(held, BytesMut::from(&last[..])).freeze();
    [before, chunk].into_iter().filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::crc64;

    fn rdb(body: &[u8]) -> Vec<u8> {
        let mut bytes = [b"REDIS0011", body, &[EOF]].concat();
        let crc = crc64(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(shards: &[Vec<u8>], step: usize) -> Result<Vec<u8>, RawError> {
        let (feeder, mut raw) = Raw::channel();
        let shards = shards.to_vec();
        let thread = thread::spawn(move || {
            let mut open = |index: usize| {
                let (own, raw) = Raw::channel();
                let bytes: Vec<u8> = shards[index].clone();
                thread::spawn(move || {
                    for chunk in bytes.chunks(step) {
                        let _ = own.send(Ok(Bytes::copy_from_slice(chunk)));
                    }
                });
                Ok(raw)
            };
            join(&mut open, shards.len(), &feeder)
        });
        let mut found = Vec::new();
        while let Some(chunk) = raw.next() {
            found.extend_from_slice(&chunk?);
        }
        thread.join().expect("no panic").map(|()| found)
    }

    #[test]
    fn shards_become_one_rdb_however_they_are_cut() {
        let shards = [rdb(b"first"), rdb(b""), rdb(b"the third one")];
        for step in [1, 2, 8, 9, 10, 17, 1000] {
            let expected = rdb(&[&b"first"[..], &mark(), &mark(), b"the third one"].concat());
            assert_eq!(read(&shards, step).expect("joined"), expected, "in steps of {step}");
        }
    }

    #[test]
    fn what_does_not_end_as_an_rdb_is_not_joined() {
        let mut cut = rdb(b"second");
        cut.truncate(cut.len() - 3);
        for step in [1, 9, 1000] {
            assert!(read(&[rdb(b"first"), cut.clone()], step).is_err(), "in steps of {step}");
        }
    }
}
