//! Names of the keys that a restore created, in a file: there may be more of them than memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::private_files;

/// In place of a database: the name is that of a function library.
pub const FUNCTIONS: u64 = u64::MAX;

/// A name is not longer than a string of Redis may be.
const LONGEST_NAME: u64 = 512 * 1024 * 1024;

/// The file, which has no name: it ends with this process, however that ends.
#[derive(Debug)]
pub struct Created {
    file: BufWriter<File>,
}

/// Adds a key to bytes for [`Created::append`].
pub fn put_record(bytes: &mut Vec<u8>, database: u64, key: &[u8], crc64: u64) {
    bytes.extend_from_slice(&database.to_le_bytes());
    bytes.extend_from_slice(&crc64.to_le_bytes());
    bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
    bytes.extend_from_slice(key);
}

impl Created {
    /// A new, empty file. It has the name `path` for a moment only.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = private_files::create(path)?;
        // Another run could do nothing with the names: it does not know which of these keys it wrote itself.
        fs::remove_file(path)?;
        Ok(Self { file: BufWriter::with_capacity(256 * 1024, file) })
    }

    /// Adds records.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn append(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all(records)
    }

    /// All records, in the order they were added.
    ///
    /// # Errors
    /// The file cannot be written to the end, or read.
    pub fn records(&mut self) -> io::Result<Records> {
        self.file.flush()?;
        let from_start = FromStart { file: self.file.get_ref().try_clone()?, read: 0 };
        Ok(Records { file: BufReader::with_capacity(256 * 1024, from_start) })
    }
}

/// Reads a file from its start. The file is written at a place of its own, which a second handle of it would share.
#[derive(Debug)]
struct FromStart {
    file: File,
    read: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.read)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// Reads the records of created keys.
#[derive(Debug)]
pub struct Records {
    file: BufReader<FromStart>,
}

/// A key that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// Database of the key in the target.
    pub database: u64,
    /// Name of the key.
    pub key: Vec<u8>,
    /// CRC64 at the end of the payload that was sent; 0: it was not sent as one payload.
    pub crc64: u64,
}

impl Iterator for Records {
    type Item = io::Result<CreatedKey>;

    fn next(&mut self) -> Option<io::Result<CreatedKey>> {
        match self.file.fill_buf() {
            Ok([]) => None,
            Ok(_) => Some(self.read()),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Records {
    fn read(&mut self) -> io::Result<CreatedKey> {
        let database = self.number()?;
        let crc64 = self.number()?;
        let length = self.number()?;
        if length > LONGEST_NAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a name that is too long"));
        }
        let mut key = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut key)?;
        if key.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(CreatedKey { database, key, crc64 })
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("created");
        let mut created = Created::create(&path).unwrap();
        let mut bytes = Vec::new();
        put_record(&mut bytes, 0, b"", 5);
        put_record(&mut bytes, 12, b"\xffkey", u64::MAX);
        assert!(!path.exists(), "nothing is left of it, even if we are killed");
        created.append(&bytes).unwrap();
        let read: Vec<CreatedKey> = created.records().unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1], CreatedKey { database: 12, key: b"\xffkey".to_vec(), crc64: u64::MAX });
        created.append(&bytes[..20]).unwrap();
        assert!(created.records().unwrap().last().unwrap().is_err(), "cut in the middle");
    }
}
