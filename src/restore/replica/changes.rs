//! What is changed on a target for the time of a feed: how it loads.

use crate::introspection::Change;

/// The setting that says how a replica takes in what its primary sends.
pub(super) const LOADING_SETTING: &str = "repl-diskless-load";

/// A setting that was changed for the time of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value before.
    pub before: String,
}

impl Changed {
    /// The settings of a record that a restore changes at all: whatever else stands there is left alone.
    pub(super) fn of(changes: &[Change]) -> Vec<Self> {
        let ours = changes.iter().filter(|change| change.name == LOADING_SETTING);
        ours.map(|change| Self { name: LOADING_SETTING, before: change.before.clone() }).collect()
    }
}
