//! A backup that is dated in the future: a clock was ahead. It never stands in the way of those that are taken now.

use super::{Folder, backed_up};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

/// Renames what was backed up to an id of the future, and dates its manifest so, sealed again.
fn into_the_future(place: &std::path::Path) {
    let folder = place.join("prod");
    let id = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let (moved, path) = (folder.join("2999-01-01-01-00"), folder.join(&id).join("manifest.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("\"id\": \"{id}\""), "\"id\": \"2999-01-01-01-00\"");
    let from = text.find("\"created_at\": \"").unwrap() + "\"created_at\": \"".len();
    let body = format!("{}2999-01-01T01:00:00Z{}", &text[..from], &text[from + text[from..].find('"').unwrap()..]);
    let body = &body[..body.len() - 83];
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(body.as_bytes()));
    std::fs::write(&path, format!("{body},\n  \"sha256\": \"{digest}\"\n}}\n")).unwrap();
    std::fs::rename(folder.join(id), moved).unwrap();
}

#[test]
fn a_backup_of_the_future_is_neither_fresh_nor_the_latest() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "key", "of the future"]);
    let folder = Folder::new();
    backed_up(&server.url(), &folder.text(), &[]);
    into_the_future(folder.path());
    let place = folder.text();
    let run = |line: &[&str]| RedisOps::new().args(line).args(["-r", &place]).json();

    // Alone it is all there is, and said.
    let (code, verify) = run(&["verify", "--backup-id", "prod/latest"]);
    assert_eq!((code, &verify["backup_id"]), (1, &"2999-01-01-01-00".into()), "{verify}");
    let (code, verify) = run(&["verify", "--backup-id", "prod/latest", "--max-age", "1h"]);
    let found: Vec<&str> = verify["findings"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!((code, found.contains(&"backup_of_the_future")), (2, true), "{verify}");
    let (_, list) = run(&["list"]);
    assert_eq!(list["backups"][0]["of_the_future"], true, "{list}");

    // A schedule goes on.
    let settings = format!(
        "instances:\n  prod:\n    url: {}\nbackup:\n  schedule: \"0 0 1 1 *\"\n  destination: \"{place}\"\n",
        server.url()
    );
    server.ok(&["SET", "key", "of today"]);
    let due = || RedisOps::new().file("redis-ops.yaml", &settings).args(["backup", "-i", "prod", "--if-due"]).json();
    let (code, taken) = due();
    assert_eq!((code, taken["due"].is_null() || taken["due"] == true), (0, true), "{taken}");
    let (code, taken) = due();
    assert_eq!((code, &taken["due"]), (0, &false.into()), "{taken}");

    // What was taken today is the latest.
    let (code, verify) = run(&["verify", "--backup-id", "prod/latest", "--max-age", "1h"]);
    assert_eq!(code, 0, "{verify}");
    assert_ne!(verify["backup_id"], "2999-01-01-01-00", "{verify}");
}
