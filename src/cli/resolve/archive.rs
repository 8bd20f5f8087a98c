//! The settings of `archive`, and which moment a restore is of.

use std::path::PathBuf;

use super::Resolver;
use super::instance::checked_name;
use crate::archive;
use crate::cli::args::archive::{Action as TypedAction, Archive as Typed};
use crate::cli::args::restore::Restore;
use crate::commands::archive::{Action, Follow, Settings};
use crate::commands::restore::MomentWanted;
use crate::connection::Node;

use crate::explain::Misuse;
use crate::moment::Wanted;
use crate::operations::ScratchOptions;

impl Resolver<'_> {
    pub(super) fn archive(&self, typed: &Typed) -> Result<Settings, Misuse> {
        self.no_database("archive", typed.database.number)?;
        let (instance, action) = match (typed.action, &typed.point) {
            (None, _) => {
                self.must_not_ask_for_encryption()?;
                let (instance, node) = self.followed(typed)?;
                (instance, Action::Follow(Box::new(self.follow(typed, node))))
            }
            (Some(TypedAction::Mark), Some(name)) => {
                let (instance, node) = self.followed(typed)?;
                (instance, Action::Mark { name: checked_name(name)?, node: Box::new(node) })
            }
            (Some(TypedAction::Mark), None) => {
                return Err(Misuse::usage("`archive mark` needs a name").hint("`redis-ops archive mark NAME`"));
            }
            (Some(_), Some(point)) => {
                return Err(Misuse::usage(format!("`{point}` means nothing here"))
                    .hint("only `archive mark` takes a name; `-i NAME` names the instance"));
            }
            (Some(TypedAction::Status), None) => (self.archived(typed)?, Action::Status),
            (Some(TypedAction::Log), None) => (self.archived(typed)?, Action::Log),
        };
        Ok(Settings { instance, place: self.place()?, action })
    }

    /// What is archived is not encrypted yet: nobody must believe that it is.
    pub(super) fn must_not_ask_for_encryption(&self) -> Result<(), Misuse> {
        match self.file.encryption()? {
            None => Ok(()),
            Some(_) => Err(Misuse::settings("`archive` does not encrypt yet, but the settings have `backup.encryption`")
                .hint("follow this instance with a settings file without `backup.encryption`, if its stream may lie there unencrypted")),
        }
    }

    /// The server that is followed, and its name in the repository.
    fn followed(&self, typed: &Typed) -> Result<(String, Node), Misuse> {
        let server = self.server(None)?;
        Self::all_databases(&server, "`archive` follows all databases", |_| String::new())?;
        Ok((self.name_in_repository(&server, typed.name.as_deref())?, server.node))
    }

    /// The name of an archive, for which no server is needed: the archive may have outlived the server and the settings.
    fn archived(&self, typed: &Typed) -> Result<String, Misuse> {
        match (&typed.name, self.typed_instance_name()?) {
            (Some(name), _) => checked_name(name),
            (None, Some(name)) => checked_name(&name),
            (None, None) => Ok(self.followed(typed)?.0),
        }
    }

    fn follow(&self, typed: &Typed, node: Node) -> Follow {
        Follow {
            node,
            wanted: typed.read_from.into(),
            stop_after: typed.stop_after,
            state: self.state_folder().unwrap_or_else(|| std::env::temp_dir().join("redis-ops")).join("archive"),
            segment_size: typed.segment_size.unwrap_or(archive::SEGMENT_SIZE).max(1),
            rpo: typed.rpo.unwrap_or(archive::RPO),
            spool_limit: typed.spool_limit.unwrap_or(archive::SPOOL_LIMIT),
        }
    }

    /// The moment that a restore is of; `None`: that of a backup.
    pub(super) fn moment(&self, typed: &Restore) -> Result<Option<MomentWanted>, Misuse> {
        if typed.timeline.is_some() && typed.to_offset.is_none() && typed.before_command.is_none() {
            return Err(Misuse::usage("`--timeline` goes with `--to-offset` or `--before-command`"));
        }
        let wanted = match typed {
            Restore { to_latest: true, .. } => Wanted::Latest,
            Restore { to_offset: Some(offset), timeline, .. } => {
                Wanted::Offset { offset: *offset, history: timeline.clone() }
            }
            Restore { to_time: Some(time), .. } => Wanted::Time(*time),
            Restore { to_mark: Some(name), .. } => Wanted::Named(checked_name(name)?),
            Restore { before_command: Some(text), timeline, .. } => before(text, timeline.clone())?,
            _ => return Ok(None),
        };
        Ok(Some(MomentWanted { wanted, scratch: scratch(typed) }))
    }
}

/// The throwaway server that streams are fed to.
pub(super) fn scratch(typed: &Restore) -> ScratchOptions {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ScratchOptions {
        binary: typed.server_binary.clone(),
        path: std::env::split_paths(&path).collect::<Vec<PathBuf>>(),
        folder: std::env::temp_dir(),
    }
}

/// `FLUSHALL`, `DEL cart:1`, `FLUSHALL@1234`.
fn before(text: &str, history: Option<String>) -> Result<Wanted, Misuse> {
    let (text, at) = match text.rsplit_once('@') {
        Some((text, at)) if !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit()) => {
            let at = at.parse().map_err(|_| Misuse::usage(format!("`{at}` is no offset")))?;
            (text, Some(at))
        }
        _ => (text, None),
    };
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match words.is_empty() {
        true => Err(Misuse::usage("`--before-command` needs a command").hint("`--before-command FLUSHALL`")),
        false => Ok(Wanted::Before { words, at, history }),
    }
}
