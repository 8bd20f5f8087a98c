//! Parts that are too long for memory lie in a file until they are sent.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::primitives::{ByteStream, Length};
use bytes::Bytes;
use flate2::Crc;
use md5::{Digest as _, Md5};
use tempfile::NamedTempFile;

use super::{StorageError, crc32_text};
use crate::blocking;

/// A part of an upload in a file; dropping it removes the file.
pub(super) struct Spool {
    file: Arc<NamedTempFile>,
    length: u64,
    sums: Option<(Crc, Md5)>,
}

impl Spool {
    pub(super) async fn create(folder: &Path) -> Result<Self, StorageError> {
        let folder = folder.to_owned();
        on_disk(move || {
            let file = tempfile::Builder::new().prefix("redis-ops-").suffix(".part").tempfile_in(folder)?;
            Ok(Self { file: Arc::new(file), length: 0, sums: Some((Crc::new(), Md5::new())) })
        })
        .await
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let file = Arc::clone(&self.file);
        let (mut crc, mut md5) = self.sums.take().unwrap_or_default();
        self.length += bytes.len() as u64;
        let sums = on_disk(move || {
            crc.update(&bytes);
            md5.update(&bytes);
            file.as_file().write_all(&bytes).map(|()| (crc, md5))
        })
        .await?;
        self.sums = Some(sums);
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn crc32(&self) -> String {
        self.sums.as_ref().map(|(crc, _)| crc32_text(crc)).unwrap_or_default()
    }

    pub(super) fn md5(&self) -> Option<[u8; 16]> {
        self.sums.as_ref().map(|(_, md5)| md5.clone().finalize().into())
    }

    /// The body of a request, which can be sent again.
    pub(super) async fn body(&self) -> Result<ByteStream, StorageError> {
        let body = ByteStream::read_from().path(self.file.path()).length(Length::Exact(self.length)).build().await;
        body.map_err(|error| StorageError::other(format!("cannot read the spool file: {error}")))
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StorageError> {
    blocking::run(work).await.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StorageError::Full(format!("in the spool folder ({error})").into())
        }
        _ => StorageError::other(format!("cannot write to the spool folder: {error}")),
    })
}
