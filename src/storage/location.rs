//! Where a repository lies, as it is typed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::explain::{Explain, Meaning};

/// A bucket with a prefix, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A bucket of S3, typed as `s3://bucket/prefix`.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
    /// `file:///path`, or a bare path (which may be relative).
    Local(PathBuf),
}

impl Location {
    /// Whether asking what is there takes a network and a secret. Tab asks no such place: it offers what the last `list` showed.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::S3 { .. } => true,
            Self::Local(_) => false,
        }
    }
}

/// A sentence for the user; without what was typed where that may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLocation(String);

impl Explain for InvalidLocation {
    fn meaning(&self) -> Meaning {
        Meaning::of("usage").unknown()
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let invalid = |why: &str| Err(InvalidLocation(why.to_owned()));
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => invalid("the repository is empty: write `s3://bucket/prefix`, `file:///path` or a path"),
                path => Ok(Self::Local(path.strip_prefix("file:").unwrap_or(path).into())),
            };
        };
        match scheme {
            "s3" if rest.contains('@') => {
                invalid("an `s3://` address must not contain credentials: use the AWS variables or profiles")
            }
            "s3" => s3(rest),
            "file" => match Url::parse(text).map(|url| url.to_file_path()) {
                Ok(Ok(path)) => Ok(Self::Local(path)),
                _ => invalid("write a folder as `file:///path`, with three slashes and an absolute path"),
            },
            _ => Err(InvalidLocation(format!(
                "`{}://` is not supported: a repository is `s3://bucket/prefix`, `file:///path` or a path",
                scheme.escape_debug()
            ))),
        }
    }
}

impl Location {
    /// Whether two names lead to one place: folders are followed over links.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(one), Self::Local(two)) => {
                let led_to = |path: &PathBuf| {
                    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.clone())
                };
                led_to(one) == led_to(two)
            }
            _ => self == other,
        }
    }

    /// The same place, named so that it is found from any folder.
    #[must_use]
    pub fn absolute(self) -> Self {
        match self {
            Self::Local(path) => Self::Local(std::path::absolute(&path).unwrap_or(path)),
            s3 @ Self::S3 { .. } => s3,
        }
    }
}

fn s3(rest: &str) -> Result<Location, InvalidLocation> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    // Names may be longer and hold more on old buckets and other stores than AWS allows now; a slash or blank they never hold.
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if bucket.is_empty() || !bucket.chars().all(good) {
        return Err(InvalidLocation(
            "a bucket is `s3://bucket` or `s3://bucket/prefix`: the bucket's name is missing or invalid".into(),
        ));
    }
    if !prefix.is_empty() && super::key::check(prefix).is_err() {
        return Err(InvalidLocation(
            "the prefix in `s3://bucket/prefix` has an empty name, or one that begins with a dot".into(),
        ));
    }
    Ok(Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Local(path) => match Url::from_file_path(path) {
                Ok(url) => write!(f, "{url}"),
                Err(()) => write!(f, "{}", path.display()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let location: Location = text.parse().unwrap();
        assert_eq!(location.to_string(), expected);
        assert_eq!(expected.parse::<Location>().unwrap(), location);
    }

    #[test]
    fn every_form_that_may_be_typed() {
        check("s3://bucket", "s3://bucket");
        check("s3://bucket/", "s3://bucket");
        check("s3://backups/redis/prod/", "s3://backups/redis/prod");
        check("file:///var/backups", "file:///var/backups");
        check("/var/backups", "file:///var/backups");
        check("/var/my backups", "file:///var/my%20backups");
        check("backups", "backups");
        check("./backups/redis", "./backups/redis");
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in
            ["", "s3://", "s3:///prefix", "s3://b c/x", "s3://b/../x", "s3://b//x/..", "http://x/y", "file://host/x"]
        {
            assert!(text.parse::<Location>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_in_the_address_is_refused_and_not_repeated() {
        let error = "s3://AKIA:hunter2-do-not-print@bucket/x".parse::<Location>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
