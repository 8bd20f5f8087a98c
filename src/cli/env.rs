//! Every environment variable that `redis-ops` reads, documented once: `redis-ops help environment` prints this table.
//!
//! The AWS variables are read by the AWS SDK itself, `HTTPS_PROXY` by its HTTP client; they stand here for the reader.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::explain::Misuse;

/// A variable and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// What it means, in a line.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $constant: Variable = Variable { name: $name, meaning: $meaning };)*
        /// All variables, in the order of the help.
        pub const ALL: &[Variable] = &[$($constant),*];
    };
}

variables! {
    CONFIG = "REDIS_OPS_CONFIG", "settings file (`--config`)";
    INSTANCE = "REDIS_OPS_INSTANCE", "instance (`--instance`); never the target of a restore";
    REPOSITORY = "REDIS_OPS_REPOSITORY", "repository (`--repository`)";
    USERNAME = "REDIS_OPS_USERNAME", "ACL user (`--username`)";
    PASSWORD = "REDIS_OPS_PASSWORD", "password";
    REDISCLI_AUTH = "REDISCLI_AUTH", "password, as for redis-cli; `REDIS_OPS_PASSWORD` wins";
    SENTINEL_USERNAME = "REDIS_OPS_SENTINEL_USERNAME", "ACL user for the Sentinels (`--sentinel-username`)";
    SENTINEL_PASSWORD = "REDIS_OPS_SENTINEL_PASSWORD", "password for the Sentinels, if it differs from the server's";
    IDENTITY = "REDIS_OPS_IDENTITY", "file with the age identity that decrypts backups (`--identity`)";
    FORMAT = "REDIS_OPS_FORMAT", "output format (`--format`)";
    LOG = "REDIS_OPS_LOG", "log filter in the syntax of RUST_LOG, instead of `-v`";
    NO_COLOR = "NO_COLOR", "if not empty: no colour";
    CLICOLOR_FORCE = "CLICOLOR_FORCE", "if not empty and not 0: colour even into a pipe";
    TERM = "TERM", "if `dumb`: no colour, no moving bar and no `top`";
    LC_ALL = "LC_ALL", "locale: if not UTF-8, `top` draws in ASCII";
    LC_CTYPE = "LC_CTYPE", "the same, if `LC_ALL` is not set";
    LANG = "LANG", "the same, if neither is set";
    HOME = "HOME", "home folder, which holds `.config` and `.local/state`";
    XDG_STATE_HOME = "XDG_STATE_HOME", "where earlier diagnoses and the progress of restores are kept, in `redis-ops` [default: ~/.local/state]";
    XDG_CONFIG_HOME = "XDG_CONFIG_HOME", "where `redis-ops/config.yaml` is looked for [default: ~/.config]";
    AWS_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID", "S3 credentials; the other variables and profiles of the AWS tools work too";
    AWS_SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY", "secret of that key";
    AWS_SESSION_TOKEN = "AWS_SESSION_TOKEN", "session token";
    AWS_PROFILE = "AWS_PROFILE", "profile in the files of the AWS tools";
    AWS_REGION = "AWS_REGION", "S3 region (`--s3-region`)";
    AWS_DEFAULT_REGION = "AWS_DEFAULT_REGION", "the same, if `AWS_REGION` is not set";
    AWS_ENDPOINT_URL_S3 = "AWS_ENDPOINT_URL_S3", "endpoint of an S3-compatible store (`--s3-endpoint`)";
    AWS_ENDPOINT_URL = "AWS_ENDPOINT_URL", "the same for every AWS service";
    AWS_CA_BUNDLE = "AWS_CA_BUNDLE", "CA certificates to trust for S3 (PEM file)";
    HTTPS_PROXY = "HTTPS_PROXY", "proxy for S3";
}

/// Variables of ours begin so.
pub const OURS: &str = "REDIS_OPS_";

/// Variables of ours that are not for users: of the completions, of this program to itself, of the project's tests and scripts; and those
/// that Kubernetes sets where a service is called `redis-ops`.
const NOT_FOR_USERS: [&str; 15] = [
    "REDIS_OPS_COMPLETE",
    "REDIS_OPS_TRIMMED",
    "REDIS_OPS_ALL_HEALTHY",
    "REDIS_OPS_BENCH_",
    "REDIS_OPS_BINARY",
    "REDIS_OPS_FIXTURES",
    "REDIS_OPS_FULL_MATRIX",
    "REDIS_OPS_MATRIX_",
    "REDIS_OPS_MODEL_",
    "REDIS_OPS_MOTO",
    "REDIS_OPS_NO_SKIP",
    "REDIS_OPS_SERVERS",
    "REDIS_OPS_WRITE_",
    "REDIS_OPS_PORT",
    "REDIS_OPS_SERVICE_",
];

/// Names of the variables of AWS that lost blanks when the program began itself anew: see [`begin_anew`]. Nobody else sets it.
const TRIMMED: &str = "REDIS_OPS_TRIMMED";

/// Begins the program anew with variables of AWS that have no line breaks or blanks at their ends, if any have: secrets that are mounted
/// as files end so. The AWS SDK reads a dozen of them where nobody can trim them, and a process cannot change its own environment
/// safely. Returns if there is nothing to trim, or where the system does not let us.
pub fn begin_anew(arguments: &[OsString]) {
    let environment = Environment::of_process();
    let names = environment.with_blanks("AWS_");
    let (Ok(program), Some(typed), false) = (std::env::current_exe(), arguments.first(), names.is_empty()) else {
        return;
    };
    let mut command = Command::new(program);
    command.arg0(typed).args(&arguments[1..]).env(TRIMMED, names.join(","));
    for name in names {
        match environment.0.get(OsStr::new(name)).and_then(|value| value.to_str()).map(str::trim) {
            Some(value) if !value.is_empty() => command.env(name, value),
            _ => command.env_remove(name),
        };
    }
    // It comes back only if it fails: then what we read ourselves is trimmed all the same.
    let _ = command.exec();
}

/// The environment, taken once; tests make their own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl std::fmt::Debug for Environment {
    // Half of all secrets live in the environment.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The same without some variables.
    pub fn without(&self, variables: &[Variable]) -> Self {
        let is_left = |name: &&OsString| variables.iter().all(|variable| *name != OsStr::new(variable.name));
        Self(
            self.0
                .iter()
                .filter(|(name, _)| is_left(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// An environment made of names and values, for tests.
    #[cfg(test)]
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The value of a variable; an empty one counts as not set. Fails where it is no text, without showing it.
    pub fn text(&self, variable: Variable) -> Result<Option<&str>, Misuse> {
        self.by_name(variable.name)
    }

    /// As [`Environment::text`], for the names in a settings file.
    pub fn by_name(&self, name: &str) -> Result<Option<&str>, Misuse> {
        let Some(value) = self.0.get(OsStr::new(name)).filter(|value| !value.is_empty()) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(cleaned(name, text)).filter(|text| !text.is_empty())),
            None => Err(Misuse::usage(format!("the environment variable {name} is not UTF-8"))),
        }
    }

    /// Names of variables that look like ours, and that nobody reads.
    pub fn unknown_of_ours(&self) -> Vec<&str> {
        let names = self.0.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with(OURS));
        let is_known = |name: &&str| ALL.iter().any(|known| known.name == *name);
        names.filter(|name| !is_known(name) && !NOT_FOR_USERS.iter().any(|known| name.starts_with(known))).collect()
    }

    /// A variable that holds a path.
    pub fn path(&self, variable: Variable) -> Option<PathBuf> {
        let value = self.0.get(OsStr::new(variable.name)).filter(|value| !value.is_empty())?;
        match value.to_str() {
            Some(text) => Some(cleaned(variable.name, text)).filter(|text| !text.is_empty()).map(PathBuf::from),
            None => Some(PathBuf::from(value)),
        }
    }

    /// Where what is remembered from run to run lies; `None` without a home.
    pub fn state_folder(&self) -> Option<PathBuf> {
        // A relative one is not valid: XDG Base Directory Specification.
        let state = self.path(XDG_STATE_HOME).filter(|path| path.is_absolute());
        let home = || self.path(HOME).map(|home| home.join(".local/state"));
        state.or_else(home).map(|folder| folder.join("redis-ops"))
    }

    /// The variables of AWS that have lost line breaks or blanks at their ends.
    pub fn trimmed(&self) -> Vec<&str> {
        let before = self.0.get(OsStr::new(TRIMMED)).and_then(|names| names.to_str()).unwrap_or_default();
        let mut names: Vec<&str> = before.split(',').filter(|name| name.starts_with("AWS_")).collect();
        names.extend(self.with_blanks("AWS_"));
        names
    }

    /// Our own variables whose values have lost line breaks or blanks at their ends.
    pub fn trimmed_of_ours(&self) -> Vec<&'static str> {
        let ours = ALL.iter().map(|variable| variable.name).filter(|name| name.starts_with("REDIS"));
        let changed = |name: &&str| {
            let text = self.0.get(OsStr::new(name)).and_then(|value| value.to_str());
            text.is_some_and(|text| cleaned(name, text) != text)
        };
        ours.filter(changed).collect()
    }

    /// The variables of this family whose values have blanks or line breaks at their ends.
    fn with_blanks(&self, family: &str) -> Vec<&str> {
        let text = |(name, value): (&'_ OsString, &'_ OsString)| -> Option<bool> {
            let value = value.to_str()?;
            Some(name.to_str()?.starts_with(family) && value.trim() != value)
        };
        let blank = self.0.iter().filter(|pair| text(*pair) == Some(true));
        blank.filter_map(|(name, _)| name.to_str()).collect()
    }

    /// Whether the locale is one of UTF-8. Without any it is the plain C locale, as everywhere.
    ///
    /// # Errors
    /// The variable that counts is no text.
    pub fn is_utf8(&self) -> Result<bool, Misuse> {
        for variable in [LC_ALL, LC_CTYPE, LANG] {
            if let Some(locale) = self.text(variable)? {
                let charset = locale.split(['.', '@']).nth(1).unwrap_or_default().to_ascii_lowercase();
                return Ok(matches!(charset.as_str(), "utf-8" | "utf8"));
            }
        }
        Ok(false)
    }

    /// Whether a variable is set to something else than nothing.
    pub fn is_set(&self, variable: Variable) -> bool {
        self.path(variable).is_some()
    }
}

/// Without what a file that is mounted as a variable ends with: a line break. No value has blanks at its ends, except those whose form is
/// not ours to know: passwords, and what a settings file names.
fn cleaned<'a>(name: &str, text: &'a str) -> &'a str {
    let is_plain =
        |variable: &Variable| variable.name == name && ![PASSWORD, REDISCLI_AUTH, SENTINEL_PASSWORD].contains(variable);
    match name.starts_with("AWS_") || ALL.iter().any(is_plain) {
        true => text.trim(),
        false => text.trim_end_matches(['\r', '\n']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_not_set() {
        let environment = Environment::of([("REDIS_OPS_CONFIG", ""), ("REDIS_OPS_INSTANCE", "a")]);
        assert_eq!(environment.text(CONFIG).unwrap(), None);
        assert_eq!(environment.text(INSTANCE).unwrap(), Some("a"));
        assert!(!environment.is_set(CONFIG));
    }

    #[test]
    fn variables_of_aws_lose_the_line_break_of_the_file_they_were_mounted_from() {
        let environment = Environment::of([
            ("AWS_REGION", "eu-west-1\n"),
            ("AWS_ACCESS_KEY_ID", " AKIA\r\n"),
            ("AWS_CA_BUNDLE", "/ca.pem\n"),
            ("AWS_PROFILE", "\n"),
            ("AWS_ENDPOINT_URL", "http://store"),
            ("REDIS_OPS_PASSWORD", "hunter2 \r\n"),
            ("REDISCLI_AUTH", "hunter2"),
            ("REDIS_OPS_REPOSITORY", "/backups \n"),
            ("REDIS_OPS_CONFIG", "/c.yaml\n"),
            ("OF_THE_SETTINGS", " secret\n"),
        ]);
        assert_eq!(environment.text(AWS_REGION).unwrap(), Some("eu-west-1"));
        assert_eq!(environment.text(AWS_ACCESS_KEY_ID).unwrap(), Some("AKIA"));
        assert_eq!(environment.text(AWS_PROFILE).unwrap(), None);
        assert_eq!(environment.path(AWS_CA_BUNDLE), Some("/ca.pem".into()));
        assert_eq!(environment.text(PASSWORD).unwrap(), Some("hunter2 "));
        let names = ["AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_REGION"];
        assert_eq!(environment.with_blanks("AWS_"), names);
        assert_eq!(environment.text(REPOSITORY).unwrap(), Some("/backups"));
        assert_eq!(environment.path(CONFIG), Some("/c.yaml".into()));
        assert_eq!(environment.by_name("OF_THE_SETTINGS").unwrap(), Some(" secret"));
        let names = ["REDIS_OPS_CONFIG", "REDIS_OPS_REPOSITORY", "REDIS_OPS_PASSWORD"];
        assert_eq!(environment.trimmed_of_ours(), names);
    }

    #[test]
    fn the_locale_that_counts_says_whether_it_is_utf_8() {
        let check = |variables: &[(&str, &str)], utf8: bool| {
            let environment = Environment(variables.iter().map(|(name, value)| (name.into(), value.into())).collect());
            assert_eq!(environment.is_utf8().unwrap(), utf8, "{variables:?}");
        };
        check(&[("LANG", "en_US.UTF-8")], true);
        check(&[("LANG", "C.utf8")], true);
        check(&[("LANG", "de_DE.UTF-8@euro")], true);
        check(&[("LANG", "de_DE.ISO-8859-1")], false);
        check(&[("LANG", "C")], false);
        check(&[], false);
        check(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false);
        check(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true);
    }

    #[test]
    fn a_dump_of_the_environment_shows_no_value() {
        let environment = Environment::of([("REDIS_OPS_PASSWORD", "hunter2-do-not-print")]);
        assert_eq!(format!("{environment:?}"), "Environment(1 variables)");
    }
}
