//! A folder where a file was to be.

use std::ffi::OsString;
use std::path::Path;

use super::Foreign;
use crate::explain::Hint;

/// Names in a folder that are looked at.
const NAMES: usize = 1024;

/// What a folder is, by the names in it.
pub(in crate::dataset) fn of_folder(path: &Path) -> Foreign {
    let names: Vec<OsString> = std::fs::read_dir(path)
        .map(|entries| entries.take(NAMES).flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let ends_with = |ends: &[&str]| names.iter().any(|name| ends.iter().any(|end| name.ends_with(end)));
    if ends_with(&[".aof.manifest", ".base.rdb", ".base.aof", ".incr.aof"]) {
        return Foreign::new("the directory of a multi-part append-only file", Hint::StartAServer);
    }
    if names.iter().any(|name| name == "appendonlydir" || name == "appendonly.aof") {
        return Foreign::new("the directory of a server that keeps an append-only file", Hint::StartAServer);
    }
    if names.iter().any(|name| name == "dump.rdb") {
        let way = format!("name the RDB in it: `{}`", path.join("dump.rdb").display());
        return Foreign::new("the directory of a server", way);
    }
    Foreign::new("a directory", Hint::NameFile)
}
