//! Errors explain themselves: every type of error has an answer, what may help is said in one place, and one fault has one name
//! whichever command meets it.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::backup::Folder;
use crate::floors::rust_files;
use crate::support::fixtures::own_folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// Errors that no command can meet, and why.
const NEVER_MET: &[(&str, &str)] = &[
    ("CodecErrorKind", "a part of CodecError"),
    ("Silence", "told to the S3 client, which comes back with an error of its own"),
];

/// The files of `src`, without their tests: path and text.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let text = |path: &Path| {
        let text = fs::read_to_string(path).expect("a source file");
        text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    };
    files.iter().map(|path| (path.strip_prefix(&src).expect("below src").display().to_string(), text(path))).collect()
}

/// The names of the error types that a source text defines.
fn error_types(text: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let by_hand = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("impl std::error::Error for ").or_else(|| line.strip_prefix("impl Error for "))?;
        Some(name(rest))
    });
    let derived = text.split("thiserror::Error)]").skip(1).filter_map(|rest| {
        let line = rest.lines().find(|line| line.contains("struct ") || line.contains("enum "))?;
        Some(name(line.split_once("struct ").or_else(|| line.split_once("enum "))?.1))
    });
    by_hand.chain(derived).collect()
}

#[test]
fn every_type_of_error_explains_itself_beside_its_definition() {
    let mut found = 0;
    for (path, text) in sources() {
        for name in error_types(&text) {
            found += 1;
            let exempt = NEVER_MET.iter().any(|(other, _)| *other == name);
            let explains = text.contains(&format!("impl Explain for {name} "));
            assert!(explains != exempt, "{path}: `{name}` has {} `impl Explain`", if exempt { "an" } else { "no" });
        }
    }
    assert!(found > 40, "only {found} types of errors were found");
}

#[test]
fn which_options_a_hint_names_is_chosen_in_cli() {
    for (path, text) in sources().iter().filter(|(path, _)| !path.starts_with("cli")) {
        for (at, _) in text.match_indices("hint(").chain(text.match_indices("Hint::words(")) {
            let (mut depth, mut end) = (0, at);
            for (index, byte) in text.bytes().enumerate().skip(at) {
                depth += i32::from(byte == b'(') - i32::from(byte == b')');
                if byte == b')' && depth == 0 {
                    end = index;
                    break;
                }
            }
            let words = &text[at..end];
            assert!(!words.contains("`--") && !words.contains("`redis-ops "), "{path}: {words}");
        }
    }
}

/// One line of each way in which a command meets the data of a file, and the code and hint that it ends with.
fn told(file: &Path, target: &RedisServer) -> Vec<(String, String, String)> {
    let (file, repository, url) = (file.display().to_string(), Folder::new(), target.url());
    let into = ["restore", "--file", &file, "--target-instance", &url, "--yes", "--no-safety-backup"];
    let lines: Vec<Vec<&str>> = vec![
        into.to_vec(),
        [&into[..], &["--method", "replica"]].concat(),
        [&into[..], &["--method", "commands"]].concat(),
        [&into[..], &["--on-conflict", "skip"]].concat(),
        vec!["restore", "--file", &file, "--to-file", "restored.rdb"],
        vec!["restore", "--file", &file, "--to-dir", "restored"],
        vec!["show", "--file", &file, "--keys", "*"],
        vec!["backup", "--from-file", &file, "--name", "adopted", "-r", repository.path().to_str().unwrap()],
        vec!["diagnose", "keyspace", "--file", &file],
    ];
    let error = |line: &Vec<&str>| {
        let (code, answer) = RedisOps::new().args(line).json();
        let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
        assert!(code == 2 || code == 3, "{line:?}: {answer:#}");
        (line.join(" "), text("code"), text("hint"))
    };
    lines.iter().map(error).collect()
}

#[test]
fn one_truncated_rdb_has_one_code_and_one_hint_whichever_command_meets_it() {
    let Some(target) = RedisServer::start() else { return };
    let rdb = fs::read(own_folder().join("sampler-redis-6.2.14.rdb")).unwrap();
    let folder = TempDir::new().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&rdb).unwrap();
    let packed = packed.finish().unwrap();
    let whole = [("plain.rdb", &rdb), ("packed.rdb.gz", &packed)];
    for (name, bytes) in whole {
        let file = folder.path().join(name);
        fs::write(&file, &bytes[..bytes.len() * 2 / 3]).unwrap();
        for holds_a_key in [false, true] {
            target.ok(&["FLUSHALL"]);
            if holds_a_key {
                target.ok(&["SET", "of:the:target", "1"]);
            }
            for (line, code, hint) in told(&file, &target) {
                let is_refused = code == "target_not_empty" || code == "method";
                if holds_a_key && is_refused {
                    continue;
                }
                assert_eq!(code, "truncated", "{line}: {hint}");
                assert!(
                    hint.starts_with("use another backup (`redis-ops list` shows them); `redis-ops verify`"),
                    "{line}: {hint}"
                );
            }
        }
        // That it is damaged is the very answer of these: no error, and nothing that would lead further.
        for command in ["verify", "show"] {
            let (code, answer) = RedisOps::new().args([command, "--file", file.to_str().unwrap()]).json();
            let found: Vec<&Value> =
                answer["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
            assert!(code == 2 && found.contains(&&"truncated".into()), "{answer:#}");
        }
    }
}
