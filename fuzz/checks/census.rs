//! `census.bin`.

use redis_ops::census::{decode, encode};
use xxhash_rust::xxh3::xxh3_128;

/// The bytes are a census whose checksum is put right.
pub fn census(data: &[u8]) {
    let Some((content, _)) = data.split_last_chunk::<16>() else { return drop(decode(data)) };
    let mut bytes = content.to_vec();
    bytes.extend(xxh3_128(content).to_le_bytes());
    let Ok(read) = decode(&bytes) else { return };
    // What can be read can be written, added to itself, and read again.
    let written = encode(&read);
    let again = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again), written);
    drop(encode(&read.merged(&again)));
}
