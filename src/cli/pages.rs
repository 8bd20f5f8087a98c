//! What the binary says of itself: completions for shells, the manual pages, and the reference in `docs/`.

use std::path::Path;

use super::args::Command;
use super::{completion, help, manual};
use crate::commands::{explain, schemas};
use crate::explain::{Context as _, Result};

/// The page that was asked for; `None`: another command. A folder of pages leaves nothing to print.
pub fn page(command: &Command) -> Result<Option<String>> {
    match command {
        Command::Help { about } => Ok(Some(help::page(about)?)),
        Command::Completions { shell } => completion::script(*shell).map(Some),
        Command::Man { reference: Some(folder), .. } => reference(folder).map(|()| Some(String::new())),
        Command::Man { to_dir: None, .. } => manual::page().map(Some),
        Command::Man { to_dir: Some(folder), .. } => manuals(folder).map(|()| Some(String::new())),
        _ => Ok(None),
    }
}

fn manuals(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, page) in manual::pages()? {
        let path = folder.join(name);
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Writes `rules.md`, and a schema for each command's JSON.
fn reference(folder: &Path) -> Result<()> {
    let json = folder.join("json");
    std::fs::create_dir_all(&json).with_context(|| format!("cannot create {}", json.display()))?;
    let mut pages = vec![(folder.join("rules.md"), explain::all_as_markdown())];
    for (command, schema) in schemas::all() {
        pages.push((json.join(format!("{command}.schema.json")), format!("{schema:#}\n")));
    }
    for (path, text) in pages {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_with_an_answer_of_its_own_has_a_schema() {
        let prints_text = ["top", "help", "completions", "man"];
        let mut commands: Vec<&str> =
            super::super::resolve::NAMES.iter().copied().filter(|name| !prints_text.contains(name)).collect();
        commands.push("error");
        // The shapes that a schema refers to are looked up while it is made.
        assert_eq!(schemas::all().into_iter().map(|(command, _)| command).collect::<Vec<_>>(), commands);
    }
}
