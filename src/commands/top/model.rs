//! What the screen shows, as plain data: what keys and answers change in it, and nothing of how it is drawn.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::trends::Trends;
use crate::commands::diagnose::hidden;
use crate::commands::diagnose::incidents::{self, Incident};
use crate::diagnose::Report;
use crate::explain::Fault;
use crate::introspection::keyspace::KeyspaceProfile;
use crate::printer::words::{Keys, escape_lines};

/// An answer that is later than the pause between two looks by this much is late.
const LATE: Duration = Duration::from_secs(3);

/// All that the screen shows.
pub struct Model {
    /// The name of the instance, and its address.
    pub subject: String,
    pub address: String,
    /// Between two looks.
    pub every: Duration,
    /// Whether names of keys are shown.
    pub keys: Keys,
    /// Whether colour is used.
    pub colour: bool,
    /// What the last look showed, names of keys hidden where that is wanted; `None`: there was no answer yet.
    pub report: Option<Report>,
    /// When the last answer came.
    pub answered: Option<DateTime<Utc>>,
    pub link: Link,
    pub trends: Trends,
    pub sample: Sample,
    pub page: Page,
    /// The incident that is marked, by its place in the list.
    pub marked: usize,
    /// Lines of a page that have moved up out of sight.
    pub scrolled: usize,
    pub now: DateTime<Utc>,
}

/// How it stands with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The last look was answered.
    Good,
    /// The server runs a script or a function, and answers nothing else meanwhile.
    Busy,
    /// It broke, or cannot be made, for this reason.
    Lost(String),
}

/// What is known of the keys.
#[derive(Debug, Clone)]
pub enum Sample {
    /// No key was drawn yet.
    None,
    Drawn(Box<KeyspaceProfile>),
    /// The server does not let us, for this reason.
    Refused(String),
}

/// What the screen is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Overview,
    Clients,
    SlowLog,
    Keys,
    /// The fix of the incident that is marked.
    Fix,
    Help,
}

/// What a key asks of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    /// Everything is to be drawn again, whatever the terminal shows now.
    Redraw,
    Quit,
}

impl Model {
    /// Before the first answer.
    pub fn new(
        subject: String,
        address: String,
        every: Duration,
        keys: Keys,
        colour: bool,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            subject,
            address,
            every,
            keys,
            colour,
            report: None,
            answered: None,
            link: Link::Good,
            trends: Trends::default(),
            sample: Sample::None,
            page: Page::Overview,
            marked: 0,
            scrolled: 0,
            now,
        }
    }

    /// Takes in what a look has shown. The incident that is marked stays marked while it lasts, wherever it stands.
    pub fn looked(&mut self, report: Report, now: DateTime<Utc>) {
        let marked = self.incidents().get(self.marked).map(|incident| incident.root.id.clone());
        self.trends.add(&report);
        self.report = Some(match self.keys {
            Keys::Shown => report,
            Keys::Hidden => hidden::hidden(&report, self.keys),
        });
        (self.answered, self.link, self.now) = (Some(now), Link::Good, now);
        let ids: Vec<String> = self.incidents().iter().map(|incident| incident.root.id.clone()).collect();
        let still = ids.iter().position(|id| Some(id) == marked.as_ref());
        if still.is_none() && marked.is_some() && self.page == Page::Fix {
            // What was read about is over.
            (self.page, self.scrolled) = (Page::Overview, 0);
        }
        self.marked = still.unwrap_or(self.marked).min(ids.len().saturating_sub(1));
    }

    /// Takes in that a look has failed.
    pub fn failed(&mut self, fault: &Fault, now: DateTime<Utc>) {
        self.trends.add_gap();
        self.link = if fault.code() == "busy" { Link::Busy } else { Link::Lost(in_a_line(fault)) };
        self.now = now;
    }

    /// Takes in what a sample of the keys looks like by now.
    pub fn sampled(&mut self, mut profile: KeyspaceProfile) {
        if self.keys == Keys::Hidden {
            hidden::of_profile(&mut profile, self.keys);
        }
        self.sample = Sample::Drawn(Box::new(profile));
    }

    /// Takes in that keys cannot be drawn.
    pub fn not_sampled(&mut self, fault: &Fault) {
        self.sample = Sample::Refused(in_a_line(fault));
    }

    /// The incidents of the last look, the worst first.
    pub fn incidents(&self) -> Vec<Incident<'_>> {
        let mut incidents = self.report.as_ref().map(incidents::all).unwrap_or_default();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.worst));
        incidents
    }

    /// For how long an answer is missing, where that is longer than it should be.
    pub fn silent_for(&self) -> Option<Duration> {
        let silent = (self.now - self.answered?).to_std().ok()?;
        (silent > self.every + LATE).then_some(silent)
    }

    /// Whether keys are to be drawn: only while somebody looks at them.
    pub fn wants_keys(&self) -> bool {
        self.page == Page::Keys && !matches!(self.sample, Sample::Refused(_))
    }

    /// Takes in a key.
    pub fn press(&mut self, key: KeyEvent) -> Asked {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Asked::Quit,
            KeyCode::Char('l') if control => return Asked::Redraw,
            _ if control => {}
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('c') => self.turn_to(Page::Clients),
            KeyCode::Char('s') => self.turn_to(Page::SlowLog),
            KeyCode::Char('k') => self.turn_to(Page::Keys),
            KeyCode::Char('f') | KeyCode::Enter if !self.incidents().is_empty() => self.turn_to(Page::Fix),
            KeyCode::Char('?' | 'h') => self.turn_to(Page::Help),
            KeyCode::Esc => self.turn_to(Page::Overview),
            KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab => self.go(1),
            KeyCode::Up | KeyCode::BackTab => self.go(-1),
            KeyCode::PageDown => self.go(10),
            KeyCode::PageUp => self.go(-10),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            _ => {}
        }
        Asked::Nothing
    }

    /// A second press of the key of a page leads back.
    fn turn_to(&mut self, page: Page) {
        self.page = if self.page == page { Page::Overview } else { page };
        self.scrolled = 0;
    }

    /// On the first page another incident is marked; the others move.
    fn go(&mut self, steps: isize) {
        if self.page == Page::Overview {
            let last = self.incidents().len().saturating_sub(1);
            self.marked = self.marked.saturating_add_signed(steps).min(last);
        } else {
            self.scrolled = self.scrolled.saturating_add_signed(steps);
        }
    }
}

/// An error in a line of a screen.
fn in_a_line(fault: &Fault) -> String {
    escape_lines(&format!("{fault:#}")).replace('\n', " ")
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(in crate::commands::top) mod tests;
