//! A report as tables: findings, facts, lists, what was skipped, and the verdict last, on one screen.

use crate::commands::sparkline::{bar, height};
use crate::commands::table::{Table, verdict_with};
use crate::diagnose::{Fact, Report, Shown, facts, sentence_with};
use crate::explain::Status;
use crate::finding::{Finding, Severity};
use crate::introspection::{Mode, NodeRole};
use crate::printer::words::{bytes, count, counted, escape, span, width_of};
use crate::printer::{Printer, Style};
use crate::rules::Topic;

use super::incidents::{Incident, all, cut, evidence, fixes, loud, severity, shown};
use super::lists;
use super::small_print::{muted, receipt, skipped};
use super::view::{View, escape_line, one_line};

/// Cells of a bar.
const BAR: usize = 20;
/// The width of a bar where two columns of facts share 80 columns.
const SHORT_BAR: usize = 10;
/// Numbers of lines that are named before it says that there are more.
const LINES_NAMED: usize = 10;

/// Lines of a screen about one topic, with the empty line that ends a part: a terminal has 24 at least.
const LINES_OF_A_TOPIC: usize = 24;
/// Lines of a screen about everything.
const LINES_OF_ALL: usize = 39;
/// Findings that are shown whole; of the others a line says what they are.
const SHOWN_WHOLE: usize = 3;
/// Rows of facts, or of a list, below which it is not cut to fit the screen.
const LEAST_ROWS: usize = 3;
/// The number of entries in lists where nobody says otherwise: then they may be cut to fit the screen.
const USUAL_TOP: usize = 10;

/// The whole report as text: what is wrong first, then the numbers behind it, and the verdict last.
pub fn render(report: &Report, status: Status, view: &View<'_>) -> String {
    let small = [muted(report, view), notes(report, view), skipped(report, view), Some(receipt(report, view))];
    let small: Vec<String> = small.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let mut bottom = vec![small.join("\n")];
    bottom.push(verdict_with(view.printer, status, "critical:", &verdict_of(report, view.printer)));
    let usual = if report.topics.len() > 1 { LINES_OF_ALL } else { LINES_OF_A_TOPIC };
    // A terminal that has more rows is filled.
    let all = view.printer.height().map_or(usual, |rows| usual.max(usize::from(rows)));
    let top = above(report, view, all.saturating_sub(rows(&bottom)));
    let left = (!view.verbose).then(|| all.saturating_sub(rows(&top) + rows(&bottom)));
    let middle = if report.topics.len() > 1 && !view.verbose {
        summary(report, view, left.unwrap_or(usize::MAX))
    } else {
        let mut middle = Vec::new();
        for topic in &report.topics {
            middle.extend(about(report, *topic, view, left));
        }
        middle
    };
    let mut parts: Vec<String> = top.into_iter().chain(middle).chain(bottom).collect();
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// The verdict in one sentence, as it stands in the last line.
pub fn verdict_of(report: &Report, printer: &Printer) -> String {
    escape_line(&sentence_with(report, &|name, value| cut(&shown(name, value), printer)))
}

/// Lines that parts take, each with the empty line behind it.
fn rows(parts: &[String]) -> usize {
    parts.iter().filter(|part| !part.is_empty()).map(|part| part.lines().count() + 1).sum()
}

/// What stands above the facts: as much of the findings as fits into so many lines with a few facts below, or without any.
fn above(report: &Report, view: &View<'_>, room: usize) -> Vec<String> {
    let of = |extent: &(usize, usize)| {
        let mut top = vec![header(report, view)];
        top.extend(read_from_text(report, view));
        top.extend(findings(report, view, *extent));
        top
    };
    let n_loud = loud(report, view).len();
    if view.verbose {
        return of(&(n_loud, n_loud));
    }
    // Facts give way before a finding does, and before the worst of them loses its evidence and its fixes.
    let facts = LEAST_ROWS + 2;
    let mut attempts: Vec<((usize, usize), usize)> =
        (1..=SHOWN_WHOLE).rev().map(|whole| ((whole, n_loud), facts)).collect();
    // A pipe has no last line of the screen: there every finding has its line.
    if view.printer.width().is_some() {
        let cut = |whole: usize, facts: usize| (1..=n_loud).rev().map(move |shown| ((whole, shown), facts));
        attempts.push(((1, n_loud), 0));
        attempts.extend(cut(1, facts).chain(cut(1, 0)).chain(cut(0, facts)).chain(cut(0, 0)));
    }
    let last = attempts.last().map_or((1, 1), |(extent, _)| *extent);
    let fitting = attempts.iter().map(|(extent, facts)| (of(extent), facts));
    fitting.into_iter().find(|(top, facts)| rows(top) + *facts <= room).map_or_else(|| of(&last), |(top, _)| top)
}

/// Facts and lists of a topic, in so many lines.
fn about(report: &Report, topic: Topic, view: &View<'_>, left: Option<usize>) -> Vec<String> {
    let fits = left.filter(|_| view.top == USUAL_TOP);
    let lists = lists::of_topic(report, topic, view);
    let Some(left) = fits else {
        return topic_facts(report, topic, view, usize::MAX).into_iter().chain(lists).collect();
    };
    // Each list has a heading, a line that says how many there are besides, and an empty line before it.
    let each = |rows: usize| rows + 3;
    let facts_rows = match lists.len() {
        0 => left.saturating_sub(2),
        n => left.saturating_sub(2 + n * each(LEAST_ROWS)),
    };
    let facts = topic_facts(report, topic, view, facts_rows.max(LEAST_ROWS));
    let for_lists = left.saturating_sub(facts.as_ref().map_or(0, |facts| facts.lines().count() + 1));
    let top = (for_lists / lists.len().max(1)).saturating_sub(3).clamp(LEAST_ROWS.min(view.top), view.top);
    let lists = if top < view.top { lists::of_topic(report, topic, &View { top, ..*view }) } else { lists };
    let mut parts: Vec<String> = facts.into_iter().chain(lists).collect();
    // Beside many findings there is no room even for the least: what is left out is said.
    let mut left_out = 0;
    let is_screen = view.printer.width().is_some();
    while is_screen && rows(&parts) + usize::from(left_out > 0) * 2 > left && parts.pop().is_some() {
        left_out += 1;
    }
    if left_out > 0 && rows(&parts) + 2 <= left {
        parts.push(view.printer.paint(Style::Dim, &format!("… {}: -v", counted(left_out, "more table"))));
    }
    parts
}

/// A line for each topic, and what there is room for of the lists.
fn summary(report: &Report, view: &View<'_>, left: usize) -> Vec<String> {
    let lines = report.topics.iter().filter_map(|topic| in_a_line(report, *topic, view));
    let most = if view.printer.width().is_some() { left.saturating_sub(1) } else { usize::MAX };
    let lines: Vec<String> = lines.take(most).collect();
    let mut used = lines.len() + 1;
    let mut parts = vec![lines.join("\n")];
    let top = if view.top == USUAL_TOP { LEAST_ROWS } else { view.top };
    for topic in &report.topics {
        for list in lists::of_topic(report, *topic, &View { top, ..*view }) {
            let rows = list.lines().count() + 1;
            if used + rows <= left || view.top != USUAL_TOP {
                used += rows;
                parts.push(list);
            }
        }
    }
    parts
}

/// The first facts of a topic, as many as a line takes.
fn in_a_line(report: &Report, topic: Topic, view: &View<'_>) -> Option<String> {
    /// Columns of a line where there is no terminal.
    const PIPE: usize = 100;
    let facts = facts(&report.snapshot, topic);
    let facts = facts.iter().filter(|fact| !fact.label.is_empty());
    let words = facts.map(|fact| match fact.shown {
        Shown::Above => value(fact, 0),
        Shown::Share => format!("{} {:.0}%", fact.label, fact.value.as_f64().unwrap_or(0.0) * 100.0),
        _ => format!("{} {}", fact.label, value(fact, 0)),
    });
    let name = topic.name().to_uppercase();
    let limit = view.printer.width().map_or(PIPE, usize::from);
    let mut text = format!("{name:<11}");
    let (bare, gap) = (text.len(), ", ");
    for word in words {
        let word = if text.len() == bare { format!(" {word}") } else { format!("{gap}{word}") };
        if width_of(&text) + width_of(&word) > limit {
            break;
        }
        text.push_str(&word);
    }
    (text.len() > bare).then(|| text.replacen(&name, &view.printer.paint(Style::Bold, &name), 1))
}

fn header(report: &Report, view: &View<'_>) -> String {
    let server = &report.snapshot.server;
    let subject = view.printer.paint(Style::Bold, &escape(view.subject.as_bytes()));
    if server.version.is_empty() {
        return subject;
    }
    let words = server_words(report);
    in_lines(&subject, width_of(&escape(view.subject.as_bytes())), &words, view)
}

/// What a server is: its version, its role, its mode, how long it runs, and what it is taken for.
pub fn server_words(report: &Report) -> Vec<String> {
    let server = &report.snapshot.server;
    let role = match server.role {
        NodeRole::Primary => "primary",
        NodeRole::Replica => "replica",
        NodeRole::Other => "no role",
    };
    let profile = match report.profile {
        (profile, true) => profile.name().to_owned(),
        (profile, false) => format!("{} (guessed)", profile.name()),
    };
    let version = escape(format!("{} {}", server.name, server.version).as_bytes());
    match (server.role, server.uptime_seconds) {
        // A file has no role and no uptime.
        (NodeRole::Other, 0) => vec![version, format!("profile {profile}")],
        (_, up) => {
            // Most servers stand alone: what is said is what differs.
            let mode = (server.mode != Mode::Standalone).then(|| server.mode.as_str().to_owned());
            let up = format!("up {}", span(std::time::Duration::from_secs(up)));
            [version, role.to_owned()].into_iter().chain(mode).chain([up, format!("profile {profile}")]).collect()
        }
    }
}

/// What a text held, what was not understood in it, and which topics it does not tell of: a line each.
fn read_from_text(report: &Report, view: &View<'_>) -> Option<String> {
    let text = report.text.as_ref()?;
    let mut lines = vec![format!("read: {}", text.read.join(", "))];
    let dark = &text.not_understood;
    if dark.lines > 0 {
        let shown: Vec<String> = dark.numbers.iter().take(LINES_NAMED).map(ToString::to_string).collect();
        let more = if dark.lines > LINES_NAMED { ", …" } else { "" };
        let (lines_of, numbers) = (counted(dark.lines as u64, "line"), shown.join(", "));
        lines.push(format!("not understood: {lines_of} ({numbers}{more})"));
    }
    if !text.not_looked_at.is_empty() {
        let topics: Vec<String> =
            text.not_looked_at.iter().map(|(topic, missing)| format!("{} (no {missing})", topic.name())).collect();
        lines.push(format!("not looked at: {}", topics.join("; ")));
    }
    Some(lines.iter().map(|line| view.printer.folded(&escape_line(line))).collect::<Vec<_>>().join("\n"))
}

/// Words two spaces apart, none of them broken where the line ends. `first` may be painted: it is so wide.
fn in_lines(first: &str, first_wide: usize, words: &[String], view: &View<'_>) -> String {
    let limit = view.printer.width().map_or(usize::MAX, usize::from);
    let (mut text, mut column) = (first.to_owned(), first_wide);
    for word in words {
        let wide = width_of(word);
        let (gap, at) = if column + 2 + wide > limit { ("\n  ", 2) } else { ("  ", column + 2) };
        text.push_str(gap);
        text.push_str(word);
        column = at + wide;
    }
    text
}

/// The facts of a topic in so many rows at most, the first ones first.
fn topic_facts(report: &Report, topic: Topic, view: &View<'_>, most: usize) -> Option<String> {
    let (said, facts): (Vec<Fact>, Vec<Fact>) = facts(&report.snapshot, topic)
        .into_iter()
        .filter(|fact| !fact.label.is_empty())
        .partition(|fact| fact.shown == Shown::Above);
    if facts.is_empty() && said.is_empty() {
        return None;
    }
    // Two facts a line on a terminal of 80 columns, three where there is more; one a line in a pipe.
    let (columns, bar) = match view.printer.width() {
        Some(width) if width >= 120 => (3, BAR),
        Some(_) => (2, SHORT_BAR),
        None => (1, BAR),
    };
    let mut table = Table::pairs();
    let facts = &facts[..facts.len().min(most.saturating_mul(columns))];
    let rows = facts.len().div_ceil(columns);
    for row in 0..rows {
        let cells = (0..columns).flat_map(|column| match facts.get(column * rows + row) {
            Some(fact) => [fact.label.to_owned(), value(fact, bar)],
            None => [String::new(), String::new()],
        });
        table.row(cells.collect::<Vec<_>>());
    }
    let name = topic.name().to_uppercase();
    let mut rest = if topic == Topic::Memory { sparkline(view.trend) } else { String::new() };
    rest.extend(said.iter().map(|fact| format!("  {}", value(fact, bar))));
    let title = view.printer.folded(&format!("{name}{rest}"));
    let title = title.replacen(&name, &view.printer.paint(Style::Bold, &name), 1);
    let lines = [title, table.render(view.printer)];
    Some(lines.into_iter().filter(|lines| !lines.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// A value as people read it.
pub fn value(fact: &Fact, cells: usize) -> String {
    let number = || fact.value.as_f64().unwrap_or(0.0);
    match fact.shown {
        Shown::Plain if fact.value.as_str() == Some("") => "none".to_owned(),
        Shown::Flag => if fact.value.as_u64() == Some(0) { "no" } else { "yes" }.to_owned(),
        Shown::Plain | Shown::Above => escape(crate::diagnose::plain(&fact.value).as_bytes()),
        Shown::Bytes => match fact.value.as_i64() {
            Some(negative) if negative < 0 => format!("-{}", bytes(negative.unsigned_abs())),
            _ => bytes(fact.value.as_u64().unwrap_or(0)),
        },
        Shown::Count => count(fact.value.as_u64().unwrap_or(0)),
        Shown::Share => format!("{} {:.0}%", bar(number(), cells), number() * 100.0),
        Shown::Percent => format!("{:.1}%", number() * 100.0),
        Shown::Seconds => span(std::time::Duration::from_secs(fact.value.as_u64().unwrap_or(0))),
        Shown::Never => "never".to_owned(),
        Shown::Micros => format!("{:.2} ms", number() / 1000.0),
        Shown::Rate if number() >= 1000.0 => format!("{}/s", count(number() as u64)),
        Shown::Rate => format!("{}/s", number()),
    }
}

/// How the memory has grown; nothing with fewer than two numbers.
fn sparkline(numbers: &[u64]) -> String {
    let recent = &numbers[numbers.len().saturating_sub(30)..];
    let (Some(low), Some(high)) = (recent.iter().min(), recent.iter().max()) else { return String::new() };
    if recent.len() < 2 {
        return String::new();
    }
    let drawn: String = recent.iter().map(|number| height(*number as f64, *low as f64, *high as f64)).collect();
    format!("  used {drawn} {} to {}", bytes(*low), bytes(*high))
}

/// So many of the findings: the first ones whole, then a line each, then how many there are besides.
fn findings(report: &Report, view: &View<'_>, (shown_whole, shown): (usize, usize)) -> Option<String> {
    let roots = loud(report, view);
    if roots.is_empty() {
        return None;
    }
    let more = roots.len().saturating_sub(shown);
    let mut table = Table::new(&["severity", "rule", "finding"]);
    for (at, Incident { root, symptoms, worst }) in roots.into_iter().take(shown).enumerate() {
        let whole = at < shown_whole || view.verbose;
        let mut lines = vec![root.title.clone()];
        if whole {
            lines.push(evidence(root, view));
            lines.extend(fixes(root, view));
        }
        for symptom in symptoms.iter().filter(|_| whole) {
            lines.push(format!("causes {} {} ({})", symptom.id, symptom.title, evidence(symptom, view)));
        }
        if let (false, Some(fix)) = (whole, root.fix.first()) {
            lines = vec![format!("{}; fix: {}", root.title, escape_line(fix))];
        }
        lines.retain(|line| !line.is_empty());
        let (word, style) = severity(worst);
        table.painted_row(style, [word.to_owned(), root.id.clone(), lines.join("\n")]);
    }
    let text = table.render(view.printer);
    Some(match more {
        0 => text,
        more => format!("{text}\n{}", view.printer.paint(Style::Dim, &format!("… {more} more: -v"))),
    })
}

/// What is worth knowing, in one line.
fn notes(report: &Report, view: &View<'_>) -> Option<String> {
    let incidents = all(report).into_iter().filter(|incident| incident.worst == Severity::Info);
    let notes: Vec<&Finding> = incidents.map(|incident| incident.root).collect();
    if notes.is_empty() || view.verbose {
        return None;
    }
    let said: Vec<String> = notes.iter().map(|note| format!("{} {}", note.id, note.title)).collect();
    let text = format!("{} (-v shows more): {}", counted(notes.len() as u64, "note"), said.join("; "));
    Some(one_line(&text, view))
}

#[cfg(test)]
#[path = "render_tests.rs"]
pub(in crate::commands) mod tests;
