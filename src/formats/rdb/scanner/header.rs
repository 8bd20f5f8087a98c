//! The first nine bytes of a file: who wrote it, and its version.

use super::{Scanner, State};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::{ErrorKind, RdbError, Stop};
use crate::rdb::opcode::Dialect;
use crate::rdb::visit::Visit;

impl Scanner {
    pub(super) fn read_header<V: Visit>(&mut self, cursor: &mut Cursor<'_>, visit: &mut V) -> Result<(), Stop> {
        let at = cursor.offset();
        let header: [u8; 9] = match cursor.array() {
            Ok(header) => header,
            // Nine bytes are not waited for if what is there is wrong already.
            Err(stop) => return Err(wrong_magic(cursor.peek()).map_or(stop, |error| Stop::Fault(Box::new(error)))),
        };
        if let Some(error) = wrong_magic(&header) {
            return Err(Stop::Fault(Box::new(error)));
        }
        self.dialect = if header[0] == b'V' { Dialect::Valkey } else { Dialect::Redis };
        let digits_at = self.dialect.magic().len();
        let digits = &header[digits_at..];
        let offset = at + digits_at as u64;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Stop::corrupt(offset, "a version that is not a number"));
        }
        let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
        if version < if self.dialect == Dialect::Valkey { 80 } else { 1 } {
            return Err(Stop::fault(offset, ErrorKind::UnsupportedVersion(self.dialect, version)));
        }
        self.version = version;
        self.tools.needs.header(self.dialect, version);
        visit.header(self.dialect, version);
        self.state = State::Opcode;
        Ok(())
    }
}

/// An error if these first bytes cannot become a file, at the first byte that is wrong.
fn wrong_magic(bytes: &[u8]) -> Option<RdbError> {
    let agreeing = |magic: &[u8]| magic.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    let wrong = [Dialect::Redis, Dialect::Valkey].map(|dialect| {
        let magic = dialect.magic();
        let n = agreeing(magic);
        (n, n < magic.len().min(bytes.len()))
    });
    let furthest = wrong.iter().map(|(n, _)| *n).max().unwrap_or_default();
    wrong.iter().all(|(_, wrong)| *wrong).then(|| RdbError::at(furthest as u64, ErrorKind::WrongMagic))
}

/// The error of a file that ends within its header.
pub(super) fn short_header(state: &State, carry: &[u8]) -> Option<RdbError> {
    if matches!(state, State::Header) { wrong_magic(carry) } else { None }
}
