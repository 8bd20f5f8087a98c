//! How progress is drawn on stderr: a bar on a terminal, a line every ten seconds without one, or JSON lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;

use crate::printer::Printer;
use crate::printer::words::{bytes, count, escape_lines, span};
use crate::progress::{Hidden, Progress, Unit};

/// Between two lines for people.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// Between two lines for programs.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// Between two movements of a bar when nothing is told.
const TICK: Duration = Duration::from_millis(200);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A bar on a terminal, else lines; nothing with `--quiet`.
    #[default]
    Auto,
    /// A bar, wherever stderr leads.
    Bar,
    /// A line every ten seconds.
    Plain,
    /// A JSON object a line, every second.
    Json,
    None,
}

/// Begins to show progress.
pub fn start(mode: Mode, printer: &Printer) -> Box<dyn Progress> {
    Box::new(Told(drawn(mode, printer)))
}

/// Progress whose phases are in the log, too (`-v`).
struct Told(Box<dyn Progress>);

impl Progress for Told {
    fn phase(&self, name: &str, unit: Unit, total: Option<u64>) {
        match total {
            Some(total) => tracing::info!("{name}: {total} {}", unit_name(unit)),
            None => tracing::info!("{name}"),
        }
        self.0.phase(name, unit, total);
    }

    fn advance(&self, amount: u64) {
        self.0.advance(amount);
    }

    fn note(&self, text: &str) {
        self.0.note(text);
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn finish(&self) {
        self.0.finish();
    }
}

fn drawn(mode: Mode, printer: &Printer) -> Box<dyn Progress> {
    let choices = printer.choices();
    match mode {
        Mode::None => Box::new(Hidden::default()),
        Mode::Auto if choices.quiet => Box::new(Hidden::default()),
        Mode::Auto if choices.moving => Box::new(Bar::new(printer)),
        Mode::Bar => Box::new(Bar::new(printer)),
        Mode::Auto | Mode::Plain => Box::new(Lines::start(printer, Form::Plain, PLAIN_INTERVAL)),
        Mode::Json => Box::new(Lines::start(printer, Form::Json, JSON_INTERVAL)),
    }
}

/// A bar that moves. There is nothing to see before the first phase, and nothing is left after the last.
struct Bar {
    /// The bar of the phase that goes on; each phase has its own, so that none begins where another ended.
    bar: Mutex<ProgressBar>,
    printer: Printer,
}

impl Bar {
    fn new(printer: &Printer) -> Self {
        Self { bar: Mutex::new(ProgressBar::hidden()), printer: printer.clone() }
    }

    fn clear(&self) {
        self.printer.moves(None);
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
    }
}

fn bar_style(unit: Unit, with_total: bool) -> ProgressStyle {
    // Numbers have a width of their own: a bar that jumps with every digit is not read.
    let template = match (unit, with_total) {
        (Unit::Bytes, true) => {
            "{msg} [{wide_bar}] {percent:>3}% {binary_bytes:>10} of {binary_total_bytes} {binary_bytes_per_sec:>12} {left}"
        }
        (Unit::Bytes, false) => "{spinner} {msg} {binary_bytes:>10} {binary_bytes_per_sec:>12} {elapsed}",
        (Unit::Keys, true) => {
            "{msg} [{wide_bar}] {percent:>3}% {human_pos:>9} of {human_len} keys {keys_per_sec:>10} {left}"
        }
        (Unit::Keys, false) => "{spinner} {msg} {human_pos:>9} keys {keys_per_sec:>10} {elapsed}",
        (Unit::Backups, true) => "{msg} [{wide_bar}] {percent:>3}% {human_pos:>7} of {human_len} backups {left}",
        (Unit::Backups, false) => "{spinner} {msg} {human_pos:>7} backups {elapsed}",
    };
    ProgressStyle::with_template(template)
        .expect("the templates are right")
        .with_key("left", |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = text.write_str(&left(state.pos(), state.len(), state.eta()));
        })
        .with_key("keys_per_sec", |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = write!(text, "{}/s", count(state.per_sec() as u64));
        })
        .tick_chars("|/-\\ ")
        .progress_chars("=> ")
}

/// How long it will take still; nothing as long as nobody can tell.
fn left(done: u64, total: Option<u64>, eta: Duration) -> String {
    match total {
        Some(total) if done > 0 && done < total && eta > Duration::ZERO => {
            format!("{} left", span(Duration::from_secs(eta.as_secs().max(1))))
        }
        _ => String::new(),
    }
}

impl Progress for Bar {
    fn phase(&self, name: &str, unit: Unit, total: Option<u64>) {
        // Before the next one is drawn: it would begin behind the end of this one.
        self.clear();
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        bar.set_style(bar_style(unit, total.is_some()));
        bar.set_message(escape_lines(name));
        let aside = bar.clone();
        self.printer.moves(Some(Arc::new(move |write| aside.suspend(write))));
        bar.enable_steady_tick(TICK);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    fn advance(&self, amount: u64) {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).inc(amount);
    }

    fn note(&self, text: &str) {
        self.printer.say(&escape_lines(text));
    }

    fn pause(&self) {
        self.clear();
    }

    fn finish(&self) {
        self.clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What a line is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Json,
}

/// Where an operation is, shared with the thread that writes the lines.
struct Meter {
    printer: Printer,
    form: Form,
    done: AtomicU64,
    phase: Mutex<Option<Phase>>,
}

#[derive(Debug, Clone)]
struct Phase {
    name: String,
    unit: Unit,
    total: Option<u64>,
    since: Instant,
}

impl Meter {
    /// A line about where the phase is.
    fn report(&self) {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(phase) = phase else { return };
        let done = self.done.load(Ordering::Relaxed);
        let elapsed = phase.since.elapsed();
        match self.form {
            Form::Plain => self.printer.say(&plain_line(&phase, done, elapsed)),
            Form::Json => self.json(json!({
                "event": "progress", "phase": phase.name, "unit": unit_name(phase.unit), "done": done, "total": phase.total,
                "elapsed_seconds": (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            })),
        }
    }

    fn json(&self, line: serde_json::Value) {
        self.printer.trouble(&line.to_string());
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "bytes",
        Unit::Keys => "keys",
        Unit::Backups => "backups",
    }
}

fn plain_line(phase: &Phase, done: u64, elapsed: Duration) -> String {
    let amount = |number| match phase.unit {
        Unit::Bytes => bytes(number),
        Unit::Keys => format!("{} keys", count(number)),
        Unit::Backups => format!("{} backups", count(number)),
    };
    let name = escape_lines(&phase.name);
    let per_second = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let of_total = match phase.total {
        // A total is an estimate at times: never more than all of it.
        Some(total) if total > 0 => {
            format!(" of {} ({} %)", amount(total), (u128::from(done) * 100 / u128::from(total)).min(100))
        }
        _ => String::new(),
    };
    // Where nothing has come yet and nobody knows how much will, zeros look like something that hangs.
    if done == 0 && phase.total.is_none() {
        return format!("{name}: waiting for the server, {}", span(elapsed));
    }
    format!("{name}: {}{of_total}, {}/s, {}", amount(done), amount(per_second), span(elapsed))
}

/// A line now and then, written by a thread of its own so that a stalled operation is seen too.
struct Lines {
    meter: Arc<Meter>,
    writer: Mutex<Option<(mpsc::SyncSender<()>, JoinHandle<()>)>>,
}

impl Lines {
    fn start(printer: &Printer, form: Form, interval: Duration) -> Self {
        let meter =
            Arc::new(Meter { printer: printer.clone(), form, done: AtomicU64::new(0), phase: Mutex::new(None) });
        let (stop, stopped) = mpsc::sync_channel(0);
        let shared = Arc::clone(&meter);
        let spawned = std::thread::Builder::new().name("progress".into()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(mpsc::RecvTimeoutError::Timeout) {
                shared.report();
            }
        });
        // Without a thread (a machine at its limit) the operation goes on unseen.
        Self { meter, writer: Mutex::new(spawned.ok().map(|thread| (stop, thread))) }
    }

    fn stop(&self) {
        let Some((stop, thread)) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        drop(stop);
        // It ends at once: all it waits for is the channel that was just closed.
        let _ = thread.join();
        if self.meter.form == Form::Json {
            self.meter.report();
            self.meter.json(json!({ "event": "finish" }));
        }
    }
}

impl Progress for Lines {
    fn phase(&self, name: &str, unit: Unit, total: Option<u64>) {
        let phase = Phase { name: name.to_owned(), unit, total, since: Instant::now() };
        *self.meter.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(phase);
        self.meter.done.store(0, Ordering::Relaxed);
        if self.meter.form == Form::Json {
            self.meter.json(json!({ "event": "phase", "phase": name, "unit": unit_name(unit), "total": total }));
        }
    }

    fn advance(&self, amount: u64) {
        self.meter.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn note(&self, text: &str) {
        match self.meter.form {
            Form::Plain => self.meter.printer.say(&escape_lines(text)),
            Form::Json => self.meter.json(json!({ "event": "note", "text": text })),
        }
    }

    fn finish(&self) {
        self.stop();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::Value;

    use super::*;
    use crate::printer::Choices;
    use crate::printer::kept::Kept;

    fn shown(mode: Mode, quiet: bool) -> Vec<String> {
        let kept = Kept::default();
        let choices = Choices { quiet, ..Choices::plain() };
        let printer = Printer::over(choices, Box::new(io::sink()), Box::new(kept.clone()));
        let progress = start(mode, &printer);
        progress.note("reads from a replica");
        progress.phase("reading", Unit::Bytes, Some(100));
        progress.advance(40);
        progress.finish();
        drop(progress);
        kept.text().lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_lines_tell_every_step_and_the_last_state() {
        let events: Vec<Value> =
            shown(Mode::Json, false).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0], json!({"event": "note", "text": "reads from a replica"}));
        assert_eq!(events[1], json!({"event": "phase", "phase": "reading", "unit": "bytes", "total": 100}));
        let last = &events[events.len() - 2];
        assert_eq!((&last["event"], &last["done"]), (&json!("progress"), &json!(40)));
        assert_eq!(events[events.len() - 1], json!({"event": "finish"}));
    }

    #[test]
    fn without_a_terminal_a_note_is_a_line_and_quiet_drops_it() {
        assert_eq!(shown(Mode::Auto, false), ["reads from a replica"]);
        assert!(shown(Mode::Auto, true).is_empty());
        assert!(shown(Mode::None, false).is_empty());
    }

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let phase = Phase { name: "reading".into(), unit: Unit::Bytes, total: Some(4096), since: Instant::now() };
        assert_eq!(
            plain_line(&phase, 1024, Duration::from_secs(2)),
            "reading: 1.0 KiB of 4.0 KiB (25 %), 512 B/s, 2.0 s"
        );
        let phase = Phase { name: "loading".into(), unit: Unit::Keys, total: None, ..phase };
        assert_eq!(plain_line(&phase, 3000, Duration::from_secs(3)), "loading: 3,000 keys, 1,000 keys/s, 3.0 s");
        let phase = Phase { total: Some(2000), ..phase };
        assert_eq!(
            plain_line(&phase, 3000, Duration::from_secs(3)),
            "loading: 3,000 keys of 2,000 keys (100 %), 1,000 keys/s, 3.0 s"
        );
    }

    #[test]
    fn a_bar_says_how_long_it_will_take_as_soon_as_that_can_be_said() {
        let minute = Duration::from_secs(60);
        for (done, total, eta, text) in [
            (0, Some(10), minute, ""),
            (5, Some(10), minute, "1 min left"),
            (5, Some(10), Duration::from_millis(300), "1.0 s left"),
            (10, Some(10), Duration::ZERO, ""),
            // A total is an estimate at times.
            (11, Some(10), Duration::ZERO, ""),
            (5, None, minute, ""),
        ] {
            assert_eq!(left(done, total, eta), text, "{done} of {total:?}");
        }
    }

    #[test]
    fn every_template_of_the_bar_is_right() {
        for unit in [Unit::Bytes, Unit::Keys, Unit::Backups] {
            bar_style(unit, true);
            bar_style(unit, false);
        }
    }
}
