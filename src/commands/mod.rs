//! One file per subcommand: composes operations and shows results. The only one that knows indicatif and comfy-table.
//!
//! A command gets complete settings and a [`Context`], and returns an [`Outcome`]; it has never heard of the command line. How an
//! outcome becomes text, JSON and an exit code is in [`envelope`].

pub mod bars;
pub mod envelope;
pub mod outcome;
pub mod question;
pub mod table;

use std::future::Future;

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::hint::Interrupted;
use crate::printer::Printer;
use crate::progress::Progress;

pub use outcome::{Format, Outcome};

/// What every command gets beside its own settings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where words go.
    pub printer: Printer,
    /// The form of the answer; one that the command has.
    pub format: Format,
    /// How progress is shown.
    pub progress: bars::Mode,
    /// Set by the first SIGINT or SIGTERM: clean up and return [`Interrupted`].
    pub cancel: CancellationToken,
    /// When the command began; "now" for everything that reckons with time.
    pub now: DateTime<Utc>,
    /// `--yes`: the one question is answered already.
    pub yes: bool,
}

impl Context {
    /// Shows how far an operation is, on stderr.
    pub fn bar(&self) -> Box<dyn Progress> {
        bars::start(self.progress, &self.printer)
    }

    /// Runs what needs no cleaning up, and drops it at the first signal.
    pub async fn interruptible<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Interrupted.into()),
            result = work => result,
        }
    }
}
