//! Why a restore by commands did not begin.

use crate::connection::{CommandError, ConnectError};
use crate::explain::{Explain, Hint, Meaning};
use crate::figures::counted;
use crate::restore::meanwhile::MeanwhileError;
use crate::restore::options::Method;
use crate::restore::unsaved::{TARGET_CHANGED, stop_writers};

/// Why nothing was written: there is nothing to go on with, say.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The target cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The target gives no answer.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is nothing to go on with.
    #[error(
        "nothing to resume: no interrupted restore of this backup into this target with the same options is recorded on this machine (the record is removed when a later restore completes)"
    )]
    NothingToResume,
    /// One with other choices is known.
    #[error("nothing to resume: the interrupted restore of this backup into this target used other options: {}", .differ.join(", "))]
    OtherChoices {
        /// Which options those are, and what they were.
        differ: Vec<String>,
        /// The method of that restore and its rate in bytes a second, where no other option differs.
        method: Option<(Method, Option<u64>)>,
    },
    /// Nothing is left to be written.
    #[error(
        "nothing to resume: all of the backup was written to the target, and the restore ended while the target was compared with it"
    )]
    AllWritten {
        /// The line that proves the restore.
        line: String,
    },
    /// The target was started anew since: what it had said may not be true any more.
    #[error("nothing to resume: {}, and may have lost data that it had confirmed", restarted(then, now))]
    Restarted {
        /// Its run id when the restore was interrupted.
        then: String,
        /// Its run id now.
        now: String,
    },
    /// An earlier version has begun it.
    #[error(
        "nothing to resume: an earlier version of redis-ops started the interrupted restore, and it is unknown whether the options were the same; nothing was written"
    )]
    OfEarlierVersion,
    /// It was interrupted before everything that the target held was removed.
    #[error("nothing to resume: the restore was interrupted before the target was emptied; nothing was written")]
    NotEmptied,
    /// Others wrote to the target after its safety backup began, and all that it holds was to be removed.
    #[error("other clients wrote to the target after its safety backup began; nothing was removed")]
    Unsaved,
    /// What the interrupted run may have sent cannot be compared.
    #[error("cannot compare what the interrupted restore has sent with the backup; nothing was written")]
    Meanwhile(#[source] MeanwhileError),
    /// The journal cannot be written.
    #[error("cannot write the journal of the restore")]
    Journal(#[source] std::io::Error),
}

/// What became of a target whose run ids (of a cluster several, with `+` between them) are others than they were.
fn restarted(then: &str, now: &str) -> String {
    if !then.contains('+') && !now.contains('+') {
        return format!(
            "the target was restarted after the restore was interrupted (its run id was {then} and is {now})"
        );
    }
    let (before, after): (Vec<&str>, Vec<&str>) = (then.split('+').collect(), now.split('+').collect());
    let gone: Vec<&str> = before.iter().filter(|id| !after.contains(id)).copied().collect();
    let come: Vec<&str> = after.iter().filter(|id| !before.contains(id)).copied().collect();
    format!(
        "the primaries of the target are not those of the interrupted restore: {} was restarted or replaced (run ids that are gone: {}; new: {})",
        counted(gone.len().max(come.len()) as u64, "node"),
        listed(&gone),
        listed(&come)
    )
}

fn listed(ids: &[&str]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

impl Explain for RunError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Connect(error) => error.meaning(),
            Self::Command(error) => error.meaning(),
            Self::NothingToResume | Self::Restarted { .. } | Self::OfEarlierVersion => {
                Meaning::of("nothing_to_resume").hint(Hint::WithoutResume)
            }
            // The line that continues it is added where all of it is known.
            Self::OtherChoices { method: Some(_), .. } => Meaning::of("nothing_to_resume"),
            Self::OtherChoices { .. } => Meaning::of("nothing_to_resume")
                .hint(Hint::words("to continue that restore, use its options").and(Hint::WithoutResume)),
            Self::AllWritten { line } => {
                Meaning::of("nothing_to_resume").hint(format!("`{line}` proves that the target holds it"))
            }
            Self::Unsaved => Meaning::of(TARGET_CHANGED).hint(stop_writers()),
            Self::NotEmptied => Meaning::of("nothing_to_resume"),
            Self::Meanwhile(error) => error.meaning(),
            Self::Journal(error) => Meaning::of(error.meaning().code).hint(Hint::OtherStateFolder),
        }
    }
}
