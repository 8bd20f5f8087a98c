//! Looks inside a backup or a file without restoring it: its keys, one key with its value, or all as lines of JSON.

use serde_json::Value;

use super::Settings;
use super::lines::{Lines, Out};
use crate::census::{Glob, Selection};
use crate::commands::outcome::Format;
use crate::commands::table::{Table, verdict};
use crate::commands::{Context, Outcome, which};
use crate::dataset::{Dataset, DatasetError};
use crate::explain::{Context as _, Fault, Hint, Interrupted, Misuse, Result, Status};
use crate::printer::words;

/// Keys of a table or of one JSON object, unless more are asked for.
const LISTED: u64 = 100;

/// Bytes of what is shown at once; `--format ndjson` has no limit.
const KEPT: usize = 64 << 20;

/// Whether the settings ask to look inside.
pub fn is_asked(settings: &Settings, context: &Context) -> bool {
    settings.key.is_some() || !settings.keys.is_empty() || context.format == Format::Ndjson
}

pub async fn run(settings: &Settings, data: &Dataset, context: &Context) -> Result<Outcome> {
    let selection = Selection {
        keys: settings.keys.iter().map(Glob::new).collect(),
        databases: settings.database.map(u64::from).into_iter().collect(),
        ..Selection::default()
    };
    let (streams, one) = (context.format == Format::Ndjson, settings.key.is_some());
    if streams && context.page {
        return Err(Misuse::usage(
            "with `ndjson`, each key is written as soon as it is read, and none is kept for a page",
        )
        .hint(Hint::PageFormats)
        .into());
    }
    let (out, limit) = if streams {
        (Out::Stdout(context.printer.clone()), settings.limit.unwrap_or(u64::MAX))
    } else {
        (Out::Kept(KEPT), settings.limit.unwrap_or(if one { u64::MAX } else { LISTED }))
    };
    which::only_the_rdbs(data, context);
    let lines = Lines::new(selection, context.keys, streams || one, limit, out).named(settings.key.clone());
    let progress = context.bar();
    progress.phase("reading", crate::progress::Unit::Bytes, data.raw_bytes());
    let read = data.read(lines, progress.as_ref(), &context.cancel).await;
    progress.finish();
    let lines = match read {
        Ok(lines) => lines,
        Err(error @ DatasetError::Damaged { .. }) => return Ok(Outcome::new(Status::Failed).error(error.into())),
        Err(DatasetError::Interrupted) => return Err(Interrupted.into()),
        Err(error) => return Err(Fault::from(error).context(format!("cannot read {}", data.name()))),
    };
    let (text, matched, failed) = lines.finish();
    if let Some(error) = failed {
        if streams {
            return Err(Fault::from(error).context("cannot write the answer to stdout"));
        }
        return Err(Misuse::usage(error.to_string()).hint(Hint::AsLines).into());
    }
    if matched == 0 && one {
        let name = words::escape(settings.key.as_deref().unwrap_or_default());
        return Err(Misuse::which_backup("not_found", format!("{} holds no key `{name}`", data.name())).into());
    }
    if streams {
        return Ok(Outcome::new(Status::Ok));
    }
    let keys: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("cannot read the temporary file again")?;
    let sentence = match matched.saturating_sub(keys.len() as u64) {
        0 => format!("{} in {}", words::counted(matched, "key"), data.name()),
        more => {
            format!("{} in {}, {} of them not shown", words::counted(matched, "key"), data.name(), words::count(more))
        }
    };
    let mut parts = if one { keys.iter().map(|key| in_full(key, context)).collect() } else { listed(&keys, context) };
    parts.push(verdict(&context.printer, Status::Ok, &sentence));
    let outcome = Outcome::new(Status::Ok).field("matched", matched).field("keys", keys).text(parts.join("\n\n"));
    Ok(outcome.headline(sentence, Some(data.name())))
}

fn listed(keys: &[Value], context: &Context) -> Vec<String> {
    let mut table = Table::new(&["key", "db", "type", "elements", "bytes", "expires"]).numbers(&[1, 3, 4]).cut(&[0]);
    for key in keys {
        table.row([
            name(key),
            key["database"].to_string(),
            text(&key["type"]),
            key["elements"].as_u64().map(words::count).unwrap_or_default(),
            words::bytes(key["bytes"].as_u64().unwrap_or(0)),
            text(&key["expires_at"]),
        ]);
    }
    if table.is_empty() { Vec::new() } else { vec![table.render(&context.printer)] }
}

fn in_full(key: &Value, context: &Context) -> String {
    let mut about = Table::pairs();
    about.row(["key", &name(key)]);
    about.row(["database", &key["database"].to_string()]);
    about.row(["type", &text(&key["type"])]);
    let expires = text(&key["expires_at"]);
    about.row(["expires", if expires.is_empty() { "never" } else { &expires }]);
    about.row(["size", &format!("{} in the RDB", words::bytes(key["bytes"].as_u64().unwrap_or(0)))]);
    if let Some(elements) = key["elements"].as_u64() {
        about.row(["elements", &words::count(elements)]);
    }
    let value = if key["value"].is_null() { &key["value_b64"] } else { &key["value"] };
    format!("{}\n\n{}", about.render(&context.printer), words::escape_lines(&format!("{value:#}")))
}

/// The name of a key, for a terminal.
fn name(key: &Value) -> String {
    words::escape(&key.as_object().and_then(words::key_of).unwrap_or_default())
}

fn text(value: &Value) -> String {
    words::escape(value.as_str().unwrap_or_default().as_bytes())
}
