//! Backups that are encrypted: taken, looked at without their key, opened with it, and refused without it.

mod kept_secret;
mod keys;
mod on_the_way;
mod restored;
mod settings;
mod taken;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;

/// An identity of the documentation of age, and its recipient.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
pub const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// A name that no manifest of an encrypted backup may have.
pub const NAME: &str = "customer:4711:a-name-that-is-secret";

/// Files with keys.
pub struct Keys {
    folder: TempDir,
}

impl Keys {
    pub fn new() -> Self {
        let keys = Self { folder: TempDir::new().unwrap() };
        keys.write("identity", format!("# created: now\n# public key: {RECIPIENT}\n{IDENTITY}\n"));
        keys.write("passphrase", "correct horse battery staple\n");
        keys
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A file that only its owner can read.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.path(name), content).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        self.text(name)
    }

    /// Another identity, and its recipient.
    pub fn another(&self, name: &str) -> String {
        let key = age::x25519::Identity::generate();
        use age::secrecy::ExposeSecret as _;
        self.write(name, key.to_string().expose_secret());
        key.to_public().to_string()
    }
}

/// Any command on a repository.
pub fn on(folder: &Folder, words: &[&str]) -> RedisOps {
    RedisOps::new().args(words).args(["-r", &folder.text(), "--progress", "none"])
}

/// What an independent reader makes of a file: the reader of the age crate, and the gzip of the system.
pub fn decrypted(path: &Path) -> Vec<u8> {
    use std::io::Read as _;
    let key: age::x25519::Identity = IDENTITY.parse().unwrap();
    let stored = std::fs::read(path).unwrap();
    let decryptor = age::Decryptor::new(&stored[..]).unwrap();
    let mut plain = Vec::new();
    let mut reader = decryptor.decrypt(std::iter::once(&key as &dyn age::Identity)).unwrap();
    reader.read_to_end(&mut plain).unwrap();
    plain
}

/// The one error of a command that must have failed: exit code, stable code, message, hint.
#[track_caller]
pub fn failed(answer: &(i32, Value)) -> (i32, &str, &str, &str) {
    let error = &answer.1["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    assert!(error.is_object(), "{answer:?}");
    (answer.0, text("code"), text("message"), text("hint"))
}

/// All that an error says: its message and its causes.
pub fn said(answer: &Value) -> String {
    let causes = answer["error"]["causes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let first = answer["error"]["message"].as_str().unwrap_or_default();
    std::iter::once(first).chain(causes).collect::<Vec<_>>().join(": ")
}
