//! Screens that somebody has looked at, and that tests hold: what is rendered is compared with a file under `tests/screens`.
//!
//! After a change that is meant: `REDIS_OPS_WRITE_SCREENS=1 cargo test --lib`, look at what `git diff tests/screens` shows, in a
//! terminal of that width, and keep it if it is good.

use std::io;
use std::path::Path;

use super::{Context, Format};
use crate::printer::words::{Keys, width_of};
use crate::printer::{Choices, Printer};

/// A terminal of so many columns without colour; `None`: a pipe.
pub fn printer(width: Option<u16>) -> Printer {
    Printer::over(Choices { width, ..Choices::plain() }, Box::new(io::sink()), Box::new(io::sink()))
}

/// What a command gets, with this printer and a clock that stands still.
pub fn context(printer: &Printer) -> Context {
    Context {
        printer: printer.clone(),
        format: Format::Table,
        progress: super::bars::Mode::None,
        cancel: tokio_util::sync::CancellationToken::new(),
        now: "2026-11-23T04:00:00Z".parse().expect("a moment"),
        yes: false,
        keys: Keys::Shown,
        verbose: false,
        page: false,
    }
}

/// Compares the same thing on a terminal of 80 and of 160 columns, and in a pipe.
#[track_caller]
pub fn check(name: &str, render: impl Fn(&Printer) -> String) {
    for (width, place) in [(Some(80), "80"), (Some(160), "160"), (None, "pipe")] {
        let text = render(&printer(width)) + "\n";
        for line in text.lines() {
            let fits = width.is_none_or(|width| width_of(line) <= usize::from(width));
            assert!(fits, "{name} at {place}: a line is too long: {line}");
            assert_eq!(line.trim_end(), line, "{name} at {place}: spaces at the end of a line");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screens/{name}-{place}.txt"));
        if std::env::var_os("REDIS_OPS_WRITE_SCREENS").is_some() {
            std::fs::write(&path, &text).expect("the screens can be written");
            continue;
        }
        let looked_at = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, looked_at, "{} shows something else; see src/commands/screens.rs", path.display());
    }
}
