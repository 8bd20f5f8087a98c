//! The restore itself, by method `replica`: the target loads the file that was verified, and what became of it is counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::connection::Node;
use crate::progress::Progress;
use crate::replies::Info;
use crate::restore::RdbSource;
use crate::restore::durable;
use crate::restore::facts::{BackupFacts, Counters, TargetFacts};
use crate::restore::options::{Existing, Method};
use crate::restore::preflight;
use crate::restore::replay::calls::Calls;
use crate::restore::replica::{
    self, Advertise, AsPlanned, Certificate, Content, Facts, Fed, Holds, Left, ReplicaError, ReplicaOptions, Safeguard,
    choose_load, removed_by_itself,
};
use crate::restore::report::{Ended, FedJson, Report, Since};
use crate::restore::standing::{Standing, Turned};
use crate::restore::unsaved::Unsaved;

/// A restore that was planned, whose backup was read to its end, and that may be done.
#[derive(Debug)]
pub struct Order<'a> {
    /// The target server.
    pub node: &'a Node,
    /// What was learned about it.
    pub target: &'a TargetFacts,
    /// What was learned about the backup; with its survey.
    pub backup: &'a BackupFacts,
    /// What may become of what it holds.
    pub existing: Existing,
    /// The INFO of the target when its safety backup began; `None`: none was taken.
    pub saved: Option<&'a Info>,
    /// Where we listen; `None`: see [`ReplicaOptions::listen`].
    pub listen: Option<SocketAddr>,
    /// What the target is told; `None`: where we listen.
    pub advertise: Option<Advertise>,
    /// The certificate that we show a target which replicates by TLS.
    pub certificate: Option<Certificate>,
    /// The guard that leads the target back if we die: see [`ReplicaOptions::safeguard`].
    pub safeguard: Option<Safeguard>,
    /// Set by a signal.
    pub cancel: &'a CancellationToken,
}

/// What became of it.
#[derive(Debug)]
pub enum Loaded {
    /// It was tried to its end, good or bad.
    Done(Box<Report>),
    /// This way is barred, and the target is as it was: another method may be used.
    Barred(Box<ReplicaError>),
    /// The target is no longer what was planned for, and was not told to load anything.
    Changed(Box<ReplicaError>),
}

/// Feeds the target.
pub async fn run(order: &Order<'_>, source: RdbSource, progress: &dyn Progress) -> Loaded {
    let Order { node, target, backup, existing, saved, listen, advertise, certificate, safeguard, cancel } = order;
    let load = choose_load(&Facts::of(target), &Content::of(backup, target));
    let options = ReplicaOptions {
        listen: *listen,
        advertise: advertise.clone(),
        certificate: certificate.clone(),
        safeguard: safeguard.clone(),
        planned: Some(AsPlanned {
            run_id: target.server.run_id.clone(),
            must_be_empty: *existing != Existing::ReplaceAll,
            saved: saved.cloned(),
        }),
        ..ReplicaOptions::new(load)
    };
    match replica::feed(node, source, &options, progress, cancel).await {
        Ok(fed) => Loaded::Done(Box::new(complete(order, &fed, progress).await)),
        Err(error) if error.is_other_than_planned() => Loaded::Changed(Box::new(error)),
        Err(error) if error.may_go_another_way() => Loaded::Barred(Box::new(error)),
        Err(error) => Loaded::Done(Box::new(broken(order, error))),
    }
}

/// The target says that it has loaded everything. What had expired before is not counted as restored: it may be there for a moment.
async fn complete(order: &Order<'_>, fed: &Fed, progress: &dyn Progress) -> Report {
    let mut report = report_of(order, Ended::Complete);
    report.standing = Standing::by(Some(&order.target.server.run_id), fed.left.replid.as_deref());
    report.seconds = fed.elapsed.as_secs_f64();
    report.unsaved = (fed.unsaved > 0).then_some(Unsaved::Removed(fed.unsaved));
    if let Some(survey) = &order.backup.survey {
        report.trailing_bytes = survey.trailing_bytes;
        report.tally.restored = survey.wanted;
        report.tally.expired = survey.expired;
        report.tally.expired_fields = survey.expired_fields;
        report.tally.functions.restored = survey.functions.len() as u64;
        report.tally.by_database = keys_by_database(&fed.left);
    }
    report.fed = Some(FedJson {
        load: fed.load.setting(),
        peer: fed.peer.to_string(),
        bytes: fed.bytes,
        transfer: fed.transfer.as_secs_f64(),
        not_put_back: fed
            .left
            .not_put_back
            .iter()
            .map(|setting| format!("{} {}", setting.name, setting.before))
            .collect(),
    });
    let Ok(mut connection) = order.node.connect().await else { return report };
    report.durable = durable::settle(&mut connection, order.target.saves, fed.bytes, progress, order.cancel).await;
    if let Ok((counters, info)) = preflight::counters(&mut connection).await {
        report.after(counters, &info);
        // A primary without replicas moves when somebody writes, and when it removes what has expired: then nobody can tell.
        let moved = |offset: u64| info.u64("master_repl_offset").map(|now| now > offset);
        let others_wrote = fed.left.offset.and_then(moved);
        let may_be_its_own = removed_by_itself(&info) > fed.left.removed;
        report.others_wrote = others_wrote.filter(|moved| !moved || !may_be_its_own);
        // From here on nothing of what is called is ours.
        report.since = Some(Since { info, calls: Calls::default() });
        report.was_empty = true;
    }
    report
}

fn keys_by_database(left: &Left) -> BTreeMap<u64, u64> {
    match &left.holds {
        Holds::Keys(databases) => databases.iter().map(|(number, keys)| (u64::from(*number), keys.keys)).collect(),
        Holds::Untouched | Holds::Unknown => BTreeMap::new(),
    }
}

/// It was broken off: nothing of the backup is claimed to be there, and the error says what the target holds.
fn broken(order: &Order<'_>, error: ReplicaError) -> Report {
    let keys = match &error.left.holds {
        Holds::Keys(now) => Some(now.values().map(|database| database.keys).sum()),
        Holds::Untouched => Some(order.target.keys()),
        Holds::Unknown => None,
    };
    let run_id = error.left.run_id.clone();
    let mut report = report_of(order, Ended::NotLoaded(Box::new(error)));
    let is_another = run_id.is_some_and(|run_id| run_id != order.target.server.run_id);
    report.turned = is_another.then_some(Turned::Restarted);
    report.after = keys.map(|keys| Counters { keys, ..order.target.counters });
    report
}

fn report_of(order: &Order<'_>, ended: Ended) -> Report {
    Report::new(Method::Replica, order.backup.keys, order.target.counters, ended)
}
