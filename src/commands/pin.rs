//! `redis-ops pin`: holds a backup, so that neither `prune` nor `delete` removes it, or lifts that.

use super::table::verdict;
use super::which::Place;
use super::{Context, Outcome};
use crate::explain::{Hint, Misuse, Result, Status};
use crate::printer::words;
use crate::repository::{BackupId, Pin, Repository};
use crate::times;

/// The name of a pin that got none.
pub const USUAL: &str = "pinned";

/// Complete settings of `pin`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the backup is.
    pub place: Place,
    /// An exact id, the unique beginning of one, `latest`, or `INSTANCE/ID`.
    pub id: String,
    /// The instance that is meant if an id exists for several.
    pub instance: Option<String>,
    /// Name of the pin; `None`: [`USUAL`], or to lift it the only one.
    pub name: Option<String>,
    /// Why, for those who find the pin.
    pub reason: Option<String>,
    /// Lifts the pin instead.
    pub lift: bool,
}

/// Sets or lifts a pin.
///
/// # Errors
/// There is no such backup, or several; several pins are meant; the store refuses.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    super::delete::must_name_one(&settings.id, settings.instance.as_deref())?;
    let repository = settings.place.open().await?;
    let found = repository.resolve(&settings.id, settings.instance.as_deref()).await?;
    let name = format!("{}/{}", found.instance, found.id);
    if found.chosen_by_target {
        context.printer.say(&format!("several instances have a backup {}: using {name}", settings.id));
    }
    let sentence = match settings.lift {
        false => {
            let pin_name = settings.name.as_deref().unwrap_or(USUAL);
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let pin = Pin { pinned_at: context.now, host, reason: settings.reason.clone() };
            match repository.pin(&found.instance, found.id, pin_name, &pin).await? {
                true => format!("{name} is pinned ({pin_name}): prune and delete leave it alone"),
                false if settings.reason.is_some() => {
                    format!("{name} is already pinned (pin `{pin_name}`): its reason stays as it was")
                }
                false => format!("{name} is already pinned (pin `{pin_name}`)"),
            }
        }
        true => lift(settings, &repository, &found.instance, found.id, &name).await?,
    };
    let pins = repository.pins(&found.instance, found.id).await?;
    let pins: Vec<serde_json::Value> = pins.iter().map(|(name, pin)| pin_json(name, pin.as_ref())).collect();
    Ok(Outcome::new(Status::Ok)
        .field("backup_id", found.id.to_string())
        .field("instance", &found.instance)
        .field("pins", pins)
        .text(verdict(&context.printer, Status::Ok, &words::escape(sentence.as_bytes()))))
}

/// A pin in a JSON answer; of one that cannot be read only its name.
pub(super) fn pin_json(name: &str, pin: Option<&Pin>) -> serde_json::Value {
    serde_json::json!({
        "name": name,
        "pinned_at": pin.map(|pin| times::text(pin.pinned_at)),
        "host": pin.map(|pin| &pin.host),
        "reason": pin.and_then(|pin| pin.reason.as_ref()),
    })
}

async fn lift(
    settings: &Settings,
    repository: &Repository,
    instance: &str,
    id: BackupId,
    backup: &str,
) -> Result<String> {
    let pins: Vec<String> = repository.pins(instance, id).await?.into_iter().map(|(name, _)| name).collect();
    let name = match (&settings.name, pins.as_slice()) {
        (Some(name), _) if pins.contains(name) => name,
        (None, [only]) => only,
        (Some(name), _) if !pins.is_empty() => {
            return Err(Misuse::which_backup("not_found", format!("{backup} has no pin `{name}`"))
                .hint(format!("the pins of this backup: {}", pins.join(", ")))
                .into());
        }
        (_, []) => return Ok(format!("{backup} is not pinned")),
        (None, _) | (Some(_), _) => {
            let several = Misuse::which_backup("ambiguous", format!("{backup} has several pins: {}", pins.join(", ")));
            return Err(several.hint(Hint::NamePin).into());
        }
    };
    repository.lift_pin(instance, id, name).await?;
    let others = pins.len() - 1;
    Ok(match others {
        0 => format!("the pin `{name}` of {backup} is lifted: the backup is no longer pinned"),
        others => {
            let verb = if others == 1 { "holds" } else { "hold" };
            format!("the pin `{name}` of {backup} is lifted; {} still {verb} it", words::counted(others as u64, "pin"))
        }
    })
}
