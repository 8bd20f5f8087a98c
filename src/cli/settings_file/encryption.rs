//! The `backup.encryption` block.

use std::path::PathBuf;

use super::SettingsFile;
use crate::explain::Misuse;

/// The `backup.encryption` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encryption {
    /// The public keys to which backups are encrypted.
    pub recipients: Option<Vec<String>>,
    /// A file with them, in place of the list.
    pub recipients_file: Option<PathBuf>,
    /// A file with the passphrase that encrypts and decrypts, in place of keys.
    pub passphrase_file: Option<PathBuf>,
    /// A file with the identity that decrypts.
    pub identity_file: Option<PathBuf>,
}

impl SettingsFile {
    /// The `backup.encryption` block; `None`: there is none.
    pub fn encryption(&self) -> Result<Option<Encryption>, Misuse> {
        let Some(raw) = self.raw.backup.as_ref().and_then(|backup| backup.encryption.as_ref()) else { return Ok(None) };
        let (reader, at) = (self.reader(), |key: &str| format!("backup.encryption.{key}"));
        let recipients = raw.recipients.as_ref().map(|all| {
            all.iter().map(|one| reader.required(&at("recipients"), one, |text| Ok(text.to_owned()))).collect()
        });
        let encryption = Encryption {
            recipients: recipients.transpose()?,
            recipients_file: reader.path(&at("recipients_file"), &raw.recipients_file)?,
            passphrase_file: reader.path(&at("passphrase_file"), &raw.passphrase_file)?,
            identity_file: reader.path(&at("identity_file"), &raw.identity_file)?,
        };
        let ways = [
            encryption.recipients.is_some(),
            encryption.recipients_file.is_some(),
            encryption.passphrase_file.is_some(),
        ];
        if ways.into_iter().filter(|is_set| *is_set).count() > 1 {
            let why = "set only one of `recipients`, `recipients_file` and `passphrase_file`";
            return Err(reader.wrong("backup.encryption", why));
        }
        Ok(Some(encryption))
    }
}
