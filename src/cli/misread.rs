//! A command line that was not understood, `--help` and `--version`: clap's words, our streams, our exit codes.

use std::ffi::OsString;

use chrono::{DateTime, Utc};
use clap::error::ErrorKind;

use super::args::Global;
use super::env::{self, Environment};
use super::hints;
use super::resolve;
use crate::commands::Format;
use crate::commands::envelope::{End, Envelope, Kind};
use crate::explain::Misuse;
use crate::printer::{Choices, Printer};

/// Answers what clap did not turn into a command.
pub fn answer(error: &clap::Error, arguments: &[OsString], environment: &Environment, now: DateTime<Utc>) -> u8 {
    let printer = Printer::new(Choices::detect(resolve::color(None, environment), false, false));
    let words = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = if printer.choices().color_out { words.ansi().to_string() } else { words.to_string() };
            match printer.answer(&text) {
                Ok(()) => 0,
                Err(_) => 3,
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer.trouble(&words.to_string());
            3
        }
        _ => {
            let envelope = Envelope {
                command: command_in(arguments),
                kind: Kind::Answers,
                format: format_in(arguments, environment),
                started_at: now,
                interrupted: false,
                words: hints::words,
            };
            match envelope.close(Err(misuse(&words.to_string(), arguments).into()), Utc::now(), &printer) {
                End::Status(status) => status.exit_code(),
                End::Interrupted => 3,
            }
        }
    }
}

/// Clap's words: the first paragraph is what is wrong, `tip:` what may help.
fn misuse(words: &str, arguments: &[OsString]) -> Misuse {
    let words = &without_secrets(words, arguments);
    let body = words.split("\n\nUsage:").next().unwrap_or(words);
    let body = body.split("\n\nFor more information").next().unwrap_or(body);
    let (message, tips) = body.split_once("\n\n").unwrap_or((body, ""));
    let message = message.trim().trim_start_matches("error: ");
    let misuse = Misuse::usage(message);
    if names_a_password(arguments) {
        return misuse.hint(
            "a password on the command line is seen by everybody: `--password-file FILE`, or REDIS_OPS_PASSWORD",
        );
    }
    let tips: Vec<&str> = tips.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
    if !tips.is_empty() {
        return misuse.hint(tips.join("; "));
    }
    match command_in(arguments) {
        Some(command) => misuse.hint(format!("`redis-ops {command} --help` shows what may be typed")),
        None => misuse.hint("`redis-ops --help` shows what may be typed"),
    }
}

/// Clap repeats what it does not understand. Where that has an `@` in it, it may be a URL, and what stands before that a password.
fn without_secrets(words: &str, arguments: &[OsString]) -> String {
    let mut safe = words.to_owned();
    for argument in arguments.iter().map(|argument| argument.to_string_lossy()) {
        let value = argument.split_once('=').map(|(_, value)| value);
        for text in [Some(argument.as_ref()), value].into_iter().flatten() {
            if let Some((_, host)) = text.rsplit_once('@') {
                // A password may also stand in the query.
                let host = host.split(['/', '?', '#']).next().unwrap_or_default();
                safe = safe.replace(text, &format!("***@{host}"));
            }
        }
    }
    safe
}

/// `-a` of redis-cli, and what others call it.
fn names_a_password(arguments: &[OsString]) -> bool {
    arguments.iter().filter_map(|argument| argument.to_str()).any(|argument| {
        let name = argument.split('=').next().unwrap_or(argument);
        matches!(name, "--password" | "--pass" | "--auth")
            || (argument.starts_with("-a") && !argument.starts_with("--"))
    })
}

/// The command, as far as it can be seen.
fn command_in(arguments: &[OsString]) -> Option<&'static str> {
    arguments.iter().skip(1).find_map(|argument| resolve::NAMES.iter().find(|name| argument == **name).copied())
}

/// The format that was asked for, as far as it can be seen.
fn format_in(arguments: &[OsString], environment: &Environment) -> Format {
    let mut found = environment.text(env::FORMAT).ok().flatten().and_then(json_named);
    let mut words =
        arguments.iter().skip(1).map_while(|word| word.to_str()).take_while(|word| *word != "--").peekable();
    while let Some(word) = words.next() {
        let value = match word {
            "--json" => Some("json"),
            "-f" | "--format" => words.peek().copied(),
            _ => word.strip_prefix("--format=").or_else(|| word.strip_prefix("-f").filter(|_| !word.starts_with("--"))),
        };
        if let Some(value) = value {
            found = json_named(value.trim_start_matches('='));
        }
    }
    found.unwrap_or(Format::Table)
}

fn json_named(name: &str) -> Option<Format> {
    [Format::Json, Format::Ndjson].into_iter().find(|format| format.name() == name)
}

/// The format of an error where clap has understood the line and the command lacks the format that was asked for.
pub fn format(global: &Global) -> Format {
    match global.format {
        _ if global.json => Format::Json,
        Some(format) if format.is_json() => format,
        _ => Format::Table,
    }
}
