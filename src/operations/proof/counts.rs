//! What the comparison after a restore has counted: the keys, with what was announced taken off, and the answer as a sentence.

use crate::explain::Status;
use crate::figures::{count, counted};
use crate::restore::target_format::Loss;
use crate::restore::{BackupFacts, Report};
use crate::verify::comparing::Comparison;

/// What need not be as in the backup, because the plan or the report has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announced {
    /// Keys that the target cannot hold at all.
    pub missing: u64,
    /// Keys that were there and stayed, keys of which a part is lost, and keys that were rebuilt.
    pub different: u64,
    /// Keys of which a part is lost that the comparison leaves out: what it expects has no expiry of fields that the target cannot keep.
    pub unseen: u64,
}

impl Announced {
    pub(super) fn of(report: &Report, facts: &BackupFacts) -> Self {
        let tally = &report.tally;
        // A key that stands in the backup twice is in the target once.
        let twice = facts.survey.as_ref().and_then(|survey| survey.losses.get(&Loss::Twice)).copied().unwrap_or(0);
        let fields = facts.survey.as_ref().and_then(|survey| survey.losses.get(&Loss::FieldExpiry)).copied();
        let unseen = fields.unwrap_or(0).min(report.lost_in_part);
        let different = tally.skipped_existing + report.lost_in_part - unseen + tally.rebuilt + twice;
        Self { missing: tally.lost.saturating_sub(twice), different, unseen }
    }
}

/// What a comparison has counted, with what was announced taken off.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Keys that the target holds as they are in the backup.
    pub equal: u64,
    /// Keys of the backup that the target does not hold.
    pub missing: u64,
    /// Keys that the target holds with another value, type or expiry.
    pub different: u64,
    /// Keys that are not in the backup, and were not in the target before.
    pub extra: u64,
    /// Keys of the backup whose time has passed for the target.
    pub expired: u64,
    /// Fields whose time has passed for the target, in hashes of which it holds other fields.
    pub expired_fields: u64,
    /// Whether the function libraries are those of the backup, or were no part of the question.
    pub functions: bool,
    /// Libraries of the backup were loaded, and could not be read back.
    pub functions_unread: bool,
    /// What need not be as in the backup.
    pub announced: Announced,
    /// Whether others were seen to write to the target.
    pub others_wrote: bool,
}

impl Counts {
    pub(super) fn of(
        compared: &Comparison,
        announced: Announced,
        stayed: bool,
        (expired, expired_fields): (u64, u64),
        others_wrote: bool,
    ) -> Self {
        let differences = &compared.differences;
        let announced = Announced {
            missing: announced.missing.min(differences.missing),
            different: announced.different.min(differences.different()),
            unseen: announced.unseen.min(differences.equal),
        };
        Self {
            equal: differences.equal - announced.unseen,
            missing: differences.missing - announced.missing,
            different: differences.different() - announced.different,
            extra: if stayed { 0 } else { differences.extra },
            expired,
            expired_fields,
            functions: compared.functions.as_ref().is_none_or(|functions| functions.equal),
            functions_unread: compared.functions.is_none() && compared.functions_unread.is_some(),
            announced,
            others_wrote,
        }
    }

    /// The answer: see [`Found::status`].
    pub fn status(&self) -> Status {
        let odd = self.extra > 0 || self.announced != Announced::default() || self.functions_unread;
        match (self.functions, self.missing > 0 || self.different > 0) {
            (false, _) => Status::Failed,
            // Others were seen to write: what they changed or removed is no fault of the restore.
            (true, true) if self.others_wrote => Status::Warning,
            (true, true) => Status::Failed,
            (true, false) if odd => Status::Warning,
            (true, false) => Status::Ok,
        }
    }

    /// The proof as a sentence.
    pub fn sentence(&self) -> String {
        let Counts { announced, .. } = self;
        let mut parts = Vec::new();
        let mut part = |keys: u64, what: &str| {
            if keys > 0 {
                parts.push(format!("{} {what}", count(keys)));
            }
        };
        let others = |what: &'static str, and: &'static str| if self.others_wrote { and } else { what };
        part(self.missing, others("missing", "missing (other clients wrote meanwhile)"));
        part(self.different, others("different", "different (other clients wrote meanwhile)"));
        part(self.extra, "not in the backup");
        part(announced.missing, "missing as reported above");
        part(announced.different, "different as announced (kept, lost in part or rebuilt)");
        if !self.functions {
            parts.push("other functions".to_owned());
        }
        if self.functions_unread {
            parts.push("function libraries not read back".to_owned());
        }
        if parts.is_empty() && announced.unseen > 0 {
            let losses = if announced.unseen == 1 { "loss" } else { "losses" };
            let (all, of) = (counted(self.equal + announced.unseen, "key"), count(announced.unseen));
            return format!(
                "proof: equal but for {of} reported {losses}: the target holds {all}, and of {of} not all that is in the backup"
            );
        }
        if announced.unseen > 0 {
            parts.push(format!("{} equal but for a reported loss", count(announced.unseen)));
        }
        if parts.is_empty() {
            return match self.equal {
                _ if self.expired + self.expired_fields > 0 => {
                    let all = counted(self.equal, "key");
                    let keys = match (self.expired, self.expired_fields) {
                        (0, _) => None,
                        (keys, 0) => Some(count(keys)),
                        (keys, _) => Some(counted(keys, "key")),
                    };
                    let fields = (self.expired_fields > 0).then(|| counted(self.expired_fields, "hash field"));
                    let gone = keys.into_iter().chain(fields).collect::<Vec<_>>().join(" and ");
                    let have = if self.expired + self.expired_fields == 1 { "has" } else { "have" };
                    format!("proof: the target holds {all} as in the backup, and {gone} {have} expired")
                }
                0 => "proof: there is no key in the backup, and none in the target".to_owned(),
                1 => "proof: the target holds the key as it is in the backup".to_owned(),
                keys => format!("proof: the target holds all {} keys as they are in the backup", count(keys)),
            };
        }
        if self.expired > 0 {
            parts.push(format!("{} expired", count(self.expired)));
        }
        if self.expired_fields > 0 {
            parts.push(format!("{} expired", counted(self.expired_fields, "hash field")));
        }
        parts.push(format!("{} equal", count(self.equal)));
        format!("proof: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(missing: u64, different: u64, extra: u64) -> Counts {
        let announced = Announced::default();
        Counts {
            equal: 9,
            missing,
            different,
            extra,
            expired: 0,
            expired_fields: 0,
            functions: true,
            functions_unread: false,
            announced,
            others_wrote: false,
        }
    }

    #[test]
    fn only_what_was_announced_or_written_by_others_is_no_failure() {
        assert_eq!(found(0, 0, 0).status(), Status::Ok);
        assert_eq!(found(0, 0, 0).sentence(), "proof: the target holds all 9 keys as they are in the backup");
        assert_eq!(found(0, 0, 1).status(), Status::Warning);
        assert_eq!(found(1, 0, 0).status(), Status::Failed);
        let words = "proof: the target holds 9 keys as in the backup, and 2 have expired";
        assert_eq!(Counts { expired: 2, ..found(0, 0, 0) }.sentence(), words);
        let words = "proof: the target holds 9 keys as in the backup, and 2 keys and 1 hash field have expired";
        assert_eq!(Counts { expired: 2, expired_fields: 1, ..found(0, 0, 0) }.sentence(), words);
        let words = "proof: the target holds 9 keys as in the backup, and 1 hash field has expired";
        assert_eq!(Counts { expired_fields: 1, ..found(0, 0, 0) }.sentence(), words);
        let words = "proof: 1 missing, 2 expired, 9 equal";
        assert_eq!(Counts { expired: 2, ..found(1, 0, 0) }.sentence(), words);
        assert_eq!(found(0, 1, 0).status(), Status::Failed);
        let others = Counts { others_wrote: true, ..found(0, 1, 0) };
        assert_eq!(others.status(), Status::Warning);
        assert_eq!(others.sentence(), "proof: 1 different (other clients wrote meanwhile), 9 equal");
        assert_eq!(Counts { others_wrote: true, ..found(1, 0, 0) }.status(), Status::Warning);
        assert_eq!(Counts { others_wrote: true, functions: false, ..found(1, 0, 0) }.status(), Status::Failed);
        assert_eq!(Counts { functions: false, ..found(0, 0, 0) }.status(), Status::Failed);
        let announced = Announced { missing: 2, different: 1, unseen: 0 };
        let announced = Counts { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        assert_eq!(
            announced.sentence(),
            "proof: 2 missing as reported above, 1 different as announced (kept, lost in part or rebuilt), 9 equal"
        );
        let announced = Announced { unseen: 2, ..Announced::default() };
        let announced = Counts { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        let words =
            "proof: equal but for 2 reported losses: the target holds 11 keys, and of 2 not all that is in the backup";
        assert_eq!(announced.sentence(), words);
        let bad = Counts { missing: 1, ..announced };
        assert_eq!(bad.status(), Status::Failed);
        assert_eq!(bad.sentence(), "proof: 1 missing, 2 equal but for a reported loss, 9 equal");
    }
}
