//! Servers that speak the protocol and are built otherwise: rules that do not fit them are skipped, and say why.

/// A product, the rules that do not fit it, and why.
const OTHERS: &[(&str, &[&str], &str)] = &[
    (
        "dragonfly",
        &[
            "M02", "M04", "M05", "M08", "M09", "M10", "M20", "M25", "C08", "C10", "C18", "C19", "C22", "C23", "C29",
            "P06", "P07", "P08", "P10", "R04", "R05", "S07",
        ],
        "Dragonfly has several threads, no child process, no append-only file, and other settings",
    ),
    (
        "keydb",
        &["C18", "C19", "R07", "S07"],
        "KeyDB has several threads, replicas that take writes, and versions of its own",
    ),
    (
        "redis-enterprise",
        &[
            "M02", "M03", "M04", "M05", "M06", "M07", "M08", "M09", "M10", "M20", "M25", "C22", "C23", "P01", "P02",
            "P03", "P06", "P08", "P10", "R04", "R06", "R10", "S07",
        ],
        "a managed service reports its own numbers, and manages memory, saves and replicas itself",
    ),
    (
        "redis-windows",
        &["M04", "M05", "M06", "M07", "M08", "M20", "M25", "P06"],
        "builds for Windows report used_memory as used_memory_rss, and fork in another way",
    ),
];

/// Why a rule does not fit a product; `None` where it does.
pub(super) fn does_not_fit(rule: &str, product: &str) -> Option<&'static str> {
    let (_, _, why) = OTHERS.iter().find(|(name, rules, _)| *name == product && rules.contains(&rule))?;
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_does_not_fit_is_one() {
        for (product, rules, _) in OTHERS {
            for rule in *rules {
                assert!(super::super::by_id(rule).is_some(), "{product}: there is no {rule}");
            }
        }
        assert!(does_not_fit("M08", "dragonfly").is_some() && does_not_fit("M08", "redis").is_none());
    }
}
