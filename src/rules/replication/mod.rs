//! R01–R27: replicas and their links, clusters, Sentinels.

mod cluster;
mod expired;
mod links;
mod loops;
mod others;

use super::rule::{RULE, Rule, Topic};

/// What the rules of this topic share.
const R: Rule = Rule { topic: Topic::Replication, ..RULE };

/// The rules about replication and clusters.
pub(super) const RULES: &[&[Rule]] = &[links::RULES, cluster::RULES, others::RULES, expired::RULES, loops::RULES];
