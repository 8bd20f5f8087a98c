//! The help: an overview that fits a terminal of 24 lines, a page for each command with its own options first, and topics for what all
//! commands share.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::{ArgValueCandidates, CompletionCandidate};

use super::args::{ALONE, CONNECTION, Cli, EXIT_CODES, GROUPS, OUTPUT, STORAGE, TOGETHER};
use super::env;
use crate::commands::nearest::nearest;
use crate::explain::Misuse;

/// The options that all commands share, by the topic of the help that describes them.
const SHARED: [(&str, &str); 3] = [("connection", CONNECTION), ("storage", STORAGE), ("output", OUTPUT)];

/// All topics of `redis-ops help`.
pub const TOPICS: [&str; 5] = ["connection", "storage", "output", "environment", "exit-codes"];

/// Pages are written for a terminal of this many columns.
const WIDTH: usize = 79;

/// The command line that is understood, with its help.
pub fn command() -> Command {
    let mut command = Cli::command();
    let shared: Vec<Arg> = command.get_arguments().cloned().collect();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    command = out_of_the_pages(command);
    for name in names {
        command = command.mut_subcommand(name, |sub| with_foot(out_of_the_pages(sub), &shared));
    }
    command =
        command.mut_subcommand("help", |help| help.mut_arg("about", |about| about.add(ArgValueCandidates::new(pages))));
    let overview = overview(&command);
    let foot = foot_of_all(&shared);
    command.help_template("{before-help}{after-help}").before_help(overview).after_long_help(foot)
}

/// What `redis-ops` answers alone.
pub fn overview(command: &Command) -> String {
    let mut text = String::from(
        "Back up, restore, verify and diagnose Redis and Valkey\n\
         Usage: redis-ops <COMMAND> [OPTIONS]   More: redis-ops help COMMAND, --help\n\n",
    );
    for (group, names) in GROUPS {
        for (at, name) in names.iter().enumerate() {
            let about = match TOGETHER.iter().find(|(names, _)| names == name) {
                Some((_, about)) => Some((*about).to_owned()),
                None => command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string),
            };
            let group = if at == 0 { group } else { "" };
            let _ = writeln!(text, "{group:<9}{name:<13}{}", about.unwrap_or_default());
        }
    }
    let _ =
        write!(text, "\nTry it:  redis-ops diagnose all -H localhost\nTopics:  redis-ops help {}", TOPICS.join(", "));
    text
}

/// The page of `redis-ops help` for these words.
pub fn page(words: &[String]) -> Result<String, Misuse> {
    let mut command = command();
    command.build();
    let Some(first) = words.first() else { return Ok(overview(&command) + "\n") };
    if words.len() == 1 {
        if let Some((name, heading)) = SHARED.iter().find(|(name, _)| name == first) {
            return Ok(shared_page(name, heading));
        }
        match first.as_str() {
            "environment" => return Ok(environment()),
            "exit-codes" => return Ok(EXIT_CODES_OF_ALL.to_owned()),
            _ => {}
        }
    }
    match command.find_subcommand_mut(first) {
        Some(sub) if words.len() == 1 || (words.len() == 2 && has_action(sub, &words[1])) => {
            Ok(sub.render_long_help().to_string())
        }
        _ => Err(unknown(&words.join(" "), &command)),
    }
}

/// Whether a command knows this word as what it is to do: `lock run`, `archive status`. They share the command's page.
fn has_action(command: &Command, word: &str) -> bool {
    let values = command.get_positionals().next().and_then(|first| first.get_value_parser().possible_values());
    values.into_iter().flatten().any(|value| value.matches(word, false))
}

/// What `help` has a page for, for a shell.
fn pages() -> Vec<CompletionCandidate> {
    let command = Cli::command();
    let commands = command.get_subcommands().map(|command| command.get_name().to_owned());
    commands.chain(TOPICS.map(str::to_owned)).map(CompletionCandidate::new).collect()
}

fn unknown(typed: &str, command: &Command) -> Misuse {
    let commands: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let known: Vec<&str> = commands.iter().copied().chain(TOPICS).collect();
    let misuse = Misuse::usage(format!("there is no help for `{typed}`"));
    match nearest(typed, &known) {
        Some(near) => misuse.hint(format!("did you mean `redis-ops help {near}`?")),
        None => misuse.hint(format!("commands: {}; topics: {}", commands.join(", "), TOPICS.join(", "))),
    }
}

/// Options that a topic describes stand on no command's page; completions and manual pages still have them.
fn out_of_the_pages(command: Command) -> Command {
    let is_shared = |argument: &Arg| {
        argument.get_help_heading().is_some_and(|heading| SHARED.iter().any(|(_, shared)| *shared == heading))
    };
    let shared: Vec<clap::Id> = command
        .get_arguments()
        .filter(|argument| is_shared(argument))
        .map(|argument| argument.get_id().clone())
        .collect();
    shared.into_iter().fold(command, |command, id| {
        command.mut_arg(id, |argument| argument.hide_short_help(true).hide_long_help(true))
    })
}

/// The end of a command's page: the shared options by name, examples, exit codes.
fn with_foot(command: Command, shared: &[Arg]) -> Command {
    let name = command.get_name().to_owned();
    let examples = command.get_after_help().map(ToString::to_string);
    let mut parts = Vec::new();
    if !ALONE.contains(&name.as_str()) {
        parts.push(shared_names(shared, &SHARED));
    }
    parts.extend(examples);
    if let Some((_, codes)) = EXIT_CODES.iter().find(|(command, _)| *command == name) {
        parts.push(format!("Exit codes: {codes}\n            (all: redis-ops help exit-codes)"));
    }
    command.after_help(parts.join("\n\n"))
}

fn foot_of_all(shared: &[Arg]) -> String {
    format!(
        "{}\n\nExamples:\n  redis-ops backup -i redis-prod -r s3://backups/redis\n  redis-ops list -r s3://backups/redis\n  \
         redis-ops verify -r s3://backups/redis --backup-id latest\n  \
         redis-ops restore -r s3://backups/redis --backup-id latest \\\n    --target-instance redis://10.0.0.7:6379 --plan\n\n\
         Exit codes:\n{EXIT_CODES_OF_ALL}\n-h, --help prints this page, -V, --version the version.",
        shared_names(shared, &SHARED)
    )
}

/// How the shared options are spelled, a group a paragraph.
fn shared_names(shared: &[Arg], groups: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (topic, heading) in groups {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{heading} (redis-ops help {topic}):");
        let mut column = WIDTH;
        for spelling in shared.iter().filter(|argument| argument.get_help_heading() == Some(heading)).map(spelling) {
            // Two blanks between two options.
            if column + 2 + spelling.len() > WIDTH - 2 {
                text.push_str("\n  ");
                column = 2;
            } else {
                text.push_str("  ");
                column += 2;
            }
            text.push_str(&spelling);
            column += spelling.len();
        }
    }
    text
}

fn spelling(argument: &Arg) -> String {
    let mut text = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    if let Some(long) = argument.get_long() {
        let _ = write!(text, "--{long}");
    }
    let takes_a_value = argument.get_action().takes_values() && !argument.is_require_equals_set();
    match argument.get_value_names() {
        Some([name, ..]) if takes_a_value => format!("{text} {name}"),
        _ => text,
    }
}

/// The options of a topic, each with its text.
fn shared_page(topic: &str, heading: &'static str) -> String {
    let command = Cli::command();
    let of_topic = command.get_arguments().filter(|argument| argument.get_help_heading() == Some(heading));
    let arguments: Vec<Arg> = of_topic.map(|argument| argument.clone().global(false)).collect();
    let mut page = Command::new("redis-ops")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .max_term_width(120)
        .help_template("{options}")
        .args(arguments);
    let about = match topic {
        "connection" => {
            "These options choose the server, and how to reach it. `restore` writes only to what --target-instance names."
        }
        "storage" => {
            "These options choose the repository. Credentials for S3 come from the variables and profiles of the AWS tools."
        }
        _ => "These options choose the settings file, and what is printed.",
    };
    format!("{}\n\n{heading}:\n{}", wrapped(about, 0, 0), page.render_long_help())
}

/// The exit codes of a command: its own line, or those of all.
pub fn exit_codes(command: &str) -> &'static str {
    let own = EXIT_CODES.iter().find(|(name, _)| *name == command);
    own.map_or(EXIT_CODES_OF_ALL, |(_, codes)| codes)
}

/// Every variable that is read.
pub fn environment() -> String {
    let name = env::ALL.iter().map(|variable| variable.name.len()).max().unwrap_or(0) + 4;
    let mut text = String::from("An option wins over its variable, a variable over the settings file.\n\n");
    for variable in env::ALL {
        let _ =
            writeln!(text, "  {:<width$}{}", variable.name, wrapped(variable.meaning, name, name), width = name - 2);
    }
    text
}

/// Text in lines of [`WIDTH`] columns: the first begins at column `at`, the others are indented.
fn wrapped(text: &str, at: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = at;
    for word in text.split_whitespace() {
        let starts = column == at && lines.is_empty();
        if !starts && column + 1 + word.len() > WIDTH {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if !starts {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.len();
    }
    lines
}

const EXIT_CODES_OF_ALL: &str = "  0         done, or yes: published, good, up, no finding, not due
  1         done, with warnings: some keys had expired or were skipped; a
            backup by SCAN, of one shard or stale; the worst finding is a warning
  2         failed, or no: not published, refused, not confirmed, incomplete,
            damaged, different, down; the worst finding is critical
  3         unknown: wrong usage or settings, no such backup; or verify,
            diagnose, list, show cannot reach the server or the store
  130, 143  interrupted by SIGINT, SIGTERM (129: SIGHUP, 131: SIGQUIT); archive,
            top, diagnose --watch and metrics --listen are stopped this way:
            they exit with the code of their last verdict, or 0
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_the_overview_fits_a_terminal() {
        let command = command();
        let grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| *names).flat_map(|names| names.split(", ")).collect();
        let there: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).collect();
        assert_eq!(grouped.len(), there.len());
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), there);
        let overview = overview(&command);
        assert!(overview.lines().count() <= 23, "{overview}");
        assert!(overview.lines().all(|line| line.len() <= WIDTH), "{overview}");
    }

    #[test]
    fn every_shared_option_is_of_a_topic() {
        for argument in Cli::command().get_arguments() {
            let heading = argument.get_help_heading();
            assert!(SHARED.iter().any(|(_, shared)| Some(*shared) == heading), "{}", argument.get_id());
        }
    }
}
