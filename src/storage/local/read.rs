//! Reading files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::OFlags;

use super::{Local, Use};
use crate::storage::{Chunks, StorageError};

/// Read at a time, bytes.
const CHUNK: usize = 512 << 10;

/// The whole file, or its length if that is above the limit.
pub(super) fn whole(path: &Path, limit: u64) -> io::Result<Result<Bytes, u64>> {
    let file = open(path, 0)?;
    let mut body = Vec::new();
    // The length is asked before and the reading bounded: the file may grow meanwhile.
    let length = file.metadata()?.len();
    if length > limit {
        return Ok(Err(length));
    }
    file.take(limit).read_to_end(&mut body)?;
    Ok(Ok(body.into()))
}

pub(super) fn open(path: &Path, offset: u64) -> io::Result<File> {
    // To open a pipe would wait for whoever writes to it.
    let mut file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        // A folder or a pipe is no object.
        return Err(io::ErrorKind::NotFound.into());
    }
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

pub(super) struct FileChunks {
    local: Local,
    path: PathBuf,
    file: Arc<File>,
}

impl FileChunks {
    pub(super) fn new(local: Local, path: PathBuf, file: File) -> Self {
        Self { local, path, file: Arc::new(file) }
    }
}

#[async_trait]
impl Chunks for FileChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let file = Arc::clone(&self.file);
        let chunk = self
            .local
            .blocking(&self.path, Use::Read, move |_| {
                let mut chunk = Vec::with_capacity(CHUNK);
                (&*file).take(CHUNK as u64).read_to_end(&mut chunk)?;
                Ok(Bytes::from(chunk))
            })
            .await?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    async fn back_to(&mut self, offset: u64) -> Result<(), StorageError> {
        let file = Arc::clone(&self.file);
        self.local.blocking(&self.path, Use::Read, move |_| (&*file).seek(SeekFrom::Start(offset)).map(drop)).await
    }
}
