//! The settings of `restore`.

use std::path::Path;
use std::sync::Arc;

use super::archive::scratch;
use super::{Chosen, Resolver};
use crate::census::{Glob, Selection, TypeFilter};
use crate::cli::args::restore::Restore as Typed;
use crate::cli::lines::{Lines, quoted};
use crate::commands::restore::{Instance, Settings, Tails, Target, undo};
use crate::commands::which::{Backup, Server};
use crate::explain::Misuse;
use crate::operations::SafetyBackup;
use crate::repository::check_instance;
use crate::restore::{Asked, Choices, Existing, Local, Options, Rate, Ttl};

impl Resolver<'_> {
    pub(super) fn restore(&self, typed: &Typed) -> Result<Settings, Misuse> {
        if self.database.is_some() {
            return Err(Misuse::usage("`-n` has no effect on `restore`")
                .hint("use `restore --db N[:M]` to choose the database, and the database to write to"));
        }
        // Together with the safety backup, which needs a repository: what the target takes is looked at before the backup.
        let server = match self.target_server(typed)? {
            Some(server) => {
                let safety = self.safety(typed)?;
                // The safety backup is stored by this name: better now than when the question is answered.
                if matches!(safety, SafetyBackup::Into(_)) {
                    check_instance(&server.instance).map_err(|error| Misuse::settings(error.to_string()))?;
                }
                Some((server, safety))
            }
            None => None,
        };
        let chosen = Chosen::of(&typed.stored, &typed.id);
        let moment = self.moment(typed)?;
        if moment.is_some() && chosen.file.is_some() {
            return Err(
                Misuse::usage("a moment is restored from a repository, not from a file").hint("leave out `--file`")
            );
        }
        if chosen.id.is_none() && chosen.file.is_none() && (moment.is_none() || server.is_none()) {
            return Err(Misuse::usage("no backup was given").hint("`--backup-id latest`, or `--file PATH`"));
        }
        let instance = match &server {
            Some((server, _)) => Some(server.instance.clone()),
            _ => self.typed_instance_name()?,
        };
        let (backup, options) = (self.stored(&chosen, instance)?, options(typed)?);
        let target = match server {
            Some((server, safety)) => {
                let instance = self.instance(server, safety, &backup, &options, typed);
                Target::Server(Box::new(instance))
            }
            None => {
                must_be_for_a_file(typed)?;
                // It says whose backup is meant, unless the backup says so itself.
                let of = chosen.id.and_then(|id| id.split_once('/')).map(|(instance, _)| instance);
                if let Some(beside) = self.typed_instance_name()?
                    && (chosen.file.is_some() || of.is_some_and(|of| of != beside))
                {
                    return Err(self.instance_beside(typed, &beside));
                }
                on_disk(typed)
            }
        };
        let tails = if typed.without_tails { Tails::LeftOut } else { Tails::Applied(scratch(typed)) };
        Ok(Settings { backup, moment, tails, target, options, plan: typed.plan })
    }

    /// `--undo`: only the server that is named, and what restores have left on this machine.
    pub(super) fn undo(&self, typed: &Typed) -> Result<undo::Settings, Misuse> {
        if self.database.is_some() {
            return Err(Misuse::usage("`restore --undo` takes a server, not a database: remove `-n`"));
        }
        match self.target_server(typed)? {
            Some(server) => Ok(undo::Settings { server, state: self.restores_folder() }),
            None => {
                Err(Misuse::usage("`restore --undo` needs a server")
                    .hint("name the server: `--target-instance NAME|URL`"))
            }
        }
    }

    /// `restore` writes only to what `--target-instance` names: `-i` names the source everywhere else.
    fn no_target(&self, typed: &Typed) -> Result<Misuse, Misuse> {
        let Some(named) = self.typed_instance_name()? else {
            return Ok(Misuse::usage(
                "no target was given: `restore` writes only to the target named on the command line",
            )
            .hint(match typed.undo {
                true => "add `--target-instance NAME|URL`",
                false => "add `--target-instance NAME|URL`, `--to-file PATH` or `--to-dir PATH`",
            }));
        };
        Ok(self.instance_beside(typed, &named))
    }

    fn instance_beside(&self, typed: &Typed, named: &str) -> Misuse {
        let id = typed.stored.backup_id.as_deref().or(typed.id.as_deref()).unwrap_or("latest");
        let id = id.rsplit('/').next().unwrap_or(id);
        let hint = match typed.undo {
            true => format!("`--target-instance {named}`"),
            false => format!(
                "to write into this server: `--target-instance {named}`; to restore a backup of this server: `--backup-id {named}/{id}`"
            ),
        };
        Misuse::usage("`restore` takes no `-i`: only `--target-instance` names the instance to write to").hint(hint)
    }

    /// The server to restore into; `None`: a file or a folder is named in its place.
    fn target_server(&self, typed: &Typed) -> Result<Option<Server>, Misuse> {
        if typed.to_file.is_some() || typed.to_dir.is_some() {
            return Ok(None);
        }
        let server = match &typed.target_instance {
            Some(named) => match self.typed_instance_name()? {
                Some(beside) => return Err(self.instance_beside(typed, &beside)),
                None => self.named_server(named)?,
            },
            None => return Err(self.no_target(typed)?),
        };
        Self::all_databases(&server, "`restore` writes every database to its old number", |number| {
            format!("; `--db {number}` restores only that database, `--db N:{number}` restores database N into it")
        })?;
        Ok(Some(server))
    }

    fn safety(&self, typed: &Typed) -> Result<SafetyBackup, Misuse> {
        match (existing(typed).overwrites(), typed.no_safety_backup) {
            (false, _) => Ok(SafetyBackup::NotNeeded),
            (true, true) => Ok(SafetyBackup::Declined),
            (true, false) => self.place_for_backups().map(SafetyBackup::Into).map_err(|misuse| {
                Misuse::usage(format!("the safety backup of the target needs a repository: {misuse}"))
                    .hint("add `--repository URL`, or `--no-safety-backup`")
            }),
        }
    }

    fn instance(
        &self,
        server: Server,
        safety: SafetyBackup,
        backup: &Backup,
        options: &Options,
        typed: &Typed,
    ) -> Instance {
        let lines = Lines {
            reaching: self.reaching(),
            backup: backup.clone(),
            server: server.clone(),
            safety: safety.clone(),
            options: options.clone(),
            listen: typed.listen,
            advertise: typed.advertise.clone(),
        };
        Instance {
            server,
            safety,
            turns: typed.turns.chosen(),
            local: Local {
                state: self.restores_folder(),
                listen: typed.listen,
                advertise: typed.advertise.clone(),
                lines: Arc::new(lines),
            },
        }
    }

    /// A backup or the file in its place; without either the latest.
    pub(super) fn stored(&self, chosen: &Chosen<'_>, instance: Option<String>) -> Result<Backup, Misuse> {
        match chosen.file {
            Some(path) => Ok(Backup::File(super::file(path))),
            None => Ok(Backup::Stored {
                place: self.place_for_backups()?,
                id: chosen.id.unwrap_or("latest").to_owned(),
                instance,
            }),
        }
    }
}

/// A file is written as it is, and no server is asked: what could not be followed is refused rather than passed over.
fn must_be_for_a_file(typed: &Typed) -> Result<(), Misuse> {
    let name = typed.to_file.as_ref().and_then(|path| path.file_name()?.to_str());
    if let Some((name, (plain, end))) = name.and_then(|name| Some((name, name.rsplit_once('.')?)))
        && let Some(packer) =
            [("gz", "gzip"), ("zst", "zstd")].iter().find(|(packed, _)| end.eq_ignore_ascii_case(packed))
    {
        let (plain, name) = (quoted(plain), quoted(name));
        return Err(Misuse::usage(format!(
            "`--to-file` writes an uncompressed RDB, and `{name}` is the name of a compressed one"
        ))
        .hint(format!("`--to-file {plain}`, which a server loads; or `--to-file - | {} > {name}`", packer.1)));
    }
    let options = [
        ("--keys", !typed.keys.is_empty()),
        ("--exclude", !typed.exclude.is_empty()),
        ("--db", !typed.databases.is_empty()),
        ("--type", !typed.types.is_empty()),
        ("--ttl", typed.ttl != Ttl::Keep),
        ("--method", typed.method != Asked::Auto),
        ("--on-conflict", typed.on_conflict.is_some()),
        ("--replace-all", typed.replace_all),
        ("--rate", typed.rate.is_some()),
        ("--resume", typed.resume),
        ("--skip-verify", typed.skip_verify),
        ("--listen", typed.listen.is_some()),
        ("--advertise", typed.advertise.is_some()),
        ("--no-safety-backup", typed.no_safety_backup),
        ("--no-proof", typed.no_proof),
        ("--accept-loss", typed.accept_loss),
        ("--allow-replica-resync", typed.allow_replica_resync),
    ];
    let Some((name, _)) = options.into_iter().find(|(_, is_typed)| *is_typed) else { return Ok(()) };
    let target = if typed.to_dir.is_some() { "--to-dir" } else { "--to-file" };
    let misuse =
        Misuse::usage(format!("`{target}` takes no `{name}`: the file always holds the whole backup, unchanged"));
    Err(match name {
        "--on-conflict" | "--replace-all" => misuse.hint("an existing file is never overwritten"),
        "--skip-verify" => misuse.hint("the whole backup is verified before the file gets its name"),
        _ => misuse.hint(format!("`{name}` is for `--target-instance`")),
    })
}

/// The file or the folder that is named in place of a server.
fn on_disk(typed: &Typed) -> Target {
    match (&typed.to_dir, &typed.to_file) {
        (Some(path), _) => Target::Folder(path.clone()),
        (None, Some(path)) if path != Path::new("-") => Target::File(path.clone()),
        (None, _) => Target::Stdout,
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
            Misuse::usage(format!("`{name}` is not a Redis type")).hint(known)
        })
    });
    for (at, map) in typed.databases.iter().enumerate() {
        if let Some(other) = typed.databases[..at].iter().find(|other| other.from == map.from && other.to != map.to) {
            let (from, one, two) = (map.from, other.to, map.to);
            let text = format!("`--db {from}:{one}` and `--db {from}:{two}` send database {from} to two places");
            return Err(Misuse::usage(text).hint("restore twice, once into each database"));
        }
    }
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
