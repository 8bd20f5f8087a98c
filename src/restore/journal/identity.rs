//! Which restore it was: what has to be the same for `--resume` to go on with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::census::Glob;
use crate::restore::choices::Ttl;
use crate::restore::options::{Existing, Method, Options};

/// What tells one restore from another: each has a journal of its own.
///
/// Identities are compared by their JSON text, so a name that changes in the code must keep its name here: a version that writes another
/// text for the same restore finds no journal to go on with. A new field has a default that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the backup, or of the file.
    pub backup: String,
    /// What tells its data from others.
    pub digest: String,
    /// `run_id` of the target: a target that was started anew may hold less than it said.
    pub target_run_id: String,
    /// Everything that decides which keys go where.
    pub decided: Decided,
    /// Milliseconds by which `--ttl shift` moves expiries. The number grows with the time, and does not tell one restore from
    /// another: the rest of the keys is moved by as much as the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_ms: Option<i64>,
    /// Where the target was reached: what has the same address and another run id is most likely the same server after a restart. It does
    /// not tell one restore from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `--rate` in bytes a second: who goes on is told the same. It does not tell one restore from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

/// Everything that decides which keys go where, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// How keys are written.
    pub method: Method,
    /// What becomes of keys of the same name.
    pub existing: Existing,
    /// What becomes of expiries.
    pub ttl: Ttl,
    /// `--keys`, as they were typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// `--exclude`, as they were typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Databases of the backup that are taken.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub databases: BTreeSet<u64>,
    /// Databases that do not keep their number: from which to which.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<u64, u64>,
    /// Types that are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

impl Decided {
    /// The decisions of a restore with these options, by this method.
    pub fn of(options: &Options, method: Method) -> Self {
        let chosen = &options.choices.selection;
        let typed = |globs: &[Glob]| globs.iter().map(Glob::to_string).collect();
        Self {
            method,
            existing: match options.existing {
                // What was removed before the first key was sent need not be removed again: the line that goes on does not say it.
                Existing::ReplaceAll => Existing::MustBeEmpty,
                existing => existing,
            },
            ttl: options.choices.ttl,
            keys: typed(&chosen.keys),
            exclude: typed(&chosen.exclude),
            databases: chosen.databases.clone(),
            moved: options.choices.moved.clone(),
            types: chosen.types.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Decided {
    /// Whether both take the same keys to the same databases.
    fn chooses_as(&self, other: &Self) -> bool {
        let chosen = |decided: &Self| {
            let Self { keys, exclude, databases, moved, types, .. } = decided.clone();
            (keys, exclude, databases, moved, types)
        };
        chosen(self) == chosen(other)
    }

    /// Which options were others then, in words: `--db` was `0` and is `1`.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let words = |typed: &[String]| match typed {
            [] => "not given".to_owned(),
            typed => format!("`{}`", typed.join("`, `")),
        };
        let one = |name: &str| words(&[name.to_owned()]);
        let existing = |existing: Existing| match existing {
            Existing::MustBeEmpty | Existing::ReplaceAll => words(&[]),
            existing => one(existing.name()),
        };
        let databases = |decided: &Self| {
            let moved = decided.moved.iter().map(|(from, to)| format!("{from}:{to}"));
            let stay = decided.databases.iter().filter(|number| !decided.moved.contains_key(number));
            words(&stay.map(u64::to_string).chain(moved).collect::<Vec<_>>())
        };
        let compared = [
            ("--method", one(self.method.name()), one(now.method.name())),
            ("--on-conflict", existing(self.existing), existing(now.existing)),
            ("--ttl", one(self.ttl.name()), one(now.ttl.name())),
            ("--keys", words(&self.keys), words(&now.keys)),
            ("--exclude", words(&self.exclude), words(&now.exclude)),
            ("--db", databases(self), databases(now)),
            ("--type", words(&self.types), words(&now.types)),
        ];
        let differ = compared.into_iter().filter(|(_, then, now)| then != now);
        differ.map(|(option, then, now)| format!("`{option}` was {then} and is {now}")).collect()
    }
}

impl Identity {
    /// Whether both are restores of the same data into the same target, as it was started then, whatever was decided.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.backup, &self.digest, &self.target_run_id) == (&other.backup, &other.digest, &other.target_run_id)
    }

    /// Whether nothing is left to do of the other once this one is complete: it brought everything into the same target, or the same choice
    /// of the same data, by whatever method and whatever became of keys that were there.
    pub(super) fn supersedes(&self, other: &Self, took_all: bool) -> bool {
        let all_of_it = took_all && self.decided.moved.is_empty() && self.target_run_id == other.target_run_id;
        all_of_it || self.is_of_the_same(other) && self.decided.chooses_as(&other.decided)
    }

    /// Whether the other is the same restore, but for the run id of the target.
    pub(super) fn is_of_another_start(&self, other: &Self) -> bool {
        (&self.backup, &self.digest, &self.decided) == (&other.backup, &other.digest, &other.decided)
    }

    /// The name of its folder.
    pub(super) fn name(&self) -> String {
        let told = Self { shift_ms: None, address: None, rate: None, ..self.clone() };
        // Structs, strings and maps of numbers: all of it can be said in JSON.
        let text = serde_json::to_vec(&told).unwrap_or_default();
        hex::encode(&Sha256::digest(text)[..16])
    }
}

/// What an earlier version wrote in place of an [`Identity`]: its choices were a text that only that version could make.
#[derive(Debug, Deserialize)]
pub(super) struct OfEarlierVersion {
    backup: String,
    target_run_id: String,
    #[serde(rename = "choices")]
    _choices: String,
}

impl OfEarlierVersion {
    /// Whether it may be this restore: its choices cannot be compared any more.
    pub(super) fn may_be(&self, identity: &Identity) -> bool {
        self.backup == identity.backup && self.target_run_id == identity.target_run_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::TypeFilter;

    /// The text is what journals are found again by: it changes for no renamed type, and for no new field that says nothing.
    #[test]
    fn the_text_of_an_identity_stays() {
        let mut options = Options::default();
        let identity = |options: &Options| Identity {
            backup: "redis-prod/2024-01-01-01-00".into(),
            digest: "ab".into(),
            target_run_id: "1".into(),
            decided: Decided::of(options, Method::Restore),
            shift_ms: None,
            address: None,
            rate: None,
        };
        let plain = identity(&options);
        let text = r#"{"backup":"redis-prod/2024-01-01-01-00","digest":"ab","target_run_id":"1","decided":{"method":"restore","existing":"must_be_empty","ttl":"keep"}}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), text);
        assert_eq!(serde_json::from_str::<Identity>(text).unwrap(), plain);

        options.existing = Existing::ReplaceAll;
        assert_eq!(identity(&options), plain, "it goes on without a word about what was removed");
        options.existing = Existing::Replace;
        (options.choices.ttl, options.choices.shift_ms) = (Ttl::Shift, 7);
        options.choices.moved = [(3, 0)].into();
        options.choices.selection.keys = vec![Glob::new("user:*")];
        options.choices.selection.databases = [3].into();
        options.choices.selection.types = vec![TypeFilter::parse("hash").unwrap(), TypeFilter::AnyModule];
        let text = r#"{"method":"restore","existing":"replace","ttl":"shift","keys":["user:*"],"databases":[3],"moved":{"3":0},"types":["hash","module"]}"#;
        let chosen = identity(&options);
        assert_eq!(serde_json::to_string(&chosen.decided).unwrap(), text);
        assert_eq!(serde_json::from_str::<Decided>(text).unwrap(), chosen.decided);
        let later = Identity { shift_ms: Some(9), address: Some("h:1".into()), rate: Some(5), ..chosen.clone() };
        assert_eq!(chosen.name(), later.name());
        assert_ne!(chosen.name(), plain.name());
    }
}
