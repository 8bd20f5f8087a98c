//! C01–C50: connections, the way to the server, slow commands, errors.

mod buffers;
mod capacity;
mod commands;
mod flow;
mod latency;
mod leak;
mod stalls;
mod told;

use super::Rule;
use crate::introspection::keyspace::escaped;
use crate::replies::Client;

/// The rules about connections.
pub(super) const RULES: &[&[Rule]] = &[
    capacity::RULES,
    buffers::RULES,
    latency::RULES,
    commands::RULES,
    flow::RULES,
    told::RULES,
    leak::RULES,
    stalls::RULES,
];

/// Mebibytes, for limits.
const MIB: f64 = (1 << 20) as f64;

/// The owner of a connection: its name, else its library, else its user, with the address.
fn owner(client: &Client) -> String {
    let who = [&client.name, &client.lib_name, &client.user].into_iter().find(|text| !text.is_empty());
    let text = match who {
        Some(who) => format!("{who}@{}", client.ip()),
        None => client.ip().to_owned(),
    };
    escaped(text.as_bytes())
}
