//! Whether somebody is still at work on a backup that has no manifest: signs of life, by the clock of the store, and the process itself
//! where it can be asked.

use chrono::{DateTime, TimeDelta, Utc};

use super::process::{host, is_alive, place, started};
use super::{Begun, BegunBy, ProcessMark};

/// How often a running backup gives a sign of life, seconds.
pub const HEARTBEAT_SECONDS: u64 = 300;
/// Without a sign for so long a backup is left: three heartbeats may be missed.
pub(super) const SILENCE: TimeDelta = TimeDelta::minutes(16);

/// A backup that was begun and has no manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// What `begun.json` says; `None` where it cannot be read.
    pub begun: Option<Begun>,
    /// When it was begun, by the store's clock; `None` where the store does not say.
    pub since: Option<DateTime<Utc>>,
    /// When something was written for it last, by the store's clock.
    pub last_sign: Option<DateTime<Utc>>,
    /// The store's clock when this was looked at.
    pub now: DateTime<Utc>,
    /// Objects and parts that lie there, bytes; parts of which the store does not tell are not in it.
    pub bytes: u64,
    /// Uploads that were neither completed nor aborted.
    pub uploads: u64,
}

impl Unfinished {
    /// Whether somebody is at work on it: the process lives, as far as that can be asked; otherwise the last sign is young.
    pub fn is_running(&self) -> bool {
        match self.begun.as_ref().and_then(Begun::lives) {
            Some(lives) => lives,
            None => {
                let sign = self.last_sign.or_else(|| self.begun.as_ref().map(|begun| begun.begun_at));
                sign.is_some_and(|sign| self.now.signed_duration_since(sign) < SILENCE)
            }
        }
    }

    /// Whether nothing there is of a backup: somebody has put files into a folder whose name looks like that of one.
    pub fn is_foreign(&self) -> bool {
        self.begun.is_none() && self.since.is_none() && self.last_sign.is_none() && self.uploads == 0
    }

    /// How long it has been there.
    pub fn age(&self) -> Option<std::time::Duration> {
        let since = self.since.or_else(|| self.begun.as_ref().map(|begun| begun.begun_at))?;
        Some(self.now.signed_duration_since(since).to_std().unwrap_or_default())
    }

    /// How long ago the last sign of life was.
    pub fn silent_for(&self) -> Option<std::time::Duration> {
        let sign = self.last_sign.or(self.since).or_else(|| self.begun.as_ref().map(|begun| begun.begun_at))?;
        Some(self.now.signed_duration_since(sign).to_std().unwrap_or_default())
    }
}

impl Begun {
    /// Whether the process that began it lives; `None` where that cannot be told from here.
    pub fn lives(&self) -> Option<bool> {
        lives(&self.by, self.process.as_ref())
    }
}

/// Whether a process lives; `None` where that cannot be told from here.
pub(super) fn lives(by: &BegunBy, process: Option<&ProcessMark>) -> Option<bool> {
    match process {
        Some(mark) => {
            let (boot, namespace) = place()?;
            let can_be_asked = mark.boot == boot && mark.namespace == namespace;
            can_be_asked.then(|| started(by.pid) == Some(mark.started))
        }
        // Written by a version that left no mark.
        None => (by.host == host()).then(|| is_alive(by.pid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{BegunBy, ProcessMark};

    fn begun(host: &str, pid: u32, process: Option<ProcessMark>) -> Begun {
        let at = "2026-11-28T01:00:00Z".parse().unwrap();
        let by = BegunBy { host: host.to_owned(), pid };
        Begun { id: String::new(), instance: String::new(), begun_at: at, by, token: String::new(), process }
    }

    fn seen(begun: Begun, last_sign: &str, now: &str) -> Unfinished {
        Unfinished {
            begun: Some(begun),
            since: None,
            last_sign: last_sign.parse().ok(),
            now: now.parse().unwrap(),
            bytes: 0,
            uploads: 0,
        }
    }

    #[test]
    fn a_process_of_this_machine_is_asked() {
        let own = ProcessMark::own().expect("/proc says so");
        let me = std::process::id();
        assert_eq!(begun("any", me, Some(own.clone())).lives(), Some(true));
        // Another process has the same number now.
        let another = ProcessMark { started: own.started + 1, ..own.clone() };
        assert_eq!(begun("any", me, Some(another)).lives(), Some(false));
        let container = ProcessMark { namespace: "pid:[1]".to_owned(), ..own };
        assert_eq!(begun("any", me, Some(container)).lives(), None);
        assert_eq!(begun(&host(), me, None).lives(), Some(true));
        assert_eq!(begun("elsewhere", me, None).lives(), None);
    }

    #[test]
    fn elsewhere_the_last_sign_tells_by_the_clock_of_the_store() {
        let elsewhere = || begun("elsewhere", 7, None);
        // Three missed heartbeats are not the end, four are. What our own clock says is nowhere in it.
        for (sign, now, running) in [
            ("2031-05-05T10:00:00Z", "2031-05-05T10:00:01Z", true),
            ("2031-05-05T10:00:00Z", "2031-05-05T10:15:30Z", true),
            ("2031-05-05T10:00:00Z", "2031-05-05T10:16:00Z", false),
            ("2031-05-05T10:00:00Z", "2031-05-07T10:00:00Z", false),
        ] {
            assert_eq!(seen(elsewhere(), sign, now).is_running(), running, "{sign} {now}");
        }
        let unknown = seen(elsewhere(), "never", "2026-11-28T01:10:00Z");
        assert!(unknown.is_running(), "begun ten minutes ago");
    }
}
