//! The settings file: YAML whose every key is known, and whose values may name environment variables as `${NAME}`.
//!
//! The file is read whole and checked for unknown keys at once; values are understood when they are asked for, so that a variable that only
//! another instance needs may be missing. Every message names file, line and column, and none repeats a value that may be secret.

mod encryption;
mod places;
mod raw;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;

use super::args::values;
use super::env::{self, Environment};
use crate::backup::cluster::Consistent;
use crate::codec::Codec;
use crate::commands::diagnose::{Expect, Mute, Rules};
use crate::connection::{NatEntry, Retry, Secret};
use crate::explain::Misuse;
use crate::ping::PingUrl;
use crate::retention::{Policy, SAFETY};

use raw::Compression;
use text::{Reader, WordOr};

/// A settings file is no data set: what is longer than this many bytes is something else.
const LIMIT: u64 = 1024 * 1024;

/// What a settings file holds. Without a file it is empty.
pub struct SettingsFile {
    path: PathBuf,
    raw: raw::File,
    environment: Environment,
    /// Names of the environment variables that its values hold, in order.
    variables: Vec<String>,
}

/// An instance, as the file describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Instance {
    /// May hold a password.
    pub url: Option<Secret>,
    /// In place of a URL.
    pub host: Option<String>,
    pub port: Option<u16>,
    /// The ACL user.
    pub username: Option<String>,
    /// The password itself, most likely from a variable.
    pub password: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// Who we are to its Sentinels; `None`: as to itself.
    pub sentinel: Option<Sentinel>,
    /// Addresses that stand for announced ones.
    pub nat_map: Vec<NatEntry>,
    /// Whether and how TLS is spoken; `None`: as the URL says.
    pub tls: Option<Tls>,
}

/// The `sentinel` block of an instance: who we are to the Sentinels, where they have users or a password of their own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sentinel {
    /// The ACL user.
    pub username: Option<String>,
    /// The password itself, most likely from a variable.
    pub password: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
}

/// The `tls` block of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// `tls: false`: not at all.
    pub off: bool,
    /// PEM file of authorities.
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate.
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// The name in the server's certificate.
    pub sni: Option<String>,
    /// Takes any certificate.
    pub insecure: bool,
}

/// The `backup` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backup {
    /// Whether scheduled backups are taken; yes, unless the file says no.
    pub enabled: bool,
    /// Whether the instance is followed as well (`type: aof`).
    pub archives: bool,
    /// A cron line.
    pub schedule: Option<String>,
    /// Command lines for a backup that was published, and one that was not.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    /// The monitor that is told.
    pub ping_url: Option<PingUrl>,
    /// How it is compressed.
    pub codec: Option<Codec>,
    pub destination: Option<String>,
    /// Whether all shards of a cluster are to be of one moment.
    pub consistent: Option<Consistent>,
}

/// The `s3` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the keys of the block, described in the README")]
pub struct S3 {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: Option<bool>,
    pub ca: Option<PathBuf>,
    pub sse: Option<String>,
    pub kms_key: Option<String>,
    pub storage_class: Option<String>,
}

impl SettingsFile {
    /// Finds and reads the file: the one that was typed, the one in the environment, or the first of the usual places that exists.
    pub fn find(typed: Option<&Path>, environment: &Environment) -> Result<Self, Misuse> {
        let named = typed.map(Path::to_owned).or_else(|| environment.path(env::CONFIG));
        if let Some(path) = named {
            return match read(&path) {
                Ok(text) => Self::parse(path, &text, environment.clone()),
                Err(error) => Err(unreadable(&path, &error)),
            };
        }
        for path in usual_places(environment) {
            match read(&path) {
                Ok(text) => return Self::parse(path, &text, environment.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // One that is there and cannot be read must not be passed over: another one would say something else.
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(Self {
            path: PathBuf::new(),
            raw: raw::File::default(),
            environment: environment.clone(),
            variables: Vec::new(),
        })
    }

    /// Understands the text of a file.
    pub fn parse(path: PathBuf, text: &str, environment: Environment) -> Result<Self, Misuse> {
        let raw = raw::parse(&path, text)?;
        let variables = text::variables(text);
        Ok(Self { path, raw, environment, variables })
    }

    /// Names of the environment variables that its values hold: whoever reads it without them is refused.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Where it was found; `None`: there is none.
    pub fn path(&self) -> Option<&Path> {
        (!self.path.as_os_str().is_empty()).then_some(self.path.as_path())
    }

    /// The names of all instances.
    pub fn instances(&self) -> Vec<&str> {
        self.raw.instances.iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// An instance by its name.
    pub fn instance(&self, name: &str) -> Result<Option<Instance>, Misuse> {
        let Some(raw) = self.raw.instances.as_ref().and_then(|all| all.get(name)) else { return Ok(None) };
        let (reader, at) = (self.reader(), |key: &str| format!("instances.{name}.{key}"));
        let instance = Instance {
            url: reader.secret(&at("url"), &raw.url)?,
            host: reader.text(&at("host"), &raw.host)?,
            port: reader.value(&at("port"), &raw.port, text::port)?,
            username: reader.text(&at("username"), &raw.username)?,
            password: reader.secret(&at("password"), &raw.password)?,
            password_file: reader.path(&at("password_file"), &raw.password_file)?,
            sentinel: raw.sentinel.as_ref().map(|raw| self.sentinel(raw, &at("sentinel"))).transpose()?,
            nat_map: reader.value(&at("nat_map"), &raw.nat_map, text::nat_map)?.unwrap_or_default(),
            tls: raw.tls.as_ref().map(|tls| self.tls(tls, &at("tls"))).transpose()?,
        };
        reader.value(&at("architecture"), &raw.architecture, text::architecture)?;
        if instance.url.is_some() == instance.host.is_some() {
            return Err(reader.wrong(&format!("instances.{name}"), "an instance has either `url` or `host` and `port`"));
        }
        if instance.url.is_some() && instance.port.is_some() {
            return Err(reader.wrong(&at("port"), "put the port into the `url`"));
        }
        if instance.password.is_some() && instance.password_file.is_some() {
            return Err(
                reader.wrong(&format!("instances.{name}"), "set either `password` or `password_file`, not both")
            );
        }
        Ok(Some(instance))
    }

    fn sentinel(&self, raw: &raw::Sentinel, at: &str) -> Result<Sentinel, Misuse> {
        let (reader, key) = (self.reader(), |key: &str| format!("{at}.{key}"));
        let sentinel = Sentinel {
            username: reader.text(&key("username"), &raw.username)?,
            password: reader.secret(&key("password"), &raw.password)?,
            password_file: reader.path(&key("password_file"), &raw.password_file)?,
        };
        if sentinel.password.is_some() && sentinel.password_file.is_some() {
            return Err(reader.wrong(at, "set either `password` or `password_file`, not both"));
        }
        Ok(sentinel)
    }

    fn tls(&self, choice: &WordOr<raw::Tls>, at: &str) -> Result<Tls, Misuse> {
        let reader = self.reader();
        let raw = match choice {
            WordOr::Word(word) => return Ok(Tls { off: !reader.required(at, word, text::truth)?, ..Tls::default() }),
            WordOr::Block(raw) => raw,
        };
        Ok(Tls {
            off: false,
            ca: reader.path(&format!("{at}.ca"), &raw.ca)?,
            cert: reader.path(&format!("{at}.cert"), &raw.cert)?,
            key: reader.path(&format!("{at}.key"), &raw.key)?,
            sni: reader.text(&format!("{at}.sni"), &raw.sni)?,
            insecure: reader.value(&format!("{at}.insecure"), &raw.insecure, text::truth)?.unwrap_or(false),
        })
    }

    /// The `backup` block.
    pub fn backup(&self) -> Result<Backup, Misuse> {
        let Some(raw) = &self.raw.backup else {
            return Ok(Backup { enabled: true, ..Backup::default() });
        };
        let reader = self.reader();
        let kind = reader.value("backup.type", &raw.kind, text::backup_type)?;
        // Whoever asks: a typing error is found before it costs a backup.
        self.retention()?;
        self.encryption()?;
        Ok(Backup {
            archives: kind == Some(text::BackupType::Aof),
            enabled: reader.value("backup.enabled", &raw.enabled, text::truth)?.unwrap_or(true),
            schedule: reader.value("backup.schedule", &raw.schedule, text::schedule)?,
            on_success: reader.text("backup.on_success", &raw.on_success)?,
            on_failure: reader.text("backup.on_failure", &raw.on_failure)?,
            ping_url: reader.value("backup.ping_url", &raw.ping_url, |text| text.parse::<PingUrl>())?,
            codec: raw.compression.as_ref().map(|compression| self.codec(compression)).transpose()?,
            destination: self.destination()?,
            consistent: reader.value("backup.consistent", &raw.consistent, text::consistent)?,
        })
    }

    /// When backups are taken, a cron line; `None`: it is not said, or they are switched off.
    pub fn schedule(&self) -> Result<Option<String>, Misuse> {
        let Some(raw) = &self.raw.backup else { return Ok(None) };
        let reader = self.reader();
        let enabled = reader.value("backup.enabled", &raw.enabled, text::truth)?.unwrap_or(true);
        Ok(reader.value("backup.schedule", &raw.schedule, text::schedule)?.filter(|_| enabled))
    }

    /// The `backup.retention` block; `None`: there is none.
    pub fn retention(&self) -> Result<Option<Policy>, Misuse> {
        let Some(raw) = self.raw.backup.as_ref().and_then(|backup| backup.retention.as_ref()) else { return Ok(None) };
        let (reader, at) = (self.reader(), |key: &str| format!("backup.retention.{key}"));
        let keep = |key: &str, value| Ok(reader.value(&at(key), value, values::keep)?.unwrap_or(0));
        Ok(Some(Policy {
            last: keep("keep_last", &raw.keep_last)?,
            hourly: keep("keep_hourly", &raw.keep_hourly)?,
            daily: keep("keep_daily", &raw.keep_daily)?,
            weekly: keep("keep_weekly", &raw.keep_weekly)?,
            monthly: keep("keep_monthly", &raw.keep_monthly)?,
            yearly: keep("keep_yearly", &raw.keep_yearly)?,
            within: reader.value(&at("keep_within"), &raw.keep_within, values::span)?,
            safety: reader.value(&at("keep_safety"), &raw.keep_safety, values::duration)?.unwrap_or(SAFETY),
        }))
    }

    fn codec(&self, compression: &WordOr<Compression>) -> Result<Codec, Misuse> {
        let reader = self.reader();
        let word = match compression {
            WordOr::Word(word) => return reader.required("backup.compression", word, text::codec),
            WordOr::Block(block) => block,
        };
        let codec = reader.text("backup.compression.codec", &word.codec)?;
        let level = reader.value("backup.compression.level", &word.level, text::number)?;
        let named = match (codec, level) {
            (Some(codec), Some(level)) => format!("{codec}:{level}"),
            (Some(codec), None) => codec,
            (None, _) => return Err(reader.wrong("backup.compression", "the block has no `codec`")),
        };
        named
            .parse()
            .map_err(|error: crate::codec::UnknownCodec| reader.wrong("backup.compression", &error.to_string()))
    }

    fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The setting `connection.timeout`.
    pub fn timeout(&self) -> Result<Option<Duration>, Misuse> {
        match &self.raw.connection {
            Some(raw) => self.reader().value("connection.timeout", &raw.timeout, values::duration),
            None => Ok(None),
        }
    }

    /// `connection.retry`; what the block leaves out is as it is without a block.
    pub fn retry(&self) -> Result<Retry, Misuse> {
        let usual = Retry::default();
        let Some(raw) = self.raw.connection.as_ref().and_then(|connection| connection.retry.as_ref()) else {
            return Ok(usual);
        };
        let reader = self.reader();
        Ok(Retry {
            max_attempts: reader
                .value("connection.retry.max_attempts", &raw.max_attempts, text::attempts)?
                .unwrap_or(usual.max_attempts),
            initial: reader.value("connection.retry.initial", &raw.initial, values::duration)?.unwrap_or(usual.initial),
            multiplier: reader
                .value("connection.retry.multiplier", &raw.multiplier, text::multiplier)?
                .unwrap_or(usual.multiplier),
        })
    }

    /// The `diagnose` block.
    pub fn rules(&self) -> Result<Rules, Misuse> {
        let Some(raw) = &self.raw.diagnose else { return Ok(Rules::default()) };
        let reader = self.reader();
        let expect = raw.expect.clone().unwrap_or_default();
        let mut rules = Rules {
            profile: reader.text("diagnose.profile", &raw.profile)?,
            expect: Expect {
                replicas: reader.value("diagnose.expect.replicas", &expect.replicas, text::number)?,
                backup: reader.value("diagnose.expect.backup", &expect.backup, text::truth)?,
                maxmemory: reader.value("diagnose.expect.maxmemory", &expect.maxmemory, text::truth)?,
            },
            mute: Vec::new(),
            thresholds: BTreeMap::new(),
            memory_limit: reader.value("diagnose.memory_limit", &raw.memory_limit, text::size)?,
            nic_mbps: reader.value("diagnose.nic_mbps", &raw.nic_mbps, text::bandwidth)?,
        };
        for mute in raw.mute.iter().flatten() {
            let Some(rule) = reader.text("diagnose.mute.rule", &mute.rule)? else {
                return Err(reader.wrong("diagnose.mute", "an entry has no `rule`"));
            };
            let until = reader.value("diagnose.mute.until", &mute.until, day)?;
            let Some(reason) = reader.text("diagnose.mute.reason", &mute.reason)? else {
                return Err(reader.wrong("diagnose.mute", &format!("the mute of {rule} has no `reason`")));
            };
            rules.mute.push(Mute { rule, until, reason });
        }
        for (rule, raw) in raw.thresholds.iter().flatten() {
            let mut limits = BTreeMap::new();
            for (name, value) in raw {
                let at = format!("diagnose.thresholds.{rule}.{name}");
                if let Some(limit) = reader.value(&at, &Some(value.clone()), text::real)? {
                    limits.insert(name.clone(), limit);
                }
            }
            rules.thresholds.insert(rule.clone(), limits);
        }
        Ok(rules)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { file: &self.path, environment: &self.environment }
    }
}

fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "write the date as 2027-01-01".to_owned())
}

fn usual_places(environment: &Environment) -> Vec<PathBuf> {
    let home = || environment.path(env::HOME).map(|home| home.join(".config"));
    let mut places = vec![PathBuf::from("redis-ops.yaml")];
    places.extend(
        environment.path(env::XDG_CONFIG_HOME).or_else(home).map(|folder| folder.join("redis-ops/config.yaml")),
    );
    places.push(PathBuf::from("/etc/redis-ops/config.yaml"));
    places
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LIMIT {
        return Err(io::Error::other(format!("it is longer than {LIMIT} bytes")));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Misuse {
    let misuse = Misuse::settings(format!("cannot read the settings file {}: {error}", path.display()));
    match error.kind() {
        // Whether there is a file at all cannot be told where a folder above it may not be searched.
        io::ErrorKind::PermissionDenied if std::fs::symlink_metadata(path).is_err() => Misuse::settings(format!(
            "cannot look for the settings file {}: this user may not search a folder above it",
            path.display()
        ))
        .hint("set HOME or XDG_CONFIG_HOME to a folder of this user, or name the file with `--config FILE`"),
        io::ErrorKind::PermissionDenied => {
            misuse.hint("give this user permission to read the file, or use another file with `--config FILE`")
        }
        _ => misuse,
    }
}

#[cfg(test)]
mod tests;
