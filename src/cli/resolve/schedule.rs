//! The settings of `schedule`.

use super::Resolver;
use crate::cli::args::Global;
use crate::cli::args::schedule::Schedule as Typed;
use crate::cli::env;
use crate::commands::schedule::{Form, Settings};
use crate::explain::Misuse;
use crate::repository::check_instance;
use crate::storage::Location;

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
            let known = self.file.instances();
            return Err(match (instance.is_empty(), known.as_slice()) {
                (true, [only]) => Misuse::usage("`schedule` needs an instance").hint(format!("add `-i {only}`")),
                (true, [_, ..]) => Misuse::usage("`schedule` needs an instance")
                    .hint(format!("add `-i NAME`, with one of `{}`", known.join("`, `"))),
                (true, []) => Misuse::usage("`schedule` needs an instance of the settings, and they name none")
                    .hint("add it under `instances` in the settings, then add `-i NAME`"),
                (false, _) => {
                    // A URL may hold a password.
                    let named = if instance.contains(['/', '@']) { "a URL" } else { instance.as_str() };
                    Misuse::usage(format!("`schedule` needs an instance of the settings, and `{named}` is not one"))
                        .hint("add it under `instances` in the settings, then add `-i NAME`")
                }
            });
        }
        if let Err(error) = check_instance(&instance) {
            return Err(Misuse::usage(error.to_string()).hint("give the instance another name in the settings"));
        }
        // What runs at night reads all of it from the settings.
        if let Some(name) = typed_for_the_store(self.global) {
            return Err(Misuse::usage(format!(
                "`{name}` has no effect on `schedule`: what it prints uses the settings"
            ))
            .hint("write it into the settings, or add it to the printed command by hand"));
        }
        self.place()?;
        if block.archives {
            self.must_not_ask_for_encryption()?;
        }
        let config = self.file.path().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        Ok(Settings {
            instance,
            enabled: block.enabled,
            archives: block.archives,
            schedule: block.schedule,
            form: typed.form,
            jitter: typed.jitter.unwrap_or_default(),
            prune: self.file.retention()?.is_some_and(|policy| !policy.keeps_nothing()),
            variables: self.variables()?,
            program: std::env::current_exe().unwrap_or_else(|_| "redis-ops".into()),
            config: config.unwrap_or_default(),
            image: typed.image.clone().unwrap_or_else(|| format!("redis-ops:{}", env!("CARGO_PKG_VERSION"))),
            to_dir: typed.to_dir.clone(),
        })
    }
}

impl Resolver<'_> {
    /// Environment variables without which a run at night is not what it is here.
    fn variables(&self) -> Result<Vec<String>, Misuse> {
        let mut variables = self.file.variables().to_vec();
        let on_s3 = matches!(self.place()?.location, Location::S3 { .. });
        for variable in [env::AWS_ACCESS_KEY_ID, env::AWS_SECRET_ACCESS_KEY, env::AWS_SESSION_TOKEN] {
            if on_s3
                && self.environment.text(variable)?.is_some()
                && !variables.iter().any(|name| name == variable.name)
            {
                variables.push(variable.name.to_owned());
            }
        }
        Ok(variables)
    }
}

/// The first option that names a repository, or how it is reached.
fn typed_for_the_store(global: &Global) -> Option<&'static str> {
    let given = [
        ("--repository", global.repository.is_some()),
        ("--s3-endpoint", global.s3_endpoint.is_some()),
        ("--s3-region", global.s3_region.is_some()),
        ("--s3-path-style", global.s3_path_style.is_some()),
        ("--identity", !global.identities.is_empty()),
        ("--passphrase-file", global.passphrase_file.is_some()),
    ];
    given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
}
