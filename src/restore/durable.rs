//! Whether a target that has loaded a file itself has it on its disk. No key of it was written by a command: so no save point counts
//! them, an append-only file holds them only once it was rewritten, and a crash would bring back what the target held before.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::connection::{Command, CommandError, Connection};
use crate::progress::Progress;
use crate::replies::Info;

/// Pause between two looks at a target that is writing its data to disk.
const POLL: Duration = Duration::from_millis(100);
/// What is scheduled begins with the next tick of the server's clock.
const TICK: Duration = Duration::from_secs(3);
/// A target may take at least so long to write its data,
const AT_LEAST: Duration = Duration::from_secs(120);
/// and longer where it writes fewer bytes per second than any disk of today.
const SLOWEST: u64 = 5 << 20;

/// Whether what a target holds is on its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durable {
    /// A restart brings it back.
    Yes,
    /// A restart would bring back something else, and why.
    No(String),
    /// The target cannot write to its disk at all: nothing of what it takes from now on is safe either.
    Failing(String),
    /// The target keeps nothing on its disk, or saves at its own points; or it does not say.
    NotSaid,
}

impl Durable {
    /// For JSON answers.
    pub fn is_durable(&self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No(_) | Self::Failing(_) => Some(false),
            Self::NotSaid => None,
        }
    }

    /// Why it is not.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::No(why) | Self::Failing(why) => Some(why),
            Self::Yes | Self::NotSaid => None,
        }
    }

    /// Of a target that was written to by commands, as its INFO says: they go to its append-only file one by one, where it has one.
    pub fn of_commands(info: &Info) -> Self {
        match (info.flag("aof_enabled"), cannot_write(info)) {
            (Some(true), Some(failing)) => failing,
            (Some(true), None) => Self::Yes,
            _ => Self::NotSaid,
        }
    }
}

/// How long a target may write so many bytes.
fn patience(bytes: u64) -> Duration {
    AT_LEAST + Duration::from_secs(bytes / SLOWEST)
}

/// Waits until a target that has loaded a file of so many bytes has written it to its disk; asks for that where it would not do so
/// by itself. `saves`: it has save points.
pub async fn settle(
    connection: &mut Connection,
    saves: Option<bool>,
    bytes: u64,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Durable {
    let begun = Instant::now();
    let info = match persistence(connection).await {
        Ok(info) => info,
        Err(error) => {
            return Durable::No(format!("could not find out whether the data is on the target's disk: {error}"));
        }
    };
    if info.flag("aof_enabled") == Some(true) {
        progress.note("waiting for the target to rewrite its append-only file");
        return wait(connection, begun, patience(bytes), cancel, rewritten).await;
    }
    if saves != Some(true) {
        return Durable::NotSaid;
    }
    progress.note("waiting for the target to save its data");
    let mut asked = false;
    loop {
        // One that runs already has begun before the new data was there.
        match persistence(connection).await {
            Ok(info) if info.flag("rdb_bgsave_in_progress") == Some(true) => {}
            Ok(_) => match connection.query(&Command::of(&["BGSAVE"])).await {
                Ok(_) => break,
                // Another child of it may be at work: no save is refused for good by that.
                Err(error) if asked && !is_busy(&error) => return not_saved(&error.to_string()),
                Err(_) => asked = true,
            },
            Err(error) => return not_saved(&error.to_string()),
        }
        if begun.elapsed() > patience(bytes) || cancel.is_cancelled() {
            return not_saved("another save was still running");
        }
        tokio::time::sleep(POLL).await;
    }
    wait(connection, begun, patience(bytes), cancel, saved).await
}

fn is_busy(error: &CommandError) -> bool {
    error.to_string().to_lowercase().contains("in progress")
}

fn not_saved(why: &str) -> Durable {
    Durable::No(format!(
        "cannot make the target save its data: {why}; until it saves (`BGSAVE`), a restart brings back the old data"
    ))
}

/// Asks until `judge` knows an answer.
async fn wait(
    connection: &mut Connection,
    begun: Instant,
    patience: Duration,
    cancel: &CancellationToken,
    judge: fn(&Info, Duration) -> Option<Durable>,
) -> Durable {
    let waiting = Instant::now();
    loop {
        match persistence(connection).await {
            Ok(info) => {
                if let Some(known) = judge(&info, waiting.elapsed()) {
                    return known;
                }
            }
            Err(error) => {
                return Durable::No(format!("could not find out whether the data is on the target's disk: {error}"));
            }
        }
        if begun.elapsed() > patience || cancel.is_cancelled() {
            let words = "the target is still saving to disk: until that ends, a restart brings back the old data";
            return Durable::No(words.to_owned());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn persistence(connection: &mut Connection) -> Result<Info, CommandError> {
    let answer = connection.query(&Command::of(&["INFO", "persistence"])).await?;
    Ok(Info::from_bytes(answer.bytes().unwrap_or_default()))
}

/// Whether an append-only file holds all data: a rewrite has ended well, and none is to come.
fn rewritten(info: &Info, waited: Duration) -> Option<Durable> {
    let is = |name: &str| info.flag(name) == Some(true);
    if is("aof_rewrite_in_progress") || is("aof_rewrite_scheduled") && waited < TICK {
        return None;
    }
    if let Some(failing) = cannot_write(info) {
        return Some(failing);
    }
    match info.get("aof_last_bgrewrite_status") {
        Some("err") => Some(Durable::No(
            "the target could not rewrite its append-only file (`aof_last_bgrewrite_status:err`, its log says why): until `BGREWRITEAOF` succeeds, a restart brings back the old data"
                .to_owned(),
        )),
        _ if is("aof_rewrite_scheduled") => None,
        _ => Some(Durable::Yes),
    }
}

fn cannot_write(info: &Info) -> Option<Durable> {
    let words = "the target cannot write to its append-only file (`aof_last_write_status:err`, its log says why)";
    (info.get("aof_last_write_status") == Some("err")).then(|| Durable::Failing(words.to_owned()))
}

fn saved(info: &Info, _: Duration) -> Option<Durable> {
    if info.flag("rdb_bgsave_in_progress") == Some(true) {
        return None;
    }
    Some(match info.get("rdb_last_bgsave_status") {
        Some("err") => Durable::No(
            "the target could not save its data (`rdb_last_bgsave_status:err`, its log says why): until `BGSAVE` succeeds, a restart brings back the old data"
                .to_owned(),
        ),
        _ => Durable::Yes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_has_to_end_well_before_data_is_on_the_disk() {
        let judge = |text: &str, seconds| rewritten(&Info::parse(text), Duration::from_secs(seconds));
        let idle = "aof_rewrite_in_progress:0\naof_rewrite_scheduled:0\naof_last_write_status:ok\n";
        assert_eq!(judge(&format!("{idle}aof_last_bgrewrite_status:ok"), 0), Some(Durable::Yes));
        let failed = judge(&format!("{idle}aof_last_bgrewrite_status:err"), 0).unwrap();
        assert!(matches!(&failed, Durable::No(why) if why.contains("BGREWRITEAOF")), "{failed:?}");
        assert_eq!(judge("aof_rewrite_in_progress:1\naof_last_bgrewrite_status:err", 100), None);
        // It may be the one before that failed.
        assert_eq!(judge("aof_rewrite_scheduled:1\naof_last_bgrewrite_status:err", 0), None);
        assert_ne!(judge("aof_rewrite_scheduled:1\naof_last_bgrewrite_status:err", 3), None);
        assert_eq!(judge("aof_rewrite_scheduled:1\naof_last_bgrewrite_status:ok", 3), None);
        let failed = judge("aof_last_bgrewrite_status:ok\naof_last_write_status:err", 0).unwrap();
        assert!(matches!(failed, Durable::Failing(_)), "{failed:?}");
        for (text, expected) in [
            ("aof_enabled:1\naof_last_write_status:err", Some(false)),
            ("aof_enabled:1\naof_last_write_status:ok\naof_last_bgrewrite_status:err", Some(true)),
            ("aof_enabled:0\naof_last_write_status:ok", None),
        ] {
            assert_eq!(Durable::of_commands(&Info::parse(text)).is_durable(), expected, "{text}");
        }
    }

    #[test]
    fn a_save_has_to_end_well() {
        let judge = |text: &str| saved(&Info::parse(text), Duration::ZERO).map(|durable| durable.is_durable());
        assert_eq!(judge("rdb_bgsave_in_progress:1\nrdb_last_bgsave_status:ok"), None);
        assert_eq!(judge("rdb_bgsave_in_progress:0\nrdb_last_bgsave_status:ok"), Some(Some(true)));
        assert_eq!(judge("rdb_bgsave_in_progress:0\nrdb_last_bgsave_status:err"), Some(Some(false)));
    }
}
