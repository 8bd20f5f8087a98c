//! Where words go: stdout is the answer, stderr the rest. The only place that writes to either.
//!
//! A closed pipe (`| head`) is no error: what comes after it is dropped, and the exit code stays what the command found.
//! How single values are written for people is in [`words`].

#[cfg(test)]
pub(crate) mod kept;
pub mod words;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::progress::Voice;

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal that is not dumb, unless the environment says otherwise.
    #[default]
    Auto,
    /// Even into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// What is known about the two streams before the first word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// Colour on stdout.
    pub color_out: bool,
    /// Colour on stderr.
    pub color_err: bool,
    /// Columns of the terminal behind stdout; `None`: it is not a terminal, and nothing is cut or wrapped.
    pub width: Option<u16>,
    /// Rows of that terminal, where it tells them.
    pub height: Option<u16>,
    /// Whether stderr is a terminal on which a bar may move.
    pub moving: bool,
    /// Whether a question can be asked: stdin and stderr are terminals.
    pub asking: bool,
    /// Whether a screen can be shown that answers keys: stdin and stdout are terminals.
    pub live: bool,
    /// Nothing on stderr but errors.
    pub quiet: bool,
}

impl Choices {
    /// Looks at the real streams. `dumb` is `TERM=dumb`.
    pub fn detect(color: ColorChoice, dumb: bool, quiet: bool) -> Self {
        let out = io::stdout().is_terminal();
        let err = io::stderr().is_terminal();
        let colored = |terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !dumb,
        };
        Self {
            color_out: colored(out),
            color_err: colored(err),
            width: out.then(terminal_width),
            height: out.then(terminal_height).flatten(),
            moving: err && !dumb,
            asking: err && io::stdin().is_terminal(),
            live: out && !dumb && io::stdin().is_terminal(),
            quiet,
        }
    }

    /// Neither stream is a terminal, no colour: what tests and pipes see.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self::default()
    }
}

/// Columns of the terminal; a narrower one than 40 is treated as 40, for a table of one letter a line helps nobody.
fn terminal_width() -> u16 {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.max(40),
        _ => 80,
    }
}

/// Rows of the terminal; some tell none.
fn terminal_height() -> Option<u16> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_row).filter(|rows| *rows > 0)
}

/// How a word is painted where colour is wanted; the word says the same without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Green,
    Yellow,
    Red,
    /// Beside the point.
    Dim,
    Bold,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Red => "\u{1b}[1;31m",
            Self::Dim => "\u{1b}[2m",
            Self::Bold => "\u{1b}[1m",
        }
    }
}

fn paint(wanted: bool, style: Style, text: &str) -> String {
    if wanted { format!("{}{text}\u{1b}[0m", style.code()) } else { text.to_owned() }
}

type Stream = Mutex<Box<dyn Write + Send>>;

/// Takes what moves on the terminal away, does something, and draws it again.
pub type Aside = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// The two streams. Clones write to the same ones.
#[derive(Clone)]
pub struct Printer {
    choices: Choices,
    out: Arc<Stream>,
    err: Arc<Stream>,
    closed: Arc<AtomicBool>,
    secrets: Arc<Mutex<Vec<String>>>,
    aside: Arc<Mutex<Option<Aside>>>,
}

/// A secret shorter than this many bytes is not looked for in text: half of every message would be hidden.
const SHORTEST_SECRET: usize = 8;

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer").field("choices", &self.choices).finish_non_exhaustive()
    }
}

impl Printer {
    /// Writes to the process's own streams.
    pub fn new(choices: Choices) -> Self {
        Self::over(choices, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Writes to other streams; for tests.
    pub fn over(choices: Choices, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            choices,
            out: Arc::new(Mutex::new(out)),
            err: Arc::new(Mutex::new(err)),
            closed: Arc::new(AtomicBool::new(false)),
            secrets: Arc::default(),
            aside: Arc::default(),
        }
    }

    /// Something moves on the terminal behind stderr from now on (a bar): every line that is written there, by whomever, is written
    /// while `aside` has taken it away. `None`: nothing moves any more.
    pub fn moves(&self, aside: Option<Aside>) {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = aside;
    }

    /// What was found out about the streams.
    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    /// Columns that a table may use; `None`: as many as it likes.
    pub fn width(&self) -> Option<u16> {
        self.choices.width
    }

    /// Rows of the terminal; `None`: there is no terminal, or it does not tell them.
    pub fn height(&self) -> Option<u16> {
        self.choices.height
    }

    /// A text in lines that fit the terminal; as it is where there is none.
    pub fn folded(&self, text: &str) -> String {
        match self.width() {
            Some(width) => words::fold(text, usize::from(width)),
            None => text.to_owned(),
        }
    }

    /// Writes part of the answer to stdout. Fails only where the answer is lost (a full disk), not on a closed pipe.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        self.answer_bytes(text.as_bytes())
    }

    /// Writes the answer where it is not text (`restore --to-file -`).
    pub fn answer_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        if self.reader_has_gone() {
            return Ok(());
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other,
        }
    }

    /// Whether the reader of stdout has gone: an endless answer (`--watch`) may end.
    pub fn reader_has_gone(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// A line on stderr that is not an error; `--quiet` drops it.
    pub fn say(&self, text: &str) {
        if !self.choices.quiet {
            self.trouble(text);
        }
    }

    /// A line on stderr, always.
    pub fn trouble(&self, text: &str) {
        self.trouble_text(&format!("{}\n", text.trim_end_matches('\n')));
    }

    fn trouble_text(&self, text: &str) {
        let text = self.without_secrets(text);
        let mut write = || {
            let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody is left to tell that stderr cannot be written to.
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        };
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match aside {
            Some(aside) => aside(&mut write),
            None => write(),
        }
    }

    /// Makes a secret known, so that it is hidden wherever a library should put it into an error or a log line. The last net: no
    /// message of ours holds one.
    pub fn hide(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
        }
    }

    /// A text without the secrets that are known.
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// Text for stdout, painted where colour is wanted.
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.choices.color_out, style, text)
    }

    /// Text for stderr, painted where colour is wanted.
    pub fn paint_trouble(&self, style: Style, text: &str) -> String {
        paint(self.choices.color_err, style, text)
    }

    /// Stderr as a writer, for log lines.
    pub fn log(&self) -> Log {
        Log(self.clone())
    }
}

/// Stderr as a writer; see [`Printer::log`].
#[derive(Debug)]
pub struct Log(Printer);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.trouble_text(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Voice for Printer {
    fn say(&self, sentence: &str) {
        Self::say(self, sentence);
    }

    fn insist(&self, sentence: &str) {
        self.trouble(sentence);
    }
}

#[cfg(test)]
mod tests {
    use super::kept::Kept;
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_is_remembered() {
        let printer = Printer::over(Choices::plain(), Box::new(Closed), Box::new(Kept::default()));
        printer.answer("one\n").unwrap();
        assert!(printer.reader_has_gone());
        printer.answer("two\n").unwrap();
    }

    #[test]
    fn quiet_drops_what_is_said_and_keeps_errors() {
        let err = Kept::default();
        let choices = Choices { quiet: true, ..Choices::plain() };
        let printer = Printer::over(choices, Box::new(Kept::default()), Box::new(err.clone()));
        printer.say("chosen: a replica");
        printer.trouble("error: refused");
        assert_eq!(err.text(), "error: refused\n");
    }

    #[test]
    fn a_secret_that_is_known_is_hidden_on_stderr() {
        let err = Kept::default();
        let printer = Printer::over(Choices::plain(), Box::new(Kept::default()), Box::new(err.clone()));
        printer.hide("hunter2-do-not-print");
        printer.hide("short");
        printer.clone().trouble("sent AUTH hunter2-do-not-print, short");
        printer.log().write_all(b"AUTH hunter2-do-not-print\n").unwrap();
        assert_eq!(err.text(), "sent AUTH ***, short\nAUTH ***\n");
    }

    #[test]
    fn what_moves_is_taken_away_while_a_line_is_written() {
        let err = Kept::default();
        let printer = Printer::over(Choices::plain(), Box::new(Kept::default()), Box::new(err.clone()));
        let bar = err.clone();
        printer.moves(Some(Arc::new(move |write| {
            bar.clone().write_all(b"<").unwrap();
            write();
            bar.clone().write_all(b">").unwrap();
        })));
        printer.clone().say("one");
        printer.moves(None);
        printer.say("two");
        assert_eq!(err.text(), "<one\n>two\n");
    }

    #[test]
    fn without_color_the_words_are_bare() {
        let printer = Printer::over(Choices::plain(), Box::new(Kept::default()), Box::new(Kept::default()));
        assert_eq!(printer.paint(Style::Red, "failed"), "failed");
        let choices = Choices { color_out: true, ..Choices::plain() };
        let printer = Printer::over(choices, Box::new(Kept::default()), Box::new(Kept::default()));
        assert_eq!(printer.paint(Style::Red, "failed"), "\u{1b}[1;31mfailed\u{1b}[0m");
    }
}
