//! The model as a screen: a pure function, so that every screen can be tested without a terminal.

mod overview;
mod pages;
mod text;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _};

use super::model::{Model, Page};
use crate::commands::sparkline;

pub use text::clock;

/// The least window that holds the first page.
const LEAST_WIDTH: u16 = 60;
const LEAST_HEIGHT: u16 = 15;

/// Draws the model; how far a page can be scrolled of what was wanted.
pub fn draw(frame: &mut Frame<'_>, model: &Model, ascii: bool) -> usize {
    let area = frame.area();
    let (lines, scrolled) = lines(model, area.width, area.height);
    Paragraph::new(lines).render(area, frame.buffer_mut());
    if ascii {
        in_ascii(frame.buffer_mut());
    }
    scrolled
}

/// The rows of the screen.
fn lines(model: &Model, width: u16, height: u16) -> (Vec<Line<'static>>, usize) {
    if width < LEAST_WIDTH || height < LEAST_HEIGHT {
        let words =
            format!("top needs a window of {LEAST_WIDTH}x{LEAST_HEIGHT}; this one has {width}x{height} (q quits)");
        return (vec![Line::raw(words)], model.scrolled);
    }
    let (width, height) = (usize::from(width), usize::from(height));
    match model.page {
        Page::Overview => (overview::lines(model, width, height), 0),
        _ => pages::lines(model, width, height),
    }
}

/// Puts ASCII in the place of everything else: a terminal of another locale would show something, and nobody knows what.
fn in_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let plain = match cell.symbol() {
            symbol if symbol.is_ascii() => continue,
            "…" => '~',
            "±" => '~',
            symbol => {
                let mut characters = symbol.chars();
                let one = characters.next().filter(|_| characters.next().is_none());
                one.and_then(sparkline::in_ascii).unwrap_or('?')
            }
        };
        cell.set_char(plain);
    }
}

#[cfg(test)]
#[path = "screens_tests.rs"]
mod tests;
