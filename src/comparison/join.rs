//! Reads the records of both sides side by side.

use std::cmp::Ordering;
use std::io;

use super::Options;
use super::record::Compact;
use super::recorder::{Recorded, Recorder};
use super::report::{Difference, Differences, Example};

/// Compares what was recorded of two sides. Fails when a temporary file could not be written or read.
pub fn compare(mut left: Recorder, mut right: Recorder, options: &Options) -> io::Result<Differences> {
    let (mut left, mut right) = (left.sorted()?, right.sorted()?);
    let mut report = Report { differences: Differences::default(), options, kept: [0; Difference::ALL.len()] };
    let (mut one, mut other) = (left.next()?, right.next()?);
    loop {
        let order = match (&one, &other) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.compact.identity().cmp(&other.compact.identity()),
        };
        let taken = if order.is_le() { one.take() } else { None };
        let taken_other = if order.is_ge() { other.take() } else { None };
        report.judge(taken.as_ref(), taken_other.as_ref());
        if let Some(recorded) = taken {
            left.give_back(recorded);
            one = left.next()?;
        }
        if let Some(recorded) = taken_other {
            right.give_back(recorded);
            other = right.next()?;
        }
    }
    let mut differences = report.differences;
    (differences.left_duplicates, differences.right_duplicates) = (left.duplicates, right.duplicates);
    differences.examples.sort_by_key(|example| (example.difference, example.identity));
    Ok(differences)
}

struct Report<'a> {
    differences: Differences,
    options: &'a Options,
    kept: [usize; Difference::ALL.len()],
}

impl Report<'_> {
    fn judge(&mut self, left: Option<&Recorded>, right: Option<&Recorded>) {
        let look_ms = self.options.look_ms;
        match (left, right) {
            (Some(left), Some(right)) => match self.between(&left.compact, &right.compact) {
                None => self.differences.equal += 1,
                Some(difference) => self.found(difference, left),
            },
            (Some(one), None) | (None, Some(one)) if one.compact.expired(look_ms) => {
                self.differences.expired += 1;
                self.differences.left_expired += u64::from(left.is_some());
            }
            (Some(missing), None) => self.found(Difference::Missing, missing),
            (None, Some(extra)) => self.found(Difference::Extra, extra),
            (None, None) => {}
        }
    }

    fn between(&self, left: &Compact, right: &Compact) -> Option<Difference> {
        if !left.same_type(right) {
            Some(Difference::Type)
        } else if !left.same_value(right) {
            Some(Difference::Value)
        } else if !left.same_expiry(right, self.options.ttl_tolerance_ms) {
            Some(Difference::Expiry)
        } else {
            None
        }
    }

    fn found(&mut self, difference: Difference, recorded: &Recorded) {
        *self.differences.count_mut(difference) += 1;
        let kept = &mut self.kept[difference as usize];
        if *kept < self.options.examples {
            *kept += 1;
            let example = Example { difference, identity: recorded.compact.identity(), key: recorded.key() };
            self.differences.examples.push(example);
        }
    }
}
