//! Looks at one server again and again, over one connection that is made again when it breaks.
//!
//! Other than [`super::live`] it asks this server alone, and never more than [`Pace`] allows: whoever watches a server in trouble must not
//! be part of the trouble.

use chrono::Utc;

use super::{Options, Report, path_to, questions};
use crate::connection::{Connection, Node, Retry};
use crate::explain::{Context as _, Result};
use crate::introspection::keyspace::{GrowingSample, KeyspaceProfile};
use crate::introspection::{
    self, COMMANDS_OF_A_LOOK, LeftBehind, Looks, Mode, NodeRole, Pace, Paced, Part, Record, SentinelMet,
};

/// Commands of a new connection at most: AUTH, SELECT, four of CLIENT, READONLY, PING.
const COMMANDS_OF_A_GREETING: usize = 8;
/// Keys that are drawn at once: with all that is asked about them they stay below a second's commands.
const KEYS_AT_ONCE: usize = 3;

/// A server that is watched.
pub struct Watch {
    node: Node,
    options: Options,
    connection: Option<Connection>,
    pace: Pace,
    looks: Looks,
    /// As many as a look has taken at most; the first one asks everything.
    commands_of_a_look: usize,
    has_looked: bool,
    sample: Option<GrowingSample>,
}

impl Watch {
    /// Watches a server. Nothing is asked before the first look. Of `options` the window and `full` do not count: counters are compared
    /// with those of the last look, and keys are looked at when [`Watch::grow_sample`] is called.
    pub fn new(node: &Node, options: Options) -> Self {
        // Whoever watches tries again, and wants to see that.
        let node = Node { retry: Retry::never(), ..node.clone() };
        Self {
            node,
            options,
            connection: None,
            pace: Pace::default(),
            looks: Looks::default(),
            commands_of_a_look: COMMANDS_OF_A_LOOK,
            has_looked: false,
            sample: None,
        }
    }

    /// Looks once. After an error the next look makes a connection of its own.
    ///
    /// # Errors
    ///
    /// There is no connection, it broke, INFO is refused, or the server is a Sentinel.
    pub async fn look(&mut self) -> Result<Report> {
        let looked = self.try_to_look().await;
        if looked.is_err() {
            self.connection = None;
        }
        looked
    }

    async fn try_to_look(&mut self) -> Result<Report> {
        let options = introspection::Options {
            questions: questions(&self.options.topics),
            pings: false,
            pauses: false,
            window: std::time::Duration::ZERO,
            now: Utc::now(),
            path: path_to(&self.node),
        };
        let mut connection = self.connected().await?;
        // All at once: a pause within a look would be taken for a server that answers late.
        self.pace.room_for(self.commands_of_a_look).await;
        let mut paced = Paced::new(&mut connection, &mut self.pace);
        let mut snapshot =
            self.looks.take(&mut paced, &options).await.context("cannot read the state of the server")?;
        self.connection = Some(connection);
        let commands = usize::try_from(snapshot.receipt.commands).unwrap_or(COMMANDS_OF_A_LOOK);
        self.commands_of_a_look = if self.has_looked { self.commands_of_a_look.max(commands) } else { commands };
        self.has_looked = true;
        if let Some(met) = SentinelMet::of(&self.node, &snapshot.server) {
            return Err(met.into());
        }
        let server = &snapshot.server;
        if let Some(restores) = &self.options.restores {
            snapshot.restore = Record::running(restores, &server.run_id).await;
        }
        snapshot.left_behind = Part::Got(LeftBehind::recognise(server, self.options.restores.as_deref()).await);
        Ok(Report::new(snapshot, &Options { now: options.now, ..self.options.clone() }))
    }

    /// The connection, or a new one. It is given back when it has proven good.
    async fn connected(&mut self) -> Result<Connection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.pace.room_for(COMMANDS_OF_A_GREETING).await;
        let connected = self.node.connect_even_while_loading().await;
        self.pace.note(COMMANDS_OF_A_GREETING);
        if let Some(sample) = &mut self.sample {
            sample.on_another_connection();
        }
        Ok(connected?)
    }

    /// Draws some keys more, and says what all that were drawn look like. They are no part of what is judged: a few keys are enough to
    /// see where the memory is, and not to say what is wrong.
    ///
    /// # Errors
    ///
    /// The connection broke, or the user may not draw keys or ask for their type. The connection is given up then.
    pub async fn grow_sample(&mut self) -> Result<Option<KeyspaceProfile>> {
        let Some(last) = self.looks.last() else { return Ok(None) };
        let (info, server) = (last.info.clone(), &last.server);
        let now_ms = u64::try_from(last.taken_at.timestamp_millis()).unwrap_or(0);
        let new = || GrowingSample::new(now_ms, last.answers.config.got());
        if self.sample.is_none() {
            self.sample = Some(new());
        }
        // In a cluster a replica sends everybody who asks for a key to its primary.
        if server.mode == Mode::Cluster && server.role == NodeRole::Replica && !self.node.reads_replica {
            (self.node.reads_replica, self.connection) = (true, None);
        }
        let mut connection = self.connected().await?;
        let Some(mut sample) = self.sample.take() else { return Ok(None) };
        let grown = sample.grow(&mut Paced::new(&mut connection, &mut self.pace), &info, KEYS_AT_ONCE).await;
        let profile = sample.profile();
        self.sample = Some(sample);
        self.looks.note(&grown?);
        self.connection = Some(connection);
        Ok(Some(profile))
    }
}
