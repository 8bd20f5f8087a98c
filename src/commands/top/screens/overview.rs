//! The first page: what the server is, the verdict, figures, who is connected, what is slow, and what is wrong.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::text::{Paint, clip, clock, keys_line, left, right};
use crate::commands::diagnose::incidents::{self, Incident};
use crate::commands::diagnose::lists;
use crate::commands::diagnose::render;
use crate::commands::diagnose::view::{Plain, escape_line};
use crate::commands::top::figures::{self, Figure};
use crate::commands::top::model::{Link, Model};
use crate::diagnose::Report;
use crate::explain::Status;
use crate::finding::Severity;
use crate::introspection::Mode;
use crate::printer::words::{bytes, count, counted, escape, span, width_of};

/// Rows from which on there is room for connections and slow commands.
const ROOMY: usize = 22;
/// Rows of figures in a small window.
const FEW_FIGURES: usize = 6;
/// Rows of the lists where the window has 24.
const LIST_ROWS: usize = 3;
/// Rows of the lists at most: the pages have more.
const MOST_LIST_ROWS: usize = 10;
/// Columns of a figure's name, and of its value where a sparkline stands beside it.
const LABEL: usize = 10;
const VALUE: usize = 21;
/// A sparkline of fewer columns says nothing.
const LEAST_BARS: usize = 4;

/// What the bottom line says.
const KEYS: &[(&str, &str)] = &[
    ("c", "clients"),
    ("s", "slow log"),
    ("k", "keys"),
    ("f", "fix"),
    ("q", "quit"),
    ("?", "help"),
    ("arrows, j", "select"),
];

pub fn lines(model: &Model, width: usize, height: usize) -> Vec<Line<'static>> {
    let paint = Paint { colour: model.colour };
    let is_roomy = height >= ROOMY;
    let mut lines = vec![header(model, width, paint), state(model, width, paint)];
    if is_roomy {
        lines.push(Line::default());
    }
    if let Some(report) = &model.report {
        let rows = figures::rows(report, &model.trends);
        let shown = if is_roomy { rows.len() } else { FEW_FIGURES };
        lines.extend(rows.iter().take(shown).map(|row| figure_row(row, width, paint)));
        if is_roomy {
            let more = height.saturating_sub(24) / 2;
            lines.push(Line::default());
            lines.extend(two_lists(report, (LIST_ROWS + more).min(MOST_LIST_ROWS), width, paint));
            lines.push(Line::default());
        }
        let room = height.saturating_sub(lines.len() + 1);
        lines.extend(findings(model, room, width, paint));
    }
    lines.truncate(height - 1);
    lines.resize(height - 1, Line::default());
    lines.push(keys_line(KEYS, width, paint));
    lines
}

/// What the server is and where, and when it answered last.
pub fn header(model: &Model, width: usize, paint: Paint) -> Line<'static> {
    let subject = clip(&model.subject, width / 3);
    let mut words = Vec::new();
    if let Some(report) = &model.report {
        words.extend(render::server_words(report));
        let server = &report.snapshot.server;
        let state = report.snapshot.answers.cluster.got().and_then(|cluster| cluster.text("cluster_state"));
        if let (Mode::Cluster, Some(state)) = (server.mode, state)
            && let Some(word) = words.iter_mut().find(|word| *word == Mode::Cluster.as_str())
        {
            *word = format!("cluster {}", escape(state.as_bytes()));
        }
    }
    // What the server is taken for is worth less than where it is.
    let guess = words.iter().position(|word| word.starts_with("profile ")).unwrap_or(words.len());
    if model.address != model.subject {
        words.insert(guess, clip(&model.address, width / 3));
    }
    let time = model.answered.map(clock).unwrap_or_default();
    let room = width.saturating_sub(width_of(&time) + 2);
    let mut said = String::new();
    let mut taken = width_of(&subject);
    for word in words {
        if taken + 2 + width_of(&word) > room {
            break;
        }
        taken += 2 + width_of(&word);
        said.push_str(&format!("  {word}"));
    }
    let gap = width.saturating_sub(taken + width_of(&time));
    Line::from(vec![paint.bold(subject), Span::raw(said), Span::raw(" ".repeat(gap)), paint.dim(time)])
}

/// The verdict; or why there is none at the moment.
pub fn state(model: &Model, width: usize, paint: Paint) -> Line<'static> {
    let last = model.answered.map_or_else(String::new, |time| format!("; last answer {}", clock(time)));
    let (status, word, sentence) = match (&model.link, &model.report) {
        (Link::Lost(why), _) => (Status::Failed, "connection lost,".to_owned(), format!("trying again{last} ({why})")),
        (Link::Busy, _) => (
            Status::Failed,
            "busy:".to_owned(),
            format!("the server runs a script or a function and answers nothing else{last}"),
        ),
        (Link::Good, Some(report)) => match model.silent_for() {
            Some(silent) => (Status::Failed, "no answer".to_owned(), format!("for {}{last}", span(silent))),
            None => {
                let status = report.status();
                let sentence = Plain::new(width).with(|view| render::verdict_of(report, view.printer));
                (status, status_word(status).to_owned(), sentence)
            }
        },
        (Link::Good, None) => (Status::Unknown, "waiting".to_owned(), "for the first answer".to_owned()),
    };
    let rest = clip(&sentence, width.saturating_sub(width_of(&word) + 1));
    Line::from(vec![paint.status(status, word), Span::raw(format!(" {rest}"))])
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok:",
        Status::Warning => "warning:",
        Status::Failed => "critical:",
        Status::Unknown => "unknown:",
    }
}

fn figure_row(row: &[Figure<'_>; 2], width: usize, paint: Paint) -> Line<'static> {
    let columns = (width - 2) / 2;
    let mut spans = figure(&row[0], columns, paint);
    spans.push(Span::raw("  "));
    spans.extend(figure(&row[1], columns, paint));
    Line::from(spans)
}

fn figure(figure: &Figure<'_>, columns: usize, paint: Paint) -> Vec<Span<'static>> {
    let bars = columns.saturating_sub(LABEL + VALUE + 1);
    let label = paint.dim(left(figure.label, LABEL));
    match figure.trend {
        Some((trend, from)) if bars >= LEAST_BARS => {
            let value = paint.loud(figure.severity, left(&figure.value, VALUE));
            vec![label, value, Span::raw(format!(" {}", trend.drawn(bars, from)))]
        }
        _ => vec![label, paint.loud(figure.severity, left(&figure.value, columns - LABEL))],
    }
}

/// Who is connected, and beside it what is slow.
fn two_lists(report: &Report, rows: usize, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let columns = (width - 2) / 2;
    let (clients, slow) = (clients(report, columns), slow_commands(report, columns));
    let row = |at: usize| {
        let of = |list: &[String]| left(list.get(at).map_or("", String::as_str), columns);
        let text = format!("{}  {}", of(&clients), of(&slow));
        if at == 0 { Line::from(paint.bold(text)) } else { Line::raw(text) }
    };
    (0..=rows).map(row).collect()
}

fn clients(report: &Report, columns: usize) -> Vec<String> {
    let address = columns.saturating_sub(6 + 8 + 11);
    let row = |name: &str, clients: &str, blocked: &str, memory: &str| {
        format!("{}{}{}{}", left(name, address), right(clients, 6), right(blocked, 8), right(memory, 11))
    };
    let mut rows = vec![row("CLIENTS FROM", "N", "BLOCKED", "MEMORY")];
    match report.snapshot.answers.clients.got() {
        Some(clients) => rows.extend(lists::by_address(clients).iter().map(|from| {
            let name =
                if from.address.is_empty() { "(unix socket)".to_owned() } else { escape(from.address.as_bytes()) };
            row(&name, &count(from.clients), &count(from.blocked), &bytes(from.memory))
        })),
        None => rows.push("not known".to_owned()),
    }
    rows
}

fn slow_commands(report: &Report, columns: usize) -> Vec<String> {
    let pattern = columns.saturating_sub(6 + 11);
    let row = |text: &str, entries: &str, longest: &str| {
        format!("{}{}{}", left(text, pattern), right(entries, 6), right(longest, 11))
    };
    let mut rows = vec![row("SLOW COMMANDS", "N", "MAX MS")];
    match report.snapshot.answers.slowlog.got() {
        Some(entries) => rows.extend(
            lists::patterns(entries, None)
                .iter()
                .map(|slow| row(&escape_line(&slow.text), &count(slow.entries), &lists::milliseconds(slow.longest))),
        ),
        None => rows.push("not known".to_owned()),
    }
    rows
}

/// What is wrong, the worst first, in so many rows; what is marked is among them.
fn findings(model: &Model, room: usize, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let incidents = model.incidents();
    let rows = room.saturating_sub(1);
    let of = |severity| incidents.iter().filter(|incident| incident.worst == severity).count() as u64;
    let counts = [
        (of(Severity::Critical), format!("{} critical", of(Severity::Critical))),
        (of(Severity::Warning), counted(of(Severity::Warning), "warning")),
        (of(Severity::Info), counted(of(Severity::Info), "note")),
    ];
    let counts: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let first = model.marked.saturating_sub(rows.saturating_sub(1));
    let shown = incidents.len().saturating_sub(first).min(rows);
    let part = match shown < incidents.len() {
        true => format!("; {} to {} of {}", first + 1, first + shown, incidents.len()),
        false => String::new(),
    };
    let mut lines = vec![Line::from(vec![paint.bold("FINDINGS"), Span::raw(format!("  {counts}{part}"))])];
    let shown = incidents.iter().enumerate().skip(first).take(rows);
    lines.extend(shown.map(|(at, incident)| incident_row(incident, at == model.marked, width, paint)));
    lines
}

fn incident_row(incident: &Incident<'_>, is_marked: bool, width: usize, paint: Paint) -> Line<'static> {
    let (word, _) = incidents::severity(incident.worst);
    let evidence = Plain::new(width).with(|view| incidents::evidence(incident.root, view));
    let symptoms = match incident.symptoms.len() {
        0 => String::new(),
        n => format!(" (+{n})"),
    };
    let text = match evidence.is_empty() {
        true => format!("{}{symptoms}", incident.root.title),
        false => format!("{}{symptoms}: {evidence}", incident.root.title),
    };
    let mark = if is_marked { "> " } else { "  " };
    let begin = format!("{} ", left(&incident.root.id, 4));
    let line = Line::from(vec![
        Span::raw(mark),
        paint.loud(Some(incident.worst), left(word, 9)),
        Span::raw(begin),
        Span::raw(left(&escape_line(&text), width.saturating_sub(2 + 9 + 5))),
    ]);
    if is_marked { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}
