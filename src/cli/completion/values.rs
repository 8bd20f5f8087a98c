//! Values that are names: instances of the settings, backups of the repository, rules, types.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap_complete::CompletionCandidate;

use super::remembered;
use crate::census::TypeFilter;
use crate::cli::env::{self, Environment};
use crate::cli::settings_file::SettingsFile;
use crate::codec::Codec;
use crate::repository::Repository;
use crate::rules::Profile;
use crate::storage::{self, Location, S3Options};

/// A folder that takes longer to list, on a network's disk, is not waited for.
const PATIENCE: Duration = Duration::from_millis(200);
/// So many backups of an instance are offered, the newest.
const OFFERED: usize = 50;

/// What of the line that is being typed tells which settings and which repository are meant.
#[derive(Default)]
struct Typed {
    config: Option<PathBuf>,
    repository: Option<String>,
    /// Whose backups: the target of a restore, or the instance.
    instance: Option<String>,
}

impl Typed {
    /// The words behind the `--` by which the script of a shell gives them to us.
    fn of_process() -> Self {
        Self::of(std::env::args_os().skip_while(|word| word != "--").skip(1))
    }

    fn of(words: impl Iterator<Item = OsString>) -> Self {
        let mut typed = Self::default();
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        for (at, word) in words.iter().enumerate() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) if word.starts_with("--") => (option, Some(value.to_owned())),
                _ => (word.as_str(), words.get(at + 1).cloned()),
            };
            match option {
                "-c" | "--config" => typed.config = value.map(PathBuf::from),
                "-r" | "--repository" => typed.repository = value,
                "-i" | "--instance" | "--target-instance" => typed.instance = value,
                _ => {}
            }
        }
        typed
    }

    fn settings(&self, environment: &Environment) -> Option<SettingsFile> {
        SettingsFile::find(self.config.as_deref(), environment).ok()
    }

    fn location(&self, environment: &Environment) -> Option<Location> {
        let of_environment = || environment.text(env::REPOSITORY).ok().flatten().map(str::to_owned);
        let of_settings = || self.settings(environment)?.destination().ok().flatten();
        self.repository.clone().or_else(of_environment).or_else(of_settings)?.parse().ok()
    }
}

/// The instances of the settings.
pub fn instances() -> Vec<CompletionCandidate> {
    let settings = Typed::of_process().settings(&Environment::of_process());
    let names = settings.iter().flat_map(SettingsFile::instances);
    names.map(|name| CompletionCandidate::new(name).help(Some("an instance of the settings".into()))).collect()
}

/// The backups of the repository, newest first, and `latest`. A folder is listed; of a bucket is offered what the last `list` showed.
pub fn backups() -> Vec<CompletionCandidate> {
    let (typed, environment) = (Typed::of_process(), Environment::of_process());
    let Some(location) = typed.location(&environment) else { return latest() };
    let found = match location.is_remote() {
        true => remembered::read(&environment, &location),
        false => within(PATIENCE, move || listed(location)),
    };
    let mut names: Vec<&str> = found.iter().map(|(instance, _)| instance.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return latest();
    }
    let only = match names.as_slice() {
        [one] => Some((*one).to_owned()),
        _ => typed.instance.filter(|instance| names.contains(&instance.as_str())),
    };
    let candidate = |text: String| CompletionCandidate::new(text);
    match only {
        Some(only) => {
            let ids = found.iter().filter(|(instance, _)| *instance == only).map(|(_, id)| candidate(id.clone()));
            latest().into_iter().chain(ids.take(OFFERED)).collect()
        }
        None => {
            let of = |name: &str| {
                let ids = found.iter().filter(|(instance, _)| instance == name);
                let ids: Vec<_> = ids.take(OFFERED).map(|(_, id)| candidate(format!("{name}/{id}"))).collect();
                std::iter::once(candidate(format!("{name}/latest"))).chain(ids)
            };
            names.into_iter().flat_map(of).collect()
        }
    }
}

fn latest() -> Vec<CompletionCandidate> {
    vec![CompletionCandidate::new("latest").help(Some("the newest backup (not a safety backup)".into()))]
}

/// Instance and id of what a folder holds, newest first.
fn listed(location: Location) -> Vec<(String, String)> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return Vec::new() };
    let found = runtime.block_on(async {
        let storage = storage::open(&location, &S3Options::default()).await.ok()?;
        Repository::new(storage).published().await.ok()
    });
    let mut found = found.unwrap_or_default();
    found.sort_by_key(|found| std::cmp::Reverse(found.1));
    found.into_iter().map(|(instance, id)| (instance, id.to_string())).collect()
}

/// What a work gives, if it does so in time. The thread of one that does not ends with the process.
fn within<T: Default + Send + 'static>(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (gives, takes) = mpsc::sync_channel(1);
    thread::spawn(move || gives.send(work()));
    takes.recv_timeout(patience).unwrap_or_default()
}

/// The rules of `diagnose`, with their titles.
pub fn rules() -> Vec<CompletionCandidate> {
    let rules = crate::rules::all();
    rules.map(|rule| CompletionCandidate::new(rule.id).help(Some(rule.title.into()))).collect()
}

/// What a backup may be compressed with.
pub fn codecs() -> Vec<CompletionCandidate> {
    [Codec::GZIP, Codec::ZSTD, Codec::None].iter().map(|codec| CompletionCandidate::new(codec.name())).collect()
}

/// What a server may be for.
pub fn profiles() -> Vec<CompletionCandidate> {
    let auto = CompletionCandidate::new("auto").help(Some("guess".into()));
    std::iter::once(auto).chain(Profile::ALL.iter().map(|profile| CompletionCandidate::new(profile.name()))).collect()
}

/// The types of values, as `TYPE` calls them.
pub fn value_types() -> Vec<CompletionCandidate> {
    TypeFilter::names().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_line_says_of_settings_and_repository_is_read_in_every_form() {
        let words = "redis-ops --config=/etc/one.yaml restore -r /backups --target-instance redis-prod --backup-id";
        let typed = Typed::of(words.split(' ').map(OsString::from));
        assert_eq!(typed.config, Some("/etc/one.yaml".into()));
        assert_eq!((typed.repository.as_deref(), typed.instance.as_deref()), (Some("/backups"), Some("redis-prod")));
    }

    #[test]
    fn what_takes_too_long_is_not_waited_for() {
        let (held, holds) = mpsc::sync_channel::<()>(1);
        let nothing = within(Duration::from_millis(1), move || {
            let _ = holds.recv();
            vec![1]
        });
        drop(held);
        assert!(nothing.is_empty());
        assert_eq!(within(Duration::from_secs(60), || vec![1]), [1]);
    }
}
