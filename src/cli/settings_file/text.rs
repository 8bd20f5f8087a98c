//! Values of the settings file: where each stands, variables in it, and what it means.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::backup::cluster::Consistent;
use crate::cli::args::values;
use crate::cli::env::Environment;
use crate::codec::Codec;
use crate::connection::{NatEntry, Secret};
use crate::explain::Misuse;

/// A value as it stands in the file, and where. No `Debug`: it may be secret.
#[derive(Clone)]
pub struct Text {
    raw: String,
    line: u64,
    column: u64,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Ok(Self { raw: spanned.value, line, column })
    }
}

/// `compression: true` or `compression: {codec: zstd}`: a word, or a block.
pub enum WordOr<B> {
    Word(Text),
    Block(B),
}

impl<'de, B: Deserialize<'de>> Deserialize<'de> for WordOr<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Either<B>>::deserialize(deserializer)?;
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Ok(match spanned.value {
            Either::Word(raw) => Self::Word(Text { raw, line, column }),
            Either::Block(block) => Self::Block(block),
        })
    }
}

/// `destination: s3://bucket` or `destination: [/backups, {url: s3://bucket, s3: {…}}]`: words and blocks, one or several.
pub struct OneOrMore<B>(pub Vec<WordOr<B>>);

impl<'de, B: Deserialize<'de>> Deserialize<'de> for OneOrMore<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Items<B>>::deserialize(deserializer)?;
        let (line, column) = (spanned.referenced.line(), spanned.referenced.column());
        Ok(Self(match spanned.value {
            Items::One(Either::Word(raw)) => vec![WordOr::Word(Text { raw, line, column })],
            Items::One(Either::Block(block)) => vec![WordOr::Block(block)],
            Items::More(all) => all,
        }))
    }
}

enum Items<B> {
    One(Either<B>),
    More(Vec<WordOr<B>>),
}

impl<'de, B: Deserialize<'de>> Deserialize<'de> for Items<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<B>(PhantomData<B>);

impl<'de, B: Deserialize<'de>> Visitor<'de> for ItemsVisitor<B> {
    type Value = Items<B>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a block, or a list of them")
    }
    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Items::One(Either::Word(word.to_owned())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        B::deserialize(MapAccessDeserializer::new(map)).map(|block| Items::One(Either::Block(block)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Items::More(all))
    }
}

enum Either<B> {
    Word(String),
    Block(B),
}

impl<'de, B: Deserialize<'de>> Deserialize<'de> for Either<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor(PhantomData))
    }
}

struct EitherVisitor<B>(PhantomData<B>);

impl<'de, B: Deserialize<'de>> Visitor<'de> for EitherVisitor<B> {
    type Value = Either<B>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or a block")
    }
    fn visit_bool<E>(self, word: bool) -> Result<Self::Value, E> {
        Ok(Either::Word(word.to_string()))
    }
    fn visit_i64<E>(self, word: i64) -> Result<Self::Value, E> {
        Ok(Either::Word(word.to_string()))
    }
    fn visit_u64<E>(self, word: u64) -> Result<Self::Value, E> {
        Ok(Either::Word(word.to_string()))
    }
    fn visit_f64<E>(self, word: f64) -> Result<Self::Value, E> {
        Ok(Either::Word(word.to_string()))
    }
    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Either::Word(word.to_owned()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        B::deserialize(MapAccessDeserializer::new(map)).map(Either::Block)
    }
}

/// Understands values. Every message names the place.
pub struct Reader<'a> {
    pub file: &'a Path,
    pub environment: &'a Environment,
}

impl Reader<'_> {
    /// A value that is text.
    pub fn text(&self, key: &str, text: &Option<Text>) -> Result<Option<String>, Misuse> {
        self.value(key, text, |value| Ok(value.to_owned()))
    }

    /// A value that nobody may see.
    pub fn secret(&self, key: &str, text: &Option<Text>) -> Result<Option<Secret>, Misuse> {
        Ok(self.text(key, text)?.map(Secret::new))
    }

    /// A value that is a path; one that is relative begins at the settings file.
    pub fn path(&self, key: &str, text: &Option<Text>) -> Result<Option<PathBuf>, Misuse> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        Ok(self.text(key, text)?.map(|path| folder.join(path)))
    }

    /// A value that means something. `parse` says what would be right; it must not repeat the value.
    pub fn value<T>(
        &self,
        key: &str,
        text: &Option<Text>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Misuse> {
        text.as_ref().map(|text| self.required(key, text, parse)).transpose()
    }

    /// Parses a value that is there.
    pub fn required<T>(&self, key: &str, text: &Text, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Misuse> {
        let expanded = self.expand(key, text)?;
        parse(&expanded).map_err(|reason| self.wrong_at(text, key, &reason))
    }

    /// Replaces `${NAME}` by the variable's value; `$${NAME}` stands for itself.
    fn expand(&self, key: &str, text: &Text) -> Result<String, Misuse> {
        let mut expanded = String::with_capacity(text.raw.len());
        let mut rest = text.raw.as_str();
        while let Some(at) = rest.find("${") {
            let (before, from_here) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str("${");
                rest = &from_here[2..];
                continue;
            }
            expanded.push_str(before);
            let Some((name, after)) = from_here[2..].split_once('}') else {
                return Err(self.wrong_at(text, key, "`${` without `}`"));
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(self.wrong_at(text, key, "there is no variable name between `${` and `}`"));
            }
            match self.environment.by_name(name)? {
                Some(value) => expanded.push_str(value),
                None => {
                    return Err(self.wrong_at(text, key, &format!("the environment variable {name} is not set")));
                }
            }
            rest = after;
        }
        Ok(expanded + rest)
    }

    fn wrong_at(&self, text: &Text, key: &str, reason: &str) -> Misuse {
        Misuse::settings(format!("{}:{}:{}: `{key}`: {reason}", self.file.display(), text.line, text.column))
    }

    /// Something wrong with a whole block.
    pub fn wrong(&self, key: &str, reason: &str) -> Misuse {
        Misuse::settings(format!("{}: `{key}`: {reason}", self.file.display()))
    }
}

/// Names that stand in a settings file as `${NAME}`, each once, in order of the alphabet. Comments do not count.
pub fn variables(text: &str) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut rest = line;
        while let Some(at) = rest.find("${") {
            let is_itself = rest[..at].ends_with('$');
            rest = &rest[at + 2..];
            if let Some((name, _)) = rest.split_once('}')
                && !is_itself
            {
                found.insert(name.to_owned());
            }
        }
    }
    found.into_iter().collect()
}

/// What may be backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupType {
    Rdb,
    Aof,
}

/// An encryption that S3 knows; another word would be sent, ignored by the store and never noticed.
pub fn sse(text: &str) -> Result<String, String> {
    match text {
        "AES256" | "aws:kms" | "aws:kms:dsse" => Ok(text.to_owned()),
        _ => Err("the encryption must be `AES256`, `aws:kms` or `aws:kms:dsse`".into()),
    }
}

pub fn backup_type(text: &str) -> Result<BackupType, String> {
    match text {
        "rdb" => Ok(BackupType::Rdb),
        "aof" => Ok(BackupType::Aof),
        _ => Err("the type of a backup must be `rdb` or `aof`".into()),
    }
}

pub fn consistent(text: &str) -> Result<Consistent, String> {
    match text {
        "auto" => Ok(Consistent::Auto),
        "barrier" => Ok(Consistent::Barrier),
        "none" => Ok(Consistent::None),
        _ => Err("the consistency of a cluster backup must be `auto`, `barrier` or `none`".into()),
    }
}

/// Entries of a map of addresses, separated by commas: `10.0.0.1:7000=203.0.113.5:17000,10.0.0.2=203.0.113.6`.
pub fn nat_map(text: &str) -> Result<Vec<NatEntry>, String> {
    text.split(',').map(|entry| entry.trim().parse()).collect()
}

/// How the servers of an instance stand together. What they say themselves counts; here it is only checked for its spelling.
pub fn architecture(text: &str) -> Result<(), String> {
    match text {
        "standalone" | "replication" | "cluster" | "sentinel" => Ok(()),
        _ => Err("the architecture must be `standalone`, `replication`, `cluster` or `sentinel`".into()),
    }
}

/// A cron line, as it was written.
pub fn schedule(text: &str) -> Result<String, String> {
    text.parse::<crate::schedule::Schedule>().map(|_| text.to_owned())
}

/// YAML's words for yes and no, old and new.
pub fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err("expected `true` or `false`".into()),
    }
}

pub fn number(text: &str) -> Result<u64, String> {
    parsed(text, "expected a whole number")
}

pub fn port(text: &str) -> Result<u16, String> {
    match parsed::<u16>(text, "expected a port from 1 to 65535")? {
        0 => Err("expected a port from 1 to 65535".into()),
        port => Ok(port),
    }
}

pub fn attempts(text: &str) -> Result<u32, String> {
    match parsed(text, "expected a number of attempts, 1 or more")? {
        0 => Err("expected a number of attempts, 1 or more".into()),
        attempts => Ok(attempts),
    }
}

pub fn multiplier(text: &str) -> Result<f64, String> {
    let factor = real(text)?;
    if factor >= 1.0 { Ok(factor) } else { Err("expected a number of 1 or more, because pauses grow".into()) }
}

pub fn real(text: &str) -> Result<f64, String> {
    let number: f64 = parsed(text, "expected a number")?;
    if number.is_finite() { Ok(number) } else { Err("expected a number".into()) }
}

/// A number of bytes that is not nothing.
pub fn size(text: &str) -> Result<u64, String> {
    match values::bytes(text)? {
        0 => Err("a size limit must be more than 0".into()),
        bytes => Ok(bytes),
    }
}

/// Megabits a second.
pub fn bandwidth(text: &str) -> Result<f64, String> {
    let wrong = "expected a bandwidth in megabits a second, such as 1000";
    real(text).ok().filter(|megabits| *megabits > 0.0).ok_or_else(|| wrong.to_owned())
}

pub fn codec(text: &str) -> Result<Codec, String> {
    match truth(text) {
        Ok(true) => Ok(Codec::GZIP),
        Ok(false) => Ok(Codec::None),
        Err(_) => parsed_as_is(text),
    }
}

fn parsed<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| expected.to_owned())
}

fn parsed_as_is<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
