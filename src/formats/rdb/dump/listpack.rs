//! Writes listpacks, as servers do (Redis `listpack.c`): what is the text of a number is stored as that number.

/// A count that a header cannot hold means that nobody counted.
const NOT_COUNTED: u16 = u16::MAX;

/// A listpack that is being written.
#[derive(Debug)]
pub(super) struct Listpack {
    bytes: Vec<u8>,
    n: usize,
}

impl Listpack {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; 6], n: 0 }
    }

    /// Adds bytes, or the number that they are the text of.
    pub(super) fn add(&mut self, text: &[u8]) {
        if let Some(number) = number(text) {
            self.add_integer(number);
            return;
        }
        let begin = self.bytes.len();
        match text.len() {
            n @ 0..64 => self.bytes.push(0x80 | n as u8),
            n @ 64..4096 => self.bytes.extend([0xe0 | (n >> 8) as u8, n as u8]),
            n => {
                self.bytes.push(0xf0);
                self.bytes.extend(u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end(begin);
    }

    pub(super) fn add_integer(&mut self, number: i64) {
        let begin = self.bytes.len();
        let bytes = number.to_le_bytes();
        match number {
            0..=127 => self.bytes.push(bytes[0]),
            -4096..=4095 => {
                let bits = (number & 0x1fff) as u16;
                self.bytes.extend([0xc0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7fff => self.put(0xf1, &bytes[..2]),
            -0x80_0000..=0x7f_ffff => self.put(0xf2, &bytes[..3]),
            -0x8000_0000..=0x7fff_ffff => self.put(0xf3, &bytes[..4]),
            _ => self.put(0xf4, &bytes),
        }
        self.end(begin);
    }

    fn put(&mut self, head: u8, bytes: &[u8]) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(bytes);
    }

    /// Behind an element stands its own length, in groups of seven bits, the lowest last.
    fn end(&mut self, begin: usize) {
        let length = self.bytes.len() - begin;
        let groups = (1..5).find(|groups| length >> (7 * groups) == 0).unwrap_or(5);
        for group in (0..groups).rev() {
            let more = if group + 1 == groups { 0 } else { 0x80 };
            self.bytes.push((length >> (7 * group)) as u8 & 0x7f | more);
        }
        self.n += 1;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0xff);
        let total = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let n = u16::try_from(self.n).unwrap_or(NOT_COUNTED);
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&n.to_le_bytes());
        self.bytes
    }
}

/// The number that this is the text of, if it is written as a server would write it.
fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::dump::decode_value;
    use crate::rdb::opcode::Dialect;
    use crate::rdb::types::ValueType;
    use crate::rdb::visit::{Piece, Visit};

    #[derive(Default)]
    struct Elements(Vec<Vec<u8>>);

    impl Visit for Elements {
        fn piece(&mut self, piece: Piece<'_>) {
            if let Piece::ListElement(element) = piece {
                self.0.push(element.to_vec());
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back_whatever_its_form() {
        let mut expected: Vec<Vec<u8>> =
            [0, 1, 63, 64, 127, 128, 4095, 4096, 16_384, 70_000].into_iter().map(|length| vec![b'x'; length]).collect();
        for bits in [0_u32, 6, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 62, 63] {
            let power = 1_i128 << bits;
            let numbers =
                [power, power - 1, -power, -power - 1].into_iter().filter_map(|number| i64::try_from(number).ok());
            expected.extend(numbers.map(|number| number.to_string().into_bytes()));
        }
        expected.extend(["-0", "007", "+1", "9223372036854775808", " 1"].map(|text| text.as_bytes().to_vec()));
        let mut listpack = Listpack::new();
        expected.iter().for_each(|element| listpack.add(element));
        let listpack = listpack.finish();
        let mut body = vec![1, 2];
        super::super::builder::string(&mut body, &listpack);
        let mut found = Elements::default();
        decode_value(ValueType::LIST_QUICKLIST_2, Dialect::Redis, 11, &body, &mut found).unwrap();
        assert_eq!(found.0, expected);
    }
}
