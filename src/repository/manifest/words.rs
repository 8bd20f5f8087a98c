//! The words of a manifest. A word of a newer program is kept as it stands, in the arm `Newer`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
            /// A word of a newer program.
            #[serde(untagged)]
            Newer(String),
        }

        impl $name {
            /// As it stands in the manifest.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Newer(word) => word,
                }
            }

            /// The value of a word.
            pub fn of(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    word => Self::Newer(word.to_owned()),
                }
            }

            /// The word, if it is one of a newer program.
            pub fn newer(&self) -> Option<&str> {
                match self {
                    $(Self::$variant => None,)*
                    Self::Newer(word) => Some(word),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What the objects of a backup are. A reader refuses a newer word.
    Kind {
        /// An RDB for each shard.
        Rdb = "rdb",
    }
}

words! {
    /// How the objects are compressed. A reader refuses a newer word.
    Compression {
        /// Stored as they are.
        None = "none",
        /// A sequence of gzip members: `zcat` reads it.
        Gzip = "gzip",
        /// A sequence of zstd frames: `zstdcat` reads it.
        Zstd = "zstd",
    }
}

words! {
    /// How the objects are encrypted, after they were compressed. A reader refuses a newer word.
    Encryption {
        /// In the age format, version 1: `age -d` decrypts it.
        Age = "age",
    }
}

words! {
    /// How the server ran. A newer word is shown as it is.
    #[derive(Default)]
    Mode {
        /// Alone, or with replicas.
        Standalone = "standalone",
        /// A node of a cluster.
        Cluster = "cluster",
        /// A Sentinel, which watches other servers.
        Sentinel = "sentinel",
        /// Not known: an adopted file.
        #[default]
        Unknown = "",
    }
}

words! {
    /// What the server was to others. A newer word is shown as it is.
    #[derive(Default)]
    Role {
        /// A primary, which takes writes.
        Primary = "primary",
        /// A replica, which follows a primary.
        Replica = "replica",
        /// Neither: a Sentinel.
        Other = "other",
        /// Not known: an adopted file.
        #[default]
        Unknown = "",
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip(_) => Self::Gzip,
            Codec::Zstd(_) => Self::Zstd,
        }
    }
}
