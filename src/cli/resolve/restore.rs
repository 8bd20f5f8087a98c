//! The settings of `restore`.

use std::path::Path;

use super::{Chosen, Resolver};
use crate::census::{Glob, Selection, TypeFilter};
use crate::cli::args::restore::Restore as Typed;
use crate::commands::restore::{Instance, SafetyBackup, Settings, Target, undo};
use crate::commands::which::{Backup, Server};
use crate::explain::Misuse;
use crate::restore::{Choices, Existing, Options, Rate};

impl Resolver<'_> {
    pub(super) fn restore(&self, typed: &Typed) -> Result<Settings, Misuse> {
        if self.database.is_some() {
            return Err(Misuse::usage("`-n` before `restore` means nothing")
                .hint("`restore --db N[:M]` says which database, and where to"));
        }
        let target = self.target(typed)?;
        let chosen = Chosen::from(&typed.stored);
        if chosen.id.is_none() && chosen.file.is_none() {
            return Err(Misuse::usage("no backup is named").hint("`--backup-id latest`, or `--file PATH`"));
        }
        // Beside a target that is named, `-i` says whose backup is meant; alone it is the target.
        let instance = match (&target, &typed.target_instance) {
            (_, Some(_)) if self.typed_instance_name()?.is_some() => self.typed_instance_name()?,
            (Target::Server(instance), _) => Some(instance.server.instance.clone()),
            _ => self.typed_instance_name()?,
        };
        Ok(Settings {
            backup: self.stored(&chosen, instance)?,
            target,
            options: options(typed)?,
            plan: typed.plan,
            reaching: self.reaching(),
        })
    }

    /// `--undo`: only the server that is named, and what restores have left on this machine.
    pub(super) fn undo(&self, typed: &Typed) -> Result<undo::Settings, Misuse> {
        if self.database.is_some() {
            return Err(Misuse::usage("`restore --undo` takes a server, not a database: leave out `-n`"));
        }
        match self.target(typed)? {
            Target::Server(instance) => Ok(undo::Settings { server: instance.server, state: instance.state }),
            _ => {
                Err(Misuse::usage("`restore --undo` needs a server")
                    .hint("name the server: `--target-instance NAME|URL`"))
            }
        }
    }

    fn target(&self, typed: &Typed) -> Result<Target, Misuse> {
        if let Some(path) = &typed.to_file {
            return Ok(if path == Path::new("-") { Target::Stdout } else { Target::File(path.clone()) });
        }
        if let Some(path) = &typed.to_dir {
            return Ok(Target::Folder(path.clone()));
        }
        let server = match &typed.target_instance {
            Some(named) => self.named_server(named)?,
            None => self.typed_server(None)?.ok_or_else(|| {
                Misuse::usage("no target is named, and `restore` writes to none that is not named on the command line")
                    .hint("`--target-instance NAME|URL`, `--to-file PATH` or `--to-dir PATH`")
            })?,
        };
        self.instance(server, typed).map(|instance| Target::Server(Box::new(instance)))
    }

    fn instance(&self, server: Server, typed: &Typed) -> Result<Instance, Misuse> {
        let safety = match (existing(typed).overwrites(), typed.no_safety_backup) {
            (false, _) => SafetyBackup::NotNeeded,
            (true, true) => SafetyBackup::Declined,
            (true, false) => SafetyBackup::Into(self.place().map_err(|misuse| {
                Misuse::usage(format!("a safety backup of the target comes first, and {misuse}"))
                    .hint("`--repository URL`, or `--no-safety-backup` to go without")
            })?),
        };
        Ok(Instance {
            server,
            safety,
            proof: !typed.no_proof,
            listen: typed.listen,
            advertise: typed.advertise.clone(),
            state: self.restores_folder(),
        })
    }

    /// A backup or the file in its place; without either the latest.
    pub(super) fn stored(&self, chosen: &Chosen<'_>, instance: Option<String>) -> Result<Backup, Misuse> {
        match chosen.file {
            Some(path) => Ok(Backup::File(super::file(path))),
            None => Ok(Backup::Stored { place: self.place()?, id: chosen.id.unwrap_or("latest").to_owned(), instance }),
        }
    }
}

/// What the operation is to do.
fn options(typed: &Typed) -> Result<Options, Misuse> {
    Ok(Options {
        method: typed.method,
        existing: existing(typed),
        allow_replica_resync: typed.allow_replica_resync,
        accept_loss: typed.accept_loss,
        choices: choices(typed)?,
        rate: typed.rate.map(Rate::Bytes),
        resume: typed.resume,
        skip_verify: typed.skip_verify,
        proof: !typed.no_proof,
        ..Options::default()
    })
}

/// `--replace-all` and `--on-conflict` are one decision; clap refuses both together.
fn existing(typed: &Typed) -> Existing {
    match typed.replace_all {
        true => Existing::ReplaceAll,
        false => typed.on_conflict.unwrap_or_default(),
    }
}

fn choices(typed: &Typed) -> Result<Choices, Misuse> {
    let types = typed.types.iter().map(|name| {
        TypeFilter::parse(name).filter(|_| TypeFilter::names().any(|known| known == name)).ok_or_else(|| {
            let known = TypeFilter::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Misuse::usage(format!("`{name}` is no type of Redis")).hint(known)
        })
    });
    let moved = typed.databases.iter().filter(|map| map.from != map.to);
    Ok(Choices {
        selection: Selection {
            keys: typed.keys.iter().map(Glob::new).collect(),
            exclude: typed.exclude.iter().map(Glob::new).collect(),
            databases: typed.databases.iter().map(|map| u64::from(map.from)).collect(),
            types: types.collect::<Result<_, _>>()?,
        },
        moved: moved.map(|map| (u64::from(map.from), u64::from(map.to))).collect(),
        ttl: typed.ttl,
        // How old the backup is, is known when it was found.
        shift_ms: 0,
    })
}
