//! A command line that was not understood, `--help` and `--version`: clap's words, our streams, our exit codes.

use std::ffi::OsString;

use chrono::{DateTime, Utc};
use clap::ValueEnum as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Global;
use super::env::{self, Environment};
use super::help;
use super::hints;
use super::resolve;
use crate::commands::envelope::{End, Envelope, Kind};
use crate::commands::{Format, diagnose};
use crate::explain::Misuse;
use crate::printer::{Choices, Printer};

/// Answers what clap did not turn into a command.
pub fn answer(error: &clap::Error, arguments: &[OsString], environment: &Environment, now: DateTime<Utc>) -> u8 {
    let printer = Printer::new(Choices::detect(resolve::color(None, environment), false, false));
    let words = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp if host_behind_help(arguments).is_some() => {
            let host = host_behind_help(arguments).unwrap_or_default();
            let misuse =
                Misuse::usage("`-h` shows the help and takes no host").hint(format!("for a host: `-H {host}`"));
            refuse(misuse, arguments, environment, &printer, now)
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = if printer.choices().color_out { words.ansi().to_string() } else { words.to_string() };
            // What clap leaves between two parts of a page that has nothing else.
            let text = text.replace("\n\n\n", "\n");
            match printer.answer(&text) {
                Ok(()) => 0,
                Err(_) => 3,
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer.trouble(&help::overview(&help::command()));
            3
        }
        _ => refuse(misuse(error, &words.to_string(), arguments), arguments, environment, &printer, now),
    }
}

fn refuse(
    misuse: Misuse,
    arguments: &[OsString],
    environment: &Environment,
    printer: &Printer,
    now: DateTime<Utc>,
) -> u8 {
    let envelope = Envelope {
        command: command_in(arguments),
        kind: Kind::Answers,
        format: format_in(arguments, environment),
        started_at: now,
        interrupted: false,
        words: hints::words,
        page: None,
    };
    match envelope.close(Err(misuse.into()), Utc::now(), printer) {
        End::Status(status) => status.exit_code(),
        End::Of(code) => code,
        End::Interrupted => 3,
    }
}

/// What stands behind `-h`, if it looks like the host that `-h` of redis-cli takes: `health -h HOST && deploy` must not go on.
fn host_behind_help(arguments: &[OsString]) -> Option<&str> {
    let words = || arguments.iter().skip(1).filter_map(|word| word.to_str());
    let behind = words().skip_while(|word| *word != "-h").nth(1);
    let attached = words().find_map(|word| word.strip_prefix("-h").filter(|rest| rest.contains(['.', ':'])));
    let word = attached.or(behind).filter(|word| !word.starts_with('-') && !word.contains('@'))?;
    let is_port_behind = words().skip_while(|word| *word != "-h").nth(2) == Some("-p");
    let is_command_before = words().take_while(|word| *word != "-h").any(|word| resolve::NAMES.contains(&word));
    // `diagnose -h memory` asks about a topic.
    let is_topic = diagnose::Topic::value_variants()
        .iter()
        .filter_map(clap::ValueEnum::to_possible_value)
        .any(|topic| topic.get_name() == word);
    let is_meant = is_command_before && !is_topic && !resolve::NAMES.contains(&word);
    (word.contains(['.', ':']) || word == "localhost" || is_port_behind || is_meant).then_some(word)
}

/// Clap's words: the first paragraph is what is wrong, `tip:` what may help.
fn misuse(error: &clap::Error, words: &str, arguments: &[OsString]) -> Misuse {
    let words = &without_secrets(words, arguments);
    let body = words.split("\n\nUsage:").next().unwrap_or(words);
    let body = body.split("\n\nFor more information").next().unwrap_or(body);
    let (message, tips) = body.split_once("\n\n").unwrap_or((body, ""));
    let message = message.trim().trim_start_matches("error: ");
    let misuse = Misuse::usage(message);
    if names_a_password(arguments) {
        return misuse.hint(
            "other users can see a password on the command line: use `--password-file FILE` or REDIS_OPS_PASSWORD",
        );
    }
    let command = command_in(arguments);
    match (error.kind(), command) {
        (ErrorKind::MissingRequiredArgument, Some("diagnose")) => {
            let topics: Vec<String> = diagnose::Topic::value_variants()
                .iter()
                .filter_map(|topic| Some(topic.to_possible_value()?.get_name().to_owned()))
                .collect();
            return Misuse::usage("`diagnose` needs a topic").hint(format!("topics: {}", topics.join(", ")));
        }
        (ErrorKind::UnknownArgument, Some(command @ ("backup" | "health" | "metrics" | "list"))) => {
            if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
                && !word.starts_with('-')
                && !word.contains('@')
            {
                return misuse.hint(format!("to name an instance: `redis-ops {command} -i {word}`"));
            }
        }
        _ => {}
    }
    let tips: Vec<&str> = tips.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
    if !tips.is_empty() {
        return misuse.hint(tips.join("; "));
    }
    match command {
        Some(command) => misuse.hint(format!("see `redis-ops help {command}`")),
        None => misuse.hint("see `redis-ops help`"),
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
    let mut found = environment.text(env::FORMAT).ok().flatten().and_then(named);
    let mut words =
        arguments.iter().skip(1).map_while(|word| word.to_str()).take_while(|word| *word != "--").peekable();
    while let Some(word) = words.next() {
        let value = match word {
            "--json" => Some("json"),
            "-f" | "--format" => words.peek().copied(),
            _ => word.strip_prefix("--format=").or_else(|| word.strip_prefix("-f").filter(|_| !word.starts_with("--"))),
        };
        if let Some(value) = value {
            found = named(value.trim_start_matches('='));
        }
    }
    found.unwrap_or(Format::Table)
}

/// A format whose reader looks at stdout and nothing else: an error has to stand there as well.
fn named(name: &str) -> Option<Format> {
    [Format::Json, Format::Ndjson, Format::Nagios, Format::Junit].into_iter().find(|format| format.name() == name)
}

/// The format of an error where clap has understood the line and the command lacks the format that was asked for.
pub fn format(global: &Global) -> Format {
    match global.format {
        _ if global.json => Format::Json,
        Some(format) if format.is_json() => format,
        _ => Format::Table,
    }
}
