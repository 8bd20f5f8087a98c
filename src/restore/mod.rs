//! Puts a backup into a server without surprises: plans first, refuses with a reason, and touches data last.
//!
//! ```text
//! planning   looks at both sides, and judges; the target is this restore's own from here on
//!            preflight  asks the target              ─┐
//!            survey     reads the backup, if needed  ─┴► plan  ok, warning or refused, line by line; the method and why
//! admission  the last questions: function libraries, and names of the backup in a target whose keys may not be touched (conflicts)
//! carry_out  does what was planned, by the method that was chosen or the next one
//!            meanwhile  `--resume`: what the interrupted run may have sent is compared with the backup
//!            run        replay: RDB ─► commands ─► several connections ─► answers, each matched to its key
//!                       aftermath: keys without an answer, a bad backup taken back, counters
//! report     in the backup = restored + skipped + expired + failed + lost, and what is not known
//! verdict    the same for people: counts by name, remarks, a sentence
//! shortfall  why the restore is not complete, and what leads on (lines)
//! ```
//!
//! With method `replica` the target loads the RDB itself: `load` in place of `run`. Method `file` is a room of its own.

mod admission;
pub mod alone;
pub mod carry_out;
pub mod choices;
pub mod clock;
pub mod conflicts;
mod counted;
pub mod durable;
mod earlier;
pub mod facts;
pub mod file;
pub mod functions;
pub mod journal;
mod leftovers;
pub mod lines;
pub mod load;
pub mod meanwhile;
pub mod mend;
pub mod met;
mod module_types;
pub mod options;
pub mod plan;
mod planning;
pub mod preflight;
pub mod rate;
pub mod replay;
pub mod replica;
pub mod report;
mod request;
pub mod run;
pub mod sent;
pub mod shortfall;
mod source;
pub mod standing;
pub mod survey;
pub mod take_back;
pub mod tally;
pub mod target_format;
pub mod typed;
pub mod unsaved;
mod verdict;

pub use admission::Admission;
pub use carry_out::carry_out;
pub use choices::{Choices, Ttl};
pub use facts::{BackupFacts, Origin, TargetFacts};
pub use lines::{CommandLine, Next, Over};
pub use options::{Asked, Existing, Method, Options};
pub use plan::{Level, Line, Plan};
pub use planning::{Planned, plan};
pub use rate::Rate;
pub use report::{Ended, Phases, Report};
pub use request::{Local, Request, Watcher};
pub use run::{Order, RunError, run};
pub use source::{RdbSource, SourceError};
