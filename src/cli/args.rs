//! What may be typed; the doc comments are the help. What it means is the business of `resolve`.
//!
//! Nothing here derives `Debug`: a URL that was typed may hold a password.

pub mod backup;
pub mod diagnose;
pub mod restore;
pub mod values;
pub mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::ArgValueCandidates;

use super::completion;
use crate::commands::Format;
use crate::commands::bars::Mode;
use crate::printer::ColorChoice;

/// Takes backups of Redis and Valkey that are proven good, puts them back without surprises, proves that they are back, and says what is
/// wrong with a server.
#[derive(Parser)]
#[command(name = "redis-ops", version, max_term_width = 120, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true, after_long_help = after_help())]
pub struct Cli {
    /// Everything that stands before or after the command.
    #[command(flatten)]
    pub global: Global,
    /// The database of the instance, as with redis-cli.
    #[arg(short = 'n', long = "db", value_name = "N", hide_short_help = true, help_heading = SERVER)]
    pub database: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const SERVER: &str = "Instance";
const REPOSITORY: &str = "Repository";
const OUTPUT: &str = "Settings and output";

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service
    /// [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]
    #[arg(short, long, global = true, value_name = "NAME|URL", help_heading = SERVER, verbatim_doc_comment)]
    #[arg(add = ArgValueCandidates::new(completion::instances))]
    pub instance: Option<String>,
    /// The instance's host, as with redis-cli.
    #[arg(short = 'H', long, global = true, hide_short_help = true, help_heading = SERVER, conflicts_with = "instance")]
    pub host: Option<String>,
    /// The instance's port, as with redis-cli.
    #[arg(short, long, global = true, hide_short_help = true, help_heading = SERVER, conflicts_with = "instance")]
    pub port: Option<u16>,
    /// The instance's URL, as with redis-cli.
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true, help_heading = SERVER)]
    #[arg(conflicts_with_all = ["instance", "host", "port"])]
    pub uri: Option<String>,
    /// The ACL user [env: REDIS_OPS_USERNAME].
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true, help_heading = SERVER)]
    pub username: Option<String>,
    /// A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees
    /// in `ps`.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SERVER, value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// ACL user for the Sentinels, if it is not the server's [env: REDIS_OPS_SENTINEL_USERNAME].
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true, help_heading = SERVER)]
    pub sentinel_username: Option<String>,
    /// A file with the password for the Sentinels, if it is not the server's. Or [env: REDIS_OPS_SENTINEL_PASSWORD].
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SERVER, value_hint = ValueHint::FilePath)]
    pub sentinel_password_file: Option<PathBuf>,
    /// Speaks TLS, as `rediss://` does.
    #[arg(long, global = true, hide_short_help = true, help_heading = SERVER)]
    pub tls: bool,
    /// PEM file of the authorities to trust in place of the system's, or of the server's own certificate.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SERVER, value_hint = ValueHint::FilePath)]
    pub tls_ca: Option<PathBuf>,
    /// PEM file of our own certificate.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SERVER, value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the key of our own certificate.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SERVER, value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// The name that the server's certificate must hold, in place of the host.
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true, help_heading = SERVER)]
    pub sni: Option<String>,
    /// Takes any certificate: encrypted, but nobody knows to whom.
    #[arg(long, global = true, hide_short_help = true, help_heading = SERVER)]
    pub insecure: bool,
    /// How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set].
    /// The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no
    /// more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence.
    /// An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is
    /// longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m].
    #[arg(long, global = true, value_name = "DUR", hide_short_help = true, help_heading = SERVER, value_parser = values::duration)]
    pub timeout: Option<Duration>,

    /// Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY].
    #[arg(short, long, global = true, value_name = "URL", help_heading = REPOSITORY, value_hint = ValueHint::DirPath)]
    pub repository: Option<String>,
    /// An S3-compatible store [env: AWS_ENDPOINT_URL_S3].
    #[arg(long, global = true, value_name = "URL", hide_short_help = true, help_heading = REPOSITORY)]
    pub s3_endpoint: Option<String>,
    /// The region of S3 [env: AWS_REGION].
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true, help_heading = REPOSITORY)]
    pub s3_region: Option<String>,
    /// Puts the bucket into the path rather than the host name; the default with an endpoint of one's own.
    #[arg(long, global = true, value_name = "BOOL", hide_short_help = true, help_heading = REPOSITORY)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub s3_path_style: Option<bool>,

    /// The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml
    /// [env: REDIS_OPS_CONFIG].
    #[arg(short, long, global = true, value_name = "FILE", help_heading = OUTPUT, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT].
    #[arg(short, long, global = true, value_enum, help_heading = OUTPUT)]
    pub format: Option<Format>,
    /// Short for --format json.
    #[arg(long, global = true, help_heading = OUTPUT, conflicts_with = "format")]
    pub json: bool,
    /// How progress is shown, on stderr.
    #[arg(long, global = true, value_enum, hide_short_help = true, help_heading = OUTPUT)]
    pub progress: Option<Mode>,
    /// When colour is used [env: NO_COLOR, CLICOLOR_FORCE].
    #[arg(long, global = true, value_enum, value_name = "WHEN", hide_short_help = true, help_heading = OUTPUT)]
    pub color: Option<ColorChoice>,
    /// Nothing on stderr but errors.
    #[arg(short, long, global = true, hide_short_help = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true, help_heading = OUTPUT)]
    pub verbose: u8,
    /// Answers the one question that a destructive command asks.
    #[arg(short, long, global = true, hide_short_help = true, help_heading = OUTPUT)]
    pub yes: bool,
    /// Shows a hash in place of every key name.
    #[arg(long, global = true, hide_short_help = true, help_heading = OUTPUT)]
    pub hide_keys: bool,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Takes a backup of an instance.
    Backup(backup::Backup),
    /// Puts a backup into an instance, a file or a folder.
    Restore(restore::Restore),
    /// Proves a backup good, or an instance equal to a backup.
    Verify(verify::Verify),
    /// Lists the backups of a repository, newest first.
    #[command(after_help = "Examples:\n  redis-ops list -r s3://backups/redis\n  redis-ops list -i redis-prod --json")]
    List(Plain),
    /// Shows everything known about one backup.
    Show(verify::Show),
    /// Says what is wrong with a server, or with the data in a backup.
    Diagnose(diagnose::Diagnose),
    /// Says whether an instance is up, and why not.
    #[command(
        after_help = "Examples:\n  redis-ops health -i redis-prod\n  redis-ops health -H 10.0.0.5 -p 6380 --require writable --json"
    )]
    Health(diagnose::Health),
    /// Prints what is known about an instance for Prometheus.
    #[command(
        after_help = "Examples:\n  redis-ops metrics -i redis-prod --textfile /var/lib/node_exporter/redis.prom\n  \
                            redis-ops metrics -i redis-prod -r s3://backups/redis --listen 0.0.0.0:9121"
    )]
    Metrics(diagnose::Metrics),
    /// Says what a rule of diagnose means; needs no server.
    #[command(after_help = "Examples:\n  redis-ops explain M06")]
    Explain {
        /// The rule's number, such as M06.
        #[arg(value_name = "RULE", add = ArgValueCandidates::new(completion::rules))]
        rule: String,
    },
    /// Prints the completions for a shell.
    #[command(after_help = "Examples:\n  redis-ops completions bash > /etc/bash_completion.d/redis-ops\n  \
                            redis-ops completions zsh > \"${fpath[1]}/_redis-ops\"")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, or writes one for each command into a folder.
    #[command(after_help = "Examples:\n  redis-ops man | man -l -\n  redis-ops man --to-dir /usr/local/share/man/man1")]
    Man {
        /// The folder to write `redis-ops.1`, `redis-ops-backup.1`, … to.
        #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
        to_dir: Option<PathBuf>,
        /// The folder to write the reference to that the project keeps in `docs/`: `rules.md`, and `json/*.schema.json`.
        #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath, hide = true, conflicts_with = "to_dir")]
        reference: Option<PathBuf>,
    },
}

/// A command without options of its own.
#[derive(Args)]
pub struct Plain {
    #[command(flatten)]
    pub database: Database,
}

/// The database, for the commands that give `--db` no other meaning.
#[derive(Args)]
pub struct Database {
    /// The database of the instance, as with redis-cli.
    #[arg(short = 'n', long = "db", value_name = "N", hide_short_help = true, help_heading = SERVER)]
    pub number: Option<u32>,
}

/// Which backup, or which file in its place.
#[derive(Args)]
pub struct Stored {
    /// An exact id, a unique beginning, `latest`, or INSTANCE/ID.
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(completion::backups))]
    pub backup_id: Option<String>,
    /// An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin.
    #[arg(long, value_name = "PATH", conflicts_with = "backup_id", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

fn after_help() -> String {
    format!(
        "Examples:\n  redis-ops backup -i redis-prod -r s3://backups/redis\n  redis-ops list -r s3://backups/redis\n  \
         redis-ops verify -r s3://backups/redis --backup-id latest\n  \
         redis-ops restore -r s3://backups/redis --backup-id latest --target-instance redis://10.0.0.7:6379 --plan\n\n\
         Exit codes:\n  0  done, and the answer is yes\n  1  done, with warnings\n  2  failed, or the answer is no\n  \
         3  could not tell, or not understood\n  130, 143  interrupted by SIGINT, SIGTERM\n\n{}",
        super::env::help()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_tell_to_type_can_be_typed() {
        let mut typed = 0;
        for rule in crate::rules::all() {
            for fix in rule.fix.iter().filter(|fix| fix.starts_with("redis-ops ")) {
                // What follows in brackets is a remark.
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
