//! C47: connections that are opened and never closed.

use super::super::case::{Case, percent};
use super::super::judged::Judged;
use super::super::rule::{RULE, Rule, Topic};
use super::capacity::by_owner;
use crate::introspection::Question;
use crate::replies::Client;

pub(in super::super) const RULES: &[Rule] = &[Rule {
    id: "C47",
    topic: Topic::Connections,
    title: "connections are opened and not closed",
    reads: "connected_clients and total_connections_received of two readings, ages in CLIENT LIST",
    asks: &[Question::Clients],
    limits: &[("warning", 3600.0), ("critical", 300.0), ("opened", 10.0), ("kept", 0.8), ("usage", 0.2), ("each", 5.0)],
    threshold: "of at least {opened} new connections between two readings {kept%} stay open, {usage%} of maxclients is in use or as many came in each of the last three times {each} s, and at this rate all are used within {warning} s (critical: {critical} s)",
    why: "an application does not close its connections or return them to its pool: when maxclients is reached, nobody can connect",
    fix: &[
        "CLIENT LIST",
        "in the application: close connections, or give them back to the pool",
        "CONFIG SET timeout 300",
    ],
    source: "BetterDB's recommendations; sentry#3815",
    weight: 88,
    examine: leak,
    ..RULE
}];

fn leak(case: &Case<'_>) -> Judged {
    let came = case.delta("total_connections_received")?;
    let before = case.snapshot.comparable()?.info.u64("connected_clients").unwrap_or(0);
    let now = case.number("connected_clients")?;
    let limit = case.number("maxclients")?.max(1);
    let grown = now.saturating_sub(before) as f64;
    let kept = grown / came.amount.max(1) as f64;
    let usage = now as f64 / limit as f64;
    if (came.amount as f64) < case.limit("opened") || kept < case.limit("kept") {
        return Ok(None);
    }
    // A pool opens its connections at once; a leak goes on.
    let clients = case.snapshot.answers.clients.got().map_or(&[][..], Vec::as_slice);
    if usage < case.limit("usage") && !goes_on(clients, case.limit("each"), grown / came.seconds) {
        return Ok(None);
    }
    let seconds = limit.saturating_sub(now) as f64 / (grown / came.seconds);
    let Some(finding) = case.grade_low(seconds) else { return Ok(None) };
    let finding = finding
        .evidence("connected_clients", now)
        .evidence("maxclients", limit)
        .evidence("full_in_seconds", seconds.round())
        .evidence("opened", came.amount)
        .evidence("still_there", percent(kept.min(1.0)));
    // The youngest connections are those that came meanwhile.
    let young = clients.iter().filter(|client| client.age as f64 <= came.seconds + 60.0);
    Ok(Some(match by_owner(young).first() {
        Some((owner, count)) => finding.evidence("most_of", owner.as_str()).evidence("its_connections", *count),
        None => finding,
    }))
}

/// Whether connections that are still open came at half this rate or more in each of three spans of `each` seconds until now.
fn goes_on(clients: &[Client], each: f64, rate: f64) -> bool {
    let came_in = |span: u32| {
        let (from, to) = (each * f64::from(span), each * f64::from(span + 1));
        clients.iter().filter(|client| (from..to).contains(&(client.age as f64))).count()
    };
    (0..3).all(|span| came_in(span) as f64 >= rate * each / 2.0)
}
