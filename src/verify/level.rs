//! How much is proven, in words.

use serde::Serialize;

/// How much is proven. Each level holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Presence and sizes.
    Manifest,
    /// SHA-256 of what is stored and of the raw stream.
    Checksum,
    /// Frames, CRC64, a full walk, key counts.
    #[default]
    Structure,
    /// Loaded into a throwaway server, and read back.
    Drill,
}

impl Level {
    /// From the lowest to the highest.
    pub const ALL: [Self; 4] = [Self::Manifest, Self::Checksum, Self::Structure, Self::Drill];

    /// The level as it is typed and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::Structure => "structure",
            Self::Drill => "drill",
        }
    }

    /// What a good answer means; of an encrypted backup, which the lower levels do not open.
    pub fn proves(self, is_encrypted: bool) -> &'static str {
        match self {
            Self::Checksum if is_encrypted => "the checksums of all stored objects are correct",
            Self::Manifest => "the manifest is complete, and every object exists with its full length",
            Self::Checksum => "all checksums are correct, stored and unpacked",
            Self::Structure => "all checksums, structures and key counts are correct",
            Self::Drill => "a server has loaded the backup and holds every key with its value and its expiry",
        }
    }

    /// What it does not mean.
    pub fn leaves_open(self, is_encrypted: bool) -> &'static str {
        match self {
            Self::Checksum if is_encrypted => "nothing was decrypted: whether a key opens it, `--level drill` tells",
            Self::Manifest => "the contents of the objects were not read",
            Self::Checksum => "the contents of the RDB were not checked",
            Self::Structure => "it was not loaded into a server (`--level drill` does that)",
            Self::Drill => "the drill used a throwaway server: memory, modules and rights may differ on yours",
        }
    }
}
