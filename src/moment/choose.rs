//! Chooses the newest base before a moment from which the stream leads there without a hole.

use chrono::DateTime;

use super::silence::silences;
use super::stretch::{Find, Found, find};
use super::{Moment, MomentError, SHARD, Wanted};
use crate::connection::replication::Position;
use crate::repository::manifest::{Consistency, Manifest};
use crate::repository::segment::{Index, Mark, SegmentName, time_of};
use crate::repository::timeline::{Hole, Timeline};
use crate::repository::{ListedStatus, Repository};

/// Places that an ambiguity names.
const NAMED: usize = 20;

/// A backup from which a stream can go on.
pub(super) struct Base {
    pub(super) manifest: Manifest,
    pub(super) at: Position,
}

/// Chooses the base and the segments for a moment of an instance. No segment is read to its end, unless commands are looked for.
///
/// # Errors
/// See [`MomentError`].
pub async fn choose(repository: &Repository, instance: &str, wanted: &Wanted) -> Result<Moment, MomentError> {
    let timeline = repository.timeline(instance, SHARD).await?;
    if timeline.is_empty() {
        return Err(MomentError::NoArchive(instance.to_owned()));
    }
    let search = Search { repository, instance, timeline, bases: bases(repository, instance).await? };
    match wanted {
        Wanted::Latest => search.latest().await,
        Wanted::Offset { offset, history } => search.offset(*offset, history.as_deref()).await,
        Wanted::Time(time) => search.time(time.timestamp_micros(), &crate::times::text(*time)).await,
        Wanted::Named(name) => match repository.named_point(instance, SHARD, name).await? {
            Some(point) => {
                let at = Position { replid: point.replid, offset: point.offset };
                search.place(&at, &format!("the mark `{name}`")).await
            }
            None => Err(MomentError::NotFound(format!("the archive of {instance} has no mark `{name}`"))),
        },
        Wanted::Before { words, at, history } => search.before(words, *at, history.as_deref()).await,
    }
}

/// The backups of an instance that are of one place in a stream, the farthest first.
pub(super) async fn bases(repository: &Repository, instance: &str) -> Result<Vec<Base>, MomentError> {
    let mut bases = Vec::new();
    repository
        .list_each(
            Some(instance),
            |_| {},
            |listed| {
                let is_damaged = listed.is_damaged();
                let ListedStatus::Published(manifest) = listed.status else { return };
                let [shard] = manifest.shards.as_slice() else { return };
                let (Some(offset), replid) = (shard.offset, shard.replid.clone()) else { return };
                let is_one_moment = manifest.consistency == Consistency::PointInTime && !manifest.stale;
                if replid.is_empty() || is_damaged || !manifest.is_sound() || !is_one_moment {
                    return;
                }
                bases.push(Base { at: Position { replid, offset }, manifest: *manifest });
            },
        )
        .await?;
    bases.sort_by_key(|base| (std::cmp::Reverse(base.at.offset), std::cmp::Reverse(base.manifest.created_at)));
    Ok(bases)
}

struct Search<'a> {
    repository: &'a Repository,
    instance: &'a str,
    timeline: Timeline,
    bases: Vec<Base>,
}

impl Search<'_> {
    async fn indexes(&self, path: &[&SegmentName]) -> Result<Vec<Index>, MomentError> {
        let names: Vec<SegmentName> = path.iter().map(|name| (*name).clone()).collect();
        Ok(self.repository.segment_indexes(self.instance, SHARD, &names).await?)
    }

    fn no_base(&self, what: &str) -> MomentError {
        MomentError::NoBase { instance: self.instance.to_owned(), what: what.to_owned() }
    }

    async fn latest(&self) -> Result<Moment, MomentError> {
        let mut newest: Vec<&Base> = self.bases.iter().collect();
        newest.sort_by_key(|base| std::cmp::Reverse(base.manifest.created_at));
        for base in newest {
            let path = self.timeline.path(&base.at, None).unwrap_or_default();
            if let Some(last) = path.last() {
                let at = Position { replid: last.replid.clone(), offset: last.to };
                return self.moment(base, at, &path).await;
            }
        }
        Err(self.nothing_after())
    }

    /// No backup has any of the stream after it.
    fn nothing_after(&self) -> MomentError {
        let newest = self.bases.iter().max_by_key(|base| base.manifest.created_at);
        let newest = newest.map(|base| format!("{}/{}", self.instance, base.manifest.id));
        MomentError::NothingAfter { instance: self.instance.to_owned(), newest }
    }

    async fn offset(&self, offset: u64, history: Option<&str>) -> Result<Moment, MomentError> {
        let what = format!("offset {offset}");
        let histories = self.histories_with(offset, history);
        if histories.len() > 1 {
            let all: Vec<&SegmentName> = self.timeline.segments().collect();
            let indexes = self.indexes(&all).await?;
            let place = |replid: &String| {
                let time = time_of(indexes.iter(), replid, offset, offset);
                format!("history {replid} ({})", time.map_or_else(|| "time unknown".to_owned(), moment_text))
            };
            let places = histories.iter().take(NAMED).map(place).collect();
            return Err(MomentError::Ambiguous { what, places });
        }
        let is_archived = |history: &str| self.timeline.segments().any(|segment| segment.replid.starts_with(history));
        if let (Some(history), true) = (history.filter(|history| !is_archived(history)), histories.is_empty()) {
            return Err(MomentError::NotFound(format!(
                "{what} is in no archived history whose id begins with `{history}`"
            )));
        }
        let base = self.base_for(offset, histories.first().map(String::as_str), &what)?;
        let path = self.path(base, offset)?;
        let mut at = Position { replid: base.at.replid.clone(), offset: base.at.offset };
        if let Some(last) = path.last() {
            let found = find(self.repository, self.instance, last, &Find::Safe(offset)).await?;
            // A place within a command, or within a transaction, is the one before it.
            let safe = found.last().map_or(last.from, |found| found.end);
            at = Position { replid: last.replid.clone(), offset: safe.max(base.at.offset) };
        }
        self.moment(base, at, &path).await
    }

    /// A place that is known to be one at which the stream may be cut.
    async fn place(&self, at: &Position, what: &str) -> Result<Moment, MomentError> {
        let base = self.base_for(at.offset, Some(&at.replid), what)?;
        let path = self.path(base, at.offset)?;
        self.moment(base, at.clone(), &path).await
    }

    fn path(&self, base: &Base, offset: u64) -> Result<Vec<&SegmentName>, MomentError> {
        let what = format!("offset {offset}");
        self.timeline.path(&base.at, Some(offset)).map_err(|hole| self.hole(base, hole, &what))
    }

    fn hole(&self, base: &Base, hole: Hole, what: &str) -> MomentError {
        MomentError::Hole {
            base: format!("{}/{}", self.instance, base.manifest.id),
            what: what.to_owned(),
            reached: hole.reached.offset,
            goes_on_at: hole.goes_on_at,
        }
    }

    /// Replication ids of the histories in which an offset can be reached, each once, the newest base first. After a restart of the server
    /// offsets begin anew, so that one number may be two moments.
    fn histories_with(&self, offset: u64, history: Option<&str>) -> Vec<String> {
        let mut found: Vec<(DateTime<chrono::Utc>, String)> = Vec::new();
        for base in self.bases.iter().filter(|base| base.at.offset <= offset) {
            let Ok(path) = self.timeline.path(&base.at, Some(offset)) else { continue };
            let replid = path.last().map_or(&base.at.replid, |last| &last.replid);
            let is_meant = history.is_none_or(|history| replid.starts_with(history));
            if is_meant && !found.iter().any(|(_, known)| known == replid) {
                found.push((base.manifest.created_at, replid.clone()));
            }
        }
        found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        found.into_iter().map(|(_, replid)| replid).collect()
    }

    /// The farthest base from which the stream leads to an offset; in this history, if one is named.
    fn base_for(&self, offset: u64, replid: Option<&str>, what: &str) -> Result<&Base, MomentError> {
        let mut refused = None;
        for base in self.bases.iter().filter(|base| base.at.offset <= offset) {
            match self.timeline.path(&base.at, Some(offset)) {
                Ok(path) => {
                    let reached = path.last().map_or(&base.at.replid, |last| &last.replid);
                    if replid.is_none_or(|replid| replid == reached) {
                        return Ok(base);
                    }
                }
                // The nearest one tells most.
                Err(hole) => refused = refused.or(Some(self.hole(base, hole, what))),
            }
        }
        Err(refused.unwrap_or_else(|| self.no_base(what)))
    }

    async fn time(&self, time_us: i64, text: &str) -> Result<Moment, MomentError> {
        let (mut beyond, mut later) = (None, None);
        let mut is_followed = false;
        let mut newest: Vec<&Base> = self.bases.iter().collect();
        newest.sort_by_key(|base| std::cmp::Reverse(base.manifest.created_at));
        for base in newest {
            let path = self.timeline.path(&base.at, None).unwrap_or_default();
            let indexes = self.indexes(&path).await?;
            let marks: Vec<Mark> = marks_of(&indexes).filter(|mark| mark.offset >= base.at.offset).collect();
            is_followed |= !path.is_empty();
            let Some(last) = marks.last() else { continue };
            let fits: Vec<usize> = (0..marks.len())
                .filter(|at| {
                    let next = marks.get(at + 1);
                    marks[*at].time_us <= time_us && next.is_some_and(|next| next.time_us > time_us)
                })
                .collect();
            match fits.as_slice() {
                // All are later: an older base may do.
                [] if last.time_us > time_us => later = marks.first().map(|mark| mark.time_us).or(later),
                // Nothing was read behind it: what was written between it and the time may be missing.
                [] if last.time_us < time_us => {
                    beyond.get_or_insert_with(|| match later {
                        Some(later) => MomentError::InGap {
                            what: text.to_owned(),
                            last: moment_text(last.time_us),
                            next: moment_text(later),
                        },
                        None => MomentError::Beyond { what: text.to_owned(), last: moment_text(last.time_us) },
                    });
                }
                [] => return self.at_mark(base, &indexes, *last).await,
                [one] => {
                    let silence = silences(&indexes).into_iter().find(|silence| silence.before == marks[*one]);
                    let moment = self.at_mark(base, &indexes, marks[*one]).await?;
                    return Ok(Moment { silence, ..moment });
                }
                several => {
                    let places = several.iter().take(NAMED).map(|at| format!("offset {}", marks[*at].offset));
                    return Err(MomentError::Ambiguous {
                        what: format!("{text} (the server's clock was set back)"),
                        places: places.collect(),
                    });
                }
            }
        }
        Err(beyond.unwrap_or_else(|| match is_followed {
            true => self.no_base(text),
            false => self.nothing_after(),
        }))
    }

    async fn at_mark(&self, base: &Base, indexes: &[Index], mark: Mark) -> Result<Moment, MomentError> {
        let holds = indexes.iter().find(|index| index.from < mark.offset && mark.offset <= index.to);
        let replid = holds.map_or(&base.at.replid, |index| &index.replid).clone();
        let n_segments = indexes.iter().take_while(|index| index.from < mark.offset).count();
        self.moment_of(base, Position { replid, offset: mark.offset }, indexes, n_segments).await
    }

    async fn before(&self, words: &[String], at: Option<u64>, history: Option<&str>) -> Result<Moment, MomentError> {
        let what = words.join(" ");
        let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let all: Vec<&SegmentName> = self.timeline.segments().collect();
        let (mut found, indexes) = (Vec::new(), self.indexes(&all).await?);
        for index in &indexes {
            if index.commands.contains_key(&name) {
                let segment = index.name();
                let in_it = find(self.repository, self.instance, &segment, &Find::Command(words)).await?;
                found.extend(in_it.into_iter().map(|found| (segment.replid.clone(), found)));
            }
        }
        // Segments that overlap tell of the same command.
        found.sort_by_key(|(replid, found)| (replid.clone(), found.end));
        found.dedup_by_key(|(replid, found)| (replid.clone(), found.end));
        if let Some(history) = history {
            found.retain(|(replid, _)| replid.starts_with(history));
        }
        if let Some(at) = at {
            found.retain(|(_, found)| found.before == at || found.end == at || found.start == at);
        }
        match found.as_slice() {
            [] => Err(MomentError::NotFound(match at {
                Some(at) => format!("the archive has no `{what}` at offset {at}"),
                None => format!("the archive has no `{what}`"),
            })),
            [(replid, one)] => {
                let at = Position { replid: replid.clone(), offset: one.before };
                self.place(&at, &format!("`{what}`")).await
            }
            several => {
                let has_several = several.iter().any(|(replid, _)| *replid != several[0].0);
                let time = |replid: &str, found: &Found| {
                    let time = time_of(indexes.iter(), replid, found.before, found.end);
                    time.map_or_else(String::new, |time| format!(" ({})", moment_text(time)))
                };
                let place = |(replid, found): &(String, Found)| match has_several {
                    true => format!("{what}@{}{} of history {replid}", found.before, time(replid, found)),
                    false => format!("{what}@{}{}", found.before, time(replid, found)),
                };
                let places = several.iter().take(NAMED).map(place);
                Err(MomentError::Ambiguous { what: format!("`{what}`"), places: places.collect() })
            }
        }
    }

    async fn moment(&self, base: &Base, at: Position, path: &[&SegmentName]) -> Result<Moment, MomentError> {
        let n_segments = path.len();
        // What lies behind the moment tells when it was.
        let mut all = path.to_vec();
        let behind = self.timeline.path(&at, None).unwrap_or_default();
        all.extend(behind.into_iter().filter(|segment| !path.contains(segment)));
        let indexes = self.indexes(&all).await?;
        self.moment_of(base, at, &indexes, n_segments).await
    }

    async fn moment_of(
        &self,
        base: &Base,
        at: Position,
        indexes: &[Index],
        n_segments: usize,
    ) -> Result<Moment, MomentError> {
        let not_before = marks_of(indexes).filter(|mark| mark.offset <= at.offset).last();
        let not_after = marks_of(indexes).find(|mark| mark.offset > at.offset);
        let end = indexes.last().map_or(at.offset, |index| index.to);
        let path = match at.offset > base.at.offset {
            true => indexes[..n_segments].to_vec(),
            false => Vec::new(),
        };
        Ok(Moment {
            base: base.manifest.clone(),
            from: base.at.clone(),
            at,
            path,
            not_before,
            not_after,
            end,
            silence: None,
        })
    }
}

fn marks_of(indexes: &[Index]) -> impl Iterator<Item = Mark> {
    indexes.iter().flat_map(|index| index.marks.iter().copied())
}

fn moment_text(time_us: i64) -> String {
    DateTime::from_timestamp_micros(time_us).map_or_else(|| "an unknown time".to_owned(), crate::times::text)
}
