//! A backup or a file held against a living server: all nodes that together hold what the backup holds, each read as one moment where the
//! server allows that.

use tokio_util::sync::CancellationToken;

use super::comparing::{self, CompareError};
use super::live::{self, Expected, Living, OnDemand};
use super::view::View;
use crate::capture::shards;
use crate::capture::source::{Chosen, SourceError};
use crate::connection::Node;
use crate::dataset::Dataset;
use crate::figures::counted;
use crate::introspection::Mode;
use crate::progress::{Progress, Voice};
use crate::repository::manifest::{self, Manifest};

/// The slots of a whole cluster, as a manifest names them.
pub const ALL_SLOTS: &str = "0-16383";

/// Who watches over a comparison: sees how far it is, hears what it decides, and may stop it.
pub struct Watched<'a> {
    /// Is told how far the comparison is.
    pub progress: &'a dyn Progress,
    /// Is told which nodes are read, and how.
    pub voice: &'a dyn Voice,
    /// Stops the comparison when a signal came.
    pub cancel: &'a CancellationToken,
}

/// Compares with a view of each side: which keys of the backup ought to be there, and which keys of the server count. Also tells whether
/// the server was read key by key, which is not one moment of its data.
///
/// # Errors
/// The backup or the server cannot be read to its end: then nothing is known.
pub async fn compare(
    left: &Dataset,
    chosen: &Chosen,
    (expected, living): (&View, &View),
    options: &comparing::Options,
    watched: &Watched<'_>,
) -> Result<(comparing::Comparison, bool), CompareError> {
    // What nobody can look into is no reason to make the server fork.
    left.must_be_understood()?;
    let nodes = nodes(left, chosen, watched.voice)
        .await
        .map_err(|error| CompareError::Live { node: chosen.node.to_string(), source: error.into() })?;
    let asked = live::replication_options(&chosen.node);
    let mut sources: Vec<OnDemand> = nodes.into_iter().map(|node| OnDemand::new(node, asked.clone())).collect();
    let mut servers: Vec<Living<'_>> =
        sources.iter_mut().map(|source| Living { node: source.name(), data: source }).collect();
    let expected = Expected { data: left, view: expected.clone(), census: None };
    let mut compared =
        live::compare(&expected, &mut servers, living, options, watched.progress, watched.cancel).await?;
    drop(servers);
    let is_fuzzy = sources.iter().any(OnDemand::is_fuzzy);
    // What nobody could read is neither the same nor another.
    if options.functions
        && let Some(why) = sources.iter().find_map(OnDemand::functions_unread)
    {
        compared.functions = None;
        compared.functions_unread = Some(why);
    }
    if is_fuzzy {
        watched.voice.say(
            "the server does not allow replication: it was read key by key, so the data is not from a single moment",
        );
    }
    Ok((compared, is_fuzzy))
}

/// The nodes that together hold what the backup holds: all primaries of a cluster, unless the backup is of one of its nodes.
async fn nodes(left: &Dataset, chosen: &Chosen, voice: &dyn Voice) -> Result<Vec<Node>, SourceError> {
    if chosen.facts.mode != Mode::Cluster {
        return Ok(vec![chosen.node.clone()]);
    }
    match left.manifest() {
        Some(manifest) if manifest.server.mode == manifest::Mode::Cluster && manifest.shards.len() == 1 => {
            match shard_of(manifest) {
                // An earlier version took one node, whatever it served.
                None => return Ok(vec![chosen.node.clone()]),
                Some(slots) if slots != ALL_SLOTS => {
                    let node = shards::serving(&chosen.node, slots).await?;
                    if node.address != chosen.node.address {
                        voice
                            .say(&format!("comparing with {node}, which serves the slots of the backup now ({slots})"));
                    }
                    return Ok(vec![node]);
                }
                Some(_) => {}
            }
        }
        Some(_) | None => {}
    }
    let nodes = shards::primaries(&chosen.node).await?;
    voice.say(&format!("{} is a cluster with {}", chosen.node, counted(nodes.len() as u64, "shard")));
    Ok(nodes)
}

/// The slots of the one shard that a backup is of; `None` where they were not recorded.
pub fn shard_of(manifest: &Manifest) -> Option<&str> {
    manifest.shards.first().and_then(|shard| shard.slots.as_deref())
}
