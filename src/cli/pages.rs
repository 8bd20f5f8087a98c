//! What the binary says of itself: completions for shells, the manual pages, and the reference in `docs/`.

use std::path::Path;

use clap::CommandFactory as _;

use super::args::{Cli, Command};
use super::completion;
use crate::commands::{explain, schemas};
use crate::explain::{Context as _, Result};

/// The page that was asked for; `None`: another command. A folder of pages leaves nothing to print.
pub fn page(command: &Command) -> Result<Option<String>> {
    match command {
        Command::Completions { shell } => completion::script(*shell).map(Some),
        Command::Man { reference: Some(folder), .. } => reference(folder).map(|()| Some(String::new())),
        Command::Man { to_dir: None, .. } => manual().map(Some),
        Command::Man { to_dir: Some(folder), .. } => manuals(folder).map(|()| Some(String::new())),
        _ => Ok(None),
    }
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

/// Writes `rules.md`, and a schema for each command's JSON.
fn reference(folder: &Path) -> Result<()> {
    let json = folder.join("json");
    std::fs::create_dir_all(&json).with_context(|| format!("create {}", json.display()))?;
    let mut pages = vec![(folder.join("rules.md"), explain::all_as_markdown())];
    for (command, schema) in schemas::all() {
        pages.push((json.join(format!("{command}.schema.json")), format!("{schema:#}\n")));
    }
    for (path, text) in pages {
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_with_an_answer_of_its_own_has_a_schema() {
        let prints_text = ["completions", "man"];
        let mut commands: Vec<&str> =
            super::super::resolve::NAMES.iter().copied().filter(|name| !prints_text.contains(name)).collect();
        commands.push("error");
        // The shapes that a schema refers to are looked up while it is made.
        assert_eq!(schemas::all().into_iter().map(|(command, _)| command).collect::<Vec<_>>(), commands);
    }
}
