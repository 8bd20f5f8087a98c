//! The moment of data at rest.

use tokio_util::sync::CancellationToken;

use super::pass::{self, Feed, Scanned};
use super::{Dataset, DatasetError};
use crate::progress::Hidden;
use crate::rdb::visit::{Entry, Interest, Visit};
use crate::repository::manifest::Shard;

impl Dataset {
    /// The moment of the data, Unix milliseconds: the server's clock as the file names it, else when the backup began. `None` where
    /// neither is known, and for a pipe, which is not read for that.
    ///
    /// # Errors
    /// The file cannot be read, or a signal came.
    pub async fn moment_ms(&self, cancel: &CancellationToken) -> Result<Option<i64>, DatasetError> {
        match self {
            Self::Backup(backup) => {
                let ctime = |shard: &Shard| shard.aux.get("ctime")?.parse::<i64>().ok();
                let seconds = backup.manifest.shards.iter().filter_map(ctime).max();
                Ok(Some(seconds.map_or(backup.manifest.created_at.timestamp_millis(), end_of_second)))
            }
            Self::Pipe(_) => Ok(None),
            Self::File(_) => {
                let feed = Feed::Opened(Box::new(self.open(0, cancel).await?));
                // What is wrong with it is found by the pass that follows.
                let passed = pass::run(feed, Scanned::by(Ctime::default(), 0), &Hidden::default(), cancel).await;
                Ok(passed.ok().and_then(|passed| passed.taker.into_visit().seconds).map(end_of_second))
            }
        }
    }
}

/// The last millisecond of a Unix second.
fn end_of_second(seconds: i64) -> i64 {
    seconds.saturating_mul(1000).saturating_add(999)
}

/// Looks for the moment that a file names before its first key.
#[derive(Debug, Default)]
struct Ctime {
    seconds: Option<i64>,
    keys_begin: bool,
}

impl Visit for Ctime {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"ctime" {
            self.seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        }
    }

    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        self.keys_begin = true;
        Interest::default()
    }

    fn stopped(&self) -> bool {
        self.seconds.is_some() || self.keys_begin
    }
}
