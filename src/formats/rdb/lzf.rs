//! LZF, the compression inside an RDB: a control byte below 32 brings one more than so many literal bytes; any other
//! copies from what was expanded before, `control >> 5` (7: plus the next byte) plus 2 bytes, from an offset of 13 bits.
//!
//! Overlaps are legal and mean repetition. A reference before the start, an output that is not exactly as long as
//! announced, and an input that ends within a token are damage.

/// The longest output of one token; by it the output buffer is longer than the text, so that copies may overshoot.
const SLACK: usize = 32;

const SHORT: &str = "compressed string ends within a token";
const BEFORE_START: &str = "compressed string refers to bytes before its start";
const LENGTH: &str = "compressed string expands to another length than it claims";

/// False if no stream of so many bytes expands to so many: three bytes bring at most 264. (Nothing expands to nothing: servers take it.)
pub(crate) fn is_possible(compressed: u64, expanded: u64) -> bool {
    (compressed > 0) == (expanded > 0) && expanded / 88 <= compressed
}

/// Expands into `output`, which only grows; gives the expanded text.
pub(crate) fn expand<'o>(input: &[u8], expanded: usize, output: &'o mut Vec<u8>) -> Result<&'o [u8], &'static str> {
    if output.len() < expanded + SLACK {
        output.reserve_exact(expanded + SLACK - output.len());
        output.resize(expanded + SLACK, 0);
    }
    let out = output.as_mut_slice();
    let (mut from, mut to) = (0, 0);
    while let Some(&control) = input.get(from) {
        from += 1;
        if control < 32 {
            let n = usize::from(control) + 1;
            let fits = to + n <= expanded;
            // A fixed length is two moves of a register; what is copied too much is overwritten or cut.
            match input[from..].first_chunk::<32>() {
                Some(literals) if fits => out[to..to + 32].copy_from_slice(literals),
                _ => {
                    let literals = input.get(from..from + n).ok_or(SHORT)?;
                    if !fits {
                        return Err(LENGTH);
                    }
                    out[to..to + n].copy_from_slice(literals);
                }
            }
            from += n;
            to += n;
            continue;
        }
        let (n, distance, used) = reference(control, &input[from..]).ok_or(SHORT)?;
        from += used;
        if distance > to {
            return Err(BEFORE_START);
        }
        if to + n > expanded {
            return Err(LENGTH);
        }
        copy_back(out, to, n, distance);
        to += n;
    }
    if to == expanded { Ok(&output[..expanded]) } else { Err(LENGTH) }
}

/// Length, distance and further bytes of a reference.
#[inline]
fn reference(control: u8, rest: &[u8]) -> Option<(usize, usize, usize)> {
    let high = usize::from(control & 31) << 8;
    match control >> 5 {
        7 => {
            let [length, low] = *rest.first_chunk::<2>()?;
            Some((usize::from(length) + 9, (high | usize::from(low)) + 1, 2))
        }
        length => Some((usize::from(length) + 2, (high | usize::from(*rest.first()?)) + 1, 1)),
    }
}

/// Copies `n` bytes from `distance` before `to`; `out` has room for [`SLACK`] more.
#[inline]
fn copy_back(out: &mut [u8], to: usize, n: usize, distance: usize) {
    let start = to - distance;
    if distance >= 16 {
        // Every 16 bytes read were written before.
        let mut done = 0;
        while done < n {
            let mut piece = [0; 16];
            piece.copy_from_slice(&out[start + done..start + done + 16]);
            out[to + done..to + done + 16].copy_from_slice(&piece);
            done += 16;
        }
    } else if distance >= 8 {
        let mut done = 0;
        while done < n {
            let mut piece = [0; 8];
            piece.copy_from_slice(&out[start + done..start + done + 8]);
            out[to + done..to + done + 8].copy_from_slice(&piece);
            done += 8;
        }
    } else if distance == 1 {
        let byte = out[start];
        out[to..to + n].fill(byte);
    } else {
        for index in 0..n {
            out[to + index] = out[start + index];
        }
    }
}

/// Checks without expanding.
pub(crate) fn check(input: &[u8], expanded: u64) -> Result<(), &'static str> {
    let (mut from, mut to) = (0, 0_u64);
    while let Some(&control) = input.get(from) {
        from += 1;
        if control < 32 {
            from += usize::from(control) + 1;
            to += u64::from(control) + 1;
            if from > input.len() {
                return Err(SHORT);
            }
        } else {
            let (n, distance, used) = reference(control, &input[from..]).ok_or(SHORT)?;
            if distance as u64 > to {
                return Err(BEFORE_START);
            }
            from += used;
            to += n as u64;
        }
        if to > expanded {
            return Err(LENGTH);
        }
    }
    if to == expanded { Ok(()) } else { Err(LENGTH) }
}

/// Expands a stream that is too long to be held: token by token, with a window of the 8 KiB that references reach back.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Compressed bytes that have not been read.
    left: u64,
    expanded: u64,
    produced: u64,
    /// The last bytes produced, some of which have not been told. Stays empty if nobody listens.
    window: Vec<u8>,
    told: usize,
    listening: bool,
}

const REACH: usize = 8192;
const TELL_AT: usize = REACH + 65536;

impl Stream {
    /// A stream of so many bytes; `listening` says that its text is wanted.
    pub(crate) fn new(compressed: u64, expanded: u64, listening: bool) -> Self {
        Self { left: compressed, expanded, produced: 0, window: Vec::new(), told: 0, listening }
    }

    /// Compressed bytes that have not been read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Passes over so many compressed bytes of a stream that is given up.
    pub(crate) fn pass(&mut self, n: u64) {
        self.left -= n.min(self.left);
    }

    /// True once all compressed bytes are read.
    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Reads the tokens that are whole in `input`. Gives how many bytes they had, and how many the next token needs (zero
    /// at the end).
    pub(crate) fn advance(
        &mut self,
        input: &[u8],
        tell: &mut impl FnMut(&[u8]),
    ) -> Result<(usize, usize), &'static str> {
        let input = &input[..input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))];
        let mut from = 0;
        let mut need = 0;
        while self.left > 0 {
            let Some(&control) = input.get(from) else {
                need = 1;
                break;
            };
            let used = match control {
                0..32 => usize::from(control) + 2,
                32..224 => 2,
                224.. => 3,
            };
            if used as u64 > self.left {
                return Err(SHORT);
            }
            let Some(token) = input.get(from..from + used) else {
                need = used;
                break;
            };
            self.token(control, &token[1..])?;
            from += used;
            self.left -= used as u64;
            if self.window.len() >= TELL_AT {
                self.tell(tell);
                self.told = REACH;
                self.window.drain(..self.window.len() - REACH);
            }
        }
        if self.left == 0 {
            if self.produced != self.expanded {
                return Err(LENGTH);
            }
            self.tell(tell);
        }
        Ok((from, need))
    }

    fn tell(&mut self, tell: &mut impl FnMut(&[u8])) {
        if self.listening && self.told < self.window.len() {
            tell(&self.window[self.told..]);
            self.told = self.window.len();
        }
    }

    fn token(&mut self, control: u8, rest: &[u8]) -> Result<(), &'static str> {
        if control < 32 {
            if self.listening {
                self.window.extend_from_slice(rest);
            }
            self.produced += rest.len() as u64;
        } else {
            let (n, distance, _) = reference(control, rest).ok_or(SHORT)?;
            if distance as u64 > self.produced {
                return Err(BEFORE_START);
            }
            if self.listening {
                let start = self.window.len() - distance;
                for index in 0..n {
                    self.window.push(self.window[start + index]);
                }
            }
            self.produced += n as u64;
        }
        if self.produced > self.expanded { Err(LENGTH) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compressor that finds repetitions at any distance, so that all lengths and overlaps occur.
    fn compress(text: &[u8]) -> Vec<u8> {
        let (mut out, mut literals, mut at) = (Vec::new(), Vec::new(), 0);
        let flush = |literals: &mut Vec<u8>, out: &mut Vec<u8>| {
            for run in literals.chunks(32) {
                out.push((run.len() - 1) as u8);
                out.extend_from_slice(run);
            }
            literals.clear();
        };
        while at < text.len() {
            let reach = at.saturating_sub(8192);
            let best = (reach..at)
                .map(|start| {
                    (text[start..].iter().zip(&text[at..]).take(264).take_while(|(a, b)| a == b).count(), start)
                })
                .max_by_key(|(n, start)| (*n, *start));
            match best {
                Some((n, start)) if n >= 3 => {
                    flush(&mut literals, &mut out);
                    let distance = at - start - 1;
                    if n < 9 {
                        out.push(((n - 2) << 5 | distance >> 8) as u8);
                    } else {
                        out.extend([(7 << 5 | distance >> 8) as u8, (n - 9) as u8]);
                    }
                    out.push(distance as u8);
                    at += n;
                }
                _ => {
                    literals.push(text[at]);
                    at += 1;
                }
            }
        }
        flush(&mut literals, &mut out);
        out
    }

    fn texts() -> Vec<Vec<u8>> {
        let mut state = 1_u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        let mut texts = vec![b"hello".repeat(10), vec![7; 3000], b"a".to_vec(), b"abcabcabcabcabcdeabcde".to_vec()];
        for period in 1..40_usize {
            texts.push((0..500).map(|i| (i % period) as u8).collect());
        }
        for alphabet in [2, 4, 30, 256] {
            texts.push((0..3000).map(|_| random(alphabet) as u8).collect());
        }
        texts
    }

    #[test]
    fn what_was_compressed_is_expanded_whole_and_in_parts() {
        let mut output = Vec::new();
        for text in texts() {
            let packed = compress(&text);
            assert_eq!(expand(&packed, text.len(), &mut output), Ok(&text[..]));
            assert_eq!(check(&packed, text.len() as u64), Ok(()));
            for step in [1, 2, 7, 100] {
                let mut told = Vec::new();
                let mut stream = Stream::new(packed.len() as u64, text.len() as u64, true);
                let (mut at, mut end) = (0, 0);
                while !stream.is_done() {
                    end = (end + step).min(packed.len());
                    at += stream.advance(&packed[at..end], &mut |part| told.extend_from_slice(part)).unwrap().0;
                }
                assert_eq!(told, text);
            }
        }
    }

    #[test]
    fn a_stream_longer_than_its_window_is_expanded() {
        let text: Vec<u8> = (0..400_000_u32).map(|i| (i / 1000 + i % 7) as u8).collect();
        let mut packed = Vec::new();
        for part in text.chunks(2000) {
            packed.extend(compress(part));
        }
        let mut told = Vec::new();
        let mut stream = Stream::new(packed.len() as u64, text.len() as u64, true);
        stream.advance(&packed, &mut |part| told.extend_from_slice(part)).unwrap();
        assert!(stream.is_done() && told == text);
        assert!(stream.window.len() < TELL_AT + 264);
    }

    #[test]
    fn damage_is_named_by_all_three_and_never_panics() {
        let cases: &[(&[u8], usize, &str)] = &[
            (&[2, b'a', b'b'], 3, SHORT),
            (&[0, b'a', 0x20], 4, SHORT),
            (&[0, b'a', 0xe0, 1], 12, SHORT),
            (&[0, b'a', 0x20, 1], 4, BEFORE_START),
            (&[0, b'a', 0x20, 0], 5, LENGTH),
            (&[0, b'a', 0x20, 0], 3, LENGTH),
            (&[1, b'a', b'b'], 1, LENGTH),
            // Of two faults the first token's, and of one token's that it is cut.
            (&[2, b'a'], 1, SHORT),
            (&[1, b'a', b'b', 5], 1, LENGTH),
            (&[0, b'a', 0xe0, 0xff, 0, 0xe0], 4, LENGTH),
            (&[0, b'a', 0x20, 0, 0x20, 9], 3, LENGTH),
        ];
        for (input, expanded, expected) in cases {
            let streamed = Stream::new(input.len() as u64, *expanded as u64, true).advance(input, &mut |_| {});
            assert_eq!(expand(input, *expanded, &mut Vec::new()), Err(*expected), "{input:?}");
            assert_eq!(check(input, *expanded as u64), Err(*expected), "{input:?}");
            assert_eq!(streamed, Err(*expected), "{input:?}");
        }
    }
}
