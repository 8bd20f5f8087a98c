//! What is logged on stderr: warnings by default, `-v` what is done, `-vv` every step, `-vvv` every step of the libraries too.

use anyhow::Result;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::env::{self, Environment};
use crate::hint::Misuse;
use crate::printer::Printer;

/// Begins to log. `REDIS_OPS_LOG` goes before `-v`; RUST_LOG, which is meant for others, is not read.
pub fn start(verbose: u8, environment: &Environment, printer: &Printer) -> Result<()> {
    let targets = match environment.text(env::LOG)? {
        Some(text) => text.parse().map_err(|_| {
            Misuse::usage(format!("the environment variable {} is not understood", env::LOG.name))
                .hint("`info`, or `redis_ops=debug,aws_config=info`")
        })?,
        None => levels(verbose, printer.choices().quiet),
    };
    let sink = printer.clone();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || sink.log())
        .with_ansi(printer.choices().color_err)
        .with_target(verbose > 2);
    // Set already: by a test in the same process. There the first one stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines));
    Ok(())
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
