//! The commands that lead on from a restore, as data: one goes on, one begins anew, one proves, one undoes, one brings back what was
//! there. Which of them helps is decided in this room; how it is typed is known to the command line alone.

use std::fmt::Debug;

use crate::restore::options::{Asked, Method};

/// A command that leads on from a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// Goes on with the restore that was cut off, by the method that it went by.
    Resume(Method),
    /// The same with this `--rate` in bytes a second, which the restore had.
    ResumeAt(Method, Option<u64>),
    /// Begins anew where there is nothing to go on with.
    Anew(Asked, Over),
    /// Compares the target with the whole backup.
    Verify,
    /// Shows whether the server holds what the backup has, whatever else it holds.
    Holds,
    /// Makes the target a primary again.
    Undo,
    /// Brings back what the target held: the safety backup of this name.
    BringBack(&'a str),
}

/// What the target holds by the time a restore begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// No key: nothing is written over.
    Nothing,
    /// Keys: those of the backup's names are written over, or stay where that was asked for.
    Names,
    /// Keys that may be somebody's own: as [`Over::Names`], and nothing is answered beforehand.
    Asking,
    /// Keys of the backup that stay as they are: those that are missing are written.
    Missing,
    /// Keys that are removed, all of them.
    Everything,
}

/// Types the commands that lead on.
pub trait CommandLine: Debug + Send + Sync {
    /// The whole line, as it must be typed. `backup`: its exact name, for `latest` may be another by then.
    fn typed(&self, next: Next<'_>, backup: &str) -> String;

    /// The options that choose keys, as they were typed; empty: all keys.
    fn selection(&self) -> String;
}
