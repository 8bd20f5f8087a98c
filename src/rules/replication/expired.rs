//! R25: a replica that keeps what its primary has expired.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::R;
use crate::introspection::ServerFacts;
use crate::replies::Info;

pub(in super::super) const RULES: &[Rule] = &[Rule {
    id: "R25",
    title: "a replica keeps expired keys",
    reads: "INFO keyspace of both, redis_version",
    limits: &[("ratio", 2.0), ("keys", 10_000.0), ("expires", 0.5)],
    threshold: "the version is below 4.0, and one server has {ratio} times the keys of the other and {keys} more, and {expires%} of its keys have a time to live",
    why: "a replica of these versions deletes an expired key only when its primary sends the DEL: a key that was written to the replica, or whose DEL was lost, stays readable and takes memory",
    fix: &[
        "INFO keyspace (of both servers)",
        "reload the replica: restart it with a full resync (SLAVEOF NO ONE deletes nothing)",
        "run 4.0 or later",
    ],
    source: "redis#5964; db.c, expireIfNeeded",
    weight: 80,
    examine: keeps_expired,
    ..R
}];

fn keys_of(info: &Info) -> (u64, u64) {
    info.databases().values().fold((0, 0), |(keys, expires), database| {
        (keys.saturating_add(database.keys), expires.saturating_add(database.expires))
    })
}

fn keeps_expired(case: &Case<'_>) -> Judged {
    let version = case.snapshot.server.version_numbers();
    if version >= (4, 0, 0) || case.snapshot.server.name != "redis" {
        return skip("replicas of this version expire by themselves");
    }
    let peers = case.snapshot.peers.need("the other servers")?;
    let (keys, expires) = keys_of(&case.snapshot.info);
    let one_data_set = |peer: &&crate::introspection::Peer| {
        let id = |info: &Info| info.text("master_replid").map(str::to_owned);
        let ids = id(&case.snapshot.info).zip(id(&peer.info));
        // Two primaries do not follow each other.
        let primaries =
            [&case.snapshot.info, &peer.info].iter().filter(|info| info.get("role") == Some("master")).count();
        ids.is_none_or(|(one, other)| one == other)
            && primaries < 2
            && ServerFacts::from_info(&peer.info).name == "redis"
    };
    let fewest =
        peers.seen.iter().filter(one_data_set).map(|peer| (keys_of(&peer.info).0, peer)).filter(|(keys, _)| *keys > 0);
    let Some((theirs, peer)) = fewest.min_by_key(|(keys, _)| *keys) else { return Ok(None) };
    let more = keys.saturating_sub(theirs) as f64;
    let many = keys as f64 >= theirs as f64 * case.limit("ratio") && more >= case.limit("keys");
    let disposable = expires as f64 >= keys as f64 * case.limit("expires");
    Ok((many && disposable).then(|| {
        case.warning()
            .evidence("keys", keys)
            .evidence("expires", expires)
            .evidence("keys_of_the_other", theirs)
            .evidence("other", peer.address.as_str())
    }))
}
