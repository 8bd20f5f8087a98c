//! Method `file`: real servers are started on what it writes.

use std::path::Path;

use redis_ops::progress::Hidden;
use redis_ops::restore::RdbSource;
use redis_ops::restore::file::{AofLayout, FileError, Written, to_dir, to_file};
use tokio_util::sync::CancellationToken;

use super::replica::{source_of, whole};
use crate::support::fixtures;
use crate::support::redis_server::{Installed, RedisServer, on_each, servers};
use crate::support::sample;

fn layout(installed: &Installed) -> AofLayout {
    AofLayout::of(if installed.is("6.2") { (6, 2, 14) } else { (7, 0, 0) })
}

fn write_dir(folder: &Path, layout: AofLayout, source: RdbSource) -> Result<Written, FileError> {
    to_dir(folder, layout, source, &Hidden::default(), &CancellationToken::new())
}

fn write_file(path: &Path, source: RdbSource, overwrite: bool) -> Result<Written, FileError> {
    to_file(path, source, overwrite, &Hidden::default(), &CancellationToken::new())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// An RDB that no server reads.
fn some_rdb() -> Vec<u8> {
    let mut bytes = b"REDIS0009".to_vec();
    bytes.extend((0..3_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8));
    bytes.push(255);
    bytes.extend(redis_ops::rdb::crc64(&bytes).to_le_bytes());
    bytes
}

/// A server that is started on the folder has everything.
#[track_caller]
fn check_starts(installed: &Installed, folder: &Path, appendonly: &str, source: &RedisServer) {
    let folder = folder.display().to_string();
    let server = sample::builder(installed).arg("dir", &folder).arg("appendonly", appendonly).start().unwrap();
    server.wait_for("it has loaded", |server| server.info("loading") == "0");
    assert_eq!(sample::contents(&server), sample::contents(source), "{}, appendonly {appendonly}", installed.name);
}

#[test]
fn a_server_with_aof_or_without_starts_from_the_folder_and_has_everything() {
    on_each(&servers(), |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let rdb = sample::rdb(&source);
        for appendonly in ["yes", "no"] {
            let folder = tempfile::tempdir().unwrap();
            let written = write_dir(folder.path(), layout(installed), whole(&rdb)).unwrap();
            assert_eq!((written.bytes, written.warnings), (rdb.len() as u64, vec![]));
            assert!(written.files.iter().all(|file| file.exists()), "{:?}", written.files);
            check_starts(installed, folder.path(), appendonly, &source);
        }
    });
}

#[test]
fn a_server_with_aof_writes_on_and_starts_again() {
    on_each(&servers(), |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let rdb = sample::rdb(&source);
        let folder = tempfile::tempdir().unwrap();
        write_dir(folder.path(), layout(installed), whole(&rdb)).unwrap();
        let start = || {
            let path = folder.path().display().to_string();
            sample::builder(installed)
                .arg("dir", &path)
                .arg("appendonly", "yes")
                .arg("appendfsync", "always")
                .start()
                .unwrap()
        };
        let mut server = start();
        server.ok(&["SET", "written", "later"]);
        server.ok(&["DEL", "string"]);
        let before = sample::contents(&server);
        server.kill();
        assert_eq!(sample::contents(&start()), before, "{}", installed.name);
    });
}

#[test]
fn the_single_file_of_old_servers_is_converted_by_new_ones() {
    on_each(&servers(), |installed| {
        let source = sample::builder(installed).start().unwrap();
        sample::fill(&source);
        let rdb = sample::rdb(&source);
        let folder = tempfile::tempdir().unwrap();
        write_dir(folder.path(), AofLayout::SingleFile, whole(&rdb)).unwrap();
        check_starts(installed, folder.path(), "yes", &source);
    });
}

#[test]
fn a_dump_is_what_was_verified_to_the_byte_and_overwrites_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    let rdb = some_rdb();
    let written = write_file(&path, whole(&rdb), false).unwrap();
    assert_eq!((written.files, written.bytes), (vec![path.clone()], rdb.len() as u64));
    assert!(std::fs::read(&path).unwrap() == rdb);

    std::fs::write(&path, "precious").unwrap();
    let error = write_file(&path, whole(&rdb), false).expect_err("it exists");
    assert_eq!((error.code(), std::fs::read(&path).unwrap()), ("already_exists", b"precious".to_vec()));
    write_file(&path, whole(&rdb), true).unwrap();
    assert!(std::fs::read(&path).unwrap() == rdb);
    assert_eq!(names(folder.path()), ["dump.rdb"], "no temporary file is left");
}

#[test]
fn every_fixture_is_written_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    // Some have no checksum at their end.
    let source = |rdb: &[u8]| RdbSource { crc64: None, ..whole(rdb) };
    for fixture in fixtures::valid() {
        let (path, data) = (folder.path().join(&fixture.name), folder.path().join(format!("{}.d", fixture.name)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, source(&fixture.rdb), false).unwrap();
        assert!(std::fs::read(&path).unwrap() == fixture.rdb, "{}", fixture.name);
        let written = write_dir(&data, AofLayout::of((7, 0, 0)), source(&fixture.rdb)).unwrap();
        let base = written.files.iter().find(|file| file.to_string_lossy().ends_with(".base.rdb"));
        assert!(std::fs::read(base.unwrap()).unwrap() == fixture.rdb, "{}", fixture.name);
    }
}

#[test]
fn only_its_owner_can_read_what_holds_all_the_data() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    write_file(&path, whole(&some_rdb()), false).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_source_that_breaks_leaves_nothing_behind() {
    let rdb = some_rdb();
    let mut flipped = rdb.clone();
    flipped[1_000] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    for (bytes, given, error, code) in [
        (&rdb, rdb.len() / 2, Some("gone"), "storage_unavailable"),
        (&rdb, rdb.len(), Some("gone at the end"), "storage_unavailable"),
        (&rdb, rdb.len() - 1, None, "storage_unavailable"),
        (&flipped, rdb.len(), None, "checksum_mismatch"),
    ] {
        let source = || source_of(bytes, given, 100_000, error);
        assert_eq!(write_file(&folder.path().join("dump.rdb"), source(), true).expect_err("broken").code(), code);
        for layout in [AofLayout::MultiPart, AofLayout::SingleFile] {
            assert_eq!(write_dir(folder.path(), layout, source()).expect_err("broken").code(), code);
        }
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let progress = Hidden::default();
    let file = to_file(&folder.path().join("dump.rdb"), whole(&some_rdb()), false, &progress, &cancel);
    let dir = to_dir(folder.path(), AofLayout::MultiPart, whole(&some_rdb()), &progress, &cancel);
    assert!(matches!((file, dir), (Err(FileError::Cancelled), Err(FileError::Cancelled))));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_folder_that_holds_data_of_a_server_is_refused_and_not_touched() {
    for (name, is_folder) in [("dump.rdb", false), ("appendonly.aof", false), ("appendonlydir", true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        if is_folder {
            std::fs::create_dir(&path).unwrap()
        } else {
            std::fs::write(&path, "precious").unwrap()
        }
        for layout in [AofLayout::MultiPart, AofLayout::SingleFile] {
            let error = write_dir(folder.path(), layout, whole(&some_rdb())).expect_err("it holds data");
            assert!(matches!(&error, FileError::Exists { path: found } if *found == path), "{error:?}");
        }
        assert_eq!(names(folder.path()), [name]);
    }
}

#[test]
fn a_nodes_file_of_a_cluster_is_pointed_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nodes.conf"), "").unwrap();
    let written = write_dir(folder.path(), AofLayout::MultiPart, whole(&some_rdb())).unwrap();
    assert!(written.warnings.iter().any(|warning| warning.contains("nodes.conf")), "{:?}", written.warnings);
}

#[test]
fn what_cannot_be_written_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_file(&folder.path().join("missing/dump.rdb"), whole(&some_rdb()), false).expect_err("no folder");
    assert!(error.to_string().starts_with("there is no folder") && error.to_string().ends_with("missing`"), "{error}");
    let huge = RdbSource { length: u64::MAX / 2, ..whole(&some_rdb()) };
    let error = write_file(&folder.path().join("dump.rdb"), huge, false).expect_err("no room");
    assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
}
