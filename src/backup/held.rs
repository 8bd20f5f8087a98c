//! Whether the shards of a backup are of one moment, and how a manifest says so.

use crate::capture::tail::{NoBarrier, barrier::Cut};
use crate::repository::manifest::{Barrier, Consistency, Manifest, Moment};

/// Whether the shards are of one moment.
#[derive(Debug)]
pub(super) enum Held {
    At(Cut),
    /// They were, when a backup was made that this one is put together from.
    Before(Barrier, Option<Moment>),
    /// Why they are not.
    Not(NoBarrier),
}

impl Held {
    /// Says so in the manifest.
    pub(super) fn told_in(self, manifest: &mut Manifest) {
        match self {
            Self::At(cut) => {
                manifest.consistency = Consistency::Barrier;
                manifest.barrier = Some(Barrier { held_seconds: cut.held.as_secs_f64(), at: cut.from });
                manifest.moment = Some(Moment { from: cut.from, to: cut.to });
                manifest.skew_seconds = None;
            }
            Self::Before(barrier, moment) => {
                manifest.consistency = Consistency::Barrier;
                manifest.barrier = Some(barrier);
                manifest.moment = moment.or(manifest.moment);
                manifest.skew_seconds = None;
            }
            Self::Not(why) => manifest.no_barrier = Some(why.to_string()),
        }
    }
}
