//! RDB files of real servers, old, damaged and foreign ones, with what is known of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A valid file and its content.
pub struct Fixture {
    /// Folder and name, without extension: `generated/redis-7.2.6/sampler`.
    pub name: String,
    pub rdb: Vec<u8>,
    /// See the README beside the fixtures.
    pub json: Value,
}

/// A damaged file and what must be said of it: a line of `corrupt/EXPECTED.tsv`.
pub struct Damaged {
    pub name: String,
    pub rdb: Vec<u8>,
    pub offset: u64,
    pub what: String,
    pub must_refuse: bool,
    pub remark: String,
}

/// The folder of all fixtures, if it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("REDIS_OPS_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
    };
    folder.is_dir().then_some(folder)
}

/// The few files that lie in this repository.
pub fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Every valid file below `generated/` and `old/`, and those of this repository: of the large collection none where it is
/// missing (and a skip is said).
pub fn valid() -> Vec<Fixture> {
    let mut found = Vec::new();
    collect(&own_folder(), &own_folder(), &mut found);
    match folder() {
        Some(folder) => ["generated", "old"].iter().for_each(|part| collect(&folder, &folder.join(part), &mut found)),
        None => super::skip("fixtures"),
    }
    found
}

/// One valid file by its name, from the large collection or from this repository.
pub fn named(name: &str) -> Option<Fixture> {
    [Some(own_folder()), folder()].into_iter().flatten().find_map(|root| load(&root, &root.join(format!("{name}.rdb"))))
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Fixture>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rdb") {
            found.extend(load(root, &path));
        }
    }
}

fn load(root: &Path, path: &Path) -> Option<Fixture> {
    let rdb = fs::read(path).ok()?;
    let json = serde_json::from_str(&fs::read_to_string(path.with_extension("json")).ok()?).unwrap();
    let name = path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().to_owned();
    Some(Fixture { name, rdb, json })
}

/// Every damaged file, of this repository and of the large collection (where that is missing, a skip is said).
pub fn damaged() -> Vec<Damaged> {
    let collection = folder();
    if collection.is_none() {
        super::skip("fixtures");
    }
    [Some(own_folder()), collection].into_iter().flatten().flat_map(|root| table(&root.join("corrupt"))).collect()
}

fn table(folder: &Path) -> Vec<Damaged> {
    let table = fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let damaged = table.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        Damaged {
            name: cells[0].to_owned(),
            rdb: fs::read(folder.join(cells[0])).unwrap(),
            offset: cells[3].parse().unwrap(),
            what: cells[4].to_owned(),
            must_refuse: cells[5] == "yes",
            remark: cells[6].to_owned(),
        }
    });
    damaged.collect()
}
