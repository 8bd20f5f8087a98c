//! Is a living server equal to a backup? Its data are read once, as one moment.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::comparing::{CompareError, Comparison, Options, Reading, Side, differing, judge};
use super::pass;
use super::view::View;
use crate::capture::CaptureError;
use crate::capture::Source;
use crate::capture::scan::Scan;
use crate::census::Census;
use crate::connection::Node;
use crate::connection::replication::{self, Payload};
use crate::dataset::{Dataset, ReadError};
use crate::progress::{Progress, Unit};

/// What ought to be in the server.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The backup or the file.
    pub data: &'a Dataset,
    /// Which of its keys count, and as what.
    pub view: View,
    /// The census of what counts, where somebody has made it already; else that of the backup is used, or one is made.
    pub census: Option<Census>,
}

impl<'a> Expected<'a> {
    /// The whole backup as it is.
    pub fn whole(data: &'a Dataset) -> Self {
        Self { data, view: View::Everything, census: None }
    }
}

/// A server whose data are about to be read: what it sends is one RDB.
pub struct Living<'a> {
    /// Its name, for people; without secrets.
    pub node: String,
    /// Where the bytes of the server's data set come from.
    pub data: &'a mut dyn Source,
}

/// Asks a server for its data set of this moment.
///
/// # Errors
/// If it cannot be reached or refuses.
pub async fn snapshot(
    node: &Node,
    options: &replication::Options,
    cancel: &CancellationToken,
) -> Result<Payload, CompareError> {
    let failed = |source| CompareError::Live { node: node.to_string(), source };
    tokio::select! {
        payload = replication::full_resync(node, options) => payload.map_err(|error| failed(CaptureError::from(error).into())),
        () = cancel.cancelled() => Err(failed(ReadError::Interrupted.into())),
    }
}

/// A server that is asked for its data set when the first byte is wanted, and not before: a server waits a minute for a client that
/// does not read. Its data are those of that moment, by replication; or come key by key, where that is not allowed.
pub struct OnDemand {
    node: Node,
    options: replication::Options,
    opened: Option<Opened>,
}

/// How the data of a server come.
enum Opened {
    /// By replication: those of one moment.
    Link(Box<replication::Payload>),
    /// Key by key, while others may write.
    Keys(Box<Scan>),
}

impl OnDemand {
    /// Nothing is asked yet.
    pub fn new(node: Node, options: replication::Options) -> Self {
        Self { node, options, opened: None }
    }

    /// The server, for people.
    pub fn name(&self) -> String {
        self.node.to_string()
    }

    /// True if the data were read key by key while others may have written.
    pub fn is_fuzzy(&self) -> bool {
        matches!(self.opened, Some(Opened::Keys(_)))
    }

    /// Why the function libraries could not be read, where the data came key by key.
    pub fn functions_unread(&self) -> Option<String> {
        match &self.opened {
            Some(Opened::Keys(scan)) => scan.report().functions_unread,
            Some(Opened::Link(_)) | None => None,
        }
    }

    async fn open(&mut self) -> Result<Opened, CaptureError> {
        let refused = match replication::full_resync(&self.node, &self.options).await {
            Ok(payload) => return Ok(Opened::Link(Box::new(payload))),
            Err(error) => error,
        };
        if !refused.is_for_good() {
            return Err(refused.into());
        }
        Ok(Opened::Keys(Box::new(Scan::begin(&self.node).await?)))
    }
}

#[async_trait]
impl Source for OnDemand {
    async fn next(&mut self) -> Result<Option<Bytes>, CaptureError> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open().await?,
        };
        match self.opened.insert(opened) {
            Opened::Link(payload) => Ok(payload.next().await?),
            Opened::Keys(scan) => scan.next().await,
        }
    }
}

/// Compares what ought to be with what the servers hold. `view` says which of their keys count; the nodes of a cluster are read
/// one after the other.
///
/// # Errors
/// If either side cannot be read to its end: then nothing is known.
pub async fn compare(
    expected: &Expected<'_>,
    servers: &mut [Living<'_>],
    view: &View,
    options: &Options,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Comparison, CompareError> {
    expected.data.must_be_understood()?;
    // The server was asked for its snapshot just now; its own clock, if its data name it, is better.
    let now_ms = Utc::now().timestamp_millis();
    let mut hearing = options.whole(view, now_ms).fields_expired_by_own_clock(now_ms);
    let mut by_node = Vec::new();
    for server in servers {
        progress.phase("reading the instance", Unit::Bytes, None);
        let failed = |source| CompareError::Live { node: server.node.clone(), source };
        hearing = pass::streamed(server.data, hearing, progress, cancel).await.map_err(failed)?;
        by_node.push((server.node.clone(), hearing.sink_mut().take_functions()));
    }
    let look_ms = hearing.moment().unwrap_or(now_ms);
    let right = Side::heard_of(hearing, by_node);

    let reading = Reading { view: &expected.view, options, look_ms, progress, cancel };
    let mut left = match &expected.census {
        Some(census) => Side::known(census.clone(), expected.data),
        None => reading.first_look(expected.data).await?,
    };
    let difference = differing(&left, &right);
    reading.second_look(expected.data, &mut left, &difference).await?;
    judge(left, right, difference, options, look_ms).await
}

/// How a server is asked for the data that are compared: straight into the socket where it does so.
pub fn replication_options(node: &Node) -> replication::Options {
    replication::Options { silence: node.silence, ..replication::Options::default() }
}
