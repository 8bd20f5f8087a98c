//! The proof after a restore as people and programs read it.

use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::table::verdict;
use crate::commands::verify::compare;
use crate::operations::Proof;
use crate::operations::proof::{Announced, Counts, EXAMPLES, Found};
use crate::printer::words;

/// The line for people.
pub fn line(proof: &Proof, context: &Context) -> String {
    match proof {
        Proof::None(why) => format!("not proven: {why}"),
        Proof::Compared(found) => verdict(&context.printer, found.status(), &sentence(&found.counts)),
    }
}

/// As JSON; `null` where there is none.
pub fn to_json(proof: &Proof, context: &Context) -> Value {
    let Proof::Compared(found) = proof else { return Value::Null };
    let Found { compared, is_fuzzy, counts, .. } = &**found;
    let mut json = compare::to_json(compared, EXAMPLES, context);
    json["consistency"] = if *is_fuzzy { "fuzzy" } else { "point_in_time" }.into();
    let Announced { missing, different, unseen } = counts.announced;
    json["expired"] = counts.expired.into();
    json["announced"] = json!({ "missing": missing, "different": different + unseen });
    // The comparison does not know of a loss that it cannot see.
    if unseen > 0 {
        let all = counts.different + different + unseen;
        (json["is_equal"], json["equal"], json["different"]) = (false.into(), counts.equal.into(), all.into());
        json["different_by"]["value"] = (json["different_by"]["value"].as_u64().unwrap_or(0) + unseen).into();
        let others = ["missing", "extra"].iter().filter_map(|name| json[name].as_u64()).sum::<u64>();
        json["ratio"] = (counts.equal as f64 / (counts.equal + all + others).max(1) as f64).into();
    }
    json
}

fn sentence(counts: &Counts) -> String {
    let Counts { announced, .. } = counts;
    let mut parts = Vec::new();
    let mut part = |keys: u64, what: &str| {
        if keys > 0 {
            parts.push(format!("{} {what}", words::count(keys)));
        }
    };
    let others = |what: &'static str, and: &'static str| if counts.others_wrote { and } else { what };
    part(counts.missing, others("missing", "missing (other clients wrote meanwhile)"));
    part(counts.different, others("different", "different (other clients wrote meanwhile)"));
    part(counts.extra, "that are not in the backup");
    part(announced.missing, "missing as reported above");
    part(announced.different, "different as reported above");
    if !counts.functions {
        parts.push("other functions".to_owned());
    }
    if parts.is_empty() && announced.unseen > 0 {
        let losses = if announced.unseen == 1 { "loss" } else { "losses" };
        let (all, of) = (words::counted(counts.equal + announced.unseen, "key"), words::count(announced.unseen));
        return format!(
            "proof: equal but for {of} reported {losses}: the target holds {all}, and of {of} not all that is in the backup"
        );
    }
    if announced.unseen > 0 {
        parts.push(format!("{} equal but for a reported loss", words::count(announced.unseen)));
    }
    if parts.is_empty() {
        return match counts.equal {
            _ if counts.expired > 0 => {
                let (all, expired) = (words::counted(counts.equal, "key"), words::count(counts.expired));
                format!("proof: the target holds {all} as in the backup, and {expired} have expired")
            }
            0 => "proof: there is no key in the backup, and none in the target".to_owned(),
            1 => "proof: the target holds the one key as it is in the backup".to_owned(),
            keys => format!("proof: the target holds all {} keys as they are in the backup", words::count(keys)),
        };
    }
    if counts.expired > 0 {
        parts.push(format!("{} expired", words::count(counts.expired)));
    }
    parts.push(format!("{} equal", words::count(counts.equal)));
    format!("proof: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Status;

    fn found(missing: u64, different: u64, extra: u64) -> Counts {
        let announced = Announced::default();
        Counts { equal: 9, missing, different, extra, expired: 0, functions: true, announced, others_wrote: false }
    }

    #[test]
    fn only_what_was_announced_or_written_by_others_is_no_failure() {
        assert_eq!(found(0, 0, 0).status(), Status::Ok);
        assert_eq!(sentence(&found(0, 0, 0)), "proof: the target holds all 9 keys as they are in the backup");
        assert_eq!(found(0, 0, 1).status(), Status::Warning);
        assert_eq!(found(1, 0, 0).status(), Status::Failed);
        let words = "proof: the target holds 9 keys as in the backup, and 2 have expired";
        assert_eq!(sentence(&Counts { expired: 2, ..found(0, 0, 0) }), words);
        let words = "proof: 1 missing, 2 expired, 9 equal";
        assert_eq!(sentence(&Counts { expired: 2, ..found(1, 0, 0) }), words);
        assert_eq!(found(0, 1, 0).status(), Status::Failed);
        let others = Counts { others_wrote: true, ..found(0, 1, 0) };
        assert_eq!(others.status(), Status::Warning);
        assert_eq!(sentence(&others), "proof: 1 different (other clients wrote meanwhile), 9 equal");
        assert_eq!(Counts { others_wrote: true, ..found(1, 0, 0) }.status(), Status::Warning);
        assert_eq!(Counts { others_wrote: true, functions: false, ..found(1, 0, 0) }.status(), Status::Failed);
        assert_eq!(Counts { functions: false, ..found(0, 0, 0) }.status(), Status::Failed);
        let announced = Announced { missing: 2, different: 1, unseen: 0 };
        let announced = Counts { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        assert_eq!(sentence(&announced), "proof: 2 missing as reported above, 1 different as reported above, 9 equal");
        let announced = Announced { unseen: 2, ..Announced::default() };
        let announced = Counts { announced, ..found(0, 0, 0) };
        assert_eq!(announced.status(), Status::Warning);
        let words =
            "proof: equal but for 2 reported losses: the target holds 11 keys, and of 2 not all that is in the backup";
        assert_eq!(sentence(&announced), words);
        let bad = Counts { missing: 1, ..announced };
        assert_eq!(bad.status(), Status::Failed);
        assert_eq!(sentence(&bad), "proof: 1 missing, 2 equal but for a reported loss, 9 equal");
    }
}
