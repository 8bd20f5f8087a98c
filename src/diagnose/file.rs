//! The keys of an RDB file: plain, gzip or zstd, whatever its first bytes say.

use std::io::Read;

use anyhow::{Context, Result, bail};

use crate::codec::{Codec, Decompressor};
use crate::introspection::keyspace::{KeyspaceProfile, RdbProfile};
use crate::rdb::{RdbError, Scanner};

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;
/// Threads that decompress.
const THREADS: usize = 2;

/// Profiles the keys of an RDB. Blocks. `now_ms` is the moment from which times to live are counted if the file does not say
/// when it was made, in Unix milliseconds.
///
/// # Errors
///
/// The file cannot be read, is damaged, or ends too early: a profile of a part would be taken for one of the whole.
pub fn profile_of_rdb(mut reader: impl Read + Send, now_ms: u64) -> Result<KeyspaceProfile> {
    let mut chunk = vec![0; CHUNK];
    let length = fill(&mut reader, &mut chunk).context("read the file")?;
    chunk.truncate(length);
    let (decompressor, mut content) = Decompressor::new(Codec::detect(&chunk), THREADS)?;
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(decompressor, reader, chunk));
        let mut scanner = Scanner::new();
        let mut visitor = RdbProfile::new(now_ms);
        let mut scan = || -> Result<()> {
            while let Some(bytes) = content.next()? {
                scanner.push(&bytes, &mut visitor).map_err(at)?;
            }
            scanner.finish().map_err(at)?;
            Ok(())
        };
        let scanned = scan();
        // Without a reader of the content the feeder would wait for ever.
        drop(content);
        let fed = feeder.join().unwrap_or_else(|_| bail!("the thread that reads the file failed"));
        // A file that cannot be read ends too early: the first of the two is the reason.
        match (scanned, fed) {
            (Ok(()), Ok(())) => Ok(visitor.finish()),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        }
    })
}

fn at(error: RdbError) -> anyhow::Error {
    anyhow::Error::new(error).context("read the RDB")
}

fn feed(mut decompressor: Decompressor, mut reader: impl Read, first: Vec<u8>) -> Result<()> {
    let mut chunk = first;
    while !chunk.is_empty() {
        decompressor.push(&chunk)?;
        chunk.resize(CHUNK, 0);
        let length = fill(&mut reader, &mut chunk).context("read the file")?;
        chunk.truncate(length);
    }
    decompressor.finish()?;
    Ok(())
}

/// Reads until the buffer is full or the file ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
