//! What is lost when a value is written in an older form.

/// What an older form cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// So many hash fields lost their own expiry.
    FieldExpiries(u64),
    /// So many members or fields stood there twice; the first was kept, as servers find it.
    Duplicates(u64),
    /// First id, highest deleted id and entries added of a stream.
    StreamCounters,
    /// So many consumer groups lost their count of entries read.
    GroupEntriesRead(u64),
    /// So many consumers lost their time of last activity.
    ConsumerActivity(u64),
    /// What is remembered of idempotent producers.
    Idempotence {
        /// How many there were.
        producers: u64,
    },
    /// So many pending entries that nobody owns were left out.
    ReleasedEntries(u64),
}
