//! The settings of `schedule`.

use super::Resolver;
use crate::cli::args::schedule::Schedule as Typed;
use crate::cli::env;
use crate::commands::schedule::{Form, Settings};
use crate::explain::Misuse;

impl Resolver<'_> {
    pub(super) fn schedule(&self, typed: &Typed) -> Result<Settings, Misuse> {
        self.no_database("schedule", typed.database.number)?;
        if typed.image.is_some() && typed.form != Form::Kubernetes {
            return Err(Misuse::usage("`--image` is for `--as kubernetes`"));
        }
        let block = self.file.backup()?;
        // By its name alone: what its password file holds is the business of the run.
        let named = match self.typed_instance_name()? {
            Some(named) => Some(named),
            None => self.environment.text(env::INSTANCE)?.map(str::to_owned),
        };
        let instance = named.unwrap_or_default();
        // What runs at night has no command line of its own, and a URL may hold a password.
        if !self.file.instances().contains(&instance.as_str()) {
            return Err(Misuse::usage("a schedule is for an instance of the settings")
                .hint("name it under `instances` in the settings, and with `-i NAME`"));
        }
        self.place()?;
        let config = self.file.path().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        Ok(Settings {
            instance,
            enabled: block.enabled,
            schedule: block.schedule,
            form: typed.form,
            jitter: typed.jitter.unwrap_or_default(),
            prune: self.file.retention()?.is_some_and(|policy| !policy.keeps_nothing()),
            program: std::env::current_exe().unwrap_or_else(|_| "redis-ops".into()),
            config: config.unwrap_or_default(),
            image: typed.image.clone().unwrap_or_else(|| format!("redis-ops:{}", env!("CARGO_PKG_VERSION"))),
            to_dir: typed.to_dir.clone(),
        })
    }
}
