//! Parts that are too long for memory lie in a file until they are sent.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::primitives::{ByteStream, Length};
use bytes::Bytes;
use flate2::Crc;
use tokio::task::spawn_blocking;

use super::{StorageError, crc32_text};

/// One part in a file. Dropping it removes the file.
pub(super) struct Spool {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    crc: Option<Crc>,
}

impl Spool {
    pub(super) async fn create(folder: &Path) -> Result<Self, StorageError> {
        let folder = folder.to_owned();
        blocking(move || {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let path = folder.join(format!("redis-ops-{}.part", hex::encode(random)));
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            Ok(Self { file: Arc::new(file), path, length: 0, crc: Some(Crc::new()) })
        })
        .await
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let file = Arc::clone(&self.file);
        let mut crc = self.crc.take().unwrap_or_default();
        self.length += bytes.len() as u64;
        let crc = blocking(move || {
            crc.update(&bytes);
            (&*file).write_all(&bytes).map(|()| crc)
        })
        .await?;
        self.crc = Some(crc);
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn crc32(&self) -> String {
        self.crc.as_ref().map(crc32_text).unwrap_or_default()
    }

    /// The body of a request, which can be sent again.
    pub(super) async fn body(&self) -> Result<ByteStream, StorageError> {
        let body = ByteStream::read_from().path(&self.path).length(Length::Exact(self.length)).build().await;
        body.map_err(|error| StorageError::other(format!("cannot read the spool file: {error}")))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("the spool file {} cannot be removed: {error}", self.path.display());
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StorageError> {
    let done = spawn_blocking(work).await.map_err(|error| StorageError::other(error.to_string()))?;
    done.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StorageError::Full(format!("in the spool folder ({error})").into())
        }
        _ => StorageError::other(format!("cannot write to the spool folder: {error}")),
    })
}
