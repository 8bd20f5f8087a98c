//! The terminal while a screen stands on it: taken over, and given back as it was, however the command ends.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use crate::printer::Printer;

/// The other screen, empty, and no cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J";
/// The cursor, no colour, and the screen that was there before.
const LEAVE: &str = "\u{1b}[?25h\u{1b}[0m\u{1b}[?1049l";
/// How often the reader of the keys looks whether it is still wanted.
const STILL_WANTED: Duration = Duration::from_millis(100);
/// Keys that may wait.
const KEYS_AHEAD: usize = 64;

/// A terminal that is taken over until this is dropped: at the end, after an error, and when a panic unwinds.
pub struct Taken {
    shared: Arc<Shared>,
}

struct Shared {
    /// What is typed comes from here.
    keyboard: OwnedFd,
    printer: Printer,
    before: Termios,
    is_on: AtomicBool,
    /// Something else was written, and all has to be drawn again.
    is_dirty: AtomicBool,
}

impl Taken {
    /// Takes the terminal over. A line that is written to stderr meanwhile is shown on the screen that was there before; once `ends` says
    /// that the command ends, that screen stays.
    ///
    /// # Errors
    ///
    /// `keyboard` is no terminal, or stdout cannot be written to.
    pub fn over(
        keyboard: OwnedFd,
        printer: &Printer,
        ends: impl Fn() -> bool + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let before = tcgetattr(&keyboard)?;
        let (is_on, is_dirty) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { keyboard, printer: printer.clone(), before, is_on, is_dirty });
        // From here on dropping it undoes what was done.
        let taken = Self { shared: Arc::clone(&shared) };
        shared.enter()?;
        printer.moves(Some(Arc::new(move |write| {
            let was_on = shared.leave();
            write();
            // After an error there is nothing left to draw on: the next drawing says so.
            if was_on && !ends() && shared.enter().is_ok() {
                shared.is_dirty.store(true, Ordering::Relaxed);
            }
        })));
        Ok(taken)
    }

    /// Whether all has to be drawn again.
    pub fn is_dirty(&self) -> bool {
        self.shared.is_dirty.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shared.printer.moves(None);
        self.shared.leave();
    }
}

impl Shared {
    fn enter(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        self.is_on.store(true, Ordering::Relaxed);
        tcsetattr(&self.keyboard, OptionalActions::Now, &raw)?;
        self.printer.answer(ENTER)
    }

    /// Gives the terminal back; whether it was taken. There is nobody left to tell that it cannot be.
    fn leave(&self) -> bool {
        let was_on = self.is_on.swap(false, Ordering::Relaxed);
        if was_on {
            let _ = self.printer.answer(LEAVE);
            let _ = tcsetattr(&self.keyboard, OptionalActions::Now, &self.before);
        }
        was_on
    }
}

/// Stdout for what is drawn: a whole picture in one write.
pub struct Canvas {
    printer: Printer,
    picture: Vec<u8>,
}

impl Canvas {
    pub fn on(printer: &Printer) -> Self {
        Self { printer: printer.clone(), picture: Vec::new() }
    }
}

impl Write for Canvas {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.picture.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let picture = std::mem::take(&mut self.picture);
        self.printer.answer_bytes(&picture)
    }
}

/// Keys and changes of the window's size, read on a thread of their own until this is dropped.
pub struct Events {
    pub received: mpsc::Receiver<Event>,
    is_over: Arc<AtomicBool>,
}

impl Events {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn read() -> io::Result<Self> {
        let (send, received) = mpsc::channel(KEYS_AHEAD);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read_events(&send, &over))?;
        Ok(Self { received, is_over })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn read_events(send: &mpsc::Sender<Event>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let event = match event::poll(STILL_WANTED) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        // The terminal has gone, or whoever drew on it has.
        let Ok(event) = event else { return };
        if send.blocking_send(event).is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
