//! The manual: a page for each command, with every option that it takes.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::args::Cli;
use super::help;
use crate::explain::{Context as _, Result};

/// The page of the program itself, as roff.
pub fn page() -> Result<String> {
    of(&built())
}

/// The pages of the program and of every command: file name and roff.
pub fn pages() -> Result<Vec<(String, String)>> {
    let program = built();
    let commands = std::iter::once(&program).chain(program.get_subcommands());
    commands.map(|command| Ok((format!("{}.1", name(command)), of(command)?))).collect()
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn of(command: &Command) -> Result<String> {
    // What clap says behind its options has sections of its own here.
    let plain = command.clone().after_help("").after_long_help("");
    let man = Man::new(plain).title(name(command)).source(format!("redis-ops {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page).context("cannot write the manual page")?;
    // No hyphen at the end of a line: a command has to be copied as it stands.
    page.extend_from_slice(b".nh\n.ad l\n");
    man.render_name_section(&mut page).context("cannot write the manual page")?;
    let is_the_program = command.get_subcommands().next().is_some();
    let typed = name(command).replacen("redis-ops-", "redis-ops ", 1);
    let rest = if is_the_program { "COMMAND [OPTIONS]".to_owned() } else { positionals(command) };
    page.extend_from_slice(format!(".SH SYNOPSIS\n\\fB{}\\fR {}\n", roff(&typed), roff(&rest)).as_bytes());
    man.render_description_section(&mut page).context("cannot write the manual page")?;
    if is_the_program {
        man.render_subcommands_section(&mut page).context("cannot write the manual page")?;
    }
    man.render_options_section(&mut page).context("cannot write the manual page")?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = examples.strip_prefix("Examples:\n") {
        page.push_str(&section("EXAMPLES", examples));
    }
    page.push_str(&section("EXIT STATUS", help::exit_codes(command.get_name())));
    if is_the_program {
        page.push_str(&section("ENVIRONMENT", &help::environment()));
    }
    Ok(page)
}

/// `[OPTIONS] [ID]`, without what mangen would name of fifty options.
fn positionals(command: &Command) -> String {
    let arguments = command.get_positionals().map(|argument| {
        let name = argument.get_value_names().and_then(|names| names.first()).map_or("ARGUMENT", |name| name.as_str());
        if argument.is_required_set() { name.to_owned() } else { format!("[{name}]") }
    });
    std::iter::once("[OPTIONS]".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Text that keeps its lines.
fn section(title: &str, text: &str) -> String {
    let lines: String = text.trim_end().lines().map(|line| format!("{}\n", roff(line))).collect();
    format!(".SH \"{title}\"\n.nf\n{lines}.fi\n")
}

/// A line as roff shows it unchanged.
fn roff(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}
