//! What goes in comes out: every fixture, by every method, into every server.

use redis_ops::restore::{Asked, Ended, Existing, Method};

use super::support::{Names, Restore, census, census_of, census_without, name_of, saved};
use crate::support::fixtures::{self, Fixture};
use crate::support::redis_server::{Installed, RedisServer, on_each_async, servers};

const NOW: i64 = 1_800_000_000_000;

/// Whether a file is tried with a server: every file with a third of the servers, every server with a third of the files, or all pairs
/// where `REDIS_OPS_ALL_PAIRS` is set (an hour of work for a build that is not optimized).
fn is_tried(installed: &Installed, file: usize) -> bool {
    let server = servers().iter().position(|other| other == installed).unwrap_or_default();
    std::env::var_os("REDIS_OPS_ALL_PAIRS").is_some() || (server + file).is_multiple_of(3)
}

fn into_each_server(method: Method) {
    let fixtures = fixtures::valid();
    on_each_async(&servers(), async |installed| {
        let server = RedisServer::builder().version(installed).arg("databases", "100").start().unwrap();
        let mut wrong = Vec::new();
        for (_, fixture) in fixtures.iter().enumerate().filter(|(file, _)| is_tried(installed, *file)) {
            if let Err(reason) = one(&server, installed, fixture, method).await {
                wrong.push(format!("{} into {}: {reason}", fixture.name, installed.name));
            }
        }
        assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    });
}

async fn one(server: &RedisServer, installed: &Installed, fixture: &Fixture, method: Method) -> Result<(), String> {
    // Databases of a cluster node go to a plain server as they are.
    server.ok(&["FLUSHALL"]);
    if !installed.is("6.2") {
        server.ok(&["FUNCTION", "FLUSH"]);
    }
    let restore = Restore::of(&fixture.rdb).options(|options| options.method = Asked::Only(method));
    let (_, plan) = restore.plan(server).await;
    if let Some(line) = plan.refusal() {
        return Err(format!("refused: {line:?}"));
    }
    let report = restore.run(server, method).await.map_err(|error| error.to_string())?;
    if !matches!(report.ended, Ended::Complete) || !report.adds_up() || report.tally.failed > 0 {
        return Err(format!("{report:?}"));
    }
    // What the plan has listed, by name, is all that may be missing or different.
    let listed: Names = plan.lines.iter().flat_map(|line| line.keys.iter().map(name_of)).collect();
    let lost: Names = report.tally.lost_keys.iter().map(name_of).collect();
    if !lost.is_subset(&listed) || lost.len() as u64 != report.tally.lost {
        return Err(format!("lost, but not listed: {:?}", report.tally.lost_keys));
    }
    let saved = saved(server);
    let (expected, got) = (census(&fixture.rdb, NOW), census(&saved, NOW));
    if got.keys + report.tally.lost != expected.keys || report.tally.restored < got.keys {
        return Err(format!("{} keys for {}: {:?}", got.keys, expected.keys, report.tally));
    }
    let without = |rdb: &[u8]| census_without(rdb, NOW, &listed).digest;
    if without(&saved) != without(&fixture.rdb) {
        return Err(format!("another content beside what was listed: {listed:?}, {:?}", report.tally));
    }
    let functions = report.tally.functions;
    if functions.failed > 0 || functions.lost == 0 && got.functions != expected.functions {
        return Err(format!("other functions: {functions:?}"));
    }
    Ok(())
}

#[test]
fn every_file_comes_out_as_it_went_in_by_restore() {
    into_each_server(Method::Restore);
}

#[test]
fn every_file_comes_out_as_it_went_in_by_commands() {
    into_each_server(Method::Commands);
}

/// Where a file is refused, the server would have died of it: `limits` tries that with every pair of versions.
#[test]
fn every_file_that_a_server_may_load_itself_comes_out_as_it_went_in() {
    let fixtures = fixtures::valid();
    on_each_async(&servers(), async |installed| {
        let server = RedisServer::builder().version(installed).arg("databases", "100").start().unwrap();
        let (mut wrong, mut loaded) = (Vec::new(), 0);
        for (_, fixture) in fixtures.iter().enumerate().filter(|(file, _)| is_tried(installed, *file)) {
            match loaded_by_itself(&server, fixture).await {
                Ok(true) => loaded += 1,
                Ok(false) => {}
                Err(reason) => wrong.push(format!("{} into {}: {reason}", fixture.name, installed.name)),
            }
        }
        assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
        assert!(loaded > 3, "{} was given {loaded} files only", installed.name);
    });
}

/// Whether the server was given the file.
async fn loaded_by_itself(server: &RedisServer, fixture: &Fixture) -> Result<bool, String> {
    let restore = Restore::of(&fixture.rdb).options(|options| options.existing = Existing::ReplaceAll);
    let report = match restore.load(server).await {
        Ok(report) => report,
        Err(against) => {
            let is_known = ["cannot load", "vector sets", "module", "metadata", "functions"];
            let known = is_known.iter().any(|words| against.contains(words));
            return if known { Ok(false) } else { Err(format!("refused: {against}")) };
        }
    };
    if !matches!(report.ended, Ended::Complete) || !report.adds_up() {
        return Err(format!("{report:?}"));
    }
    let (expected, got) = (census(&fixture.rdb, NOW), census_of(server, NOW));
    if got.digest != expected.digest || got.keys != expected.keys {
        return Err(format!("another content: {} keys for {}, {:?}", got.keys, expected.keys, report.tally));
    }
    Ok(true)
}
