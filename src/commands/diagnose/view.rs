//! How a report is shown: what the tables and the lists of a screen have to know.

use super::Sort;
use crate::printer::Printer;

/// How a report is shown.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Where the words go.
    pub printer: &'a Printer,
    /// Name of the instance or the file.
    pub subject: &'a str,
    /// Entries in lists.
    pub top: usize,
    /// What lists are sorted by.
    pub sort: Option<Sort>,
    /// Numbers of earlier runs for the sparkline: `used_memory`, oldest first.
    pub trend: &'a [u64],
    /// How old the run is that counters are compared with, in seconds; `None`: they are those of the window.
    pub since: Option<f64>,
    /// `-v`: all that is known about a finding, and every rule that was skipped.
    pub verbose: bool,
}
