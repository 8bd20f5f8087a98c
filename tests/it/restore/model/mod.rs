//! Restores that are drawn by chance, against real servers, and held against a reference that was written from the contract.
//!
//! `scripts/campaign.sh model [RUNS] [--seed N]` runs many; the suite runs a few, always the same ones. A failure names its seed and the
//! smallest case that was found to fail.

mod carry_out;
mod case;
mod draw;
mod fill;
mod foretell;
mod held;
mod judge;
mod said;
mod server;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::support::redis_server::{Installed, server_named, servers};
use carry_out::Lab;

/// What the suite runs: enough to enter each branch, in seconds.
const CASES: u64 = 36;
const SEED: u64 = 20_260_101;
/// The versions that the suite tries: the oldest, and the newest of both families.
const SERVERS: [&str; 3] = ["redis-server-6.2", "redis-server-8.0", "valkey-server-9.1"];
/// Cases at a time. They mostly wait.
const LANES: usize = 2;

#[test]
fn restores_do_what_the_contract_says() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let asked = number("REDIS_OPS_MODEL_CASES");
    let found: Vec<Installed> = match asked {
        None => SERVERS.into_iter().filter_map(server_named).collect(),
        Some(_) => servers(),
    };
    if found.is_empty() {
        return;
    }
    let (cases, seed) = (asked.unwrap_or(CASES), number("REDIS_OPS_MODEL_SEED").unwrap_or(SEED));
    let (next, failed, happened) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut lab = Lab::new(&found);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let has_failed = !failed.lock().expect("no lane panics").is_empty();
                    if index >= cases || asked.is_none() && has_failed {
                        return;
                    }
                    match one(&mut lab, found.len(), seed + index) {
                        Ok(what) => *happened.lock().expect("no lane panics").entry(what).or_insert(0) += 1,
                        Err(why) => {
                            println!("\n--seed {}\n{why}\n", seed + index);
                            failed.lock().expect("no lane panics").push(seed + index);
                        }
                    }
                    if index % 50 == 49 {
                        println!("{} cases, {} failed", index + 1, failed.lock().expect("no lane panics").len());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no lane panics");
    for (what, cases) in happened.into_inner().expect("no lane panics") {
        println!("{cases:6} {what}");
    }
    let again = "REDIS_OPS_MODEL_SEED=SEED REDIS_OPS_MODEL_CASES=1 repeats one";
    assert!(
        failed.is_empty(),
        "{} of {cases} cases failed, with the seeds {failed:?}: see above; {again}",
        failed.len()
    );
}

/// One case, and what of it can be left out for it to fail all the same.
fn one(lab: &mut Lab, n_servers: usize, seed: u64) -> Result<&'static str, String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        max_shrink_iters: 80,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let lab = std::cell::RefCell::new(lab);
    let happened = std::cell::Cell::new("");
    let outcome = runner.run(&draw::cases(n_servers), |case| {
        let verdict = lab.borrow_mut().carry_out(&case);
        verdict.map(|what| happened.set(what)).map_err(TestCaseError::fail)
    });
    outcome.map(|()| happened.get()).map_err(|error| error.to_string())
}
