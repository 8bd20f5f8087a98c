//! What was typed becomes what was meant: the only one that knows clap, the settings file, the environment and signals.
//!
//! [`main`] is the whole run: understand the command line, find the settings, run the command, show the answer.

mod args;
mod completion;
mod env;
mod help;
pub mod hints;
mod interrupt;
mod lines;
mod manual;
mod pages;
mod resolve;
mod settings_file;

mod log;
mod misread;

use std::any::Any;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::FromArgMatches as _;

use crate::commands::envelope::{End, Envelope};
use crate::commands::{self, Command, Context, Outcome, page};
use crate::explain::{Bug, Context as _, Fault, Result, Status};
use crate::printer::words::Keys;
use crate::printer::{Choices, Printer};
use crate::restore::replica::guard;

use args::Cli;
use env::Environment;
use interrupt::Interrupt;

/// How long what still runs in the background may take after the command has ended.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(ended) = guard::main(&arguments) {
        return ended;
    }
    if completion::answer(&arguments, help::command) {
        return ExitCode::SUCCESS;
    }
    env::begin_anew(&arguments);
    ExitCode::from(run(&arguments, &Environment::of_process(), Utc::now()))
}

fn run(arguments: &[OsString], environment: &Environment, started_at: DateTime<Utc>) -> u8 {
    match understood(arguments) {
        Ok(cli) => Run::new(cli, environment, started_at).run(),
        Err(error) => misread::answer(&error, arguments, environment, started_at),
    }
}

fn understood(arguments: &[OsString]) -> std::result::Result<Cli, clap::Error> {
    Cli::from_arg_matches(&help::command().try_get_matches_from(arguments)?)
}

/// A command that is being run.
struct Run<'a> {
    cli: Cli,
    environment: &'a Environment,
    printer: Printer,
    started_at: DateTime<Utc>,
}

impl<'a> Run<'a> {
    fn new(cli: Cli, environment: &'a Environment, started_at: DateTime<Utc>) -> Self {
        let color = resolve::color(cli.global.color, environment);
        let dumb = matches!(environment.text(env::TERM), Ok(Some("dumb")));
        let printer = Printer::new(Choices::detect(color, dumb, cli.global.quiet));
        hide_secrets(&printer, environment);
        Self { cli, environment, printer, started_at }
    }

    fn run(self) -> u8 {
        let command = resolve::name(&self.cli.command);
        let format = resolve::format(&self.cli.global, command, self.environment);
        let mut envelope = Envelope {
            command: Some(command),
            kind: commands::kind(command),
            // A format that the command lacks is an error, shown in the format that was asked for.
            format: *format.as_ref().unwrap_or(&misread::format(&self.cli.global)),
            started_at: self.started_at,
            interrupted: false,
            words: hints::words,
            page: None,
        };
        let mut signals = None;
        let result = guarded(|| {
            format?;
            // Refused before the work, which may take hours.
            envelope.page = resolve::page(&self.cli.command).map(page::file::checked).transpose()?;
            log::start(self.cli.global.verbose, self.environment, &self.printer)?;
            if let Some(page) = pages::page(&self.cli.command)? {
                return self.printer.answer(&page).map(|()| Outcome::new(Status::Ok)).map_err(Fault::from);
            }
            let command = resolve::command(
                &self.cli.command,
                &self.cli.global,
                self.cli.database,
                self.environment,
                &self.printer,
            )?;
            match command {
                Some(command) => self.execute(&command, &envelope, &mut signals),
                None => Ok(Outcome::new(Status::Ok)),
            }
        });
        envelope.interrupted = signals.as_ref().is_some_and(Interrupt::came);
        match envelope.close(result, Utc::now(), &self.printer) {
            End::Status(status) => status.exit_code(),
            End::Of(code) => code,
            End::Interrupted => signals.unwrap_or_default().exit_code(),
        }
    }

    fn execute(&self, command: &Command, envelope: &Envelope, signals: &mut Option<Interrupt>) -> Result<Outcome> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let result = runtime.block_on(async {
            let interrupt = Interrupt::listen(&self.printer).context("cannot listen for signals")?;
            *signals = Some(interrupt.clone());
            let global = &self.cli.global;
            let context = Context {
                printer: self.printer.clone(),
                format: envelope.format,
                progress: global.progress.unwrap_or_default(),
                cancel: interrupt.token(),
                now: self.started_at,
                yes: global.yes,
                keys: if global.hide_keys { Keys::Hidden } else { Keys::Shown },
                verbose: global.verbose > 0,
                page: envelope.page.is_some(),
            };
            let result = commands::run(command, &context).await;
            // A backup that was not due has begun nothing.
            let has_run = !result.as_ref().is_ok_and(|outcome| outcome.fields.contains_key("due"));
            if let Some(telling) = command.telling().filter(|_| has_run) {
                let (status, answer) = envelope.told(&result, Utc::now(), &self.printer);
                telling.end(status, &answer, &self.printer, &context.cancel).await;
            }
            result
        });
        // Not dropped: that would wait for a thread that reads from a terminal.
        runtime.shutdown_timeout(AFTERMATH);
        result
    }
}

/// Hides the secrets of the environment, whichever part of the program reads them there.
fn hide_secrets(printer: &Printer, environment: &Environment) {
    for name in ["REDIS_OPS_PASSWORD", "REDISCLI_AUTH", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        if let Ok(Some(secret)) = environment.by_name(name) {
            printer.hide(secret);
        }
    }
}

/// Runs a command. A panic is an error, reported once, with the place where it happened: nobody can make it happen again.
fn guarded(work: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    let place = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&place);
    std::panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(place_of).unwrap_or_default();
        tracing::info!(place = at, "a panic was caught");
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Bug(format!("{} ({place})", words_of(panic.as_ref()))).into())
    })
}

/// File and line, without the folders of the machine that built us.
fn place_of(location: &Location<'_>) -> String {
    let file = location.file();
    let file = file.rfind("/src/").map_or(file, |at| &file[at + 1..]);
    format!("{file}:{}", location.line())
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Format, Kind};

    #[test]
    fn a_panic_is_reported_as_a_bug_with_its_place_and_exit_3() {
        let nothing: Vec<u8> = Vec::new();
        let result = guarded(|| Ok(Outcome::new(Status::Ok).text(nothing[3].to_string())));
        drop(std::panic::take_hook());
        let error = result.as_ref().expect_err("it panicked").to_string();
        let words = "this is a bug in redis-ops: index out of bounds: the len is 0 but the index is 3 (src/cli/mod.rs:";
        assert!(error.starts_with(words), "{error}");
        let printer = Printer::over(Choices::plain(), Box::new(std::io::sink()), Box::new(std::io::sink()));
        let (format, now) = (Format::Nagios, Utc::now());
        let envelope = Envelope {
            command: Some("backup"),
            kind: Kind::Acts,
            format,
            started_at: now,
            interrupted: false,
            words: hints::words,
            page: None,
        };
        match envelope.close(result, now, &printer) {
            End::Status(status) => assert_eq!(status.exit_code(), 3),
            end => panic!("it ended with {end:?}"),
        }
    }
}
