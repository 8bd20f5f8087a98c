//! What others write to a target after its safety backup began is in no backup. So the target is looked at once more directly before what
//! it holds is removed, and what others write after that look is counted.

use std::collections::BTreeMap;
use std::fmt;

use crate::connection::{CommandError, Connection};
use crate::explain::Hint;
use crate::figures::counted;
use crate::replies::Info;
use crate::restore::counted::began_anew_between;
use crate::restore::take_back;

/// Commands of ours that remove what a target holds, as `INFO commandstats` names them.
const OURS: &[&str] = &["flushall", "function|flush"];

/// The stable name of the refusal to remove what others wrote.
pub const TARGET_CHANGED: &str = "target_changed";

/// What helps against it. `CLIENT PAUSE` does not: it would hold back the commands of the restore as well.
pub fn stop_writers() -> Hint {
    Hint::words("stop the clients that write to the target, then run the restore again")
}

/// What others wrote and neither the target nor its safety backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaved {
    /// At most so many write commands of others ran between the last look at the target and the removal of what it held.
    Removed(u64),
    /// Others wrote after the safety backup began, and the restore overwrites keys.
    Overwritten,
}

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed(writes) => write!(
                f,
                "other clients wrote while the target was emptied: the changes of up to {} are lost, and are not in the safety backup",
                counted(*writes, "write")
            ),
            Self::Overwritten => f.write_str(
                "other clients wrote after the safety backup began: where they wrote to keys of the backup, the restore may have overwritten values that are not in the safety backup",
            ),
        }
    }
}

/// Whether others have called commands that write between two looks at a target, during which we called none. No where the target does
/// not count its commands.
///
/// # Errors
/// The connection broke.
pub async fn others_wrote(connection: &mut Connection, then: &Info, now: &Info) -> Result<bool, CommandError> {
    let names: Vec<&str> = grown(then, now).into_iter().map(|(name, _)| name).collect();
    Ok(take_back::any_writes(connection, &names).await? == Some(true))
}

/// How many write commands others have called between two looks at a target that was emptied in between; 0 where the target does not
/// count its commands.
///
/// # Errors
/// The connection broke.
pub async fn writes_of_others(connection: &mut Connection, then: &Info, now: &Info) -> Result<u64, CommandError> {
    let mut writes = 0;
    for (name, calls) in grown(then, now) {
        if take_back::any_writes(connection, &[name]).await? == Some(true) {
            writes += calls;
        }
    }
    Ok(writes)
}

/// Commands that were called between two looks, and how often; since the counters began anew, where they did in between. What the target refused before it began is no call here: nothing was written.
fn grown<'a>(then: &Info, now: &'a Info) -> Vec<(&'a str, u64)> {
    let now = now.command_stats();
    let before = if began_anew_between(then, &now) { BTreeMap::new() } else { then.command_stats() };
    let calls = |name: &str| before.get(name).map_or(0, |stats| stats.calls);
    let grown = now.into_iter().map(|(name, stats)| (name, stats.calls.saturating_sub(calls(name))));
    grown.filter(|(name, calls)| *calls > 0 && !OURS.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_and_what_we_removed_is_no_call_of_others() {
        let info = |set: &str, flushall: u64| {
            Info::parse(&format!("cmdstat_set:{set}\ncmdstat_flushall:calls={flushall},usec=1,usec_per_call=1\n"))
        };
        let before = info("calls=5,usec=1,rejected_calls=0,failed_calls=0", 1);
        let refused = info("calls=5,usec=1,rejected_calls=3,failed_calls=0", 2);
        assert!(grown(&before, &refused).is_empty());
        let written = info("calls=7,usec=1,rejected_calls=3,failed_calls=0", 2);
        assert_eq!(grown(&before, &written), [("set", 2)]);
        let anew = info("calls=1,usec=1,rejected_calls=0,failed_calls=0", 1);
        assert_eq!(grown(&before, &anew), [("set", 1)]);
        assert!(grown(&before, &Info::parse("role:master\n")).is_empty());
    }
}
