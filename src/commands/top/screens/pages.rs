//! The pages behind the first one: connections, the slow log, keys, a fix, and the keys of the keyboard.

use ratatui::text::{Line, Span};

use super::overview::{header, state};
use super::text::{Paint, keys_line};
use crate::commands::diagnose::view::{Plain, View, escape_line};
use crate::commands::diagnose::{incidents, lists};
use crate::commands::top::model::{Model, Page, Sample};
use crate::printer::words::{count, fold};

/// What the bottom line says.
const KEYS: &[(&str, &str)] = &[("Esc", "back"), ("arrows, j", "scroll"), ("q", "quit"), ("?", "help")];

/// The help, in rows.
const HELP: &[&str] = &[
    "c            clients, by owner and address",
    "s            slow log, by command",
    "k            keys by prefix: a sample that grows while you look at it",
    "f or Enter   the fix of the marked finding; redis-ops never runs a fix",
    "arrows, j    mark another finding; on the other pages: scroll",
    "Tab          as arrow down; Shift-Tab as arrow up",
    "Esc          back to the first page",
    "Ctrl-L       draw the screen again",
    "q or Ctrl-C  quit, and print the last verdict",
    "",
    "redis-ops sends at most 20 commands a second, and only commands that read. Rates are measured from one look to the next.",
    "`answer` is the longest that the server took for an answer in the last look. `slow log` counts what came since the last look.",
];

pub fn lines(model: &Model, width: usize, height: usize) -> (Vec<Line<'static>>, usize) {
    let paint = Paint { colour: model.colour };
    let (title, told, body) = body(model, width);
    let mut lines = vec![
        header(model, width, paint),
        state(model, width, paint),
        Line::default(),
        Line::from(vec![paint.bold(title), Span::raw(format!("  {told}"))]),
    ];
    let room = height.saturating_sub(lines.len() + 2);
    let scrolled = model.scrolled.min(body.len().saturating_sub(room));
    lines.extend(body.into_iter().skip(scrolled).take(room).map(Line::raw));
    lines.resize(height - 1, Line::default());
    lines.push(keys_line(KEYS, width, paint));
    (lines, scrolled)
}

/// The title of a page, what stands beside it, and its rows.
fn body(model: &Model, width: usize) -> (&'static str, String, Vec<String>) {
    let in_rows = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let table = |of: &dyn Fn(&View<'_>) -> Option<String>| Plain::new(width).with(|view| of(view)).map(in_rows);
    match model.page {
        Page::Overview => ("", String::new(), Vec::new()),
        Page::Clients => {
            let clients = model.report.as_ref().and_then(|report| report.snapshot.answers.clients.got());
            let told = clients.map_or_else(
                || "not known: the server does not tell".to_owned(),
                |clients| format!("{}, those of redis-ops left out", count(clients.len() as u64)),
            );
            let rows = model.report.as_ref().and_then(|report| table(&|view| lists::clients(report, view)));
            ("CLIENTS", told, rows.unwrap_or_default())
        }
        Page::SlowLog => {
            let entries = model.report.as_ref().and_then(|report| report.snapshot.answers.slowlog.got());
            let told = entries.map_or_else(
                || "not known: the server does not tell".to_owned(),
                |entries| format!("{}, those of redis-ops left out", count(entries.len() as u64)),
            );
            let rows = model.report.as_ref().and_then(|report| table(&|view| lists::slow_log(report, view)));
            ("SLOW LOG", told, rows.unwrap_or_default())
        }
        Page::Keys => keys(model, width),
        Page::Fix => fix(model, width),
        Page::Help => {
            ("HELP", String::new(), HELP.iter().flat_map(|line| in_rows(format!("{}\n", fold(line, width)))).collect())
        }
    }
}

fn keys(model: &Model, width: usize) -> (&'static str, String, Vec<String>) {
    let told = match &model.sample {
        Sample::None => "drawing keys…".to_owned(),
        Sample::Refused(why) => format!("cannot be drawn: {why}"),
        Sample::Drawn(profile) if profile.total == 0 => "there are none".to_owned(),
        Sample::Drawn(profile) => profile.confidence(),
    };
    let Sample::Drawn(profile) = &model.sample else { return ("KEYS", told, Vec::new()) };
    let mut rows = Vec::new();
    for text in Plain::new(width).with(|view| [lists::prefixes(profile, view), lists::largest(profile, view)]) {
        if !rows.is_empty() {
            rows.push(String::new());
        }
        rows.extend(text.iter().flat_map(|text| text.lines()).map(str::to_owned));
    }
    rows.push(String::new());
    rows.push("`redis-ops diagnose keyspace` draws more keys at once, and judges them.".to_owned());
    ("KEYS", told, rows)
}

fn fix(model: &Model, width: usize) -> (&'static str, String, Vec<String>) {
    let incidents = model.incidents();
    let Some(incident) = incidents.get(model.marked) else { return ("FIX", "no finding".to_owned(), Vec::new()) };
    let (word, _) = incidents::severity(incident.worst);
    let root = incident.root;
    let mut said = vec![format!("{word} {} {}", root.id, root.title)];
    let plain = Plain::new(width).verbose();
    plain.with(|view| {
        said.push(incidents::evidence(root, view));
        for symptom in &incident.symptoms {
            said.push(format!("causes {} {} ({})", symptom.id, symptom.title, incidents::evidence(symptom, view)));
        }
        said.push(String::new());
        said.extend(incidents::fixes(root, view));
    });
    let rows = said.iter().flat_map(|line| {
        let indent = line.len() - line.trim_start().len();
        let folded = fold(&escape_line(line.trim_start()), width.saturating_sub(indent));
        let rows: Vec<String> = folded.split('\n').map(|row| format!("{}{row}", " ".repeat(indent))).collect();
        rows
    });
    ("FIX", "redis-ops never runs a fix: read what it costs, and type it yourself".to_owned(), rows.collect())
}
