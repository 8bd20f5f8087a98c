//! `verify --file` and `show --file`: any RDB that somebody has lying about, without a server and without a repository.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::fixtures::{self, Damaged};
use crate::support::redis_ops::RedisOps;

pub(super) fn verify(path: &Path) -> RedisOps {
    RedisOps::new().args(["verify", "--file"]).arg(path)
}

fn show(path: &Path) -> RedisOps {
    RedisOps::new().args(["show", "--file"]).arg(path)
}

/// A file of its own with these bytes.
fn stored(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sampler() -> (PathBuf, Vec<u8>) {
    let path = fixtures::own_folder().join("sampler-redis-7.2.6.rdb");
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// The finding with this id.
#[track_caller]
fn finding<'j>(json: &'j Value, id: &str) -> &'j Value {
    let findings = json["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id} in {json:#}"))
}

/// What the table says must be said of a file that is refused.
fn refused(damaged: &Damaged, code: i32, json: &Value) {
    let name = &damaged.name;
    if name == "version_9999.rdb" {
        assert_eq!((code, &json["status"]), (3, &"unknown".into()), "{name}");
        assert_eq!(finding(json, "unsupported_rdb_version")["evidence"]["version"], 9999);
        return;
    }
    if name == "zero_length.rdb" {
        assert_eq!((code, &json["error"]["code"]), (3, &"not_an_rdb".into()), "{name}: {json:#}");
        return;
    }
    assert_eq!((code, &json["status"]), (2, &"failed".into()), "{name} ({}): {json:#}", damaged.what);
    let worst = json["findings"].as_array().unwrap().iter().find(|finding| finding["severity"] == "critical");
    let worst = worst.unwrap_or_else(|| panic!("{name}: {json:#}"));
    assert!(!worst["title"].as_str().unwrap().is_empty());
    let offset = worst["evidence"]["offset"].as_u64().unwrap_or_else(|| panic!("{name}: {worst:#}"));
    // A wrong byte within the checksum is known to be wrong with all eight.
    let least = if worst["id"] == "checksum_mismatch" { damaged.offset - 7 } else { damaged.offset };
    assert!((least..=damaged.rdb.len() as u64).contains(&offset), "{name}: {offset}, not {}", damaged.offset);
    assert_eq!(worst["evidence"]["offset_in"], "rdb", "{name}");
}

/// What the table says must be said of a file that loads.
fn accepted(damaged: &Damaged, code: i32, json: &Value) {
    let (name, remark) = (&damaged.name, &damaged.remark);
    let asked = [
        ("no checksum", "checksum_absent", None),
        ("follow", "trailing_bytes", Some(damaged.offset)),
        ("key is empty", "empty_key", None),
        ("does not agree", "hint_differs", None),
    ];
    let mut expected = 0;
    for (words, id, offset) in asked {
        if remark.contains(words) {
            let found = finding(json, id);
            if let Some(offset) = offset {
                assert_eq!(found["evidence"]["offset"], offset, "{name}");
            }
            // A hint that lies harms nobody.
            expected = expected.max(i32::from(id != "hint_differs"));
        } else if id != "hint_differs" {
            let ids: Vec<&Value> = json["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
            assert!(!ids.contains(&&Value::from(id)), "{name}: {ids:?}");
        }
    }
    assert_eq!(code, expected, "{name} ({remark}): {json:#}");
}

#[test]
fn every_damaged_file_is_judged_as_the_table_says() {
    let folder = TempDir::new().unwrap();
    for damaged in fixtures::damaged() {
        let path = folder.path().join(&damaged.name);
        std::fs::write(&path, &damaged.rdb).unwrap();
        let (code, json) = verify(&path).json();
        match damaged.must_refuse {
            true => refused(&damaged, code, &json),
            false => accepted(&damaged, code, &json),
        }
    }
}

#[test]
fn showing_a_damaged_file_ends_as_verifying_it() {
    for damaged in fixtures::damaged().into_iter().filter(|damaged| damaged.name.starts_with(['k', 't', 'c', 'v'])) {
        let (_folder, path) = stored(&damaged.name, &damaged.rdb);
        let (verified, shown) = (verify(&path).run(), show(&path).run());
        assert_eq!(verified.code, shown.code, "{}", damaged.name);
        assert_eq!((verified.stderr.as_str(), shown.stderr.as_str()), ("", ""), "{}", damaged.name);
        // The verdict is the last line of both, and words for people say what and where.
        for text in [verified.text(), shown.text()] {
            let word = ["ok: ", "warning: ", "failed: ", "unknown: "][[0, 1, 2, 3][verified.code as usize]];
            let last = text.lines().last().unwrap();
            assert!(last.starts_with(word), "{}: {last}", damaged.name);
        }
    }
}

#[test]
fn people_are_told_what_is_wrong_and_where() {
    let (_folder, path) = stored("half.rdb", &sampler().1[..5105]);
    let run = verify(&path).run();
    assert!(run.text().contains("the file ends early, after 5105 bytes"), "{}", run.text());
    assert!(run.text().contains("offset 5105, offset_in rdb"), "{}", run.text());
    let run = show(&path).run();
    assert!(run.text().contains("the file ends early, after 5105 bytes"), "{}", run.text());
}

#[test]
fn a_file_is_the_same_however_it_is_stored() {
    let (path, bytes) = sampler();
    let (code, plain) = verify(&path).arg("--census").json();
    let findings = plain["findings"].as_array().unwrap();
    let ids: Vec<&str> = findings.iter().filter_map(|finding| finding["id"].as_str()).collect();
    assert_eq!((code, ids), (0, vec!["functions_not_run"]), "{plain:#}");
    assert_eq!(plain["checked"]["keys"], plain["census"]["keys"]);
    assert_eq!(plain["rdb"]["raw_bytes"], bytes.len());

    // Two members are one stream, as `cat a.gz b.gz` makes it.
    let (one, other) = bytes.split_at(3000);
    let forms = [
        ("a.rdb.gz", gzip(&bytes)),
        ("members.gz", [gzip(one), gzip(other)].concat()),
        ("a.rdb.zst", zstd::bulk::compress(&bytes, 1).unwrap()),
        // The name says nothing, the bytes do.
        ("dump.rdb", zstd::bulk::compress(&bytes, 1).unwrap()),
        ("backup", bytes.clone()),
    ];
    let check = |name: &str, (code, json): (i32, Value)| {
        assert_eq!(code, 0, "{name}: {json:#}");
        assert_eq!((&json["rdb"], &json["census"]), (&plain["rdb"], &plain["census"]), "{name}");
    };
    for (name, content) in forms {
        let (_folder, path) = stored(name, &content);
        check(name, verify(&path).arg("--census").json());
        check(name, show(&path).json());
        check(name, verify(Path::new("-")).arg("--census").stdin(content).json());
    }
}

#[test]
fn without_a_census_structure_and_checksum_are_checked_all_the_same() {
    let (path, _) = sampler();
    let (code, json) = verify(&path).json();
    assert_eq!((code, &json["census"]), (0, &Value::Null), "{json:#}");
    assert_eq!(json["rdb"]["crc64"].as_str().map(str::len), Some(16), "{json:#}");
    assert!(json["checked"]["keys"].as_u64() > Some(0), "{json:#}");
}

#[test]
fn damage_in_what_is_compressed_is_said_in_stored_bytes() {
    let mut zipped = gzip(&sampler().1);
    let (_folder, path) = stored("cut.rdb.gz", &zipped[..zipped.len() - 100]);
    let (code, json) = verify(&path).json();
    assert_eq!(code, 2, "{json:#}");
    let found = finding(&json, "truncated");
    assert_eq!(found["evidence"]["offset_in"], "stored", "{json:#}");
    assert_eq!(found["evidence"]["offset"], zipped.len() - 100, "{json:#}");

    // The CRC32 in the last eight bytes.
    let at = zipped.len() - 8;
    zipped[at] ^= 1;
    let (_folder, path) = stored("flipped.rdb.gz", &zipped);
    let (code, json) = verify(&path).json();
    assert_eq!(code, 2, "{json:#}");
    let found = &json["findings"][0];
    assert_eq!((&found["severity"], &found["evidence"]["offset_in"]), (&"critical".into(), &"stored".into()));
    assert!(found["evidence"]["offset"].as_u64() <= Some(zipped.len() as u64), "{json:#}");
}

#[test]
fn damage_inside_is_said_in_bytes_of_the_rdb_whatever_it_was_compressed_with() {
    let mut bytes = sampler().1;
    bytes[5105] ^= 0x10;
    let (_folder, path) = stored("plain.rdb", &bytes);
    let (_, plain) = verify(&path).json();
    for (name, content) in [("a.gz", gzip(&bytes)), ("a.zst", zstd::bulk::compress(&bytes, 1).unwrap())] {
        let (_folder, path) = stored(name, &content);
        let (code, json) = verify(&path).json();
        assert_eq!((code, &json["findings"]), (2, &plain["findings"]), "{name}");
    }
}

#[test]
fn what_is_no_rdb_is_not_taken_for_a_damaged_one() {
    // What is known by its first bytes is named: see `foreign`.
    {
        let (content, words) = (&b"hello, this is a letter and no backup"[..], "not an RDB");
        let (_folder, path) = stored("a.rdb", content);
        for run in [verify(&path).run(), show(&path).run(), verify(Path::new("-")).stdin(content).run()] {
            assert_eq!(run.code, 3, "{}", run.everything());
            assert!(run.stderr.contains(words), "{}", run.everything());
        }
    }
}

#[test]
fn what_cannot_be_read_gives_no_answer() {
    let folder = TempDir::new().unwrap();
    let locked = folder.path().join("locked.rdb");
    std::fs::write(&locked, sampler().1).unwrap();
    std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let mut cases = vec![(folder.path().join("missing.rdb"), "No such file"), (folder.path().to_owned(), "directory")];
    if std::fs::File::open(&locked).is_err() {
        cases.push((locked, "Permission denied"));
    }
    for (path, words) in cases {
        for run in [verify(&path).run(), show(&path).run()] {
            assert_eq!((run.code, run.text()), (3, ""), "{}", run.everything());
            assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
            assert!(run.stderr.contains(words) && run.stderr.contains(path.to_str().unwrap()), "{}", run.stderr);
        }
        let (code, json) = verify(&path).json();
        assert_eq!((code, &json["status"]), (3, &"unknown".into()), "{json:#}");
        assert!(json["error"]["code"].is_string(), "{json:#}");
    }
}

#[test]
fn a_file_is_shown_in_tables_that_fit_and_in_json_with_all_of_it() {
    let (path, _) = sampler();
    let run = show(&path).run();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let text = run.text();
    for line in [
        "rdb         Redis version 11, 10,210 bytes, CRC64",
        "redis-ver   7.2.6",
        "TYPE ",
        "DATABASE ",
        "LARGEST KEYS ",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(text.lines().filter(|line| !line.starts_with("file ")).all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.ends_with("ok: 17 keys, complete and sound\n"), "{text}");

    let (_, json) = show(&path).json();
    assert_eq!(json["rdb"]["aux"]["redis-ver"], "7.2.6");
    assert_eq!(json["census"]["keys"], 17);
    assert!(text.contains(json["census"]["digest"].as_str().unwrap()), "{text}");
}

#[test]
fn showing_names_every_finding() {
    let folder = fixtures::own_folder().join("corrupt");
    let run = show(&folder.join("key_twice.rdb")).run();
    assert_eq!(run.code, 2);
    assert!(run.text().contains("duplicate_key") && run.text().contains("hint_differs"), "{}", run.text());
    assert!(run.text().ends_with("failed: a key is in the file twice\n"), "{}", run.text());
}

#[test]
fn a_key_that_stands_there_twice_is_named() {
    let path = fixtures::own_folder().join("corrupt/key_twice.rdb");
    let (code, json) = verify(&path).json();
    let found = &finding(&json, "duplicate_key")["evidence"];
    assert_eq!((code, &found["keys"]), (2, &1.into()), "{json:#}");
    assert_eq!(
        found["first"],
        serde_json::json!([{"database": 9, "key": "smp:in-db9", "offset": found["offset"], "what": "a key is in the file twice"}])
    );
    assert!(verify(&path).run().text().contains("smp:in-db9 (db 9)"));
    let run = verify(&path).arg("--hide-keys").run();
    assert!(!run.text().contains("smp:in-db9") && run.text().contains("sha256:"), "{}", run.text());
    // What can be read only once is judged all the same.
    let (code, json) = verify(Path::new("-")).stdin(std::fs::read(&path).unwrap()).json();
    let found = &finding(&json, "duplicate_key")["evidence"];
    assert_eq!((code, &found["keys"], &found["first"]), (2, &1.into(), &Value::Null), "{json:#}");
}

#[test]
fn a_note_about_a_library_names_it_and_what_tells_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libraries.rdb");
    let mut rdb = b"REDIS0010".to_vec();
    for name in ["lib1", "lib2", "lib3"] {
        let body = if name == "lib1" { "" } else { "local i = 0 while i < 3 do i = i + 1 end\n" };
        let code = format!("#!lua name={name}\n{body}redis.register_function('{name}', function() return 1 end)");
        rdb.extend([&[0xf5, 0x40 | (code.len() >> 8) as u8, code.len() as u8], code.as_bytes()].concat());
    }
    rdb.extend(b"\xfe\x00\x00\x03key\x01v\xff");
    rdb.extend(redis_ops::rdb::crc64(&rdb).to_le_bytes());
    std::fs::write(&path, rdb).unwrap();
    let file = path.display().to_string();
    let run = RedisOps::new().args(["verify", "--file", &file]).run();
    let text = run.text();
    let line = text.lines().find(|line| line.contains("function_may_not_end")).unwrap_or_default();
    assert!(run.code == 0 && line.contains("first lib2, lib3"), "{}", run.everything());
    assert!(text.contains("is good: ") && text.contains("above, `--level drill` tells"), "{text}");
    let (_, answer) = RedisOps::new().args(["verify", "--file", &file]).json();
    let findings = answer["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["id"] == "function_may_not_end").unwrap();
    assert_eq!(finding["evidence"]["first"][0]["library"], "lib2", "{answer:#}");
}
