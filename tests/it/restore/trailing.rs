//! What is published can be restored: bytes behind the end of an RDB, and zero bytes behind gzip data, are left out and counted.

use std::io::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

/// Bytes that no server reads.
const BEHIND: &[u8] = b"left from a longer file\n";

/// An RDB of a server with a few keys, with something behind its end.
struct Longer {
    folder: TempDir,
    rdb: Vec<u8>,
}

impl Longer {
    fn new() -> Self {
        let rdb = std::fs::read(own_folder().join("sampler-redis-6.2.14.rdb")).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("longer.rdb"), [&rdb[..], BEHIND].concat()).unwrap();
        Self { folder, rdb }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Adopts the file.
    #[track_caller]
    fn adopted(&self) -> String {
        let repository = self.text("repository");
        let line = ["backup", "--from-file", &self.text("longer.rdb"), "--name", "old", "-r", &repository];
        let (code, answer) = RedisOps::new().args(line).json();
        assert_eq!(code, 1, "{answer:#}");
        assert!(answer["warnings"].to_string().contains("24 bytes after the end of the RDB"), "{answer:#}");
        repository
    }
}

#[test]
fn a_backup_with_bytes_behind_its_end_is_restored_by_every_method() {
    let longer = Longer::new();
    let repository = longer.adopted();
    let (code, verified) = RedisOps::new().args(["verify", "-r", &repository, "--backup-id", "latest"]).json();
    assert!(code == 1 && verified["findings"].to_string().contains("trailing_bytes"), "{verified:#}");

    let Some(installed) = server_named("redis-server-7.4") else { return };
    let file = longer.text("longer.rdb");
    let stored = ["restore", "-r", &repository, "--backup-id", "old/latest"];
    for from in [&stored[..], &["restore", "--file", &file]] {
        for method in ["restore", "commands", "replica"] {
            let target = RedisServer::builder().version(&installed).start().unwrap();
            let line = ["--target-instance", &target.url(), "--method", method, "--accept-loss", "--yes"];
            let (code, answer) = RedisOps::new().args(from).args(line).json();
            assert_eq!((code, &answer["result"]["trailing_bytes"]), (1, &BEHIND.len().into()), "{method}: {answer:#}");
            assert_eq!(answer["proof"]["is_equal"], true, "{method}: {answer:#}");
            assert_ne!(target.ok(&["DBSIZE"]), "0", "{method}");
        }
        let target = RedisServer::builder().version(&installed).start().unwrap();
        let (code, answer) = RedisOps::new().args(from).args(["--target-instance", &target.url(), "--plan"]).json();
        assert_eq!((code, target.ok(&["DBSIZE"]).as_str()), (1, "0"), "{answer:#}");
    }
}

#[test]
fn a_file_is_written_without_what_stands_behind_its_end() {
    let longer = Longer::new();
    let repository = longer.adopted();
    let file = longer.text("longer.rdb");
    for (name, from) in
        [("a.rdb", ["-r", &repository, "--backup-id", "old/latest"]), ("b.rdb", ["--file", &file, "--name", "x"])]
    {
        let from: Vec<&str> = from.into_iter().take(if name == "a.rdb" { 4 } else { 2 }).collect();
        let out = longer.text(name);
        let (code, answer) = RedisOps::new().arg("restore").args(from).args(["--to-file", &out]).json();
        assert_eq!((code, &answer["result"]["trailing_bytes"]), (1, &BEHIND.len().into()), "{answer:#}");
        assert!(std::fs::read(&out).unwrap() == longer.rdb, "the RDB and nothing else");
    }
}

#[test]
fn a_compressed_file_with_zero_bytes_behind_it_is_read_with_a_warning() {
    let longer = Longer::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&longer.rdb).unwrap();
    check_padded(&longer, "padded.rdb.gz", encoder.finish().unwrap());
    let longer = Longer::new();
    check_padded(&longer, "padded.rdb.zst", zstd::encode_all(&longer.rdb[..], 1).unwrap());
}

#[track_caller]
fn check_padded(longer: &Longer, name: &str, mut padded: Vec<u8>) {
    padded.resize(padded.len() + 1000, 0);
    std::fs::write(longer.path(name), padded).unwrap();
    let file = longer.text(name);

    let (code, verified) = RedisOps::new().args(["verify", "--file", &file]).json();
    assert!(code == 1 && verified["findings"].to_string().contains("zero_padding"), "{verified:#}");
    let repository = longer.text("repository");
    let (code, adopted) =
        RedisOps::new().args(["backup", "--from-file", &file, "--name", "old", "-r", &repository]).json();
    assert!(code == 1 && adopted["warnings"].to_string().contains("1,000 zero bytes"), "{adopted:#}");
    // It was stored anew, without them.
    let (code, verified) = RedisOps::new().args(["verify", "-r", &repository, "--backup-id", "latest"]).json();
    assert_eq!(code, 0, "{verified:#}");

    let out = longer.text("out.rdb");
    let (code, answer) = RedisOps::new().args(["restore", "--file", &file, "--to-file", &out]).json();
    assert!(code == 1 && answer["warnings"].to_string().contains("1,000 zero bytes"), "{answer:#}");
    assert!(std::fs::read(&out).unwrap() == longer.rdb);
    let Some(target) = RedisServer::start() else { return };
    let (code, answer) =
        RedisOps::new().args(["restore", "--file", &file, "--target-instance", &target.url(), "--accept-loss"]).json();
    assert!(code == 1 && answer["warnings"].to_string().contains("1,000 zero bytes"), "{answer:#}");
    assert_eq!(answer["proof"]["is_equal"], true, "{answer:#}");
}

#[test]
fn a_plan_does_not_say_that_data_would_differ_where_only_bytes_behind_the_end_are_left_out() {
    let (longer, Some(target)) = (Longer::new(), RedisServer::start()) else { return };
    let line = ["restore", "--file", &longer.text("longer.rdb"), "--target-instance", &target.url(), "--plan"];
    let run = RedisOps::new().args(line.map(str::to_owned)).run();
    assert_eq!(run.code, 1, "{}", run.everything());
    assert!(run.text().contains("with warnings: see above") && !run.text().contains("differ"), "{}", run.text());
}
