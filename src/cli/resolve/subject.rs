//! The settings of the commands that answer a question about a backup or a server: `verify`, `show`, `diagnose`, `top`.

use super::{Chosen, Resolver, file};
use crate::cli::args::diagnose::{Diagnose, Top};
use crate::cli::args::verify::{Show, Verify};
use crate::commands::{diagnose, show, top, verify};
use crate::explain::Misuse;

impl Resolver<'_> {
    pub(super) fn verify(&self, typed: &Verify) -> Result<verify::Settings, Misuse> {
        let subject = if typed.all {
            verify::Subject::All {
                place: self.place()?,
                instance: self.only_instance()?,
                sample: typed.sample,
                older_than: typed.older_than,
            }
        } else {
            self.one(typed)?
        };
        // Reading all of a backup that is only held against something else would cost more than the comparison.
        let usual = match &subject {
            verify::Subject::One { comparison: Some(_), .. } => verify::Level::Manifest,
            _ => verify::Level::Structure,
        };
        Ok(verify::Settings {
            subject,
            level: typed.level.unwrap_or(usual),
            census: typed.census,
            max_age: typed.max_age,
            server_binary: typed.server_binary.clone(),
            temporary: std::env::temp_dir(),
            memory: typed.memory.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        })
    }

    fn one(&self, typed: &Verify) -> Result<verify::Subject, Misuse> {
        let server = self.typed_server(typed.database.number)?;
        if server.is_none() {
            self.no_database("verify", typed.database.number)?;
        }
        let instance = server.as_ref().map(|server| server.instance.clone());
        let of_url = server.as_ref().map(|server| server.node.database).filter(|number| *number > 0);
        let chosen = Chosen::of(&typed.stored, &typed.id);
        let nothing_named = chosen.id.is_none() && chosen.file.is_none();
        let with = match (server, &typed.against) {
            (Some(_), Some(_)) => {
                return Err(Misuse::usage(
                    "a backup is compared with an instance or with another backup, not with both",
                ));
            }
            (Some(server), None) => {
                Some(verify::Other::Server { server: Box::new(server), last_restored: nothing_named })
            }
            (None, Some(id)) => Some(verify::Other::Backup { place: self.place()?, id: id.clone() }),
            (None, None) => None,
        };
        let comparison = with.map(|with| verify::Comparison {
            with,
            fail_on: typed.fail_on.clone(),
            ttl_tolerance: typed.ttl_tolerance.unwrap_or_default(),
            keys: typed.keys.clone(),
            database: typed.database.number.or(self.database).or(of_url),
            limit: typed.limit,
        });
        Ok(verify::Subject::One { backup: self.stored(&chosen, instance)?, comparison })
    }

    pub(super) fn show(&self, typed: &Show) -> Result<show::Settings, Misuse> {
        let looks_inside = typed.key.is_some() || !typed.keys.is_empty();
        if !looks_inside {
            self.no_database("show", typed.database.number)?;
        }
        let chosen = Chosen { id: typed.backup_id.as_deref().or(typed.chosen.as_deref()), file: typed.file.as_deref() };
        let instance = self.typed_instance_name()?;
        // A typed instance filters: the backup of another is not shown in its place.
        let of_instance = instance.as_ref().map(|instance| format!("{instance}/{}", chosen.id.unwrap_or("latest")));
        let of_instance = of_instance.filter(|_| chosen.id.is_none_or(|id| !id.contains('/')));
        let chosen = Chosen { id: of_instance.as_deref().or(chosen.id), ..chosen };
        Ok(show::Settings {
            backup: self.stored(&chosen, instance)?,
            keys: typed.keys.clone(),
            key: typed.key.as_ref().map(|name| name.clone().into_bytes()),
            database: typed.database.number.or(self.database),
            limit: typed.limit,
        })
    }

    pub(super) fn diagnose(&self, typed: &Diagnose) -> Result<diagnose::Settings, Misuse> {
        // A part would be judged by figures of the whole.
        self.no_database("diagnose", typed.database.number)?;
        let chosen = Chosen::of(&typed.stored, &None);
        let origin = if !typed.from.is_empty() {
            diagnose::Origin::Text(typed.from.iter().map(|path| file(path)).collect())
        } else if chosen.id.is_some() || chosen.file.is_some() {
            diagnose::Origin::Backup(self.stored(&chosen, self.typed_instance_name()?)?)
        } else {
            let server = self.server(None)?;
            Self::all_databases(&server, "`diagnose` looks at all databases", |_| String::new())?;
            diagnose::Origin::Server(Box::new(server))
        };
        let rules = self.rules(&typed.profile, typed.memory_limit)?;
        let repository = match &origin {
            diagnose::Origin::Server(_) => self.place_if_named()?,
            _ => None,
        };
        Ok(diagnose::Settings {
            topic: typed.topic,
            origin,
            window: typed.window,
            since: typed.since,
            watch: typed.watch,
            full: typed.full,
            via: typed.via,
            top: typed.top,
            sort: typed.sort,
            fail_on: typed.fail_on,
            rules,
            repository,
            state_folder: self.state_folder().map(|folder| folder.join("diagnose")),
            restores: Some(self.restores_folder()),
        })
    }

    pub(super) fn top(&self, typed: &Top) -> Result<top::Settings, Misuse> {
        self.no_database("top", typed.database.number)?;
        let server = self.server(None)?;
        Self::all_databases(&server, "`top` looks at all databases", |_| String::new())?;
        if typed.every < top::LEAST_PAUSE {
            return Err(Misuse::usage("the pause between two looks is too short")
                .hint("use at least `--every 1s`: each look asks the server about ten commands"));
        }
        Ok(top::Settings {
            server,
            every: typed.every,
            rules: self.rules(&typed.profile, typed.memory_limit)?,
            restores: self.restores_folder(),
            ascii: !self.environment.is_utf8()?,
        })
    }

    /// What the settings file says about rules, and what was typed in its place.
    fn rules(&self, profile: &Option<String>, memory_limit: Option<u64>) -> Result<diagnose::Rules, Misuse> {
        let mut rules = self.file.rules()?;
        if let Some(profile) = profile {
            rules.profile = Some(profile.clone());
        }
        rules.memory_limit = memory_limit.or(rules.memory_limit);
        Ok(rules)
    }
}
