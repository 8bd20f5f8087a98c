//! What users and scripts see at the end of a command.

use chrono::{TimeDelta, TimeZone as _};

use super::*;
use crate::explain::{Context as _, Failure, Misuse};
use crate::printer::Choices;
use crate::printer::kept::Kept;
use crate::storage::StorageError;

/// Closes an envelope, and returns how it ended, stdout and stderr.
fn close(format: Format, kind: Kind, interrupted: bool, result: Result<Outcome>) -> (End, String, String) {
    let started_at = Utc.with_ymd_and_hms(2024, 1, 1, 1, 0, 0).unwrap();
    let envelope =
        Envelope { command: Some("backup"), kind, format, started_at, interrupted, words: plain, page: None };
    let (out, err) = (Kept::default(), Kept::default());
    let printer = Printer::over(Choices::plain(), Box::new(out.clone()), Box::new(err.clone()));
    let end = envelope.close(result, started_at + TimeDelta::milliseconds(1500), &printer);
    (end, out.text(), err.text())
}

fn plain(hint: &Hint) -> String {
    match hint {
        Hint::Words(words) => words.to_string(),
        other => format!("{other:?}"),
    }
}

fn denied() -> Fault {
    Err::<(), _>(StorageError::AccessDenied("PutObject".into())).context("write redis-prod/begun.json").unwrap_err()
}

#[test]
fn an_answer_is_one_object_with_the_envelope_first() {
    let outcome = Outcome::new(Status::Warning).field("backup", json!({"id": "2024-01-01-01-00"}));
    let (end, out, err) = close(Format::Json, Kind::Acts, false, Ok(outcome));
    assert_eq!(end, End::Status(Status::Warning));
    assert_eq!(err, "");
    let expected = format!(
        r#"{{
  "schema_version": 1,
  "command": "backup",
  "status": "warning",
  "tool_version": "{}",
  "started_at": "2024-01-01T01:00:00.000Z",
  "duration_seconds": 1.5,
  "backup": {{
    "id": "2024-01-01-01-00"
  }}
}}
"#,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(out, expected);
}

#[test]
fn an_error_for_people_has_causes_and_one_hint() {
    let (end, out, err) = close(Format::Table, Kind::Acts, false, Err(denied()));
    assert_eq!(end, End::Status(Status::Failed));
    assert_eq!(out, "");
    assert_eq!(
        err,
        "error: write redis-prod/begun.json\n  Caused by: access denied: PutObject\n\nhint: the credentials need permission to \
         list, get and put below the prefix, and to delete unfinished uploads\n"
    );
}

#[test]
fn an_error_for_scripts_is_in_the_answer() {
    for format in [Format::Json, Format::Ndjson] {
        let (end, out, err) = close(format, Kind::Answers, false, Err(denied()));
        assert_eq!(end, End::Status(Status::Unknown));
        assert_eq!(err, "");
        let object: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(object["status"], "unknown");
        assert_eq!(object["error"]["code"], "access_denied");
        assert_eq!(object["error"]["message"], "write redis-prod/begun.json");
        assert_eq!(object["error"]["causes"], json!(["access denied: PutObject"]));
        assert!(object["error"]["hint"].is_string());
    }
}

#[test]
fn misuse_is_3_even_for_a_command_that_acts() {
    let (end, ..) = close(Format::Table, Kind::Acts, false, Err(Misuse::usage("no target").into()));
    assert_eq!(end, End::Status(Status::Unknown));
}

#[test]
fn what_fails_after_a_signal_is_an_interruption() {
    let (end, out, _) =
        close(Format::Json, Kind::Acts, true, Err(Failure::new("disconnected", "the connection was closed").into()));
    assert_eq!(end, End::Interrupted);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["error"]["code"], "interrupted");
    assert_eq!(object["error"]["causes"], json!(["the connection was closed"]));
}

#[test]
fn what_was_done_before_a_signal_stays_done() {
    let (end, ..) = close(Format::Table, Kind::Acts, true, Ok(Outcome::new(Status::Ok)));
    assert_eq!(end, End::Status(Status::Ok));
}

#[test]
fn results_stand_beside_an_error() {
    let outcome = Outcome::new(Status::Ok).field("result", json!({"restored": 3})).text("3 keys").error(denied());
    let (end, out, err) = close(Format::Table, Kind::Acts, false, Ok(outcome));
    assert_eq!((end, out.as_str()), (End::Status(Status::Failed), "3 keys\n"));
    assert!(err.starts_with("error: write redis-prod/begun.json\n"));
}

#[test]
fn an_error_shows_no_password_and_drives_no_terminal() {
    let error = Fault::from(Failure::new("failed", "reply of redis://ops:hunter2-do-not-print@host: \u{1b}[2J"))
        .context("ask \u{202e}INFO");
    let (_, _, err) = close(Format::Table, Kind::Answers, false, Err(error));
    assert_eq!(err, "error: ask \\u{202e}INFO\n  Caused by: reply of redis://ops:***@host: \\u{1b}[2J\n");
}

#[test]
fn a_cause_that_repeats_its_parent_is_shown_once() {
    let error =
        Fault::from(Failure::new("failed", "connection refused")).context("connect to host:6379: connection refused");
    let (_, _, err) = close(Format::Table, Kind::Acts, false, Err(error));
    assert_eq!(err, "error: connect to host:6379: connection refused\n");
}

#[test]
fn ndjson_is_an_object_a_line() {
    let mut outcome = Outcome::new(Status::Ok);
    outcome.lines = vec![json!({"id": 1}), json!({"id": 2})];
    let (_, out, _) = close(Format::Ndjson, Kind::Answers, false, Ok(outcome));
    assert_eq!(out, "{\"id\":1}\n{\"id\":2}\n");
}

#[test]
fn a_long_list_is_written_as_any_other_field() {
    let objects = |n: usize| -> Vec<Value> {
        (0..n).map(|id| json!({"id": id, "text": "a\nb \"backups\": []", "pins": [], "more": {"x": [1, 2]}})).collect()
    };
    for n in [0, 1, 2, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE] {
        let mut listed = Outcome::new(Status::Ok).field("unfinished", 7);
        listed.list = Some(("backups", objects(n).iter().map(|object| object.to_string().into_boxed_str()).collect()));
        let plain = Outcome::new(Status::Ok).field("backups", objects(n)).field("unfinished", 7);
        let expected = close(Format::Json, Kind::Answers, false, Ok(plain)).1;
        assert_eq!(close(Format::Json, Kind::Answers, false, Ok(listed)).1, expected, "{n} objects");
        let mut listed = Outcome::new(Status::Ok);
        listed.list = Some(("backups", objects(n).iter().map(|object| object.to_string().into_boxed_str()).collect()));
        let lines = objects(n).iter().map(|object| format!("{object}\n")).collect::<String>();
        assert_eq!(close(Format::Ndjson, Kind::Answers, false, Ok(listed)).1, lines, "{n} objects");
    }
}
