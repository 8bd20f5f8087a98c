//! The proof after a restore as people and programs read it.

use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::verify::compare;
use crate::operations::Proof;
use crate::operations::proof::EXAMPLES;

/// What was not compared, for people; `None`: nothing.
pub fn left_open(proof: &Proof) -> Option<String> {
    match proof {
        Proof::None(why) => Some(format!("not proven: {why}")),
        Proof::Compared(found) => found.compared.not_compared().map(|what| format!("not compared: {what}")),
    }
}

/// What the comparison came to, as a sentence; `None`: there was none.
pub fn sentence(proof: &Proof) -> Option<String> {
    match proof {
        Proof::None(_) => None,
        Proof::Compared(found) => Some(found.counts.sentence()),
    }
}

/// As JSON; `null` where there is none.
pub fn to_json(proof: &Proof, context: &Context) -> Value {
    let Proof::Compared(found) = proof else { return Value::Null };
    let (counts, announced) = (&found.counts, &found.counts.announced);
    let mut json = compare::to_json(&found.compared, EXAMPLES, context);
    json["consistency"] = if found.is_fuzzy { "fuzzy" } else { "point_in_time" }.into();
    json["expired"] = counts.expired.into();
    json["expired_fields"] = counts.expired_fields.into();
    json["announced"] = json!({ "missing": announced.missing, "different": announced.different + announced.unseen });
    json
}
