//! What a backup is known to lack is said by whoever reads it later, and not only by the run that took it.

use serde_json::Value;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, server_named};

#[test]
fn a_backup_without_the_functions_of_its_source_says_so_wherever_it_is_used() {
    let Some(installed) = server_named("redis-server-8.0").or_else(|| server_named("valkey-server-8.1")) else {
        return;
    };
    let start = || RedisServer::builder().version(&installed).start().unwrap();
    let (source, target) = (start(), start());
    source.ok(&["SET", "key", "1"]);
    source.ok(&["FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f1', function() return 1 end)"]);
    source.ok(&["ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@all", "-psync", "-sync", "-function"]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let run = |words: &[&str]| RedisOps::new().args(["-r", &place]).args(words.iter().copied()).json();

    let url = format!("redis://reader:secret@127.0.0.1:{}", source.port());
    let (code, answer) = run(&["backup", "-i", &url, "--name", "test"]);
    let lacks = |answer: &Value| answer["backup"]["lacks"][0].as_str().unwrap_or_default().to_owned();
    assert!(code == 1 && lacks(&answer).contains("functions are not in the backup"), "{answer}");
    let (_, answer) = run(&["show", "--backup-id", "test/latest"]);
    assert!(lacks(&answer).contains("functions are not in the backup"), "{answer}");
    for level in ["manifest", "structure"] {
        let (code, answer) = run(&["verify", "--backup-id", "test/latest", "--level", level]);
        let found = answer["findings"].as_array().unwrap().iter().any(|finding| finding["id"] == "not_in_backup");
        assert!(code == 1 && found, "{level}: {answer}");
    }
    let url = target.url();
    for more in [&["--plan"][..], &[]] {
        let line = ["restore", "--backup-id", "test/latest", "--target-instance", &url];
        let (code, answer) = run(&[&line[..], more].concat());
        let lines = answer["plan"]["lines"].as_array().unwrap();
        let is_said = lines.iter().any(|line| line["code"] == "not_in_backup" && line["level"] == "warning");
        assert!(is_said && (code, &answer["error"]) == (1, &Value::Null), "{more:?}: {answer}");
    }
    assert_eq!(target.ok(&["GET", "key"]), "1");
}
