//! Why a moment cannot be reached.

use crate::connection::primary::FeedError;
use crate::connection::{CommandError, ConnectError};
use crate::explain::{Explain, Hint, Meaning};
use crate::repository::RepositoryError;
use crate::scratch::ScratchError;
use crate::stream::StreamError;

/// Why a moment cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// The repository cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// There is no archive.
    #[error("{0} has no archive: only the moments of its backups can be restored")]
    NoArchive(String),
    /// No backup lies before the moment in the history of the archive.
    #[error("no backup of {instance} lies before {what} in the archived stream")]
    NoBase {
        /// The instance's name.
        instance: String,
        /// The moment, in words.
        what: String,
    },
    /// No backup is followed by an archived stream.
    #[error("{}", match newest {
        Some(newest) => format!("nothing was archived after the backup {newest}: only the backup itself can be restored"),
        None => format!("{instance} has no backup that the archive begins with: nothing of the archive can be restored"),
    })]
    NothingAfter {
        /// The instance's name.
        instance: String,
        /// `INSTANCE/ID` of its newest backup that a stream can follow.
        newest: Option<String>,
    },
    /// The archive has a hole between the base and the moment.
    #[error("{}", match goes_on_at {
        Some(at) => format!("the archive has a hole between the backup {base} and {what}: it reaches offset {reached} and goes on at {at}"),
        None => format!("the archive ends before {what}: from the backup {base} it reaches offset {reached}"),
    })]
    Hole {
        /// `INSTANCE/ID` of the nearest base.
        base: String,
        /// The moment, in words.
        what: String,
        /// The last offset that can be reached.
        reached: u64,
        /// Where the archive goes on in the same history.
        goes_on_at: Option<u64>,
    },
    /// The archive ends before the moment.
    #[error("the archive ends before {what}: the last command in it is of {last}")]
    Beyond {
        /// The moment, in words.
        what: String,
        /// The server's clock at the last command.
        last: String,
    },
    /// The archive lacks what was written around the moment.
    #[error("{what} lies in a gap of the archive, which has nothing between {last} and {next}")]
    InGap {
        /// The moment, in words.
        what: String,
        /// The server's clock at the last command in front of the gap.
        last: String,
        /// The server's clock at the first command behind it.
        next: String,
    },
    /// Several places fit.
    #[error("{what} is ambiguous: it fits {}", places.join(", "))]
    Ambiguous {
        /// What was asked for.
        what: String,
        /// The places, in words.
        places: Vec<String>,
    },
    /// Nothing is there that fits.
    #[error("{0}")]
    NotFound(String),
    /// A segment does not hold what its index says, or does not follow the one before.
    #[error("segment {key} of the archive: {why}")]
    Damaged {
        /// The segment's name.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The stream holds what is no stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// There is no throwaway server.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The throwaway server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The throwaway server refuses a command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The throwaway server does not take what it is fed.
    #[error("the throwaway server does not take {what}: {error}")]
    Feed {
        /// The base, or the stream.
        what: &'static str,
        /// What went wrong.
        error: FeedError,
    },
    /// The folder for the throwaway server.
    #[error("the folder for the throwaway server: {0}")]
    Folder(std::io::Error),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for MomentError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Repository(error) => error.meaning(),
            Self::NoArchive(_) => Meaning::of("not_found").unknown().hint(Hint::MakeArchive),
            Self::NoBase { .. } | Self::NothingAfter { .. } => Meaning::of("not_found").hint(Hint::ArchiveStatus),
            Self::Hole { .. } => Meaning::of("gap").hint(Hint::ArchiveStatus),
            Self::InGap { last, .. } => Meaning::of("not_found").hint(Hint::BeforeGap(last.clone())),
            Self::Beyond { .. } => Meaning::of("not_found").hint(Hint::LatestMoment),
            Self::Ambiguous { .. } => Meaning::of("ambiguous").unknown().hint(Hint::ChooseMoment),
            Self::NotFound(_) => Meaning::of("not_found").unknown(),
            Self::Damaged { .. } => Meaning::of("corrupt"),
            Self::Stream(error) => error.meaning(),
            Self::Scratch(error) => Meaning { status: None, ..error.meaning() },
            Self::Connect(error) => error.meaning(),
            Self::Command(error) => error.meaning(),
            Self::Feed { error, .. } => error.meaning().hint(Hint::OtherServer),
            Self::Folder(_) => Meaning::of("no_space").hint("set TMPDIR to a folder with more space"),
            Self::Interrupted => crate::explain::Interrupted.meaning(),
        }
    }
}
