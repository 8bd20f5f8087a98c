//! How a report is shown: what the tables and the lists of a screen have to know, and how a line is written.

use super::Sort;
pub use crate::printer::words::escape_line;
use crate::printer::words::width_of;
use crate::printer::{Choices, Printer};

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

/// A view of texts that are put on a screen later: so many columns, no colour, and lists as long as they are.
pub struct Plain {
    printer: Printer,
    verbose: bool,
}

impl Plain {
    /// So many columns.
    pub fn new(width: usize) -> Self {
        let width = Some(u16::try_from(width).unwrap_or(u16::MAX));
        let choices = Choices { width, ..Choices::default() };
        // Nothing is written: the printer only knows how wide the screen is.
        Self { printer: Printer::over(choices, Box::new(std::io::sink()), Box::new(std::io::sink())), verbose: false }
    }

    /// All that is known about a finding.
    #[must_use]
    pub fn verbose(self) -> Self {
        Self { verbose: true, ..self }
    }

    /// Gives the view.
    pub fn with<T>(&self, show: impl FnOnce(&View<'_>) -> T) -> T {
        let verbose = self.verbose;
        let usual =
            View { printer: &self.printer, subject: "", top: usize::MAX, sort: None, trend: &[], since: None, verbose };
        show(&usual)
    }
}
