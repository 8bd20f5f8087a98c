//! Holds what a restore has done and said against what was foretold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::case::{Disturbance, Existing, Ttl};
use super::foretell::{Fate, Foretold, Known};
use super::held::{Held, Moment, Parts, Place, Value};

/// Nothing, or what is wrong.
pub type Verdict = Result<(), String>;

/// What the server holds, and when it was asked.
pub struct Seen {
    pub held: Held,
    pub read: Moment,
}

/// A key that somebody else has written meanwhile.
pub struct Stranger {
    pub place: Place,
    pub value: Value,
    /// The server took it.
    pub written: bool,
}

pub struct Judge<'a> {
    pub known: &'a Known<'a>,
    pub told: &'a Foretold,
    pub stranger: Option<&'a Stranger>,
    /// More than one run was needed.
    pub was_interrupted: bool,
}

impl Judge<'_> {
    /// A restore that was refused: rightly, and nothing was touched.
    pub fn refused(&self, code: i32, answer: &Json, seen: &Seen) -> Verdict {
        let why = answer["error"]["code"].as_str().unwrap_or_default();
        let is_right = |refusal: &&super::foretell::Refusal| refusal.code == why && refusal.exit == code;
        if !self.told.refusals.iter().any(|refusal| is_right(&refusal)) {
            return Err(format!("refused with {code} `{why}`, and not for any of {:?}", self.told.refusals));
        }
        let before = self.known.before;
        let places = before.keys.iter().map(|(place, value)| (place.clone(), vec![Some(value.clone())])).collect();
        self.places(&places, seen, "")?;
        same("libraries of a target that nothing was to be written to", &seen.held.libraries, &before.libraries)
    }

    /// A restore that says it is complete.
    pub fn complete(&self, code: i32, answer: &Json, seen: &Seen, counted_at_once: bool) -> Verdict {
        if let Some(refusal) = self.told.refusals.iter().find(|refusal| refusal.certain) {
            return Err(format!("not refused with `{}`", refusal.code));
        }
        let result = &answer["result"];
        let method = result["method"].as_str().unwrap_or(self.known.case.method);
        self.places(&self.told.places, seen, method)?;
        same("libraries", &seen.held.libraries, &self.told.libraries)?;
        if result.is_null() {
            return Ok(());
        }
        let number = |name: &str| result[name].as_u64().ok_or_else(|| format!("no `{name}` in the result"));
        let n_keys = self.told.fates.len() as u64;
        let (restored, existing) = (number("restored")?, number("skipped_existing")?);
        let (by_choice, expired) = (number("skipped_by_choice")?, number("expired")?);
        same("in_backup", &result["in_backup"].as_u64(), &Some(n_keys))?;
        same("skipped", &number("skipped")?, &(existing + by_choice))?;
        let (lost, failed) = (number("lost_count")?, number("failed")? + number("unknown")?);
        same("sum of what became of the keys", &(restored + existing + by_choice + expired + lost + failed), &n_keys)?;
        let disturbed = self.stranger.is_some_and(|stranger| stranger.written);
        if counted_at_once && !disturbed {
            // What a run that was killed has brought, and had not noted yet, is there when it goes on: to `skip` it is the target's.
            let went_on = self.known.case.existing == Existing::Skip && self.was_interrupted;
            let counts = [
                ("restored", restored, &[Fate::Restored][..]),
                ("skipped_existing", existing, &[Fate::Existing]),
                ("restored and skipped_existing", restored + existing, &[Fate::Restored, Fate::Existing]),
                ("skipped_by_choice", by_choice, &[Fate::ByChoice]),
                ("expired", expired, &[Fate::Expired]),
                ("lost", lost, &[Fate::Lost]),
            ];
            let counts = counts.into_iter().skip(if went_on { 2 } else { 0 });
            for (name, n, fates) in counts {
                let (at_least, at_most) = self.told.count(fates);
                if n < at_least || n > at_most {
                    return Err(format!("{n} keys are `{name}`, not {at_least} to {at_most}"));
                }
            }
            same("keys that failed or are unknown", &failed, &0)?;
            let (at_least, at_most) = self.told.in_part;
            let in_part = number("lost_in_part")?;
            if in_part < at_least || in_part > at_most {
                return Err(format!("{in_part} keys are lost in part, not {at_least} to {at_most}"));
            }
        }
        let nothing_wanted = n_keys > 0 && by_choice == n_keys;
        let odd = expired + existing + lost + failed + number("lost_in_part")? > 0 || self.told.libraries_lost;
        let mut allowed = BTreeSet::from([if nothing_wanted { 3 } else { i32::from(odd) }]);
        if disturbed {
            allowed.insert(1);
            if failed > 0 {
                allowed.insert(2);
            }
        }
        if !allowed.contains(&code) {
            return Err(format!("exit code {code}, not one of {allowed:?}"));
        }
        let proof = &answer["proof"];
        // What the target held before and keeps is `extra`.
        let is_whole = |name: &str| proof[name] == proof["announced"][name] || proof[name] == 0;
        if code == 0 && !proof.is_null() && !(is_whole("missing") && is_whole("different")) {
            return Err(format!("exit code 0, and not proven equal: {proof}"));
        }
        Ok(())
    }

    /// A target in the middle of a restore: nothing is there that does not belong there.
    pub fn half(&self, seen: &Seen) -> Verdict {
        let removes = self.known.case.existing == Existing::ReplaceAll;
        let mut places = self.told.places.clone();
        for (place, value) in &self.known.before.keys {
            places.entry(place.clone()).or_default().push(Some(value.clone()));
        }
        for (place, outcomes) in &mut places {
            // Not there yet; or removed already.
            if removes || !self.known.before.keys.contains_key(place) {
                outcomes.push(None);
            }
        }
        for (place, value) in seen.held.keys.iter().filter(|(place, _)| is_temporary(place)) {
            if value.expiry.is_none() {
                return Err(format!("{} would stay for ever", shown(place)));
            }
            places.insert(place.clone(), vec![Some(value.clone())]);
        }
        self.places(&places, seen, "commands")
    }

    fn places(&self, expected: &BTreeMap<Place, Vec<Option<Value>>>, seen: &Seen, method: &str) -> Verdict {
        let nothing = vec![None];
        let mut shifts = BTreeSet::new();
        for place in expected.keys().chain(seen.held.keys.keys()).collect::<BTreeSet<_>>() {
            let mut outcomes = expected.get(place).unwrap_or(&nothing).clone();
            let found = seen.held.keys.get(place);
            if let Some(stranger) = self.stranger.filter(|stranger| stranger.written && stranger.place == *place) {
                outcomes.push(Some(stranger.value.clone()));
                outcomes.extend(self.may_lose_others().then_some(None));
            }
            let mut fits = outcomes.iter().filter(|outcome| self.fits(outcome.as_ref(), found, seen.read, method));
            let Some(outcome) = fits.next() else {
                return Err(format!("{} holds\n    {found:?}\n  and not one of\n    {outcomes:?}", shown(place)));
            };
            if let (Some(outcome), Some(found)) = (outcome, found)
                && self.known.before.keys.get(place) != Some(found)
                && let (Some(planned), Some(actual)) = (outcome.expiry, found.expiry)
                && actual.0 == actual.1
            {
                shifts.insert(actual.0 - planned.0);
            }
        }
        if self.known.case.choices.ttl == Ttl::Shift && self.stranger.is_none() && shifts.len() > 1 {
            return Err(format!("keys were moved by different times: {shifts:?}"));
        }
        Ok(())
    }

    /// What others write goes where all goes: with what is removed at first, and with what a server loads in place of it.
    fn may_lose_others(&self) -> bool {
        let case = self.known.case;
        case.existing == Existing::ReplaceAll
            || matches!(case.method, "auto" | "replica")
            || matches!(case.disturbance, Disturbance::Stranger { of_the_backup: true, .. })
    }

    fn fits(&self, outcome: Option<&Value>, found: Option<&Value>, read: Moment, method: &str) -> bool {
        let (outcome, found) = match (outcome, found) {
            (None, found) => return found.is_none(),
            (Some(outcome), None) => return self.has_expired(outcome, read.1),
            (Some(outcome), Some(found)) => (outcome, found),
        };
        let same_moment = match (outcome.expiry, found.expiry) {
            (None, None) => true,
            (Some(planned), Some(actual)) => planned.0 <= actual.1 && actual.0 <= planned.1 && actual.1 > read.0,
            _ => false,
        };
        same_moment && outcome.kind == found.kind && self.same_parts(&outcome.parts, &found.parts, read, method)
    }

    fn has_expired(&self, value: &Value, now: i64) -> bool {
        let fields_have = match &value.parts {
            Parts::Fields(fields) => fields.values().all(|(_, at)| at.is_some_and(|at| at <= now)),
            _ => false,
        };
        fields_have || value.expiry.is_some_and(|at| at.0 <= now)
    }

    fn same_parts(&self, planned: &Parts, found: &Parts, read: Moment, method: &str) -> bool {
        match (planned, found) {
            (Parts::Fields(planned), Parts::Fields(found)) => {
                let tolerance = self.told.shift.1 - self.told.shift.0;
                let has_fields = self.known.has_fields;
                // A server without expiries of fields keeps what lived when it got there.
                let until = if has_fields { read.1 } else { self.known.run.1 + tolerance };
                let known = found.iter().all(|(name, (text, at))| match (planned.get(name), at) {
                    (Some((planned, None)), None) => planned == text,
                    (Some((planned, Some(until))), Some(at)) => {
                        planned == text && (*until..=until + tolerance).contains(at)
                    }
                    (Some((planned, Some(until))), None) => {
                        !has_fields && planned == text && *until + tolerance > self.known.run.0
                    }
                    _ => false,
                });
                let mut missing = planned.iter().filter(|(name, _)| !found.contains_key(*name));
                known && missing.all(|(_, (_, at))| at.is_some_and(|at| at <= until))
            }
            (Parts::Stream(planned), Parts::Stream(found)) => planned.iter().all(|(name, value)| {
                // What one of the versions does not know, and what no command can say.
                let untold = method == "commands" && (name.ends_with(" seen-time") || name.ends_with(" active-time"));
                untold || found.get(name).is_none_or(|found| found == value)
            }),
            (planned, found) => planned == found,
        }
    }
}

fn is_temporary(place: &Place) -> bool {
    place.1.windows(10).any(|part| part == b"redis-ops:")
}

pub fn shown(place: &Place) -> String {
    format!("key \"{}\" of database {}", place.1.escape_ascii(), place.0)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {expected:?}")),
    }
}
