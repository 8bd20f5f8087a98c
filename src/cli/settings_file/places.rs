//! Where backups go: the repositories of the settings, and the stores that serve them.

use std::path::Path;

use super::text::{self, WordOr};
use super::{S3, SettingsFile, raw};
use crate::explain::Misuse;

impl SettingsFile {
    /// The repository, `backup.destination`; of several the first, where backups are taken. A bare path that is relative begins at the
    /// file.
    pub fn destination(&self) -> Result<Option<String>, Misuse> {
        Ok(self.destinations()?.into_iter().next().map(|(place, _)| place))
    }

    /// The repositories that get a copy of each backup, each with the `s3` block that it has of its own.
    pub fn copies(&self) -> Result<Vec<(String, Option<S3>)>, Misuse> {
        Ok(self.destinations()?.into_iter().skip(1).collect())
    }

    fn destinations(&self) -> Result<Vec<(String, Option<S3>)>, Misuse> {
        let raw = self.raw.backup.as_ref().and_then(|backup| backup.destination.as_ref());
        let reader = self.reader();
        let mut places = Vec::new();
        for one in raw.iter().flat_map(|all| &all.0) {
            let (place, s3) = match one {
                WordOr::Word(word) => (reader.required("backup.destination", word, |text| Ok(text.to_owned()))?, None),
                WordOr::Block(block) => {
                    let s3 = block.s3.as_ref().map(|raw| self.s3_of("backup.destination.s3", raw)).transpose()?;
                    let place = reader.text("backup.destination.url", &block.url)?;
                    (place.ok_or_else(|| reader.wrong("backup.destination", "an entry has no `url`"))?, s3)
                }
            };
            let place = match place.contains("://") {
                true => place,
                false => self.beside(Path::new(&place)).to_string_lossy().into_owned(),
            };
            places.push((place, s3));
        }
        Ok(places)
    }

    /// The `s3` block, or that of the first destination, if it has one of its own.
    pub fn s3(&self) -> Result<S3, Misuse> {
        if let Some((_, Some(own))) = self.destinations()?.into_iter().next() {
            return Ok(own);
        }
        match &self.raw.s3 {
            Some(raw) => self.s3_of("s3", raw),
            None => Ok(S3::default()),
        }
    }

    fn s3_of(&self, at: &str, raw: &raw::S3) -> Result<S3, Misuse> {
        let (reader, at) = (self.reader(), |key: &str| format!("{at}.{key}"));
        let s3 = S3 {
            endpoint: reader.text(&at("endpoint"), &raw.endpoint)?,
            region: reader.text(&at("region"), &raw.region)?,
            path_style: reader.value(&at("path_style"), &raw.path_style, text::truth)?,
            ca: reader.path(&at("ca"), &raw.ca)?,
            sse: reader.value(&at("sse"), &raw.sse, text::sse)?,
            kms_key: reader.text(&at("kms_key"), &raw.kms_key)?,
            storage_class: reader.text(&at("storage_class"), &raw.storage_class)?,
        };
        if s3.kms_key.is_some() && !s3.sse.as_deref().is_some_and(|sse| sse.starts_with("aws:kms")) {
            return Err(reader.wrong(&at("kms_key"), "a KMS key needs `sse: aws:kms` or `sse: aws:kms:dsse`"));
        }
        Ok(s3)
    }
}
