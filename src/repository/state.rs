//! What is known of the content of a backup: one answer, that retention, status, metrics and lists share.

use super::listing::Listed;
use super::manifest::{Manifest, StructureState};
use super::{Receipt, layout};
use crate::storage::ObjectInfo;

/// What is known of a backup's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its structure was read to its end and is sound, and no verification has found or left open anything since.
    Sound,
    /// Its structure has findings or is newer than we know, or the last verification could not tell: it may be the only copy, and it does
    /// not stand for a sound one.
    Unsound,
    /// A receipt of its last verification is there and cannot be read: nobody knows whether it is damaged.
    Unclear,
    /// It is known to be damaged: it may be the only copy, and it stands for nothing.
    Damaged,
    /// Its manifest cannot be read just now: nobody knows what it is.
    Unreadable,
}

impl State {
    /// By the manifest of a backup, the objects that are there, and the verification that stands.
    pub(super) fn of(manifest: &Manifest, objects: &[ObjectInfo], verified: Option<&Receipt>) -> Self {
        if lacks_data(manifest, objects).is_some() {
            return Self::Damaged;
        }
        match verified {
            Some(receipt) if receipt.text("status") == Some("failed") => Self::Damaged,
            Some(receipt) if receipt.is_unreadable() => Self::Unclear,
            Some(receipt) if receipt.is_open() => Self::Unsound,
            _ if manifest.structure.state == StructureState::Verified => Self::Sound,
            _ => Self::Unsound,
        }
    }

    /// Why a backup of this state is not known to be good, in a few words; `None`: it is.
    pub fn doubt(self) -> Option<&'static str> {
        match self {
            Self::Sound => None,
            Self::Unsound => Some("its structure has findings or was not understood to its end"),
            Self::Unclear => Some("the receipt of its last verification cannot be read"),
            Self::Damaged => Some("it is damaged"),
            Self::Unreadable => Some("its manifest cannot be read"),
        }
    }
}

impl Listed {
    /// What is known of its content.
    pub fn state(&self) -> State {
        self.manifest().map_or(State::Unreadable, |manifest| State::of(manifest, &self.objects, self.verified.as_ref()))
    }

    /// Whether it is known to be damaged: by its last verification, or because an object that its manifest names is missing or of
    /// another length.
    pub fn is_damaged(&self) -> bool {
        self.state() == State::Damaged
    }

    /// Which object that its manifest names is missing, or of another length, in words.
    pub fn lacks_data(&self) -> Option<String> {
        lacks_data(self.manifest()?, &self.objects)
    }
}

/// Which object that the manifest names is missing, or of another length, in words; `None`: all are there.
fn lacks_data(manifest: &Manifest, objects: &[ObjectInfo]) -> Option<String> {
    let folder = layout::folder(&manifest.instance, manifest.id);
    let length = |name: &str| {
        objects.iter().find(|object| object.key.strip_prefix(&folder) == Some(name)).map(|object| object.length)
    };
    let wrong = manifest.objects().find_map(|(object, stored)| match length(object) {
        Some(found) if found == stored => None,
        Some(found) => Some(format!("{object} has {found} bytes, and its manifest names {stored}")),
        None => Some(format!("{object} is missing")),
    });
    let census = || manifest.census.as_ref().and_then(|census| census.object.as_ref());
    wrong.or_else(|| census().filter(|census| length(census).is_none()).map(|census| format!("{census} is missing")))
}
