//! A moment of an instance between its backups: which base and which stretch of the replication stream lead to it, whether both are whole,
//! and a throwaway server that is brought to it.
//!
//! ```text
//! what was asked for ─► choose (base, segments, offset) ─► check (every byte is read) ─► build (base and stretch into a scratch server)
//! ```

mod build;
mod choose;
mod error;
mod needed;
mod silence;
mod stretch;
mod tails;
mod windows;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::connection::replication::Position;
use crate::repository::manifest::Manifest;
use crate::repository::segment::{Index, Mark};

pub use build::{build, build_tail};
pub use choose::choose;
pub use error::MomentError;
pub use needed::needed;
pub use silence::{ShownSilence, Silence};
pub use stretch::{Checked, check};
pub use tails::check as check_tails;
pub use windows::{Window, held};

/// The number of the shard of an instance that has one.
const SHARD: u32 = 0;

/// Which moment is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The last one that the archive reaches.
    Latest,
    /// The last one at or before an offset at which the stream may be cut.
    Offset {
        /// Bytes of the replication stream, as the server counts them.
        offset: u64,
        /// The history that is meant, by the first characters of its replication id; `None`: there may be one only.
        history: Option<String>,
    },
    /// The last one whose time is known to be this or earlier, by the clock of the server.
    Time(DateTime<Utc>),
    /// One that somebody has named.
    Named(String),
    /// The one before a command, or before the transaction that holds it.
    Before {
        /// Its name, and words behind it: `FLUSHALL`, `DEL cart:1`.
        words: Vec<String>,
        /// Which one, where several match: the offset before it or behind it.
        at: Option<u64>,
        /// The history that is meant, by the first characters of its replication id.
        history: Option<String>,
    },
}

/// A base, and the stretch of stream that leads from it to a moment.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The backup that it begins with.
    pub base: Manifest,
    /// Where that stands in the stream.
    pub from: Position,
    /// The place in the stream.
    pub at: Position,
    /// The segments between, in order.
    pub path: Vec<Index>,
    /// The last mark at or before it: its time is known to be this or later.
    pub not_before: Option<Mark>,
    /// The first mark behind it.
    pub not_after: Option<Mark>,
    /// The last offset that the archive reaches from there.
    pub end: u64,
    /// A time was asked for that lies in this silence: what was written from its first mark up to the time is not part of the moment.
    pub silence: Option<Silence>,
}

/// What is shown of a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// `INSTANCE/ID` of the base.
    pub base: String,
    /// The offset of the base.
    pub from_offset: u64,
    /// The offset of the moment.
    pub offset: u64,
    /// The history that it belongs to.
    pub replid: String,
    /// The server's clock at the marks around it: not earlier than this,
    #[serde(serialize_with = "crate::times::serialize_some")]
    pub not_before: Option<DateTime<Utc>>,
    /// and not later than this; `None`: it is the last thing that the archive knows.
    #[serde(serialize_with = "crate::times::serialize_some")]
    pub not_after: Option<DateTime<Utc>>,
    /// Bytes of stream behind the base.
    pub stream_bytes: u64,
    /// Segments that hold them.
    pub segments: u64,
    /// Bytes of stream behind the moment that the archive has: what was written there is not restored.
    pub lost_bytes: u64,
    /// A time was asked for between these two marks, where only offsets can be chosen.
    pub offsets_only: Option<ShownSilence>,
}

impl Moment {
    /// What is shown of it.
    pub fn shown(&self) -> Shown {
        let time = |mark: Option<Mark>| mark.and_then(|mark| DateTime::from_timestamp_micros(mark.time_us));
        Shown {
            base: format!("{}/{}", self.base.instance, self.base.id),
            from_offset: self.from.offset,
            offset: self.at.offset,
            replid: self.at.replid.clone(),
            not_before: time(self.not_before),
            not_after: time(self.not_after),
            stream_bytes: self.at.offset - self.from.offset,
            segments: self.path.len() as u64,
            lost_bytes: self.end.saturating_sub(self.at.offset),
            offsets_only: self.silence.map(|silence| silence.shown()),
        }
    }
}
