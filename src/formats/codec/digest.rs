//! SHA-256 of what passes.

use sha2::{Digest, Sha256};

/// A SHA-256 in the making.
#[derive(Debug, Clone, Default)]
pub struct Sha256Digest(Sha256);

impl Sha256Digest {
    /// Of nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in 64 lower-case hex digits.
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }

    /// Of one slice, in hex.
    pub fn of(bytes: &[u8]) -> String {
        let mut digest = Self::new();
        digest.update(bytes);
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1 and B.2, and the digest of nothing.
    #[test]
    fn known_digests_however_the_bytes_are_cut() {
        assert_eq!(Sha256Digest::of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Sha256Digest::of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut digest = Sha256Digest::new();
        for byte in b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" {
            digest.update(&[*byte]);
        }
        assert_eq!(digest.finish(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
}
