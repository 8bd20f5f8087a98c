//! From what was typed to what the operation takes.

use chrono::{DateTime, Utc};

use super::{Existing, Instance, Method, OnConflict, Settings, Ttl};
use crate::census::{Glob, Selection, TypeFilter};
use crate::explain::{Misuse, Result};
use crate::restore::options::{Asked, CONNECTIONS, Method as How, OnConflict as Conflict, Options, TEMPORARY_TTL};
use crate::restore::{Choices, Rate, Ttl as Expiries};

/// The operation's own options. `created_ms`: when the backup was taken, for `--ttl shift`.
pub fn options(
    settings: &Settings,
    instance: &Instance,
    created_ms: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Options> {
    let typed = &settings.selection;
    let types = typed
        .types
        .iter()
        .map(|name| TypeFilter::parse(name).ok_or_else(|| Misuse::usage(format!("`{name}` is no type of Redis"))));
    let selection = Selection {
        keys: typed.keys.iter().map(Glob::new).collect(),
        exclude: typed.exclude.iter().map(Glob::new).collect(),
        databases: typed.databases.iter().map(|map| u64::from(map.from)).collect(),
        types: types.collect::<Result<_, _>>()?,
    };
    let moved = typed.databases.iter().filter(|map| map.from != map.to);
    let ttl = match settings.ttl {
        Ttl::Keep => Expiries::Keep,
        Ttl::Strip => Expiries::Strip,
        Ttl::Shift => match created_ms {
            Some(created) => Expiries::Shift((now.timestamp_millis() - created).max(0)),
            None => {
                return Err(Misuse::usage(
                    "`--ttl shift` needs to know how old the backup is, and a file does not say",
                )
                .into());
            }
        },
    };
    let (on_conflict, replace_all) = match &instance.existing {
        Existing::Keep(conflict, _) => (conflict.map(conflict_of), false),
        Existing::RemoveAll(_) => (None, true),
    };
    Ok(Options {
        method: match instance.method {
            Method::Auto => Asked::Auto,
            Method::Restore => Asked::Only(How::Restore),
            Method::Replica => Asked::Only(How::Replica),
            Method::Commands => Asked::Only(How::Commands),
        },
        on_conflict,
        replace_all,
        allow_replica_resync: instance.allow_replica_resync,
        accept_loss: settings.accept_loss,
        choices: Choices { selection, moved: moved.map(|map| (u64::from(map.from), u64::from(map.to))).collect(), ttl },
        rate: instance.rate.map(Rate::Bytes),
        resume: instance.resume,
        skip_verify: !settings.verify,
        connections: CONNECTIONS,
        temporary_ttl: TEMPORARY_TTL,
    })
}

fn conflict_of(typed: OnConflict) -> Conflict {
    match typed {
        OnConflict::Fail => Conflict::Fail,
        OnConflict::Skip => Conflict::Skip,
        OnConflict::Replace => Conflict::Replace,
    }
}
