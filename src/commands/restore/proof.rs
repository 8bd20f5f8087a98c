//! The proof after a restore as people and programs read it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::verify::compare;
use crate::operations::Proof;
use crate::operations::proof::EXAMPLES;
use crate::printer::words::span;
use crate::restore::{Choices, Ttl};

/// What was not compared, for people; `None`: nothing.
pub fn left_open(proof: &Proof) -> Option<String> {
    match proof {
        Proof::None(why) => Some(format!("not proven: {why}")),
        Proof::Compared(found) => found.compared.not_compared().map(|what| format!("not compared: {what}")),
    }
}

/// What the comparison came to, as a sentence; `None`: there was none. With choices that change expiries, the keys are not all as in the
/// backup, and the sentence says how they differ.
pub fn sentence(proof: &Proof, choices: &Choices) -> Option<String> {
    let Proof::Compared(found) = proof else { return None };
    let sentence = found.counts.sentence();
    let expiries = match choices.ttl {
        Ttl::Keep => return Some(sentence),
        Ttl::Strip => "expiries were removed (`--ttl strip`)".to_owned(),
        Ttl::Shift => {
            let by = Duration::from_millis(choices.shift_ms.unsigned_abs());
            format!("expiries are {} later (`--ttl shift`)", span(by))
        }
    };
    let values = ["as they are in the backup", "as it is in the backup", "as in the backup"];
    let said = values.into_iter().fold(sentence, |said, words| said.replace(words, "with the values in the backup"));
    Some(format!("{said}; {expiries}"))
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
