//! The keys of the settings file, and nothing but the keys: every value is still text. What may be left out is `None`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Error, options};

use super::text::{OneOrMore, Text, WordOr};
use crate::commands::nearest::nearest;
use crate::explain::Misuse;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub instances: Option<BTreeMap<String, Instance>>,
    pub backup: Option<Backup>,
    pub s3: Option<S3>,
    pub connection: Option<Connection>,
    pub diagnose: Option<Diagnose>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instance {
    pub url: Option<Text>,
    pub host: Option<Text>,
    pub port: Option<Text>,
    pub architecture: Option<Text>,
    pub username: Option<Text>,
    pub password: Option<Text>,
    pub password_file: Option<Text>,
    pub sentinel: Option<Sentinel>,
    pub nat_map: Option<Text>,
    pub tls: Option<WordOr<Tls>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sentinel {
    pub username: Option<Text>,
    pub password: Option<Text>,
    pub password_file: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub ca: Option<Text>,
    pub cert: Option<Text>,
    pub key: Option<Text>,
    pub sni: Option<Text>,
    pub insecure: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    pub enabled: Option<Text>,
    pub schedule: Option<Text>,
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    pub compression: Option<WordOr<Compression>>,
    pub encryption: Option<Encryption>,
    pub destination: Option<OneOrMore<Destination>>,
    pub on_success: Option<Text>,
    pub on_failure: Option<Text>,
    pub ping_url: Option<Text>,
    pub consistent: Option<Text>,
    pub retention: Option<Retention>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Destination {
    pub url: Option<Text>,
    pub s3: Option<S3>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    pub codec: Option<Text>,
    pub level: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    pub recipients: Option<Vec<Text>>,
    pub recipients_file: Option<Text>,
    pub passphrase_file: Option<Text>,
    pub identity_file: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub keep_last: Option<Text>,
    pub keep_hourly: Option<Text>,
    pub keep_daily: Option<Text>,
    pub keep_weekly: Option<Text>,
    pub keep_monthly: Option<Text>,
    pub keep_yearly: Option<Text>,
    pub keep_within: Option<Text>,
    pub keep_safety: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    pub endpoint: Option<Text>,
    pub region: Option<Text>,
    pub path_style: Option<Text>,
    pub ca: Option<Text>,
    pub sse: Option<Text>,
    pub kms_key: Option<Text>,
    pub storage_class: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connection {
    pub timeout: Option<Text>,
    pub retry: Option<Retry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    pub max_attempts: Option<Text>,
    pub initial: Option<Text>,
    pub multiplier: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Diagnose {
    pub profile: Option<Text>,
    pub expect: Option<Expect>,
    pub mute: Option<Vec<Mute>>,
    pub thresholds: Option<BTreeMap<String, BTreeMap<String, Text>>>,
    pub memory_limit: Option<Text>,
    pub nic_mbps: Option<Text>,
}

#[derive(Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub replicas: Option<Text>,
    pub backup: Option<Text>,
    pub maxmemory: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mute {
    pub rule: Option<Text>,
    pub until: Option<Text>,
    pub reason: Option<Text>,
}

/// Understands the keys of a file.
pub fn parse(path: &Path, text: &str) -> Result<File, Misuse> {
    // A snippet would show the lines around a mistake, and a password may stand there.
    let options = options! { with_snippet: false };
    match serde_saphyr::from_str_with_options::<Option<File>>(text, options) {
        Ok(file) => Ok(file.unwrap_or_default()),
        Err(error) => Err(explain(path, error.without_snippet())),
    }
}

/// What is wrong, in our own words: the library's may repeat values.
fn explain(path: &Path, error: &Error) -> Misuse {
    let position = match error.location() {
        Some(place) if place.line() > 0 => format!("{}:{}:{}", path.display(), place.line(), place.column()),
        _ => path.display().to_string(),
    };
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let misuse = Misuse::settings(format!("{position}: unknown key `{field}`"));
            match nearest(field, expected) {
                Some(known) => misuse.hint(format!("did you mean `{known}`?")),
                None => misuse.hint(format!("known here: `{}`", expected.join("`, `"))),
            }
        }
        Error::SerdeInvalidType { expected, .. } => Misuse::settings(format!("{position}: expected {expected}")),
        Error::Unexpected { expected: "mapping start", .. } => {
            Misuse::settings(format!("{position}: expected a mapping (`key: value`)"))
        }
        Error::Unexpected { expected: "sequence start", .. } => {
            Misuse::settings(format!("{position}: expected a list"))
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            Misuse::settings(format!("{position}: expected a single value"))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            Misuse::settings(format!("{position}: duplicate key `{key}`"))
        }
        Error::DuplicateMappingKey { .. } => Misuse::settings(format!("{position}: duplicate key")),
        Error::MultipleDocuments { .. } => {
            Misuse::settings(format!("{position}: the file has more than one YAML document"))
        }
        other => Misuse::settings(format!("{position}: invalid YAML: {}", reason(other))),
    }
}

/// The library's words, without the place that we have said already.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    match text.find(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
