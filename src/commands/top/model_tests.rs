use super::*;
use crate::commands::diagnose::render::tests::{LONG_KEY, keyspace, report};
use crate::explain::Failure;
use crate::introspection::keyspace::Basis;
use crate::rules::Topic;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a moment")
}

/// A server that was looked at once: M01 (critical), K04 (warning), P10 (a note).
pub(in crate::commands::top) fn watched(keys: Keys) -> Model {
    let mut model =
        Model::new("prod".to_owned(), "10.0.0.1:6379".to_owned(), Duration::from_secs(2), keys, false, at(0));
    model.looked(report(&Topic::ALL), at(0));
    model
}

fn press(model: &mut Model, code: KeyCode) -> Asked {
    model.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn marked(model: &Model) -> String {
    model.incidents()[model.marked].root.id.clone()
}

#[test]
fn a_letter_turns_to_its_page_and_a_second_press_or_escape_leads_back() {
    for (key, page) in
        [('c', Page::Clients), ('s', Page::SlowLog), ('k', Page::Keys), ('f', Page::Fix), ('?', Page::Help)]
    {
        let mut model = watched(Keys::Shown);
        assert_eq!(press(&mut model, KeyCode::Char(key)), Asked::Nothing);
        assert_eq!(model.page, page);
        press(&mut model, KeyCode::Char(key));
        assert_eq!(model.page, Page::Overview);
        press(&mut model, KeyCode::Char(key));
        press(&mut model, KeyCode::Esc);
        assert_eq!(model.page, Page::Overview);
    }
}

#[test]
fn q_and_ctrl_c_leave_and_other_keys_with_ctrl_do_not() {
    let mut model = watched(Keys::Shown);
    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    assert_eq!(press(&mut model, KeyCode::Char('q')), Asked::Quit);
    assert_eq!(model.press(control('c')), Asked::Quit);
    assert_eq!(model.press(control('l')), Asked::Redraw);
    assert_eq!(model.press(control('s')), Asked::Nothing);
    assert_eq!(model.page, Page::Overview);
}

#[test]
fn arrows_mark_a_finding_and_stop_at_both_ends() {
    let mut model = watched(Keys::Shown);
    assert_eq!(marked(&model), "M01");
    press(&mut model, KeyCode::Up);
    assert_eq!(marked(&model), "M01");
    press(&mut model, KeyCode::Down);
    assert_eq!(marked(&model), "K04");
    press(&mut model, KeyCode::Char('j'));
    press(&mut model, KeyCode::Tab);
    assert_eq!(marked(&model), "P10");
    press(&mut model, KeyCode::BackTab);
    assert_eq!(marked(&model), "K04");
    press(&mut model, KeyCode::End);
    press(&mut model, KeyCode::Home);
    assert_eq!(marked(&model), "M01");
}

#[test]
fn the_marked_finding_stays_marked_wherever_it_stands_next() {
    let mut model = watched(Keys::Shown);
    press(&mut model, KeyCode::Down);
    let mut next = report(&Topic::ALL);
    next.judgement.findings.retain(|finding| finding.id != "M01" && finding.id != "M18");
    model.looked(next, at(2));
    assert_eq!(marked(&model), "K04");
    // It is over: what stands in its place is marked.
    let mut next = report(&Topic::ALL);
    next.judgement.findings.retain(|finding| finding.id == "P10");
    press(&mut model, KeyCode::Char('f'));
    model.looked(next, at(4));
    assert_eq!((marked(&model).as_str(), model.page), ("P10", Page::Overview));
}

#[test]
fn there_is_no_fix_without_a_finding() {
    let mut model = watched(Keys::Shown);
    let mut next = report(&Topic::ALL);
    next.judgement.findings.clear();
    model.looked(next, at(2));
    press(&mut model, KeyCode::Char('f'));
    assert_eq!(model.page, Page::Overview);
}

#[test]
fn keys_are_drawn_only_while_somebody_looks_at_them() {
    let mut model = watched(Keys::Shown);
    assert!(!model.wants_keys());
    press(&mut model, KeyCode::Char('k'));
    assert!(model.wants_keys());
    press(&mut model, KeyCode::Esc);
    assert!(!model.wants_keys());
    model.not_sampled(&Failure::new("permission_denied", "NOPERM").into());
    press(&mut model, KeyCode::Char('k'));
    assert!(!model.wants_keys(), "a refusal is not asked for again");
}

#[test]
fn a_break_is_told_with_its_reason_until_the_next_answer() {
    let mut model = watched(Keys::Shown);
    model.failed(&Failure::new("disconnected", "the server closed the\nconnection \u{1b}[2J").into(), at(2));
    assert_eq!(model.link, Link::Lost("the server closed the connection \\u{1b}[2J".to_owned()));
    assert_eq!(model.answered, Some(at(0)));
    model.failed(&Failure::new("busy", "BUSY").into(), at(3));
    assert_eq!(model.link, Link::Busy);
    model.looked(report(&Topic::ALL), at(4));
    assert_eq!((&model.link, model.answered), (&Link::Good, Some(at(4))));
}

#[test]
fn an_answer_is_late_three_seconds_after_it_was_due() {
    let mut model = watched(Keys::Shown);
    model.now = at(5);
    assert_eq!(model.silent_for(), None);
    model.now = at(6);
    assert_eq!(model.silent_for(), Some(Duration::from_secs(6)));
}

#[test]
fn hidden_keys_are_in_no_part_of_the_model() {
    let mut model = watched(Keys::Hidden);
    model.sampled(keyspace(Basis::Sample));
    let Sample::Drawn(profile) = &model.sample else { panic!("a sample") };
    let prefixes = profile.prefixes.iter().map(|prefix| &prefix.name);
    let names: Vec<&String> = prefixes.chain(profile.largest.iter().map(|big| &big.key)).collect();
    assert!(names.len() > 4 && names.iter().all(|name| name.starts_with("sha256:")), "{names:?}");
    assert!(!format!("{:?}", model.report.as_ref().map(|report| &report.judgement)).contains(LONG_KEY));
}
