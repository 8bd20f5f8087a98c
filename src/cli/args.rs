//! What may be typed; the doc comments are the help. What it means is the business of `resolve`.
//!
//! Nothing here derives `Debug`: a URL that was typed may hold a password.

pub mod archive;
pub mod backup;
pub mod diagnose;
pub mod lock;
pub mod restore;
pub mod retention;
pub mod schedule;
pub mod status;
pub mod values;
pub mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::ArgValueCandidates;

use super::completion;
use crate::commands::Format;
use crate::commands::bars::Mode;
use crate::connection::NatEntry;
use crate::printer::ColorChoice;

/// Back up, restore, verify and diagnose Redis and Valkey.
#[derive(Parser)]
#[command(name = "redis-ops", version = env!("REDIS_OPS_VERSION"), max_term_width = 120, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Everything that stands before or after the command.
    #[command(flatten)]
    pub global: Global,
    /// Database number, as in redis-cli.
    #[arg(short = 'n', long = "db", value_name = "N", help_heading = CONNECTION)]
    pub database: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that say which server is meant, and how to reach it.
pub const CONNECTION: &str = "Connection options";
/// Options that say where backups are kept.
pub const STORAGE: &str = "Storage options";
/// Options for the settings file and for what is printed.
pub const OUTPUT: &str = "Settings and output options";

/// Options of every command.
#[derive(Args, Clone)]
pub struct Global {
    /// Instance: a name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service
    /// [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]
    #[arg(short, long, global = true, value_name = "NAME|URL", help_heading = CONNECTION, verbatim_doc_comment)]
    #[arg(add = ArgValueCandidates::new(completion::instances))]
    pub instance: Option<String>,
    /// Host name or IP address (-h in redis-cli; here -h shows the help).
    #[arg(short = 'H', long, global = true, help_heading = CONNECTION, conflicts_with = "instance")]
    pub host: Option<String>,
    /// Port, as in redis-cli.
    #[arg(short, long, global = true, help_heading = CONNECTION, conflicts_with = "instance")]
    pub port: Option<u16>,
    /// URL, as in redis-cli.
    #[arg(short, long, global = true, value_name = "URL", help_heading = CONNECTION)]
    #[arg(conflicts_with_all = ["instance", "host", "port"])]
    pub uri: Option<String>,
    /// ACL user [env: REDIS_OPS_USERNAME].
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub username: Option<String>,
    /// File that holds the password and nothing else [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]. There is no option for the password
    /// itself: `ps` would show it to every user of the machine.
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION, value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// ACL user for the Sentinels, if it differs from the server's [env: REDIS_OPS_SENTINEL_USERNAME].
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub sentinel_username: Option<String>,
    /// File with the password for the Sentinels, if it differs from the server's [env: REDIS_OPS_SENTINEL_PASSWORD].
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION, value_hint = ValueHint::FilePath)]
    pub sentinel_password_file: Option<PathBuf>,
    /// Address to use in place of one that a cluster or a Sentinel announces and that cannot be reached from here, such as
    /// 10.0.0.1:7000=203.0.113.5:17000 or, for all ports, 10.0.0.1=203.0.113.5 (repeatable, or separated by commas).
    #[arg(long, global = true, value_name = "ANNOUNCED=ADDRESS", help_heading = CONNECTION, value_delimiter = ',')]
    pub nat_map: Vec<NatEntry>,
    /// Use TLS, as `rediss://` does.
    #[arg(long, global = true, help_heading = CONNECTION)]
    pub tls: bool,
    /// CA certificates to trust instead of the system's, or the server's self-signed certificate (PEM file).
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION, value_hint = ValueHint::FilePath)]
    pub tls_ca: Option<PathBuf>,
    /// Client certificate (PEM file).
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION, value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM file).
    #[arg(long, global = true, value_name = "FILE", help_heading = CONNECTION, value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Name to expect in the server's certificate, if it is not the host.
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub sni: Option<String>,
    /// Skip certificate verification (insecure: another server could pose as yours).
    #[arg(long, global = true, help_heading = CONNECTION)]
    pub insecure: bool,
    /// Timeout for connecting and for each reply, such as 5s [default: 5s from a server, 30s from an S3 store].
    ///
    /// While the server makes or sends its RDB, the default is 65s; if the server reports that it is still making the RDB, redis-ops
    /// waits for up to 60 times the timeout (65 min by default). A backup by SCAN fails if no new key arrives for 10 times the timeout
    /// (650s by default), or if SCAN returns more than 4 times as many keys as DBSIZE reports, plus 100,000. A server or store that sends less than 1 KiB a second counts as silent.
    ///
    /// If the store fails, list, show, --plan and the start of a transfer retry for 10s, or for the timeout if that is longer. If
    /// the store refuses the connection, they retry for 2s only; the start of a backup still retries for 10s. During a transfer, the retries last as long as
    /// `backup --store-retry` allows (default 5m).
    #[arg(long, global = true, value_name = "DUR", help_heading = CONNECTION, value_parser = values::duration)]
    pub timeout: Option<Duration>,

    /// Repository of the backups: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY].
    #[arg(short, long, global = true, value_name = "URL", help_heading = STORAGE, value_hint = ValueHint::DirPath)]
    pub repository: Option<String>,
    /// Endpoint of an S3-compatible store [env: AWS_ENDPOINT_URL_S3].
    #[arg(long, global = true, value_name = "URL", help_heading = STORAGE)]
    pub s3_endpoint: Option<String>,
    /// S3 region [env: AWS_REGION].
    #[arg(long, global = true, value_name = "NAME", help_heading = STORAGE)]
    pub s3_region: Option<String>,
    /// Put the bucket name into the path of the URL instead of the host name [default: true with --s3-endpoint, else false].
    #[arg(long, global = true, value_name = "BOOL", help_heading = STORAGE)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub s3_path_style: Option<bool>,

    /// File with the age identity (AGE-SECRET-KEY-…) that decrypts encrypted backups (repeatable) [env: REDIS_OPS_IDENTITY].
    #[arg(long = "identity", global = true, value_name = "FILE", help_heading = STORAGE, value_hint = ValueHint::FilePath)]
    pub identities: Vec<PathBuf>,
    /// File with the passphrase that decrypts encrypted backups; with `backup`, the passphrase that encrypts. There is no option for
    /// the passphrase itself: `ps` would show it to every user of the machine.
    #[arg(long, global = true, value_name = "FILE", help_heading = STORAGE, value_hint = ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,

    /// Settings file [env: REDIS_OPS_CONFIG] [default: the first of ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml,
    /// /etc/redis-ops/config.yaml].
    #[arg(short, long, global = true, value_name = "FILE", help_heading = OUTPUT, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Output format; not every command supports every format [env: REDIS_OPS_FORMAT].
    #[arg(short, long, global = true, value_enum, help_heading = OUTPUT)]
    pub format: Option<Format>,
    /// Short for --format json.
    #[arg(long, global = true, help_heading = OUTPUT, conflicts_with = "format")]
    pub json: bool,
    /// How to show progress, on stderr.
    #[arg(long, global = true, value_enum, help_heading = OUTPUT)]
    pub progress: Option<Mode>,
    /// When to use colour [env: NO_COLOR, CLICOLOR_FORCE].
    #[arg(long, global = true, value_enum, value_name = "WHEN", help_heading = OUTPUT)]
    pub color: Option<ColorChoice>,
    /// On stderr, print only errors; stdout still has the result.
    #[arg(short, long, global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Show more in tables, and log each step on stderr; -vv logs more, -vvv includes the libraries.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    /// Confirm a destructive command without being asked.
    #[arg(short, long, global = true, help_heading = OUTPUT)]
    pub yes: bool,
    /// Show a hash instead of every key name.
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub hide_keys: bool,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Back up an instance to S3 or a folder.
    Backup(backup::Backup),
    /// Follow an instance, so that any moment can be restored.
    Archive(archive::Archive),
    /// Restore a backup into an instance, a file or a folder.
    Restore(restore::Restore),
    /// Prove that a backup is good, or equal to an instance.
    Verify(verify::Verify),
    /// List the backups of a repository, newest first.
    #[command(
        after_help = "Examples:\n  redis-ops list -r s3://backups/redis\n  redis-ops list -i redis-prod --since 7d --json\n  \
                            redis-ops list --latest\n  redis-ops list -r s3://backups/redis --html backups.html"
    )]
    List(List),
    /// Show everything known about a backup, or its keys.
    Show(verify::Show),
    /// Show the state of the backups of every instance.
    Status(status::Status),
    /// Remove the backups that no retention rule keeps.
    Prune(retention::Prune),
    /// Copy backups to another repository.
    Copy(retention::Copy),
    /// Remove one backup.
    Delete(retention::Delete),
    /// Protect a backup from being removed.
    Pin(retention::Pin),
    /// Make a repository: a folder, or a prefix in a bucket.
    #[command(after_help = "Examples:\n  redis-ops init -r s3://backups/redis\n  redis-ops init -r /backups")]
    Init {
        #[command(flatten)]
        database: Database,
    },
    /// Run a job under a lock on a server, or see who has one.
    Lock(lock::Lock),
    /// Print the cron line, timer or CronJob of the backups.
    Schedule(schedule::Schedule),
    /// Find out what is wrong with a server or its data.
    Diagnose(diagnose::Diagnose),
    /// Watch a server on a live screen, without changing anything.
    Top(diagnose::Top),
    /// Check whether an instance is up, and if not, why.
    #[command(
        after_help = "Examples:\n  redis-ops health -i redis-prod\n  redis-ops health -H 10.0.0.5 -p 6380 --require writable --json"
    )]
    Health(diagnose::Health),
    /// Print metrics of an instance for Prometheus.
    #[command(
        after_help = "Examples:\n  redis-ops metrics -i redis-prod --textfile /var/lib/node_exporter/redis.prom\n  \
                            redis-ops metrics -i redis-prod -r s3://backups/redis --listen 0.0.0.0:9121"
    )]
    Metrics(diagnose::Metrics),
    /// Explain a rule of diagnose, or list all rules.
    #[command(after_help = "Examples:\n  redis-ops explain M06")]
    Explain {
        /// Rule, such as M06 [default: list all rules].
        #[arg(value_name = "RULE", add = ArgValueCandidates::new(completion::rules))]
        rule: Option<String>,
    },
    /// Show help for a command or a topic.
    Help {
        /// A command, or a topic: connection, storage, output, environment, exit-codes.
        #[arg(value_name = "COMMAND|TOPIC")]
        about: Vec<String>,
    },
    /// Print shell completions.
    #[command(after_help = "Examples:\n  redis-ops completions bash > /etc/bash_completion.d/redis-ops\n  \
                            redis-ops completions zsh > \"${fpath[1]}/_redis-ops\"")]
    Completions {
        /// Shell to print the completions for.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one per command.
    #[command(after_help = "Examples:\n  redis-ops man | man -l -\n  redis-ops man --to-dir /usr/local/share/man/man1")]
    Man {
        /// Folder to write `redis-ops.1`, `redis-ops-backup.1`, … to.
        #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
        to_dir: Option<PathBuf>,
        /// Folder to write the project's reference to (`docs/`): `rules.md` and `json/*.schema.json`.
        #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath, hide = true, conflicts_with = "to_dir")]
        reference: Option<PathBuf>,
    },
}

/// The groups of the overview: each command stands in one of them.
pub const GROUPS: [(&str, &[&str]); 6] = [
    ("Back up", &["backup", "archive"]),
    ("Restore", &["restore"]),
    ("Verify", &["verify"]),
    ("Look", &["list, show", "status", "diagnose", "health, top", "metrics"]),
    ("Keep", &["init", "prune, copy", "delete, pin", "schedule", "lock"]),
    ("Tool", &["explain", "help, man", "completions"]),
];

/// What the overview says of commands that share a line.
pub const TOGETHER: [(&str, &str); 5] = [
    ("delete, pin", "Remove one backup; protect one from being removed"),
    ("health, top", "Check whether an instance is up; watch an instance live"),
    ("help, man", "Show help for a command or a topic; print manual pages"),
    ("list, show", "List backups and their state; show what a backup holds"),
    ("prune, copy", "Remove backups that no rule keeps; copy backups elsewhere"),
];

/// What each command does without an instance or a repository, and so without the options for them.
pub const ALONE: [&str; 4] = ["explain", "help", "completions", "man"];

/// The exit codes of a command, where they need more words than those of every command.
pub const EXIT_CODES: [(&str, &str); 18] = [
    ("backup", "0 published, or not due; 1 published, with warnings; 2 not published"),
    ("archive", "0 stopped, or shown; 1 with a gap, or no backup; 2 not followed, or nothing to restore"),
    ("restore", "0 restored and proven; 1 with warnings; 2 refused or incomplete"),
    ("verify", "0 good, or equal; 1 with warnings; 2 damaged, or different"),
    ("list", "0 listed; 1 no usable backup of an instance; 3 no such repository or instance"),
    ("show", "0 shown; 3 the backup does not exist"),
    ("status", "0 good; 1 unverified for too long, or a backup is missing; 2 too old, none, or all damaged"),
    ("prune", "0 removed, or nothing to remove; 2 not all removed, or not confirmed; 3 no policy"),
    ("copy", "0 copied, or there already; 2 not all were copied; 3 no such backup"),
    ("delete", "0 removed; 2 not removed (pinned, refused, or not confirmed); 3 no such backup"),
    ("pin", "0 pinned, or lifted; 2 not done; 3 no such backup"),
    ("init", "0 created, or exists already; 2 cannot be created or written to"),
    ("lock", "the command's own; 0 shown or released; 2 taken by another, or lost"),
    ("schedule", "0 printed, or `enabled: false`; 3 no schedule, or a wrong one"),
    ("diagnose", "0 no finding; 1 worst is a warning; 2 worst is critical"),
    ("top", "that of the last verdict (see diagnose), also after Ctrl-C; 3 no answer at the end, or no terminal"),
    ("health", "0 up; 1 degraded; 2 down"),
    ("metrics", "0 printed, even if the server is down (redis_up 0); 1 printed without the metrics of the backups"),
];

/// The answer as a page, beside the usual one.
#[derive(Args)]
pub struct Page {
    /// Also write the result as a self-contained HTML page to this file, for a ticket or a mail.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

/// Options of `list`.
#[derive(Args)]
pub struct List {
    /// Maximum number of backups to list, the newest first [default: all].
    #[arg(long, value_name = "N", conflicts_with = "latest")]
    pub limit: Option<u64>,
    /// List only backups taken since then: 7d, 2026-11-01 or 2026-11-01T13:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    pub since: Option<crate::commands::list::Since>,
    /// List only the latest backup of each instance (no safety backups).
    #[arg(long)]
    pub latest: bool,
    #[command(flatten)]
    pub page: Page,
    #[command(flatten)]
    pub database: Database,
}

/// The database, for the commands that give `--db` no other meaning.
#[derive(Args)]
pub struct Database {
    /// Database number, as in redis-cli.
    #[arg(short = 'n', long = "db", value_name = "N", help_heading = CONNECTION)]
    pub number: Option<u32>,
}

/// How a command that writes gets along with other runs on the same instance.
#[derive(Args)]
pub struct Turns {
    /// How long to wait if another run holds the lock of this instance; 0s: fail at once [default: 0s].
    #[arg(long, value_name = "DUR", value_parser = values::duration, conflicts_with = "no_lock")]
    pub wait_lock: Option<Duration>,
    /// Take no lock in the repository, so that several runs may work on the same instance at the same time. Backups stay safe, but the
    /// same work may be done twice.
    #[arg(long)]
    pub no_lock: bool,
}

impl Turns {
    /// As the commands take it.
    pub fn chosen(&self) -> crate::operations::Turns {
        crate::operations::Turns { locks: !self.no_lock, wait: self.wait_lock.unwrap_or_default() }
    }
}

/// Which backup, or which file in its place.
#[derive(Args)]
pub struct Stored {
    /// Backup to use: an id, the unique beginning of one, `latest`, or INSTANCE/ID.
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(completion::backups))]
    pub backup_id: Option<String>,
    /// RDB file to use instead of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with = "backup_id", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_tell_to_type_can_be_typed() {
        let mut typed = 0;
        for rule in crate::rules::all() {
            for fix in rule.fix.iter().filter(|fix| fix.starts_with("redis-ops ")) {
                // What follows in brackets is a remark, and the server is named when the fix is printed.
                let fix = fix.replace("<this server>", "redis://127.0.0.1:6379");
                let words = fix.split(" (").next().unwrap_or_default().split(' ');
                let parsed = Cli::try_parse_from(words);
                assert!(
                    parsed.is_ok(),
                    "{}: `{fix}`: {}",
                    rule.id,
                    parsed.err().map_or_else(String::new, |error| error.to_string())
                );
                typed += 1;
            }
        }
        assert!(typed > 10, "{typed}");
    }
}
