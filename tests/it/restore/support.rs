//! What these tests are made with: a backup in memory, a server, and the census of either.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use redis_ops::census::{Candidate, Census, Chosen, Count, Counter};
use redis_ops::connection::{Address, Node};
use redis_ops::dataset::{Dataset, Raw, RawError};
use redis_ops::progress::{Hidden, Progress};
use redis_ops::rdb::Scanner;
use redis_ops::restore::journal::{Decided, Identity};
use redis_ops::restore::load::{self, Loaded};
use redis_ops::restore::tally::FailedKey;
use redis_ops::restore::{
    self, Asked, BackupFacts, CommandLine, Local, Method, Next, Options, Order, Origin, Plan, RdbSource, Report,
    Request, RunError, TargetFacts, Watcher, plan, preflight, run, survey::Surveyor,
};
use tokio_util::sync::CancellationToken;

use crate::support::redis_server::RedisServer;

/// An RDB in memory as a stream, in chunks of 64 KiB.
pub fn raw(rdb: &[u8]) -> Raw {
    let (sender, raw) = Raw::channel();
    let rdb = rdb.to_vec();
    std::thread::spawn(move || {
        for part in rdb.chunks(64 * 1024) {
            if sender.send(Ok(Bytes::copy_from_slice(part))).is_err() {
                return;
            }
        }
    });
    raw
}

/// The same, with a pause in the middle of it.
pub fn raw_that_stalls(rdb: &[u8], pause: std::time::Duration) -> Raw {
    let (sender, raw) = Raw::channel();
    let rdb = rdb.to_vec();
    std::thread::spawn(move || {
        let n_parts = rdb.len().div_ceil(64 * 1024);
        for (index, part) in rdb.chunks(64 * 1024).enumerate() {
            if index == n_parts / 2 {
                std::thread::sleep(pause);
            }
            if sender.send(Ok(Bytes::copy_from_slice(part))).is_err() {
                return;
            }
        }
    });
    raw
}

/// Keys by database.
pub type Names = BTreeSet<(u64, Vec<u8>)>;

/// What an RDB contains, without the keys and fields whose time has passed.
pub fn census(rdb: &[u8], now_ms: i64) -> Census {
    census_without(rdb, now_ms, &Names::new())
}

/// The same without these keys.
pub fn census_without(rdb: &[u8], now_ms: i64, names: &Names) -> Census {
    let living = |candidate: &Candidate<'_>| match candidate.expire_ms {
        _ if names.contains(&(candidate.database, candidate.key.to_vec())) => Chosen::Leave,
        Some(at) if at <= now_ms => Chosen::Expired,
        _ if candidate.emptied => Chosen::Expired,
        _ => Chosen::as_it_is(candidate),
    };
    let mut counter: Counter<_> = Counter::choosing(Count::new(now_ms), living).fields_expired_before(now_ms);
    let mut scanner = Scanner::new();
    scanner.push(rdb, &mut counter).unwrap();
    scanner.finish().unwrap();
    counter.finish()
}

/// What a server holds: it is asked to save.
pub fn census_of(server: &RedisServer, now_ms: i64) -> Census {
    census(&saved(server), now_ms)
}

/// What a server holds, as its file.
pub fn saved(server: &RedisServer) -> Vec<u8> {
    server.save();
    std::fs::read(server.dir().join("dump.rdb")).unwrap()
}

/// The bytes of a name.
pub fn name_of(key: &FailedKey) -> (u64, Vec<u8>) {
    let bytes = key.key_b64.as_ref().map(|text| STANDARD.decode(text).unwrap());
    (key.database, bytes.unwrap_or_else(|| key.key.clone().into_bytes()))
}

pub fn node(server: &RedisServer) -> Node {
    Node::new(Address::tcp("127.0.0.1", server.port()))
}

/// A restore of one RDB into one server.
pub struct Restore {
    pub rdb: Vec<u8>,
    pub options: Options,
    pub cancel: CancellationToken,
    /// The backup is read before.
    pub verified: bool,
    /// How long the source is silent in the middle, the first time it is read.
    pub stalls: Option<std::time::Duration>,
    pub state: Option<PathBuf>,
    pub progress: Arc<dyn Progress>,
}

/// Types no command line: what leads on from a restore is tried from outside.
#[derive(Debug)]
struct Untyped;

impl CommandLine for Untyped {
    fn typed(&self, _next: Next<'_>, _backup: &str) -> String {
        String::new()
    }

    fn selection(&self) -> String {
        String::new()
    }
}

impl Restore {
    pub fn of(rdb: &[u8]) -> Self {
        Self {
            rdb: rdb.to_vec(),
            options: Options { accept_loss: true, ..Options::default() },
            cancel: CancellationToken::new(),
            verified: true,
            stalls: None,
            state: None,
            progress: Arc::new(Hidden::default()),
        }
    }

    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// What would happen.
    pub async fn plan(&self, server: &RedisServer) -> (TargetFacts, Plan) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.rdb");
        std::fs::write(&path, &self.rdb).unwrap();
        let request = Request {
            source: Dataset::file(&path),
            node: node(server),
            options: self.options.clone(),
            only_plan: true,
            local: Local {
                state: folder.path().join("restores"),
                listen: None,
                advertise: None,
                lines: Arc::new(Untyped),
            },
        };
        let progress: Arc<dyn Progress> = Arc::new(Hidden::default());
        let watcher = Watcher { progress: &progress, voice: &Hidden::default(), cancel: &self.cancel };
        let planned = restore::plan(request, &watcher).await.unwrap();
        (planned.target, planned.plan)
    }

    /// Lets the target load it itself; `Err` with the reason where that is not possible.
    pub async fn load(&self, server: &RedisServer) -> Result<Report, String> {
        match self.load_after(server, || ()).await? {
            Loaded::Done(report) => Ok(*report),
            Loaded::Barred(error) | Loaded::Changed(error) => panic!("{}: {error}", server.installed().name),
        }
    }

    /// The same, with something that happens between the plan and the load.
    pub async fn load_after(&self, server: &RedisServer, happens: impl FnOnce()) -> Result<Loaded, String> {
        let node = node(server);
        let mut connection = node.connect().await.unwrap();
        let target = preflight::ask(&node, &mut connection, 0, &[]).await.unwrap();
        drop(connection);
        let surveyor = Surveyor::new(&self.options.choices, &target, false, run::now_ms());
        let survey = surveyor.read(raw(&self.rdb), &Hidden::default(), &self.cancel).await.unwrap();
        let source = RdbSource {
            length: survey.bytes,
            trailing: survey.trailing_bytes,
            crc64: survey.crc64,
            raw: raw(&self.rdb),
        };
        // A real server wrote all that is restored here.
        let backup = BackupFacts { origin: Origin::Captured, ..BackupFacts::of_survey("test.rdb".into(), survey) };
        let options = Options { method: Asked::Only(Method::Replica), ..self.options.clone() };
        let plan = plan::make(&backup, &target, &options);
        if let Some(against) = &plan.methods[0].against {
            return Err(against.clone());
        }
        let order = load::Order {
            node: &node,
            target: &target,
            backup: &backup,
            existing: self.options.existing,
            saved: None,
            listen: None,
            advertise: None,
            certificate: None,
            safeguard: None,
            cancel: &self.cancel,
        };
        happens();
        Ok(load::run(&order, source, &Hidden::default()).await)
    }

    /// Does it, whatever the plan says.
    pub async fn run(self, server: &RedisServer, method: Method) -> Result<Report, RunError> {
        let node = node(server);
        let mut connection = node.connect().await.unwrap();
        let target = preflight::ask(&node, &mut connection, 0, &[]).await.unwrap();
        let identity = Identity {
            backup: "test".into(),
            digest: redis_ops::rdb::crc64(&self.rdb).to_string(),
            target_run_id: target.server.run_id.clone(),
            decided: Decided::of(&self.options, method),
            shift_ms: None,
            address: None,
            rate: None,
        };
        let rdb = self.rdb.clone();
        let order = Order {
            node,
            target,
            options: self.options,
            method,
            census: None,
            in_backup: None,
            raw_bytes: None,
            verified: self.verified,
            journal: self.state.map(|state| (identity, state)),
            trusted: true,
            repeated: Default::default(),
            damaged: Default::default(),
            lossy_streams: true,
            reopen: Some(Box::new(move || Ok::<_, RawError>(raw(&rdb)))),
            saved: None,
            cancel: self.cancel,
        };
        let first = self.stalls.map_or_else(|| raw(&self.rdb), |pause| raw_that_stalls(&self.rdb, pause));
        run::run(order, first, self.progress).await
    }
}
