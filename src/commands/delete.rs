//! `redis-ops delete`: removes one backup that is named.

use std::collections::BTreeSet;

use super::prune::{failure, freed, report_json};
use super::question::confirm_by_name;
use super::table::verdict;
use super::turns;
use super::which::Place;
use super::{Context, Outcome};
use crate::explain::{Failure, Hint, Misuse, Result, Status};
use crate::operations::Turns;
use crate::printer::words;
use crate::repository::{BackupId, Repository, RepositoryError, Terms};
use crate::retention::{self, Done, Fate, Planned, Policy, Report, Wanted, Why};

/// How often it is looked again at what is to be left, where others remove at the same time.
const LOOKS: usize = 5;

/// Complete settings of `delete`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the backup is.
    pub place: Place,
    /// An exact id, the unique beginning of one, `latest`, or `INSTANCE/ID`.
    pub id: String,
    /// The instance that is meant if an id exists for several.
    pub instance: Option<String>,
    /// `--last`: removes it even if nothing as good would be left of its instance.
    pub last: bool,
    /// How it gets along with other runs on the same instance.
    pub turns: Turns,
}

/// Looks who needs the backup, asks, and removes it.
///
/// # Errors
/// There is no such backup, or several; somebody holds it, or nothing as good is left; nobody has confirmed; the store refuses.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    must_name_one(&settings.id, settings.instance.as_deref())?;
    let repository = settings.place.open().await?;
    let found = context
        .interruptible(async { Ok(repository.resolve(&settings.id, settings.instance.as_deref()).await?) })
        .await;
    let found = match found {
        Err(error) => match error.downcast_ref() {
            Some(RepositoryError::Incomplete { instance, id }) if settings.last => {
                return unpublished(&repository, instance, *id, context).await;
            }
            _ => return Err(error),
        },
        found => found?,
    };
    let name = format!("{}/{}", found.instance, found.id);
    if context.yes {
        must_be_named_in_full(settings, &repository, &name, context).await?;
    }
    if found.chosen_by_target {
        context.printer.say(&format!("several instances have a backup {}: using {name}", settings.id));
    }
    let wanted = Wanted::One(found.instance.clone());
    let look = async || {
        let planned =
            async { Ok(retention::plan(&repository, &wanted, &Policy::default(), &retention::nobody).await?) };
        context.interruptible(planned).await
    };
    let planned = look().await?;
    let of_instance = planned.backups.len();
    let Some(backup) = planned.backups.into_iter().find(|backup| backup.id == found.id) else {
        return Err(Failure::new("not_found", format!("backup {name} was removed by another process")).into());
    };
    let outcome =
        |status| Outcome::new(status).field("backup_id", found.id.to_string()).field("instance", &found.instance);
    let forbidden = |backup: &Planned| -> Option<Why> {
        let mut all = backup.verdict.iter();
        all.find(|why| why.forbids() && !(settings.last && why.may_be_overruled())).cloned()
    };
    if let Some(why) = &forbidden(&backup) {
        return Ok(outcome(Status::Failed).error(refusal(&name, why).into()));
    }
    if let Err(error) = confirm_by_name(context, &question(&name, &backup, of_instance), &found.id.to_string()).await {
        return Ok(outcome(Status::Ok).error(error));
    }
    let names = [found.instance.clone()];
    let turn = match turns::take(&repository, &names, "delete", settings.turns, context).await {
        Ok(turn) => turn,
        Err(error) => return Ok(outcome(Status::Ok).error(error)),
    };
    let mut report = Report::default();
    let mut fate = Fate::AtWork;
    let mut refused = None;
    for _ in 0..LOOKS {
        // Others may have removed what was to be left, while the question was open.
        let again = match look().await {
            Ok(again) => again,
            Err(error) => {
                turn.end(&context.printer).await;
                return Err(error);
            }
        };
        refused = again.backups.iter().find(|backup| backup.id == found.id).and_then(forbidden);
        if refused.is_some() {
            break;
        }
        let instead = if settings.last { Vec::new() } else { again.instead_of(&found.instance, found.id) };
        let terms = Terms { instead: &instead, spares_interrupted: false, identity: backup.identity.as_deref() };
        fate = retention::carry_out_one(&repository, &found.instance, found.id, terms, &retention::nobody, &mut report)
            .await;
        // It went at the very moment.
        if !matches!(fate, Fate::NothingInstead(_)) {
            break;
        }
    }
    turn.end(&context.printer).await;
    if let Some(why) = &refused {
        return Ok(outcome(Status::Failed).error(refusal(&name, why).into()));
    }
    if let Fate::Kept(why) = &fate {
        return Ok(outcome(Status::Failed).error(refusal(&name, why).into()));
    }
    report.backups.push(Done { instance: found.instance.clone(), id: found.id, fate });
    Ok(ended(outcome, &name, &report, context))
}

/// Refuses the id alone where it is confirmed beforehand and several instances have backups: what it named a moment ago may be gone, and it
/// names the backup of another instance now.
async fn must_be_named_in_full(
    settings: &Settings,
    repository: &Repository,
    name: &str,
    context: &Context,
) -> Result<()> {
    if settings.instance.is_some() || settings.id == name {
        return Ok(());
    }
    let published = context.interruptible(async { Ok(repository.published().await?) }).await?;
    let instances: BTreeSet<String> = published.into_iter().map(|(instance, _)| instance).collect();
    match instances.len() {
        0 | 1 => Ok(()),
        n => {
            let text = match settings.id.rsplit_once('/') {
                // The instance is named.
                Some(_) => format!(
                    "`{}` may be another backup by the time it is removed: with `--yes`, `delete` needs the whole id",
                    settings.id
                ),
                None => format!(
                    "`{}` names no instance, and the repository holds backups of {}: with `--yes`, `delete` needs INSTANCE/ID",
                    settings.id,
                    words::counted(n as u64, "instance")
                ),
            };
            Err(Misuse::usage(text).hint(Hint::DeleteByName([repository.describe(), name.to_owned()])).into())
        }
    }
}

/// What was removed, and what stays.
fn ended(outcome: impl Fn(Status) -> Outcome, name: &str, report: &Report, context: &Context) -> Outcome {
    let outcome = |status| {
        let left = super::prune::objects_left(report.backups.first().map(|done| &done.fate));
        outcome(status).field("removed", report_json(report)).field("objects_left", left)
    };
    match failure(report, context) {
        Some(error) => outcome(Status::Failed).error(error.context(format!("cannot remove backup {name}"))),
        None => {
            let objects = words::counted(report.objects, "object");
            let sentence = format!("{name} is removed: {objects}, {}", freed(report));
            let status = super::prune::status(report);
            let stays = report.foreign.iter().map(|key| format!("stays: {key}: not part of the backup\n"));
            let stays: String = stays.map(|line| words::escape_lines(&line)).collect();
            outcome(status).text(format!("{stays}{}", verdict(&context.printer, status, &sentence)))
        }
    }
}

/// Removes what there is of a backup that was never published.
async fn unpublished(repository: &Repository, instance: &str, id: BackupId, context: &Context) -> Result<Outcome> {
    let name = format!("{instance}/{id}");
    let question =
        format!("Backup {name} was never finished: it has no manifest. This removes all that is left of it for good.");
    confirm_by_name(context, &question, &id.to_string()).await?;
    let fate = retention::carry_out_unpublished(repository, instance, id).await;
    let (report, why) = match fate {
        Ok(report) => (report, None),
        Err(why) => (Report::default(), Some(why)),
    };
    let outcome =
        |status| Outcome::new(status).field("backup_id", id.to_string()).field("instance", instance.to_owned());
    if let Some(why) = why {
        return Ok(outcome(Status::Failed).error(refusal(&name, &why).into()));
    }
    Ok(ended(outcome, &name, &report, context))
}

/// Refuses `INSTANCE/ID` beside an `-i` that names another instance.
///
/// # Errors
/// The two differ.
pub(super) fn must_name_one(id: &str, instance: Option<&str>) -> Result<(), Misuse> {
    match (id.rsplit_once('/'), instance) {
        (Some((of, _)), Some(instance)) if of != instance => {
            let text = format!("`{id}` is a backup of {of}, but `-i` names {instance}");
            Err(Misuse::usage(text).hint("remove `-i`, or give a backup of that instance"))
        }
        _ => Ok(()),
    }
}

fn question(name: &str, backup: &Planned, of_instance: usize) -> String {
    let mut what = Vec::new();
    what.extend(backup.keys.map(|keys| words::counted(keys, "key")));
    what.push(words::bytes(backup.bytes));
    let last = if of_instance == 1 { ", the only backup of its instance," } else { "" };
    format!("This removes backup {name} ({}){last} for good.", what.join(", "))
}

/// Why a backup is not removed.
fn refusal(name: &str, why: &Why) -> Failure {
    let words = match why {
        Why::Held(_) => format!("backup {name} is {why}"),
        Why::NewestVerified => format!("backup {name} is the newest verified backup of its instance"),
        Why::NewestSound => format!("backup {name} is the newest sound backup of its instance"),
        _ => format!("backup {name} is the only backup of its instance"),
    };
    let failure = Failure::new(code(why), words);
    match why {
        Why::Held(retention::Hold::Pinned(pin)) => {
            failure.hint(Hint::LiftPin { backup: name.to_owned(), pin: pin.clone() })
        }
        Why::Held(retention::Hold::BeingRead(_)) => failure.hint(
            "wait until the reader has finished; if the reader has died, the backup can be removed 16 minutes after \
                          its last sign of life",
        ),
        Why::Held(_) => failure,
        Why::NewestVerified => failure.hint(Hint::DeleteNewestVerified),
        _ => failure.hint(Hint::DeleteLast),
    }
}

fn code(why: &Why) -> &'static str {
    match why {
        Why::Held(retention::Hold::Pinned(_)) => "pinned",
        Why::Held(retention::Hold::BeingRead(_)) => "being_read",
        Why::Held(retention::Hold::NeededBy(_)) => "needed",
        Why::Held(_) => "held",
        _ => "last_backup",
    }
}
