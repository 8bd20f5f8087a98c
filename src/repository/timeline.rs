//! Which segments lead from a base to a moment. Segments of one history join where one ends and the next begins; histories join where the
//! server has changed its role and the archiver went on without a loss. What lies between two segments that do not join is a hole.

use std::collections::BTreeMap;

use super::segment::SegmentName;
use crate::connection::replication::Position;

/// The segments of one shard.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// By history, then by offset.
    segments: BTreeMap<String, Vec<SegmentName>>,
    /// Where histories come from.
    parents: BTreeMap<String, Position>,
}

/// There is no way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The last place that can be reached.
    pub reached: Position,
    /// Where the archive goes on in the same history; `None`: nowhere.
    pub goes_on_at: Option<u64>,
}

impl Timeline {
    /// The segments, and where each history comes from: the history before it, and the offset at which it begins.
    pub fn new(names: impl IntoIterator<Item = SegmentName>, parents: BTreeMap<String, Position>) -> Self {
        let mut segments: BTreeMap<String, Vec<SegmentName>> = BTreeMap::new();
        for name in names {
            segments.entry(name.replid.clone()).or_default().push(name);
        }
        segments.values_mut().for_each(|of_one| of_one.sort_unstable());
        Self { segments, parents }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// All segments, by history and offset.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentName> {
        self.segments.values().flatten()
    }

    /// The first segment of each history.
    pub fn firsts(&self) -> impl Iterator<Item = &SegmentName> {
        self.segments.values().filter_map(|of_one| of_one.first())
    }

    /// The last segment of each history.
    pub fn lasts(&self) -> impl Iterator<Item = &SegmentName> {
        self.segments.values().filter_map(|of_one| of_one.last())
    }

    /// The segments that lead from a place on, up to an offset: the first holds the byte behind `from`, unless `from` is that offset already.
    /// Without an offset: as far as they lead.
    ///
    /// # Errors
    /// They do not lead so far.
    pub fn path(&self, from: &Position, to: Option<u64>) -> Result<Vec<&SegmentName>, Hole> {
        let (mut at, mut path) = (from.clone(), Vec::new());
        loop {
            if to.is_some_and(|to| at.offset >= to) {
                return Ok(path);
            }
            let child = self.child(&at);
            let on = match child {
                // Where the server has changed its role, the history that goes on is the new one.
                Some(replid) => self.behind(replid, at.offset),
                None => self.behind(&at.replid, at.offset),
            };
            match on {
                Some(segment) => {
                    at = Position { replid: segment.replid.clone(), offset: segment.to };
                    path.push(segment);
                }
                None if to.is_none() => return Ok(path),
                None => {
                    let later = self.segments.get(&at.replid).into_iter().flatten();
                    let goes_on_at = later.map(|segment| segment.from).filter(|from| *from > at.offset).min();
                    return Err(Hole { reached: at, goes_on_at });
                }
            }
        }
    }

    /// The segment of a history that holds the byte behind an offset; of several the one that leads farthest.
    fn behind(&self, replid: &str, offset: u64) -> Option<&SegmentName> {
        let of_one = self.segments.get(replid)?;
        of_one.iter().filter(|segment| segment.from <= offset && offset < segment.to).max_by_key(|segment| segment.to)
    }

    /// The history that begins at this place.
    fn child(&self, at: &Position) -> Option<&str> {
        let (replid, _) = self.parents.iter().find(|(_, parent)| **parent == *at)?;
        Some(replid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(replid: &str, from: u64, to: u64) -> SegmentName {
        SegmentName { replid: replid.to_owned(), from, to }
    }

    fn at(replid: &str, offset: u64) -> Position {
        Position { replid: replid.to_owned(), offset }
    }

    fn offsets(path: &[&SegmentName]) -> Vec<(u64, u64)> {
        path.iter().map(|segment| (segment.from, segment.to)).collect()
    }

    #[test]
    fn a_path_begins_within_a_segment_and_ends_within_one() {
        let timeline =
            Timeline::new([segment("a", 20, 30), segment("a", 0, 10), segment("a", 10, 20)], BTreeMap::new());
        assert_eq!(offsets(&timeline.path(&at("a", 5), Some(25)).expect("a path")), [(0, 10), (10, 20), (20, 30)]);
        assert_eq!(offsets(&timeline.path(&at("a", 10), Some(20)).expect("a path")), [(10, 20)]);
        assert_eq!(offsets(&timeline.path(&at("a", 10), None).expect("a path")), [(10, 20), (20, 30)]);
        assert!(timeline.path(&at("a", 10), Some(10)).expect("a path").is_empty());
    }

    #[test]
    fn a_hole_and_the_end_are_told() {
        let timeline = Timeline::new([segment("a", 0, 10), segment("a", 20, 30)], BTreeMap::new());
        let hole = Hole { reached: at("a", 10), goes_on_at: Some(20) };
        assert_eq!(timeline.path(&at("a", 0), Some(25)), Err(hole));
        let end = Hole { reached: at("a", 30), goes_on_at: None };
        assert_eq!(timeline.path(&at("a", 20), Some(31)), Err(end));
        let other = Hole { reached: at("b", 0), goes_on_at: None };
        assert_eq!(timeline.path(&at("b", 0), Some(5)), Err(other));
    }

    #[test]
    fn a_new_history_goes_on_where_the_old_one_ended() {
        let parents = [("b".to_owned(), at("a", 10))].into();
        let timeline = Timeline::new([segment("a", 0, 10), segment("a", 10, 12), segment("b", 10, 20)], parents);
        let path = timeline.path(&at("a", 0), Some(15)).expect("a path");
        assert_eq!(path.iter().map(|segment| segment.replid.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        // What the old primary has sent beyond that belongs to nobody else.
        let branch = timeline.path(&at("a", 11), Some(12)).expect("a path");
        assert_eq!(offsets(&branch), [(10, 12)]);
    }

    #[test]
    fn of_segments_that_overlap_the_one_that_leads_farthest_is_taken() {
        let timeline = Timeline::new([segment("a", 0, 10), segment("a", 0, 20), segment("a", 10, 15)], BTreeMap::new());
        assert_eq!(offsets(&timeline.path(&at("a", 0), Some(18)).expect("a path")), [(0, 20)]);
    }
}
