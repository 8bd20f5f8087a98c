//! Screens of a plan that goes through and of one that does not, of plain data: what a plan says is the restore's business.

use super::*;
use crate::commands::screens;
use crate::restore::plan::{Candidate, Line};
use crate::restore::{Method, Plan};

fn line(level: Level, code: &'static str, text: &str, flag: Option<&'static str>) -> Line {
    Line { level, code, text: text.to_owned(), flag, fix: Vec::new(), keys: Vec::new() }
}

fn candidate(method: Method, seconds: Option<f64>, against: Option<&str>, flag: Option<&'static str>) -> Candidate {
    Candidate { method, seconds, verify_seconds: None, against: against.map(str::to_owned), flag }
}

fn lines(first: Line) -> Vec<Line> {
    vec![
        line(Level::Ok, "role", "redis 7.0.15 is a primary", None),
        first,
        line(Level::Ok, "rights", "the user `ops` has the necessary permissions", None),
        line(
            Level::Warning,
            "streams_simpler",
            "12 streams: the target keeps entries, groups and pending entries of them, not the counters and times that came later",
            None,
        ),
        line(Level::Unknown, "memory", "could not tell how much memory the target's machine has", None),
    ]
}

fn methods(seconds: f64) -> Vec<Candidate> {
    let against = "the target cannot load Valkey's RDB version 80, and would exit on it";
    vec![
        candidate(Method::Replica, Some(12.4), Some(against), None),
        candidate(Method::Restore, Some(seconds), None, None),
        candidate(Method::Commands, None, None, None),
    ]
}

fn sides() -> Sides {
    Sides::named(
        "redis-prod/2026-11-23-01-00 (8 min old)",
        "redis-staging (redis-staging.eu-west-1.internal.example:6379)",
    )
}

#[test]
fn the_screen_of_a_plan_that_goes_through() {
    let lines = lines(line(Level::Ok, "empty", "the target holds no keys", None));
    let why = "the fastest possible method (`replica` is not possible: the target cannot load Valkey's RDB version 80, and would exit on it)";
    let made = Plan { lines, method: Some(Method::Restore), why: why.into(), methods: methods(0.4) };
    screens::check("restore-plan", |printer| plan(&made, &sides(), Status::Ok, Keys::Shown, printer));
}

#[test]
fn the_screen_of_a_plan_that_is_refused() {
    let flag = Some("--on-conflict fail|skip|replace, or --replace-all");
    let lines = lines(line(Level::Refused, "target_not_empty", "the target holds 1,994,658 keys", flag));
    let made = Plan { lines, method: Some(Method::Restore), why: String::new(), methods: methods(3725.0) };
    screens::check("restore-plan-refused", |printer| plan(&made, &sides(), Status::Ok, Keys::Shown, printer));
}
