//! `--html FILE`: every command that answers a question writes its answer as a page, and a real browser shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::backup::{Folder, backed_up};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::skip;

/// The title of a page; that it has one says that it is whole.
fn title(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>"), "{text}");
    text.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).expect("a title").to_owned()
}

/// A server with keys that are hard to show, two backups of it in a repository, and the folder of the pages.
fn prepared() -> Option<(RedisServer, Folder, tempfile::TempDir)> {
    let server = RedisServer::start()?;
    server.fill(200, 50);
    server.ok(&["SET", "<script>alert(1)</script>:\u{202e}key", "v", "EX", "1000"]);
    server.ok(&["SET", "secret-customer:1", "v"]);
    let repository = Folder::new();
    for _ in 0..2 {
        backed_up(&server.url(), &repository.text(), &[]);
    }
    Some((server, repository, tempfile::tempdir().expect("a folder")))
}

/// The arguments of every command that writes a page.
fn commands<'a>(url: &'a str, repository: &'a str) -> Vec<(&'static str, Vec<&'a str>)> {
    vec![
        ("diagnose", vec!["diagnose", "all", "-i", url, "--full", "--window", "100ms"]),
        ("list", vec!["list", "-r", repository]),
        ("show", vec!["show", "prod/latest", "-r", repository]),
        ("keys", vec!["show", "prod/latest", "-r", repository, "--keys", "<*", "--keys", "secret*"]),
        ("status", vec!["status", "-r", repository, "--max-age", "1h"]),
        ("verify", vec!["verify", "prod/latest", "-r", repository, "--census"]),
        ("all", vec!["verify", "--all", "-r", repository]),
        ("compare", vec!["verify", "--backup-id", "prod/latest", "-r", repository, "-i", url]),
    ]
}

#[test]
fn every_command_writes_a_page_beside_its_usual_answer() {
    let Some((server, repository, folder)) = prepared() else { return };
    let (url, repository) = (server.url(), repository.text());
    for (name, arguments) in commands(&url, &repository) {
        let page = folder.path().join(format!("{name}.html"));
        let run = RedisOps::new().args(&arguments).args(["--html", &page.display().to_string()]).run();
        assert!(matches!(run.code, 0..=2), "{name}: {} {}", run.code, run.stderr);
        assert!(!run.stdout.is_empty(), "{name}");
        assert!(run.stderr.contains(&format!("the page is in {}\n", page.display())), "{name}: {}", run.stderr);
        let word = ["ok: ", "warning: ", "critical: "].into_iter().any(|word| title(&page).starts_with(word));
        assert!(word && title(&page).ends_with(&format!(" - redis-ops {}", arguments[0])), "{name}: {}", title(&page));
        // JSON is the same with and without a page.
        let json = RedisOps::new().args(&arguments).args(["--json", "-q", "--html", &page.display().to_string()]).run();
        assert_eq!(json.json()["command"], arguments[0], "{name}");
        assert_eq!(json.stderr, "", "{name}");
    }
    let text = |name: &str| fs::read_to_string(folder.path().join(format!("{name}.html"))).expect("a page");
    assert!(text("keys").contains("&lt;script&gt;alert(1)&lt;/script&gt;:\\u{202e}key"), "{}", text("keys"));
    assert!(text("diagnose").contains("Memory by prefix"), "{}", text("diagnose"));
    // Nothing is left of the writing.
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, commands(&url, &repository).len());
}

#[test]
fn a_page_names_no_key_that_is_to_be_hidden() {
    let Some((server, repository, folder)) = prepared() else { return };
    let (url, repository) = (server.url(), repository.text());
    for (name, arguments) in commands(&url, &repository) {
        let page = folder.path().join(format!("{name}.html"));
        let run = RedisOps::new().args(&arguments).args(["--hide-keys", "--html", &page.display().to_string()]).run();
        assert!(matches!(run.code, 0..=2), "{name}: {}", run.stderr);
        let text = fs::read_to_string(&page).expect("a page");
        assert!(!text.contains("secret-customer") && !text.contains("alert(1)"), "{name}: {text}");
    }
}

#[test]
fn an_error_is_a_page_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let at = page.display().to_string();
    let run = RedisOps::new().args(["diagnose", "all", "-i", "redis://127.0.0.1:1", "--html", &at]).run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(title(&page), "unknown: redis-ops diagnose - redis-ops diagnose");
    let text = fs::read_to_string(&page).expect("a page");
    assert!(text.contains("<code>connection_refused</code>") && text.contains("connection refused"), "{text}");
}

#[test]
fn a_path_for_no_page_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let dump = folder.path().join("dump.rdb");
    fs::write(&dump, b"REDIS0011").expect("a file");
    for (path, words) in [
        (folder.path().to_owned(), "this is a folder"),
        (dump.clone(), "this file exists, and is not a page of redis-ops"),
        (PathBuf::from("/dev/null"), "this is not a regular file"),
        (folder.path().join("none/page.html"), "No such file or directory"),
        (PathBuf::from("-"), "the page cannot go to stdout"),
    ] {
        // Nobody listens there: who had asked would say so.
        let arguments = ["diagnose", "all", "-i", "redis://127.0.0.1:1", "--html", &path.display().to_string()];
        let run = RedisOps::new().args(arguments).run();
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.contains(words) && !run.stderr.contains("refused ("), "{}: {}", path.display(), run.stderr);
    }
    assert_eq!(fs::read(&dump).expect("the file"), b"REDIS0011");
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_beside_the_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let repository = folder.path().join("repository").display().to_string();
    RedisOps::new().args(["init", "-r", &repository]).run();
    // No file may be longer than this, as on a disk that is full. A page is longer.
    let Some(run) = RedisOps::with_files_of_at_most(2048) else { return };
    let run = run.args(["list", "-r", &repository, "--html", &page.display().to_string()]).run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.text().contains("0 backups"), "{}", run.text());
    assert!(run.stderr.contains("error: cannot write the page to "), "{}", run.stderr);
    assert!(!page.exists(), "half a page");
}

/// `REDIS_OPS_AXE` names axe-core's axe.min.js; chromium, chromedriver and node are on the PATH.
#[test]
fn a_browser_shows_every_page_without_a_fault() {
    let Some(axe) = std::env::var_os("REDIS_OPS_AXE") else { return skip("axe-core (REDIS_OPS_AXE)") };
    for program in ["chromium", "chromedriver", "node"] {
        if !Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return skip(program);
        }
    }
    let Some((server, repository, folder)) = prepared() else { return };
    let (url, repository) = (server.url(), repository.text());
    let binary = server.installed().path.display().to_string();
    let mut commands = commands(&url, &repository);
    commands.push((
        "drill",
        vec!["verify", "prod/latest", "-r", &repository, "--level", "drill", "--server-binary", &binary],
    ));
    commands.push(("error", vec!["status", "-r", "/nowhere/at/all"]));
    let mut pages = Vec::new();
    for (name, arguments) in commands {
        let page = folder.path().join(format!("{name}.html"));
        RedisOps::new().args(&arguments).args(["--html", &page.display().to_string()]).run();
        pages.push(page);
    }
    let look = |pages: &[PathBuf]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/pages.mjs");
        let mut node = Command::new("node");
        node.arg(script).arg(folder.path().join("shots")).args(pages).env("REDIS_OPS_AXE", &axe);
        let output = node.output().expect("node");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_good, told) = look(&pages);
    assert!(is_good, "{told}");
    assert!(told.ends_with(&format!("{} pages looked at, 0 faults\n", pages.len())), "{told}");
    // What looks must be able to see.
    let bad = folder.path().join("bad.html");
    fs::write(
        &bad,
        "<!DOCTYPE html><html><title>x</title><h1>x</h1><img src=\"/picture.png\"><script>console.error(1)</script>",
    )
    .expect("a file");
    let (is_good, told) = look(&[bad]);
    assert!(!is_good, "{told}");
    for fault in ["there is a script element", "asks for http", "console:", "axe: image-alt", "axe: html-has-lang"] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
}
