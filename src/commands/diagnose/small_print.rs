//! What stands below the numbers of a report: what was muted, which rules were skipped, and what asking has cost.

use super::view::{View, escape_line, one_line};
use crate::commands::table::Table;
use crate::diagnose::Report;
use crate::printer::words::{counted, span};
use crate::rules::{NO_LOG, by_id};

/// Rules named in the list of skipped ones before it says how many more.
const SKIPPED_SHOWN: usize = 8;

/// What was muted, and whose mute has ended.
pub fn muted(report: &Report, view: &View<'_>) -> Option<String> {
    let muted = report.judgement.muted.iter().map(|muted| {
        let until = muted.until.as_deref().map(|day| format!(" until {day}")).unwrap_or_default();
        format!("muted{until}: {} {} ({})", muted.finding.id, muted.finding.title, muted.reason)
    });
    let ended = report.judgement.mutes_ended.iter().map(|mute| {
        let day = mute.until.map(|day| day.to_string()).unwrap_or_default();
        format!("the mute of {} ended on {day} ({}): renew or remove it in the settings", mute.rule, mute.reason)
    });
    let shown = |line: String| match view.verbose {
        true => view.printer.folded(&escape_line(&line)),
        false => one_line(&line, view),
    };
    let lines: Vec<String> = muted.chain(ended).map(shown).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The rules that were skipped, a line for each reason.
pub fn skipped(report: &Report, view: &View<'_>) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let dark = report.text.as_ref().map_or(&[][..], |text| &text.not_looked_at);
    // Nobody expects a server to tell its log.
    let told = report.judgement.skipped.iter().filter(|skipped| skipped.reason != NO_LOG);
    let is_said = |id: &str| by_id(id).is_some_and(|rule| dark.iter().any(|(topic, _)| *topic == rule.topic));
    for skipped in told.filter(|skipped| !is_said(skipped.id)) {
        match reasons.iter_mut().find(|(reason, _)| *reason == skipped.reason) {
            Some((_, ids)) => ids.push(skipped.id),
            None => reasons.push((&skipped.reason, vec![skipped.id])),
        }
    }
    if reasons.is_empty() {
        return None;
    }
    if !view.verbose {
        let count = reasons.iter().map(|(_, ids)| ids.len() as u64).sum::<u64>();
        return Some(one_line(&format!("skipped: {} (-v shows why)", counted(count, "rule")), view));
    }
    let mut table = Table::pairs();
    for (reason, ids) in reasons.iter_mut().take(SKIPPED_SHOWN) {
        ids.sort_unstable();
        table.row([format!("skipped {}", ids.join(" ")), escape_line(reason)]);
    }
    let more: usize = reasons.iter().skip(SKIPPED_SHOWN).map(|(_, ids)| ids.len()).sum();
    let rest =
        if more > 0 { format!("\nskipped {more} more, for other reasons: `--json` shows them") } else { String::new() };
    Some(format!("{}{rest}", table.render(view.printer)))
}

/// What asking has cost.
pub fn receipt(report: &Report, view: &View<'_>) -> String {
    let receipt = &report.snapshot.receipt;
    if receipt.commands == 0 {
        return String::new();
    }
    let mut text = format!("probe: {}", counted(receipt.commands, "command"));
    if receipt.pings > 0 {
        text.push_str(&format!(" and {}", counted(receipt.pings, "PING")));
    }
    let hits = counted(receipt.keyspace_hits_added, "keyspace hit");
    text.push_str(&format!(" in {:.1} s, {hits} added", receipt.seconds));
    match view.since {
        Some(seconds) => {
            let age = span(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
            format!("since: counters are compared with the run of {age} ago\n{text}")
        }
        None => text,
    }
}
