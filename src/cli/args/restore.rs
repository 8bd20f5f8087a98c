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
  redis-ops restore -r s3://backups/redis --backup-id latest --target-instance redis-staging --plan
  redis-ops restore -r s3://backups/redis --backup-id 2024-01-01-01-00 --target-instance redis://10.0.0.7:6379
  redis-ops restore -r s3://backups/redis --backup-id redis-prod/latest --target-instance redis-prod --replace-all
  redis-ops restore --file dump.rdb.gz --target-instance redis://127.0.0.1:6380 --keys 'user:*' --db 0:3
  redis-ops restore -r s3://backups/redis --backup-id latest --to-file dump.rdb")]
pub struct Restore {
    #[command(flatten)]
    pub stored: Stored,
    /// The instance to write to: a name from the settings, or a URL. It must be typed: no default and no variable names it.
    #[arg(long, value_name = "NAME|URL", add = ArgValueCandidates::new(completion::instances))]
    pub target_instance: Option<String>,
    /// Writes an RDB file in place of an instance; - for stdout.
    #[arg(long, value_name = "PATH", conflicts_with = "target_instance", value_hint = ValueHint::FilePath)]
    pub to_file: Option<PathBuf>,
    /// Writes what a server that is not running loads at its start into a folder, in place of an instance.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["target_instance", "to_file"], value_hint = ValueHint::DirPath)]
    pub to_dir: Option<PathBuf>,
    /// How the data is written.
    #[arg(long, value_enum, default_value_t)]
    pub method: Asked,
    /// What happens to keys that the target holds already [default: fail].
    #[arg(long, value_enum)]
    pub on_conflict: Option<Existing>,
    /// Empties the target first. Asks once, and takes a safety backup of the target before.
    #[arg(long, conflicts_with = "on_conflict")]
    pub replace_all: bool,
    /// Takes no safety backup before keys are overwritten or removed.
    #[arg(long)]
    pub no_safety_backup: bool,
    /// Goes on although the target's replicas will have to resync.
    #[arg(long)]
    pub allow_replica_resync: bool,
    /// Goes on although the plan names what the target cannot hold.
    #[arg(long)]
    pub accept_loss: bool,
    /// Only keys that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub keys: Vec<String>,
    /// No keys that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Only this database of the backup, into the same or another one; may be given several times.
    #[arg(long = "db", value_name = "N[:M]", value_parser = values::database)]
    pub databases: Vec<DatabaseMap>,
    /// Only keys of this type, such as string or zset; may be given several times.
    #[arg(long = "type", value_name = "T", add = ArgValueCandidates::new(completion::value_types))]
    pub types: Vec<String>,
    /// What becomes of the moments at which keys expire.
    #[arg(long, value_enum, default_value_t)]
    pub ttl: Ttl,
    /// Writes no more than this many bytes a second, such as 50MB.
    #[arg(long, value_name = "BYTES", value_parser = values::rate)]
    pub rate: Option<u64>,
    /// Goes on with a restore that was interrupted.
    #[arg(long)]
    pub resume: bool,
    /// Ends what an interrupted restore by method `replica` left: makes the target a primary again, and puts its settings back. Needs no
    /// backup. Asks first where nothing but a primary that was never reached speaks for a restore.
    #[arg(long, conflicts_with_all = [
        "backup_id", "file", "to_file", "to_dir", "replace_all", "on_conflict", "resume", "plan", "keys", "exclude", "databases", "types",
        "rate", "listen", "advertise", "skip_verify", "no_proof", "no_safety_backup", "allow_replica_resync", "accept_loss",
    ])]
    pub undo: bool,
    /// Does not read the backup first. Whether its object is the one that the manifest names is checked all the same; other faults are
    /// still errors, but show up after the first write.
    #[arg(long)]
    pub skip_verify: bool,
    /// Does not compare the target with the backup at the end.
    #[arg(long)]
    pub no_proof: bool,
    /// For --method replica: the IP address, and the port if need be, where we listen for the target [default: our address on the way
    /// to the target, a free port]. Should this machine be lost before the target has loaded, other machines recognise what is left by a
    /// port of 32768 or above; of a lower one only this machine knows, and --undo asks first elsewhere.
    #[arg(long, value_name = "ADDR", value_parser = values::listen)]
    pub listen: Option<SocketAddr>,
    /// For --method replica: the host, or host:port, at which the target reaches us [default: where we listen].
    #[arg(long, value_name = "ADDR", value_parser = values::advertise)]
    pub advertise: Option<Advertise>,
    /// Shows what would happen, and does nothing.
    #[arg(long)]
    pub plan: bool,
}
