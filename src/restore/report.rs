//! What a restore has done, in numbers that add up.

use serde::Serialize;

use crate::connection::Node;
use crate::dataset::ReadError;
use crate::explain::Status;
use crate::replies::Info;
use crate::restore::durable::Durable;
use crate::restore::facts::Counters;
use crate::restore::options::Method;
use crate::restore::preflight;
use crate::restore::replay::calls::Calls;
use crate::restore::replay::ledger::Stop;
use crate::restore::replica::ReplicaError;
use crate::restore::standing::{Standing, Turned};
use crate::restore::take_back::{self, TakenBack};
use crate::restore::tally::Tally;
use crate::restore::unsaved::Unsaved;

/// How a restore ended.
#[derive(Debug)]
pub enum Ended {
    /// All of the backup was read, sent and answered.
    Complete,
    /// The backup turned out bad.
    BadBackup(ReadError),
    /// The target did not load the file that it was fed; what it holds is in the error.
    NotLoaded(Box<ReplicaError>),
    /// The target would take no more, or a connection broke.
    Stopped(Stop),
    /// A signal ended the restore.
    Interrupted,
}

/// What a restore has done.
#[derive(Debug)]
pub struct Report {
    /// The method by which keys were restored.
    pub method: Method,
    /// Keys of the backup; `None`: not known, since it was not read to its end.
    pub in_backup: Option<u64>,
    /// What became of every key.
    pub tally: Tally,
    /// How the restore ended.
    pub ended: Ended,
    /// Seconds of sending.
    pub seconds: f64,
    /// What was taken back, if the backup was bad.
    pub taken_back: Option<TakenBack>,
    /// Counters of the target before and after; `None`: it could not be asked any more.
    pub before: Counters,
    /// The same counters afterwards; `None`: the target could not be asked any more.
    pub after: Option<Counters>,
    /// The target as it was when it began to take what is restored.
    pub standing: Standing,
    /// Keys among the expired ones that the target had taken before.
    pub expired_since: u64,
    /// What became of the target meanwhile, where it may hold less than it had accepted.
    pub turned: Option<Turned>,
    /// Whether what it holds is on its disk.
    pub durable: Durable,
    /// Somebody else wrote to the target meanwhile; `None`: could not tell.
    pub others_wrote: Option<bool>,
    /// The same of this run alone, and not of an interrupted one that it went on with.
    pub others_wrote_now: Option<bool>,
    /// What others wrote that neither the target nor its safety backup holds, as far as that was seen.
    pub unsaved: Option<Unsaved>,
    /// `--resume` can go on.
    pub resumable: bool,
    /// The target held nothing before the restore began, in whichever run.
    pub was_empty: bool,
    /// Values that failed may stand in the target under temporary names.
    pub may_hold_temporary: bool,
    /// From when on writes of others can be told; `None`: they cannot.
    pub since: Option<Since>,
    /// Restored keys of which the plan had said that a part is lost. They are no part of [`Tally::lost`].
    pub lost_in_part: u64,
    /// Records of module data that belong to no key, which the plan had said to be lost.
    pub lost_module_data: u64,
    /// Bytes after the end of the RDB, which were left out.
    pub trailing_bytes: u64,
    /// `maxmemory` in bytes that holds the backup beside what the target held, with some room; `None`: not known.
    pub room: Option<u64>,
    /// How the target was fed, with method `replica`.
    pub fed: Option<FedJson>,
    /// The method that was to be used, and could not.
    pub barred: Option<Barred>,
}

/// What is seen of a target after it was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Afterwards {
    /// Whether others have written to it by then; `None`: could not tell.
    pub others_wrote: Option<bool>,
    /// What became of it, where it may hold less than it had accepted.
    pub turned: Option<Turned>,
}

/// What the target had counted when the restore began, and what was called for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Since {
    /// The INFO of the target at that moment.
    pub info: Info,
    /// Our own commands.
    pub calls: Calls,
}

/// A method that turned out to be barred, with the target as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Barred {
    /// The method that is barred.
    pub method: Method,
    /// Stable name of the reason.
    pub code: &'static str,
    /// The reason, in words.
    pub message: String,
}

/// How a target was fed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FedJson {
    /// Its `repl-diskless-load` meanwhile.
    pub load: &'static str,
    /// Where it came from.
    pub peer: String,
    /// Bytes of the RDB.
    pub bytes: u64,
    /// Seconds from the first byte to the last: the rest of `phases.load` is the target's own.
    pub transfer: f64,
    /// Settings of the target that could not be put back: `CONFIG SET` them by hand.
    pub not_put_back: Vec<String>,
}

/// `result` of the JSON answer.
#[derive(Debug, Serialize)]
pub struct ResultJson<'a> {
    method: &'static str,
    in_backup: Option<u64>,
    restored: u64,
    skipped: u64,
    skipped_existing: u64,
    written_meanwhile: u64,
    written_meanwhile_keys: &'a [crate::restore::tally::FailedKey],
    skipped_by_choice: u64,
    expired: u64,
    expired_since: u64,
    expired_fields: u64,
    failed: u64,
    leftovers: u64,
    held: Option<u64>,
    unknown: u64,
    not_reached: Option<u64>,
    lost: &'a [crate::restore::tally::FailedKey],
    lost_count: u64,
    lost_in_part: u64,
    lost_module_data: u64,
    overwritten: u64,
    overwritten_keys: &'a [crate::restore::tally::FailedKey],
    written_by_others: u64,
    rebuilt: u64,
    rebuilt_keys: &'a [crate::restore::tally::FailedKey],
    trailing_bytes: u64,
    failures: &'a [crate::restore::tally::FailedKey],
    functions: crate::restore::tally::Functions,
    differing_libraries: &'a [String],
    restored_by_database: &'a std::collections::BTreeMap<u64, u64>,
    taken_back: &'a Option<TakenBack>,
    target: Target,
    phases: Phases,
    keys_per_second: u64,
    resumable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica: &'a Option<FedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barred: &'a Option<Barred>,
}

/// What the target's own counters say.
#[derive(Debug, Serialize)]
struct Target {
    keys_before: u64,
    keys_after: Option<u64>,
    evicted: Option<u64>,
    expired: Option<u64>,
    restarted: bool,
    turned: Option<String>,
    others_wrote: Option<bool>,
    unsaved: Option<String>,
    durable: Option<bool>,
    not_durable: Option<String>,
}

/// Seconds by phase.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Phases {
    /// Reading the backup before the first write.
    pub verify: f64,
    /// Sending the backup, or the target's loading it.
    pub load: f64,
    /// Reading the target back and comparing it.
    pub proof: f64,
}

impl Report {
    /// The report of a restore of which only its method is known yet. `in_backup`: see the field; `before`: the target's counters.
    pub fn new(method: Method, in_backup: Option<u64>, before: Counters, ended: Ended) -> Self {
        Self {
            method,
            in_backup,
            tally: Tally::default(),
            ended,
            seconds: 0.0,
            taken_back: None,
            before,
            after: None,
            standing: Standing::by(None, None),
            expired_since: 0,
            turned: None,
            durable: Durable::NotSaid,
            others_wrote: None,
            others_wrote_now: None,
            unsaved: None,
            resumable: false,
            was_empty: false,
            may_hold_temporary: false,
            since: None,
            lost_in_part: 0,
            lost_module_data: 0,
            trailing_bytes: 0,
            room: None,
            fed: None,
            barred: None,
        }
    }

    /// Keys of which nothing is known, because the restore stopped before them.
    pub fn not_reached(&self) -> Option<u64> {
        Some(self.in_backup?.saturating_sub(self.tally.accounted()))
    }

    /// Whether every key of the backup is accounted for.
    pub fn adds_up(&self) -> bool {
        self.in_backup == Some(self.tally.accounted()) && self.tally.unknown == 0
    }

    /// Keys that the target threw away meanwhile to make room.
    pub fn evicted(&self) -> Option<u64> {
        Some(self.after?.evicted.saturating_sub(self.before.evicted))
    }

    /// Whether all of the backup went into the target, and nothing was refused or thrown away: what is left out, was there or is lost as
    /// announced does not count.
    pub fn is_complete(&self) -> bool {
        let functions = &self.tally.functions;
        matches!(self.ended, Ended::Complete)
            && self.adds_up()
            && self.after.is_some()
            && self.turned.is_none()
            && !matches!(self.durable, Durable::Failing(_))
            && self.tally.failed == 0
            && functions.failed == 0
            && functions.written_by_others == 0
            && self.evicted().is_none_or(|keys| keys == 0)
    }

    /// Whether there were keys in the backup, and all of them were left out by choice: hardly what was meant.
    pub fn chose_nothing(&self) -> bool {
        let left = self.tally.skipped_by_choice;
        left > 0 && self.in_backup == Some(left)
    }

    /// Notes the target's counters afterwards, and what became of the target meanwhile.
    pub fn after(&mut self, counters: Counters, info: &Info) {
        self.after = Some(counters);
        self.turned = self.turned.take().or_else(|| self.standing.turned(info));
    }

    /// Looks once more at the target, after it was compared: whether it is still the one that took what was restored, and whether somebody
    /// else has written by now. What they have changed since the restore ended is no fault of it.
    pub async fn look_again(&self, node: &Node) -> Afterwards {
        let mut afterwards = Afterwards { others_wrote: self.others_wrote, turned: self.turned.clone() };
        let Ok(mut connection) = node.connect().await else { return afterwards };
        let Ok((_, info)) = preflight::counters(&mut connection).await else { return afterwards };
        afterwards.turned = afterwards.turned.or_else(|| self.standing.turned(&info));
        let (None | Some(false), Some(since)) = (self.others_wrote, &self.since) else { return afterwards };
        if let Ok(others) = take_back::others_wrote(&mut connection, &since.info, &info, &since.calls).await {
            afterwards.others_wrote = take_back::or(self.others_wrote, others);
        }
        afterwards
    }

    /// Notes that of all keys of the backup, and of the fields of its other hashes, so many had expired when the target was compared:
    /// it had taken some of them before.
    pub fn expire(&mut self, all: u64, fields: u64) {
        self.tally.expired_fields = self.tally.expired_fields.max(fields);
        let since = all.saturating_sub(self.tally.expired).min(self.tally.restored);
        self.tally.restored -= since;
        self.tally.expired += since;
        self.expired_since += since;
    }

    /// Whether the target was started anew meanwhile.
    pub fn restarted(&self) -> bool {
        self.turned == Some(Turned::Restarted)
    }

    /// Keys of the backup that the target holds, as it counts them; `None` where it holds others as well.
    pub fn held(&self) -> Option<u64> {
        let now = self.after?.keys;
        // More keys than were sent are keys of others, or temporary ones of ours, whatever the counters of commands say.
        let ours = now <= self.tally.restored + self.tally.unknown;
        (ours && self.was_empty && !self.may_hold_temporary && self.others_wrote == Some(false)).then_some(now)
    }

    /// Whether the restore went well: no if a key failed, is unknown or was thrown away; a warning if something is not as in the backup;
    /// could not tell if the choice left nothing to restore.
    pub fn status(&self) -> Status {
        let tally = &self.tally;
        let bad = !matches!(self.ended, Ended::Complete)
            || self.after.is_none()
            || !self.adds_up()
            || self.turned.is_some()
            || matches!(self.durable, Durable::Failing(_))
            || tally.failed > 0
            || tally.functions.failed > 0
            || self.evicted().is_some_and(|keys| keys > 0);
        let odd = tally.expired > 0
            || tally.expired_fields > 0
            || tally.skipped_existing > 0
            || tally.lost > 0
            || self.lost_in_part > 0
            || self.lost_module_data > 0
            || tally.rebuilt > 0
            || tally.overwritten > 0
            || self.trailing_bytes > 0
            || tally.functions.lost > 0
            || tally.functions.differing > 0
            || self.fed.as_ref().is_some_and(|fed| !fed.not_put_back.is_empty())
            || matches!(self.durable, Durable::No(_))
            || self.others_wrote == Some(true)
            || self.unsaved.is_some();
        match (bad, odd) {
            (true, _) => Status::Failed,
            (false, _) if self.chose_nothing() => Status::Unknown,
            (false, true) => Status::Warning,
            (false, false) => Status::Ok,
        }
    }

    /// As JSON, with the time that other phases took.
    pub fn json(&self, phases: Phases) -> ResultJson<'_> {
        let tally = &self.tally;
        ResultJson {
            method: self.method.name(),
            in_backup: self.in_backup,
            restored: tally.restored,
            skipped: tally.skipped_existing + tally.skipped_by_choice,
            skipped_existing: tally.skipped_existing,
            written_meanwhile: tally.written_meanwhile,
            written_meanwhile_keys: &tally.written_meanwhile_keys,
            skipped_by_choice: tally.skipped_by_choice,
            expired: tally.expired,
            expired_since: self.expired_since,
            expired_fields: tally.expired_fields,
            failed: tally.failed,
            leftovers: tally.leftovers,
            held: self.held(),
            unknown: tally.unknown,
            not_reached: self.not_reached(),
            lost: &tally.lost_keys,
            lost_count: tally.lost,
            lost_in_part: self.lost_in_part,
            lost_module_data: self.lost_module_data,
            overwritten: tally.overwritten,
            overwritten_keys: &tally.overwritten_keys,
            written_by_others: tally.written_by_others,
            rebuilt: tally.rebuilt,
            rebuilt_keys: &tally.rebuilt_keys,
            trailing_bytes: self.trailing_bytes,
            failures: &tally.failures,
            functions: tally.functions,
            differing_libraries: &tally.differing_libraries,
            restored_by_database: &tally.by_database,
            taken_back: &self.taken_back,
            target: Target {
                keys_before: self.before.keys,
                keys_after: self.after.map(|after| after.keys),
                evicted: self.evicted(),
                expired: self.after.map(|after| after.expired.saturating_sub(self.before.expired)),
                restarted: self.restarted(),
                turned: self.turned.as_ref().map(ToString::to_string),
                others_wrote: self.others_wrote,
                unsaved: self.unsaved.map(|unsaved| unsaved.to_string()),
                durable: self.durable.is_durable(),
                not_durable: self.durable.why_not().map(str::to_owned),
            },
            phases: Phases { load: self.seconds, ..phases },
            keys_per_second: self.keys_per_second(),
            resumable: self.resumable,
            replica: &self.fed,
            barred: &self.barred,
        }
    }

    /// Restored keys per second of sending.
    pub fn keys_per_second(&self) -> u64 {
        if self.seconds > 0.0 { (self.tally.restored as f64 / self.seconds) as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_others_and_temporary_ones_are_never_counted_as_keys_of_the_backup() {
        let held = |restored, unknown, keys| {
            let before = Counters::default();
            let mut report = Report::new(Method::Commands, Some(10), before, Ended::Complete);
            (report.was_empty, report.others_wrote) = (true, Some(false));
            (report.tally.restored, report.tally.unknown) = (restored, unknown);
            report.after = Some(Counters { keys, ..before });
            report.held()
        };
        assert_eq!(held(8, 0, 8), Some(8));
        // Some were thrown away, and of some no answer came.
        assert_eq!(held(8, 0, 5), Some(5));
        assert_eq!(held(8, 2, 9), Some(9));
        assert_eq!(held(8, 0, 11), None);
        assert_eq!(held(0, 0, 1), None);
    }
}
