//! What is logged on stderr: warnings by default, `-v` what is done, `-vv` every step, `-vvv` every step of the libraries too.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use super::env::{self, Environment};
use crate::explain::{Misuse, Result};
use crate::printer::Printer;

/// Begins to log. `REDIS_OPS_LOG` goes before `-v`; RUST_LOG, which is meant for others, is not read.
pub fn start(verbose: u8, environment: &Environment, printer: &Printer) -> Result<()> {
    let targets = match environment.text(env::LOG)? {
        Some(text) => text.parse().map_err(|_| {
            Misuse::usage(format!("invalid value in the environment variable {}", env::LOG.name))
                .hint("`info`, or `redis_ops=debug,aws_config=info`")
        })?,
        None => levels(verbose, printer.choices().quiet),
    };
    let sink = printer.clone();
    if verbose == 0 && environment.text(env::LOG)?.is_none() {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || sink.log())
            .with_ansi(false)
            .event_format(Sentence)
            .fmt_fields(tracing_subscriber::fmt::format::DefaultFields::new());
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines));
        return Ok(());
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || sink.log())
        .with_ansi(printer.choices().color_err)
        .with_target(verbose > 2);
    // Set already: by a test in the same process. There the first one stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines));
    Ok(())
}

/// A line for people: a sentence without time, target and fields.
struct Sentence;

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let word = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        let named = if said.named.is_empty() { String::new() } else { format!(" ({})", said.named.join(", ")) };
        let why = said.error.map_or_else(String::new, |error| format!(": {error}"));
        writeln!(writer, "{word}: {}{named}{why}", said.message)
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    error: Option<String>,
    named: Vec<String>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.error = Some(format!("{value:?}")),
            _ => self.named.push(format!("{value:?}")),
        }
    }
}

fn levels(verbose: u8, quiet: bool) -> Targets {
    let (ours, others) = match verbose {
        0 if quiet => (LevelFilter::ERROR, LevelFilter::OFF),
        0 => (LevelFilter::WARN, LevelFilter::OFF),
        1 => (LevelFilter::INFO, LevelFilter::WARN),
        2 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new().with_default(others).with_target("redis_ops", ours)
}
