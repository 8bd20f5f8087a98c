//! The reference: what the contract promises of a restore, from what was drawn alone.
//!
//! Time is a window: what expires between the start and the end of the restore may have got there or not.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, Disturbance, Existing, Origin, Ttl};
use super::held::{Held, Moment, Parts, Place, Value};

/// Databases that each server has.
const DATABASES: u64 = 16;

/// All that a restore depends on.
pub struct Known<'a> {
    pub case: &'a Case,
    /// What the backup holds, also what has expired since.
    pub backup: &'a Held,
    pub matched: &'a BTreeMap<&'static str, BTreeSet<Place>>,
    /// What the target held before.
    pub before: &'a Held,
    /// When the backup was taken, and when the restore went on: not before, and not after, Unix milliseconds.
    pub taken: Moment,
    pub run: Moment,
    /// Whether the target has expiries of fields, and functions.
    pub has_fields: bool,
    pub has_functions: bool,
    /// Whether the target loads a file that the source has written.
    pub loads: bool,
}

/// What becomes of a key of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Restored,
    Existing,
    ByChoice,
    Expired,
    Lost,
}

/// Why a restore may be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    pub code: &'static str,
    pub exit: i32,
    /// False where it depends on what expires first.
    pub certain: bool,
}

/// What is promised.
#[derive(Debug, Default)]
pub struct Foretold {
    pub refusals: Vec<Refusal>,
    /// For each key of the backup what may become of it: one thing, unless it expires meanwhile.
    pub fates: Vec<BTreeSet<Fate>>,
    /// For each place what the target may hold there afterwards.
    pub places: BTreeMap<Place, Vec<Option<Value>>>,
    /// Hashes that lose the expiry of a field: so many at least, and so many at most.
    pub in_part: (u64, u64),
    pub libraries: BTreeMap<String, String>,
    /// Some libraries of the backup are not in the target.
    pub libraries_lost: bool,
    /// Where keys of the backup go, and whether they certainly get there.
    claimed: BTreeMap<Place, bool>,
    /// Milliseconds by which expiries move: not less, and not more.
    pub shift: Moment,
}

/// When something expires, against the window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    Meanwhile,
    After,
}

pub fn foretell(known: &Known) -> Foretold {
    let Known { case, before, .. } = known;
    let mut told = Foretold { shift: shift(known), ..Foretold::default() };
    if case.existing != Existing::ReplaceAll {
        told.places = before.keys.iter().map(|(place, value)| (place.clone(), vec![Some(value.clone())])).collect();
    }
    let mut taken = Vec::new();
    for (place, value) in &known.backup.keys {
        let fates = key(known, &mut told, place, value, &mut taken);
        told.fates.push(fates);
    }
    libraries(known, &mut told);
    refusals(known, &mut told, &taken);
    told
}

/// A key of the backup. `taken`: names that the target has, and whether that is certain.
fn key(known: &Known, told: &mut Foretold, place: &Place, value: &Value, taken: &mut Vec<bool>) -> BTreeSet<Fate> {
    let Known { case, before, .. } = known;
    let Some(database) = wanted(known, place, value) else { return [Fate::ByChoice].into() };
    let there = (database, place.1.clone());
    let value = moved(known, told.shift, value);
    let when = lives(known, told.shift, &value);
    if database >= DATABASES && when == When::After {
        told.refuse("database_out_of_range", true);
    }
    // Of two keys that go to one place the first one gets there.
    let was_claimed = told.claimed.get(&there).copied();
    if let Some(certainly) = was_claimed {
        let is_lost = certainly && when == When::After;
        if !case.accept_loss {
            told.refuse("keys_twice", is_lost);
        }
        if is_lost {
            return [Fate::Lost].into();
        }
    }
    told.claimed.insert(there.clone(), when == When::After || was_claimed == Some(true));
    let old = before.keys.get(&there).filter(|_| case.existing != Existing::ReplaceAll);
    if old.is_some() && when != When::Before {
        taken.push(when == When::After);
    }
    let (fate, outcome) = match (old, case.existing) {
        (Some(old), Existing::Skip) => (Fate::Existing, old.clone()),
        _ => (Fate::Restored, value.clone()),
    };
    if fate == Fate::Restored && !known.has_fields {
        let by_field = field_moments(&value).map(|at| known.when_field(told.shift, Some(at))).collect::<Vec<_>>();
        told.in_part.0 += u64::from(when == When::After && by_field.contains(&When::After));
        told.in_part.1 += u64::from(when != When::Before && by_field.iter().any(|when| *when != When::Before));
    }
    let outcomes = told.places.entry(there).or_default();
    let mut fates = BTreeSet::new();
    match when {
        When::After if was_claimed.is_none() => {
            *outcomes = vec![Some(outcome)];
            fates.insert(fate);
        }
        When::Before => {
            if outcomes.is_empty() {
                outcomes.push(None);
            }
            fates.insert(Fate::Expired);
        }
        When::After | When::Meanwhile => {
            // Written over a key of the target, it takes that with it.
            outcomes.extend([Some(outcome), None]);
            fates.extend([fate, Fate::Expired]);
        }
    }
    if was_claimed.is_some() {
        fates.insert(Fate::Lost);
    }
    fates
}

/// The database that a key goes to; `None`: it was left out by choice.
fn wanted(known: &Known, place: &Place, value: &Value) -> Option<u64> {
    let choices = &known.case.choices;
    let fits = |glob: &&str| known.matched[glob].contains(place);
    let is_wanted = (choices.keys.is_empty() || choices.keys.iter().any(fits))
        && !choices.exclude.iter().any(fits)
        && (choices.types.is_empty() || choices.types.contains(&value.kind.as_str()));
    choices.database(place.0).filter(|_| is_wanted)
}

/// The age of the backup, by which `--ttl shift` moves expiries.
fn shift(known: &Known) -> Moment {
    match known.case.choices.ttl {
        Ttl::Shift => ((known.run.0 - known.taken.1).max(0), known.run.1 - known.taken.0),
        Ttl::Keep | Ttl::Strip => (0, 0),
    }
}

/// The value as the target is to have it.
fn moved(known: &Known, shift: Moment, value: &Value) -> Value {
    // The latest that a server takes for a field.
    const LATEST: i64 = (1 << 46) - 1;
    let strip = known.case.choices.ttl == Ttl::Strip;
    let expiry = value.expiry.filter(|_| !strip).map(|(low, high)| (low + shift.0, high + shift.1));
    let parts = match &value.parts {
        Parts::Fields(fields) => Parts::Fields(
            fields
                .iter()
                .map(|(name, (text, at))| {
                    let at = at.filter(|_| !strip).map(|at| (at + shift.0).min(LATEST));
                    (name.clone(), (text.clone(), at))
                })
                .collect(),
        ),
        parts => parts.clone(),
    };
    Value { kind: value.kind.clone(), parts, expiry }
}

fn field_moments(value: &Value) -> impl Iterator<Item = i64> {
    let fields = match &value.parts {
        Parts::Fields(fields) => Some(fields),
        _ => None,
    };
    fields.into_iter().flatten().filter_map(|(_, (_, at))| *at)
}

/// Whether a key lives when it gets to the target: its own expiry, and that of all fields of a hash.
fn lives(known: &Known, shift: Moment, value: &Value) -> When {
    let own = known.when(value.expiry);
    let Parts::Fields(fields) = &value.parts else { return own };
    let fields: Vec<When> = fields.values().map(|(_, at)| known.when_field(shift, *at)).collect();
    match own {
        When::After if fields.contains(&When::After) => When::After,
        When::Before => When::Before,
        _ if fields.iter().all(|when| *when == When::Before) => When::Before,
        _ => When::Meanwhile,
    }
}

impl Known<'_> {
    /// A moment that is known as exactly as this.
    fn when(&self, at: Option<Moment>) -> When {
        match at {
            None => When::After,
            Some((_, high)) if high <= self.run.0 => When::Before,
            Some((low, _)) if low > self.run.1 => When::After,
            Some(_) => When::Meanwhile,
        }
    }

    /// The moment of a field, which is held with the least shift.
    fn when_field(&self, shift: Moment, at: Option<i64>) -> When {
        self.when(at.map(|at| (at, at + shift.1 - shift.0)))
    }
}

fn libraries(known: &Known, told: &mut Foretold) {
    let Known { case, backup, before, .. } = known;
    if case.existing != Existing::ReplaceAll {
        told.libraries = before.libraries.clone();
    }
    if !case.choices.are_all() || backup.libraries.is_empty() {
        return;
    }
    if !known.has_functions {
        told.libraries_lost = true;
        if !case.accept_loss {
            told.refuse("functions_lost", true);
        }
        return;
    }
    for (name, code) in &backup.libraries {
        let is_there = told.libraries.contains_key(name);
        match case.existing {
            Existing::Skip if is_there => {}
            Existing::Nothing | Existing::Fail if is_there => told.refuse("functions_exist", true),
            _ => drop(told.libraries.insert(name.clone(), code.clone())),
        }
    }
}

fn refusals(known: &Known, told: &mut Foretold, taken: &[bool]) {
    let Known { case, before, .. } = known;
    let stranger = matches!(case.disturbance, Disturbance::Stranger { .. });
    match case.existing {
        Existing::Nothing if !before.keys.is_empty() || stranger => {
            told.refuse("target_not_empty", !before.keys.is_empty());
        }
        Existing::Fail if !taken.is_empty() || stranger => told.refuse("key_exists", taken.contains(&true)),
        _ => {}
    }
    if !told.fates.is_empty() && told.count(&[Fate::ByChoice]).0 == told.fates.len() as u64 {
        // Where the plan need not read the backup, the restore itself finds it out.
        told.refusals.push(Refusal { code: "nothing_chosen", exit: 3, certain: false });
    }
    if told.in_part.1 > 0 && !case.accept_loss {
        told.refuse("field_expiry_lost", told.in_part.0 > 0);
    }
    if case.choices.ttl == Ttl::Shift && case.origin == Origin::File {
        // Nobody knows how old a file is.
        told.refusals.push(Refusal { code: "usage", exit: 3, certain: true });
    }
    if case.choices.databases.values().flatten().any(|to| *to >= DATABASES) {
        // Whether that is said where no key goes there is left open.
        told.refuse("database_out_of_range", false);
    }
    if case.method == "replica" {
        // A server loads a whole file in place of all that it held, or nothing.
        let is_empty = before.keys.is_empty() && before.libraries.is_empty();
        let holds = !is_empty && case.existing != Existing::ReplaceAll;
        let choices = !case.choices.are_all() || case.choices.ttl != Ttl::Keep;
        if holds || choices || stranger || !known.loads {
            told.refuse("method", holds || choices || !known.loads);
            told.refuse("target_not_empty", holds);
        }
    }
}

impl Foretold {
    fn refuse(&mut self, code: &'static str, certain: bool) {
        self.refusals.push(Refusal { code, exit: 2, certain });
    }

    /// Fewest and most keys of these fates together.
    pub fn count(&self, wanted: &[Fate]) -> (u64, u64) {
        let is_wanted = |fate: &Fate| wanted.contains(fate);
        let at_most = self.fates.iter().filter(|fates| fates.iter().any(is_wanted)).count() as u64;
        let at_least = self.fates.iter().filter(|fates| fates.iter().all(is_wanted)).count() as u64;
        (at_least, at_most)
    }
}
