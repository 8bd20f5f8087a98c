//! What is made of the command line itself: completions for shells, and the manual pages.

use std::path::Path;

use clap::CommandFactory as _;

use super::args::{Cli, Command};
use crate::explain::{Context as _, Result};

/// The page that was asked for; `None`: another command. A folder of pages leaves nothing to print.
pub fn page(command: &Command) -> Result<Option<String>> {
    match command {
        Command::Completions { shell } => Ok(Some(completions(*shell))),
        Command::Man { to_dir: None } => manual().map(Some),
        Command::Man { to_dir: Some(folder) } => manuals(folder).map(|()| Some(String::new())),
        _ => Ok(None),
    }
}

/// The script that teaches a shell our command line.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "redis-ops", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn manual() -> Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).context("write the manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn manuals(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("write the manual pages to {}", folder.display()))
}
