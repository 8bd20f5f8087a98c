//! What an archive holds: stretches without a hole, and from where on the moments of each can be restored.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::choose::bases;
use super::silence::{Silence, silences};
use super::{MomentError, SHARD};
use crate::repository::manifest::Manifest;
use crate::repository::segment::Index;
use crate::repository::{Repository, RepositoryError};

/// A stretch of an archive without a hole.
#[derive(Debug, Clone)]
pub struct Window {
    /// The first segment.
    pub from: Index,
    /// The segment that reaches farthest.
    pub to: Index,
    /// Bytes of stream in it.
    pub raw_bytes: u64,
    /// Segments in it.
    pub segments: u64,
    /// The first backup that lies in it: moments from there on can be restored. `None`: none of it can be.
    pub base: Option<FirstBase>,
    /// Where only offsets can be chosen, from that backup on, oldest first.
    pub silences: Vec<Silence>,
    /// Histories, with the offsets between which they belong to it.
    parts: Vec<(String, u64, u64)>,
}

/// Where the moments of a window that can be restored begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBase {
    /// The name of the backup: `INSTANCE/ID`.
    pub name: String,
    /// The offset of it.
    pub offset: u64,
    /// When it was taken.
    pub at: DateTime<Utc>,
}

/// What an archive holds.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The indexes that can be read: histories by the time at which they begin, within them by offset.
    pub indexes: Vec<Index>,
    /// Segments whose index cannot be read, and why: what they hold is lost.
    pub damaged: Vec<(String, String)>,
    /// Stretches without a hole, oldest first.
    pub windows: Vec<Window>,
}

/// Looks at all that an archive holds.
///
/// # Errors
/// There is no archive, or the place cannot be read.
pub async fn held(repository: &Repository, instance: &str) -> Result<Held, MomentError> {
    let timeline = repository.timeline(instance, SHARD).await?;
    if timeline.is_empty() {
        return Err(MomentError::NoArchive(instance.to_owned()));
    }
    let names: Vec<_> = timeline.segments().cloned().collect();
    let (mut indexes, mut damaged) = (Vec::new(), Vec::new());
    for read in repository.each_segment_index(instance, SHARD, &names).await {
        match read {
            Ok(index) => indexes.push(index),
            Err(RepositoryError::Segment { key, why }) => damaged.push((key, why)),
            Err(error) => return Err(error.into()),
        }
    }
    let mut begins: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for index in &indexes {
        let first = index.marks.first().map(|mark| mark.time_us);
        begins.entry(index.replid.clone()).or_insert(first);
    }
    indexes.sort_by_key(|index| (begins[&index.replid], index.replid.clone(), index.from));
    let mut windows = joined(&indexes);
    for base in bases(repository, instance).await?.iter().rev() {
        let (replid, offset) = (&base.at.replid, base.at.offset);
        let holds = |(of, from, to): &(String, u64, u64)| of == replid && (*from..*to).contains(&offset);
        if let Some(window) = windows.iter_mut().find(|window| window.parts.iter().any(holds))
            && window.base.is_none()
        {
            window.base = Some(FirstBase { name: name_of(&base.manifest), offset, at: taken(&base.manifest) });
        }
    }
    for window in &mut windows {
        let Some(base) = &window.base else { continue };
        let is_in_it =
            |index: &&Index| window.parts.iter().any(|(of, from, _)| *of == index.replid && *from == index.from);
        window.silences = silences(indexes.iter().filter(is_in_it));
        window.silences.retain(|silence| silence.after.offset > base.offset);
    }
    Ok(Held { indexes, damaged, windows })
}

fn name_of(manifest: &Manifest) -> String {
    format!("{}/{}", manifest.instance, manifest.id)
}

fn taken(manifest: &Manifest) -> DateTime<Utc> {
    manifest.moment.map_or(manifest.created_at, |moment| moment.from)
}

fn joined(indexes: &[Index]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for index in indexes {
        let joins = windows.last().is_some_and(|window| {
            let same = window.to.replid == index.replid && index.from <= window.to.to;
            let goes_on = index.from == window.to.to
                && index.previous.as_ref().is_some_and(|previous| previous.replid == window.to.replid);
            same || goes_on
        });
        let part = (index.replid.clone(), index.from, index.to);
        match windows.last_mut() {
            Some(window) if joins => {
                window.raw_bytes += index.to - index.from;
                window.segments += 1;
                window.parts.push(part);
                if index.replid != window.to.replid || index.to > window.to.to {
                    window.to = index.clone();
                }
            }
            _ => windows.push(Window {
                from: index.clone(),
                to: index.clone(),
                raw_bytes: index.to - index.from,
                segments: 1,
                base: None,
                silences: Vec::new(),
                parts: vec![part],
            }),
        }
    }
    windows
}
