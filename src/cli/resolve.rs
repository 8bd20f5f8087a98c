//! What was typed becomes what was meant: flags go before the environment, the environment before the settings file, the file before
//! defaults. Below here nothing is half-known.

mod archive;
mod backup;
mod encryption;
mod instance;
mod lock;
mod reaching;
mod restore;
mod retention;
mod schedule;
mod subject;

use std::path::{Path, PathBuf};

use super::args::{self, Command as Typed, Global};
use super::completion;
use super::env::{self, Environment};
use super::settings_file::SettingsFile;
use crate::commands::nearest::nearest;
use crate::commands::which::{File, Place};
use crate::commands::{self, Command, Format, explain, health, init, list, metrics};
use crate::encryption::Encryption;
use crate::explain::Misuse;
use crate::printer::{ColorChoice, Printer};
use crate::storage::{InvalidLocation, Location, S3Credentials, S3Options};

/// Understands one command line.
pub struct Resolver<'a> {
    global: &'a Global,
    /// `-n` before the command.
    database: Option<u32>,
    environment: &'a Environment,
    file: &'a SettingsFile,
    printer: &'a Printer,
}

/// The command with all that it needs to know. `typed` is none that is answered without settings (help, completions, man).
pub fn command(
    typed: &Typed,
    global: &Global,
    database: Option<u32>,
    environment: &Environment,
    printer: &Printer,
) -> Result<Option<Command>, Misuse> {
    if let Typed::Explain { rule } = typed {
        return Ok(Some(Command::Explain(explain::Settings { rule: rule.clone() })));
    }
    let file = SettingsFile::find(global.config.as_deref(), environment)?;
    if let Some(path) = file.path() {
        tracing::info!(path = %path.display(), "settings file");
    }
    tell_of_blanks(&environment.trimmed_of_ours());
    tell_of_unknown(&environment.unknown_of_ours());
    let resolver = Resolver { global, database, environment, file: &file, printer };
    resolver.resolve(typed)
}

/// Says which variables of ours nobody reads: a name that was mistyped would be passed over silently.
fn tell_of_unknown(names: &[&str]) {
    for name in names {
        let known: Vec<&str> = env::ALL.iter().map(|variable| variable.name).collect();
        let meant = nearest(name, &known).filter(|best| best.starts_with(env::OURS));
        let meant = meant.map(|best| format!("; did you mean {best}?")).unwrap_or_default();
        tracing::warn!("redis-ops does not know the environment variable {name}{meant}");
    }
}

/// Says which variables have lost a line break or blanks at their ends: secrets that are mounted as files end so.
fn tell_of_blanks(names: &[&str]) {
    if !names.is_empty() {
        let verb = if names.len() == 1 { "ends" } else { "end" };
        tracing::warn!("{} {verb} with a line break or blanks, which are ignored", names.join(", "));
    }
}

impl Resolver<'_> {
    fn resolve(&self, typed: &Typed) -> Result<Option<Command>, Misuse> {
        Ok(Some(match typed {
            Typed::Archive(args) => Command::Archive(self.archive(args)?),
            Typed::Backup(args) => Command::Backup(self.backup(args)?),
            Typed::Restore(args) if args.undo => Command::Undo(self.undo(args)?),
            Typed::Restore(args) => Command::Restore(self.restore(args)?),
            Typed::Verify(args) => Command::Verify(self.verify(args)?),
            Typed::List(args) => {
                self.no_database("list", args.database.number)?;
                let (place, instance) = (self.place()?, self.only_instance()?);
                let is_all = instance.is_none() && args.since.is_none() && args.limit.is_none() && !args.latest;
                let remembered_in = self.state_folder().filter(|_| is_all);
                let remembered_in = remembered_in.and_then(|state| completion::file_of(&state, &place.location));
                Command::List(list::Settings {
                    place,
                    instance,
                    since: args.since,
                    limit: args.limit,
                    latest: args.latest,
                    remembered_in,
                })
            }
            Typed::Show(args) => Command::Show(self.show(args)?),
            Typed::Status(args) => Command::Status(self.status(args)?),
            Typed::Prune(args) => Command::Prune(self.prune(args)?),
            Typed::Copy(args) => Command::Copy(self.copy(args)?),
            Typed::Delete(args) => Command::Delete(self.delete(args)?),
            Typed::Pin(args) => Command::Pin(self.pin(args)?),
            Typed::Init { database } => {
                self.no_database("init", database.number)?;
                Command::Init(init::Settings { place: self.place()? })
            }
            Typed::Lock(args) => Command::Lock(self.lock(args)?),
            Typed::Schedule(args) => Command::Schedule(self.schedule(args)?),
            Typed::Diagnose(args) => Command::Diagnose(self.diagnose(args)?),
            Typed::Top(args) => Command::Top(self.top(args)?),
            Typed::Health(args) => Command::Health(health::Settings {
                server: self.server(args.database.number)?,
                require: args.require,
                restores: self.restores_folder(),
            }),
            Typed::Metrics(args) => Command::Metrics(metrics::Settings {
                schedule: self.file.schedule()?,
                server: self.server(args.database.number)?,
                repository: self.place_if_named()?,
                rules: self.file.rules()?,
                to: match (&args.listen, &args.textfile) {
                    (Some(address), _) => metrics::To::Listen(address.clone()),
                    (None, Some(path)) => metrics::To::File(path.clone()),
                    (None, None) => metrics::To::Stdout,
                },
            }),
            Typed::Explain { .. } | Typed::Help { .. } | Typed::Completions { .. } | Typed::Man { .. } => {
                return Ok(None);
            }
        }))
    }

    /// Refuses `-n` where no database is read.
    fn no_database(&self, command: &str, own: Option<u32>) -> Result<(), Misuse> {
        match own.or(self.database) {
            Some(_) => Err(Misuse::usage(format!("`{command}` does not use a database: remove `-n`"))),
            None => Ok(()),
        }
    }

    fn place(&self) -> Result<Place, Misuse> {
        self.place_if_named()?.ok_or_else(|| {
            Misuse::usage("no repository was given").hint(
                "add `--repository s3://bucket/prefix` or `--repository /path`, or set REDIS_OPS_REPOSITORY, or `backup.destination` in the settings",
            )
        })
    }

    /// The repository of a command that may take a backup on the way: encrypted as the settings say.
    fn place_for_backups(&self) -> Result<Place, Misuse> {
        let mut place = self.place()?;
        place.encryption.to = self.recipients()?;
        Ok(place)
    }

    /// The repository, where the command does without one.
    fn place_if_named(&self) -> Result<Option<Place>, Misuse> {
        let typed = match &self.global.repository {
            Some(typed) => Some(typed.clone()),
            None => self.environment.text(env::REPOSITORY)?.map(str::to_owned),
        };
        let Some(text) = typed.map_or_else(|| self.file.destination(), |typed| Ok(Some(typed)))? else {
            return Ok(None);
        };
        Ok(Some(self.place_at(&text)?))
    }

    /// The repository of this name, which a store of the settings serves if it is a bucket.
    fn place_at(&self, text: &str) -> Result<Place, Misuse> {
        // It is printed in lines that are typed later, from another folder.
        let location = text.parse().map(Location::absolute).map_err(|invalid: InvalidLocation| {
            let misuse = Misuse::usage(invalid.to_string());
            // All else that is no repository is named with what would be one.
            match text.trim().is_empty() {
                true => misuse
                    .hint("use `--repository s3://bucket/prefix`, `--repository file:///path` or `--repository /path`"),
                false => misuse,
            }
        })?;
        if let Location::S3 { .. } = location {
            tell_of_blanks(&self.environment.trimmed());
        }
        let encryption = Encryption { to: None, by: self.identities()? };
        Ok(Place { location, s3: Box::new(self.s3()?), encryption })
    }

    /// The repositories that get a copy of each backup: those of the settings, where the repository is theirs as well.
    fn copies(&self) -> Result<Vec<Place>, Misuse> {
        if self.global.repository.is_some() || self.environment.text(env::REPOSITORY)?.is_some() {
            return Ok(Vec::new());
        }
        let mut copies = Vec::new();
        for (text, own) in self.file.copies()? {
            let mut place = self.place_at(&text)?;
            if let Some(own) = own {
                // What was typed, and what the variables say, is about the first one.
                place.s3.endpoint_from =
                    own.endpoint.as_ref().map(|_| "`backup.destination` in the settings".to_owned());
                place.s3.path_style = own.path_style;
                place.s3.region = own.region;
                place.s3.endpoint = own.endpoint;
                place.s3.ca = own.ca;
                place.s3.sse = own.sse;
                place.s3.kms_key = own.kms_key;
                place.s3.storage_class = own.storage_class;
            }
            copies.push(place);
        }
        Ok(copies)
    }

    fn state_folder(&self) -> Option<PathBuf> {
        self.environment.state_folder()
    }

    /// Where restores write down how far they are, and what they change on a target.
    fn restores_folder(&self) -> PathBuf {
        self.state_folder().unwrap_or_else(|| std::env::temp_dir().join("redis-ops")).join("restores")
    }

    fn s3(&self) -> Result<S3Options, Misuse> {
        let (global, file) = (self.global, self.file.s3()?);
        let first = |variables: &[env::Variable]| -> Result<Option<(String, String)>, Misuse> {
            for variable in variables {
                if let Some(value) = self.environment.text(*variable)? {
                    return Ok(Some((value.to_owned(), variable.name.to_owned())));
                }
            }
            Ok(None)
        };
        let or = |typed: &Option<String>, variables: &[env::Variable], file: Option<String>| match typed {
            Some(typed) => Ok(Some((typed.clone(), "`--s3-endpoint`".to_owned()))),
            None => first(variables)
                .map(|found| found.or(file.map(|file| (file, "`s3.endpoint` in the settings".to_owned())))),
        };
        let endpoint = or(&global.s3_endpoint, &[env::AWS_ENDPOINT_URL_S3, env::AWS_ENDPOINT_URL], file.endpoint)?;
        let region = or(&global.s3_region, &[env::AWS_REGION, env::AWS_DEFAULT_REGION], file.region)?;
        let (endpoint, endpoint_from) = endpoint.unzip();
        Ok(S3Options {
            credentials: self.s3_credentials()?,
            // The SDK reads it itself; this one has no blanks.
            profile: self.environment.text(env::AWS_PROFILE)?.map(str::to_owned),
            path_style: global.s3_path_style.or(file.path_style),
            region: region.map(|(region, _)| region),
            endpoint,
            endpoint_from,
            ca: self.environment.path(env::AWS_CA_BUNDLE).or(file.ca),
            sse: file.sse,
            kms_key: file.kms_key,
            storage_class: file.storage_class,
            timeout: global.timeout,
            ..S3Options::default()
        })
    }

    /// The key in the environment, which goes before all others in the SDK's own chain as well.
    fn s3_credentials(&self) -> Result<Option<S3Credentials>, Misuse> {
        let text = |variable| Ok(self.environment.text(variable)?.map(str::to_owned));
        let (id, secret) = (text(env::AWS_ACCESS_KEY_ID)?, text(env::AWS_SECRET_ACCESS_KEY)?);
        let token = text(env::AWS_SESSION_TOKEN)?;
        Ok(id.zip(secret).map(|(key_id, secret)| S3Credentials { key_id, secret, token }))
    }
}

/// A path, or `-` for stdin.
fn file(path: &Path) -> File {
    if path == Path::new("-") { File::Stdin } else { File::Path(path.to_owned()) }
}

/// Whether colour is wanted.
pub fn color(typed: Option<ColorChoice>, environment: &Environment) -> ColorChoice {
    if let Some(choice) = typed {
        return choice;
    }
    if environment.is_set(env::NO_COLOR) {
        return ColorChoice::Never;
    }
    match environment.text(env::CLICOLOR_FORCE) {
        Ok(Some("0")) | Ok(None) | Err(_) => ColorChoice::Auto,
        Ok(Some(_)) => ColorChoice::Always,
    }
}

/// The format of the answer, which must be one that the command has.
pub fn format(global: &Global, command: &str, environment: &Environment) -> Result<Format, Misuse> {
    let has = commands::formats(command);
    let named = if global.json { Some(Format::Json) } else { global.format };
    let wanted = match named {
        Some(format) => format,
        None => match environment.text(env::FORMAT)? {
            Some(name) => format_named(name)?,
            None => return Ok(has[0]),
        },
    };
    if has.contains(&wanted) {
        return Ok(wanted);
    }
    let names: Vec<&str> = has.iter().map(|format| format.name()).collect();
    Err(Misuse::usage(format!("`{command}` does not support the format `{}`", wanted.name()))
        .hint(format!("use one of `{}`", names.join("`, `"))))
}

fn format_named(name: &str) -> Result<Format, Misuse> {
    <Format as clap::ValueEnum>::from_str(name, true).map_err(|_| {
        Misuse::usage(format!("{}={name} is not a format", env::FORMAT.name))
            .hint("`table`, `json`, `ndjson`, `nagios`, `prometheus` or `junit`")
    })
}

/// The file that a page is written to; `None`: no page is wanted.
pub fn page(typed: &Typed) -> Option<&Path> {
    let page = match typed {
        Typed::Diagnose(args) => &args.page,
        Typed::List(args) => &args.page,
        Typed::Show(args) => &args.page,
        Typed::Status(args) => &args.page,
        Typed::Verify(args) => &args.page,
        _ => return None,
    };
    page.html.as_deref()
}

/// The name of a command, as it is typed.
pub fn name(typed: &Typed) -> &'static str {
    match typed {
        Typed::Archive(_) => "archive",
        Typed::Backup(_) => "backup",
        Typed::Restore(_) => "restore",
        Typed::Verify(_) => "verify",
        Typed::List(_) => "list",
        Typed::Show(_) => "show",
        Typed::Status(_) => "status",
        Typed::Prune(_) => "prune",
        Typed::Copy(_) => "copy",
        Typed::Delete(_) => "delete",
        Typed::Pin(_) => "pin",
        Typed::Init { .. } => "init",
        Typed::Lock(_) => "lock",
        Typed::Schedule(_) => "schedule",
        Typed::Diagnose(_) => "diagnose",
        Typed::Top(_) => "top",
        Typed::Health(_) => "health",
        Typed::Metrics(_) => "metrics",
        Typed::Explain { .. } => "explain",
        Typed::Help { .. } => "help",
        Typed::Completions { .. } => "completions",
        Typed::Man { .. } => "man",
    }
}

/// All names, for a command line that was not understood.
pub const NAMES: &[&str] = &[
    "backup",
    "archive",
    "restore",
    "verify",
    "list",
    "show",
    "status",
    "prune",
    "copy",
    "delete",
    "pin",
    "init",
    "lock",
    "schedule",
    "diagnose",
    "top",
    "health",
    "metrics",
    "explain",
    "help",
    "completions",
    "man",
];

/// The backup or the file that was typed.
struct Chosen<'a> {
    id: Option<&'a str>,
    file: Option<&'a Path>,
}

impl<'a> Chosen<'a> {
    /// By option, or by the id alone behind the command.
    fn of(stored: &'a args::Stored, alone: &'a Option<String>) -> Self {
        let id = stored.backup_id.as_deref().or(alone.as_deref());
        Self { id, file: stored.file.as_deref() }
    }
}

#[cfg(test)]
mod tests;
