//! The help, the manual pages and the completions: every word that was promised can be typed.

use std::path::Path;

use crate::support::redis_ops::RedisOps;

/// The options of each command, as the contract names them.
const PROMISED: &[(&str, &str)] = &[
    (
        "",
        "-c --config -i --instance -H --host -p --port -n --db -u --uri -r --repository --username --password-file --tls --tls-ca --tls-cert \
         --tls-key --sni --insecure --s3-endpoint --s3-region --s3-path-style -f --format --json --progress --color -q -v --timeout -y --yes",
    ),
    (
        "backup",
        "--plan --source --read-from --transfer --compression --name --label --rate --from-file --if-due --wait-lock --store-retry --spool --spool-limit",
    ),
    (
        "restore",
        "--backup-id --file --plan --target-instance --method --to-file --to-dir --on-conflict --replace-all --no-safety-backup \
         --allow-replica-resync --accept-loss --keys --exclude --db --type --ttl --rate --resume --skip-verify --no-proof --listen --advertise",
    ),
    (
        "verify",
        "--backup-id --file --level --census --against --fail-on --ttl-tolerance --keys --limit --max-age --all --sample --older-than \
         --server-binary",
    ),
    ("show", "--file"),
    (
        "diagnose",
        "--window --since --watch --full --profile --top --sort --fail-on --from --backup-id --file --hide-keys",
    ),
];

#[test]
fn the_help_names_every_option_that_was_promised() {
    for (command, options) in PROMISED {
        let run = RedisOps::new().args(command.split_whitespace()).arg("--help").run();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.line);
        let words: Vec<&str> = run.text().split([' ', ',', '\n', '[', '.', '=']).collect();
        for option in options.split_whitespace() {
            assert!(words.contains(&option), "`{}` does not name {option}:\n{}", run.line, run.text());
        }
    }
}

#[test]
fn nothing_is_offered_that_is_not_there_yet() {
    let run = RedisOps::new().arg("--help").run();
    for command in ["prune", "delete", "copy", "lock", "schedule"] {
        assert!(!run.text().contains(&format!("\n  {command} ")), "{command}");
        assert_eq!(RedisOps::new().arg(command).run().code, 3);
    }
}

#[test]
fn the_help_names_exit_codes_and_variables_and_gives_examples() {
    let run = RedisOps::new().arg("--help").run();
    for part in ["Exit codes:", "REDIS_OPS_REPOSITORY", "REDISCLI_AUTH", "AWS_ENDPOINT_URL_S3", "Examples:"] {
        assert!(run.text().contains(part), "{part}");
    }
    for command in ["backup", "restore", "verify", "list", "show", "diagnose", "health", "metrics", "explain"] {
        let run = RedisOps::new().args([command, "-h"]).run();
        assert_eq!(run.code, 0);
        assert!(run.text().contains("\nExamples:\n  redis-ops "), "{command}: {}", run.text());
    }
}

#[test]
fn the_version_is_one_line() {
    let version = format!("redis-ops {}\n", env!("CARGO_PKG_VERSION"));
    RedisOps::new().arg("--version").stdout(version).exit(0);
}

#[test]
fn the_completions_in_the_project_are_those_of_the_binary() {
    for (shell, file) in [("bash", "redis-ops.bash"), ("zsh", "_redis-ops"), ("fish", "redis-ops.fish")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let written = RedisOps::new().args(["completions", shell]).run();
        assert_eq!(written.code, 0, "{}", written.stderr);
        assert!(
            kept == written.text(),
            "completions/{file} is old; write it anew: cargo run -q -- completions {shell} > completions/{file}"
        );
    }
}

#[test]
fn the_reference_in_the_project_is_that_of_the_binary() {
    let written = tempfile::TempDir::new().unwrap();
    let run = RedisOps::new().args(["man", "--reference"]).arg(written.path()).run();
    assert_eq!((run.code, run.text()), (0, ""), "{}", run.stderr);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(&kept.join("json")), files(&written.path().join("json")), "docs/json holds other files");
    let json = files(&kept.join("json")).into_iter().map(|name| Path::new("json").join(name));
    for page in json.chain(["rules.md".into()]) {
        let [old, new] =
            [&kept, written.path()].map(|folder| std::fs::read_to_string(folder.join(&page)).unwrap_or_default());
        assert!(old == new, "docs/{} is old; write it anew: cargo run -q -- man --reference docs", page.display());
    }
}

#[test]
fn other_shells_and_the_manual_are_there_too() {
    for shell in ["elvish", "powershell"] {
        let run = RedisOps::new().args(["completions", shell]).run();
        assert!(run.code == 0 && run.text().contains("redis-ops"), "{shell}: {}", run.stderr);
    }
    let run = RedisOps::new().arg("man").run();
    assert!(run.code == 0 && run.text().contains(".TH redis-ops 1"), "{}", run.stderr);
    let folder = tempfile::TempDir::new().unwrap();
    let run = RedisOps::new().args(["man", "--to-dir"]).arg(folder.path().join("man1")).run();
    assert_eq!((run.code, run.text()), (0, ""), "{}", run.stderr);
    for page in ["redis-ops.1", "redis-ops-backup.1", "redis-ops-restore.1"] {
        assert!(folder.path().join("man1").join(page).exists(), "{page}");
    }
}
