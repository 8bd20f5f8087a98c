//! Tables that fit the terminal and say the same without colour, and the verdict line below them.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement};

use crate::explain::Status;
use crate::printer::words::{escape_lines, shorten, width_of};
use crate::printer::{Printer, Style};

/// A table without borders: a heading in capitals, two spaces between the columns.
///
/// On a terminal that is too narrow columns may be left out ([`Table::optional`]), long names are cut in the middle
/// ([`Table::cut`]), and what is too long still is wrapped; into a pipe every row is whole and stays one line, so that `grep` and
/// `awk` find it. Foreign text must have been escaped before it comes here.
#[derive(Debug, Default)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Row>,
    right: Vec<usize>,
    optional: Vec<usize>,
    cut: Vec<usize>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    /// Of its first cell.
    style: Option<Style>,
}

/// The last net below what was escaped: no cell holds what a terminal obeys.
fn safe(cell: impl Into<String>) -> String {
    let cell = cell.into();
    if cell.contains(|c: char| c.is_control() && c != '\n') { escape_lines(&cell) } else { cell }
}

/// Between two columns.
const GAP: usize = 2;
/// A name is not cut to less than this many columns.
const SHORTEST: usize = 20;

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { heading: headings.iter().map(|heading| heading.to_uppercase()).collect(), ..Self::default() }
    }

    /// A table of names and values, without headings.
    pub fn pairs() -> Self {
        Self::default()
    }

    /// Columns that hold numbers, from 0: aligned to the right.
    #[must_use]
    pub fn numbers(mut self, columns: &[usize]) -> Self {
        self.right.extend_from_slice(columns);
        self
    }

    /// Columns that are left out, in this order, as long as the table does not fit the terminal.
    #[must_use]
    pub fn optional(mut self, columns: &[usize]) -> Self {
        self.optional.extend_from_slice(columns);
        self
    }

    /// Columns whose cells are cut in the middle where the table does not fit the terminal.
    #[must_use]
    pub fn cut(mut self, columns: &[usize]) -> Self {
        self.cut.extend_from_slice(columns);
        self
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(Row { cells: cells.into_iter().map(safe).collect(), style: None });
    }

    /// Adds a row whose first cell, one word, is painted.
    pub fn painted_row<T: Into<String>>(&mut self, style: Style, cells: impl IntoIterator<Item = T>) {
        self.rows.push(Row { cells: cells.into_iter().map(safe).collect(), style: Some(style) });
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, one line a row where the width allows, without a line end after the last.
    pub fn render(mut self, printer: &Printer) -> String {
        if let Some(width) = printer.width() {
            self.fit(usize::from(width));
        }
        let with_heading = !self.heading.is_empty();
        let text = self.laid_out(printer.width());
        let (heading, rows) = match text.split_once('\n') {
            Some((heading, rows)) if with_heading => (Some(heading), rows),
            None if with_heading => (Some(text.as_str()), ""),
            _ => (None, text.as_str()),
        };
        let rows = self.paint(rows, printer);
        match heading {
            Some(heading) if rows.is_empty() => printer.paint(Style::Bold, heading),
            Some(heading) => format!("{}\n{rows}", printer.paint(Style::Bold, heading)),
            None => rows,
        }
    }

    /// Leaves columns out and cuts names until the rows fit, or nothing more can be done.
    fn fit(&mut self, width: usize) {
        let mut optional = std::mem::take(&mut self.optional).into_iter();
        let mut left_out = Vec::new();
        loop {
            let widths = self.widths();
            let kept = |index: &usize| !left_out.contains(index);
            let columns = (0..widths.len()).filter(kept).count();
            let total: usize = widths.iter().enumerate().filter(|(index, _)| kept(index)).map(|(_, width)| width).sum();
            let excess = (total + columns.saturating_sub(1) * GAP).saturating_sub(width);
            if excess == 0 || self.cut_away(excess, &widths, &left_out) {
                break;
            }
            match optional.next() {
                Some(column) => left_out.push(column),
                None => break,
            }
        }
        left_out.sort_unstable();
        for column in left_out.into_iter().rev() {
            self.leave_out(column);
        }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(|row| row.cells.len()).chain([self.heading.len()]).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for cells in self.rows.iter().map(|row| &row.cells).chain([&self.heading]) {
            for (index, cell) in cells.iter().enumerate() {
                widths[index] = cell.lines().map(width_of).fold(widths[index], usize::max);
            }
        }
        widths
    }

    /// Cuts the columns that may be cut by so many columns of the terminal in all, the widest first. Does nothing if that cannot be.
    fn cut_away(&mut self, mut excess: usize, widths: &[usize], left_out: &[usize]) -> bool {
        let mut limits: Vec<(usize, usize)> = self
            .cut
            .iter()
            .filter(|index| !left_out.contains(index))
            .filter_map(|index| Some((*index, *widths.get(*index)?)))
            .collect();
        while excess > 0 {
            let Some(widest) = limits.iter_mut().max_by_key(|(_, limit)| *limit).filter(|(_, limit)| *limit > SHORTEST)
            else {
                return false;
            };
            widest.1 -= 1;
            excess -= 1;
        }
        for (index, limit) in limits {
            for row in &mut self.rows {
                if let Some(cell) = row.cells.get_mut(index) {
                    *cell = shorten(cell, limit);
                }
            }
        }
        true
    }

    fn leave_out(&mut self, column: usize) {
        for cells in self.rows.iter_mut().map(|row| &mut row.cells).chain([&mut self.heading]) {
            if column < cells.len() {
                cells.remove(column);
            }
        }
        self.right.retain(|right| *right != column);
        for right in &mut self.right {
            *right -= usize::from(*right > column);
        }
    }

    fn laid_out(&self, width: Option<u16>) -> String {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(NOTHING).force_no_tty();
        if !self.heading.is_empty() {
            inner.set_header(&self.heading);
        }
        for row in &self.rows {
            inner.add_row(row.cells.iter().map(Cell::new));
        }
        match width {
            Some(width) => {
                inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                inner.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        let last = inner.column_count().saturating_sub(1);
        let wrapped = width.and_then(|width| self.only_one_to_wrap(usize::from(width)));
        for index in 0..=last {
            let Some(column) = inner.column_mut(index) else { continue };
            if wrapped.is_some_and(|wrapped| wrapped != index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            column.set_padding((0, if index == last { 0 } else { GAP as u16 }));
            if self.right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        inner.trim_fmt()
    }

    /// The widest column, if wrapping it alone makes the table fit: names stay whole beside a long sentence.
    fn only_one_to_wrap(&self, width: usize) -> Option<usize> {
        let widths = self.widths();
        let (widest, most) = widths.iter().enumerate().max_by_key(|(_, width)| **width)?;
        let others: usize = widths.iter().sum::<usize>() - most + widths.len().saturating_sub(1) * GAP;
        (others + SHORTEST <= width).then_some(widest)
    }

    /// Paints first cells, which are found at the beginning of lines: the layout knows nothing of colour.
    fn paint(&self, text: &str, printer: &Printer) -> String {
        let mut styled = self.rows.iter().filter_map(|row| Some((row.cells.first()?, row.style?))).peekable();
        let mut lines = Vec::new();
        for line in text.lines() {
            let painted = styled.next_if(|(word, _)| line.split(' ').next() == Some(word.as_str()));
            lines.push(match painted {
                Some((word, style)) => format!("{}{}", printer.paint(style, word), &line[word.len()..]),
                None => line.to_owned(),
            });
        }
        lines.join("\n")
    }
}

/// The last lines of every table: `ok: …`, `warning: …`, `failed: …` or `unknown: …`. One line in a pipe.
pub fn verdict(printer: &Printer, status: Status, sentence: &str) -> String {
    verdict_with(printer, status, "failed:", sentence)
}

/// The same of what worked and found something bad: `bad` stands in place of `failed:`.
pub fn verdict_with(printer: &Printer, status: Status, bad: &str, sentence: &str) -> String {
    let (style, word) = match status {
        Status::Ok => (Style::Green, "ok:"),
        Status::Warning => (Style::Yellow, "warning:"),
        Status::Failed => (Style::Red, bad),
        Status::Unknown => (Style::Yellow, "unknown:"),
    };
    let text = printer.folded(&format!("{word} {sentence}"));
    let rest = text.strip_prefix(word).unwrap_or_default();
    format!("{}{rest}", printer.paint(style, word))
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
    fn a_name_stays_whole_beside_a_sentence_that_is_wrapped() {
        let mut table = Table::new(&["backup", "answer", "what"]);
        table.row(["redis-prod/2026-01-01-00-00", "failed", "has no manifest that can be used: it is not JSON"]);
        assert_eq!(
            table.render(&printer(Some(60), false)),
            "BACKUP                       ANSWER  WHAT\n\
             redis-prod/2026-01-01-00-00  failed  has no manifest that\n\
             \x20                                    can be used: it is not\n\
             \x20                                    JSON"
        );
    }

    #[test]
    fn names_are_cut_and_columns_left_out_on_a_terminal_only() {
        let table = || {
            let mut table = Table::new(&["key", "type", "bytes"]).numbers(&[2]).cut(&[0]).optional(&[1]);
            table.row(["report:2026:monthly:customer-facing-dashboard", "string", "10"]);
            table.row(["q", "list", "9,999"]);
            table
        };
        assert_eq!(
            table().render(&printer(Some(40), false)),
            "KEY                        TYPE    BYTES\n\
             report:2026:mon…dashboard  string     10\n\
             q                          list    9,999"
        );
        let mut wide = table();
        wide.row(["a", &"x".repeat(30), "1"]);
        assert_eq!(
            wide.render(&printer(Some(40), false)),
            "KEY                                BYTES\n\
             report:2026:monthly:…ng-dashboard     10\n\
             q                                  9,999\n\
             a                                      1"
        );
        assert!(table().render(&printer(None, false)).contains("customer-facing-dashboard  string     10\n"));
    }

    #[test]
    fn a_first_cell_is_painted_after_the_columns_are_laid_out() {
        let table = || {
            let mut table = Table::new(&["", "check"]);
            table.painted_row(Style::Green, ["ok", "role"]);
            table.painted_row(Style::Red, ["refused", "empty"]);
            table
        };
        let plain = table().render(&printer(Some(40), false));
        assert_eq!(plain, "         CHECK\nok       role\nrefused  empty");
        let colored = table().render(&printer(Some(40), true));
        assert!(colored.contains("\u{1b}[1;31mrefused\u{1b}[0m  empty"), "{colored}");
        let codes = ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[1;31m", "\u{1b}[0m"];
        assert_eq!(codes.iter().fold(colored, |text, code| text.replace(code, "")), plain);
    }

    #[test]
    fn a_verdict_that_is_too_long_is_folded_between_words_on_a_terminal() {
        let sentence = "memory is nearly full; next: CONFIG SET maxmemory 32mb";
        assert_eq!(
            verdict(&printer(Some(40), false), Status::Failed, sentence),
            "failed: memory is nearly full; next:\nCONFIG SET maxmemory 32mb"
        );
        assert_eq!(verdict(&printer(None, false), Status::Failed, sentence), format!("failed: {sentence}"));
    }

    #[test]
    fn the_verdict_says_it_in_words() {
        assert_eq!(verdict(&printer(None, false), Status::Ok, "3 backups"), "ok: 3 backups");
        assert_eq!(verdict(&printer(None, false), Status::Unknown, "nothing checked"), "unknown: nothing checked");
    }
}
