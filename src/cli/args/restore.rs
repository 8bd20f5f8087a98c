//! What may be typed for `restore`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use super::Stored;
use super::values::{self, DatabaseMap};
use crate::cli::completion;
use crate::restore::replica::Advertise;
use crate::restore::{Asked, Existing, Ttl};

/// Options of `restore`.
#[derive(Args)]
#[command(after_help = "Examples:
  redis-ops restore --backup-id latest --target-instance redis-staging --plan
  redis-ops restore --backup-id redis-prod/latest --target-instance staging
  redis-ops restore --backup-id 2024-01-01-01-00 --target-instance redis-prod \\
    --replace-all
  redis-ops restore --file dump.rdb.gz --target-instance redis://10.0.0.7:6379 \\
    --keys 'user:*' --db 0:3
  redis-ops restore -r s3://backups/redis --backup-id latest --to-file dump.rdb")]
pub struct Restore {
    /// The same as --backup-id ID.
    #[arg(id = "positional", value_name = "ID", conflicts_with_all = ["backup_id", "file"])]
    #[arg(add = ArgValueCandidates::new(completion::backups))]
    pub id: Option<String>,
    #[command(flatten)]
    pub stored: Stored,
    /// Instance to write to: a name from the settings, or a URL. Only this option chooses the target: no default and no variable does.
    #[arg(long, value_name = "NAME|URL", add = ArgValueCandidates::new(completion::instances))]
    pub target_instance: Option<String>,
    /// Write an RDB file instead of restoring into a server; - for stdout.
    #[arg(long, value_name = "PATH", conflicts_with = "target_instance", value_hint = ValueHint::FilePath)]
    pub to_file: Option<PathBuf>,
    /// Write into the data folder of a stopped server; the server loads the data at its next start.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["target_instance", "to_file"], value_hint = ValueHint::DirPath)]
    pub to_dir: Option<PathBuf>,
    /// How to write the data.
    #[arg(long, value_enum, default_value_t)]
    pub method: Asked,
    /// What to do with keys that already exist in the target. Without this option a target that holds any key is refused; `fail` refuses
    /// keys that are also in the backup.
    #[arg(long, value_enum)]
    pub on_conflict: Option<Existing>,
    /// Delete all data in the target first. Asks once, then takes a safety backup of the target.
    #[arg(long, conflicts_with = "on_conflict")]
    pub replace_all: bool,
    /// Do not take a safety backup before keys are overwritten or deleted.
    #[arg(long)]
    pub no_safety_backup: bool,
    /// Continue even if the target's replicas must resync.
    #[arg(long)]
    pub allow_replica_resync: bool,
    /// Continue even if the plan names data that the target cannot hold: that data is lost.
    #[arg(long)]
    pub accept_loss: bool,
    /// Restore only keys that match (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// Do not restore keys that match (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Restore only database N of the backup, into database M if M is given (repeatable).
    #[arg(long = "db", value_name = "N[:M]", value_parser = values::database)]
    pub databases: Vec<DatabaseMap>,
    /// Restore only keys of this type, such as string or zset (repeatable).
    #[arg(long = "type", value_name = "T", add = ArgValueCandidates::new(completion::value_types))]
    pub types: Vec<String>,
    /// What to do with expiry times.
    #[arg(long, value_enum, default_value_t)]
    pub ttl: Ttl,
    /// Limit writing to this many bytes per second, such as 50MB.
    #[arg(long, value_name = "BYTES", value_parser = values::rate)]
    pub rate: Option<u64>,
    /// Continue a restore that was interrupted.
    #[arg(long)]
    pub resume: bool,
    /// Undo what an interrupted restore by method `replica` left behind: make the target a primary again and put its settings back. Needs
    /// no backup. Asks first if the only sign of a restore is a primary that the target never reached.
    #[arg(long, conflicts_with_all = [
        "positional", "backup_id", "file", "to_file", "to_dir", "replace_all", "on_conflict", "resume", "plan", "keys", "exclude", "databases", "types",
        "rate", "listen", "advertise", "skip_verify", "no_proof", "no_safety_backup", "allow_replica_resync", "accept_loss", "moment", "without_tails",
    ])]
    pub undo: bool,
    /// Do not read the backup before the first write. Object size and checksum are still checked; other damage is found only during the
    /// restore, after keys were written.
    #[arg(long)]
    pub skip_verify: bool,
    /// Do not compare the target with the backup at the end.
    #[arg(long)]
    pub no_proof: bool,
    /// For --method replica: IP address, or IP address and port, to listen on for the target [default: this machine's address towards the
    /// target, a free port]. Use a port of 32768 or higher: then --undo also works from another machine without a question, if this
    /// machine is lost during the restore.
    #[arg(long, value_name = "ADDR", value_parser = values::listen)]
    pub listen: Option<SocketAddr>,
    /// For --method replica: host, or host:port, at which the target reaches this machine [default: as --listen].
    #[arg(long, value_name = "ADDR", value_parser = values::advertise)]
    pub advertise: Option<Advertise>,
    /// Restore the last moment of the archive at or before this time, such as 2026-11-01T13:00:00Z, by the clock of the server. The
    /// archiver notes the time once a second: where it noted none for more than 5 s while data was written (it was not running, and read
    /// the stream later), the data is that of the last noted time, and the restore ends with a warning (`archive status` shows where). With any
    /// of the options --to-time, --to-offset, --to-mark, --before-command and --to-latest, --backup-id names the instance; the backup to
    /// begin with is chosen.
    #[arg(long, value_name = "TIME", group = "moment", value_parser = values::moment)]
    pub to_time: Option<chrono::DateTime<chrono::Utc>>,
    /// Restore the moment at this replication offset.
    #[arg(long, value_name = "N", group = "moment")]
    pub to_offset: Option<u64>,
    /// For --to-offset and --before-command, where the archive holds several histories with the same offsets (after a restart of the
    /// server): the one that is meant, by its replication id or the first characters of it.
    #[arg(long, value_name = "REPLID", requires = "moment", value_parser = values::replid)]
    pub timeline: Option<String>,
    /// Restore the moment that `archive mark NAME` has named.
    #[arg(long, value_name = "NAME", group = "moment")]
    pub to_mark: Option<String>,
    /// Restore the moment before this command, such as FLUSHALL; FLUSHALL@OFFSET chooses one of several (see `archive log`).
    #[arg(long, value_name = "COMMAND[@OFFSET]", group = "moment")]
    pub before_command: Option<String>,
    /// Restore the last moment of the archive.
    #[arg(long, group = "moment")]
    pub to_latest: bool,
    /// For a moment of the archive, and for a cluster backup whose shards are from one moment: the redis-server or valkey-server that is
    /// started for a short time to reach that moment [default: the one on PATH].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub server_binary: Option<PathBuf>,
    /// Restore the RDBs of a cluster backup without the replication streams that lead all shards to one moment: the shards are then from
    /// different moments. Needs no server program. Exits with 1.
    #[arg(long, conflicts_with_all = ["server_binary", "moment"])]
    pub without_tails: bool,
    #[command(flatten)]
    pub turns: super::Turns,
    /// Show what would happen, and do nothing.
    #[arg(long, visible_alias = "dry-run")]
    pub plan: bool,
}
