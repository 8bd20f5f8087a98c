//! The ids of backups in a bucket, as the last `list` showed them: Tab asks no store, which may want a secret first.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::cli::env::Environment;
use crate::storage::Location;

/// A file that is longer than this many bytes is none of ours.
const LIMIT: u64 = 1 << 20;

/// Where the ids of a bucket are remembered, below the folder of what is remembered from run to run. A folder needs no such file.
pub fn file_of(state: &Path, location: &Location) -> Option<PathBuf> {
    location.is_remote().then(|| {
        let name = hex::encode(&Sha256::digest(location.to_string().as_bytes())[..8]);
        state.join("completion").join(name)
    })
}

/// Instance and id of what is remembered of a bucket, newest first.
pub fn read(environment: &Environment, location: &Location) -> Vec<(String, String)> {
    let file = environment.state_folder().and_then(|state| file_of(&state, location));
    let Some(file) = file.filter(|file| std::fs::metadata(file).is_ok_and(|found| found.len() <= LIMIT)) else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.rsplit_once('/'));
    pairs.map(|(instance, id)| (instance.to_owned(), id.to_owned())).collect()
}
