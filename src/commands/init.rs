//! `redis-ops init`: makes a repository before the first backup does, and shows that it can be written to.

use super::table::verdict;
use super::which::{NO_CONDITIONS, Place};
use super::{Context, Outcome};
use crate::explain::{Result, Status};
use crate::printer::words;
use crate::times;

/// Complete settings of `init`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the repository is to be.
    pub place: Place,
}

/// Makes the repository. Where there is one, nothing changes.
///
/// # Errors
/// The place cannot be written to, or holds a repository of a newer format.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let repository = settings.place.open().await?;
    let (marker, is_new) = repository.init(context.now).await?;
    let place = repository.describe();
    let sentence = match is_new {
        true => format!("{place} is a new repository"),
        false => format!("{place} is already a repository, made {}", times::text(marker.made_at)),
    };
    if marker.keeps_conditions == Some(false) {
        context.printer.say(NO_CONDITIONS);
    }
    Ok(Outcome::new(Status::Ok)
        .field("repository", &place)
        .field("created", is_new)
        .field("made_at", times::text(marker.made_at))
        .field("format_version", marker.format_version)
        .field("keeps_conditions", marker.keeps_conditions)
        .text(verdict(&context.printer, Status::Ok, &words::escape(sentence.as_bytes()))))
}
