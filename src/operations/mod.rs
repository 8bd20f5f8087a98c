//! Operations that are made of several: a restore first takes a safety backup of its target, then restores, then compares the target with
//! the backup, and leaves a receipt.
//!
//! Operations of the floor below do not know each other; here they meet. Nothing is printed: what is decided on the way goes to a
//! [`Voice`](crate::progress::Voice), what was found is returned.

pub(crate) mod condition;
pub mod copying;
mod encrypting;
pub mod follow;
pub mod moment;
pub mod proof;
mod reading;
pub mod restore;
pub mod safety;
mod tails;
pub mod turn;

pub use copying::{Copied, CopyError, copy};
pub use follow::follow;
pub use moment::{ScratchFound, ScratchOptions, find_scratch, materialise};
pub use proof::Proof;
pub use reading::read_marked;
pub use restore::{Agreed, Ended, restore};
pub use safety::{Safety, SafetyBackup, SafetyTaken};
pub use tails::{applied_before, apply_tails};
pub use turn::{Locked, Turn, Turns, take_turn};
