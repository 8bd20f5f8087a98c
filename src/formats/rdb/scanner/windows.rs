//! A push, window by window: what lies whole is parsed where it lies, what is cut at its end is carried over to the next.

use super::{KEEP, Raw, Scanner, State, Window};
use crate::rdb::cursor::{self, Cursor};
use crate::rdb::error::{ErrorKind, RdbError, Stop};
use crate::rdb::value::Reader;
use crate::rdb::visit::{EntryEnd, Visit};

impl Scanner {
    pub(super) fn push_window<V: Visit>(&mut self, bytes: &[u8], visit: &mut V) -> Result<(), RdbError> {
        let window = Window { bytes, start: self.tail.length() };
        // Bytes of the window that were moved to the carry.
        let mut at = 0;
        while !self.carry.is_empty() {
            let n = (self.need - self.carry.len()).min(bytes.len() - at);
            self.make_room(n);
            self.carry.extend_from_slice(&bytes[at..at + n]);
            at += n;
            if self.carry.len() < self.need {
                return self.window_end(window, visit);
            }
            let carry = std::mem::take(&mut self.carry);
            let mut cursor = Cursor::new(&carry, window.start + at as u64 - carry.len() as u64);
            let need = self.run(&mut cursor, window, visit)?;
            let done = cursor.committed();
            if done == 0 && !self.is_complete() {
                (self.carry, self.need) = (carry, need);
                continue;
            }
            // The unit is read; what is left of the carry was taken from this window.
            let left = carry.len() - done;
            if left > at {
                (self.carry, self.need) = (carry[done..].to_vec(), need);
                continue;
            }
            at -= left;
            if carry.capacity() <= KEEP {
                self.carry = carry;
                self.carry.clear();
            }
        }
        if !self.is_complete() {
            let mut cursor = Cursor::new(&bytes[at..], window.start + at as u64);
            self.need = self.run(&mut cursor, window, visit)?;
            at += cursor.committed();
        }
        if self.is_complete() {
            self.trailing_bytes(&bytes[at..]);
        } else {
            self.carry.extend_from_slice(&bytes[at..]);
        }
        self.window_end(window, visit)
    }

    /// Room for so many more bytes in the carry: it doubles as they come, but has no more than the unit needs in the end.
    fn make_room(&mut self, n: usize) {
        let length = self.carry.len();
        if self.carry.capacity() < length + n {
            self.carry.reserve_exact((2 * length).min(self.need).max(length + n) - length);
        }
    }

    fn trailing_bytes(&mut self, bytes: &[u8]) {
        self.trailing += bytes.len() as u64;
        self.trailing_in_last_push += bytes.len();
        let n = bytes.len().min(16 - self.trailing_start.len());
        self.trailing_start.extend_from_slice(&bytes[..n]);
    }

    fn window_end<V: Visit>(&mut self, window: Window<'_>, visit: &mut V) -> Result<(), RdbError> {
        let end = window.start + window.bytes.len() as u64;
        self.flush_raw(end, window, visit).map_err(|stop| match stop {
            Stop::Fault(error) => *error,
            Stop::More(_) => RdbError::at(end, ErrorKind::Truncated),
        })?;
        self.tail.push(window.bytes);
        Ok(())
    }

    /// Hands on the bytes up to an offset to whom they go.
    #[inline]
    pub(super) fn flush_raw<V: Visit>(&mut self, to: u64, window: Window<'_>, visit: &mut V) -> Result<(), Stop> {
        let (Raw::Visitor(from) | Raw::Kept(from)) = self.raw else { return Ok(()) };
        if from < to {
            let bytes = &window.bytes[(from - window.start) as usize..(to - window.start) as usize];
            if matches!(self.raw, Raw::Visitor(_)) {
                visit.raw(bytes);
                self.raw = Raw::Visitor(to);
            } else {
                let claimed = (self.kept.len() + bytes.len()) as u64;
                cursor::within(self.tools.limit, claimed, from)?;
                self.kept.extend_from_slice(bytes);
                self.raw = Raw::Kept(to);
            }
        }
        Ok(())
    }

    /// Runs until the bytes or the file end; gives how many bytes the unit at the end needs.
    fn run<V: Visit>(&mut self, cursor: &mut Cursor<'_>, window: Window<'_>, visit: &mut V) -> Result<usize, RdbError> {
        match self.steps(cursor, window, visit) {
            Ok(()) => Ok(0),
            Err(Stop::More(need)) => {
                cursor.rewind();
                // What is needed is never less than one byte more than there is.
                Ok(usize::try_from(need).unwrap_or(usize::MAX).max(cursor.available() + 1))
            }
            Err(Stop::Fault(error)) => Err(*error),
        }
    }

    fn steps<V: Visit>(&mut self, cursor: &mut Cursor<'_>, window: Window<'_>, visit: &mut V) -> Result<(), Stop> {
        loop {
            match &mut self.state {
                State::Opcode => self.opcode(cursor, window, visit)?,
                // Nobody hears of a key of a slot that is on its way here.
                State::Value { reader, offset, .. } if self.is_arriving => {
                    reader.run(cursor, &mut self.tools, &mut (), self.whose.whose())?;
                    let (n_elements, offset) = (reader.n_elements(), *offset);
                    self.end_value(n_elements, offset, false, cursor, window, &mut ())?;
                    self.state = State::Opcode;
                }
                State::Value { reader, offset, vanishes } => {
                    reader.run(cursor, &mut self.tools, visit, self.whose.whose())?;
                    let (n_elements, offset, vanishes) = (reader.n_elements(), *offset, *vanishes);
                    self.end_value(n_elements, offset, vanishes, cursor, window, visit)?;
                    self.state = State::Opcode;
                }
                State::Header => self.read_header(cursor, visit)?,
                State::Checksum => self.read_checksum(cursor, visit)?,
                State::Done => return Ok(()),
                _ => self.go_on(cursor, window, visit)?,
            }
            cursor.commit();
        }
    }

    /// A value begins. Most lie whole in the window: only what does not becomes the scanner's state.
    #[inline]
    pub(super) fn begin_value<V: Visit>(
        &mut self,
        mut reader: Reader,
        vanishes: bool,
        cursor: &mut Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let offset = cursor.offset();
        // The key has been told.
        cursor.commit();
        if let Err(stop) = reader.run(cursor, &mut self.tools, visit, self.whose.whose()) {
            self.state = State::Value { reader, offset, vanishes };
            return Err(stop);
        }
        self.end_value(reader.n_elements(), offset, vanishes, cursor, window, visit)
    }

    #[inline]
    pub(super) fn end_value<V: Visit>(
        &mut self,
        n_elements: u64,
        offset: u64,
        vanishes: bool,
        cursor: &Cursor<'_>,
        window: Window<'_>,
        visit: &mut V,
    ) -> Result<(), Stop> {
        let raw_length = cursor.offset() - offset;
        if n_elements == 0 && vanishes {
            self.tally.empty_key(offset);
        }
        self.flush_raw(cursor.offset(), window, visit)?;
        self.raw = Raw::Nobody;
        visit.entry_end(&EntryEnd { raw_length, n_elements });
        self.tools.trim();
        Ok(())
    }
}
