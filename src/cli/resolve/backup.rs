//! The settings of `backup`.

use super::encryption::EncryptTo;
use super::instance::checked_name;
use super::{Resolver, file};
use crate::capture::spool::Spooling;
use crate::cli::args::backup::Backup as Typed;
use crate::cli::settings_file::Backup as Block;
use crate::commands::backup::{IfDue, Origin, Retention, Settings, Shards};
use crate::commands::prune;
use crate::commands::telling::Telling;
use crate::explain::Misuse;
use crate::storage::Location;

/// What may wait for a store that is away, bytes.
const SPOOL_LIMIT: u64 = 1_000_000_000;

impl Resolver<'_> {
    pub(super) fn backup(&self, typed: &Typed) -> Result<Settings, Misuse> {
        let block = self.file.backup()?;
        let origin = match &typed.from_file {
            Some(path) => Origin::File { file: file(path), instance: self.name_of_adopted(typed.name.as_deref())? },
            None => self.origin(typed, &block)?,
        };
        let mut place = self.place()?;
        let file = typed.encrypt_to_file.as_deref();
        place.encryption.to = self.encrypt_to(&EncryptTo { recipients: &typed.encrypt_to, file })?;
        place.s3.spool_dir.clone_from(&typed.spool);
        place.s3.retry = typed.store_retry;
        place.s3.awaits_listener = !typed.plan;
        if matches!(place.location, Location::S3 { .. })
            && let Some(class @ ("GLACIER" | "DEEP_ARCHIVE")) = place.s3.storage_class.as_deref()
        {
            tracing::warn!(
                "`s3.storage_class: {class}` is an archive class: before this backup can be verified or restored, its objects \
                 must be restored from the archive, which takes hours"
            );
        }
        let mut copies = self.copies()?;
        for copy in &mut copies {
            copy.s3.spool_dir.clone_from(&typed.spool);
            copy.s3.retry = typed.store_retry;
            // One of them takes the backup where the first repository fails.
            copy.encryption.to.clone_from(&place.encryption.to);
            copy.s3.awaits_listener = !typed.plan;
        }
        let retention = match typed.prune {
            true => {
                let behind = "add `backup.retention` to the settings; or leave out `--prune`, and run `redis-ops prune --keep-daily 7 --keep-weekly 4` after the backup";
                let policy = self.policy_of_settings().map_err(|error| error.hint(behind))?;
                prune::must_keep_something(&policy)?;
                let instance = match &origin {
                    Origin::Server { server, .. } => &server.instance,
                    Origin::File { instance, .. } => instance,
                };
                self.policy_must_be_for(Some(instance), &place).map_err(|error| error.hint(behind))?;
                Some(Retention { policy, from: self.where_the_policy_stands() })
            }
            false => None,
        };
        Ok(Settings {
            origin,
            place,
            copies,
            codec: typed.compression.or(block.codec).unwrap_or_default(),
            labels: typed.labels.iter().cloned().collect(),
            rate: typed.rate,
            spool: Spooling {
                folder: typed.spool.clone().unwrap_or_else(std::env::temp_dir),
                limit: typed.spool_limit.unwrap_or(SPOOL_LIMIT),
            },
            telling: self.telling(typed, &block)?,
            jitter: typed.jitter.unwrap_or_default(),
            turns: typed.turns.chosen(),
            retention,
            plan: typed.plan,
        })
    }

    fn origin(&self, typed: &Typed, block: &Block) -> Result<Origin, Misuse> {
        let (enabled, schedule) = (block.enabled, block.schedule.clone());
        self.no_database("backup", typed.database.number)?;
        let mut server = self.server(None)?;
        Self::all_databases(&server, "`backup` saves all databases", |number| {
            format!("; `restore --db {number}` restores one database of a backup")
        })?;
        let is_named = typed.name.is_some() || self.file.instances().contains(&server.instance.as_str());
        server.instance = self.name_in_repository(&server, typed.name.as_deref())?;
        let if_due = match (typed.if_due, schedule) {
            (false, _) => None,
            (true, _) if !enabled => Some(IfDue::Disabled),
            (true, None) => {
                return Err(Misuse::settings("`--if-due` needs a schedule, but the settings have none")
                    .hint("`backup.schedule: \"0 1 * * *\"` means every night at 01:00"));
            }
            (true, Some(schedule)) => Some(IfDue::Schedule(schedule)),
        };
        Ok(Origin::Server {
            server: Box::new(server),
            is_named,
            method: typed.source,
            read_from: typed.read_from,
            transfer: typed.transfer,
            shard_only: typed.shard_only,
            shards: Shards {
                parallel: typed.parallel.map(usize::from),
                retries: typed.shard_retries,
                wait: typed.wait,
                allow_gaps: typed.allow_gaps,
                consistent: typed.consistent.or(block.consistent).unwrap_or_default(),
                tail_limit: typed.tail_limit,
            },
            stale: typed.stale,
            if_due,
        })
    }

    /// What was typed goes before what the settings say.
    fn telling(&self, typed: &Typed, block: &Block) -> Result<Telling, Misuse> {
        let ping = match &typed.ping_url {
            Some(url) => Some(url.parse().map_err(|why: String| Misuse::usage(format!("`--ping-url` is {why}")))?),
            None => block.ping_url.clone(),
        };
        let or = |typed: &Option<String>, file: &Option<String>| typed.clone().or_else(|| file.clone());
        Ok(Telling::new(or(&typed.on_success, &block.on_success), or(&typed.on_failure, &block.on_failure), ping))
    }

    fn name_of_adopted(&self, name: Option<&str>) -> Result<String, Misuse> {
        let typed = match name {
            Some(name) => Some(name.to_owned()),
            None => self.typed_instance_name()?,
        };
        match typed {
            Some(name) => checked_name(&name),
            None => Err(Misuse::usage("`--from-file` needs the name of the instance").hint("add `--name NAME`")),
        }
    }
}
