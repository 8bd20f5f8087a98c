//! Texts in columns of a screen.

use chrono::{DateTime, Utc};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthChar as _;

use crate::explain::Status;
use crate::finding::Severity;
use crate::printer::words::width_of;

/// A time of day, as all times of the tool in UTC.
pub fn clock(time: DateTime<Utc>) -> String {
    time.format("%H:%M:%S UTC").to_string()
}

/// A text in at most so many columns: the end of what is too long is cut off.
pub fn clip(text: &str, columns: usize) -> String {
    if width_of(text) <= columns {
        return text.to_owned();
    }
    let (mut clipped, mut taken) = (String::new(), 0);
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if taken + wide + 1 > columns {
            break;
        }
        clipped.push(character);
        taken += wide;
    }
    if columns > 0 {
        clipped.push('…');
    }
    clipped
}

/// A text in exactly so many columns, at their left.
pub fn left(text: &str, columns: usize) -> String {
    let text = clip(text, columns);
    let gap = columns.saturating_sub(width_of(&text));
    format!("{text}{}", " ".repeat(gap))
}

/// A text in exactly so many columns, at their right.
pub fn right(text: &str, columns: usize) -> String {
    let text = clip(text, columns);
    let gap = columns.saturating_sub(width_of(&text));
    format!("{}{text}", " ".repeat(gap))
}

/// Styles of a screen; without colour only those that need none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub colour: bool,
}

impl Paint {
    pub fn bold(self, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
    }

    /// Beside the point.
    pub fn dim(self, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), Style::new().add_modifier(Modifier::DIM))
    }

    /// In the colour of a severity.
    pub fn loud(self, severity: Option<Severity>, text: impl Into<String>) -> Span<'static> {
        match severity {
            Some(Severity::Critical) => self.coloured(Color::Red, text),
            Some(Severity::Warning) => self.coloured(Color::Yellow, text),
            Some(Severity::Info) | None => Span::raw(text.into()),
        }
    }

    /// In the colour of an answer.
    pub fn status(self, status: Status, text: impl Into<String>) -> Span<'static> {
        match status {
            Status::Ok => self.coloured(Color::Green, text),
            Status::Warning | Status::Unknown => self.coloured(Color::Yellow, text),
            Status::Failed => self.coloured(Color::Red, text),
        }
    }

    pub fn coloured(self, colour: Color, text: impl Into<String>) -> Span<'static> {
        match self.colour {
            true => Span::styled(text.into(), Style::new().fg(colour).add_modifier(Modifier::BOLD)),
            false => self.bold(text),
        }
    }
}

/// Keys and what they do, as many as fit.
pub fn keys_line(keys: &[(&str, &str)], columns: usize, paint: Paint) -> Line<'static> {
    let (mut spans, mut taken) = (Vec::new(), 0);
    for (key, does) in keys {
        let gap = if spans.is_empty() { 0 } else { 2 };
        let wide = gap + key.len() + 1 + does.len();
        if taken + wide > columns {
            break;
        }
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(paint.bold(*key));
        spans.push(Span::raw(format!(" {does}")));
        taken += wide;
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_padded_by_the_columns_it_takes() {
        for (text, columns, at_left, at_right) in [
            ("abc", 5, "abc  ", "  abc"),
            ("abcdef", 5, "abcd…", "abcd…"),
            // Each of these takes two columns.
            ("\u{6f22}\u{5b57}\u{6f22}", 4, "\u{6f22}… ", " \u{6f22}…"),
            ("abc", 0, "", ""),
        ] {
            assert_eq!((left(text, columns).as_str(), right(text, columns).as_str()), (at_left, at_right));
        }
    }

    #[test]
    fn keys_that_do_not_fit_are_left_out_whole() {
        let paint = Paint { colour: false };
        let line = keys_line(&[("q", "quit"), ("?", "help")], 13, paint);
        assert_eq!(line.to_string(), "q quit");
        assert_eq!(keys_line(&[("q", "quit"), ("?", "help")], 14, paint).to_string(), "q quit  ? help");
    }
}
