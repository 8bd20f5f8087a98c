//! The settings of `prune`, `copy`, `delete`, `pin` and `status`: whose backups, and by which policy.

use super::{Global, Resolver, SettingsFile, env};
use crate::cli::args::retention::{Copy, Delete, Pin, Prune};
use crate::cli::args::status::Status;
use crate::commands::which::Place;
use crate::commands::{copy, delete, pin, prune, status};
use crate::explain::{Hint, Misuse};
use crate::retention::{Policy, SAFETY, Wanted};
use crate::storage::Location;

impl Resolver<'_> {
    pub(super) fn prune(&self, typed: &Prune) -> Result<prune::Settings, Misuse> {
        self.no_database("prune", typed.database.number)?;
        let place = self.place()?;
        let named = self.typed_instance_name()?;
        let (policy, from, wanted) = match self.typed_policy(typed) {
            // What was typed is the whole policy: rules of the settings that nobody sees would keep more than was asked for, or less.
            Some(policy) => (policy, "the command line".to_owned(), Wanted::All),
            None => {
                let mut policy = self.policy_of_settings()?;
                policy.safety = typed.keep_safety.unwrap_or(policy.safety);
                self.policy_must_be_for(named.as_deref(), &place)?;
                let known: Vec<String> = self.file.instances().into_iter().map(str::to_owned).collect();
                let from = self.where_the_policy_stands();
                if known.is_empty() && named.is_none() {
                    let text = format!("{from} applies to the instances in the settings, but the settings have none");
                    return Err(Misuse::usage(text).hint("add `-i NAME`, or add `instances` to the settings"));
                }
                // A policy in the settings of some instances is not for those of others that share the repository.
                let wanted = Wanted::These(known);
                (policy, from, wanted)
            }
        };
        let wanted = named.map_or(wanted, Wanted::One);
        Ok(prune::Settings { place, wanted, policy, from, dry_run: typed.dry_run, turns: typed.turns.chosen() })
    }

    /// The policy for one instance that the settings hold, and where it stands.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn policy_of_settings(&self) -> Result<Policy, Misuse> {
        self.file.retention()?.ok_or_else(|| Misuse::usage("no rule says which backups to keep").hint(Hint::NameRule))
    }

    /// Refuses to hold the policy of the settings against an instance or a repository that the settings do not name.
    ///
    /// # Errors
    /// It is another's.
    pub(super) fn policy_must_be_for(&self, instance: Option<&str>, place: &Place) -> Result<(), Misuse> {
        let (from, known) = (self.where_the_policy_stands(), self.file.instances());
        if let Some(name) = instance
            && !known.is_empty()
            && !known.contains(&name)
        {
            let text = format!("{from} is the policy for {}, not for `{name}`", known.join(", "));
            return Err(Misuse::usage(text)
                .hint("to prune another instance, give its policy, such as `--keep-daily 7 --keep-weekly 4`"));
        }
        if let Some(destination) = self.file.destination()?
            && destination.parse::<Location>().is_ok_and(|own| !own.is_same(&place.location))
        {
            let text = format!(
                "{from} is the policy for {destination}, but the repository that was given is {}",
                place.location
            );
            return Err(Misuse::usage(text)
                .hint("to prune another repository, give its policy, such as `--keep-daily 7 --keep-weekly 4`"));
        }
        Ok(())
    }

    /// Whether a repository is the one of the settings; the one that is used is, where they name none.
    fn is_place_of_settings(&self, place: &Place) -> Result<bool, Misuse> {
        let own = self.file.destination()?.and_then(|destination| destination.parse::<Location>().ok());
        Ok(own.is_none_or(|own| own.is_same(&place.location)))
    }

    pub(super) fn where_the_policy_stands(&self) -> String {
        let file = self.file.path().map_or_else(String::new, |path| format!(" in {}", path.display()));
        format!("`backup.retention`{file}")
    }

    fn typed_policy(&self, typed: &Prune) -> Option<Policy> {
        let counts = [
            typed.keep_last,
            typed.keep_hourly,
            typed.keep_daily,
            typed.keep_weekly,
            typed.keep_monthly,
            typed.keep_yearly,
        ];
        if counts.iter().all(Option::is_none) && typed.keep_within.is_none() {
            return None;
        }
        let [last, hourly, daily, weekly, monthly, yearly] = counts.map(Option::unwrap_or_default);
        let safety = typed.keep_safety.unwrap_or(SAFETY);
        Some(Policy { last, hourly, daily, weekly, monthly, yearly, within: typed.keep_within, safety })
    }

    pub(super) fn status(&self, typed: &Status) -> Result<status::Settings, Misuse> {
        self.no_database("status", typed.database.number)?;
        let place = self.place()?;
        // What the settings ask for they ask of their own repository.
        let is_theirs = self.is_place_of_settings(&place)?;
        Ok(status::Settings {
            place,
            instance: self.typed_instance_name()?,
            known: self.file.instances().into_iter().filter(|_| is_theirs).map(str::to_owned).collect(),
            schedule: self.file.schedule()?.filter(|_| is_theirs),
            policy: self.file.retention()?.filter(|_| is_theirs),
            max_age: typed.max_age,
            max_unverified: typed.max_unverified,
        })
    }

    pub(super) fn copy(&self, typed: &Copy) -> Result<copy::Settings, Misuse> {
        self.no_database("copy", typed.database.number)?;
        let to = match (&typed.to, &typed.to_config) {
            (Some(to), None) => self.place_at(to)?,
            (to, Some(path)) => {
                let file = SettingsFile::find(Some(path), self.environment)?;
                // What was typed for the one store does not hold for the other.
                let global = Global { s3_endpoint: None, s3_region: None, s3_path_style: None, ..self.global.clone() };
                let environment = self.environment.without(&[
                    env::AWS_ENDPOINT_URL_S3,
                    env::AWS_ENDPOINT_URL,
                    env::AWS_REGION,
                    env::AWS_DEFAULT_REGION,
                ]);
                let other = Resolver { global: &global, environment: &environment, file: &file, ..*self };
                let named = match to {
                    Some(to) => Some(to.clone()),
                    None => file.destination()?,
                };
                let named = named.ok_or_else(|| {
                    Misuse::usage(format!("{} names no repository", path.display()))
                        .hint("add `--to`, or `backup.destination` to that file")
                })?;
                other.place_at(&named)?
            }
            // clap requires one of the two.
            (None, None) => return Err(Misuse::usage("no repository to copy to was given").hint("add `--to`")),
        };
        Ok(copy::Settings {
            place: self.place()?,
            to,
            ids: typed.ids.clone(),
            instance: self.only_instance()?,
            dry_run: typed.dry_run,
            turns: typed.turns.chosen(),
        })
    }

    pub(super) fn delete(&self, typed: &Delete) -> Result<delete::Settings, Misuse> {
        self.no_database("delete", typed.database.number)?;
        Ok(delete::Settings {
            place: self.place()?,
            id: typed.backup.id(),
            instance: self.typed_instance_name()?,
            last: typed.last,
            turns: typed.turns.chosen(),
        })
    }

    pub(super) fn pin(&self, typed: &Pin) -> Result<pin::Settings, Misuse> {
        self.no_database("pin", typed.database.number)?;
        Ok(pin::Settings {
            place: self.place()?,
            id: typed.backup.id(),
            instance: self.typed_instance_name()?,
            name: typed.name.clone(),
            reason: typed.reason.clone(),
            lift: typed.lift,
        })
    }
}
