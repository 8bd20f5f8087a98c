//! R26 to R28: what was begun and does not come to its end: a full resync that is cut off again and again, slots that stay on the move.

use super::super::case::{Case, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::R;
use crate::introspection::{Mode, Question};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "R26",
        title: "full resyncs fail at the replica's output buffer limit",
        reads: "sync_full and master_repl_offset between two readings, slaveN states, client-output-buffer-limit, repl-backlog-size, client_output_buffer_limit_disconnections",
        asks: &[Question::Config],
        limits: &[("syncs", 2.0)],
        threshold: "there were {syncs} full resyncs between two readings, or one while no replica is online, and the writes during each reached the limit",
        why: "writes during a full resync wait in the replica's buffer: above the limit the replica is disconnected and starts \
              again, forever",
        fix: &[
            "CONFIG SET client-output-buffer-limit \"replica 512mb 256mb 120\" (twice the present limit, if the machine has that \
             much memory)",
            "redis-ops diagnose replication --since 1h",
        ],
        source: "networking.c, checkClientOutputBufferLimits; redis#4420",
        weight: 92,
        examine: cut_off,
        ..R
    },
    Rule {
        id: "R27",
        title: "slots are stuck in migration",
        reads: "CLUSTER NODES of two readings: [slot->-node] and [slot-<-node]",
        asks: &[Question::Nodes],
        limits: &[("seconds", 600.0)],
        threshold: "the same slots move in both readings: info; warning: the readings are {seconds} s apart",
        why: "a resharding that was interrupted leaves a slot between two nodes: commands on several of its keys fail with TRYAGAIN",
        fix: &[
            "redis-cli --cluster fix <host>:<port> (finishes interrupted moves)",
            "CLUSTER SETSLOT <slot> STABLE (on both nodes, if nobody is resharding: the slot stays where it is)",
        ],
        source: "Redis documentation, cluster specification",
        weight: 58,
        examine: on_the_move,
        ..R
    },
    Rule {
        id: "R28",
        title: "a slot migration makes no progress",
        reads: "CLUSTER MIGRATION STATUS (Redis 8.4), CLUSTER GETSLOTMIGRATIONS (Valkey 9.0)",
        asks: &[Question::Migrations],
        limits: &[("warning", 600.0), ("critical", 7200.0)],
        threshold: "a migration has not ended, and its state is {warning} s (critical: {critical} s) old",
        why: "both nodes keep buffers and copies of the slots for it, and no further migration of these slots can start",
        fix: &[
            "CLUSTER MIGRATION CANCEL ALL (8.4; the slots stay on the node that has them)",
            "CLUSTER CANCELSLOTMIGRATIONS (Valkey 9.0; the slots stay on the node that has them)",
            "CLUSTER NODES",
        ],
        source: "Redis and Valkey documentation, atomic slot migration",
        weight: 60,
        examine: standing_still,
        ..R
    },
];

fn standing_still(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    let migrations = case.snapshot.answers.migrations.need("CLUSTER MIGRATION STATUS")?;
    let open = migrations.iter().filter(|migration| !migration.has_ended());
    let Some(oldest) = open.min_by_key(|migration| migration.moved_at) else { return Ok(None) };
    let seconds = case.snapshot.server_seconds().saturating_sub(oldest.moved_at);
    let cancel = match case.snapshot.server.is_valkey() {
        true => "CLUSTER CANCELSLOTMIGRATIONS (Valkey 9.0; the slots stay on the node that has them)",
        false => "CLUSTER MIGRATION CANCEL ALL (8.4; the slots stay on the node that has them)",
    };
    Ok(case.grade(seconds as f64).map(|finding| {
        let finding = finding
            .evidence("slots", oldest.slots.as_str())
            .evidence("operation", oldest.operation.as_str())
            .evidence("state", oldest.state.as_str())
            .evidence("seconds", seconds);
        let finding =
            if oldest.error.is_empty() { finding } else { finding.evidence("last_error", oldest.error.as_str()) };
        finding.fix(cancel).fix("CLUSTER NODES")
    }))
}

fn cut_off(case: &Case<'_>) -> Judged {
    let syncs = case.delta("sync_full")?;
    let config = case.config()?;
    let (class, limit) = match (config.output_buffer_limit("replica"), config.output_buffer_limit("slave")) {
        (Some(limit), _) if case.knows(5, 0) => ("replica", limit),
        (_, Some(limit)) | (Some(limit), None) => ("slave", limit),
        (None, None) => return skip("the server does not report its output buffer limits"),
    };
    if syncs.amount == 0 || limit.hard == 0 {
        return Ok(None);
    }
    let online = case.snapshot.info.replicas().iter().filter(|replica| replica.state == "online").count();
    let again = syncs.amount as f64 >= case.limit("syncs") || online == 0;
    let hard = limit.hard.max(case.number_or_zero("repl_backlog_size"));
    let least = if limit.soft > 0 { hard.min(limit.soft.max(case.number_or_zero("repl_backlog_size"))) } else { hard };
    let written = case.delta("master_repl_offset")?;
    let each = written.amount as f64 / syncs.amount as f64;
    // From 7.4 and Valkey 8.0 on it is counted who was disconnected so.
    let counted = case.delta("client_output_buffer_limit_disconnections").map(|delta| delta.amount).unwrap_or(0);
    if !again || (each < least as f64 && counted == 0) {
        return Ok(None);
    }
    // Room for a minute of writes, twice the limit at least, and never more than a quarter of the machine.
    let most = case.machine_memory().map_or(u64::MAX, |memory| memory / 4);
    let wanted = ((written.rate() * 60.0) as u64).max(hard.saturating_mul(2)).max(512 << 20).min(most) >> 20;
    let finding = case
        .critical()
        .evidence("full_resyncs", syncs.amount)
        .evidence("bytes_written_each", each.round() as u64)
        .evidence("limit", least)
        .evidence("replicas_online", online);
    let finding = if counted > 0 { finding.evidence("disconnected_at_the_limit", counted) } else { finding };
    Ok(Some(
        finding
            .fix(format!(
                "CONFIG SET client-output-buffer-limit \"{class} {wanted}mb {}mb 120\" (takes that much memory while a replica is behind; undo: \"{class} {} {} {}\")",
                wanted / 2,
                limit.hard,
                limit.soft,
                limit.soft_seconds
            ))
            .fix("redis-ops diagnose replication --since 1h"),
    ))
}

fn on_the_move(case: &Case<'_>) -> Judged {
    if case.snapshot.server.mode != Mode::Cluster {
        return Ok(None);
    }
    let nodes = case.snapshot.answers.nodes.need("CLUSTER NODES")?;
    let Some(before) = case.snapshot.nodes_before.got() else {
        return skip("there is only one reading of CLUSTER NODES");
    };
    let moving = |nodes: &[crate::replies::ClusterNode]| {
        let own = nodes.iter().find(|node| node.is("myself"))?;
        own.first_moving.map(|slot| (slot, own.moving))
    };
    let (Some((slot, count)), Some((slot_before, _))) = (moving(nodes), moving(before)) else { return Ok(None) };
    if slot != slot_before {
        return Ok(None);
    }
    let seconds = case.snapshot.comparable().map(|earlier| earlier.seconds).unwrap_or(0.0);
    let finding = if seconds >= case.limit("seconds") { case.warning() } else { case.info() };
    Ok(Some(
        finding
            .evidence("slot", slot)
            .evidence("slots", count)
            .evidence("seconds", seconds.round())
            .fix("redis-cli --cluster fix <host>:<port> (finishes interrupted moves)")
            .fix(format!(
                "CLUSTER SETSLOT {slot} STABLE (on both nodes, if nobody is resharding: the slot stays where it is)"
            )),
    ))
}
