//! Remembers the keys of one side.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::path::PathBuf;

use super::Options;
use super::buckets::BucketSet;
use super::record::{Compact, NAME_KEPT};
use super::run::{Reader, Runs};
use crate::census::{Record, Sink};

/// A record in memory and where its name stands.
#[derive(Debug, Clone, Copy)]
struct Slot {
    compact: Compact,
    start: u32,
    length: u32,
}

/// The sink that remembers the keys of one side, see [`super`].
#[derive(Debug)]
pub struct Recorder {
    limit: usize,
    folder: PathBuf,
    buckets: BucketSet,
    slots: Vec<Slot>,
    text: Vec<u8>,
    runs: Option<Runs>,
    recorded: u64,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Of all keys, until restricted.
    pub fn new(options: &Options) -> Self {
        Self {
            // Half of it, because a vector that grows doubles; and an offset of a name must fit 32 bits.
            limit: (options.memory_limit / 2).min(1 << 31),
            folder: options.folder.clone(),
            buckets: BucketSet::all(),
            slots: Vec::new(),
            text: Vec::new(),
            runs: None,
            recorded: 0,
            failed: None,
        }
    }

    /// Only the keys of these buckets matter: of those that come no others are recorded, and of those that were recorded
    /// others are passed over.
    pub fn restrict(&mut self, buckets: &BucketSet) {
        self.buckets = buckets.clone();
    }

    /// Keys recorded, those that came twice counted twice.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// True if memory was not enough and a file was written.
    pub fn spilled(&self) -> bool {
        self.runs.is_some()
    }

    fn memory(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.text.len()
    }

    fn sort(&mut self) {
        self.slots.sort_unstable_by_key(|slot| slot.compact.order());
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            none => none.insert(Runs::create(&self.folder)?),
        };
        let (slots, text) = (&self.slots, &self.text);
        runs.append(slots.iter().map(|slot| (slot.compact, slot.name(text))))?;
        self.slots.clear();
        self.text.clear();
        Ok(())
    }

    /// Everything recorded, sorted by key; of a key that came twice what came last.
    pub(super) fn sorted(&mut self) -> io::Result<Sorted<'_>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.sort();
        let mut sources = vec![Source::Memory { slots: &self.slots, text: &self.text }];
        let readers = self.runs.as_ref().map(|runs| runs.readers(self.limit));
        sources.extend(readers.into_iter().flatten().map(Source::File));
        let mut sorted =
            Sorted { sources, heap: BinaryHeap::new(), buckets: &self.buckets, duplicates: 0, spare: Vec::new() };
        (0..sorted.sources.len()).try_for_each(|source| sorted.refill(source))?;
        Ok(sorted)
    }
}

impl Slot {
    fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..][..self.length as usize]
    }
}

impl Sink for Recorder {
    fn key(&mut self, record: &Record<'_>) {
        if self.failed.is_some() || !self.buckets.contains(record.identity) {
            return;
        }
        let compact = Compact::of(record, self.recorded as u32);
        self.recorded += 1;
        let start = self.text.len();
        self.text.extend_from_slice(&record.database.to_le_bytes());
        self.text.extend_from_slice(&record.key[..record.key.len().min(NAME_KEPT)]);
        self.slots.push(Slot { compact, start: start as u32, length: (self.text.len() - start) as u32 });
        if self.memory() >= self.limit {
            self.failed = self.spill().err();
        }
    }

    fn wants(&self, identity: u128) -> bool {
        self.buckets.contains(identity)
    }

    /// True when a file could not be written; [`super::compare`] then says why.
    fn stopped(&self) -> bool {
        self.failed.is_some()
    }
}

enum Source<'a> {
    Memory { slots: &'a [Slot], text: &'a [u8] },
    File(Reader<'a>),
}

/// A key and its name.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub compact: Compact,
    /// Eight bytes of database, and the name of the key.
    name: Vec<u8>,
}

impl Recorded {
    /// Database and name.
    pub fn key(&self) -> (u64, Vec<u8>) {
        let (database, name) = self.name.split_first_chunk().unwrap_or((&[0; 8], &[]));
        (u64::from_le_bytes(*database), name.to_vec())
    }
}

/// The next record of a source.
struct Head {
    recorded: Recorded,
    source: usize,
}

/// Records in the order of their keys.
pub(super) struct Sorted<'a> {
    sources: Vec<Source<'a>>,
    heap: BinaryHeap<Reverse<Head>>,
    buckets: &'a BucketSet,
    /// Records of keys that came again later.
    pub duplicates: u64,
    /// A buffer for a name.
    spare: Vec<u8>,
}

impl Sorted<'_> {
    fn refill(&mut self, source: usize) -> io::Result<()> {
        let mut name = std::mem::take(&mut self.spare);
        loop {
            let compact = match &mut self.sources[source] {
                Source::File(reader) => reader.next(&mut name)?,
                Source::Memory { slots, text } => slots.split_first().map(|(first, rest)| {
                    *slots = rest;
                    name.clear();
                    name.extend_from_slice(first.name(text));
                    first.compact
                }),
            };
            match compact {
                None => self.spare = name,
                Some(compact) if !self.buckets.contains(compact.identity()) => continue,
                Some(compact) => self.heap.push(Reverse(Head { recorded: Recorded { compact, name }, source })),
            }
            return Ok(());
        }
    }

    fn step(&mut self) -> io::Result<Option<Recorded>> {
        let Some(Reverse(Head { recorded, source })) = self.heap.pop() else { return Ok(None) };
        self.refill(source)?;
        Ok(Some(recorded))
    }

    /// The next key.
    pub fn next(&mut self) -> io::Result<Option<Recorded>> {
        let Some(mut recorded) = self.step()? else { return Ok(None) };
        while self.heap.peek().is_some_and(|next| next.0.recorded.compact.identity() == recorded.compact.identity()) {
            let Some(later) = self.step()? else { break };
            self.duplicates += 1;
            self.give_back(std::mem::replace(&mut recorded, later));
        }
        Ok(Some(recorded))
    }

    /// Takes a record back that is done with, for its buffer.
    pub fn give_back(&mut self, recorded: Recorded) {
        self.spare = recorded.name;
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.recorded.compact.order().cmp(&other.recorded.compact.order())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}
