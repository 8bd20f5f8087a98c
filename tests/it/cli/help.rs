//! The help, the manual pages and the completions: every word that was promised can be typed.

use std::path::Path;

use crate::support::redis_ops::RedisOps;

/// The options of each command, as the contract names them.
const PROMISED: &[(&str, &str)] = &[
    (
        "",
        "-c --config -i --instance -H --host -p --port -n --db -u --uri -r --repository --username --password-file --tls --tls-ca --tls-cert \
         --tls-key --sni --insecure --s3-endpoint --s3-region --s3-path-style --identity --passphrase-file -f --format --json --progress --color -q -v --timeout -y --yes",
    ),
    (
        "backup",
        "--plan --source --read-from --transfer --compression --name --label --rate --from-file --if-due --wait-lock --store-retry --spool --spool-limit \
         --encrypt-to --encrypt-to-file --prune --no-lock --jitter --on-success --on-failure --ping-url",
    ),
    ("lock", "--key --ttl --wait-lock --token"),
    ("schedule", "--as --jitter --to-dir --image"),
    (
        "prune",
        "--keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --keep-safety --dry-run",
    ),
    ("delete", "--backup-id --last"),
    ("copy", "--all --to --to-config --dry-run"),
    ("pin", "--backup-id --name --reason --lift"),
    ("status", "--max-age --max-unverified"),
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

/// Every line of a page as a terminal of 80 columns shows it.
fn page(line: &[&str]) -> String {
    let run = RedisOps::new().args(line).env("COLUMNS", "80").run();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.line);
    run.text().to_owned()
}

/// The commands, as the overview lists them.
fn commands() -> Vec<String> {
    let overview = page(&["help"]);
    let listed = overview.lines().skip(3).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.get(9..22)?.split("  ").next());
    names.flat_map(|names| names.trim().split(", ").map(str::to_owned)).collect()
}

#[test]
fn the_overview_fits_a_terminal_and_every_command_and_topic_has_a_page() {
    let alone = RedisOps::new().env("COLUMNS", "80").run();
    assert_eq!((alone.code, alone.text()), (3, ""));
    let overview = page(&["help"]);
    assert_eq!(alone.stderr.trim_end(), overview.trim_end());
    assert!(overview.lines().count() < 24, "{overview}");
    for command in commands() {
        let long = page(&[&command, "--help"]);
        assert_eq!(page(&["help", &command]).trim_end(), long.trim_end(), "{command}");
        assert!(long.contains(&format!("Usage: redis-ops {command}")), "{long}");
    }
    for topic in ["connection", "storage", "output", "environment", "exit-codes"] {
        assert!(overview.contains(topic), "{overview}");
        assert!(page(&["help", topic]).lines().count() > 5, "{topic}");
    }
    let unknown = RedisOps::new().args(["help", "conection"]).run();
    assert_eq!((unknown.code, unknown.text()), (3, ""));
    assert!(unknown.stderr.contains("did you mean `redis-ops help connection`?"), "{}", unknown.stderr);
}

#[test]
fn own_options_come_first_and_what_all_share_is_named_in_groups() {
    for command in ["backup", "restore", "verify", "list", "show", "diagnose", "health", "metrics"] {
        for flag in ["-h", "--help"] {
            let text = page(&[command, flag]);
            let shared =
                text.find("Connection options (redis-ops help connection):").unwrap_or_else(|| panic!("{text}"));
            let (own, rest) = text.split_at(shared);
            assert!(!own.contains("--tls-ca") && !own.contains("--s3-endpoint"), "{text}");
            for part in [
                "--tls-ca FILE",
                "Storage options (redis-ops help storage):",
                "--s3-region NAME",
                "\nExamples:\n",
                "\nExit codes: 0 ",
            ] {
                assert!(rest.contains(part), "`{command} {flag}` lacks `{part}`:\n{text}");
            }
        }
    }
}

#[test]
fn examples_fit_80_columns_and_can_be_typed_as_they_stand() {
    let mut typed = 0;
    for command in commands() {
        let text = page(&[&command, "--help"]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let Some((_, rest)) = text.split_once("\nExamples:\n") else { continue };
        let examples = rest.split("\n\n").next().unwrap_or_default().replace("\\\n", " ");
        for example in examples.lines().filter(|line| line.starts_with("  redis-ops ")) {
            // What a shell makes of it, without carrying it out: a line that is understood asks for its page.
            let words = std::process::Command::new("bash")
                .args(["-c", &format!("printf '%s\\0' {}", example.split(['|', '>']).next().unwrap_or_default())])
                .output()
                .expect("bash");
            let words: Vec<String> =
                String::from_utf8(words.stdout).unwrap().split_terminator('\0').skip(1).map(str::to_owned).collect();
            // What stands behind `--` is another program's.
            let own = words.iter().map(String::as_str).take_while(|word| *word != "--");
            let run = RedisOps::new().args(own).arg("--help").run();
            assert_eq!(run.code, 0, "{example}: {}", run.stderr);
            typed += 1;
        }
    }
    assert!(typed >= 25, "{typed} examples");
}

#[test]
fn topics_describe_the_shared_options_the_variables_and_the_exit_codes() {
    let connection = page(&["help", "connection"]);
    for words in [
        "-i, --instance <NAME|URL>",
        "-n, --db <N>",
        "--password-file <FILE>",
        "REDIS_OPS_PASSWORD",
        "Skip certificate verification",
    ] {
        assert!(connection.contains(words), "{words}: {connection}");
    }
    assert!(page(&["help", "storage"]).contains("AWS_ENDPOINT_URL_S3"));
    assert!(page(&["help", "output"]).contains("prometheus"));
    let environment = page(&["help", "environment"]);
    for name in ["REDIS_OPS_REPOSITORY", "REDISCLI_AUTH", "AWS_ENDPOINT_URL_S3", "REDIS_OPS_SENTINEL_PASSWORD "] {
        assert!(environment.contains(name), "{environment}");
    }
    assert!(environment.lines().all(|line| line.chars().count() <= 80), "{environment}");
    assert!(page(&["--help"]).contains("130, 143"));
    assert!(page(&["help", "exit-codes"]).contains("130, 143"));
}

#[test]
fn words_of_other_tools_work_or_name_the_right_ones() {
    for (line, words) in [
        (&["health", "-h", "10.0.0.5"][..], "for a host: `-H 10.0.0.5`"),
        (&["health", "-h", "redis-1", "-p", "6380"], "for a host: `-H redis-1`"),
        (&["health", "-h", "redis-1"], "for a host: `-H redis-1`"),
        (&["-h10.0.0.5", "health"], "for a host: `-H 10.0.0.5`"),
        (&["health", "redis-prod"], "to name an instance: `redis-ops health -i redis-prod`"),
        (&["diagnose"], "topics: memory, connections, keyspace"),
        (&["restore", "latest", "-r", "backups", "-i", "redis-prod"], "--backup-id redis-prod/latest"),
        (
            &["restore", "latest", "-r", "backups", "-i", "redis-prod", "--target-instance", "redis://127.0.0.1:1"],
            "--backup-id redis-prod/latest",
        ),
        (&["explain", "M0"], "`redis-ops explain` lists all rules"),
    ] {
        let run = RedisOps::new().args(line.iter().copied()).run();
        assert_eq!((run.code, run.text()), (3, ""), "{}", run.line);
        assert!(run.stderr.contains(words), "{}: {}", run.line, run.stderr);
    }
    // The word of a command behind `-h` is no host.
    assert_eq!(RedisOps::new().args(["-h", "health"]).run().code, 0);
    assert_eq!(RedisOps::new().args(["diagnose", "-h", "memory"]).run().code, 0);
    let folder = tempfile::TempDir::new().unwrap();
    let place = folder.path().display().to_string();
    for line in [
        &["verify", "latest"][..],
        &["show", "--backup-id", "latest"],
        &["restore", "latest", "--dry-run", "--target-instance", "redis://127.0.0.1:1"],
    ] {
        let (code, answer) = RedisOps::new().args(line.iter().copied()).args(["-r", &place]).json();
        assert_eq!((code, &answer["error"]["code"]), (3, &"not_found".into()), "{line:?}: {answer}");
    }
    let rules = RedisOps::new().arg("explain").run();
    assert!(rules.code == 0 && rules.text().contains("\n  M06  "), "{}", rules.text());
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
fn other_shells_are_there_too() {
    for shell in ["elvish", "powershell"] {
        let run = RedisOps::new().args(["completions", shell]).run();
        assert!(run.code == 0 && run.text().contains("redis-ops"), "{shell}: {}", run.stderr);
    }
}

/// The words of an option, in a page that a pager shows.
fn rendered(path: &Path) -> Option<String> {
    for (program, options) in
        [("mandoc", &["-Tutf8", "-Owidth=78"][..]), ("groff", &["-man", "-Tutf8", "-P-c", "-rLL=78n"])]
    {
        if let Ok(shown) = std::process::Command::new(program).args(options).arg(path).output()
            && shown.status.success()
        {
            // A letter over itself is bold.
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            let mut plain = String::new();
            for character in text.chars() {
                if character == '\u{8}' {
                    plain.pop();
                } else {
                    plain.push(character);
                }
            }
            return Some(plain);
        }
    }
    crate::support::skip("mandoc or groff");
    None
}

#[test]
fn every_command_has_a_manual_page_with_a_text_for_each_option() {
    let folder = tempfile::TempDir::new().unwrap();
    let pages = folder.path().join("man1");
    let run = RedisOps::new().args(["man", "--to-dir"]).arg(&pages).run();
    assert_eq!((run.code, run.text()), (0, ""), "{}", run.stderr);
    for command in std::iter::once(String::new()).chain(commands()) {
        let name = if command.is_empty() { "redis-ops".to_owned() } else { format!("redis-ops-{command}") };
        let Some(shown) = rendered(&pages.join(format!("{name}.1"))) else { return };
        assert!(!shown.contains('\u{2010}'), "{name}: a hyphen that cannot be typed");
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        let (_, promised) = PROMISED.iter().find(|(known, _)| *known == command).unwrap_or(&PROMISED[0]);
        // What needs no server has no database either.
        let alone = ["explain", "help", "completions", "man"].contains(&command.as_str());
        let long =
            promised.split_whitespace().filter(|option| option.starts_with("--") && !(alone && *option == "--db"));
        for option in long {
            let at = lines
                .iter()
                .position(|line| line.starts_with('-') && line.split([' ', ',', '[', '=']).any(|word| word == option));
            let at = at.unwrap_or_else(|| panic!("{name} does not describe {option}:\n{shown}"));
            // A short option has its text on its own line.
            let beside = lines[at].split_whitespace().count() > 3;
            let below = lines.get(at + 1).is_some_and(|text| !text.is_empty());
            assert!(beside || below, "{name}: {option} has no text");
        }
        assert!(shown.contains("EXIT STATUS"), "{name}");
    }
    let run = RedisOps::new().arg("man").run();
    assert!(run.code == 0 && run.text().contains(".TH redis-ops 1"), "{}", run.stderr);
}
