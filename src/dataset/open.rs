//! Opens an object of a repository or a file, whatever it is compressed with.

use std::path::Path;

use super::feed::Feed;
use super::file::Chunks;
use super::foreign::{self, First};
use super::raw::{Opened, Padding, Raw, RawError};
use super::sealed::Sealed;
use super::unpack::{self, Stored};
use crate::blocking;
use crate::codec::Codec;
use crate::encryption::{Identities, Key};
use crate::storage::Reader;

/// Reads an object of a repository. Must be called within a runtime, which reads ahead. A compressed frame that arrives damaged is read
/// once more before it counts as damaged.
///
/// # Errors
/// If the system gives no thread.
pub fn open_object(reader: Reader, codec: Codec, threads: usize) -> Result<Opened, RawError> {
    unpack::open(Stored::object(reader), codec, threads)
}

/// Reads an encrypted object of a repository once the key that opens it was found; `to`: the public keys that its manifest names. Must be
/// called within a runtime.
///
/// # Errors
/// No key that was given opens it, its header is damaged or cannot be read, or the system gives no thread.
pub async fn open_sealed(
    reader: Reader,
    codec: Codec,
    threads: usize,
    by: &Identities,
    to: &[String],
) -> Result<(Opened, Key), RawError> {
    let (feed, by, to) = (Feed::of(reader), by.clone(), to.to_owned());
    let (sealed, key) = blocking::run(move || Sealed::open(feed, &by, &to)).await?;
    Ok((unpack::open(Stored::Sealed(Box::new(sealed)), codec, threads)?, key))
}

/// Reads a file: `.rdb`, `.rdb.gz` or `.rdb.zst`, told by its first bytes; `-` is standard input. Blocks until the first bytes are there.
///
/// # Errors
/// If it cannot be opened or read; [`RawError::Foreign`] if it is something else.
pub fn open_file(path: &Path, threads: usize) -> Result<Opened, RawError> {
    if path.is_dir() {
        return Err(foreign::of_folder(path).into());
    }
    let (chunks, codec) = Chunks::open(path)?;
    let (mut opened, packed) = match codec {
        Codec::None => {
            let raw = Raw::of_file(chunks);
            let (is_aof_base, created_ms) = (false, None);
            (Opened { raw, is_aof_base, created_ms, padding: Padding::default(), promised: None, reading: None }, None)
        }
        codec => (unpack::open(Stored::File(chunks), codec, threads)?, Some(codec.name())),
    };
    let First { is_aof_base, created_ms } = match opened.raw.peek_bytes(foreign::LOOKED_AT) {
        Some(Ok(first)) => foreign::look(first, packed)?,
        None => foreign::look(&[], packed)?,
        // The pass that reads the file meets the error, too.
        Some(Err(_)) => First::default(),
    };
    Ok(Opened { is_aof_base, created_ms, ..opened })
}
