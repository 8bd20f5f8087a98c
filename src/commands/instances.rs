//! The instance whose backups are meant, and what is said where there is none of that name.

use std::collections::BTreeSet;

use super::nearest::nearest;
use crate::explain::{Failure, Fault, Result};
use crate::printer::words;
use crate::repository::Repository;

/// The instance whose backups are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// Its name in the repository.
    pub name: String,
    /// The instances of the settings.
    pub of_settings: Vec<String>,
}

impl Only {
    /// Whether the settings know it: then it is there, with backups or without.
    pub fn is_in_settings(&self) -> bool {
        self.of_settings.contains(&self.name)
    }

    /// The error for an instance without backups that the settings do not know; it names those that there are.
    ///
    /// # Errors
    /// The repository cannot be listed.
    pub async fn missing(&self, repository: &Repository) -> Result<Option<Fault>> {
        if self.is_in_settings() {
            return Ok(None);
        }
        let place = repository.describe();
        let mut known: BTreeSet<String> = repository.instances().await?.into_iter().collect();
        known.extend(self.of_settings.iter().cloned());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let name = words::escape(self.name.as_bytes());
        let failure =
            Failure::new("not_found", format!("there is no instance `{name}`, neither in the settings nor in {place}"));
        let there_are = match known.as_slice() {
            [] => "there are no backups of any instance".to_owned(),
            known => format!("there are: `{}`", known.join("`, `")),
        };
        Ok(Some(match nearest(&self.name, &known) {
            Some(best) => failure.hint(format!("did you mean `{best}`? {there_are}")).into(),
            None => failure.hint(there_are).into(),
        }))
    }
}
