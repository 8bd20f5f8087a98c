//! Words of a command whose number is known only at its end.

use crate::restore::replay::batch::{put_bulk, put_head};

/// Words, ready to be sent but for the head.
#[derive(Debug, Default)]
pub struct Words {
    n: usize,
    text: Vec<u8>,
    /// Where each word begins and ends in `text`.
    ends: Vec<usize>,
}

impl Words {
    /// Forgets all words, and keeps the memory.
    pub fn clear(&mut self) {
        self.n = 0;
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a word.
    pub fn add(&mut self, word: &[u8]) {
        self.n += 1;
        self.text.extend_from_slice(word);
        self.ends.push(self.text.len());
    }

    /// Adds bytes to the last word, or makes it.
    pub fn extend_last(&mut self, bytes: &[u8]) {
        if self.n == 0 {
            self.add(bytes);
            return;
        }
        self.text.extend_from_slice(bytes);
        if let Some(end) = self.ends.last_mut() {
            *end = self.text.len();
        }
    }

    /// Adds all words of another.
    pub fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.n += other.n;
        self.text.extend_from_slice(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + before));
    }

    /// Bytes of all words.
    pub fn length(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The words in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(self.ends.iter().copied()).map(|(begin, end)| &self.text[begin..end])
    }

    /// Adds the whole command.
    pub fn put(&self, bytes: &mut Vec<u8>) {
        put_head(bytes, self.n);
        for word in self.iter() {
            put_bulk(bytes, word);
        }
    }
}

/// A score as text that every server reads back to the same double: `inf`, `-inf`, or digits with an exponent (strtod).
pub fn score(score: f64, text: &mut [u8; 40]) -> &[u8] {
    use std::io::Write as _;
    if score.is_infinite() {
        return if score > 0.0 { b"inf" } else { b"-inf" };
    }
    let mut rest = &mut text[..];
    // The shortest text that reads back the same has at most 17 digits: 24 bytes with sign, point and exponent.
    let _ = write!(rest, "{score:e}");
    let left = rest.len();
    &text[..40 - left]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_command() {
        let mut words = Words::default();
        words.add(b"SET");
        words.add(b"");
        words.extend_last(b"k");
        let mut more = Words::default();
        more.extend_last(b"v1");
        more.extend_last(b"v2");
        words.append(&more);
        let mut bytes = Vec::new();
        words.put(&mut bytes);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nv1v2\r\n");
        assert_eq!((words.length(), more.is_empty()), (8, false));
        words.clear();
        assert!(words.is_empty() && words.iter().next().is_none());
    }

    #[test]
    fn scores_read_back_the_same() {
        for number in [0.0, -0.0, 1.5, -1e300, f64::MIN_POSITIVE, 5e-324, f64::MAX, 1.0 / 3.0, 9_007_199_254_740_993.0]
        {
            let mut text = [0; 40];
            let text = std::str::from_utf8(score(number, &mut text)).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(score(f64::INFINITY, &mut [0; 40]), b"inf");
        assert_eq!(score(f64::NEG_INFINITY, &mut [0; 40]), b"-inf");
    }
}
