//! Is one data set equal to another? First by the buckets of their censuses, then key by key where they differ.
//!
//! ```text
//! census.bin of the left side ─┐
//!                              ├─ all buckets agree: equal, nothing else is read
//! one pass over the right side ┘  else: the left side is read, restricted to the buckets that differ; then key by key
//! ```
//!
//! A living server is one moment and can be read only once: while its census is made, a record of every key is kept with its
//! name ([`Recorder`]: bounded memory, the rest in a file without a name), so that no second look at another moment is needed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pass::PassError;
use super::view::View;
use crate::blocking;
use crate::census::{self, Census, Count, Digester, KeyType, Record, Sink, Tally};
use crate::comparison::{self, BucketDifference, BucketSet, Differences, Recorder, compare_buckets};
use crate::dataset::{Dataset, DatasetError};
use crate::explain::{Explain, Meaning};
use crate::figures::counted;
use crate::progress::{Progress, Unit};
use crate::rdb::module;

/// How two data sets are compared.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of memory for the records of both sides; more go to a file in `folder`.
    pub memory_limit: usize,
    /// The folder for such a file. It has no name: nothing remains, however the program ends.
    pub folder: PathBuf,
    /// The most keys of each kind of difference that are named.
    pub examples: usize,
    /// Expiries that are not further apart than this are equal.
    pub ttl_tolerance: Duration,
    /// Whether function libraries are part of the question.
    pub functions: bool,
}

/// Bytes of memory for the records of both sides, unless told otherwise.
pub const MEMORY_LIMIT: usize = 48 << 20;

impl Default for Options {
    /// 48 MiB, the system's folder for temporary files, 100 names of each kind, no tolerance, functions too.
    fn default() -> Self {
        Self {
            memory_limit: MEMORY_LIMIT,
            folder: std::env::temp_dir(),
            examples: 100,
            ttl_tolerance: Duration::ZERO,
            functions: true,
        }
    }
}

/// What the comparison found.
#[derive(Debug)]
pub struct Comparison {
    /// Keys. Left is what ought to be: the backup, or the older one.
    pub differences: Differences,
    /// Function libraries of both sides; `None` where they were not part of the question.
    pub functions: Option<Functions>,
    /// Buckets that were compared, and those that differ.
    pub buckets: (usize, usize),
    /// The moment of the look, Unix milliseconds: what expired before it is no difference.
    pub look_ms: i64,
    /// Keys that a view left out or found expired, on the left side; zeros where all keys were meant.
    pub left_out: Tally,
    /// Fields of hashes that had expired by then, on the left side, as far as its keys had to be read: they are no difference.
    pub expired_fields: u64,
    /// Streams of the side that has more: of these not all that a server keeps is compared ([`Comparison::not_compared`]).
    pub streams: u64,
    /// Records that modules keep beside the keys, by the type that has written them, of the side that has more: they are not compared.
    pub module_records: BTreeMap<String, u64>,
    /// Why the function libraries of the server could not be read, where it was read key by key: they are not compared.
    pub functions_unread: Option<String>,
}

/// Function libraries of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Functions {
    /// How many the left side has.
    pub left: u64,
    /// How many the right side has; of a cluster the fewest that one of its nodes has.
    pub right: u64,
    /// Whether they are the same, on every node that was read.
    pub equal: bool,
    /// The nodes of a cluster that have other ones, by address; empty where the right side is one server or a backup.
    pub differing: Vec<String>,
}

impl Comparison {
    /// What neither side tells reliably, so that it was not compared: no restore by commands brings it back, and servers disagree on it.
    pub fn not_compared(&self) -> Option<String> {
        let streams =
            "counters of streams (entries-added, max-deleted-id, entries-read of groups) and idle times of consumers";
        let records: u64 = self.module_records.values().sum();
        let types: Vec<&str> = self.module_records.keys().map(String::as_str).collect();
        let beside = format!(
            "{} that modules keep beside the keys (types `{}`), such as the definitions of search indexes",
            counted(records, "record"),
            types.join("`, `")
        );
        let functions = self.functions_unread.as_ref().map(|why| format!("function libraries ({why})"));
        let parts = [functions, (self.streams > 0).then(|| streams.to_owned()), (records > 0).then_some(beside)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Whether nothing is missing, extra or different.
    pub fn is_equal(&self) -> bool {
        self.differences.is_equal() && self.functions.as_ref().is_none_or(|functions| functions.equal)
    }
}

/// Why two data sets could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A backup or a file.
    #[error(transparent)]
    AtRest(#[from] DatasetError),
    /// What the server sends.
    #[error("cannot read the data of {node}")]
    Live {
        /// Which server, without secrets.
        node: String,
        /// Why it cannot be read.
        source: PassError,
    },
    /// The temporary file.
    #[error("cannot keep records in a temporary file")]
    Records(#[source] std::io::Error),
}

impl Explain for CompareError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::AtRest(error) => error.meaning(),
            Self::Live { source, .. } => source.meaning(),
            Self::Records(error) => error.meaning(),
        }
    }
}

impl CompareError {
    /// True if a signal was the reason.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::AtRest(DatasetError::Interrupted) => true,
            Self::Live { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }
}

/// What is known of one side so far.
pub(super) struct Side {
    pub(super) census: Census,
    /// Records of its keys, if it was read.
    pub(super) records: Option<Recorder>,
    pub(super) tally: Tally,
    /// The function libraries of each server that was read, where they are several.
    pub(super) by_node: Vec<(String, census::Functions)>,
    /// Records of modules beside its keys, by type.
    module_records: BTreeMap<String, u64>,
}

/// What hears a pass: digests keys of a view, counts and records them.
pub(super) type Hearing = Digester<Heard, View>;

/// Counts and records.
pub(super) struct Heard {
    count: Option<Count>,
    records: Recorder,
    /// Records of modules beside the keys, by type; `None`: they are no part of the question.
    module_records: Option<BTreeMap<String, u64>>,
}

impl Heard {
    /// The libraries that were heard since this was asked last.
    pub(super) fn take_functions(&mut self) -> census::Functions {
        self.count.as_mut().map(Count::take_functions).unwrap_or_default()
    }
}

impl Sink for Heard {
    #[inline]
    fn key(&mut self, record: &Record<'_>) {
        if let Some(count) = &mut self.count {
            count.key(record);
        }
        self.records.key(record);
    }

    fn function(&mut self, source: &[u8], hash: u128) {
        if let Some(count) = &mut self.count {
            count.function(source, hash);
        }
    }

    fn wants_module_aux(&self) -> bool {
        self.module_records.is_some()
    }

    fn module_aux(&mut self, id: u64, raw: &[u8]) {
        if let Some(records) = self.module_records.as_mut().filter(|_| module::says_something(raw)) {
            *records.entry(module::name(id).0).or_default() += 1;
        }
    }

    /// A census is of use even where records cannot be kept: all may be equal.
    fn stopped(&self) -> bool {
        self.count.is_none() && self.records.stopped()
    }
}

impl Options {
    pub(super) fn records(&self, look_ms: i64) -> comparison::Options {
        comparison::Options {
            memory_limit: self.memory_limit / 2,
            examples: self.examples,
            ttl_tolerance_ms: u64::try_from(self.ttl_tolerance.as_millis()).unwrap_or(u64::MAX),
            ..comparison::Options::new(&self.folder, look_ms)
        }
    }

    /// Hears a whole side: its census is not known.
    pub(super) fn whole(&self, view: &View, look_ms: i64) -> Hearing {
        let records = Recorder::new(&self.records(look_ms));
        let count = Some(Count::keeping(look_ms, 0));
        let module_records = (!matches!(view, View::Selected(_))).then(BTreeMap::new);
        Digester::choosing(Heard { count, records, module_records }, view.clone()).by_meaning()
    }

    /// Hears the keys of some buckets.
    pub(super) fn restricted(&self, view: &View, look_ms: i64, buckets: &BucketSet) -> Hearing {
        let mut records = Recorder::new(&self.records(look_ms));
        records.restrict(buckets);
        Digester::choosing(Heard { count: None, records, module_records: None }, view.clone())
            .by_meaning()
            .fields_expired_before(look_ms)
    }
}

impl Side {
    /// A side of which the census is known; the manifest tells which modules have written something beside the keys.
    pub(super) fn known(census: Census, data: &Dataset) -> Self {
        let module_records = data.manifest().and_then(|manifest| manifest.module_aux.clone()).unwrap_or_default();
        Self { census, records: None, tally: Tally::default(), by_node: Vec::new(), module_records }
    }

    /// A side that was read whole.
    pub(super) fn heard(hearing: Hearing) -> Self {
        let tally = hearing.tally();
        let heard = hearing.into_sink();
        let census = heard.count.map(Count::finish).unwrap_or_else(|| Census::empty(0, 0, 0));
        let module_records = heard.module_records.unwrap_or_default();
        Self { census, records: Some(heard.records), tally, by_node: Vec::new(), module_records }
    }

    /// A side that was read whole from these servers, whose libraries were taken out of what was heard.
    pub(super) fn heard_of(hearing: Hearing, by_node: Vec<(String, census::Functions)>) -> Self {
        let mut side = Self::heard(hearing);
        let mut each = by_node.iter().map(|(_, functions)| functions);
        let first = each.next().cloned().unwrap_or_default();
        side.census.functions = each.fold(first, |all, one| all.merged(one));
        Self { by_node: if by_node.len() > 1 { by_node } else { Vec::new() }, ..side }
    }
}

/// The buckets that differ.
pub(super) fn differing(left: &Side, right: &Side) -> BucketDifference {
    compare_buckets(&left.census.buckets, &right.census.buckets)
}

/// A pass over data at rest, and who looks at it.
pub(super) struct Reading<'a> {
    pub(super) view: &'a View,
    pub(super) options: &'a Options,
    pub(super) look_ms: i64,
    pub(super) progress: &'a dyn Progress,
    pub(super) cancel: &'a CancellationToken,
}

impl Reading<'_> {
    /// The census of data at rest: that which was made with them, or one that is made now.
    pub(super) async fn first_look(&self, data: &Dataset) -> Result<Side, CompareError> {
        let known = if self.view.is_everything() { data.census().await } else { None };
        if let Some(census) = known {
            return Ok(Side::known(census, data));
        }
        let hearing = self.options.whole(self.view, self.look_ms).fields_expired_before(self.look_ms);
        Ok(Side::heard(self.read(data, hearing).await?))
    }

    /// Records of the keys in the buckets that differ, unless there are some.
    pub(super) async fn second_look(
        &self,
        data: &Dataset,
        side: &mut Side,
        difference: &BucketDifference,
    ) -> Result<(), CompareError> {
        if side.records.is_none() && !difference.buckets.is_empty() {
            let hearing = self.options.restricted(self.view, self.look_ms, &difference.buckets);
            let hearing = self.read(data, hearing).await?;
            side.tally.expired_fields = hearing.tally().expired_fields;
            side.records = Some(hearing.into_sink().records);
        }
        Ok(())
    }

    async fn read(&self, data: &Dataset, hearing: Hearing) -> Result<Hearing, CompareError> {
        self.progress.phase(&format!("reading {}", data.name()), Unit::Bytes, data.raw_bytes());
        Ok(data.read(hearing, self.progress, self.cancel).await?)
    }
}

/// The answer of two sides whose records of the buckets that differ are there. Sorts and reads files, on a thread of its own.
pub(super) async fn judge(
    left: Side,
    right: Side,
    difference: BucketDifference,
    options: &Options,
    look_ms: i64,
) -> Result<Comparison, CompareError> {
    let options = options.clone();
    blocking::run(move || join(left, right, &difference, &options, look_ms)).await
}

fn join(
    mut left: Side,
    mut right: Side,
    difference: &BucketDifference,
    options: &Options,
    look_ms: i64,
) -> Result<Comparison, CompareError> {
    let mut differences = Differences::default();
    if !difference.buckets.is_empty()
        && let (Some(mut left), Some(mut right)) = (left.records.take(), right.records.take())
    {
        left.restrict(&difference.buckets);
        right.restrict(&difference.buckets);
        differences = comparison::compare(left, right, &options.records(look_ms)).map_err(CompareError::Records)?;
    }
    differences.equal += difference.equal_keys;
    let functions = options.functions.then(|| {
        let (wanted, found) = (&left.census.functions, &right.census.functions);
        // Every primary of a cluster has to have all of them: a call goes to the node that serves its keys.
        let others = right.by_node.iter().filter(|(_, own)| !own.is_one_of(wanted));
        let differing: Vec<String> = others.map(|(node, _)| node.clone()).collect();
        let equal = wanted.count() == found.count() && wanted.digest() == found.digest() && differing.is_empty();
        let fewest = right.by_node.iter().map(|(_, own)| own.count()).min();
        let found = fewest.filter(|_| !differing.is_empty()).unwrap_or(found.count());
        Functions { left: wanted.count(), right: found, equal, differing }
    });
    let mut module_records = left.module_records;
    for (name, records) in right.module_records {
        let most = module_records.entry(name).or_default();
        *most = records.max(*most);
    }
    let streams = |census: &Census| census.by_type.get(&KeyType::Stream).map_or(0, |total| total.keys);
    let streams = streams(&left.census).max(streams(&right.census));
    let bits = left.census.buckets.bits().min(right.census.buckets.bits());
    Ok(Comparison {
        differences,
        functions,
        buckets: (1 << bits, difference.buckets.count()),
        look_ms,
        expired_fields: left.tally.expired_fields,
        left_out: left.tally,
        streams,
        module_records,
        functions_unread: None,
    })
}
