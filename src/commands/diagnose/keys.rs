//! Keys that are not asked for one by one: those of a backup, of a file, or as a server sends them to a replica.

use super::Settings;
use crate::capture::source::{self, ReadFrom};
use crate::commands::Context;
use crate::commands::which::{self, Backup};
use crate::connection::Node;
use crate::dataset::{Dataset, DatasetError};
use crate::diagnose::{self, Forecast, Options, Report};
use crate::explain::{Context as _, Fault, Hint, Interrupted, Misuse, Result};
use crate::introspection::keyspace::{KeyspaceProfile, RdbProfile};
use crate::printer::words;
use crate::progress::Unit;
use crate::replies::Info;
use crate::repository::manifest::{Manifest, Server};
use crate::verify::{live, pass};

/// Diagnoses a backup or a file: the report, and what it is about.
pub async fn at_rest(backup: &Backup, options: &Options, context: &Context) -> Result<(Report, String)> {
    let data = which::open(backup, context).await?;
    which::only_the_rdbs(&data, context);
    let (profile, info) = read(&data, options, context).await?;
    let report = match data.manifest() {
        None => diagnose::of_keys(profile, info, options),
        Some(manifest) => {
            // What was then is judged as of then: times to live are counted from the same moment.
            let options = Options { now: manifest.created_at, ..options.clone() };
            diagnose::of_keys(profile, with_server(&info, manifest), &options)
        }
    };
    Ok((report, data.name()))
}

async fn read(data: &Dataset, options: &Options, context: &Context) -> Result<(KeyspaceProfile, Info)> {
    let progress = context.bar();
    progress.phase("reading", Unit::Bytes, data.raw_bytes());
    let now_ms = u64::try_from(options.now.timestamp_millis()).unwrap_or(0);
    let heard = data.read(RdbProfile::new(now_ms), progress.as_ref(), &context.cancel).await;
    progress.finish();
    match heard {
        Ok(heard) => Ok((heard.info(), heard.finish())).map(|(info, profile)| (profile, info)),
        Err(DatasetError::Interrupted) => Err(Interrupted.into()),
        Err(DatasetError::Damaged { what, finding }) => {
            // A profile of a part would be taken for one of the whole.
            let code = DatasetError::code_of(&finding);
            let message = format!("{what} is damaged, and its keys cannot be judged: {}", finding.title);
            Err(Misuse::which_backup(code, message).hint(Hint::VerifyTells).into())
        }
        Err(error) => Err(Fault::from(error).context(format!("cannot read {}", data.name()))),
    }
}

/// What INFO would have said when the backup was made, as far as its manifest knows.
fn with_server(info: &Info, manifest: &Manifest) -> Info {
    let Server { name, version, mode, role, maxmemory, maxmemory_policy, .. } = &manifest.server;
    let role = match role.as_str() {
        "primary" => "master",
        "replica" => "slave",
        other => other,
    };
    let maxmemory = maxmemory.to_string();
    let version_field = if name == "valkey" { "valkey_version" } else { "redis_version" };
    let fields = [
        ("server_name", name.as_str()),
        (version_field, version.as_str()),
        ("redis_mode", mode.as_str()),
        ("role", role),
        ("maxmemory", maxmemory.as_str()),
        ("maxmemory_policy", maxmemory_policy.as_str()),
    ];
    // A manifest made from a file knows none of this: nothing is not zero.
    if maxmemory_policy.is_empty() {
        return info.clone();
    }
    let known: Vec<(&str, Option<&str>)> =
        fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Some(value))).collect();
    info.with(&known)
}

/// Says beforehand what looking at keys will cost the server.
pub fn tell(forecast: Forecast, settings: &Settings, context: &Context) {
    let (keys, hits) = (words::counted(forecast.keys, "key"), words::count(forecast.keyspace_hits));
    // Who watches sees the receipt of each look, and a line more would scroll the table away.
    if forecast.keys > 0 && settings.watch.is_none() {
        context.printer.say(&format!(
            "looking at {keys}: adds at most {hits} keyspace hits to the server's statistics (`--via replication` adds none)"
        ));
    }
}

/// The keys of a server as it sends them to a replica: exact, without a command about any of them; the server forks once.
pub async fn streamed(node: &Node, options: &Options, context: &Context) -> Result<KeyspaceProfile> {
    // The question is what this very server holds. One that is loading or not in sync has no data set to give.
    let chosen =
        source::choose(node, ReadFrom::Itself).await.with_context(|| format!("cannot read the keys of {node}"))?;
    let progress = context.bar();
    progress.phase("waiting for the snapshot", Unit::Bytes, None);
    let asked = live::snapshot(&chosen.node, &live::replication_options(node), &context.cancel).await;
    let mut payload = asked.with_context(|| format!("cannot request the data set of {node} by replication"))?;
    progress.phase("reading", Unit::Bytes, payload.length());
    let now_ms = u64::try_from(options.now.timestamp_millis()).unwrap_or(0);
    let profile = RdbProfile::new(now_ms).with_allocator(&chosen.facts.allocator);
    let passed = pass::streamed(&mut payload, profile, progress.as_ref(), &context.cancel).await;
    progress.finish();
    match passed {
        Ok(profile) => Ok(profile.finish()),
        Err(error) if error.is_interrupted() => Err(Interrupted.into()),
        Err(error) => Err(Fault::from(error).context(format!("cannot read the data set of {node}"))),
    }
}
