//! The shards of a cluster: which nodes together hold the whole data set.

use redis::Value;

use super::source::SourceError;
use crate::connection::{Address, Node};

/// The primaries of the cluster that a node belongs to, in the order of their slots. They are reached as the node is.
///
/// # Errors
/// If the node cannot be reached, or does not say.
pub async fn primaries(node: &Node) -> Result<Vec<Node>, SourceError> {
    let mut connection = node.connect().await?;
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    let mut places: Vec<(i64, String, u16)> = Vec::new();
    let Value::Array(ranges) = connection.query(&slots).await? else {
        return Err(SourceError::Refused("the node does not say which shards its cluster has".to_owned()));
    };
    for range in ranges {
        let Value::Array(parts) = range else { continue };
        let Some(Value::Int(first)) = parts.first() else { continue };
        // The first node behind the two slots is the primary: host, port, id, ….
        let Some(Value::Array(primary)) = parts.get(2) else { continue };
        let host = primary.first().map(text).unwrap_or_default();
        let Some(Value::Int(port)) = primary.get(1) else { continue };
        let Ok(port) = u16::try_from(*port) else { continue };
        if !places.iter().any(|(_, known, at)| *known == host && *at == port) {
            places.push((*first, host, port));
        }
    }
    if places.is_empty() {
        return Err(SourceError::Refused("no node of the cluster serves any slot".to_owned()));
    }
    places.sort();
    Ok(places.into_iter().map(|(_, host, port)| at(node, host, port)).collect())
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    }
}

/// A node of the cluster. One that does not know its own address is the one that was asked.
fn at(node: &Node, host: String, port: u16) -> Node {
    let address = match (&node.address, host.as_str()) {
        (Address::Tcp { host, .. }, "" | "?") => Address::tcp(host.clone(), port),
        (own, "" | "?") => own.clone(),
        _ => Address::tcp(host, port),
    };
    Node { name: address.to_string(), address, ..node.clone() }
}
