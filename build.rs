//! Puts the commit that a release is built from into its version: `redis-ops 0.1.0 (8db2f1c0a4e7)`.

#![allow(clippy::print_stdout, reason = "this is how a build script answers")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=REDIS_OPS_COMMIT");
    let version = env!("CARGO_PKG_VERSION");
    let text = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    };
    println!("cargo:rustc-env=REDIS_OPS_VERSION={text}");
}

/// The commit of the sources, in twelve digits; `None`: a debug build, which would be compiled again after every commit, or sources without
/// a history. Who builds from an archive names it in `REDIS_OPS_COMMIT`.
fn commit() -> Option<String> {
    let named = std::env::var("REDIS_OPS_COMMIT").ok().filter(|commit| !commit.is_empty());
    if named.is_some() || std::env::var("PROFILE").as_deref() != Ok("release") {
        return named;
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    // Sources that were unpacked somewhere within another repository have no commit of it.
    if !Path::new(&root).join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let folder = git(&["rev-parse", "--absolute-git-dir"])?;
    // Written at each commit, checkout and reset.
    println!("cargo:rerun-if-changed={folder}/logs/HEAD");
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    Some(if is_changed { format!("{commit}, changed") } else { commit })
}
