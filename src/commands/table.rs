//! Tables that fit the terminal and say the same without colour, and the verdict line below them.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement};

use crate::printer::{Printer, Style};
use crate::status::Status;

/// A table without borders: a heading in capitals, two spaces between the columns.
///
/// On a terminal long cells are wrapped; into a pipe every row stays one line, so that `grep` and `awk` find it whole. Foreign text must
/// have been escaped before it comes here.
#[derive(Debug)]
pub struct Table {
    inner: comfy_table::Table,
    right: Vec<usize>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).force_no_tty();
        inner.set_header(headings.iter().map(|heading| heading.to_uppercase()));
        Self { inner, right: Vec::new() }
    }

    /// A table of names and values, without headings.
    pub fn pairs() -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).force_no_tty();
        Self { inner, right: Vec::new() }
    }

    /// Columns that hold numbers, from 0: aligned to the right.
    #[must_use]
    pub fn numbers(mut self, columns: &[usize]) -> Self {
        self.right.extend_from_slice(columns);
        self
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.inner.add_row(cells.into_iter().map(|cell| Cell::new(cell.into())));
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The table as text, one line a row where the width allows, without a line end after the last.
    pub fn render(mut self, printer: &Printer) -> String {
        match printer.width() {
            Some(width) => {
                self.inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                self.inner.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        let last = self.inner.column_count().saturating_sub(1);
        for index in 0..=last {
            let Some(column) = self.inner.column_mut(index) else { continue };
            column.set_padding((0, if index == last { 0 } else { 2 }));
            if self.right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let with_heading = self.inner.header().is_some();
        let text = self.inner.trim_fmt();
        match text.split_once('\n') {
            Some((heading, rows)) if with_heading => format!("{}\n{rows}", printer.paint(Style::Bold, heading)),
            _ => text,
        }
    }
}

/// The last line of every table: `ok: …`, `warning: …`, `failed: …` or `unknown: …`.
pub fn verdict(printer: &Printer, status: Status, sentence: &str) -> String {
    let (style, word) = match status {
        Status::Ok => (Style::Green, "ok:"),
        Status::Warning => (Style::Yellow, "warning:"),
        Status::Failed => (Style::Red, "failed:"),
        Status::Unknown => (Style::Yellow, "unknown:"),
    };
    format!("{} {sentence}", printer.paint(style, word))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::printer::Choices;

    fn printer(width: Option<u16>, color_out: bool) -> Printer {
        let choices = Choices { width, color_out, ..Choices::plain() };
        Printer::over(choices, Box::new(io::sink()), Box::new(io::sink()))
    }

    fn backups() -> Table {
        let mut table = Table::new(&["id", "instance", "keys"]).numbers(&[2]);
        table.row(["2024-01-01-01-00", "redis-prod", "1,994,658"]);
        table.row(["2023-12-31-01-00", "a", "3"]);
        table
    }

    #[test]
    fn a_row_is_a_line_in_a_pipe() {
        assert_eq!(
            backups().render(&printer(None, false)),
            "ID                INSTANCE         KEYS\n\
             2024-01-01-01-00  redis-prod  1,994,658\n\
             2023-12-31-01-00  a                   3"
        );
    }

    #[test]
    fn color_changes_nothing_but_the_heading() {
        let colored = backups().render(&printer(None, true));
        assert_eq!(colored.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), backups().render(&printer(None, false)));
        assert!(colored.starts_with("\u{1b}[1mID"));
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let mut table = Table::new(&["id", "why"]);
        table.row(["M06", &"far more memory is resident than the data needs ".repeat(5)]);
        let text = table.render(&printer(Some(60), false));
        assert!(text.lines().count() > 3, "{text}");
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
    }

    #[test]
    fn the_verdict_says_it_in_words() {
        assert_eq!(verdict(&printer(None, false), Status::Ok, "3 backups"), "ok: 3 backups");
        assert_eq!(verdict(&printer(None, false), Status::Unknown, "nothing checked"), "unknown: nothing checked");
    }
}
