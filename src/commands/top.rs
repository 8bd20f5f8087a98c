//! `redis-ops top`: a live screen for the first minutes of an incident.
//!
//! One task asks the server (`asking`), one thread reads keys (`terminal`), and here both meet: what they tell changes the model, and the
//! model is drawn (`screens`). Only this module knows ratatui.

mod asking;
mod figures;
mod model;
mod screens;
mod terminal;
mod trends;

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::Event;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::diagnose::{Rules, as_typed, render};
use super::table::verdict_with;
use super::which::Server;
use super::{Context, Outcome};
use crate::blocking;
use crate::diagnose::{self, Watch};
use crate::explain::{Context as _, Fault, Hint, Misuse, Result, Status};
use crate::printer::words::escape;
use crate::rules;
use asking::Told;
use model::{Asked, Link, Model};
use terminal::{Canvas, Events, Taken};

/// The least pause between two looks.
pub const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// How often the clock on the screen moves.
const TICK: Duration = Duration::from_secs(1);
/// Answers that may wait to be shown.
const TOLD_AHEAD: usize = 4;

/// Complete settings of `top`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    /// Between two looks.
    pub every: Duration,
    /// What the settings file says about rules.
    pub rules: Rules,
    /// Where restores write down what they change on a target.
    pub restores: PathBuf,
    /// The terminal shows ASCII alone.
    pub ascii: bool,
}

/// Watches a server until somebody leaves, and says the last verdict.
///
/// # Errors
/// There is no terminal, no connection at the beginning, or the server refuses our user.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    if !context.printer.choices().live {
        return Err(Misuse::usage("`top` needs a terminal, on stdin and on stdout").hint(Hint::RepeatDiagnosis).into());
    }
    let options = diagnose::Options {
        topics: rules::Topic::ALL.to_vec(),
        window: Duration::ZERO,
        full: false,
        rules: settings.rules.to_rules()?,
        now: context.now,
        restores: Some(settings.restores.clone()),
    };
    let asking = Asking::start(Watch::new(&settings.server.node, options), settings.every);
    let model = Model::new(
        escape(settings.server.instance.as_bytes()),
        escape(settings.server.node.address.to_string().as_bytes()),
        settings.every,
        context.keys,
        context.printer.choices().color_out,
        Utc::now(),
    );
    let mut top = Top { settings, context, asking, model };
    // A server that cannot be reached is an error like that of every other command, and no screen.
    match context.interruptible(top.first_answer()).await? {
        Told::Failed(fault) if fault.code() != "busy" => return Err(fault),
        told => drop(top.hear(told)),
    }
    top.show().await?;
    Ok(top.last_verdict())
}

/// The task that asks the server; it ends with this.
struct Asking {
    told: mpsc::Receiver<Told>,
    wants_keys: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Asking {
    fn start(server: Watch, every: Duration) -> Self {
        let (send, told) = mpsc::channel(TOLD_AHEAD);
        let (wants_keys, wanted) = watch::channel(false);
        let task = tokio::spawn(asking::ask(server, every, wanted, send));
        Self { told, wants_keys, task }
    }

    /// The next answer. The task ends only by a panic, which goes on here.
    async fn next(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            None => match (&mut self.task).await {
                Err(gone) if gone.is_panic() => std::panic::resume_unwind(gone.into_panic()),
                _ => std::future::pending().await,
            },
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Top<'a> {
    settings: &'a Settings,
    context: &'a Context,
    asking: Asking,
    model: Model,
}

impl Top<'_> {
    async fn first_answer(&mut self) -> Result<Told> {
        Ok(self.asking.next().await)
    }

    /// Shows the screen until somebody leaves, or the server lets us in no more.
    async fn show(&mut self) -> Result<()> {
        let (printer, cancel) = (self.context.printer.clone(), self.context.cancel.clone());
        let keyboard = blocking::run(|| rustix::stdio::stdin().try_clone_to_owned()).await;
        let keyboard = keyboard.context("cannot use the terminal")?;
        let ends = self.context.cancel.clone();
        let taken = Taken::over(keyboard, &printer, move || ends.is_cancelled()).context("cannot use the terminal")?;
        let mut events = Events::read().context("cannot read keys")?;
        let mut terminal = Terminal::new(CrosstermBackend::new(Canvas::on(&printer))).context("cannot draw")?;
        loop {
            if taken.is_dirty() {
                terminal.clear().context("cannot draw")?;
            }
            let (model, ascii) = (&self.model, self.settings.ascii);
            let mut scrolled = 0;
            let drawn = terminal.draw(|frame| scrolled = screens::draw(frame, model, ascii));
            drawn.context("cannot draw")?;
            self.model.scrolled = scrolled;
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                told = self.asking.next() => self.hear(told)?,
                event = events.received.recv() => match event {
                    Some(Event::Key(key)) => match self.model.press(key) {
                        Asked::Quit => return Ok(()),
                        Asked::Redraw => terminal.clear().context("cannot draw")?,
                        Asked::Nothing => {}
                    },
                    // The next turn draws in the new size.
                    Some(_) => {}
                    // The terminal has gone: SIGHUP is on its way.
                    None => return Ok(()),
                },
                () = tokio::time::sleep(TICK) => {}
            }
            self.model.now = Utc::now();
            let wants_keys = self.model.wants_keys();
            self.asking.wants_keys.send_if_modified(|wanted| std::mem::replace(wanted, wants_keys) != wants_keys);
        }
    }

    /// Takes in what the server has told.
    fn hear(&mut self, told: Told) -> Result<()> {
        let now = Utc::now();
        match told {
            Told::Looked(mut report) => {
                as_typed(&mut report, &self.settings.server);
                self.model.looked(*report, now);
            }
            Told::Failed(fault) if is_final(&fault) => return Err(fault),
            Told::Failed(fault) => self.model.failed(&fault, now),
            Told::Sampled(profile) => self.model.sampled(*profile),
            Told::NotSampled(fault) => self.model.not_sampled(&fault),
        }
        Ok(())
    }

    /// What stands on the terminal in the end.
    fn last_verdict(&self) -> Outcome {
        let printer = &self.context.printer;
        let answered = self.model.answered.map_or_else(|| "never".to_owned(), screens::clock);
        let gone = match &self.model.link {
            Link::Good => None,
            Link::Busy => Some("the server is busy running a script or a function".to_owned()),
            Link::Lost(why) => Some(format!("no connection to {}: {why}", self.model.subject)),
        };
        let (status, sentence) = match &self.model.report {
            Some(report) => (report.status(), render::verdict_of(report, printer)),
            None => (Status::Unknown, String::new()),
        };
        let said = |status, sentence: &str| verdict_with(printer, status, "critical:", sentence);
        match gone {
            None => Outcome::new(status).text(said(status, &sentence)),
            // Whatever the server was, nobody knows what it is now.
            Some(gone) => {
                let before = self.model.report.as_ref().map(|_| format!("{}\n", said(status, &sentence)));
                let now = said(Status::Unknown, &format!("{gone}; last answer: {answered}"));
                Outcome::new(Status::Unknown).text(format!("{}{now}", before.unwrap_or_default()))
            }
        }
    }
}

/// What does not pass by trying again: the server does not let us in, or is none that holds data.
fn is_final(fault: &Fault) -> bool {
    matches!(fault.code(), "authentication_failed" | "permission_denied" | "sentinel" | "bug")
}
