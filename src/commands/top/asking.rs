//! The side of the server: one look after the other, and keys drawn in between while somebody looks at them.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::diagnose::{Report, Watch};
use crate::explain::Fault;
use crate::introspection::keyspace::KeyspaceProfile;

/// After a look that failed the next one comes sooner: somebody waits for the server to come back.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// What the server has told.
pub enum Told {
    Looked(Box<Report>),
    /// There was no answer.
    Failed(Fault),
    Sampled(Box<KeyspaceProfile>),
    /// Keys cannot be drawn.
    NotSampled(Fault),
}

/// Looks until nobody hears it any more.
pub async fn ask(mut server: Watch, every: Duration, wants_keys: watch::Receiver<bool>, told: mpsc::Sender<Told>) {
    loop {
        let begun = Instant::now();
        let (looked, pause) = match server.look().await {
            Ok(report) => (Told::Looked(Box::new(report)), every),
            Err(fault) => (Told::Failed(fault), every.min(AFTER_A_FAILURE)),
        };
        let is_good = matches!(looked, Told::Looked(_));
        if told.send(looked).await.is_err() {
            return;
        }
        match is_good {
            true => draw_keys_until(begun + pause, &mut server, wants_keys.clone(), &told).await,
            false => sleep((begun + pause).saturating_duration_since(Instant::now()).max(AFTER_A_FAILURE)).await,
        }
    }
}

/// Draws keys until the next look is due, while they are wanted.
async fn draw_keys_until(
    due: Instant,
    server: &mut Watch,
    mut wants_keys: watch::Receiver<bool>,
    told: &mpsc::Sender<Told>,
) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if !*wants_keys.borrow_and_update() {
            match timeout(left, wants_keys.changed()).await {
                Ok(Ok(())) => continue,
                // It is due, or nobody asks any more: that is found out when the next look is told.
                _ => return sleep(due.saturating_duration_since(Instant::now())).await,
            }
        }
        match server.grow_sample().await {
            Ok(Some(profile)) => drop(told.send(Told::Sampled(Box::new(profile))).await),
            Ok(None) => return,
            Err(fault) => {
                // Why the connection broke is for the next look to find out.
                if fault.code() == "permission_denied" {
                    drop(told.send(Told::NotSampled(fault)).await);
                }
                return sleep(due.saturating_duration_since(Instant::now())).await;
            }
        }
    }
}
