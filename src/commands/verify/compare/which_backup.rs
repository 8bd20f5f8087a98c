//! The backup that an instance is compared with where none was named: the one that was restored into it, until a newer one was taken.

use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::which::{self, Server};
use crate::explain::Result;
use crate::printer::words;
use crate::repository::manifest::Manifest;
use crate::repository::{Listed, Repository, RepositoryError};
use crate::times;
use crate::verify::receipt;

/// A backup that nobody named.
pub struct Found {
    /// What is known of it.
    pub manifest: Manifest,
    /// `restored`, `newest` or `latest`.
    how: &'static str,
    /// Why this one, in words.
    why: String,
}

impl Found {
    pub fn to_json(&self) -> Value {
        json!({ "how": self.how, "why": self.why })
    }
}

/// Chooses, and says which one it is and why.
///
/// # Errors
/// There is no backup, or the repository cannot be read.
pub async fn choose(repository: &Repository, server: &Server, run_id: &str, context: &Context) -> Result<Found> {
    let instance = &server.instance;
    let target = receipt::Target { instance: instance.clone(), run_id: run_id.to_owned() };
    let restored = receipt::last_restored(repository, &target).await?;
    let restored = restored.and_then(|(listed, time)| Some((listed.manifest().cloned()?, time)));
    let newest = newest_good(repository, instance, context).await?;
    let found = match (restored, newest) {
        (Some((restored, time)), Some(newest)) if newest.created_at > time => {
            let name = format!("{}/{}", restored.instance, restored.id);
            let why = format!(
                "the newest good backup of {instance}, taken after {name} was restored into it at {}",
                times::text(time)
            );
            Found { manifest: newest, how: "newest", why }
        }
        (Some((restored, time)), _) => {
            let why = format!(
                "it was restored into {instance} at {}, and there is no newer good backup of {instance}",
                times::text(time)
            );
            Found { manifest: restored, how: "restored", why }
        }
        (None, Some(newest)) => {
            Found { manifest: newest, how: "newest", why: format!("the newest good backup of {instance}") }
        }
        (None, None) => latest(repository, instance, context).await?,
    };
    let Manifest { instance, id, .. } = &found.manifest;
    let age = (context.now - found.manifest.data_from()).to_std().unwrap_or_default();
    context.printer.say(&format!("backup {instance}/{id} ({} old): {}", words::span(age), found.why));
    Ok(found)
}

/// The newest backup of an instance that is no safety backup, and in which nobody has found anything.
async fn newest_good(repository: &Repository, instance: &str, context: &Context) -> Result<Option<Manifest>> {
    let is_good = |listed: &Listed| {
        let sound = listed.manifest().filter(|manifest| manifest.purpose.is_of_its_time() && manifest.is_sound());
        sound.is_some() && !listed.is_damaged() && !listed.id.is_ahead(context.now)
    };
    let listed = repository.list(Some(instance)).await?;
    Ok(listed.into_iter().find(is_good).and_then(|listed| listed.manifest().cloned()))
}

/// The latest of this very instance, however good; without one that of the only instance that has any.
async fn latest(repository: &Repository, instance: &str, context: &Context) -> Result<Found> {
    let own = which::load(repository, &format!("{instance}/latest"), None, context).await;
    let manifest = match own {
        Err(error) if matches!(error.downcast_ref(), Some(RepositoryError::NotFound(_))) => {
            which::load(repository, "latest", Some(instance), context).await?
        }
        own => own?,
    };
    let why = format!("the latest of {}", manifest.instance);
    Ok(Found { manifest, how: "latest", why })
}
