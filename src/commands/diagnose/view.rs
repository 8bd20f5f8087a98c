//! How a report is shown: what the tables and the lists of a screen have to know, and how a line is written.

use super::Sort;
use crate::printer::Printer;
pub use crate::printer::words::escape_line;
use crate::printer::words::width_of;

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

/// A text that is cut where the terminal ends.
pub fn one_line(text: &str, view: &View<'_>) -> String {
    let text = escape_line(text);
    let Some(width) = view.printer.width().map(usize::from) else { return text };
    if width_of(&text) <= width {
        return text;
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width_of(&cut) + 3 > width {
            break;
        }
        cut.push(character);
    }
    format!("{} …", cut.trim_end())
}
