//! A cluster that is talked to as if it were one server: each command goes to the primary that serves the slot of its key, and what has
//! no key to all of them.

use super::connected::Others;
use super::{Command, CommandError, ConnectError, Connection, Node, ServerError};
use crate::replies::{Info, N_SLOTS, Reply, Slots, slot_of};

/// A primary of a cluster, and what it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The slots that it serves.
    pub slots: Slots,
    /// How it is reached.
    pub node: Node,
}

/// Commands of ours whose second word is a key.
const WITH_KEY: &[&[u8]] = &[b"EXISTS", b"DUMP", b"UNLINK", b"PEXPIRETIME", b"PTTL", b"TYPE"];

impl Node {
    /// The cluster of these primaries, as one server under the name of this node.
    #[must_use]
    pub fn in_parts(&self, parts: Vec<Part>) -> Self {
        Self { parts: parts.into(), ..self.clone() }
    }

    /// Each server by itself: the primaries of a cluster in parts, else this one.
    pub fn each(&self) -> Vec<Self> {
        match self.parts.is_empty() {
            true => vec![self.clone()],
            false => self.parts.iter().map(|part| self.as_part(part)).collect(),
        }
    }

    /// Which of [`Node::each`] serves a key.
    pub fn serving(&self, key: &[u8]) -> usize {
        let slot = slot_of(key);
        self.parts.iter().position(|part| part.slots.has(slot)).unwrap_or(0)
    }

    /// Which of [`Node::each`] serves each slot; empty for one server.
    pub fn owners(&self) -> Vec<u16> {
        if self.parts.is_empty() {
            return Vec::new();
        }
        let mut owners = vec![0; N_SLOTS as usize];
        for (index, part) in (0_u16..).zip(self.parts.iter()) {
            for (first, last) in part.slots.ranges() {
                owners[usize::from(*first)..=usize::from(*last)].fill(index);
            }
        }
        owners
    }

    fn as_part(&self, part: &Part) -> Self {
        Self { name: part.node.name.clone(), address: part.node.address.clone(), parts: [].into(), ..self.clone() }
    }

    pub(super) async fn connect_to_parts(&self) -> Result<Connection, ConnectError> {
        let mut connections = Vec::new();
        for node in self.each() {
            // A single server: no circle.
            connections.push(Box::pin(node.connect()).await?);
        }
        let first = connections.remove(0);
        Ok(first.with_others(Others { connections, owners: self.owners() }))
    }
}

impl Others {
    /// The number of the primary that serves the key of a command, the first is 0; `None`: the command has no key.
    pub(super) fn owner_of(&self, command: &Command) -> Option<usize> {
        let mut words = command.words();
        let name = words.next()?.to_ascii_uppercase();
        let key = words.next().filter(|_| WITH_KEY.contains(&name.as_slice()))?;
        self.owners.get(usize::from(slot_of(key))).map(|owner| usize::from(*owner))
    }
}

/// What all primaries have answered to one command: INFO as one, of all else the first error, or the answer of the first.
pub(super) fn together(name: &str, mut answers: Vec<Reply>) -> Reply {
    if name == "INFO" {
        let each: Vec<Info> = answers.iter().filter_map(|answer| answer.bytes().map(Info::from_bytes)).collect();
        return Reply::Bytes(Info::of_parts(&each).into_bytes());
    }
    match answers.is_empty() {
        true => Reply::Nil,
        false => answers.remove(0),
    }
}

/// The same for the answers of a pipeline.
pub(super) fn first_error_or_first(answers: Vec<Result<Reply, ServerError>>) -> Option<Result<Reply, ServerError>> {
    let mut first = None;
    for answer in answers {
        match answer {
            Err(error) => return Some(Err(error)),
            answer => {
                first.get_or_insert(answer);
            }
        }
    }
    first
}

impl Connection {
    /// Asks one command of a cluster in parts.
    pub(super) async fn query_parts(&mut self, command: &Command) -> Result<Reply, CommandError> {
        let owner = self.others.as_ref().and_then(|others| others.owner_of(command));
        let mut others = self.others.iter_mut().flat_map(|others| others.connections.iter_mut());
        match owner {
            Some(0) => self.query_own(command).await,
            Some(index) => match others.nth(index - 1) {
                Some(connection) => connection.query_own(command).await,
                None => self.query_own(command).await,
            },
            None => {
                let mut answers = Vec::new();
                for connection in others {
                    answers.push(connection.query_own(command).await?);
                }
                answers.insert(0, self.query_own(command).await?);
                Ok(together(&command.name(), answers))
            }
        }
    }

    /// Asks several commands of a cluster in parts.
    pub(super) async fn pipeline_parts(
        &mut self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, ServerError>>, CommandError> {
        let n_parts = 1 + self.others.as_ref().map_or(0, |others| others.connections.len());
        let mut by_part: Vec<(Vec<usize>, Vec<Command>)> = (0..n_parts).map(|_| (Vec::new(), Vec::new())).collect();
        let n_commands = commands.len();
        for (at, command) in commands.into_iter().enumerate() {
            let owner = self.others.as_ref().and_then(|others| others.owner_of(&command));
            for (index, (places, own)) in by_part.iter_mut().enumerate() {
                if owner.is_none_or(|owner| owner == index) {
                    places.push(at);
                    own.push(command.clone());
                }
            }
        }
        let mut answers: Vec<Vec<Result<Reply, ServerError>>> = (0..n_commands).map(|_| Vec::new()).collect();
        for (index, (places, own)) in by_part.into_iter().enumerate() {
            let told = match (index, &mut self.others) {
                (0, _) | (_, None) => self.pipeline_own(own.into_iter()).await?,
                (index, Some(others)) => others.connections[index - 1].pipeline_own(own.into_iter()).await?,
            };
            for (at, answer) in places.into_iter().zip(told) {
                answers[at].push(answer);
            }
        }
        let nobody =
            || ServerError { code: "ERR".to_owned(), text: "no primary serves the slot of the key".to_owned() };
        Ok(answers.into_iter().map(|each| first_error_or_first(each).unwrap_or_else(|| Err(nobody()))).collect())
    }
}
