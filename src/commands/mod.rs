//! One file per subcommand: composes operations and shows results. Only this module knows indicatif, comfy-table and
//! ratatui.
//!
//! A command gets complete settings and a [`Context`], and returns an [`Outcome`]; it has never heard of the command line. How an
//! outcome becomes text, JSON and an exit code is in [`envelope`].

pub mod archive;
pub mod backup;
pub mod copy;
pub mod delete;
pub mod diagnose;
pub mod explain;
pub mod health;
pub mod init;
pub mod list;
pub mod lock;
pub mod metrics;
pub mod pin;
pub mod prune;
pub mod restore;
pub mod schedule;
pub mod show;
pub mod status;
pub mod top;
pub mod verify;

pub mod bars;
pub mod contents;
pub mod envelope;
pub mod instances;
pub mod junit;
pub mod nagios;
pub mod nearest;
pub mod outcome;
pub mod page;
pub mod question;
pub mod schemas;
#[cfg(test)]
mod screens;
pub mod sparkline;
pub mod table;
pub mod telling;
pub mod turns;
pub mod which;
pub mod whole_file;
mod whose;

use std::future::Future;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::explain::{Interrupted, Result};
use crate::printer::Printer;
use crate::printer::words::Keys;
use crate::progress::Progress;

pub use envelope::Kind;
pub use outcome::{Format, Outcome};
use schemas::{Fields, shapes};

/// A command and all that it needs to know.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each is described in its own file")]
pub enum Command {
    Archive(archive::Settings),
    Backup(backup::Settings),
    Restore(restore::Settings),
    Undo(restore::undo::Settings),
    Verify(verify::Settings),
    List(list::Settings),
    Show(show::Settings),
    Status(status::Settings),
    Prune(prune::Settings),
    Copy(copy::Settings),
    Delete(delete::Settings),
    Pin(pin::Settings),
    Init(init::Settings),
    Lock(lock::Settings),
    Schedule(schedule::Settings),
    Diagnose(diagnose::Settings),
    Top(top::Settings),
    Health(health::Settings),
    Metrics(metrics::Settings),
    Explain(explain::Settings),
}

/// What is known of a subcommand before it runs. The name is the one that is typed.
struct Fact {
    name: &'static str,
    /// Its formats; the first is its default.
    formats: &'static [Format],
    /// What a failure means.
    failure: Kind,
    /// The JSON of its answer.
    answer: fn() -> Fields,
}

const fn fact(name: &'static str, formats: &'static [Format], failure: Kind, answer: fn() -> Fields) -> Fact {
    Fact { name, formats, failure, answer }
}

/// Every subcommand that has an answer of its own.
const FACTS: &[Fact] = {
    use Format::{Json, Junit, Nagios, Ndjson, Prometheus, Table};
    &[
        fact("backup", PLAIN, Kind::Acts, shapes::backup),
        fact("archive", PLAIN, Kind::Acts, shapes::archive),
        fact("restore", PLAIN, Kind::Acts, shapes::restore),
        fact("verify", &[Table, Json, Nagios, Junit], Kind::Answers, shapes::verify),
        fact("list", &[Table, Json, Ndjson], Kind::Answers, shapes::listing),
        fact("show", &[Table, Json, Ndjson], Kind::Answers, shapes::show),
        fact("status", &[Table, Json, Nagios], Kind::Answers, shapes::state),
        fact("prune", PLAIN, Kind::Acts, shapes::prune),
        fact("copy", PLAIN, Kind::Acts, shapes::copy),
        fact("delete", PLAIN, Kind::Acts, shapes::delete),
        fact("pin", PLAIN, Kind::Acts, shapes::pin),
        fact("init", PLAIN, Kind::Acts, shapes::init),
        fact("lock", PLAIN, Kind::Acts, shapes::locks),
        fact("schedule", PLAIN, Kind::Answers, shapes::schedule),
        fact("diagnose", &[Table, Json, Ndjson, Nagios, Junit], Kind::Answers, shapes::diagnose),
        fact("top", &[Table], Kind::Answers, shapes::nothing),
        // That a server cannot be reached is health's answer: it is down.
        fact("health", &[Table, Json, Nagios], Kind::Acts, shapes::health),
        fact("metrics", &[Prometheus, Json], Kind::Answers, shapes::metrics),
        fact("explain", PLAIN, Kind::Answers, shapes::explain),
    ]
};

/// The formats of most commands.
const PLAIN: &[Format] = &[Format::Table, Format::Json];

fn fact_of(command: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.name == command)
}

/// The formats that a command has; the first is its default.
pub fn formats(command: &str) -> &'static [Format] {
    fact_of(command).map_or(PLAIN, |fact| fact.formats)
}

/// What a failure of a command means.
pub fn kind(command: &str) -> Kind {
    fact_of(command).map_or(Kind::Answers, |fact| fact.failure)
}

impl Command {
    /// Who is told how it has ended; `None`: nobody.
    pub fn telling(&self) -> Option<&telling::Telling> {
        match self {
            Self::Backup(settings) => Some(&settings.telling).filter(|telling| telling.is_wanted() && !settings.plan),
            _ => None,
        }
    }
}

/// Runs a command.
pub async fn run(command: &Command, context: &Context) -> Result<Outcome> {
    whose::named(carry_out(command, context).await, command)
}

async fn carry_out(command: &Command, context: &Context) -> Result<Outcome> {
    match command {
        Command::Archive(settings) => archive::run(settings, context).await,
        Command::Backup(settings) => backup::run(settings, context).await,
        Command::Restore(settings) => restore::run(settings, context).await,
        Command::Undo(settings) => context.interruptible(restore::undo::run(settings, context)).await,
        Command::Verify(settings) => context.interruptible(verify::run(settings, context)).await,
        Command::List(settings) => context.interruptible(list::run(settings, context)).await,
        Command::Show(settings) => context.interruptible(show::run(settings, context)).await,
        Command::Status(settings) => context.interruptible(status::run(settings, context)).await,
        Command::Prune(settings) => prune::run(settings, context).await,
        Command::Copy(settings) => copy::run(settings, context).await,
        Command::Delete(settings) => delete::run(settings, context).await,
        Command::Pin(settings) => context.interruptible(pin::run(settings, context)).await,
        Command::Init(settings) => context.interruptible(init::run(settings, context)).await,
        Command::Lock(settings) => lock::run(settings, context).await,
        Command::Schedule(settings) => schedule::run(settings, context).await,
        Command::Diagnose(settings) => diagnose::run(settings, context).await,
        Command::Top(settings) => top::run(settings, context).await,
        Command::Health(settings) => context.interruptible(health::run(settings, context)).await,
        Command::Metrics(settings) => metrics::run(settings, context).await,
        Command::Explain(settings) => explain::run(settings, context).await,
    }
}

/// What every command gets beside its own settings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where words go.
    pub printer: Printer,
    /// The form of the answer; one that the command has.
    pub format: Format,
    /// How progress is shown.
    pub progress: bars::Mode,
    /// Set by the first SIGINT or SIGTERM: clean up and return [`Interrupted`].
    pub cancel: CancellationToken,
    /// When the command began; "now" for everything that reckons with time.
    pub now: DateTime<Utc>,
    /// `--yes`: the one question is answered already.
    pub yes: bool,
    /// Whether key names may be shown.
    pub keys: Keys,
    /// `-v`: answers for people tell more.
    pub verbose: bool,
    /// `--html`: the JSON answer is wanted whatever the format is, since a page is made of it.
    pub page: bool,
}

impl Context {
    /// Whether the fields of the JSON answer are wanted.
    pub fn wants_json(&self) -> bool {
        self.format.is_json() || self.page
    }

    /// Shows how far an operation is, on stderr.
    pub fn bar(&self) -> Box<dyn Progress> {
        bars::start(self.progress, &self.printer)
    }

    /// Runs what needs no cleaning up, and drops it at the first signal.
    pub async fn interruptible<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Interrupted.into()),
            result = work => result,
        }
    }
}
