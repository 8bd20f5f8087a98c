//! A buffer that goes back to where it is used again: memory that is new costs more than what is written into it.

use std::ops::Deref;

use crossbeam_channel::Sender;

/// Bytes in such a buffer. Where nobody takes it back it is freed.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    home: Sender<Vec<u8>>,
}

impl Block {
    /// A block of these bytes; the buffer is sent `home` when the block is dropped.
    pub fn new(bytes: Vec<u8>, home: Sender<Vec<u8>>) -> Self {
        Self { bytes, home }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _ = self.home.try_send(std::mem::take(&mut self.bytes));
    }
}
