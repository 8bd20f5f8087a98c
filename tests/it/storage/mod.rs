//! Places for objects: one suite for all of them, and what only one kind can do wrong.

mod answers;
mod conformance;
mod faulty;
mod local;
mod lost;
mod misnamed;
mod moto;
mod odd;
mod repository;
mod s3;

use bytes::Bytes;
use redis_ops::storage::{PartSizes, Shared, Step, Storage, StorageError};

/// Parts as short as S3 allows, and some of them spooled: what takes 80 GB otherwise.
fn small_parts() -> PartSizes {
    const SHORTEST: u64 = 5 << 20;
    let step = |parts, spooled| Step { parts, length: SHORTEST, spooled };
    PartSizes::new(vec![step(1, false), step(1, true), step(9998, false)])
}

/// Reproducible bytes that do not repeat.
fn sample(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Uploads in pieces of an odd length.
async fn upload(storage: &dyn Storage, key: &str, body: &Bytes) -> Result<u64, StorageError> {
    let mut upload = storage.upload(key).await?;
    for piece in body.chunks(1_234_567) {
        if let Err(error) = upload.write(Bytes::copy_from_slice(piece)).await {
            upload.abort().await?;
            return Err(error);
        }
    }
    upload.complete().await
}

async fn read(storage: &dyn Storage, key: &str, offset: u64) -> Result<Vec<u8>, StorageError> {
    let mut reader = storage.open(key, offset).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await? {
        assert!(!chunk.is_empty(), "no chunk is empty");
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn keys(storage: &dyn Storage, prefix: &str) -> Vec<String> {
    storage.list(prefix).await.unwrap().into_iter().map(|object| object.key).collect()
}

async fn connect(server: &crate::support::s3::S3Server, prefix: &str) -> Shared {
    let options = redis_ops::storage::S3Options {
        part_sizes: Some(small_parts()),
        // What stays away for good is not waited for.
        retry: Some(std::time::Duration::from_secs(3)),
        ..server.options()
    };
    redis_ops::storage::open(&server.location(prefix).parse().unwrap(), &options).await.unwrap()
}
