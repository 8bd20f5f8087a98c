//! What must hold for any input. Fuzzing and the tests share it: each function takes the bytes that a fuzzer makes up, and
//! panics where the engine breaks a promise.

mod census;
mod dump;
mod hearing;
mod lzf;
mod scanner;
mod stream;
mod values;

pub use census::census;
pub use dump::dump;
pub use lzf::lzf;
pub use scanner::scanner;
pub use stream::stream;
pub use values::{PACKED, packed, values};

use redis_ops::rdb::crc64;

/// What is told may be longer than what is read: LZF makes at most 264 bytes of three, a number of two bytes has up to six digits.
const AMPLIFICATION: u64 = 100;

/// The same bytes with the right CRC64 in the last eight.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let Some((content, _)) = bytes.split_last_chunk::<8>() else { return bytes.to_vec() };
    let mut sealed = content.to_vec();
    sealed.extend(crc64(content).to_le_bytes());
    sealed
}

/// A length as the format has it, in the form of 32 bits.
fn length(out: &mut Vec<u8>, n: usize) {
    out.push(0x80);
    out.extend(u32::try_from(n).expect("inputs are short").to_be_bytes());
}
